//! Data sets that come in packages, read into rows.

use super::read::{Record, Records, parse_jsonl};
use super::{DataError, Source, columns};
use crate::core::context::Context;
use crate::store::StoreError;
use crate::store::packages::{self, Package};
use serde_json::Value;

/// A fetched data set: which package it is in, and how its file is read.
pub struct Set {
    pub name: &'static str,
    rows: fn(&Records) -> Vec<Record>,
    classes: [&'static str; 2],
}

/// Data sets by name; each is also the name of its package.
const SETS: [Set; 1] = [Set { name: "sarcasm", rows: headlines, classes: ["plain", "sarcastic"] }];

/// The data set called `name`.
pub fn find(name: &str) -> Option<&'static Set> {
    SETS.iter().find(|set| set.name == name)
}

/// The names of all fetched data sets.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETS.iter().map(|set| set.name)
}

/// The data set from the store. About `test_share` of its rows, drawn by `seed`, are test rows; rows with the same text
/// are on the same side.
pub fn load(ctx: &Context, set: &Set, test_share: f64, seed: u64) -> Result<Source, DataError> {
    let missing = || StoreError::Missing { id: set.name.to_owned() };
    let package: &Package = packages::find(set.name).ok_or_else(missing)?;
    let bytes = package.read_for(ctx, "samples.jsonl")?;
    let read = parse_jsonl(ctx, set.name, &bytes)?;
    let columns = ["text", "label"].map(str::to_owned).to_vec();
    let records = Records { columns, records: (set.rows)(&read), ..read };
    let mapping =
        columns::Mapping { classes: Some(set.classes.map(str::to_owned).to_vec()), ..columns::Mapping::default() };
    columns::source(&records, set.name, &mapping, test_share, seed)
}

/// Chat-formatted rows: the headline is the user's message, the answer `1` where it is sarcastic.
fn headlines(read: &Records) -> Vec<Record> {
    let at = |name: &str| read.columns.iter().position(|column| column == name);
    let (input, ideal) = (at("input"), at("ideal"));
    let cell = |record: &Record, column: Option<usize>| record.cells.get(column?)?.clone();
    let message = |record: &Record| {
        let messages = cell(record, input)?;
        let user = messages.as_array()?.iter().find(|message| message.get("role") == Some(&Value::from("user")))?;
        user.get("content").cloned()
    };
    read.records
        .iter()
        .map(|record| Record { at: record.at, cells: vec![message(record), cell(record, ideal)] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headlines_are_the_users_messages() {
        let line = r#"{"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "h"}], "ideal": "1"}"#;
        let read = parse_jsonl(&Context::for_tests(), "a", line.as_bytes()).expect("well-formed");
        assert_eq!(headlines(&read)[0].cells, [Some(Value::from("h")), Some(Value::from("1"))]);
    }

    #[test]
    fn a_set_that_was_not_fetched_says_what_to_type() {
        use crate::core::explain::Explain;
        let ctx = Context::for_tests();
        let set = find("sarcasm").expect("known");
        let error = load(&ctx, set, 0.2, 0).map(|_| ()).expect_err("not fetched");
        assert_eq!(error.to_string(), "`sarcasm` was not fetched into the store");
        assert_eq!(error.hint().as_deref(), Some("type: w2s fetch sarcasm"));
    }
}
