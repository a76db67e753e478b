//! `col`, `lit`, `when`, and the methods of an expression, under polars' own names.

use super::convert::{Names, Operand};
use super::values::{StrExpr, When};
use crate::bind::prelude::*;
use crate::frames::Kind;
use crate::frames::expr::{Aggregate, Binary, Expr, RankMethod, Unary};

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    constructors(registry);
    aggregates(registry);
    elementwise(registry);
    shaping(registry);
    texts(registry);
}

fn constructors(registry: &mut Registry) {
    registry.add(
        Function::new("", "col", |call| Ok(Dynamic::from(Expr::column(call.arg::<String>(0)?))))
            .about("The column called `name`, as an expression.")
            .details(
                "Nothing is computed until a frame's verb (`select`, `filter`, `with_columns`, `agg`) is given it.",
            )
            .source("polars")
            .param::<String>("name", "the column's name")
            .returns("Expr: the column")
            .example("frame::of(#{ p1: [0.2, 0.9] }).filter(col(\"p1\") > 0.5).height", "1")
            .example("col(\"p1\") > 0.5", "col(\"p1\") > 0.5")
            .fails("frame::of(#{ p1: [0.2, 0.9] }).filter(col(\"p2\") > 0.5)", "there is no column `p2`"),
    );
    registry.add(
        Function::new("", "lit", |call| Ok(Dynamic::from(call.arg::<Operand>(0)?.0)))
            .about("A constant, as an expression.")
            .source("polars")
            .param::<Operand>("value", "a number, text, truth value, or `()` for null")
            .returns("Expr: the constant")
            .example(
                "frame::of(#{ x: [1, 2] }).with_columns(lit(\"naive\").alias(\"method\")).row(0)",
                "#{method: \"naive\", x: 1}",
            )
            .fails("lit([1, 2])", "`value` of `lit` must be one of"),
    );
    registry.add(
        Function::new("", "when", |call| {
            let open = Some(call.arg::<Operand>(0)?.0);
            Ok(Dynamic::from(When { cases: Vec::new(), open }))
        })
        .about("Begins a choice: `when(condition).then(value).otherwise(value)`.")
        .source("polars")
        .param::<Operand>("condition", "a truth value per row")
        .returns("When: the choice, which needs `.then(…)` next")
        .example(
            "let f = frame::of(#{ p1: [0.2, 0.9] });\nf.select(when(col(\"p1\") > 0.5).then(\"yes\").otherwise(\"no\").alias(\"says\")).column(\"says\")",
            "[\"no\", \"yes\"]",
        )
        .fails("when(col(\"a\") > 1).otherwise(0)", "`then` is missing"),
    );
    registry.add(
        Function::method::<When>("then", |call| {
            let mut choice: When = call.receiver()?;
            let value = call.arg::<Operand>(0)?.0;
            let Some(when) = choice.open.take() else {
                return Err(Fault::new("frame/expression", "`then` needs a `when(…)` before it"));
            };
            choice.cases.push((when, value));
            Ok(Dynamic::from(choice))
        })
        .about("The value where the condition before it holds.")
        .source("polars")
        .param::<Operand>("value", "an expression or a constant")
        .returns("When: the choice, which needs `.otherwise(…)` or another `.when(…)`")
        .example("when(col(\"a\") > 1).then(1).otherwise(0)", "when(col(\"a\") > 1).then(1).otherwise(0)")
        .fails("when(col(\"a\") > 1).then(1).then(2)", "`then` needs a `when(…)` before it"),
    );
    registry.add(
        Function::method::<When>("when", |call| {
            let mut choice: When = call.receiver()?;
            if choice.open.is_some() {
                return Err(Fault::new("frame/expression", "`then` is missing before the next `when`"));
            }
            choice.open = Some(call.arg::<Operand>(0)?.0);
            Ok(Dynamic::from(choice))
        })
        .about("A further condition, tried where those before it fail.")
        .source("polars")
        .param::<Operand>("condition", "a truth value per row")
        .returns("When: the choice, which needs `.then(…)` next")
        .example(
            "let grade = when(col(\"x\") > 2).then(\"high\").when(col(\"x\") > 1).then(\"middle\").otherwise(\"low\");\n\
             frame::of(#{ x: [1, 2, 3] }).select(grade.alias(\"g\")).column(\"g\")",
            "[\"low\", \"middle\", \"high\"]",
        )
        .fails("when(col(\"a\") > 1).when(col(\"a\") > 0)", "`then` is missing"),
    );
    registry.add(
        Function::method::<When>("otherwise", |call| {
            let choice: When = call.receiver()?;
            if choice.open.is_some() {
                return Err(Fault::new("frame/expression", "`then` is missing before `otherwise`"));
            }
            Ok(Dynamic::from(Expr::when(choice.cases, call.arg::<Operand>(0)?.0)?))
        })
        .about("Ends a choice with the value where no condition holds.")
        .source("polars")
        .param::<Operand>("value", "an expression or a constant, of the same kind as the other values")
        .returns("Expr: the choice")
        .example(
            "frame::of(#{ x: [1, 5] }).select(when(col(\"x\") > 2).then(col(\"x\")).otherwise(())).column(\"x\")",
            "[(), 5]",
        )
        .fails(
            "frame::of(#{ x: [1] }).select(when(col(\"x\") > 2).then(\"a\").otherwise(0))",
            "`then` and `otherwise` must agree, but give string and int",
        ),
    );
}

