//! Options that say which column, or which function of a row, gives the text, the label and the rest.

use super::rows::{from_value, to_value};
use crate::bind::prelude::*;
use crate::data::DataError;
use crate::data::columns::Mapping;
use crate::data::read::{Records, typed};

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
    pub text: Option<Column>,
    pub label: Option<Column>,
    pub id: Option<Column>,
    pub group: Option<Column>,
    pub split: Option<Column>,
    pub difficulty: Option<Column>,
    pub classes: Option<Vec<String>>,
}

impl Columns {
    /// Every column by the name that it has where none is given.
    fn all(&self) -> [(&'static str, &Option<Column>); 6] {
        [
            ("text", &self.text),
            ("label", &self.label),
            ("id", &self.id),
            ("group", &self.group),
            ("split", &self.split),
            ("difficulty", &self.difficulty),
        ]
    }

    /// The names of the columns that were given, for a refusal where they do not apply.
    pub fn given(&self) -> Vec<&'static str> {
        let named = self.all().into_iter().filter(|(_, column)| column.is_some()).map(|(name, _)| name);
        named.chain(self.classes.is_some().then_some("classes")).collect()
    }

    /// The columns that are needed; none where a function of a row may look at any.
    pub fn wanted(&self) -> Option<Vec<String>> {
        let name = |(own, column): (&str, &Option<Column>)| match column {
            None => Some(own.to_owned()),
            Some(Column::Named(name)) => Some(name.clone()),
            Some(Column::Computed(_)) => None,
        };
        self.all().into_iter().map(name).collect()
    }

    /// The mapping over `records`, which get a column more for every function.
    pub fn apply(self, call: &Call, records: &mut Records) -> Result<Mapping, Fault> {
        Ok(Mapping {
            text: apply(call, records, "text", self.text)?,
            label: apply(call, records, "label", self.label)?,
            id: apply(call, records, "id", self.id)?,
            group: apply(call, records, "group", self.group)?,
            split: apply(call, records, "split", self.split)?,
            difficulty: apply(call, records, "difficulty", self.difficulty)?,
            classes: self.classes,
        })
    }
}

fn apply(call: &Call, records: &mut Records, meaning: &str, column: Option<Column>) -> Result<Option<String>, Fault> {
    let compute = match column {
        None => return Ok(None),
        Some(Column::Named(name)) => return Ok(Some(name)),
        Some(Column::Computed(compute)) => compute,
    };
    let name = format!("{meaning}, computed");
    let kinds = records.kinds();
    let mut values = Vec::with_capacity(records.records.len());
    for (idx, record) in records.records.iter().enumerate() {
        let cells = records.columns.iter().zip(&record.cells).zip(&kinds);
        let row: Map = cells
            .filter_map(|((column, cell), kind)| {
                cell.as_ref().map(|cell| (column.as_str().into(), to_value(&typed(cell, *kind))))
            })
            .collect();
        let answer = call.call_back(&compute, vec![Dynamic::from(row)])?;
        let value = from_value(&answer)
            .map_err(|why| -> DataError { records.misfit(idx, &name, "text, a number or a truth value", &why) })?;
        values.push(value);
    }
    records.columns.push(name.clone());
    records.records.iter_mut().zip(values).for_each(|(record, value)| record.cells.push(Some(value)));
    Ok(Some(name))
}
