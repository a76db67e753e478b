//! What is asked of the rows of a data set, and the sealed answers.

use super::{DataError, Row};

/// What is asked of each row, and, where it is known, the truth. It goes into a [`super::Source`] and does not come out.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// One of named classes: the index of each row's.
    Classes { names: Vec<String>, truth: Option<Vec<u16>> },
    /// Which of a row's continuations is preferred: a probability for each continuation, row after row. The classes of
    /// labels and predictions are then `first`, `second`, …, and a class means "this continuation is the preferred one".
    Preference { truth: Option<Vec<f32>> },
    /// A text, such as the result of a calculation.
    Answer { truth: Vec<String> },
    /// Nothing: rows to be read, scored or continued.
    None,
}

/// The kinds of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    Classes,
    Preference,
    Answer,
    None,
}

impl TargetKind {
    /// As scripts call it.
    pub fn name(self) -> &'static str {
        match self {
            TargetKind::Classes => "classes",
            TargetKind::Preference => "preference",
            TargetKind::Answer => "answer",
            TargetKind::None => "none",
        }
    }

    /// What is asked, in a sentence's words.
    pub fn asks(self) -> &'static str {
        match self {
            TargetKind::Classes => "classes",
            TargetKind::Preference => "preferences",
            TargetKind::Answer => "answers",
            TargetKind::None => "nothing",
        }
    }
}

/// The truth of a data set's rows as this room keeps it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Truth {
    /// The index of each row's class, or of its preferred continuation.
    pub classes: Option<Vec<u16>>,
    /// A probability for each continuation, row after row, where some preference is not certain.
    pub soft: Option<Vec<f32>>,
    /// A text for each row.
    pub answers: Option<Vec<String>>,
}

/// How far the probabilities of one preference may sum from 1: arbitrary, as labels rounded to three digits need it.
const SUM_TOLERANCE: f32 = 1e-2;

impl Target {
    /// Which kind.
    pub fn kind(&self) -> TargetKind {
        match self {
            Target::Classes { .. } => TargetKind::Classes,
            Target::Preference { .. } => TargetKind::Preference,
            Target::Answer { .. } => TargetKind::Answer,
            Target::None => TargetKind::None,
        }
    }

    /// Class names and truth. Fails where the rows cannot have such a target, or the truth does not fit them.
    pub(super) fn settle(self, name: &str, rows: &[Row]) -> Result<(Vec<String>, Truth), DataError> {
        let n_sequences = rows.first().map_or(1, |row| row.input.n_sequences());
        match self {
            Target::Classes { .. } if n_sequences > 1 => {
                Err(DataError::ClassesOfContinuations { name: name.to_owned(), n: n_sequences })
            }
            Target::Classes { names, truth } => {
                super::check_classes(name, &names)?;
                if let Some(truth) = &truth {
                    super::check_truth(name, rows, &names, truth)?;
                }
                Ok((names, Truth { classes: truth, ..Truth::default() }))
            }
            Target::Preference { truth } => {
                check_pairs(name, rows)?;
                let names = (0..n_sequences).map(ordinal).collect();
                let Some(values) = truth else { return Ok((names, Truth::default())) };
                if values.len() != rows.len() * n_sequences {
                    let n_truth = values.len() / n_sequences;
                    return Err(DataError::TruthLength { name: name.to_owned(), n_truth, n_rows: rows.len() });
                }
                let preferred = values.chunks_exact(n_sequences).enumerate().map(|(idx, row)| preferred(idx, row));
                let classes = Some(preferred.collect::<Result<Vec<u16>, _>>()?);
                let is_soft = values.iter().any(|p| *p != 0.0 && *p != 1.0);
                Ok((names, Truth { classes, soft: is_soft.then_some(values), answers: None }))
            }
            Target::Answer { truth } if truth.len() != rows.len() => {
                Err(DataError::TruthLength { name: name.to_owned(), n_truth: truth.len(), n_rows: rows.len() })
            }
            Target::Answer { truth } => Ok((Vec::new(), Truth { answers: Some(truth), ..Truth::default() })),
            Target::None => Ok((Vec::new(), Truth::default())),
        }
    }
}

