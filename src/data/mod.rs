//! Data sets: rows with an input, ids, splits and groups; truth apart from inputs, and sealed.
//!
//! A [`Source`] is a data set as loaded; a [`Data`] is a view of some of its rows in an order. What a model reads of a row
//! is its [`Input`], what is asked of the rows is the data set's [`Target`]. **Sealed** means: no function hands out a
//! row's truth, or anything that differs from row to row because of it, except [`Data::truth`], and that tells the
//! context who asked and what for. Aggregates are not sealed: how many rows a class has is printed with
//! the data set and its drawn parts (not with rows that a caller chose: of one row the count is the class, and not of a vault),
//! and splits and samples are balanced by class, as the literature's protocol has it (Burns et al. 2023). Which rows a balanced
//! part gets depends on truth, so the draw is told ([`oracle`]) or, of test rows that a caller chose, refused. Test rows stay
//! test rows in every data set that a session makes later ([`known`]); those of a vault are scored and never read ([`vault`]).
//!
//! Reading files is in [`read`]; what their columns mean is in [`columns`]; data sets that are fetched are in [`sets`].
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod arena;
pub mod cell;
pub mod columns;
mod error;
mod input;
mod known;
mod oracle;
pub mod read;
mod same;
pub mod sets;
mod share;
pub mod splits;
mod target;
mod texts;
mod vault;
mod view;

pub use arena::{Arena, Text};
pub use error::DataError;
pub use input::{Input, InputKind, MAX_FEATURES, Prompt};
pub use known::{Learned, Origin, TestRows};
pub use target::{Target, TargetKind, ordinal};
pub use vault::{ExchangedTruth, VaultSize};
pub use view::Data;

use crate::core::digest::Digest;
use rayon::prelude::*;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use target::Truth;

/// Which side a row is on for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    Train,
    Test,
    /// A second test split: its truth is scored, within a budget, and never read.
    Vault,
}

impl Split {
    /// Every side.
    pub const ALL: [Split; 3] = [Split::Train, Split::Test, Split::Vault];

    /// `train`, `test` or `vault`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Vault => "vault",
        }
    }
}

/// One row, without its truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Unique within the data set; frames are joined by it.
    pub id: Text,
    pub input: Input,
    /// Rows of one group stay on one side of every split.
    pub group: Text,
    pub split: Split,
    /// 0 (easy) to 1 (hard), NaN where unknown.
    pub difficulty: f32,
}

/// A data set as loaded: shared by every view of it.
#[derive(Clone)]
pub struct Source {
    pub name: String,
    pub rows: Vec<Row>,
    /// Names of classes; of continuations where preferences are asked for; none where nothing of the kind is.
    pub classes: Vec<String>,
    /// What is asked.
    pub kind: TargetKind,
    /// Private: reading it is an act that the record keeps.
    truth: Truth,
    /// For each row the number of its group, in order of first appearance; groups that hold the same row are one.
    group_of: Vec<u32>,
    /// For each row what tells that another one is the same to a model, in brief.
    identities: Vec<u64>,
    /// Where the program drew the split: the same for all draws of these rows.
    draw: Option<Digest>,
    pub digest: Digest,
}

/// The most rows of one data set: arbitrary, so that row numbers and their frames stay far from every limit.
pub const MAX_ROWS: usize = 20_000_000;
/// The most bytes of one row's text: arbitrary; far beyond any context window.
pub const MAX_TEXT: usize = 1 << 20;
/// The most bytes of an id, a group or a class name: arbitrary.
pub const MAX_NAME: usize = 1 << 10;
/// The most classes: arbitrary; labels hold one column of probabilities for each.
pub const MAX_CLASSES: usize = 1000;

impl Source {
    /// A data set with classes: its rows, class names and, where it is known, the class index of each row.
    pub fn new(
        name: impl Into<String>,
        rows: Vec<Row>,
        classes: Vec<String>,
        truth: Option<Vec<u16>>,
    ) -> Result<Source, DataError> {
        Source::with_target(name, rows, Target::Classes { names: classes, truth })
    }

