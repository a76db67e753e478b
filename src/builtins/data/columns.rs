//! Options that say which column, or which function of a row, gives the text, the label and the rest.

use super::rows::{from_value, to_value};
use crate::bind::prelude::*;
use crate::data::columns::{self, Mapping};
use crate::data::read::Records;
use crate::data::{DataError, Source};
use crate::domains::preference;

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
    separator: Option<String>,
}

/// The columns that the options of `data::load` or `data::of` name: both have them all.
macro_rules! columns_of {
    ($options:ident) => {
        columns_of!($options: text tokens features prompt continuations chosen rejected label preference answer id group split difficulty)
    };
    ($options:ident: $($column:ident)*) => {
        $crate::builtins::data::columns::Columns::new(
            [$((stringify!($column), $options.$column)),*],
            $options.classes,
            $options.separator,
        )
    };
}
pub(super) use columns_of;

impl Columns {
    /// These columns, and what goes with them.
    pub fn new<const N: usize>(
        named: [(&'static str, Option<Column>); N],
        classes: Option<Vec<String>>,
        separator: Option<String>,
    ) -> Columns {
        Columns { named: named.into(), classes, separator }
    }

    /// The names of the options that were given, for a refusal where they do not apply.
    pub fn given(&self) -> Vec<&'static str> {
        let named = self.named.iter().filter(|(_, column)| column.is_some()).map(|(name, _)| *name);
        let rest = [("classes", self.classes.is_some()), ("separator", self.separator.is_some())];
        named.chain(rest.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)).collect()
    }

    /// The data set of the records, which get a column more for every function.
    pub fn source(
        mut self,
        call: &Call,
        records: &mut Records,
        name: &str,
        test_share: f64,
        seed: u64,
    ) -> Result<Source, Fault> {
        let given = self.given();
        let are_pairs = given.contains(&"chosen")
            || given.contains(&"rejected")
            || preference::applies(records) && !given.iter().any(|name| NOT_OF_PAIRS.contains(name));
        if are_pairs {
            self.refuse(&given, &NOT_OF_PAIRS, if given.contains(&"chosen") { "chosen" } else { "rejected" })?;
        } else {
            self.refuse(&given, &["separator"], "continuations")?;
        }
        let mut take = |meaning| self.take(call, records, meaning);
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
            let (prompt, separator) = (mapping.prompt.take(), self.separator);
            let pairs = preference::Mapping { prompt, chosen, rejected, separator, places: mapping };
            return Ok(preference::source(records, name, &pairs, test_share, seed)?);
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
    let mut values = Vec::with_capacity(records.records.len());
    for (idx, record) in records.records.iter().enumerate() {
        let cells = records.columns.iter().zip(&record.cells);
        let row: Map = cells
            .filter_map(|(column, cell)| cell.as_ref().map(|cell| (column.as_str().into(), to_value(cell))))
            .collect();
        let answer = call.call_back(&compute, vec![Dynamic::from(row)])?;
        let value = from_value(&answer).map_err(|why| -> DataError {
            records.misfit(idx, &name, "text, a number, a truth value or an array", &why)
        })?;
        values.push(value);
    }
    records.columns.push(name.clone());
    records.records.iter_mut().zip(values).for_each(|(record, value)| record.cells.push(Some(value)));
    Ok(Some(name))
}