impl Truth {
    /// Gives the row at `places[i]` the truth of the row at `places[order[i]]`.
    pub fn exchange(&mut self, places: &[usize], order: &[usize], n_classes: usize) {
        let taken = order.iter().filter_map(|at| places.get(*at).copied());
        let moves: Vec<(usize, usize)> = places.iter().copied().zip(taken).collect();
        if let Some(classes) = &mut self.classes {
            moved(classes, &moves, 1);
        }
        if let Some(soft) = &mut self.soft {
            moved(soft, &moves, n_classes);
        }
        if let Some(answers) = &mut self.answers {
            moved(answers, &moves, 1);
        }
    }

    /// Whether it says anything.
    pub fn is_known(&self) -> bool {
        self.classes.is_some() || self.answers.is_some()
    }
}

/// Moves items of `width` values: pairs of where to and where from.
fn moved<T: Clone>(values: &mut [T], moves: &[(usize, usize)], width: usize) {
    let old = values.to_vec();
    for (to, from) in moves {
        let item = old.get(from * width..(from + 1) * width).unwrap_or_default();
        if let Some(slot) = values.get_mut(to * width..(to + 1) * width) {
            slot.clone_from_slice(item);
        }
    }
}

/// `first`, `second`, then `3rd`, `4th`, …: the names of continuations, counted from 0.
pub fn ordinal(idx: usize) -> String {
    let n = idx + 1;
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    match n {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        n => format!("{n}{ending}"),
    }
}

/// Every row must have continuations that differ.
fn check_pairs(name: &str, rows: &[Row]) -> Result<(), DataError> {
    for (idx, row) in rows.iter().enumerate() {
        let super::Input::Prompt(prompt) = &row.input else {
            return Err(DataError::NoContinuations { name: name.to_owned(), held: row.input.kind().name() });
        };
        let [first, rest @ ..] = prompt.continuations.as_slice() else { continue };
        if rest.is_empty() {
            return Err(DataError::NoContinuations { name: name.to_owned(), held: "one continuation" });
        }
        let mut seen = std::collections::HashSet::from([first]);
        if let Some(repeated) = rest.iter().position(|text| !seen.insert(text)) {
            return Err(DataError::EqualContinuations { row: idx + 1, at: ordinal(repeated + 1) });
        }
    }
    Ok(())
}

