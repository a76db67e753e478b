//! Class names of frames: which class `p0`, `p1`, … and the indices in `label` and `prediction` mean.
//!
//! Names are metadata, not a column. Every verb that keeps class columns keeps them, Parquet holds them, and where two
//! frames meet they meet by name. A frame without names is read by index.

use super::{Frame, FrameError, Kind};
use crate::core::digest::{Digest, DigestBuilder};
use polars::prelude::{Column, DataFrame, DataType};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The most classes of one frame. Arbitrary: far above any task, far below what memory cannot hold.
pub(super) const MAX_CLASSES: usize = 10_000;

/// Class names in order of their index, and the columns that this order is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassNames {
    names: Arc<[String]>,
    columns: BTreeSet<String>,
}

impl ClassNames {
    /// Adds names and columns to the digest of a frame's content.
    pub(super) fn digest(&self, content: Digest) -> Digest {
        let named = each(Digest::of("frame/named", 1).digest("content", content), &self.names);
        self.columns.iter().fold(named, |builder, column| builder.text("column", column)).finish()
    }
}

fn each(builder: DigestBuilder, names: &[String]) -> DigestBuilder {
    names.iter().fold(builder, |builder, name| builder.text("class", name))
}

/// Class names in a Parquet file's metadata, as JSON under this key.
pub const KEY: &str = "w2s.classes";

#[derive(Serialize, Deserialize)]
struct Stored {
    names: Vec<String>,
    columns: BTreeSet<String>,
}

impl Frame {
    /// The class names in order of their index; none where nobody said.
    pub fn class_names(&self) -> Option<&[String]> {
        self.classes.as_ref().map(|classes| &*classes.names)
    }

    /// The same frame with class names. Its digest stays: the derivation that made the frame must tell the names.
    #[must_use]
    pub fn named(self, names: &[String]) -> Frame {
        self.named_over(names, &[])
    }

    /// As [`Frame::named`], where `columns` hold classes too.
    #[must_use]
    pub fn named_over(self, names: &[String], columns: &[&str]) -> Frame {
        let classes = ClassNames {
            names: names.into(),
            columns: columns.iter().map(|column| (*column).to_owned()).chain(self.own_class_columns()).collect(),
        };
        self.with_names(Some(classes))
    }

    /// The same frame, whose classes are called so, whatever they were called before. Fails on an empty or repeated name
    /// and on another number of names than the frame has probabilities.
    pub fn with_classes(&self, names: &[String]) -> Result<Frame, FrameError> {
        check(names)?;
        let n_classes = self.n_probabilities();
        if n_classes > 0 && n_classes != names.len() {
            return Err(FrameError::NameCount { n_names: names.len(), n_classes });
        }
        let held = self.classes.as_ref().map(|held| held.columns.clone()).unwrap_or_default();
        let columns: BTreeSet<String> = held.into_iter().chain(self.own_class_columns()).collect();
        if columns.is_empty() {
            return Err(FrameError::NoClassColumn { columns: self.columns() });
        }
        let classes = ClassNames { names: names.into(), columns };
        Ok(self.changed(self.table().clone(), "frame/with_classes", names).with_names(Some(classes)))
    }

    /// The frame with its classes in the order of `names`: probabilities change places, indices change. A frame without
    /// names is read by index and stays as it is. Fails where it has other names; `ours` and `theirs` say whose names differ.
    pub fn in_classes(&self, names: &[String], (ours, theirs): (&str, &str)) -> Result<Frame, FrameError> {
        let Some(held) = &self.classes else { return Ok(self.clone()) };
        if *held.names == *names {
            return Ok(self.clone());
        }
        let places: Option<Vec<usize>> =
            held.names.iter().map(|name| names.iter().position(|other| other == name)).collect();
        let Some(places) = places.filter(|places| places.len() == names.len()) else {
            return Err(FrameError::OtherClasses {
                ours: ours.to_owned(),
                our_names: held.names.to_vec(),
                theirs: theirs.to_owned(),
                their_names: names.to_vec(),
            });
        };
        let classes = ClassNames { names: names.into(), columns: held.columns.clone() };
        Ok(self.changed(self.reordered(held, &places)?, "frame/in_classes", names).with_names(Some(classes)))
    }