    /// A data set from its rows and what is asked of them.
    ///
    /// Fails on no rows, a repeated id, a group with train and test rows, inputs of several kinds, fewer than two classes or
    /// a repeated one, a truth of another length or with an index beyond the classes, a difficulty outside 0..1 (NaN is
    /// allowed), a preference without continuations that differ, and on inputs beyond the limits of this module.
    pub fn with_target(name: impl Into<String>, rows: Vec<Row>, target: Target) -> Result<Source, DataError> {
        Ok(Source::unnamed(name, rows, target)?.named())
    }

    /// The same without its digest: of a data set whose splits are still to be drawn it would be another one.
    pub fn unnamed(name: impl Into<String>, rows: Vec<Row>, target: Target) -> Result<Source, DataError> {
        let (name, kind) = (name.into(), target.kind());
        check_ids(&name, &rows)?;
        let group_of = check_rows(&rows)?;
        input::check(&rows)?;
        let (classes, truth) = target.settle(&name, &rows)?;
        let digest = Digest::of("data/unnamed", 1).finish();
        let identities = same::identities(&rows);
        let group_of = same::united(group_of, &rows, &identities);
        Ok(Source { name, rows, classes, kind, truth, group_of, identities, draw: None, digest })
    }

    /// With the digest of everything in it.
    pub fn named(self) -> Source {
        let digest = content_digest(&self.name, &self.rows, self.kind, &self.classes, &self.truth);
        Source { digest, ..self }
    }

    /// Whether the truth of the rows is known.
    pub fn has_truth(&self) -> bool {
        self.truth.is_known()
    }

    /// The same data set, where the rows that `held_out` names are on that side.
    fn with_held_out(self, held_out: &[Option<Split>]) -> Result<Source, DataError> {
        self.with_splits(|idx, row| held_out.get(idx).copied().flatten().unwrap_or(row.split))
    }

    /// The same data set with other splits: row `i` goes to the side that `side` says.
    fn with_splits(mut self, side: impl Fn(usize, &Row) -> Split) -> Result<Source, DataError> {
        for idx in 0..self.rows.len() {
            if let Some(row) = self.rows.get_mut(idx) {
                row.split = side(idx, row);
            }
        }
        check_rows(&self.rows)?;
        Ok(self.named())
    }
}

fn check_classes(name: &str, classes: &[String]) -> Result<(), DataError> {
    if classes.len() < 2 {
        let held = classes.first().cloned();
        return Err(DataError::OneClass { name: name.to_owned(), class: held });
    }
    if classes.len() > MAX_CLASSES {
        return Err(DataError::TooMany { what: "classes".into(), n: classes.len(), most: MAX_CLASSES });
    }
    let mut sorted: Vec<&String> = classes.iter().collect();
    sorted.sort();
    let repeated = sorted.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some((*a).clone()),
        _ => None,
    });
    match repeated {
        Some(class) => Err(DataError::RepeatedClass { class }),
        None => Ok(()),
    }
}

/// Checks how many rows there are, and ids.
fn check_ids(name: &str, rows: &[Row]) -> Result<(), DataError> {
    if rows.is_empty() {
        return Err(DataError::NoRows { name: name.to_owned(), what: "rows".into() });
    }
    if rows.len() > MAX_ROWS {
        return Err(DataError::TooMany { what: "rows".into(), n: rows.len(), most: MAX_ROWS });
    }
    let firsts = firsts(rows, |row| &row.id);
    let repeated = rows.iter().zip(&firsts).enumerate().find(|(idx, (_, first))| **first as usize != *idx);
    match repeated {
        Some((idx, (row, first))) => {
            Err(DataError::RepeatedId { id: row.id.to_string(), first: *first as usize + 1, second: idx + 1 })
        }
        None => Ok(()),
    }
}