/// What an aggregate's record says: name, sentence, code, result.
type Row = (&'static str, fn(&mut Call) -> Answer, &'static str, &'static str, &'static str);

fn aggregate(call: &Call, op: Aggregate) -> Answer {
    Ok(Dynamic::from(call.receiver::<Expr>()?.aggregate(op)?))
}

fn unary(call: &Call, op: Unary) -> Answer {
    Ok(Dynamic::from(call.receiver::<Expr>()?.unary(op)?))
}

fn aggregates(registry: &mut Registry) {
    let rows: [Row; 12] = [
        (
            "mean",
            |c| aggregate(c, Aggregate::Mean),
            "The mean; of truth values, the share that is true.",
            "frame::of(#{ x: [true, false, true, true] }).select(col(\"x\").mean()).item()",
            "0.75",
        ),
        (
            "sum",
            |c| aggregate(c, Aggregate::Sum),
            "The sum; of truth values, how many are true.",
            "frame::of(#{ x: [1, 2, 3] }).select(col(\"x\").sum()).item()",
            "6",
        ),
        (
            "min",
            |c| aggregate(c, Aggregate::Min),
            "The smallest value.",
            "frame::of(#{ x: [3, 1, 2] }).select(col(\"x\").min()).item()",
            "1",
        ),
        (
            "max",
            |c| aggregate(c, Aggregate::Max),
            "The largest value.",
            "frame::of(#{ x: [3, 1, 2] }).select(col(\"x\").max()).item()",
            "3",
        ),
        (
            "median",
            |c| aggregate(c, Aggregate::Median),
            "The median.",
            "frame::of(#{ x: [3, 1, 2, 9] }).select(col(\"x\").median()).item()",
            "2.5",
        ),
        (
            "std",
            |c| aggregate(c, Aggregate::Std),
            "The sample standard deviation (n − 1); null for one value.",
            "frame::of(#{ x: [1.0, 3.0, 5.0] }).select(col(\"x\").std()).item()",
            "2.0",
        ),
        (
            "variance",
            |c| aggregate(c, Aggregate::Var),
            "The sample variance (n − 1); null for one value. polars calls it `var`, a word that Rhai keeps for itself.",
            "frame::of(#{ x: [1.0, 3.0, 5.0] }).select(col(\"x\").variance()).item()",
            "4.0",
        ),
        (
            "count",
            |c| aggregate(c, Aggregate::Count),
            "How many values are not null.",
            "frame::of(#{ x: [1, (), 3] }).select(col(\"x\").count()).item()",
            "2",
        ),
        (
            "len",
            |c| aggregate(c, Aggregate::Len),
            "How many rows, nulls among them.",
            "frame::of(#{ x: [1, (), 3] }).select(col(\"x\").len()).item()",
            "3",
        ),
        (
            "n_unique",
            |c| aggregate(c, Aggregate::NUnique),
            "How many different values, null among them.",
            "frame::of(#{ x: [\"a\", \"b\", \"a\"] }).select(col(\"x\").n_unique()).item()",
            "2",
        ),
        (
            "first",
            |c| aggregate(c, Aggregate::First),
            "The first value, in row order.",
            "frame::of(#{ x: [3, 1, 2] }).select(col(\"x\").first()).item()",
            "3",
        ),
        (
            "last",
            |c| aggregate(c, Aggregate::Last),
            "The last value, in row order.",
            "frame::of(#{ x: [3, 1, 2] }).select(col(\"x\").last()).item()",
            "2",
        ),
    ];
    for (name, run, about, code, result) in rows {
        registry.add(
            Function::method::<Expr>(name, run)
                .about(about)
                .details("One value for all rows, or one per group within `agg` and `over`. Nulls are skipped.")
                .source("polars")
                .returns("Expr: the aggregate")
                .example(code, result)
                .fails("frame::of(#{ x: [1] }).select(col(\"x\").mean().sum())", "`sum` needs a value per row"),
        );
    }
    registry.add(
        Function::method::<Expr>("quantile", |call| {
            let expr: Expr = call.receiver()?;
            Ok(Dynamic::from(expr.aggregate(Aggregate::Quantile(call.arg(0)?))?))
        })
        .about("The `q` quantile, by linear interpolation between the two nearest values.")
        .source("polars, with `interpolation=\"linear\"`")
        .param::<f64>("q", "between 0 and 1")
        .returns("Expr: the aggregate")
        .example("frame::of(#{ x: [1.0, 2.0, 3.0, 4.0] }).select(col(\"x\").quantile(0.5)).item()", "2.5")
        .fails("col(\"x\").quantile(50)", "a quantile is between 0 and 1, not `50`"),
    );
}

