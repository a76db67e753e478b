//! The verbs of a frame, under polars' own names.

use super::classes::warn_of_indices;
use super::convert::{Names, Selections, to_array, to_map};
use super::values::GroupBy;
use crate::bind::prelude::*;
use crate::frames::expr::Expr;
use crate::frames::{Frame, FrameError, How};

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    columns(registry);
    rows(registry);
    groups_and_joins(registry);
    reading(registry);
}

fn columns(registry: &mut Registry) {
    registry.add(
        Function::method::<Frame>("select", |call| {
            Ok(Dynamic::from(call.receiver::<Frame>()?.select(&call.arg::<Selections>(0)?.0)?))
        })
        .about("Only the named columns or the results of expressions.")
        .source("polars")
        .param::<Selections>("columns", "names or expressions")
        .returns("Frame: one column for each")
        .example(
            "frame::of(#{ a: [1, 2], b: [3, 4] }).select([\"b\", (col(\"a\") * 2).alias(\"c\")]).row(1)",
            "#{b: 4, c: 4}",
        )
        .fails("frame::of(#{ a: [1] }).select(\"b\")", "there is no column `b`"),
    );
    registry.add(
        Function::method::<Frame>("with_columns", |call| {
            Ok(Dynamic::from(call.receiver::<Frame>()?.with_columns(&call.arg::<Selections>(0)?.0)?))
        })
        .about("All columns, with the results of expressions added or, under a known name, replaced.")
        .source("polars")
        .param::<Selections>("columns", "expressions")
        .returns("Frame: as many rows as before")
        .example(
            "frame::of(#{ a: [1, 2] }).with_columns((col(\"a\") > 1).alias(\"large\")).column(\"large\")",
            "[false, true]",
        )
        .fails("frame::of(#{ a: [1] }).with_columns(col(\"b\") + 1)", "there is no column `b`"),
    );
    registry.add(
        Function::method::<Frame>("drop", |call| {
            Ok(Dynamic::from(call.receiver::<Frame>()?.drop_columns(&call.arg::<Names>(0)?.0)?))
        })
        .about("All columns but these.")
        .source("polars")
        .param::<Names>("columns", "names")
        .returns("Frame: the other columns")
        .example("frame::of(#{ a: [1], b: [2] }).drop(\"a\").columns", "[\"b\"]")
        .fails("frame::of(#{ a: [1] }).drop(\"b\")", "there is no column `b`"),
    );
    registry.add(
        Function::method::<Frame>("rename", |call| {
            let names: Map = call.arg(0)?;
            let mut pairs = Vec::new();
            for (old, new) in &names {
                let new =
                    String::from_dynamic(new).map_err(|why| call.misfit(&format!("the new name of `{old}`"), &why))?;
                pairs.push((old.to_string(), new));
            }
            Ok(Dynamic::from(call.receiver::<Frame>()?.rename(&pairs)?))
        })
        .about("Columns under new names.")
        .source("polars")
        .param::<Map>("names", "old names with new ones")
        .returns("Frame: the same columns in the same order")
        .example("frame::of(#{ a: [1], b: [2] }).rename(#{ a: \"x\" }).columns", "[\"x\", \"b\"]")
        .fails("frame::of(#{ a: [1], b: [2] }).rename(#{ a: \"b\" })", "two columns would be called `b`"),
    );
}

options! {
    /// How rows are sorted.
    pub struct SortOptions {
        /// The largest first.
        descending: bool = false,
    }
}

