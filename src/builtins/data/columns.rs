//! Options that say which column, or which function of a row, gives the text, the label and the rest.

use super::rows::{from_value, to_value};
use crate::bind::nearest;
use crate::bind::prelude::*;
use crate::data::cell::Cell;
use crate::data::columns::{self, Mapping};
use crate::data::read::{Records, typed};
use crate::data::{DataError, Source};
use crate::domains::preference;
use crate::frames::Kind;

/// A column by its name, or a function of a row.
#[derive(Debug, Clone)]
pub enum Column {
    Named(String),
    Computed(FnPtr),
}

impl FromDynamic for Column {
    fn type_name() -> String {
        "string|function".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let named = || String::from_dynamic(value).map(Column::Named);
        FnPtr::from_dynamic(value).map(Column::Computed).or_else(|_| named()).map_err(|_| Self::mismatch(value))
    }
}

/// The columns that a call names.
#[derive(Debug, Default)]
pub struct Columns {
    /// What each column gives, in the order of the options.
    named: Vec<(&'static str, Option<Column>)>,
    classes: Option<Vec<String>>,
    between: Option<String>,
}

crate::options! {
    /// What the columns of rows mean.
    pub struct ColumnOptions {
        /// The column, or the function of a row, that gives the text: `text` without it.
        text: Option<Column> = None,
        /// The column or function that gives token ids of the model's tokenizer, an array of integers, instead of text.
        tokens: Option<Column> = None,
        /// The column or function that gives features, an array of numbers, instead of text.
        features: Option<Column> = None,
        /// The column or function that gives the prompt before continuations: `prompt` if there is one.
        prompt: Option<Column> = None,
        /// The column or function that gives continuations of the prompt, an array of texts.
        continuations: Option<Column> = None,
        /// The column or function that gives the preferred continuation of a pair: `chosen` if there is one.
        chosen: Option<Column> = None,
        /// The column or function that gives the other continuation, or an array of several: `rejected` if there is one.
        rejected: Option<Column> = None,
        /// What stands between a prompt and `chosen` or `rejected` where neither has white space: a space without it.
        between: Option<String> = None,
        /// The column or function that says which of `continuations` is preferred: its index, or a probability for each.
        preference: Option<Column> = None,
        /// The column or function that gives an answer as text, sealed like a label.
        answer: Option<Column> = None,
        /// The column or function that gives the class, by name in every row or by index in every row: `label` without it.
        label: Option<Column> = None,
        /// The column or function that gives the id: `id` if there is one, else the row's number.
        id: Option<Column> = None,
        /// The column or function that gives the group: `group` if there is one, else rows with the same text.
        group: Option<Column> = None,
        /// The column or function that says `train`, `test` or `vault`: `split` if there is one, else it is drawn.
        split: Option<Column> = None,
        /// The column or function that gives the difficulty, 0 to 1: `difficulty` if there is one.
        difficulty: Option<Column> = None,
        /// Class names in order of their index; without them the labels themselves, sorted.
        classes: Option<Vec<String>> = None,
    }
}

impl From<ColumnOptions> for Columns {
    fn from(options: ColumnOptions) -> Columns {
        let named = vec![
            ("text", options.text),
            ("tokens", options.tokens),
            ("features", options.features),
            ("prompt", options.prompt),
            ("continuations", options.continuations),
            ("chosen", options.chosen),
            ("rejected", options.rejected),
            ("label", options.label),
            ("preference", options.preference),
            ("answer", options.answer),
            ("id", options.id),
            ("group", options.group),
            ("split", options.split),
            ("difficulty", options.difficulty),
        ];
        Columns { named, classes: options.classes, between: options.between }
    }
}

impl Columns {
    /// The names of the options that were given, for a refusal where they do not apply.
    pub fn given(&self) -> Vec<&'static str> {
        let named = self.named.iter().filter(|(_, column)| column.is_some()).map(|(name, _)| *name);
        let rest = [("classes", self.classes.is_some()), ("between", self.between.is_some())];
        named.chain(rest.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)).collect()
    }

    /// The column that gives `meaning`: the one that is named, else the one of that name; none where a function gives it.
    pub fn name_of(&self, meaning: &str) -> Option<String> {
        match self.named.iter().find(|(name, _)| *name == meaning)?.1.as_ref() {
            None => Some(meaning.to_owned()),
            Some(Column::Named(name)) => Some(name.clone()),
            Some(Column::Computed(_)) => None,
        }
    }

    /// The data set of the records, to which every function adds a column first.
    pub fn source(
        mut self,
        call: &Call,
        mut records: Records,
        name: &str,
        test_share: f64,
        seed: u64,
    ) -> Result<Source, Fault> {
        let given = self.given();
        let are_pairs = given.contains(&"chosen")
            || given.contains(&"rejected")
            || preference::applies(&records) && !given.iter().any(|name| NOT_OF_PAIRS.contains(name));
        if are_pairs {
            self.refuse(&given, &NOT_OF_PAIRS, if given.contains(&"chosen") { "chosen" } else { "rejected" })?;
        } else {
            self.refuse(&given, &["between"], "continuations")?;
        }
        let mut take = |meaning| self.take(call, &mut records, meaning);
        let mut mapping = Mapping {
            text: take("text")?,
            tokens: take("tokens")?,
            features: take("features")?,
            prompt: take("prompt")?,
            continuations: take("continuations")?,
            label: take("label")?,
            preference: take("preference")?,
            answer: take("answer")?,
            id: take("id")?,
            group: take("group")?,
            split: take("split")?,
            difficulty: take("difficulty")?,
            classes: None,
        };
        let (chosen, rejected) = (take("chosen")?, take("rejected")?);
        if are_pairs {
            let (prompt, between) = (mapping.prompt.take(), self.between);
            let pairs = preference::Mapping { prompt, chosen, rejected, between, places: mapping };
            return Ok(preference::source(&records, name, &pairs, test_share, seed)?);
        }
        mapping.classes = self.classes;
        Ok(columns::source(records, name, &mapping, test_share, seed)?)
    }

    /// Refuses the first of `others` that was given.
    fn refuse(&self, given: &[&'static str], others: &[&str], first: &'static str) -> Result<(), Fault> {
        match given.iter().find(|name| others.contains(name)) {
            Some(second) => Err(DataError::OneOf { first, second }.into()),
            None => Ok(()),
        }
    }

    /// The name of the column that gives `meaning`.
    fn take(&mut self, call: &Call, records: &mut Records, meaning: &'static str) -> Result<Option<String>, Fault> {
        let column = self.named.iter_mut().find(|(name, _)| *name == meaning).and_then(|(_, column)| column.take());
        apply(call, records, meaning, column)
    }

    /// Whether there is something that gives `meaning`, such as rows' ids or splits.
    pub fn has(&self, records: &Records, meaning: &str) -> bool {
        self.given().contains(&meaning) || records.column(meaning).is_ok()
    }

    /// The columns that are needed; none where a function of a row may look at any.
    pub fn wanted(&self) -> Option<Vec<String>> {
        let name = |(own, column): &(&str, Option<Column>)| match column {
            None => Some((*own).to_owned()),
            Some(Column::Named(name)) => Some(name.clone()),
            Some(Column::Computed(_)) => None,
        };
        self.named.iter().map(name).collect()
    }
}

