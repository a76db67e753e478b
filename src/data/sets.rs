//! Data sets that come in packages, read into rows.

use super::read::{Records, parse_jsonl};
use super::{DataError, Source, columns};
use crate::core::context::Context;
use crate::store::StoreError;
use crate::store::packages::{self, Package};
use serde_json::{Map, Value};

/// Reads the records of a set from its files' bytes.
type ReadRows = fn(&Context, &Set, &[Vec<u8>]) -> Result<Records, DataError>;

/// A fetched data set: which files of its package it is, and how they are read.
pub struct Set {
    pub name: &'static str,
    files: &'static [&'static str],
    rows: ReadRows,
    classes: &'static [&'static str],
}

/// Data sets by name; each is also the name of its package.
const SETS: [Set; 2] = [
    Set { name: "sarcasm", files: &["samples.jsonl"], rows: headlines, classes: &["plain", "sarcastic"] },
    Set { name: "newsgroups", files: &["train.tab", "test.tab"], rows: messages, classes: &GROUPS },
];

/// The newsgroups, as `stdlib/tasks/newsgroups.rhai` has them.
const GROUPS: [&str; 20] = [
    "alt.atheism",
    "comp.graphics",
    "comp.os.ms-windows.misc",
    "comp.sys.ibm.pc.hardware",
    "comp.sys.mac.hardware",
    "comp.windows.x",
    "misc.forsale",
    "rec.autos",
    "rec.motorcycles",
    "rec.sport.baseball",
    "rec.sport.hockey",
    "sci.crypt",
    "sci.electronics",
    "sci.med",
    "sci.space",
    "soc.religion.christian",
    "talk.politics.guns",
    "talk.politics.mideast",
    "talk.politics.misc",
    "talk.religion.misc",
];

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
    let files = set.files.iter().map(|file| package.read_for(ctx, file)).collect::<Result<Vec<_>, _>>()?;
    let records = (set.rows)(ctx, set, &files)?;
    let classes = Some(set.classes.iter().map(|class| (*class).to_owned()).collect());
    let mapping = columns::Mapping { classes, ..columns::Mapping::default() };
    columns::source(records, set.name, &mapping, test_share, seed)
}

/// Chat-formatted rows: the headline is the user's message, the answer `1` where it is sarcastic.
fn headlines(ctx: &Context, set: &Set, files: &[Vec<u8>]) -> Result<Records, DataError> {
    let read = parse_jsonl(ctx, set.name, files.first().map(Vec::as_slice).unwrap_or_default())?;
    let at = |name: &str| read.columns.iter().position(|column| column == name);
    let (input, ideal) = (at("input"), at("ideal"));
    let cell = |record: usize, column: Option<usize>| read.cell(record, column?).to_value();
    let message = |record: usize| {
        let messages = cell(record, input)?;
        let user = messages.as_array()?.iter().find(|message| message.get("role") == Some(&Value::from("user")))?;
        user.get("content").cloned()
    };
    let rows = (0..read.len()).map(|record| (read.at(record), labelled(message(record), cell(record, ideal))));
    Ok(Records::from_rows(set.name, "line", rows))
}

/// Lines of a group, a tab and a message, behind three lines that describe the columns; all files together.
fn messages(_: &Context, set: &Set, files: &[Vec<u8>]) -> Result<Records, DataError> {
    let mut rows = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(file);
        for (at, line) in text.lines().enumerate().skip(3) {
            let Some((group, message)) = line.split_once('\t') else { continue };
            let [message, group] = [message, group].map(|cell| Some(Value::from(cell.trim())));
            rows.push((at + 1, labelled(message, group)));
        }
    }
    let mut records = Records::from_rows(set.name, "line", rows);
    records.is_text = true;
    Ok(records)
}

/// The columns of every set.
fn labelled(text: Option<Value>, label: Option<Value>) -> Map<String, Value> {
    let columns = [("text", text), ("label", label)];
    columns.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headlines_are_the_users_messages() {
        let line = r#"{"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "h"}], "ideal": "1"}"#;
        let set = find("sarcasm").expect("known");
        let read = headlines(&Context::for_tests(), set, &[line.as_bytes().to_vec()]).expect("well-formed");
        assert_eq!([0, 1].map(|at| read.cell(0, at).as_str()), [Some("h"), Some("1")]);
    }

    #[test]
    fn messages_stand_behind_their_group_and_three_lines() {
        let files = [
            "Category\tText\nd\tstring\nclass\t\n\nsci.med\ta b \n",
            "Category\tText\nd\tstring\nclass\t\n\nsci.space\tc\n",
        ];
        let set = find("newsgroups").expect("known");
        let files = files.map(|file| file.as_bytes().to_vec());
        let read = messages(&Context::for_tests(), set, &files).expect("well-formed");
        let cells: Vec<[&str; 2]> =
            (0..read.len()).map(|row| [0, 1].map(|at| read.cell(row, at).as_str().expect("text"))).collect();
        assert_eq!(cells, [["a b", "sci.med"], ["c", "sci.space"]]);
        assert_eq!(read.at(0), 5);
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
