//! `expand` of `data::load`: several rows from one record, such as one for each answer of a question. And files of which
//! each is one split.

use super::columns::{refuse_silence, row_of};
use super::rows::from_value;
use crate::bind::prelude::*;
use crate::core::random::Random;
use crate::data::cell::Cell;
use crate::data::read::Records;
use crate::data::{DataError, MAX_ROWS};
use serde_json::Value;

/// The records that `make` makes of each, in order. It is called with the row and a number drawn for it, from 0 to below 1.
pub fn expanded(call: &Call, records: &Records, make: &FnPtr, seed: u64) -> Result<Records, Fault> {
    let kinds = records.kinds();
    refuse_silence(call, records, &kinds, make)?;
    let mut random = Random::new(seed, "data/expand");
    let mut rows = Vec::new();
    for record in 0..records.len() {
        let at = format!("{} {}", records.counted, records.at(record));
        let given = vec![Dynamic::from(row_of(records, record, &kinds)), Dynamic::from(random.uniform())];
        let answer = call.call_back(make, given).map_err(|fault| fault.at_work(&at))?;
        let made = answer.clone().into_array().map_err(|_| misfit(&at, &crate::bind::describe(&answer)))?;
        for row in &made {
            match from_value(row) {
                Ok(Value::Object(row)) => rows.push((records.at(record), row)),
                Ok(_) => return Err(misfit(&at, &crate::bind::describe(row))),
                Err(why) => return Err(misfit(&at, &format!("a map that holds {why}"))),
            }
        }
        if rows.len() > MAX_ROWS {
            return Err(DataError::TooMany { what: "rows".into(), n: rows.len(), most: MAX_ROWS }.into());
        }
    }
    let mut made = Records::from_rows(&records.name, records.counted, rows);
    (made.content, made.sealed) = (records.content.clone(), records.sealed.clone());
    Ok(made)
}

fn misfit(at: &str, got: &str) -> Fault {
    let what = format!("{at}: the function for `expand` must return an array of object maps, got {got}");
    Fault::new("data/malformed", what).hint("such as [#{ text: \"…\", label: \"yes\" }]; [] leaves the row out")
}

/// What a map of files names.
const TRAIN: &str = "train";
const TEST: &str = "test";
const DRAWN: &str = "rows";

/// Files to load, and which split each is of where the script says it.
pub enum Files {
    One(String),
    /// `rows` of those whose split is drawn.
    Splits(Vec<(&'static str, String)>),
}

impl Files {
    /// A path, or a map with paths of `train` and `test`.
    pub fn of(given: &Dynamic) -> Result<Files, Fault> {
        let Ok(map) = given.as_map_ref() else {
            return String::from_dynamic(given).map(Files::One).map_err(|_| {
                let what = format!(
                    "argument 1 (`name`) of `data::load` must be a string or an object map, got {}",
                    crate::bind::describe(given)
                );
                Fault::new("call/type", what)
                    .hint("such as data::load(\"rows.jsonl\"), or #{ train: [\"a.parquet\"], test: [\"b.parquet\"] }")
            });
        };
        let mut files = Vec::new();
        for (key, value) in map.iter() {
            let split = [TRAIN, TEST, DRAWN].into_iter().find(|split| *split == key.as_str()).ok_or_else(|| {
                Fault::new("data/split", format!("there is no split `{key}`"))
                    .hint("name files of `train` and `test`, or of `rows`")
            })?;
            let paths =
                Vec::<String>::from_dynamic(value).or_else(|_| String::from_dynamic(value).map(|one| vec![one]));
            let paths = paths.map_err(|_| {
                Fault::new(
                    "call/type",
                    format!("`{split}` must be a path or an array of paths, got {}", crate::bind::describe(value)),
                )
            })?;
            files.extend(paths.into_iter().map(|path| (split, path)));
        }
        if files.iter().any(|(split, _)| *split == DRAWN) && files.iter().any(|(split, _)| *split != DRAWN) {
            let what = "files of `rows`, whose split is drawn, are named beside those of a split";
            return Err(Fault::new("data/split", what).hint("name `train` and `test`, or `rows` alone"));
        }
        if files.is_empty() {
            return Err(Fault::new("data/split", "no file is named").hint("name files of `train` and `test`"));
        }
        Ok(Files::Splits(files))
    }
}

/// Says of every record which split it is of.
pub fn in_split(records: &mut Records, split: &str) -> Result<(), Fault> {
    if split == DRAWN {
        return Ok(());
    }
    if records.columns.iter().any(|column| column == "split") {
        let what = format!("`{}` has a column `split`, and is named as the file of one split", records.name);
        return Err(Fault::new("data/split", what).hint("name it alone, not by split"));
    }
    records.add("split", vec![Cell::from(split); records.len()]);
    Ok(())
}

/// Leaves out train records whose group, or text where no group is named, is that of a test record: they would tell the test
/// rows' answers. Warns of how many they are.
pub fn without_test_groups(call: &Call, records: &mut Records, columns: [Option<&str>; 2]) {
    let named = columns.into_iter().flatten().find_map(|name| records.columns.iter().position(|own| own == name));
    let (Some(group), Ok(split)) = (named, records.column("split")) else { return };
    let is_test = |records: &Records, record: usize| records.cell(record, split).as_str() == Some("test");
    let of = |record: usize| records.cell(record, group).to_value().map(|group| group.to_string());
    let tested = (0..records.len()).filter(|record| is_test(records, *record));
    let held: std::collections::HashSet<String> = tested.filter_map(of).collect();
    let is_kept: Vec<bool> = (0..records.len())
        .map(|record| is_test(records, record) || of(record).is_none_or(|group| !held.contains(&group)))
        .collect();
    let before = records.len();
    records.retain(|record| is_kept.get(record) == Some(&true));
    let n = before - records.len();
    if n > 0 {
        call.ctx().warn(format!(
            "{n} train rows of `{}` have a question or text that test rows have: left out",
            records.name
        ));
    }
}
