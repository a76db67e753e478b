//! Views of a data set: parts, samples, and the one door to truth.

use super::share::{Groups, class_total, divide, even_targets, take};
use super::{DataError, Input, InputKind, Row, Source, Split, TargetKind};
use crate::core::context::{Context, Event, Form, Reading};
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::frames::Frame;
use polars::prelude::{Column, DataFrame};
use std::collections::HashMap;
use std::sync::Arc;

/// A view of a data set: some of its rows, in an order. Cheap to clone.
#[derive(Clone)]
pub struct Data {
    source: Arc<Source>,
    rows: Arc<[u32]>,
    digest: Digest,
    /// Whether a caller chose the rows, or drew them without balance: then counts by class are as good as truth.
    picked: bool,
}

impl Data {
    /// All rows of a source.
    pub fn new(source: Arc<Source>) -> Data {
        let rows = (0..source.rows.len() as u32).collect();
        Data::over(source, rows, false)
    }

    fn over(source: Arc<Source>, rows: Vec<u32>, picked: bool) -> Data {
        let mut numbers = Digest::of("data/view", 1).digest("source", source.digest).begin("rows", 4 * rows.len());
        for some in rows.chunks(1 << 12) {
            numbers = numbers.go_on(&some.iter().flat_map(|idx| idx.to_le_bytes()).collect::<Vec<u8>>());
        }
        let digest = numbers.finish();
        Data { source, rows: rows.into(), digest, picked }
    }

    /// The rows at `positions` of this view.
    fn at(&self, positions: impl IntoIterator<Item = u32>) -> Data {
        let rows = positions.into_iter().filter_map(|at| self.rows.get(at as usize).copied()).collect();
        Data::over(self.source.clone(), rows, self.picked)
    }

    /// The same rows, chosen by a caller.
    fn picked(self) -> Data {
        Data { picked: true, ..self }
    }

    /// The data set itself, held once where this is its only view.
    pub(super) fn into_source(self) -> Arc<Source> {
        self.source
    }

    /// Whether a caller chose the rows.
    pub(super) fn is_picked(&self) -> bool {
        self.picked
    }

    /// The class of each row of the source, where classes are known: it never leaves this room.
    pub(super) fn class_truth(&self) -> Option<&[u16]> {
        self.source.truth.classes.as_deref()
    }

