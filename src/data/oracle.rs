//! What of sealed truth comes out other than through [`Data::truth`], and how every way out is told.
//!
//! A part that is balanced by class says something of the classes of its rows: it is told as a reading, of the form
//! [`Form::Draw`]. From test rows that a caller chose one by one it is refused, for whether two rows can be balanced is
//! whether their classes differ.

use super::{Data, DataError, Split};
use crate::core::context::{Context, Event, Form, Reading};
use crate::frames::Sealed;
use std::sync::Arc;

impl Data {
    /// On which sides the rows are, in words: `train`, `test`, `train and test`.
    pub fn sides(&self) -> String {
        let sides = Split::ALL.into_iter().filter(|split| self.n_split(*split) > 0).map(Split::name);
        sides.collect::<Vec<_>>().join(" and ")
    }

    /// A reading of these rows' truth.
    pub(super) fn reading(&self, by: &str, purpose: &str, form: Form) -> Reading {
        Reading {
            data: self.name().to_owned(),
            digest: self.digest().to_string(),
            n_rows: self.len(),
            split: self.sides(),
            by: by.to_owned(),
            purpose: purpose.to_owned(),
            form,
        }
    }

    /// Tells that `by` draws from these rows by their classes. Fails where they are test rows that a caller chose.
    pub fn note_draw(&self, ctx: &Context, by: &str) -> Result<(), DataError> {
        if self.class_truth().is_none() {
            return Ok(());
        }
        self.refuse_vault(by)?;
        if self.is_picked() && self.n_split(Split::Train) < self.len() {
            return Err(DataError::ChosenTestRows { name: self.name().to_owned(), by: by.to_owned() });
        }
        ctx.tell(Event::TruthRead(self.reading(by, "balance by class", Form::Draw)));
        Ok(())
    }

    /// Tells that `by` drew the test rows of this data set by class, before any of them was put into a vault.
    pub fn note_drawn_split(&self, ctx: &Context, by: &str) {
        if self.class_truth().is_some() {
            ctx.tell(Event::TruthRead(self.reading(by, "balance by class", Form::Draw)));
        }
    }

    /// What a frame of these rows has of sealed data.
    pub(super) fn sealed(&self, readings: impl IntoIterator<Item = Reading>) -> Sealed {
        let ids =
            |split| Arc::new(self.rows().filter(|row| row.split == split).map(|row| row.id.to_string()).collect());
        Sealed { test_ids: ids(Split::Test), vault_ids: ids(Split::Vault), readings: readings.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use crate::core::context::{Context, Event, Form};
    use crate::data::tests::toy;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_draw_by_class_is_told_or_refused() {
        let ctx = Context::for_tests();
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        ctx.listen(move |event| sink.lock().expect("unpoisoned").push(event));
        let data = toy(10, 4, &[0, 1]);
        data.test().note_draw(&ctx, "data::sample").expect("drawn from the split");
        data.note_draw(&ctx, "data::halves").expect("drawn from all");
        let error = data.test().take(&[0, 1]).expect("there").note_draw(&ctx, "data::sample").expect_err("chosen");
        assert!(error.to_string().contains("were chosen one by one"), "{error}");
        data.train().take(&[0, 1]).expect("there").note_draw(&ctx, "data::sample").expect("train rows");
        let told: Vec<_> = told.lock().expect("unpoisoned").drain(..).collect();
        let splits = told.iter().map(|event| match event {
            Event::TruthRead(reading) => (reading.split.clone(), reading.n_rows, reading.form),
            other => panic!("{other:?}"),
        });
        let draw = |split: &str, n| (split.to_owned(), n, Form::Draw);
        assert_eq!(splits.collect::<Vec<_>>(), [draw("test", 4), draw("train and test", 10), draw("train", 2)]);
    }

    #[test]
    fn a_frame_knows_its_test_rows_and_its_readings() {
        let data = toy(6, 2, &[0, 1]);
        let ids = |frame: &crate::frames::Frame| {
            frame.sealed().map(|sealed| sealed.test_ids.iter().cloned().collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(ids(&data.frame().expect("inputs")), ["r4", "r5"]);
        assert!(data.train().frame().expect("inputs").sealed().is_none());
        let truth = data.test().truth(&Context::for_tests(), "Data.truth", "oracle").expect("known");
        let readings = &truth.sealed().expect("of test rows").readings;
        let reading = readings.first().expect("one");
        assert_eq!((reading.split.as_str(), reading.n_rows, reading.purpose.as_str()), ("test", 2, "oracle"));
        assert_eq!(ids(&truth), ["r4", "r5"]);
    }
}