fn elementwise(registry: &mut Registry) {
    let rows: [Row; 8] = [
        (
            "abs",
            |c| unary(c, Unary::Abs),
            "The absolute value.",
            "frame::of(#{ x: [-1.5, 2.0] }).select(col(\"x\").abs()).column(\"x\")",
            "[1.5, 2.0]",
        ),
        (
            "exp",
            |c| unary(c, Unary::Exp),
            "The exponential, e to the power of the value.",
            "frame::of(#{ x: [0.0] }).select(col(\"x\").exp()).item()",
            "1.0",
        ),
        (
            "sqrt",
            |c| unary(c, Unary::Sqrt),
            "The square root; NaN of a negative number.",
            "frame::of(#{ x: [4.0] }).select(col(\"x\").sqrt()).item()",
            "2.0",
        ),
        (
            "is_null",
            |c| unary(c, Unary::IsNull),
            "Whether there is no value.",
            "frame::of(#{ x: [1, ()] }).select(col(\"x\").is_null()).column(\"x\")",
            "[false, true]",
        ),
        (
            "is_not_null",
            |c| unary(c, Unary::IsNotNull),
            "Whether there is a value.",
            "frame::of(#{ x: [1, ()] }).select(col(\"x\").is_not_null()).column(\"x\")",
            "[true, false]",
        ),
        (
            "is_nan",
            |c| unary(c, Unary::IsNan),
            "Whether the float is NaN; null where there is no value.",
            "frame::of(#{ x: [1.0, -1.0] }).select(col(\"x\").log().is_nan()).column(\"x\")",
            "[false, true]",
        ),
        (
            "cum_sum",
            |c| unary(c, Unary::CumSum),
            "The sum of this row and all before it.",
            "frame::of(#{ x: [1, 2, 3] }).select(col(\"x\").cum_sum()).column(\"x\")",
            "[1, 3, 6]",
        ),
        (
            "not_",
            |c| unary(c, Unary::Not),
            "Whether the truth value is false; the same as `!`.",
            "frame::of(#{ x: [true, false] }).select(col(\"x\").not_()).column(\"x\")",
            "[false, true]",
        ),
    ];
    for (name, run, about, code, result) in rows {
        let record = Function::method::<Expr>(name, run)
            .about(about)
            .source("polars")
            .returns("Expr: one value per row")
            .example(code, result);
        let accepts_all = name.starts_with("is_n") && name != "is_nan";
        registry.add(if accepts_all {
            record.fails("frame::of(#{ x: [1] }).select(col(\"y\").is_null())", "there is no column `y`")
        } else {
            record.fails(
                match name {
                    "abs" => "frame::of(#{ x: [\"a\"] }).select(col(\"x\").abs())",
                    "exp" => "frame::of(#{ x: [\"a\"] }).select(col(\"x\").exp())",
                    "sqrt" => "frame::of(#{ x: [\"a\"] }).select(col(\"x\").sqrt())",
                    "is_nan" => "frame::of(#{ x: [\"a\"] }).select(col(\"x\").is_nan())",
                    "cum_sum" => "frame::of(#{ x: [\"a\"] }).select(col(\"x\").cum_sum())",
                    _ => "frame::of(#{ x: [\"a\"] }).select(col(\"x\").not_())",
                },
                "does not take string",
            )
        });
    }
    registry.add(
        Function::method::<Expr>("log", |call| {
            let base = call.optional::<f64>(0)?.unwrap_or(std::f64::consts::E);
            Ok(Dynamic::from(call.receiver::<Expr>()?.log(base)?))
        })
        .about("The logarithm, natural unless a base is given.")
        .source("polars")
        .optional::<f64>("base", "positive and not 1")
        .returns("Expr: one value per row")
        .example("frame::of(#{ x: [1.0, 100.0] }).select(col(\"x\").log(10)).column(\"x\")", "[0.0, 2.0]")
        .fails("col(\"x\").log(-1)", "the base of a logarithm is positive"),
    );
    registry.add(
        Function::method::<Expr>("round", |call| {
            let decimals = call.optional::<usize>(0)?.unwrap_or(0);
            Ok(Dynamic::from(call.receiver::<Expr>()?.round(u32::try_from(decimals).unwrap_or(u32::MAX))?))
        })
        .about("Rounds to so many decimals, halves away from zero.")
        .source("polars, with `mode=\"half_away_from_zero\"`")
        .optional::<usize>("decimals", "0 unless given")
        .returns("Expr: one value per row")
        .example("frame::of(#{ x: [0.125, 2.5] }).select(col(\"x\").round(2)).column(\"x\")", "[0.13, 2.5]")
        .fails("col(\"x\").round(-1)", "must not be negative"),
    );
    registry.add(
        Function::method::<Expr>("is_in", |call| {
            let expr: Expr = call.receiver()?;
            let items: Array = call
                .arg::<Dynamic>(0)?
                .into_array()
                .map_err(|_| Fault::new("call/argument", "`values` of `Expr.is_in` must be an array"))?;
            let values: Option<Vec<_>> = items.iter().map(super::convert::literal).collect();
            let values = values.ok_or_else(|| {
                Fault::new("call/argument", "`values` of `Expr.is_in` must hold numbers, texts or truth values")
            })?;
            Ok(Dynamic::from(expr.is_in(values)?))
        })
        .about("Whether the value is one of `values`; null where there is no value.")
        .source("polars")
        .param_typed("values", "array", "numbers, texts or truth values, of the column's kind")
        .returns("Expr: a truth value per row")
        .example("frame::of(#{ x: [\"a\", \"b\"] }).filter(col(\"x\").is_in([\"b\", \"c\"])).height", "1")
        .fails(
            "frame::of(#{ x: [\"a\"] }).filter(col(\"x\").is_in([1]))",
            "`is_in` cannot look for `1` among values of kind string",
        ),
    );
    registry.add(
        Function::method::<Expr>("fill_null", |call| {
            let expr: Expr = call.receiver()?;
            Ok(Dynamic::from(expr.binary(Binary::FillNull, &call.arg::<Operand>(0)?.0)?))
        })
        .about("`value` where there is none.")
        .source("polars")
        .param::<Operand>("value", "an expression or a constant of the same kind")
        .returns("Expr: one value per row")
        .example("frame::of(#{ x: [1, ()] }).select(col(\"x\").fill_null(0)).column(\"x\")", "[1, 0]")
        .fails(
            "frame::of(#{ x: [1, ()] }).select(col(\"x\").fill_null(\"none\"))",
            "`fill_null` does not take int and string",
        ),
    );
    registry.add(
        Function::method::<Expr>("shift", |call| {
            let n = call.optional::<i64>(0)?.unwrap_or(1);
            Ok(Dynamic::from(call.receiver::<Expr>()?.shift(n)?))
        })
        .about("The value `n` rows above; null where there is no such row.")
        .source("polars")
        .optional::<i64>("n", "1 unless given; negative looks below")
        .returns("Expr: one value per row")
        .example("frame::of(#{ x: [1, 2, 3] }).select(col(\"x\").shift()).column(\"x\")", "[(), 1, 2]")
        .fails("frame::of(#{ x: [1] }).select(col(\"x\").mean().shift())", "`shift` needs a value per row"),
    );
}