    /// `table`, which `operation` made of this frame and class names: a content stays one, a derivation grows by a step.
    fn changed(&self, table: DataFrame, operation: &str, names: &[String]) -> Frame {
        let frame = match self.derivation {
            None => Frame::new(table),
            Some(of) => Frame::derived(table, each(Digest::of(operation, 1).digest("frame", of), names).finish()),
        };
        frame.made_from(self)
    }

    /// The table with class `old` at the place `places[old]`.
    fn reordered(&self, held: &ClassNames, places: &[usize]) -> Result<DataFrame, FrameError> {
        let sources = families(&held.columns, places)?;
        let mut columns = Vec::with_capacity(self.width());
        for column in self.table().columns() {
            let name = column.name().as_str();
            columns.push(if !held.columns.contains(name) {
                column.clone()
            } else if let Some(source) = sources.get(name) {
                let mut moved = self.column(source)?.clone();
                moved.rename(name.into());
                moved
            } else if Kind::of(column.dtype()) == Some(Kind::Int) {
                let indices = column.strict_cast(&DataType::Int64)?;
                let moved: Result<Vec<Option<i64>>, FrameError> = indices
                    .i64()?
                    .iter()
                    .map(|class| {
                        let Some(class) = class else { return Ok(None) };
                        let place = usize::try_from(class).ok().and_then(|class| places.get(class));
                        let place = place.ok_or(FrameError::Class { class, n_classes: places.len() })?;
                        Ok(Some(*place as i64))
                    })
                    .collect();
                Column::new(name.into(), moved?)
            } else {
                return Err(FrameError::Unordered { column: name.to_owned() });
            });
        }
        Ok(DataFrame::new(self.height(), columns)?)
    }

    /// The frame with the class indices of `column` spelled as names, if it has names for them.
    pub fn spelled(&self, column: &str) -> Result<Option<(Frame, Vec<String>)>, FrameError> {
        let Some(held) = self.classes.as_ref().filter(|held| held.columns.contains(column)) else { return Ok(None) };
        let indices = self.column(column)?;
        if Kind::of(indices.dtype()) != Some(Kind::Int) {
            return Ok(None);
        }
        let indices = indices.strict_cast(&DataType::Int64)?;
        let names: Result<Vec<Option<&str>>, FrameError> = indices
            .i64()?
            .iter()
            .map(|class| {
                let Some(class) = class else { return Ok(None) };
                let name = usize::try_from(class).ok().and_then(|class| held.names.get(class));
                name.map(|name| Some(name.as_str())).ok_or(FrameError::Class { class, n_classes: held.names.len() })
            })
            .collect();
        let mut table = self.table().clone();
        table.with_column(Column::new(column.into(), names?))?;
        Ok(Some((Frame::new(table).made_from(self), held.names.to_vec())))
    }

    /// The table with every column of class indices spelled as names, which are those of a Parquet file's metadata.
    pub fn spelled_by(table: DataFrame, names: &str) -> Result<DataFrame, FrameError> {
        let mut frame = Frame::new(table).with_stored_names(names)?;
        let columns = frame.classes.as_ref().map(|held| held.columns.clone()).unwrap_or_default();
        for column in columns {
            if let Some((spelled, _)) = frame.spelled(&column)? {
                frame = Frame { classes: frame.classes.clone(), ..spelled };
            }
        }
        Ok(frame.table().clone())
    }

    /// The class names of `from`, for its class columns that are still here, for those that `moved` brought under another
    /// name (pairs of old and new), and for what is called `p0`, `p1`, …, `label` or `prediction`. None where no such
    /// column is left. And what `from` has of sealed data.
    pub(super) fn inheriting(self, from: &Frame, moved: &[(String, String)]) -> Frame {
        let made = self.made_from(from);
        let Some(held) = &from.classes else { return made };
        made.with_names_of(held, moved)
    }

    fn with_names_of(self, held: &ClassNames, moved: &[(String, String)]) -> Frame {
        let moved = moved.iter().filter(|(old, _)| held.columns.contains(old)).map(|(_, new)| new.clone());
        let here: HashSet<String> = self.columns().into_iter().collect();
        let columns = held.columns.iter().cloned().chain(moved).filter(|column| here.contains(column));
        let columns: BTreeSet<String> = columns.chain(self.own_class_columns()).collect();
        if columns.is_empty() {
            return self;
        }
        let classes = ClassNames { names: held.names.clone(), columns };
        self.with_names(Some(classes))
    }

