//! Readings of sealed truth as people are shown them: those of one data set, on one side, by one call for one purpose together,
//! with the trainings and scores that used them.

use super::schema::{Record, What};
use crate::core::context::{Form, Reading};
use std::collections::BTreeMap;

/// Readings that differ in their rows alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    pub data: String,
    /// `train`, `test`, …; empty in records of earlier programs.
    pub split: String,
    pub by: String,
    pub purpose: String,
    pub form: Form,
    /// How often.
    pub n: usize,
    /// Rows in all.
    pub n_rows: usize,
    /// Which calls used them, and how often.
    pub used_by: BTreeMap<String, usize>,
}

type Key<'a> = [&'a str; 5];

fn key(reading: &Reading) -> Key<'_> {
    [&reading.data, &reading.split, &reading.by, &reading.purpose, reading.form.name()]
}

/// The readings of a record, in order of their first appearance.
pub fn sums(record: &Record) -> Vec<Sum> {
    let mut place: BTreeMap<Key, usize> = BTreeMap::new();
    let mut sums: Vec<Sum> = Vec::new();
    for event in &record.events {
        let (reading, used_by) = match &event.what {
            What::TruthRead(reading) => (reading, None),
            What::TruthUsed { reading, by, .. } => (reading, Some(by)),
            _ => continue,
        };
        let at = *place.entry(key(reading)).or_insert(sums.len());
        if at == sums.len() {
            let Reading { data, split, by, purpose, form, .. } = reading.clone();
            sums.push(Sum { data, split, by, purpose, form, n: 0, n_rows: 0, used_by: BTreeMap::new() });
        }
        let Some(sum) = sums.get_mut(at) else { continue };
        match used_by {
            Some(by) => *sum.used_by.entry(by.clone()).or_default() += 1,
            None => {
                sum.n += 1;
                sum.n_rows += reading.n_rows;
            }
        }
    }
    sums
}

impl Sum {
    /// Which calls used it: `model::finetune 3 times, metric::accuracy`.
    pub fn users(&self) -> String {
        let user = |(by, n): (&String, &usize)| if *n == 1 { by.clone() } else { format!("{by} {n} times") };
        self.used_by.iter().map(user).collect::<Vec<_>>().join(", ")
    }

    /// What was read: the form, but for classes the rows' side alone.
    pub fn what(&self) -> String {
        match self.form {
            Form::Classes => self.split.clone(),
            form if self.split.is_empty() => form.name().to_owned(),
            form => format!("{}, {}", self.split, form.name()),
        }
    }
}

/// Openings of a vault, a sentence each: `opening 2 of 3 in this store: accuracy on the 375 vault rows of world/mood`.
pub fn openings(record: &Record) -> Vec<String> {
    let sentence = |what: &What| match what {
        What::VaultOpened { data, n_rows, metric, opening, budget, is_new, .. } => {
            let again = if *is_new { "" } else { ", as before" };
            Some(format!(
                "opening {opening} of {budget} in this store{again}: {metric} on the {n_rows} vault rows of {data}"
            ))
        }
        _ => None,
    };
    record.events.iter().filter_map(|event| sentence(&event.what)).collect()
}