fn shaping(registry: &mut Registry) {
    registry.add(
        Function::method::<Expr>("alias", |call| {
            Ok(Dynamic::from(call.receiver::<Expr>()?.alias(call.arg::<String>(0)?)?))
        })
        .about("Names the result.")
        .source("polars")
        .param::<String>("name", "the column's new name")
        .returns("Expr: the same, under that name")
        .example("frame::of(#{ x: [1, 2] }).select(col(\"x\").mean().alias(\"mean_x\")).columns", "[\"mean_x\"]")
        .fails("frame::of(#{ x: [1] }).select([col(\"x\"), col(\"x\") + 1])", "two columns would be called `x`"),
    );
    registry.add(
        Function::method::<Expr>("cast", |call| {
            let expr: Expr = call.receiver()?;
            let name: String = call.arg(0)?;
            let kind = match name.as_str() {
                "bool" => Kind::Bool,
                "int" | "integer" => Kind::Int,
                "float" => Kind::Float,
                "string" => Kind::String,
                other => {
                    return Err(Fault::new("frame/kind", format!("there is no kind `{other}`"))
                        .hint("kinds: bool, int, float, string"));
                }
            };
            Ok(Dynamic::from(expr.cast(kind)?))
        })
        .about("Converts to another kind; fails on a value that has no counterpart.")
        .source("polars, strict")
        .param::<String>("kind", "`bool`, `int`, `float` or `string`")
        .returns("Expr: one value per row")
        .example("frame::of(#{ x: [\"1.5\", \"2\"] }).select(col(\"x\").cast(\"float\")).column(\"x\")", "[1.5, 2.0]")
        .fails("frame::of(#{ x: [\"a\"] }).select(col(\"x\").cast(\"float\"))", "conversion from `str` to `f64` failed")
        .fails("col(\"x\").cast(\"double\")", "there is no kind `double`"),
    );
    registry.add(
        Function::method::<Expr>("rank", |call| {
            let expr: Expr = call.receiver()?;
            let options: RankOptions = call.options()?;
            let method = match options.method.as_str() {
                "average" => RankMethod::Average,
                "min" => RankMethod::Min,
                "max" => RankMethod::Max,
                "dense" => RankMethod::Dense,
                "ordinal" => RankMethod::Ordinal,
                other => {
                    return Err(Fault::new("frame/rank", format!("there is no ranking `{other}`"))
                        .hint("rankings: average, min, max, dense, ordinal"));
                }
            };
            Ok(Dynamic::from(expr.rank(method, options.descending)?))
        })
        .about("Ranks from 1, the smallest first; equal values share their mean rank.")
        .source("polars")
        .options::<RankOptions>()
        .returns("Expr: one value per row")
        .example("frame::of(#{ x: [5, 3, 5] }).select(col(\"x\").rank()).column(\"x\")", "[2.5, 1.0, 2.5]")
        .fails("col(\"x\").rank(#{ method: \"first\" })", "there is no ranking `first`"),
    );
    registry.add(
        Function::method::<Expr>("over", |call| {
            Ok(Dynamic::from(call.receiver::<Expr>()?.over(call.arg::<Names>(0)?.0)?))
        })
        .about("Computes within the groups that `columns` make, and gives each row its group's result.")
        .source("polars")
        .param::<Names>("columns", "what rows of one group agree in")
        .returns("Expr: one value per row")
        .example(
            "frame::of(#{ g: [\"a\", \"a\", \"b\"], x: [1, 3, 5] }).select(col(\"x\").mean().over(\"g\")).column(\"x\")",
            "[2.0, 2.0, 5.0]",
        )
        .fails("frame::of(#{ x: [1] }).select(col(\"x\").mean().over(\"g\"))", "there is no column `g`"),
    );
}