    /// As [`Frame::inheriting`], beside the names and class columns that it has already.
    pub(super) fn inheriting_too(self, from: &Frame) -> Frame {
        let Some(held) = self.classes.clone() else { return self.inheriting(from, &[]) };
        let made = self.made_from(from);
        let here: HashSet<String> = made.columns().into_iter().collect();
        let theirs = from.classes.as_ref().map(|classes| classes.columns.clone()).unwrap_or_default();
        let columns = theirs.into_iter().filter(|column| here.contains(column)).chain(held.columns).collect();
        made.with_names(Some(ClassNames { names: held.names, columns }))
    }

    /// The JSON that a Parquet file's metadata holds.
    pub(super) fn stored_names(&self) -> Result<Option<String>, FrameError> {
        let Some(held) = &self.classes else { return Ok(None) };
        let stored = Stored { names: held.names.to_vec(), columns: held.columns.clone() };
        serde_json::to_string(&stored).map(Some).map_err(|error| FrameError::Refused(error.to_string()))
    }

    /// Takes up what [`Frame::stored_names`] gave. Columns that are not here are passed over.
    pub(super) fn with_stored_names(self, text: &str) -> Result<Frame, FrameError> {
        let refuse = |what: &str| FrameError::Refused(format!("its class names (`{KEY}`) are not usable: {what}"));
        let stored: Stored = serde_json::from_str(text).map_err(|_| refuse("they are no such JSON"))?;
        check(&stored.names).map_err(|error| refuse(&error.to_string()))?;
        let here: HashSet<String> = self.columns().into_iter().collect();
        let columns: BTreeSet<String> =
            stored.columns.into_iter().filter(|column| here.contains(column)).chain(self.own_class_columns()).collect();
        let classes = (!columns.is_empty()).then(|| ClassNames { names: stored.names.into(), columns });
        Ok(self.with_names(classes))
    }

    /// Whether it has columns of classes under their usual names.
    pub fn has_class_columns(&self) -> bool {
        !self.own_class_columns().is_empty()
    }

    /// What it has of `p0`, `p1`, …, `label`, `prediction`.
    fn own_class_columns(&self) -> Vec<String> {
        let indices = ["label", "prediction"].into_iter().map(str::to_owned);
        let indices = indices.filter(|name| self.kind(name).is_ok_and(|kind| kind == Kind::Int));
        (0..self.n_probabilities()).map(|class| format!("p{class}")).chain(indices).collect()
    }

    /// How many of `p0`, `p1`, … there are from 0 on.
    pub(super) fn n_probabilities(&self) -> usize {
        let names: HashSet<&str> = self.table().columns().iter().map(|column| column.name().as_str()).collect();
        (0..MAX_CLASSES).take_while(|class| names.contains(format!("p{class}").as_str())).count()
    }
}

/// What to say where `frame`, which a message calls `side`, meets classes with names and has none itself; none where it has
/// names or no classes.
pub fn read_by_index(side: &str, frame: &Frame, names: &[String]) -> Option<String> {
    if frame.class_names().is_some() || !frame.has_class_columns() {
        return None;
    }
    let classes: Vec<String> = names.iter().take(3).enumerate().map(|(at, name)| format!("{at} is `{name}`")).collect();
    let more = if names.len() > 3 { ", …" } else { "" };
    Some(format!("{side} has no class names: its classes are read by index, {}{more}", classes.join(", ")))
}

/// Fails on fewer than two names, too many, an empty one, or one that occurs twice.
fn check(names: &[String]) -> Result<(), FrameError> {
    if !(2..=MAX_CLASSES).contains(&names.len()) {
        return Err(FrameError::ClassCount { n_classes: names.len(), most: MAX_CLASSES });
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| name.trim().is_empty() || !seen.insert(name.as_str())) {
        Some(name) => Err(FrameError::ClassName { name: name.clone() }),
        None => Ok(()),
    }
}