/// The continuation that a row's probabilities prefer.
fn preferred(idx: usize, row: &[f32]) -> Result<u16, DataError> {
    let shown = || row.iter().map(f32::to_string).collect::<Vec<_>>().join(", ");
    let is_distribution =
        row.iter().all(|p| (0.0..=1.0).contains(p)) && (row.iter().sum::<f32>() - 1.0).abs() <= SUM_TOLERANCE;
    if !is_distribution {
        return Err(DataError::Preference { row: idx + 1, values: shown() });
    }
    let best = crate::frames::argmax(row);
    let top = row.get(best).copied().unwrap_or_default();
    if row.iter().filter(|p| **p == top).count() > 1 {
        return Err(DataError::NoPreference { row: idx + 1, values: shown() });
    }
    Ok(u16::try_from(best).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::input::tests::{prompt, rows};
    use super::*;
    use crate::data::{Data, Input, Source};
    use std::sync::Arc;

    fn pairs(n: usize) -> Vec<Row> {
        rows((0..n).map(|idx| prompt(&format!("p{idx}"), &["a", "b"])).collect())
    }

    fn made(rows: Vec<Row>, target: Target) -> Result<Source, DataError> {
        Source::with_target("toy", rows, target)
    }

    fn why(rows: Vec<Row>, target: Target) -> String {
        made(rows, target).map(|_| ()).expect_err("invalid").to_string()
    }

    #[test]
    fn a_preference_has_a_class_for_each_continuation() {
        let source = made(pairs(2), Target::Preference { truth: Some(vec![1.0, 0.0, 0.25, 0.75]) }).expect("fits");
        assert_eq!(
            (source.classes.as_slice(), source.kind.name()),
            (&["first".into(), "second".into()][..], "preference")
        );
        let data = Data::new(Arc::new(source));
        assert_eq!(data.class_counts(), Some(vec![1, 1]));
        let truth = data.truth(&crate::core::context::Context::for_tests(), "test", "a test").expect("known");
        assert_eq!(truth.probabilities().expect("reads").values, [1.0, 0.0, 0.25, 0.75]);
        assert_eq!(truth.classes("label").expect("reads").values, [0, 1]);
        let unknown = made(pairs(2), Target::Preference { truth: None }).expect("fits");
        assert!(!unknown.has_truth());
        assert_eq!([2, 3, 10, 11, 20, 21].map(ordinal), ["3rd", "4th", "11th", "12th", "21st", "22nd"]);
    }

    #[test]
    fn what_prefers_nothing_is_refused() {
        let soft = |values: &[f32]| Target::Preference { truth: Some(values.to_vec()) };
        assert_eq!(why(pairs(1), soft(&[0.5, 0.5])), "row 1 prefers no continuation: 0.5, 0.5");
        assert_eq!(why(pairs(1), soft(&[0.5, 0.25])), "row 1: `0.5, 0.25` are not probabilities of its continuations");
        assert!(why(pairs(1), soft(&[f32::NAN, 1.0])).contains("not probabilities"));
        assert_eq!(why(pairs(2), soft(&[1.0, 0.0])), "the truth of `toy` has 1 rows, the data has 2");
        let same = rows(vec![prompt("p", &["a", "a"])]);
        assert_eq!(
            why(same, Target::Preference { truth: None }),
            "row 1: its second continuation is the same as an earlier one"
        );
        let single = rows(vec![prompt("p", &["a"])]);
        assert_eq!(
            why(single, Target::Preference { truth: None }),
            "a preference is between continuations, and rows of `toy` hold one continuation"
        );
        assert!(why(rows(vec!["text".into()]), Target::Preference { truth: None }).ends_with("hold text"));
        let classes = Target::Classes { names: vec!["no".into(), "yes".into()], truth: None };
        assert_eq!(
            why(pairs(1), classes),
            "`toy` has classes, which belong to whole rows, but 2 continuations per row"
        );
    }

    #[test]
    fn answers_are_sealed_like_classes() {
        let target = Target::Answer { truth: vec!["4".into(), "6".into()] };
        let data = Data::new(Arc::new(made(rows(vec!["2 + 2".into(), "3 + 3".into()]), target).expect("fits")));
        assert!(data.has_truth() && data.classes().is_empty() && data.class_counts().is_none());
        let truth = data.truth(&crate::core::context::Context::for_tests(), "test", "a test").expect("known");
        assert_eq!(truth.strings("answer").expect("texts"), ["4", "6"]);
        assert!(data.frame().expect("inputs").table().column("answer").is_err());
        assert_eq!(data.halves(0).expect("halves")[0].len(), 1);
        assert!(why(rows(vec!["2".into()]), Target::Answer { truth: Vec::new() }).contains("has 0 rows"));
    }

    #[test]
    fn every_part_of_the_content_is_in_the_digest() {
        let soft = |values: &[f32]| Target::Preference { truth: Some(values.to_vec()) };
        let of = |rows, target| made(rows, target).expect("fits").digest;
        let digests = [
            of(pairs(1), soft(&[1.0, 0.0])),
            of(pairs(1), soft(&[0.0, 1.0])),
            of(pairs(1), soft(&[0.75, 0.25])),
            of(pairs(1), soft(&[0.7, 0.3])),
            of(pairs(1), Target::Preference { truth: None }),
            of(pairs(1), Target::None),
            of(rows(vec![prompt("p0", &["a"])]), Target::None),
            of(rows(vec![prompt("p0a", &["b"])]), Target::None),
            of(rows(vec!["a".into()]), Target::None),
            of(rows(vec!["a".into()]), Target::Answer { truth: vec!["b".into()] }),
            of(rows(vec!["a".into()]), Target::Answer { truth: vec!["c".into()] }),
            of(rows(vec![Input::Tokens([1, 2].into())]), Target::None),
            of(rows(vec![Input::Tokens([1, 3].into())]), Target::None),
            of(rows(vec![Input::Features([1.0, 2.0].into())]), Target::None),
            of(rows(vec![Input::Features([1.0, -2.0].into())]), Target::None),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }
}