options! {
    /// How equal values are ranked.
    pub struct RankOptions {
        /// `average`, `min`, `max`, `dense` (no gaps) or `ordinal` (by row order).
        method: String = "average".to_owned(),
        /// The largest first.
        descending: bool = false,
    }
}

fn texts(registry: &mut Registry) {
    registry.add(
        Function::getter::<Expr>("str", |call| Ok(Dynamic::from(StrExpr(call.receiver()?))))
            .about("The text functions: `contains`, `starts_with`, `ends_with`, `len_chars`, `to_lowercase`, `to_uppercase`.")
            .source("polars")
            .returns("StrExpr: the text functions of this expression")
            .example("frame::of(#{ t: [\"not so\", \"so\"] }).filter(col(\"t\").str.contains(\"not\")).height", "1")
            .fails("frame::of(#{ t: [1] }).filter(col(\"t\").str.contains(\"not\"))", "`str.contains` does not take int and string"),
    );
    let rows: [Row; 3] = [
        (
            "contains",
            |c| text_with(c, Binary::Contains),
            "Whether the text holds `part`, literally.",
            "frame::of(#{ t: [\"ab\", \"b\"] }).select(col(\"t\").str.contains(\"a\")).column(\"t\")",
            "[true, false]",
        ),
        (
            "starts_with",
            |c| text_with(c, Binary::StartsWith),
            "Whether the text begins with `part`.",
            "frame::of(#{ t: [\"ab\", \"ba\"] }).select(col(\"t\").str.starts_with(\"a\")).column(\"t\")",
            "[true, false]",
        ),
        (
            "ends_with",
            |c| text_with(c, Binary::EndsWith),
            "Whether the text ends in `part`.",
            "frame::of(#{ t: [\"ab\", \"ba\"] }).select(col(\"t\").str.ends_with(\"a\")).column(\"t\")",
            "[false, true]",
        ),
    ];
    for (name, run, about, code, result) in rows {
        registry.add(
            Function::method::<StrExpr>(name, run)
                .about(about)
                .source("polars")
                .param::<Operand>("part", "a text, or an expression that gives one per row")
                .returns("Expr: a truth value per row")
                .example(code, result)
                .fails(
                    "frame::of(#{ t: [\"a\"] }).filter(col(\"t\").str.contains(1))",
                    "`str.contains` does not take string and int",
                ),
        );
    }
    let rows: [Row; 3] = [
        (
            "len_chars",
            |c| text(c, Unary::LenChars),
            "How many characters.",
            "frame::of(#{ t: [\"naïve\"] }).select(col(\"t\").str.len_chars()).item()",
            "5",
        ),
        (
            "to_lowercase",
            |c| text(c, Unary::Lowercase),
            "The text in small letters.",
            "frame::of(#{ t: [\"Ab\"] }).select(col(\"t\").str.to_lowercase()).item()",
            "ab",
        ),
        (
            "to_uppercase",
            |c| text(c, Unary::Uppercase),
            "The text in capitals.",
            "frame::of(#{ t: [\"Ab\"] }).select(col(\"t\").str.to_uppercase()).item()",
            "AB",
        ),
    ];
    for (name, run, about, code, result) in rows {
        registry.add(
            Function::method::<StrExpr>(name, run)
                .about(about)
                .source("polars")
                .returns("Expr: one value per row")
                .example(code, result)
                .fails(
                    "frame::of(#{ t: [1] }).select(col(\"t\").str.len_chars())",
                    "`str.len_chars` does not take int",
                ),
        );
    }
}

fn text_with(call: &Call, op: Binary) -> Answer {
    let text: StrExpr = call.receiver()?;
    Ok(Dynamic::from(text.0.binary(op, &call.arg::<Operand>(0)?.0)?))
}

fn text(call: &Call, op: Unary) -> Answer {
    Ok(Dynamic::from(call.receiver::<StrExpr>()?.0.unary(op)?))
}