/// What is not asked of pairs with a chosen and a rejected text.
const NOT_OF_PAIRS: [&str; 8] =
    ["text", "tokens", "features", "continuations", "label", "preference", "answer", "classes"];

fn apply(call: &Call, records: &mut Records, meaning: &str, column: Option<Column>) -> Result<Option<String>, Fault> {
    let compute = match column {
        None => return Ok(None),
        Some(Column::Named(name)) => return Ok(Some(name)),
        Some(Column::Computed(compute)) => compute,
    };
    let name = format!("{meaning}, computed");
    let kinds = records.kinds();
    refuse_silence(call, records, &kinds, &compute)?;
    let mut values = Vec::with_capacity(records.len());
    for idx in 0..records.len() {
        let row = row_of(records, idx, &kinds);
        let at = format!("{} {}", records.counted, records.at(idx));
        let answer = call.call_back(&compute, vec![Dynamic::from(row)]).map_err(|fault| fault.at_work(&at))?;
        if answer.is_unit() && meaning == "text" {
            let what = format!("{at}: the function for `text` returned nothing, `()`");
            return Err(Fault::new("data/malformed", what).hint(
                "methods such as `trim` change in place and return nothing: `|row| { let text = row.text; text.trim(); text }`",
            ));
        }
        let value = from_value(&answer).map_err(|why| -> DataError {
            records.misfit(idx, &name, "text, a number, a truth value or an array", &why)
        })?;
        values.push(Cell::from(value));
    }
    records.add(&name, values);
    Ok(Some(name))
}

/// A record as a function of a row sees it.
pub(super) fn row_of(records: &Records, record: usize, kinds: &[Option<Kind>]) -> Map {
    let fields = records
        .row(record)
        .zip(kinds)
        .filter_map(|((column, cell), kind)| typed(cell, *kind).map(|value| (column.into(), to_value(&value))));
    fields.collect()
}