/// Checks groups, sizes and difficulties; the number of each row's group.
fn check_rows(rows: &[Row]) -> Result<Vec<u32>, DataError> {
    let firsts = firsts(rows, |row| &row.group);
    // The first row of each group, and for each row the number of its group.
    let mut leads: Vec<u32> = Vec::new();
    let mut group_of: Vec<u32> = Vec::with_capacity(rows.len());
    for (idx, row) in rows.iter().enumerate() {
        for (field, bytes, most) in [("id", row.id.len(), MAX_NAME), ("group", row.group.len(), MAX_TEXT)] {
            if bytes > most {
                return Err(DataError::TooLong { row: idx + 1, field, bytes, most });
            }
        }
        if row.difficulty < 0.0 || row.difficulty > 1.0 {
            return Err(DataError::Difficulty { row: idx + 1, value: row.difficulty });
        }
        let lead = firsts.get(idx).map_or(idx, |first| *first as usize);
        let number = match group_of.get(lead) {
            Some(number) => *number,
            None => {
                leads.push(idx as u32);
                leads.len() as u32 - 1
            }
        };
        let first = leads.get(number as usize).map_or(idx, |first| *first as usize);
        let split = rows.get(first).map_or(row.split, |first| first.split);
        // A split that rows state themselves may repeat a text, which the group is where there is no other: that is told.
        if split != row.split && row.group != same::own_group(&row.input) {
            return Err(DataError::GroupCrosses {
                group: row.group.to_string(),
                first: first + 1,
                first_split: split.name(),
                second: idx + 1,
                second_split: row.split.name(),
            });
        }
        group_of.push(number);
    }
    Ok(group_of)
}

/// Of each row the first one that has its text of a kind, such as an id. By sorting hashes, which lie side by side: a table would be looked up in
/// another place for every row, and its texts in a third one.
fn firsts(rows: &[Row], text: fn(&Row) -> &str) -> Vec<u32> {
    let state = RandomState::new();
    let of = |row: u32| rows.get(row as usize).map(text).unwrap_or_default();
    let hashed = |row: u32| (state.hash_one(of(row)), row);
    let mut order: Vec<(u64, u32)> = (0..rows.len() as u32).into_par_iter().with_min_len(1024).map(hashed).collect();
    order.par_sort_unstable();
    let mut firsts: Vec<u32> = (0..rows.len() as u32).collect();
    for alike in order.chunk_by_mut(|one, other| one.0 == other.0) {
        let Some((_, lead)) = alike.first().copied().filter(|_| alike.len() > 1) else { continue };
        if alike.iter().any(|(_, row)| of(*row) != of(lead)) {
            alike.sort_unstable_by(|(_, one), (_, other)| of(*one).cmp(of(*other)).then(one.cmp(other)));
        }
        for same in alike.chunk_by(|(_, one), (_, other)| of(*one) == of(*other)) {
            let first = same.first().map_or(lead, |(_, row)| *row);
            for (_, row) in same {
                if let Some(slot) = firsts.get_mut(*row as usize) {
                    *slot = first;
                }
            }
        }
    }
    firsts
}

fn check_truth(name: &str, rows: &[Row], classes: &[String], truth: &[u16]) -> Result<(), DataError> {
    if truth.len() != rows.len() {
        return Err(DataError::TruthLength { name: name.to_owned(), n_truth: truth.len(), n_rows: rows.len() });
    }
    match truth.iter().position(|class| usize::from(*class) >= classes.len()) {
        Some(idx) => Err(DataError::ClassRange {
            row: idx + 1,
            class: truth.get(idx).copied().unwrap_or_default().into(),
            n_classes: classes.len(),
        }),
        None => Ok(()),
    }
}

/// Of everything in the data set. Texts with classes are named as they were before there were other kinds.
fn content_digest(name: &str, rows: &[Row], kind: TargetKind, classes: &[String], truth: &Truth) -> Digest {
    let mut builder = Digest::of("data/source", 1).text("name", name).int("n_rows", rows.len() as i64);
    if kind != TargetKind::Classes {
        builder = builder.text("target", kind.name());
    }
    for class in classes {
        builder = builder.text("class", class);
    }
    for row in rows {
        builder = builder.text("id", &row.id);
        builder = match &row.input {
            Input::Text(text) => builder.text("text", text),
            Input::Tokens(tokens) => builder.bytes("tokens", &little_endian(tokens.iter().map(|id| id.to_le_bytes()))),
            Input::Features(features) => {
                builder.bytes("features", &little_endian(features.iter().map(|value| value.to_le_bytes())))
            }
            Input::Prompt(prompt) => {
                let begun = builder.text("prompt", &prompt.text);
                prompt.continuations.iter().fold(begun, |builder, text| builder.text("continuation", text))
            }
        };
        builder = builder
            .text("group", &row.group)
            .text("split", row.split.name())
            .float("difficulty", f64::from(row.difficulty));
    }
    if let Some(classes) = &truth.classes {
        builder = builder.bytes("truth", &little_endian(classes.iter().map(|class| class.to_le_bytes())));
    }
    if let Some(soft) = &truth.soft {
        builder = builder.bytes("soft", &little_endian(soft.iter().map(|p| p.to_le_bytes())));
    }
    for answer in truth.answers.iter().flatten() {
        builder = builder.text("answer", answer);
    }
    builder.finish()
}

