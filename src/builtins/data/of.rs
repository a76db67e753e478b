//! `data::of`

use super::columns::{Column, ColumnOptions, Columns};
use super::rows::from_maps;
use crate::bind::prelude::*;
use crate::data::read::{Records, from_table};
use crate::data::{Data, DataError, Origin, VaultSize};
use crate::frames::Frame;

options! {
    /// What the rows mean.
    pub struct OfOptions {
        /// The data set's name.
        name: String = "rows".to_owned(),
        /// The share of test rows where no column says which they are, 0 to below 1.
        test_share: f64 = 0.2,
        /// Draws the test rows.
        seed: Option<u64> = None,
        /// Rows that are test rows of data that was made before stay test rows; with `false` they may be train rows, and the record says how many are.
        keep_test: bool = true,
        /// How many of the test rows are a vault, whose truth `metric::vault` scores and nothing reads: a share of them, such as 0.25, or about so many rows; whole groups, drawn without a look at classes.
        vault: Option<VaultSize> = None,
    }
    with columns: ColumnOptions
}

/// The record.
pub fn function() -> Function {
    Function::new("data", "of", run)
        .about("A data set from rows in the script, as maps, or from a frame.")
        .details(
            "Columns are mapped as in `data::load`: a row holds a text, tokens, features, or a prompt with continuations, of \
             which one is preferred. Rows with the same text are one group unless a column says \
             otherwise, so that no text is on two sides of a split. Without labels give `classes`: the data can then \
             be labelled by a model but has no truth. Labels are read in one way for the whole column: by name if each is the name \
             of a class; by index if `classes` is given, each is an index and none is a name; else the call fails. A frame's class names are used where it has some.\n\n\
             A row that was a test row of data made before in this session is a test row here too, with the rest of its group: it is \
             known by its id, where a frame brings it along or a named data set has it again, and by its text. A warning and the record say how many.",
        )
        .param_typed("rows", "array of object map|Frame", "the rows")
        .options::<OfOptions>()
        .returns("Data: all rows, train and test")
        .example(
            "data::of([#{ text: \"good\", label: \"yes\" }, #{ text: \"bad\", label: \"no\" }], #{ test_share: 0.0 })",
            "rows: train 2 (no 1, yes 1)",
        )
        .example(
            "let rows = [#{ q: \"2 + 2\", a: 4, ok: true }, #{ q: \"2 + 3\", a: 6, ok: false }];\n\
             let sums = data::of(rows, #{ text: |row| `${row.q} = ${row.a}`, label: \"ok\", test_share: 0.0 });\n\
             sums.classes",
            "[\"false\", \"true\"]",
        )
        .example(
            "let pairs = [#{ prompt: \"2 + 2\", chosen: \"= 4\", rejected: \"= 5\" }, #{ prompt: \"2 + 3\", chosen: \"= 5\", rejected: \"= 6\" }];\n\
             let sums = data::of(pairs, #{ test_share: 0.0 });\n\
             [sums.input, sums.target, sums.classes]",
            "[\"prompt\", \"preference\", [\"first\", \"second\"]]",
        )
        .example(
            "let rows = [#{ x: 0.5, y: 2.0, label: \"no\" }, #{ x: 1.5, y: 0.0, label: \"yes\" }];\n\
             data::of(rows, #{ features: |row| [row.x, row.y], test_share: 0.0 }).frame().row(1).x0",
            "1.5",
        )
        .fails(
            "data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }, #{ text: \"c\", label: 2 }], #{ classes: [\"1\", \"2\", \"3\"] })",
            "`0` of row 1 is an index, got `1`, which is the name of a class",
        )
        .fails(
            "data::of([#{ text: \"good\", label: 1 }, #{ text: 5, label: 0 }])",
            "`rows` row 2, field `text`: expected text, got the number `5`",
        )
        .fails("data::of([#{ text: \"good\", label: 1 }], #{ text: \"title\" })", "there is no column `title`")
        .fails(
            "data::of([#{ prompt: \"2 + 2\", chosen: \"= 4\", rejected: \"= 4\" }])",
            "`rows` row 1, field `rejected`: expected another text than the chosen one",
        )
        .fails("data::of([#{ text: \"good\", label: 1 }], #{ text: \"text\", tokens: \"text\" })", "give one of `text` and `tokens`")
}

fn run(call: &mut Call) -> Answer {
    let mut options: OfOptions = call.options()?;
    let records = records(call, &mut options)?;
    let seed = call.ctx().seed(options.seed);
    let (name, test_share, keep_test) = (options.name, options.test_share, options.keep_test);
    let vault = options.vault.map(|size| (size, seed));
    let columns = Columns::from(options.columns);
    // Rows without a name of their own are not a set in which an id means one row.
    let is_set = name != UNNAMED && columns.has(&records, "id");
    let ids_of = is_set.then(|| name.clone());
    let drawn = (test_share > 0.0 && !columns.has(&records, "split")).then_some(test_share);
    let origin = Origin { vault, drawn, ..Origin::of_records(&records, ids_of, !keep_test) };
    let source = columns.source(call, records, &name, test_share, seed)?;
    Ok(Dynamic::from(Data::entered(call.ctx(), source, &origin)?))
}

/// What rows are called where the script gives them no name.
const UNNAMED: &str = "rows";

fn records(call: &Call, options: &mut OfOptions) -> Result<Records, Fault> {
    let given: Dynamic = call.arg(0)?;
    if let Some(mut frame) = given.clone().try_cast::<Frame>() {
        let label = match &options.columns.label {
            None => Some("label"),
            Some(Column::Named(name)) => Some(name.as_str()),
            Some(Column::Computed(_)) => None,
        };
        // Indices of a frame mean its own classes, whatever order or names the options have.
        if let Some((spelled, names)) = label.map(|label| frame.spelled(label)).transpose()?.flatten() {
            frame = spelled;
            options.columns.classes.get_or_insert(names);
        }
        let sealed = frame.sealed().cloned().unwrap_or_default();
        let mut records = from_table(call.ctx(), "frame", frame.table())?;
        records.sealed = sealed;
        return Ok(records);
    }
    let rows: Array = given.into_array().map_err(|kind| {
        let kind = kind.rsplit("::").next().unwrap_or(kind).to_owned();
        call.misfit(
            "`rows`",
            &Mismatch(format!("must be an array of object maps or a Frame, got a value of type `{kind}`")),
        )
    })?;
    if rows.is_empty() {
        return Err(DataError::NoRows { name: "rows".into(), what: "rows".into() }.into());
    }
    from_maps(&rows)
}