    /// Where the rows stand in their source.
    pub(super) fn places(&self) -> &[u32] {
        &self.rows
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> + Clone {
        self.rows.iter().filter_map(|idx| self.source.rows.get(*idx as usize))
    }

    /// The name of the data set.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// Class names; the index is what labels and predictions hold.
    pub fn classes(&self) -> &[String] {
        &self.source.classes
    }

    /// How many classes.
    pub fn n_classes(&self) -> usize {
        self.source.classes.len()
    }

    /// What is asked of the rows.
    pub fn target(&self) -> TargetKind {
        self.source.kind
    }

    /// What the rows hold: all the same.
    pub fn input(&self) -> InputKind {
        self.source.rows.first().map_or(InputKind::Text, |row| row.input.kind())
    }

    /// How many sequences a model reads of each row: as many as it has continuations, else one.
    pub fn n_sequences(&self) -> usize {
        self.source.rows.first().map_or(1, |row| row.input.n_sequences())
    }

    /// About how many bytes of text a model reads: for estimates of work.
    pub fn n_bytes(&self) -> usize {
        self.rows().map(|row| row.input.n_bytes()).sum()
    }

    /// The content of this view: its source's digest and which rows, in which order.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where the program drew the split: the same for all draws of these rows.
    pub fn draw(&self) -> Option<Digest> {
        self.source.draw
    }

    /// The data set that this is a view of.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Whether the truth is known.
    pub fn has_truth(&self) -> bool {
        self.source.has_truth()
    }

    /// The first test row, if there is one: training refuses such data.
    pub fn first_test_row(&self) -> Option<&Row> {
        self.rows().find(|row| row.split != Split::Train)
    }

    /// How many rows are on `split`'s side.
    pub fn n_split(&self, split: Split) -> usize {
        self.rows().filter(|row| row.split == split).count()
    }

    /// Rows per class: an aggregate, so not sealed. `None` where classes are unknown, and where the counts would tell a
    /// row's class: of rows that a caller chose, one by one if they like, and of rows that are all of one class. Nor of a vault.
    pub fn class_counts(&self) -> Option<Vec<usize>> {
        let counts = self.counts().filter(|_| self.n_split(Split::Vault) == 0)?;
        let is_mixed = counts.iter().filter(|n| **n > 0).count() > 1;
        (is_mixed && !self.picked).then_some(counts)
    }

    /// Rows per class, for balance; `None` where classes are unknown.
    fn counts(&self) -> Option<Vec<usize>> {
        let truth = self.class_truth()?;
        let mut counts = vec![0; self.n_classes()];
        for class in self.rows.iter().filter_map(|idx| truth.get(*idx as usize)) {
            if let Some(count) = counts.get_mut(usize::from(*class)) {
                *count += 1;
            }
        }
        Some(counts)
    }

    /// The training rows; may be empty.
    pub fn train(&self) -> Data {
        self.only(|row| row.split == Split::Train)
    }

    /// The test rows; may be empty.
    pub fn test(&self) -> Data {
        self.only(|row| row.split == Split::Test)
    }

    /// The rows of the vault; may be empty.
    pub fn vault(&self) -> Data {
        self.only(|row| row.split == Split::Vault)
    }

    /// The rows that `keep` accepts, in their order.
    pub fn only(&self, keep: impl Fn(&Row) -> bool) -> Data {
        let kept: Vec<u32> = (0u32..).zip(self.rows()).filter(|(_, row)| keep(row)).map(|(at, _)| at).collect();
        self.at(kept)
    }

    /// The first `n` rows, or all.
    pub fn head(&self, n: usize) -> Data {
        self.at(0..n.min(self.len()) as u32).picked()
    }

    /// The rows at these positions, in this order.
    pub fn take(&self, positions: &[usize]) -> Result<Data, DataError> {
        let mut seen = vec![false; self.len()];
        for idx in positions {
            match seen.get_mut(*idx) {
                None => return Err(DataError::RowRange { name: self.name().into(), idx: *idx, n_rows: self.len() }),
                Some(true) => {
                    let id = self.rows().nth(*idx).map(|row| row.id.to_string()).unwrap_or_default();
                    return Err(DataError::AskedTwice { id });
                }
                Some(slot) => *slot = true,
            }
        }
        Ok(self.at(positions.iter().map(|idx| *idx as u32)).picked())
    }

    /// The rows with these ids, in the order of this view. Every id must be there, once.
    pub fn filter<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<Data, DataError> {
        let position: HashMap<&str, u32> = self.rows().map(|row| row.id.as_str()).zip(0u32..).collect();
        let mut kept = Vec::new();
        let mut seen = vec![false; self.len()];
        for id in ids {
            let Some(at) = position.get(id) else {
                return Err(DataError::UnknownId { name: self.name().into(), id: id.into() });
            };
            match seen.get_mut(*at as usize) {
                Some(slot) if !*slot => *slot = true,
                _ => return Err(DataError::AskedTwice { id: id.into() }),
            }
            kept.push(*at);
        }
        kept.sort_unstable();
        Ok(self.at(kept).picked())
    }

    /// The rows in drawn order.
    pub fn shuffle(&self, seed: u64) -> Data {
        let order = Random::new(seed, "data/shuffle").permutation(self.len());
        self.at(order.into_iter().map(|at| at as u32))
    }

    /// This view's rows, then `other`'s. Both must be of one data set and share no row.
    pub fn concat(&self, other: &Data) -> Result<Data, DataError> {
        if self.source.digest != other.source.digest {
            return Err(DataError::OtherSource { left: self.name().into(), right: other.name().into() });
        }
        let held: std::collections::HashSet<u32> = self.rows.iter().copied().collect();
        if let Some((row, _)) = other.rows().zip(other.rows.iter()).find(|(_, idx)| held.contains(idx)) {
            return Err(DataError::Overlap { row: row.id.to_string() });
        }
        let rows = self.rows.iter().chain(other.rows.iter()).copied().collect();
        Ok(Data::over(self.source.clone(), rows, self.picked || other.picked))
    }

    /// The rows of this view of whose group `other`, a part of the same data set, has no row.
    pub fn without(&self, other: &Data) -> Result<Data, DataError> {
        if self.source.digest != other.source.digest {
            return Err(DataError::OtherSource { left: self.name().into(), right: other.name().into() });
        }
        let group = |idx: &u32| self.source.group_of.get(*idx as usize).copied();
        let held: std::collections::HashSet<u32> = other.rows.iter().filter_map(group).collect();
        let is_free = |idx: &u32| group(idx).is_some_and(|group| !held.contains(&group));
        let kept: Vec<u32> = (0u32..).zip(self.rows.iter()).filter(|(_, idx)| is_free(idx)).map(|(at, _)| at).collect();
        let rest = self.at(kept);
        Ok(Data { picked: self.picked || other.picked, ..rest })
    }

    /// Two halves: no group is in both, and each class is halved as well as whole groups allow.
    pub fn halves(&self, seed: u64) -> Result<[Data; 2], DataError> {
        self.halves_as(seed, true)
    }

    /// Two halves as [`Data::split_as`] makes them.
    pub fn halves_as(&self, seed: u64, balanced: bool) -> Result<[Data; 2], DataError> {
        match self.split_as(&[0.5, 0.5], seed, balanced)?.as_slice() {
            [first, second] => Ok([first.clone(), second.clone()]),
            _ => Err(DataError::TooFewGroups { n_groups: 0, n_parts: 2 }),
        }
    }

    /// Parts with these shares of the rows, by group and balanced by class. Shares may sum to less than 1: the rest
    /// of the rows is in no part. Rows keep their order.
    pub fn split(&self, shares: &[f64], seed: u64) -> Result<Vec<Data>, DataError> {
        self.split_as(shares, seed, true)
    }

    /// As [`Data::split`], without a look at classes where it is not to be balanced.
    pub fn split_as(&self, shares: &[f64], seed: u64, balanced: bool) -> Result<Vec<Data>, DataError> {
        if let Some(share) = shares.iter().find(|share| !share.is_finite() || **share <= 0.0) {
            return Err(DataError::Share { share: *share });
        }
        let sum: f64 = shares.iter().sum();
        if sum > 1.0 + 1e-9 {
            return Err(DataError::Shares { sum });
        }
        let mut groups = self.groups();
        if !balanced {
            groups.forget_classes();
        }
        if groups.len() < shares.len() || shares.is_empty() {
            return Err(DataError::TooFewGroups { n_groups: groups.len(), n_parts: shares.len() });
        }
        let parts = divide(&groups, shares, &mut Random::new(seed, "data/split"));
        if parts.iter().any(Vec::is_empty) {
            return Err(DataError::TooFewGroups { n_groups: groups.len(), n_parts: shares.len() });
        }
        let part = |part| if balanced { self.at(part) } else { self.at(part).picked() };
        Ok(parts.into_iter().map(part).collect())
    }

    /// `n` rows, as many of each class as of the others: whole groups as long as they fit, then single rows. Without
    /// truth the draw is not balanced.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Data, DataError> {
        let groups = self.groups();
        self.check_sample(n)?;
        let n_classes = groups.n_classes;
        let mut random = Random::new(seed, "data/sample");
        let targets = even_targets(n, n_classes, &mut random);
        for (class, needed) in targets.iter().enumerate() {
            let held = class_total(&groups, class);
            if held < *needed && self.picked {
                return Err(DataError::Unbalanced { name: self.name().into(), asked: n });
            }
            if held < *needed {
                return Err(DataError::TooFewOfClass {
                    name: self.name().into(),
                    asked: n,
                    class: self.classes().get(class).cloned().unwrap_or_default(),
                    needed: *needed,
                    held,
                });
            }
        }
        Ok(self.at(take(&groups, &targets, |at| self.class_at(at), &mut random)))
    }