/// For columns that stand for one class each, such as `p0` and `p1` or `q0_left` and `q1_left`: the column whose values
/// come to its place. A family is a text with a number in it for every class.
fn families(columns: &BTreeSet<String>, places: &[usize]) -> Result<HashMap<String, String>, FrameError> {
    let mut members: BTreeMap<(String, String), BTreeMap<usize, String>> = BTreeMap::new();
    for column in columns {
        for (before, number, after) in numbers(column) {
            members.entry((before.to_owned(), after.to_owned())).or_default().insert(number, column.clone());
        }
    }
    let mut sources = HashMap::new();
    for family in members.into_values() {
        if family.len() != places.len() || !family.keys().copied().eq(0..places.len()) {
            continue;
        }
        for (old, place) in places.iter().enumerate() {
            let (Some(source), Some(target)) = (family.get(&old), family.get(place)) else { continue };
            if sources.insert(target.clone(), source.clone()).is_some() {
                return Err(FrameError::Unordered { column: target.clone() });
            }
        }
    }
    Ok(sources)
}

/// The numbers in a column's name, each with what stands before and after it.
fn numbers(column: &str) -> Vec<(&str, usize, &str)> {
    let mut found = Vec::new();
    let mut rest = column;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let start = column.len() - rest.len() + at;
        let (before, tail) = column.split_at(start);
        let end = tail.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(tail.len());
        let (digits, after) = tail.split_at(end);
        if let Ok(number) = digits.parse::<usize>()
            && number.to_string() == digits
        {
            found.push((before, number, after));
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::expr::{Aggregate, Binary, Expr, Literal};
    use super::super::{Format, How};
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// `a` is of class `neg`, `b` of `pos`.
    fn labels() -> Frame {
        let digest = Digest::of("test", 1).finish();
        let table = Frame::labels(["a", "b"], &[0.75, 0.25, 0.125, 0.875], 2).expect("labels").table().clone();
        Frame::derived(table, digest).named(&names(&["neg", "pos"]))
    }

    fn turned(frame: &Frame) -> Frame {
        frame.in_classes(&names(&["pos", "neg"]), ("`labels`", "`data`")).expect("the same names")
    }

    #[test]
    fn names_leave_a_known_derivation_alone_and_are_part_of_a_content() {
        assert_eq!(labels().digest(), Digest::of("test", 1).finish());
        let content = |names: Option<&[&str]>| {
            let frame = Frame::new(labels().table().clone());
            names.map_or(frame.clone(), |list| frame.named(&self::names(list))).digest()
        };
        assert_eq!(content(None), Frame::new(labels().table().clone()).digest());
        assert_ne!(content(None), content(Some(&["neg", "pos"])));
        assert_ne!(content(Some(&["pos", "neg"])), content(Some(&["neg", "pos"])));
    }

    #[test]
    fn the_same_names_in_another_order_change_places() {
        let turned = turned(&labels());
        assert_eq!(turned.floats("p0").expect("floats"), [0.25, 0.875]);
        assert_eq!(turned.floats("p1").expect("floats"), [0.75, 0.125]);
        assert_eq!(turned.classes("label").expect("classes").values, [1, 0]);
        assert_eq!(turned.class_names(), Some(&names(&["pos", "neg"])[..]));
        assert_ne!(turned.digest(), labels().digest());
        let back = turned.in_classes(&names(&["neg", "pos"]), ("a", "b")).expect("the same names");
        assert!(back.equals(&labels()) && !turned.equals(&labels()));
        let three = Frame::labels(["a"], &[0.5, 0.125, 0.375], 3).expect("labels").named(&names(&["x", "y", "z"]));
        let three = three.in_classes(&names(&["z", "x", "y"]), ("a", "b")).expect("the same names");
        assert_eq!(["p0", "p1", "p2"].map(|p| three.floats(p).expect("floats")[0]), [0.375, 0.5, 0.125]);
        assert_eq!(three.classes("label").expect("classes").values, [1]);
    }

    #[test]
    fn other_names_are_refused_with_both_lists() {
        let error = labels().in_classes(&names(&["no", "yes"]), ("`labels`", "`data`")).err().expect("other names");
        assert_eq!(error.to_string(), "the classes of `labels` are `neg`, `pos`, those of `data` are `no`, `yes`");
        let few = labels().in_classes(&names(&["neg", "pos", "odd"]), ("`labels`", "`data`"));
        assert!(few.err().expect("one more").to_string().contains("`odd`"));
        let nameless = Frame::new(labels().table().clone());
        assert!(nameless.in_classes(&names(&["no", "yes"]), ("a", "b")).expect("by index").equals(&nameless));
    }

    #[test]
    fn names_pass_through_every_verb_that_keeps_class_columns() {
        let col = |name: &str| Expr::column(name);
        let half = col("p1").binary(Binary::Greater, &Expr::literal(Literal::Float(0.5))).expect("small");
        let mean = |name: &str| col(name).aggregate(Aggregate::Mean).expect("small");
        let frame = labels();
        let texts = |list: &[&str]| names(list);
        let kept = [
            frame.filter(&half).expect("filters"),
            frame.sort(&texts(&["p1"]), true).expect("sorts"),
            frame.head(1),
            frame.tail(1),
            frame.slice(0, 1),
            frame.sample(1, 0).expect("draws"),
            frame.unique(&texts(&["label"])).expect("distinct"),
            frame.rows_at(&[1, 0]).expect("rows"),
            frame.drop_columns(&texts(&["label"])).expect("drops"),
            frame.rename(&[("label".into(), "weak_label".into())]).expect("renames"),
            frame.rename(&[("p0".into(), "q0".into()), ("p1".into(), "q1".into())]).expect("renames"),
            frame.select(&[col("id"), col("label")]).expect("selects"),
            frame.select(&[col("p0").alias("q0").expect("small"), col("p1").alias("q1").expect("small")]).expect("ok"),
            frame.with_columns(std::slice::from_ref(&half.alias("x").expect("small"))).expect("adds"),
            frame.group_by(&texts(&["id"]), &[mean("p0"), mean("p1")]).expect("groups"),
            frame.group_by(&texts(&["label"]), &[mean("p0").alias("mean").expect("small")]).expect("groups"),
            Frame::concat(&[frame.clone(), frame.head(0)]).expect("stacks"),
            frame.join(&frame, &texts(&["id"]), How::Inner, "_right").expect("joins"),
            frame.join(&frame, &texts(&["id"]), How::Semi, "_right").expect("joins"),
        ];
        for (at, frame) in kept.iter().enumerate() {
            assert_eq!(frame.class_names(), Some(&names(&["neg", "pos"])[..]), "case {at}: {:?}", frame.columns());
        }
        let left = [
            frame.select(&[col("id"), half.alias("x").expect("small")]).expect("selects"),
            frame.describe().expect("describes"),
            frame.group_by(&texts(&["id"]), &[]).expect("groups"),
        ];
        assert!(left.iter().all(|frame| frame.class_names().is_none()));
    }

    #[test]
    fn columns_that_were_renamed_change_places_too() {
        let pairs = [("p0", "q0_2"), ("p1", "q1_2"), ("label", "chosen")];
        let renamed = labels().rename(&pairs.map(|(old, new)| (old.to_owned(), new.to_owned()))).expect("renames");
        let turned = turned(&renamed);
        assert_eq!(turned.floats("q0_2").expect("floats"), [0.25, 0.875]);
        assert_eq!(turned.column("chosen").expect("there").i64().expect("ints").get(0), Some(1));
        let one = labels().rename(&[("p0".into(), "zero".into())]).expect("renames");
        let error = one.in_classes(&names(&["pos", "neg"]), ("a", "b")).err().expect("p1 without its like");
        assert!(error.to_string().contains("cannot be brought into another order"), "{error}");
    }

    #[test]
    fn frames_are_joined_and_stacked_by_name() {
        let on = names(&["id"]);
        let other = turned(&labels());
        let joined = labels().join(&other, &on, How::Inner, "_right").expect("joins");
        assert_eq!(joined.floats("p1_right").expect("floats"), labels().floats("p1").expect("floats"));
        assert_eq!(joined.floats("label_right").ok(), labels().floats("label").ok());
        let renamed: Vec<(String, String)> =
            ["p0", "p1", "label"].iter().map(|name| ((*name).to_owned(), format!("weak_{name}"))).collect();
        let joined = labels().join(&other.rename(&renamed).expect("renames"), &on, How::Left, "").expect("joins");
        assert_eq!(joined.floats("weak_p1").expect("floats"), labels().floats("p1").expect("floats"));
        let more = other
            .rename(&[])
            .expect("the same")
            .with_columns(&[Expr::literal(Literal::String("c".into())).alias("id").expect("small")]);
        let both = Frame::concat(&[labels(), more.expect("adds").head(1)]).expect("stacks");
        assert_eq!(both.floats("p1").expect("floats"), [0.25, 0.875, 0.25]);
        let odd = labels().with_classes(&names(&["no", "yes"])).expect("two names");
        for refused in [labels().join(&odd, &on, How::Inner, "_right"), Frame::concat(&[labels(), odd.clone()])] {
            let said = refused.err().expect("other names").to_string();
            assert!(said.contains("`neg`, `pos`") && said.contains("`no`, `yes`"), "{said}");
        }
        assert!(labels().join(&odd, &on, How::Anti, "_right").is_ok(), "no class column comes over");
    }

    #[test]
    fn parquet_holds_the_names_and_csv_does_not() {
        let frame = labels().rename(&[("label".into(), "chosen".into())]).expect("renames");
        let back = |format| {
            let bytes = frame.to_bytes(format).expect("writes");
            assert_eq!(bytes, frame.to_bytes(format).expect("writes"));
            Frame::from_bytes(bytes, format).expect("reads")
        };
        let parquet = back(Format::Parquet);
        assert_eq!((parquet.class_names(), &parquet.classes), (frame.class_names(), &frame.classes));
        assert_eq!(parquet.digest(), Frame::new(frame.table().clone()).with_names(frame.classes.clone()).digest());
        assert!(back(Format::Csv).class_names().is_none() && back(Format::Json).class_names().is_none());
        for text in ["", "{}", "{\"names\": [\"a\", \"a\"], \"columns\": []}", "{\"names\": [\"a\"], \"columns\": []}"]
        {
            assert!(frame.clone().with_stored_names(text).is_err(), "{text}");
        }
        let gone = frame.clone().with_stored_names("{\"names\": [\"a\", \"b\"], \"columns\": [\"z\"]}").expect("fits");
        assert!(gone.classes.is_some_and(|held| !held.columns.contains("z")));
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let plain = Frame::new(labels().table().clone());
        assert!(plain.with_classes(&names(&["a"])).is_err() && plain.with_classes(&names(&["a", "a"])).is_err());
        assert!(plain.with_classes(&names(&["a", " "])).is_err());
        let error = plain.with_classes(&names(&["a", "b", "c"])).err().expect("two probabilities");
        assert_eq!(error.to_string(), "3 class names were given, the frame has probabilities of 2 classes");
        assert!(
            plain
                .drop_columns(&names(&["p0", "p1", "label"]))
                .expect("drops")
                .with_classes(&names(&["a", "b"]))
                .is_err()
        );
        let cut = labels().drop_columns(&names(&["p1"])).expect("drops");
        assert!(cut.probabilities().is_err());
    }

    #[test]
    fn a_frame_without_names_says_that_it_is_read_by_index() {
        let plain = Frame::new(labels().table().clone());
        assert_eq!(
            read_by_index("`labels`", &plain, &names(&["no", "yes"])).as_deref(),
            Some("`labels` has no class names: its classes are read by index, 0 is `no`, 1 is `yes`")
        );
        assert_eq!(read_by_index("`labels`", &labels(), &names(&["no", "yes"])), None);
        let texts = plain.select(&[Expr::column("id")]).expect("selects");
        assert_eq!(read_by_index("`labels`", &texts, &names(&["no", "yes"])), None);
    }

    #[test]
    fn indices_are_spelled_where_there_are_names() {
        let (spelled, classes) = labels().spelled("label").expect("reads").expect("has names");
        assert_eq!(
            (spelled.strings("label").expect("texts"), classes),
            (names(&["neg", "pos"]), names(&["neg", "pos"]))
        );
        assert!(labels().spelled("id").expect("reads").is_none());
        let stored = labels().stored_names().expect("writes").expect("has names");
        let table = Frame::spelled_by(labels().table().clone(), &stored).expect("reads");
        assert_eq!(Frame::new(table).strings("label").expect("texts"), names(&["neg", "pos"]));
    }
}