fn rows(registry: &mut Registry) {
    registry.add(
        Function::method::<Frame>("filter", |call| {
            Ok(Dynamic::from(call.receiver::<Frame>()?.filter(&call.arg::<Expr>(0)?)?))
        })
        .about("The rows where the condition is true; where it is null, it is not.")
        .source("polars")
        .param::<Expr>("condition", "a truth value per row, joined by `&` and `|`")
        .returns("Frame: some of the rows, in order")
        .example(
            "frame::of(#{ p1: [0.2, 0.9], n: [1, 2] }).filter((col(\"p1\") > 0.5) & (col(\"n\") == 2)).height",
            "1",
        )
        .fails("frame::of(#{ a: [1] }).filter(col(\"a\"))", "`filter` needs a bool, not int"),
    );
    registry.add(
        Function::method::<Frame>("sort", |call| {
            let options: SortOptions = call.options()?;
            Ok(Dynamic::from(call.receiver::<Frame>()?.sort(&call.arg::<Names>(0)?.0, options.descending)?))
        })
        .about("Sorted by columns; equal rows keep their order, nulls come last.")
        .source("polars, with `maintain_order=True, nulls_last=True`")
        .param::<Names>("columns", "the first decides, the next among equals")
        .options::<SortOptions>()
        .returns("Frame: the same rows")
        .example("frame::of(#{ a: [2, 3, 1] }).sort(\"a\", #{ descending: true }).column(\"a\")", "[3, 2, 1]")
        .fails("frame::of(#{ a: [1] }).sort(\"b\")", "there is no column `b`"),
    );
    registry.add(
        Function::method::<Frame>("head", |call| {
            let n = call.optional::<usize>(0)?.unwrap_or(5);
            Ok(Dynamic::from(call.receiver::<Frame>()?.head(n)))
        })
        .about("The first `n` rows.")
        .source("polars")
        .optional::<usize>("n", "5 unless given")
        .returns("Frame: at most `n` rows")
        .example("frame::of(#{ a: [1, 2, 3] }).head(2).column(\"a\")", "[1, 2]")
        .fails("frame::of(#{ a: [1] }).head(-1)", "must not be negative"),
    );
    registry.add(
        Function::method::<Frame>("tail", |call| {
            let n = call.optional::<usize>(0)?.unwrap_or(5);
            Ok(Dynamic::from(call.receiver::<Frame>()?.tail(n)))
        })
        .about("The last `n` rows.")
        .source("polars")
        .optional::<usize>("n", "5 unless given")
        .returns("Frame: at most `n` rows")
        .example("frame::of(#{ a: [1, 2, 3] }).tail(2).column(\"a\")", "[2, 3]")
        .fails("frame::of(#{ a: [1] }).tail(1.5)", "must be an integer"),
    );
    registry.add(
        Function::method::<Frame>("slice", |call| {
            let frame: Frame = call.receiver()?;
            let n = call.optional::<usize>(1)?.unwrap_or(frame.height());
            Ok(Dynamic::from(frame.slice(call.arg(0)?, n)))
        })
        .about("`n` rows from row `offset` on.")
        .source("polars")
        .param::<i64>("offset", "the first row; negative counts from the end")
        .optional::<usize>("n", "all that follow unless given")
        .returns("Frame: at most `n` rows")
        .example("frame::of(#{ a: [1, 2, 3, 4] }).slice(1, 2).column(\"a\")", "[2, 3]")
        .fails("frame::of(#{ a: [1] }).slice(0, -1)", "must not be negative"),
    );
    registry.add(
        Function::method::<Frame>("unique", |call| {
            let columns = call.optional::<Names>(0)?.unwrap_or_default();
            Ok(Dynamic::from(call.receiver::<Frame>()?.unique(&columns.0)?))
        })
        .about("The first row of each combination of values.")
        .source("polars, with `keep=\"first\", maintain_order=True`")
        .optional::<Names>("columns", "all columns unless given")
        .returns("Frame: some of the rows, in order")
        .example("frame::of(#{ a: [2, 1, 2], b: [1, 2, 3] }).unique(\"a\").column(\"b\")", "[1, 2]")
        .fails("frame::of(#{ a: [1] }).unique(\"b\")", "there is no column `b`"),
    );
    registry.add(
        Function::method::<Frame>("sample", |call| {
            let frame: Frame = call.receiver()?;
            let seed = call.ctx().seed(call.optional::<u64>(1)?);
            Ok(Dynamic::from(frame.sample(call.arg(0)?, seed)?))
        })
        .about("`n` different rows drawn at random, in the frame's order.")
        .param::<usize>("n", "how many")
        .optional::<u64>("seed", "the session's seed unless given")
        .returns("Frame: `n` rows")
        .example("frame::of(#{ a: [1, 2, 3, 4] }).sample(2, 0).height", "2")
        .fails("frame::of(#{ a: [1] }).sample(2, 0)", "cannot draw 2 of 1 rows"),
    );
    registry.add(
        Function::method::<Frame>("vstack", |call| stacked(call, &[call.receiver()?, call.arg(0)?]))
            .about("The rows of this frame, then those of the other.")
            .details("Both have the same columns, in any order. `frame::concat` takes any number.")
            .source("polars; columns are matched by name here")
            .param::<Frame>("other", "the rows below")
            .returns("Frame: all rows")
            .example("frame::of(#{ a: [1] }).vstack(frame::of(#{ a: [2] })).column(\"a\")", "[1, 2]")
            .fails("frame::of(#{ a: [1] }).vstack(frame::of(#{ b: [2] }))", "frame 0 has the columns a, frame 1 has b"),
    );
    registry.add(
        Function::new("frame", "concat", |call| stacked(call, &call.arg::<Vec<Frame>>(0)?))
            .about("The rows of all frames, one after the other.")
            .details(
                "All have the same columns, in any order, of the same kinds; integers meet floats as floats. Classes meet by \
                 name, in the order of the first frame that has names.",
            )
            .source("polars")
            .param::<Vec<Frame>>("frames", "at least one")
            .returns("Frame: all rows")
            .example("frame::concat([frame::of(#{ a: [1] }), frame::of(#{ a: [2] })]).column(\"a\")", "[1, 2]")
            .fails("frame::concat([])", "`concat` needs at least one frame")
            .fails(
                "frame::concat([frame::of(#{ a: [1] }), frame::of(#{ a: [\"x\"] })])",
                "column `a` is int on the left and string on the right",
            ),
    );
}