    /// `n` rows with the classes as they come: whole groups as long as they fit, then single rows.
    pub fn sample_unbalanced(&self, n: usize, seed: u64) -> Result<Data, DataError> {
        self.check_sample(n)?;
        let mut groups = self.groups();
        groups.forget_classes();
        Ok(self.at(take(&groups, &[n], |_| 0, &mut Random::new(seed, "data/sample"))).picked())
    }

    /// Down-samples the larger classes to the smallest, by group, where the largest class has more than `above` of
    /// the rows; unchanged otherwise. Burns et al. 2023: two classes, above 0.55.
    pub fn balance(&self, above: f64, seed: u64) -> Result<Data, DataError> {
        if self.classes().is_empty() {
            return Err(DataError::NoClasses { name: self.name().into(), asked: "balance" });
        }
        let counts = self.counts().ok_or_else(|| DataError::NoTruth { name: self.name().into() })?;
        let largest = counts.iter().max().copied().unwrap_or(0);
        let smallest = counts.iter().min().copied().unwrap_or(0);
        // The share, not the product, which rounds: 0.58 · 50 is below 29.
        if largest as f64 / self.len().max(1) as f64 <= above {
            return Ok(self.clone());
        }
        if smallest == 0 && self.picked {
            return Err(DataError::Unbalanced { name: self.name().into(), asked: counts.len() });
        }
        if smallest == 0 {
            let missing = counts.iter().position(|n| *n == 0).and_then(|class| self.classes().get(class));
            return Err(DataError::NoRows {
                name: self.name().into(),
                what: format!("rows of the class `{}`", missing.cloned().unwrap_or_default()),
            });
        }
        self.sample(smallest * counts.len(), seed)
    }