/// Refuses a function that reads a field which no row has, or compares a column of texts with a number or one of numbers with a
/// text: the language would answer nothing and `false`, and go on.
pub(super) fn refuse_silence(
    call: &Call,
    records: &Records,
    kinds: &[Option<Kind>],
    compute: &FnPtr,
) -> Result<(), Fault> {
    if records.is_empty() {
        return Ok(());
    }
    let at = format!("{} {}", records.counted, records.at(0));
    let used = call.row_use(compute);
    for (field, position) in &used.reads {
        if !records.columns.contains(field) {
            let names: Vec<&str> = records.columns.iter().map(String::as_str).collect();
            let hint = match nearest(field, names.iter().copied()) {
                Some(near) => format!("did you mean `row.{near}`? fields: {}", names.join(", ")),
                None => format!("fields: {}; where one may be missing, write `row.{field} ?? \"\"`", names.join(", ")),
            };
            let fault = Fault::new("data/unknown-field", format!("{at} has no field `{field}`, and no other row has"))
                .hint(hint);
            return Err(call.within(compute, *position, fault));
        }
    }
    for comparison in &used.compares {
        let Some(idx) = records.columns.iter().position(|column| *column == comparison.field) else { continue };
        let cells = || (0..records.len()).map(|record| (records.at(record), records.cell(record, idx)));
        let mut values = cells().filter(|(_, cell)| !cell.is_null()).peekable();
        let Some((at, cell)) = values.peek().copied() else { continue };
        let kind = kinds.get(idx).copied().flatten();
        let fits = |cell: &Cell| {
            typed(cell, kind)
                .is_some_and(|cell| if comparison.with_number { cell.is_string() } else { cell.is_number() })
        };
        if values.all(|(_, cell)| fits(cell)) {
            let field = &comparison.field;
            let (is, with, hint) = if comparison.with_number {
                (
                    "text",
                    "a number",
                    format!("`parse_int(row.{field})` or `parse_float(row.{field})` makes a number of it"),
                )
            } else {
                ("a number", "text", format!("compare it with a number, or write `row.{field}.to_string()`"))
            };
            let what = format!(
                "`{field}` of {} {at} is {is}, `{}`, and is compared with {with}",
                records.counted,
                shown(cell)
            );
            return Err(call.within(compute, comparison.position, Fault::new("data/comparison", what).hint(hint)));
        }
    }
    Ok(())
}

fn shown(cell: &Cell) -> String {
    let written = || cell.to_value().map(|value| value.to_string()).unwrap_or_default();
    let text = cell.as_str().map_or_else(written, str::to_owned);
    if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use crate::core::context::Context;
    use crate::lang::Session;
    use std::sync::Arc;

    const ROWS: &str = "let rows = [#{ q: \" a \", question: \"b\", year: \"1999\", n: 3, label: 0 }, \
                        #{ q: \"c\", question: \"d\", year: \"2001\", n: 4, label: 1 }]; data::of(rows, #{ label: \"label\", ";

    /// Refused at the first `at` of the options.
    #[track_caller]
    fn refuses(options: &str, at: &str, message: &str, hint: &str) {
        let code = format!("{ROWS}\n{options} }})");
        let error = Session::new(Arc::new(Context::for_tests())).eval(&code).expect_err(options);
        assert_eq!(error.message, message, "{options}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{options}: {:?}", error.hint);
        let column = options.find(at).map(|at| at + 1);
        assert_eq!((error.line(), error.column()), (Some(2), column), "{options}");
    }

    #[test]
    fn a_row_function_fails_where_it_would_answer_nothing() {
        let misspelt = "row 1 has no field `qestion`, and no other row has";
        let near = "did you mean `row.question`?";
        refuses("text: |row| \"Q: \" + row.qestion", "qestion", misspelt, near);
        refuses("text: |row| `Q: ${row.qestion}`", "qestion", misspelt, near);
        refuses("text: |row| row[\"qestion\"]", "\"qestion", misspelt, near);
        let nothing = "row 1: nothing, `()`, would be put into a text";
        let trims = "`trim` changes what it is called on and returns nothing, `()`, which is put into a text";
        refuses("text: |row| `Q: ${row.q.trim()}`", "row.q", trims, "x.trim(…);");
        refuses("text: |row| { let none = (); `Q: ${none}` }", "none}", nothing, "??");
        let number = "`year` of row 1 is text, `1999`, and is compared with a number";
        refuses("text: |row| if row.year > 2000 { \"new\" } else { \"old\" }", "> 2000", number, "parse_int(row.year)");
        let text = "`n` of row 1 is a number, `3`, and is compared with text";
        refuses("text: |row| if row.n == \"3\" { \"new\" } else { \"old\" }", "==", text, "row.n.to_string()");
    }

    #[test]
    fn a_row_function_that_asks_first_is_right() {
        for text in [
            "|row| row.none ?? row.q",
            "|row| if row.none == () { row.q } else { row.none }",
            "|row| { row.none = \"x\"; row.none + row.q }",
            "|row| if parse_int(row.year) > 2000 { \"new\" } else { \"old\" }",
            "|row| if row.n > 3 && row.year == \"2001\" { \"new\" } else { \"old\" }",
            "|row| { let q = row.q; q.trim(); `Q: ${q}` }",
        ] {
            let code = format!("{ROWS} text: {text}, test_share: 0.0 }}); 1");
            let _ = Session::new(Arc::new(Context::for_tests())).eval(&code).expect(text);
        }
    }
}