options! {
    /// How two frames meet.
    pub struct JoinOptions {
        /// Columns that rows must agree in.
        on: Names = "id".into(),
        /// `inner`, `left`, `full`, `semi` (left rows that meet one) or `anti` (left rows that meet none).
        how: String = "inner".to_owned(),
        /// What right columns are given whose name the left frame has too.
        suffix: String = "_right".to_owned(),
    }
}

fn groups_and_joins(registry: &mut Registry) {
    registry.add(
        Function::method::<Frame>("group_by", |call| {
            let frame: Frame = call.receiver()?;
            let keys = call.arg::<Names>(0)?.0;
            keys.iter().try_for_each(|key| frame.column(key).map(|_| ()))?;
            Ok(Dynamic::from(GroupBy { frame, keys }))
        })
        .about("The groups of rows that agree in the columns, waiting for `.agg`.")
        .details("Groups come in the order in which they first appear.")
        .source("polars, with `maintain_order=True`")
        .param::<Names>("columns", "what rows of one group agree in")
        .returns("GroupBy: the groups")
        .example(
            "frame::of(#{ g: [\"b\", \"a\", \"b\"], x: [1, 2, 5] }).group_by(\"g\").agg(col(\"x\").mean()).column(\"x\")",
            "[3.0, 2.0]",
        )
        .fails("frame::of(#{ a: [1] }).group_by(\"b\")", "there is no column `b`"),
    );
    registry.add(
        Function::method::<GroupBy>("agg", |call| {
            let groups: GroupBy = call.receiver()?;
            Ok(Dynamic::from(groups.frame.group_by(&groups.keys, &call.arg::<Selections>(0)?.0)?))
        })
        .about("One row per group: the columns it is grouped by, and an aggregate for each expression.")
        .source("polars")
        .param::<Selections>("aggregates", "expressions that give one value per group")
        .returns("Frame: groups in the order in which they first appear")
        .example(
            "let f = frame::of(#{ g: [\"b\", \"a\", \"b\"], right: [true, true, false] });\n\
             f.group_by(\"g\").agg([col(\"right\").mean(), col(\"right\").len().alias(\"n\")]).row(0)",
            "#{g: \"b\", n: 2, right: 0.5}",
        )
        .fails("frame::of(#{ g: [1], x: [1] }).group_by(\"g\").agg(col(\"x\"))", "`agg` needs one value per group"),
    );
    registry.add(
        Function::method::<Frame>("join", |call| {
            let (frame, other): (Frame, Frame) = (call.receiver()?, call.arg(0)?);
            let options: JoinOptions = call.options()?;
            let how = match options.how.as_str() {
                "inner" => How::Inner,
                "left" => How::Left,
                "full" => How::Full,
                "semi" => How::Semi,
                "anti" => How::Anti,
                unknown => {
                    return Err(Fault::new("frame/join", format!("there is no join `{unknown}`"))
                        .hint("joins: inner, left, full, semi, anti"));
                }
            };
            if !matches!(how, How::Semi | How::Anti) {
                warn_of_indices(call, &[("the left frame", &frame), ("the right frame", &other)]);
            }
            Ok(Dynamic::from(frame.join(&other, &options.on.0, how, &options.suffix)?))
        })
        .about("Rows of both frames that agree in the columns `on`, beside one another.")
        .details(
            "Rows keep the left frame's order. A null equals nothing, not even another null. Where both frames have class names, the right \
             frame's classes are brought into the left one's order; other names are refused.",
        )
        .source("polars, with `maintain_order=\"left_right\", coalesce=True`")
        .param::<Frame>("other", "the frame to the right")
        .options::<JoinOptions>()
        .returns("Frame: columns of both")
        .example(
            "let a = frame::of(#{ id: [\"x\", \"y\"], p1: [0.2, 0.9] });\n\
             let b = frame::of(#{ id: [\"y\", \"x\"], label: [1, 0] });\na.join(b).row(0)",
            "#{id: \"x\", label: 0, p1: 0.2}",
        )
        .fails(
            "frame::of(#{ id: [\"x\"] }).join(frame::of(#{ id: [1] }))",
            "column `id` is string on the left and int on the right",
        ),
    );
}