    /// The truth of these rows, as labels: columns `id`, `p0`…, `label`; of preferences with their probabilities, of answers
    /// `id` and `answer`. The context is told who reads it and why.
    pub fn truth(&self, ctx: &Context, by: &str, purpose: &str) -> Result<Frame, DataError> {
        if purpose.trim().is_empty() {
            return Err(DataError::NoPurpose);
        }
        self.refuse_vault(by)?;
        let (frame, reading) = self.labels(by, purpose)?;
        ctx.tell(Event::TruthRead(reading));
        Ok(frame)
    }

    /// The truth of these rows and the reading that it is, untold.
    pub(super) fn labels(&self, by: &str, purpose: &str) -> Result<(Frame, Reading), DataError> {
        if !self.has_truth() {
            return Err(DataError::NoTruth { name: self.name().into() });
        }
        let truth = &self.source.truth;
        let idxs = || self.rows.iter().map(|idx| *idx as usize);
        let ids = self.rows().map(|row| &row.id);
        let frame = match (&truth.classes, &truth.soft, &truth.answers) {
            (_, _, Some(answers)) => {
                let answers: Vec<&str> = idxs().filter_map(|idx| answers.get(idx)).map(String::as_str).collect();
                let columns = [Column::new("id".into(), ids.map(|id| id.as_str()).collect::<Vec<_>>())];
                let columns = columns.into_iter().chain([Column::new("answer".into(), answers)]);
                Frame::new(table(self.len(), columns.collect())?)
            }
            (_, Some(soft), None) => {
                let n = self.n_classes();
                let values: Vec<f32> =
                    idxs().flat_map(|idx| soft.get(idx * n..(idx + 1) * n).unwrap_or_default()).copied().collect();
                Frame::labels(ids, &values, n)?
            }
            (classes, None, None) => {
                let classes = classes.as_deref().unwrap_or_default();
                let labels: Vec<usize> = idxs().filter_map(|idx| classes.get(idx).copied()).map(usize::from).collect();
                Frame::hard_labels(ids, &labels, self.n_classes())?
            }
        };
        let reading = self.reading(by, purpose, Form::Classes);
        let digest = Digest::of("data/truth", 1).digest("data", self.digest).finish();
        let frame = Frame::derived(frame.table().clone(), digest).named(self.classes());
        Ok((frame.with_sealed(self.sealed([reading.clone()])), reading))
    }

