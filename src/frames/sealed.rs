//! What a frame has of sealed data: which ids are those of test rows, and from which readings of truth it was made.
//!
//! Like class names it is metadata, not a column: every verb hands it on, Parquet holds it, and the digest of the frame does
//! not know of it. What a script takes out of a frame and puts into another one by hand has lost it.

use super::{Frame, FrameError};
use crate::core::context::Reading;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// What is under this key in a Parquet file's metadata, as JSON.
pub const KEY: &str = "w2s.sealed";

/// What a frame has of sealed data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Ids of test rows.
    #[serde(with = "shared")]
    pub test_ids: Arc<BTreeSet<String>>,
    /// Ids of vault rows.
    #[serde(with = "shared", default)]
    pub vault_ids: Arc<BTreeSet<String>>,
    /// The readings of truth that the frame was made from.
    pub readings: BTreeSet<Reading>,
}

impl Sealed {
    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        self.test_ids.is_empty() && self.vault_ids.is_empty() && self.readings.is_empty()
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Sealed) -> Sealed {
        self.test_ids = both(self.test_ids, &other.test_ids);
        self.vault_ids = both(self.vault_ids, &other.vault_ids);
        self.readings.extend(other.readings.iter().cloned());
        self
    }
}

fn both(one: Arc<BTreeSet<String>>, other: &Arc<BTreeSet<String>>) -> Arc<BTreeSet<String>> {
    if one.is_empty() {
        other.clone()
    } else if Arc::ptr_eq(&one, other) || other.is_subset(&one) {
        one
    } else {
        Arc::new(one.union(other).cloned().collect())
    }
}

impl Frame {
    /// What it has of sealed data; none where that is nothing.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_deref()
    }

    /// The same frame, known to have this of sealed data.
    #[must_use]
    pub fn with_sealed(self, sealed: Sealed) -> Frame {
        let sealed = (!sealed.is_empty()).then(|| Arc::new(sealed));
        Frame { sealed, ..self }
    }

    /// The same frame, made from `from` too.
    #[must_use]
    pub fn made_from(self, from: &Frame) -> Frame {
        match (&self.sealed, &from.sealed) {
            (_, None) => self,
            (None, Some(_)) => Frame { sealed: from.sealed.clone(), ..self },
            (Some(own), Some(other)) if Arc::ptr_eq(own, other) => self,
            (Some(own), Some(other)) => {
                let both = own.as_ref().clone().and(other);
                self.with_sealed(both)
            }
        }
    }

    /// The JSON that a Parquet file's metadata holds. Of test rows it names those that the column `id`
    /// still has, or all where there is no such column.
    pub(super) fn stored_sealed(&self) -> Result<Option<String>, FrameError> {
        let Some(held) = self.sealed() else { return Ok(None) };
        let here: Option<HashSet<String>> = self.strings("id").ok().map(|ids| ids.into_iter().collect());
        let left = |ids: &Arc<BTreeSet<String>>| match &here {
            Some(here) => Arc::new(ids.iter().filter(|id| here.contains(*id)).cloned().collect()),
            None => ids.clone(),
        };
        let (test_ids, vault_ids) = (left(&held.test_ids), left(&held.vault_ids));
        let kept = Sealed { test_ids, vault_ids, readings: held.readings.clone() };
        if kept.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&kept).map(Some).map_err(|error| FrameError::Refused(error.to_string()))
    }
}

/// What [`Frame::stored_sealed`] gave.
pub fn stored(text: &str) -> Result<Sealed, FrameError> {
    let refuse = |_| FrameError::Refused(format!("its list of test rows (`{KEY}`) is not usable"));
    serde_json::from_str(text).map_err(refuse)
}