fn reading(registry: &mut Registry) {
    registry.add(
        Function::getter::<Frame>("columns", |call| {
            let names: Array = call.receiver::<Frame>()?.columns().into_iter().map(Dynamic::from).collect();
            Ok(Dynamic::from(names))
        })
        .about("The column names in order.")
        .source("polars")
        .returns("array of string: the names")
        .example("frame::of(#{ a: [1], b: [2] }).columns", "[\"a\", \"b\"]"),
    );
    registry.add(
        Function::getter::<Frame>("height", |call| Ok(Dynamic::from(call.receiver::<Frame>()?.height() as INT)))
            .about("How many rows.")
            .source("polars")
            .returns("integer: the number of rows")
            .example("frame::of(#{ a: [1, 2] }).height", "2"),
    );
    registry.add(
        Function::getter::<Frame>("n_rows", |call| Ok(Dynamic::from(call.receiver::<Frame>()?.height() as INT)))
            .about("How many rows; the same as `height`, under the name that data has for it.")
            .returns("integer: the number of rows")
            .example("frame::of(#{ a: [1, 2] }).n_rows", "2"),
    );
    registry.add(
        Function::getter::<Frame>("width", |call| Ok(Dynamic::from(call.receiver::<Frame>()?.width() as INT)))
            .about("How many columns.")
            .source("polars")
            .returns("integer: the number of columns")
            .example("frame::of(#{ a: [1, 2] }).width", "1"),
    );
    registry.add(
        Function::getter::<Frame>("shape", |call| {
            let frame: Frame = call.receiver()?;
            let shape: Array = vec![Dynamic::from(frame.height() as INT), Dynamic::from(frame.width() as INT)];
            Ok(Dynamic::from(shape))
        })
        .about("How many rows and columns.")
        .source("polars")
        .returns("array of integer: rows, columns")
        .example("frame::of(#{ a: [1, 2] }).shape", "[2, 1]"),
    );
    registry.add(
        Function::getter::<Frame>("kinds", |call| {
            let kinds = call.receiver::<Frame>()?.kinds();
            let map: Map =
                kinds.into_iter().map(|(name, kind)| (name.into(), Dynamic::from(kind.to_string()))).collect();
            Ok(Dynamic::from(map))
        })
        .about("What each column holds: `bool`, `int`, `float` or `string`.")
        .returns("object map: kinds by column name")
        .example("frame::of(#{ a: [1, 2], b: [0.5, ()] }).kinds", "#{a: \"int\", b: \"float\"}"),
    );
    registry.add(
        Function::getter::<Frame>("digest", |call| Ok(Dynamic::from(call.receiver::<Frame>()?.digest().to_hex())))
            .about("The digest of how the frame was derived or, where that is unknown, of its content.")
            .returns("string: 64 hexadecimal characters")
            .example("frame::of(#{ a: [1] }).digest == frame::of(#{ a: [1] }).digest", "true"),
    );
    registry.add(
        Function::method::<Frame>("column", column)
            .about("The values of one column.")
            .source("polars, `get_column(…).to_list()`")
            .param::<String>("name", "the column")
            .returns("array: its values, `()` for null")
            .example("frame::of(#{ a: [1, ()] }).column(\"a\")", "[1, ()]")
            .fails("frame::of(#{ accuracy: [1] }).column(\"acuracy\")", "there is no column `acuracy`"),
    );
    registry.add(
        Function::operator::<Frame>("index", column)
            .about("The values of one column.")
            .param::<String>("name", "the column")
            .returns("array: its values, `()` for null")
            .example("frame::of(#{ a: [1, 2] })[\"a\"]", "[1, 2]")
            .fails("frame::of(#{ a: [1] })[\"b\"]", "there is no column `b`"),
    );
    registry.add(
        Function::method::<Frame>("row", |call| {
            let frame: Frame = call.receiver()?;
            let row: i64 = call.arg(0)?;
            let height = frame.height();
            let at = if row < 0 { row.saturating_add(height as i64) } else { row };
            let at = usize::try_from(at).ok().filter(|at| *at < height).ok_or(FrameError::NoRow { row, height })?;
            Ok(Dynamic::from(to_map(&frame, at)))
        })
        .about("One row as an object map.")
        .source("polars, `row(index, named=True)`")
        .param::<i64>("index", "from 0; negative counts from the end")
        .returns("object map: values by column name, `()` for null")
        .example("frame::of(#{ a: [1, 2], b: [\"x\", \"y\"] }).row(-1)", "#{a: 2, b: \"y\"}")
        .fails("frame::of(#{ a: [1] }).row(1)", "row `1` does not exist: the frame has 1 rows"),
    );
    registry.add(
        Function::method::<Frame>("rows", |call| {
            let frame: Frame = call.receiver()?;
            if frame.height().saturating_mul(frame.width()) > MAX_CELLS {
                return Err(Fault::new(
                    "frame/too-many-rows",
                    format!("`rows` makes at most {MAX_CELLS} values; the frame has {} rows", frame.height()),
                )
                .hint("take some with `head`, `slice` or `filter`, or compute with expressions"));
            }
            let rows: Array = (0..frame.height()).map(|row| Dynamic::from(to_map(&frame, row))).collect();
            Ok(Dynamic::from(rows))
        })
        .about("All rows as object maps, for a loop.")
        .source("polars, `rows(named=True)`")
        .returns("array of object map: one per row")
        .example("let sum = 0; for row in frame::of(#{ a: [1, 2] }).rows() { sum += row.a; } sum", "3"),
    );
    registry.add(
        Function::method::<Frame>("item", |call| {
            let frame: Frame = call.receiver()?;
            if (frame.height(), frame.width()) != (1, 1) {
                let (height, width) = (frame.height(), frame.width());
                return Err(Fault::new(
                    "frame/item",
                    format!("`item` needs 1 row and 1 column, got {height} and {width}"),
                )
                .hint("use `row(…)` or `column(…)`"));
            }
            Ok(to_map(&frame, 0).into_values().next().unwrap_or(Dynamic::UNIT))
        })
        .about("The only value of a frame with one row and one column.")
        .source("polars")
        .returns("any: the value, `()` for null")
        .example("frame::of(#{ a: [1, 3] }).select(col(\"a\").mean()).item()", "2.0")
        .fails("frame::of(#{ a: [1, 3] }).item()", "`item` needs 1 row and 1 column, got 2 and 1"),
    );
    registry.add(
        Function::method::<Frame>("describe", |call| Ok(Dynamic::from(call.receiver::<Frame>()?.describe()?)))
            .about("Count, nulls, mean, spread and quartiles of every column.")
            .source("polars; text columns have counts only")
            .returns("Frame: a row per statistic")
            .example(
                "frame::of(#{ a: [1, 2, 3] }).describe().filter(col(\"statistic\") == \"mean\").column(\"a\")",
                "[2.0]",
            ),
    );
    registry.add(
        Function::method::<Frame>("equals", |call| {
            Ok(Dynamic::from(call.receiver::<Frame>()?.equals(&call.arg::<Frame>(0)?)))
        })
        .about("Whether both have the same columns and values in the same order; `==` is the same.")
        .source("polars, with `null_equal=True`")
        .param::<Frame>("other", "the other frame")
        .returns("bool: whether they are equal")
        .example("frame::of(#{ a: [1] }).equals(frame::of(#{ a: [1] }))", "true")
        .example("frame::of(#{ a: [1] }) == frame::of(#{ a: [2] })", "false")
        .fails("frame::of(#{ a: [1] }).equals(1)", "must be a Frame"),
    );
}

/// All rows, and a warning for a frame whose classes are read by index.
fn stacked(call: &Call, frames: &[Frame]) -> Answer {
    let names: Vec<String> = (0..frames.len()).map(|at| format!("frame {at}")).collect();
    warn_of_indices(call, &names.iter().map(String::as_str).zip(frames).collect::<Vec<_>>());
    Ok(Dynamic::from(Frame::concat(frames)?))
}

/// The most values that a frame gives a script one by one. Arbitrary: some hundred megabytes as Rhai holds them.
const MAX_CELLS: usize = 5_000_000;

fn column(call: &mut Call) -> Answer {
    let frame: Frame = call.receiver()?;
    let name: String = call.arg(0)?;
    if frame.height() > MAX_CELLS {
        return Err(Fault::new("frame/too-many-rows", format!("`column` makes at most {MAX_CELLS} values")));
    }
    Ok(Dynamic::from(to_array(frame.column(&name)?)))
}