    /// The inputs: columns `id`, those of the input, `group`, `split`, `difficulty` (null where unknown). No truth. A text is
    /// in `text`, tokens in `tokens` (numbers with spaces between), a prompt in `prompt`, `continuation0`, …, features in
    /// `x0`, `x1`, ….
    pub fn frame(&self) -> Result<Frame, DataError> {
        let text = |name: &str, of: fn(&Row) -> &str| Column::new(name.into(), self.rows().map(of).collect::<Vec<_>>());
        let difficulty: Vec<Option<f64>> =
            self.rows().map(|row| Some(f64::from(row.difficulty)).filter(|value| !value.is_nan())).collect();
        let mut columns = vec![text("id", |row| &row.id)];
        columns.extend(self.input_columns());
        columns.extend([text("group", |row| &row.group), text("split", |row| row.split.name())]);
        columns.push(Column::new("difficulty".into(), difficulty));
        let digest = Digest::of("data/frame", 1).digest("data", self.digest).finish();
        Ok(Frame::derived(table(self.len(), columns)?, digest).with_sealed(self.sealed([])))
    }

    /// What the rows hold, as columns.
    fn input_columns(&self) -> Vec<Column> {
        match self.source.rows.first().map(|row| &row.input) {
            None => Vec::new(),
            Some(Input::Text(_)) => vec![self.texts("text".into(), 0)],
            Some(Input::Prompt(prompt)) => {
                let continuations =
                    (0..prompt.continuations.len()).map(|idx| self.texts(format!("continuation{idx}"), idx + 1));
                std::iter::once(self.texts("prompt".into(), 0)).chain(continuations).collect()
            }
            Some(Input::Tokens(_)) => {
                let shown = |row: &Row| match &row.input {
                    Input::Tokens(tokens) => tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
                    _ => String::new(),
                };
                vec![Column::new("tokens".into(), self.rows().map(shown).collect::<Vec<_>>())]
            }
            Some(Input::Features(first)) => {
                let value = |row: &Row, idx: usize| match &row.input {
                    Input::Features(features) => features.get(idx).map(|value| f64::from(*value)),
                    _ => None,
                };
                let column = |idx| {
                    let values: Vec<Option<f64>> = self.rows().map(|row| value(row, idx)).collect();
                    Column::new(format!("x{idx}").into(), values)
                };
                (0..first.len()).map(column).collect()
            }
        }
    }

    /// The `nth` text of each row's input.
    fn texts(&self, name: String, nth: usize) -> Column {
        let texts: Vec<&str> = self.rows().map(|row| row.input.texts().nth(nth).unwrap_or_default()).collect();
        Column::new(name.into(), texts)
    }

    fn check_sample(&self, n: usize) -> Result<(), DataError> {
        if n == 0 {
            return Err(DataError::EmptySample);
        }
        if n > self.len() {
            return Err(DataError::TooFewRows { name: self.name().into(), asked: n, n_rows: self.len() });
        }
        Ok(())
    }

    /// The class at a position of this view, 0 where truth is unknown: for balance only, it never leaves this room.
    fn class_at(&self, at: u32) -> usize {
        let idx = self.rows.get(at as usize).map_or(usize::MAX, |idx| *idx as usize);
        self.class_truth().and_then(|truth| truth.get(idx)).map_or(0, |class| usize::from(*class))
    }