/// A shared set as its items.
mod shared {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(set: &Arc<BTreeSet<String>>, serializer: S) -> Result<S::Ok, S::Error> {
        set.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<BTreeSet<String>>, D::Error> {
        BTreeSet::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::super::expr::{Aggregate, Expr};
    use super::super::{Format, How};
    use super::*;

    fn reading(purpose: &str) -> Reading {
        let text = |text: &str| text.to_owned();
        Reading {
            data: text("toy"),
            digest: text("d"),
            n_rows: 2,
            split: text("test"),
            by: text("Data.truth"),
            purpose: text(purpose),
            form: crate::core::context::Form::Classes,
        }
    }

    fn labels() -> Frame {
        let table = Frame::labels(["a", "b"], &[1.0, 0.0, 0.0, 1.0], 2).expect("labels");
        let test_ids = Arc::new(["a", "b"].map(str::to_owned).into());
        table.with_sealed(Sealed { test_ids, readings: [reading("ceiling")].into(), ..Sealed::default() })
    }

    #[test]
    fn every_verb_hands_it_on() {
        let frame = labels();
        let texts = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let col = |name: &str| Expr::column(name);
        let mean = col("p1").aggregate(Aggregate::Mean).expect("small");
        let more = Frame::labels(["a", "b"], &[0.5, 0.5, 0.5, 0.5], 2).expect("labels").rename(&[
            ("p0".into(), "q0".into()),
            ("p1".into(), "q1".into()),
            ("label".into(), "other".into()),
        ]);
        let more = more.expect("renames");
        let made = [
            frame.select(&[col("p1")]).expect("selects"),
            frame.with_columns(&[col("p1").alias("x").expect("small")]).expect("adds"),
            frame.sort(&texts(&["p1"]), true).expect("sorts"),
            frame.head(1),
            frame.tail(1),
            frame.slice(0, 1),
            frame.rows_at(&[1]).expect("rows"),
            frame.unique(&[]).expect("distinct"),
            frame.drop_columns(&texts(&["id"])).expect("drops"),
            frame.rename(&[("id".into(), "key".into())]).expect("renames"),
            frame.group_by(&texts(&["label"]), &[mean]).expect("groups"),
            frame.join(&more, &texts(&["id"]), How::Inner, "_right").expect("joins"),
            more.join(&frame, &texts(&["id"]), How::Inner, "_right").expect("joins"),
            Frame::concat(&[frame.head(0), frame.clone()]).expect("stacks"),
            frame.describe().expect("describes"),
            frame.drop_nulls(&[]).expect("keeps"),
            frame.with_row_index("n", 0).expect("numbers"),
            frame.pivot("label", &texts(&["id"]), &texts(&["p1"]), None).expect("turns"),
            frame.unpivot(&texts(&["p0", "p1"]), &texts(&["id"]), "name", "value").expect("turns"),
            frame.clone().named(&texts(&["no", "yes"])).in_classes(&texts(&["yes", "no"]), ("a", "b")).expect("turns"),
            frame.with_classes(&texts(&["no", "yes"])).expect("names"),
        ];
        for (at, frame) in made.iter().enumerate() {
            let sealed = frame.sealed().unwrap_or_else(|| panic!("case {at}: {:?}", frame.columns()));
            assert_eq!((sealed.test_ids.len(), sealed.readings.len()), (2, 1), "case {at}");
        }
        assert!(more.sealed().is_none());
    }

    #[test]
    fn readings_of_both_sides_meet_and_no_digest_changes() {
        let one = labels();
        let other = labels().with_sealed(Sealed { readings: [reading("oracle")].into(), ..Sealed::default() });
        let both = Frame::concat(&[one.clone(), other]).expect("stacks");
        let purposes: Vec<_> = both.sealed().expect("made from both").readings.iter().map(|r| &r.purpose).collect();
        assert_eq!(purposes, ["ceiling", "oracle"]);
        assert_eq!(one.digest(), one.clone().with_sealed(Sealed::default()).digest());
    }

    #[test]
    fn parquet_holds_it_and_csv_does_not() {
        let back =
            |frame: &Frame, format| Frame::from_bytes(frame.to_bytes(format).expect("writes"), format).expect("reads");
        let frame = labels();
        assert_eq!(back(&frame, Format::Parquet).sealed(), frame.sealed());
        assert!(back(&frame, Format::Csv).sealed().is_none());
        let one = back(&frame.head(1), Format::Parquet);
        assert_eq!(one.sealed().expect("one row").test_ids.len(), 1, "the row that is left");
        assert!(stored("{}").is_err() && stored("[").is_err());
    }
}