fn little_endian<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.flatten().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::input::tests::{prompt, rows};
    use super::*;
    use std::sync::Arc;

    /// `n` rows with texts `text 0`…, classes by turns of `pattern`, the last `n_test` of them test rows.
    pub(crate) fn toy(n: usize, n_test: usize, pattern: &[u16]) -> Data {
        let rows = (0..n)
            .map(|idx| Row {
                id: format!("r{idx}").into(),
                input: format!("text {idx}").into(),
                group: format!("g{idx}").into(),
                split: if idx + n_test >= n { Split::Test } else { Split::Train },
                difficulty: idx as f32 / n as f32,
            })
            .collect();
        let truth = (0..n).map(|idx| pattern[idx % pattern.len()]).collect();
        let source = Source::new("toy", rows, vec!["no".into(), "yes".into()], Some(truth)).expect("valid");
        Data::new(Arc::new(source))
    }

    fn row(id: &str, group: &str, split: Split) -> Row {
        Row { id: id.into(), input: "t".into(), group: group.into(), split, difficulty: f32::NAN }
    }

    fn fails(rows: Vec<Row>, classes: &[&str], truth: Vec<u16>) -> String {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        Source::new("toy", rows, classes, Some(truth)).map(|_| ()).expect_err("invalid").to_string()
    }

    #[test]
    fn the_first_row_of_each_text_is_found() {
        let named = |n: usize| -> Vec<Row> {
            (0..n).map(|idx| row(&format!("{}", idx * idx % 7), "g", Split::Train)).collect()
        };
        let rows = named(3000);
        let ids: Vec<&str> = rows.iter().map(|row| &*row.id).collect();
        let by_hand: Vec<u32> =
            ids.iter().map(|id| ids.iter().position(|other| other == id).expect("there") as u32).collect();
        assert_eq!(firsts(&rows, |row| &row.id), by_hand);
        assert!(firsts(&rows, |row| &row.group).iter().all(|first| *first == 0));
        assert!(firsts(&[], |row| &row.id).is_empty());
    }

    #[test]
    fn a_source_refuses_what_cannot_be_meant() {
        let two = || vec![row("a", "g", Split::Train), row("b", "h", Split::Test)];
        let classes = ["no", "yes"];
        assert!(Source::new("toy", two(), vec!["no".into(), "yes".into()], Some(vec![0, 1])).is_ok());
        assert!(Source::new("toy", two(), vec!["no".into(), "yes".into()], None).is_ok());
        let repeated = vec![row("a", "g", Split::Train), row("a", "h", Split::Test)];
        assert_eq!(fails(repeated, &classes, vec![0, 1]), "the id `a` occurs twice: rows 1 and 2");
        let crossing = vec![row("a", "g", Split::Train), row("b", "g", Split::Test)];
        assert!(fails(crossing, &classes, vec![0, 1]).contains("`g` has train rows and test rows"));
        assert!(fails(two(), &classes, vec![0]).contains("has 1 rows, the data has 2"));
        assert!(fails(two(), &classes, vec![0, 2]).contains("row 2 has the class index `2`"));
        assert!(fails(two(), &["no"], vec![0, 0]).contains("one class"));
        assert!(fails(two(), &["no", "no"], vec![0, 0]).contains("`no` is listed twice"));
        assert!(fails(Vec::new(), &classes, Vec::new()).contains("no rows"));
        let mut hard = two();
        hard[0].difficulty = 1.5;
        assert!(fails(hard, &classes, vec![0, 1]).contains("difficulty"));
        let mut long = two();
        long[0].input = "x".repeat(MAX_TEXT + 1).into();
        assert!(fails(long, &classes, vec![0, 1]).contains("`text` has"));
    }

    #[test]
    fn the_digest_is_of_the_content() {
        let one = toy(10, 2, &[0, 1]);
        assert_eq!(one.digest(), toy(10, 2, &[0, 1]).digest());
        assert_ne!(one.digest(), toy(10, 3, &[0, 1]).digest());
        assert_ne!(one.digest(), toy(10, 2, &[1, 0]).digest());
    }
}