    /// The groups of this view in order of first appearance, with their class counts.
    fn groups(&self) -> Groups {
        let n_counts = if self.class_truth().is_some() { self.n_classes() } else { 1 };
        let group_of = &self.source.group_of;
        let n_numbers = group_of.iter().max().map_or(0, |last| *last as usize + 1);
        let number = |idx: &u32| group_of.get(*idx as usize).copied().unwrap_or(u32::MAX);
        let rows = (0u32..).zip(self.rows.iter()).map(|(at, idx)| (number(idx), self.class_at(at)));
        Groups::of(rows, n_numbers, n_counts)
    }
}

fn table(height: usize, columns: Vec<Column>) -> Result<DataFrame, DataError> {
    DataFrame::new(height, columns).map_err(|error| DataError::Malformed {
        place: "the table".into(),
        what: error.to_string(),
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::toy;
    use std::sync::Mutex;

    fn ids(data: &Data) -> Vec<&str> {
        data.rows().map(|row| row.id.as_str()).collect()
    }

    /// Rows in groups of `size` with classes drawn so that class 1 has about a third.
    fn grouped(n: usize, size: usize) -> Data {
        let row = |idx: usize| Row {
            id: idx.to_string().into(),
            input: format!("text {idx}").into(),
            group: (idx / size).to_string().into(),
            split: Split::Train,
            difficulty: f32::NAN,
        };
        let truth = (0..n).map(|idx| u16::from(idx % 3 == 0)).collect();
        let classes = vec!["a".into(), "b".into()];
        Data::new(Arc::new(Source::new("grouped", (0..n).map(row).collect(), classes, Some(truth)).expect("valid")))
    }

    #[test]
    fn train_and_test_are_apart() {
        let data = toy(10, 3, &[0, 1]);
        assert_eq!(ids(&data.test()), ["r7", "r8", "r9"]);
        assert_eq!(data.train().len(), 7);
        assert!(data.train().first_test_row().is_none());
        assert_eq!(data.first_test_row().map(|row| row.id.as_str()), Some("r7"));
        assert_eq!((data.n_split(Split::Train), data.n_split(Split::Test)), (7, 3));
    }

    #[test]
    fn halves_are_disjoint_whole_and_balanced() {
        let data = toy(101, 0, &[0, 1, 1]);
        let [first, second] = data.halves(3).expect("halves");
        let mut all: Vec<&str> = ids(&first);
        all.extend(ids(&second));
        all.sort_unstable();
        let mut whole = ids(&data);
        whole.sort_unstable();
        assert_eq!(all, whole);
        let (a, b) = (first.class_counts().expect("known"), second.class_counts().expect("known"));
        assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 1), "{a:?} {b:?}");
        assert_eq!(first.digest(), data.halves(3).expect("halves")[0].digest());
        assert_ne!(first.digest(), data.halves(4).expect("halves")[0].digest());
        assert!(toy(1, 0, &[0]).halves(0).is_err());
    }

    #[test]
    fn halves_keep_groups_together() {
        let data = grouped(90, 5);
        for seed in 0..20 {
            let [first, second] = data.halves(seed).expect("halves");
            let groups: Vec<&str> = first.rows().map(|row| &*row.group).collect();
            assert!(second.rows().all(|row| !groups.contains(&&*row.group)));
            assert_eq!((first.len(), second.len()), (45, 45));
        }
    }

    #[test]
    fn which_half_a_row_is_in_is_drawn_evenly() {
        let data = toy(40, 0, &[0, 1]);
        let n_first: usize =
            (0..200).filter(|seed| ids(&data.halves(*seed).expect("halves")[0]).contains(&"r0")).count();
        assert!((70..130).contains(&n_first), "{n_first} of 200");
    }

    #[test]
    fn parts_have_their_shares_and_the_rest_stays_out() {
        let data = toy(100, 0, &[0, 1]);
        let parts = data.split(&[0.5, 0.2], 0).expect("parts");
        assert_eq!(parts.iter().map(Data::len).collect::<Vec<_>>(), [50, 20]);
        assert_eq!(parts[1].class_counts(), Some(vec![10, 10]));
        assert!(data.split(&[0.7, 0.7], 0).is_err());
        assert!(data.split(&[f64::NAN], 0).is_err());
        assert!(data.split(&[], 0).is_err());
    }

    #[test]
    fn a_sample_is_balanced_or_says_why_not() {
        let data = toy(90, 0, &[0, 1, 1]);
        assert_eq!(data.sample(60, 1).expect("sample").class_counts(), Some(vec![30, 30]));
        let error = data.sample(62, 1).map(|_| ()).expect_err("too few of a class").to_string();
        assert_eq!(error, "a balanced sample of 62 rows needs 31 of the class `no`, `toy` has 30");
        assert_eq!(data.sample_unbalanced(62, 1).expect("sample").len(), 62);
        assert!(data.sample(91, 1).is_err() && data.sample(0, 1).is_err());
        let sample = |n| grouped(90, 3).sample_unbalanced(n, 0).expect("sample");
        let whole = |data: &Data| {
            let groups: std::collections::BTreeSet<&str> = data.rows().map(|row| &*row.group).collect();
            groups.len()
        };
        assert_eq!((sample(9).len(), whole(&sample(9))), (9, 3));
        assert_eq!((sample(10).len(), whole(&sample(10))), (10, 4));
        // Each group has one row of the rarer class and two of the other: balance needs parts of groups.
        assert_eq!(grouped(90, 3).sample(30, 0).expect("sample").class_counts(), Some(vec![15, 15]));
    }

    #[test]
    fn the_majority_is_down_sampled_only_where_it_is_one() {
        let skewed = toy(90, 0, &[0, 1, 1]);
        assert_eq!(skewed.balance(0.55, 0).expect("balanced").class_counts(), Some(vec![30, 30]));
        let even = toy(90, 0, &[0, 1]);
        assert_eq!(even.balance(0.55, 0).expect("unchanged").digest(), even.digest());
        // 0.58 · 50 rounds to below 29, and 29 of 50 rows are not more than a share of 0.58.
        let exact = toy(50, 0, &(0..50).map(|row| u16::from(row >= 29)).collect::<Vec<_>>());
        assert_eq!(exact.balance(0.58, 0).expect("unchanged").digest(), exact.digest());
        assert!(toy(9, 0, &[1]).balance(0.55, 0).map(|_| ()).expect_err("one class").to_string().contains("`no`"));
    }

    #[test]
    fn rows_are_chosen_by_id_and_by_position() {
        let data = toy(6, 0, &[0, 1]);
        assert_eq!(ids(&data.filter(["r4", "r1"]).expect("known")), ["r1", "r4"]);
        assert_eq!(
            data.filter(["r9"]).map(|_| ()).expect_err("unknown").to_string(),
            "`toy` has no row with the id `r9`"
        );
        assert!(data.filter(["r1", "r1"]).is_err());
        assert_eq!(ids(&data.take(&[5, 0]).expect("there")), ["r5", "r0"]);
        assert!(data.take(&[6]).is_err() && data.take(&[0, 0]).is_err());
        let (head, tail) = (data.head(2), data.take(&[2, 3]).expect("there"));
        assert_eq!(head.concat(&tail).expect("disjoint").len(), 4);
        assert!(head.concat(&head).is_err());
        assert!(head.concat(&toy(6, 1, &[0, 1])).is_err());
        let shuffled = data.shuffle(1);
        assert_ne!(ids(&shuffled), ids(&data));
        assert_eq!(shuffled.len(), 6);
    }

    #[test]
    fn what_is_left_shares_no_group_with_what_was_taken() {
        let data = grouped(90, 5);
        let drawn = data.halves(1).expect("halves")[0].clone();
        let rest = data.without(&drawn).expect("one data set");
        let groups = |data: &Data| -> std::collections::BTreeSet<String> {
            data.rows().map(|row| row.group.to_string()).collect()
        };
        assert!(groups(&rest).is_disjoint(&groups(&drawn)));
        assert_eq!((groups(&rest).len(), groups(&drawn).len()), (9, 9));
        assert!(rest.class_counts().is_some(), "a drawn part's rest");
        assert!(data.without(&data.head(1)).expect("one data set").class_counts().is_none(), "a chosen row's rest");
        assert!(data.without(&data).expect("nothing is left").is_empty());
        assert!(data.without(&toy(6, 0, &[0, 1])).is_err());
    }

    #[test]
    fn counts_by_class_do_not_tell_a_rows_class() {
        let data = toy(40, 0, &[0, 1]);
        assert_eq!(data.class_counts(), Some(vec![20, 20]));
        let [half, _] = data.halves(0).expect("halves");
        assert!(half.class_counts().is_some(), "a drawn part");
        let one = data.take(&[3]).expect("there");
        let two = data.filter(["r3", "r4"]).expect("known");
        let chosen = [one.clone(), two.clone(), data.head(7), two.concat(&one.shuffle(0)).unwrap_or(two)];
        assert!(chosen.iter().all(|view| view.class_counts().is_none() && view.has_truth()));
        assert!(data.sample_unbalanced(1, 0).expect("sample").class_counts().is_none());
        assert!(data.sample(1, 0).expect("sample").class_counts().is_none(), "all of one class");
        for error in [one.sample(1, 0), one.balance(0.55, 0), data.take(&[0, 2]).and_then(|same| same.sample(2, 0))] {
            let said = error.map(|_| String::new()).unwrap_or_else(|error| error.to_string());
            assert!(!said.contains("yes") && !said.contains("no`"), "{said}");
        }
        assert!(data.head(20).sample(10, 0).is_ok(), "balance still works");
    }

    #[test]
    fn a_frame_shows_what_each_input_holds() {
        use crate::data::input::tests::{prompt, rows};
        use crate::data::{Input, Target};
        let frame = |inputs| {
            let source = Source::with_target("toy", rows(inputs), Target::None).expect("valid");
            Data::new(Arc::new(source)).frame().expect("a frame")
        };
        let behind = ["group", "split", "difficulty"];
        let columns =
            |own: &[&str]| [&["id"], own, &behind].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let prompts = frame(vec![prompt("p", &["a", "b"]), prompt("q", &["c", "d"])]);
        assert_eq!(prompts.columns(), columns(&["prompt", "continuation0", "continuation1"]));
        assert_eq!(prompts.strings("continuation1").expect("texts"), ["b", "d"]);
        let tokens = frame(vec![Input::Tokens([1, 20].into())]);
        assert_eq!(
            (tokens.columns(), tokens.strings("tokens").expect("text")),
            (columns(&["tokens"]), vec!["1 20".into()])
        );
        let features = frame(vec![Input::Features([0.5, 2.0].into()), Input::Features([1.0, -1.0].into())]);
        assert_eq!(
            (features.columns(), features.floats("x1").expect("numbers")),
            (columns(&["x0", "x1"]), vec![2.0, -1.0])
        );
        assert_eq!(toy(1, 0, &[0]).frame().expect("a frame").columns(), columns(&["text"]));
    }

    #[test]
    fn truth_is_read_for_a_purpose_and_told() {
        let ctx = Context::for_tests();
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        ctx.listen(move |event| sink.lock().expect("unpoisoned").push(format!("{event:?}")));
        let data = toy(3, 0, &[0, 1]);
        let truth = data.truth(&ctx, "test", "ceiling").expect("known");
        let label = truth.table().column("label").expect("column").i64().expect("integers");
        assert_eq!(label.into_no_null_iter().collect::<Vec<_>>(), [0, 1, 0]);
        assert!(data.truth(&ctx, "test", " ").is_err());
        let told = told.lock().expect("unpoisoned");
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("n_rows: 3") && told[0].contains("ceiling"), "{told:?}");
        let inputs = data.frame().expect("frame");
        assert!(inputs.table().column("label").is_err());
    }
}
