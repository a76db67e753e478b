//! Frames of labels, predictions and truth: built from probabilities, and read back with every doubt checked.

use super::classes::MAX_CLASSES;
use super::{Frame, FrameError, Kind};
use polars::prelude::{Column, DataFrame, DataType};
use std::collections::HashMap;

/// How far a row of probabilities may sum from 1. Arbitrary: labels rounded to three digits still pass.
const SUM_TOLERANCE: f64 = 1e-2;

/// Probabilities by row, read from a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities {
    /// One id per row, no two alike.
    pub ids: Vec<String>,
    /// Row-major `[n_rows, n_classes]`.
    pub values: Vec<f32>,
    pub n_classes: usize,
}

/// Class indices by row, read from a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// One id per row, no two alike.
    pub ids: Vec<String>,
    pub values: Vec<usize>,
}

/// The index of the largest value; of the first of several. 0 for no value at all.
pub fn argmax<T: PartialOrd + Copy>(row: &[T]) -> usize {
    let mut best: Option<(usize, T)> = None;
    for (idx, value) in row.iter().enumerate() {
        if best.is_none_or(|(_, top)| *value > top) {
            best = Some((idx, *value));
        }
    }
    best.map_or(0, |(idx, _)| idx)
}

impl Frame {
    /// Labels: `id`, `p0`, …, `label` (the first largest). `values` is row-major `[ids, n_classes]`.
    pub fn labels<S: AsRef<str>>(
        ids: impl IntoIterator<Item = S>,
        values: &[f32],
        n_classes: usize,
    ) -> Result<Frame, FrameError> {
        with_classes(ids, values, n_classes, "label")
    }

    /// Predictions: `id`, `p0`, …, `prediction` (the first largest). `values` is row-major `[ids, n_classes]`.
    pub fn predictions<S: AsRef<str>>(
        ids: impl IntoIterator<Item = S>,
        values: &[f32],
        n_classes: usize,
    ) -> Result<Frame, FrameError> {
        with_classes(ids, values, n_classes, "prediction")
    }

    /// Hard labels or truth: `id`, `p0`, … (1 for the class, else 0), `label`.
    pub fn hard_labels<S: AsRef<str>>(
        ids: impl IntoIterator<Item = S>,
        classes: &[usize],
        n_classes: usize,
    ) -> Result<Frame, FrameError> {
        let mut values = vec![0.0f32; classes.len().saturating_mul(n_classes)];
        for (row, class) in values.chunks_mut(n_classes.max(1)).zip(classes) {
            match row.get_mut(*class) {
                Some(slot) => *slot = 1.0,
                None => return Err(FrameError::Class { class: *class as i64, n_classes }),
            }
        }
        Frame::labels(ids, &values, n_classes)
    }

    /// Reads `id`, `p0`, `p1`, …: ids unique, every number a probability, every row summing to 1.
    pub fn probabilities(&self) -> Result<Probabilities, FrameError> {
        let (ids, values, n_classes) = self.exact_probabilities()?;
        Ok(Probabilities { ids, values: values.into_iter().map(|p| p as f32).collect(), n_classes })
    }

    /// As [`Frame::probabilities`], in double precision: ids, row-major values, number of classes. Fails where the row's
    /// class, in `prediction` or else in `label`, is not among its likeliest: whoever edits one and not the other means
    /// something else than what would be read.
    pub fn exact_probabilities(&self) -> Result<(Vec<String>, Vec<f64>, usize), FrameError> {
        let ids = self.ids()?;
        let n_classes = self.n_probabilities();
        match self.class_names() {
            Some(names) if n_classes > 0 && names.len() != n_classes => {
                return Err(FrameError::NameCount { n_names: names.len(), n_classes });
            }
            _ if n_classes < 2 => return Err(self.no_probabilities()),
            _ => {}
        }
        let mut values = vec![0.0; ids.len() * n_classes];
        for class in 0..n_classes {
            let name = format!("p{class}");
            let column = self.floats(&name)?;
            for (row, (value, slot)) in column.iter().zip(values.iter_mut().skip(class).step_by(n_classes)).enumerate()
            {
                // A hair above 1 is rounding, as in a softmax; anything else is not a probability.
                if !(value.is_finite() && *value >= 0.0 && *value <= 1.0 + SUM_TOLERANCE) {
                    let id = ids.get(row).cloned().unwrap_or_default();
                    return Err(FrameError::NotProbability { column: name, id, value: *value });
                }
                *slot = *value;
            }
        }
        for (row, id) in values.chunks(n_classes).zip(&ids) {
            let sum: f64 = row.iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(FrameError::RowSum { id: id.clone(), sum });
            }
        }
        self.refuse_contradiction(&ids, &values, n_classes)?;
        Ok((ids, values, n_classes))
    }

    /// A frame with both columns is a prediction beside its truth, and they may differ: then `prediction` alone counts.
    fn refuse_contradiction(&self, ids: &[String], values: &[f64], n_classes: usize) -> Result<(), FrameError> {
        let is_class = |column: &str| self.kind(column).is_ok_and(|kind| kind == Kind::Int);
        let Some(column) = ["prediction", "label"].into_iter().find(|column| is_class(column)) else { return Ok(()) };
        let held = self.column(column)?.strict_cast(&DataType::Int64)?;
        for ((id, row), class) in ids.iter().zip(values.chunks(n_classes)).zip(held.i64()?.iter()) {
            let Some(class) = class else { continue };
            let largest = argmax(row);
            if usize::try_from(class).ok().and_then(|class| row.get(class)) != row.get(largest) {
                return Err(FrameError::Contradiction { column: column.to_owned(), id: id.clone(), class, largest });
            }
        }
        Ok(())
    }

    /// The error for a frame without `p0`, `p1`, …: which columns are missing, and how to have them.
    fn no_probabilities(&self) -> FrameError {
        let column = ["label", "prediction"].into_iter().find(|column| self.column(column).is_ok());
        let named = self.class_names().map(<[String]>::len);
        let found = column.and_then(|column| self.indices(column).ok()).and_then(|held| held.into_iter().max());
        let n_classes = named.unwrap_or_else(|| found.map_or(2, |class| (class + 1).max(2)));
        let missing: Vec<String> = (self.n_probabilities()..n_classes).map(|class| format!("p{class}")).collect();
        let hint = match column {
            // A list of more would be no hint.
            Some(column) if n_classes <= 10 => {
                let certain: Vec<String> = (0..n_classes)
                    .map(|class| format!("(col(\"{column}\") == {class}).cast(\"float\").alias(\"p{class}\")"))
                    .collect();
                format!("where the classes are certain, say so: frame.with_columns([{}])", certain.join(", "))
            }
            _ => format!("columns: {}", self.columns().join(", ")),
        };
        FrameError::NoProbabilities { missing, hint }
    }

    /// Reads `id` and the class index in `column` (`label` or `prediction`).
    pub fn classes(&self, column: &str) -> Result<Classes, FrameError> {
        Ok(Classes { ids: self.ids()?, values: self.indices(column)? })
    }

    /// The class indices in `column`, without nulls.
    fn indices(&self, column: &str) -> Result<Vec<usize>, FrameError> {
        let held = self.column(column)?;
        if Kind::of(held.dtype()) != Some(Kind::Int) || *held.dtype() == DataType::Null {
            return Err(self.wrong_kind(column, "int"));
        }
        let held = held.strict_cast(&DataType::Int64)?;
        let held = held.i64()?;
        held.iter()
            .enumerate()
            .map(|(row, value)| match value {
                None => Err(FrameError::Null { column: column.to_owned(), row }),
                Some(class) => usize::try_from(class)
                    .ok()
                    .filter(|class| *class < MAX_CLASSES)
                    .ok_or(FrameError::Class { class, n_classes: MAX_CLASSES }),
            })
            .collect()
    }

    /// The column `id` as text, without nulls, no two alike. Integers are read as their decimal digits, as data sets read
    /// them: no two integers have the same, so that rows are never confused, only not found.
    pub fn ids(&self) -> Result<Vec<String>, FrameError> {
        let ids = match self.kind("id") {
            Ok(Kind::Int) => self.integers("id")?.into_iter().map(|id| id.to_string()).collect(),
            _ => self.strings("id")?,
        };
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            if let Some(first) = seen.insert(id, row) {
                return Err(FrameError::DuplicateId { id: id.clone(), first, second: row });
            }
        }
        Ok(ids)
    }

    /// A column of strings without nulls.
    pub fn strings(&self, column: &str) -> Result<Vec<String>, FrameError> {
        let held = self.column(column)?;
        let held = held.str().map_err(|_| self.wrong_kind(column, "string"))?;
        held.iter()
            .enumerate()
            .map(|(row, value)| {
                value.map(str::to_owned).ok_or_else(|| FrameError::Null { column: column.to_owned(), row })
            })
            .collect()
    }

    /// A column of integers without nulls.
    fn integers(&self, column: &str) -> Result<Vec<i64>, FrameError> {
        let held = self.column(column)?.strict_cast(&DataType::Int64)?;
        let null = |row| FrameError::Null { column: column.to_owned(), row };
        held.i64()?.iter().enumerate().map(|(row, value)| value.ok_or_else(|| null(row))).collect()
    }

    /// A column of numbers without nulls, as floats. NaN passes.
    pub fn floats(&self, column: &str) -> Result<Vec<f64>, FrameError> {
        let held = self.column(column)?;
        if !Kind::of(held.dtype()).is_some_and(Kind::is_number) {
            return Err(self.wrong_kind(column, "float"));
        }
        let held = held.strict_cast(&DataType::Float64)?;
        let held = held.f64()?;
        held.iter()
            .enumerate()
            .map(|(row, value)| value.ok_or_else(|| FrameError::Null { column: column.to_owned(), row }))
            .collect()
    }

    /// The error for a column that holds something else than `expected`.
    pub(super) fn wrong_kind(&self, column: &str, expected: &'static str) -> FrameError {
        let got = self.table().column(column).map_or_else(
            |_| "nothing".to_owned(),
            |held| Kind::of(held.dtype()).map_or_else(|| held.dtype().to_string(), |kind| kind.to_string()),
        );
        FrameError::WrongKind { column: column.to_owned(), expected, got }
    }
}

impl Probabilities {
    /// The values in the order of `ids`, row-major. Every id must be here; rows that are not asked for are left out.
    pub fn gathered<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<Vec<f32>, FrameError> {
        let by_id: HashMap<&str, &[f32]> =
            self.ids.iter().map(String::as_str).zip(self.values.chunks(self.n_classes.max(1))).collect();
        let mut gathered = Vec::new();
        let mut missing = Missing::default();
        for id in ids {
            match by_id.get(id) {
                Some(row) => gathered.extend_from_slice(row),
                None => missing.note(id),
            }
        }
        missing.refuse(self.ids.len())?;
        Ok(gathered)
    }
}

impl Classes {
    /// The classes in the order of `ids`. Every id must be here; rows that are not asked for are left out.
    pub fn gathered<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<Vec<usize>, FrameError> {
        let by_id: HashMap<&str, usize> =
            self.ids.iter().map(String::as_str).zip(self.values.iter().copied()).collect();
        let mut gathered = Vec::new();
        let mut missing = Missing::default();
        for id in ids {
            match by_id.get(id) {
                Some(class) => gathered.push(*class),
                None => missing.note(id),
            }
        }
        missing.refuse(self.ids.len())?;
        Ok(gathered)
    }
}

/// Ids that were asked for in vain.
#[derive(Default)]
struct Missing {
    first: Option<String>,
    n: usize,
}

impl Missing {
    fn note(&mut self, id: &str) {
        self.n += 1;
        self.first.get_or_insert_with(|| id.to_owned());
    }

    fn refuse(self, n_rows: usize) -> Result<(), FrameError> {
        match self.first {
            None => Ok(()),
            Some(id) => Err(FrameError::UnknownId { id, n_missing: self.n, n_rows }),
        }
    }
}

fn with_classes<S: AsRef<str>>(
    ids: impl IntoIterator<Item = S>,
    values: &[f32],
    n_classes: usize,
    chosen: &str,
) -> Result<Frame, FrameError> {
    let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
    if !(2..=MAX_CLASSES).contains(&n_classes) {
        return Err(FrameError::ClassCount { n_classes, most: MAX_CLASSES });
    }
    if values.len() != ids.len() * n_classes {
        return Err(FrameError::Shape { n_values: values.len(), n_rows: ids.len(), n_classes });
    }
    let height = ids.len();
    let mut columns = vec![Column::new("id".into(), ids)];
    for class in 0..n_classes {
        let column: Vec<f64> = values.iter().skip(class).step_by(n_classes).map(|p| f64::from(*p)).collect();
        columns.push(Column::new(format!("p{class}").into(), column));
    }
    let best: Vec<i64> = values.chunks(n_classes).map(|row| argmax(row) as i64).collect();
    columns.push(Column::new(chosen.into(), best));
    let frame = Frame::new(DataFrame::new(height, columns)?);
    frame.exact_probabilities()?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn frame(table: polars::prelude::PolarsResult<DataFrame>) -> Frame {
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    #[test]
    fn probabilities_come_back_as_they_went_in() {
        let values = [0.25, 0.75, 0.5, 0.5];
        let labels = Frame::labels(["a", "b"], &values, 2).expect("probabilities");
        assert_eq!(labels.columns(), ["id", "p0", "p1", "label"]);
        let back = labels.probabilities().expect("reads");
        assert_eq!((back.ids, back.values.as_slice(), back.n_classes), (vec!["a".into(), "b".into()], &values[..], 2));
        assert_eq!(labels.classes("label").expect("reads").values, [1, 0], "the first of two equal ones");
    }

    #[test]
    fn rows_are_gathered_by_id() {
        let labels = Frame::labels(["a", "b"], &[0.25, 0.75, 0.5, 0.5], 2).expect("probabilities");
        let read = labels.probabilities().expect("reads");
        assert_eq!(read.gathered(["b", "a"]).expect("known"), [0.5, 0.5, 0.25, 0.75]);
        let error = read.gathered(["b", "z", "y"]).expect_err("unknown");
        assert_eq!(error.to_string(), "2 rows are missing among the 2 that were given, the first with id `z`");
    }

    #[test]
    fn every_doubt_has_its_own_message() {
        let cases = [
            (df!("id" => ["a", "a"], "p0" => [0.5, 0.5], "p1" => [0.5, 0.5]), "id `a` occurs twice, in rows 0 and 1"),
            (
                df!("id" => ["a"], "p0" => [f64::NAN], "p1" => [0.5]),
                "column `p0` at id `a` is not a probability: `NaN`",
            ),
            (df!("id" => ["a"], "p0" => [-0.5], "p1" => [1.5]), "column `p0` at id `a` is not a probability: `-0.5`"),
            (df!("id" => ["a"], "p0" => [0.25], "p1" => [0.25]), "probabilities at id `a` sum to `0.5`, not to 1"),
            (df!("id" => ["a"], "p0" => [0.25]), "there are no probabilities: column `p1` is missing"),
            (df!("p0" => [0.25], "p1" => [0.75]), "there is no column `id`"),
            (df!("id" => [1.5], "p0" => [0.2], "p1" => [0.8]), "column `id` must hold string, but holds float"),
            (df!("id" => [1i64, 1], "p0" => [0.5, 0.5], "p1" => [0.5, 0.5]), "id `1` occurs twice, in rows 0 and 1"),
            (df!("id" => ["a"], "label" => [1i64]), "there are no probabilities: columns `p0`, `p1` are missing"),
            (
                df!("id" => ["a"], "p0" => [0.2], "p1" => [0.8], "prediction" => [0i64]),
                "a contradiction at the row `a`: its `prediction` is 0, its largest probability p1",
            ),
            (
                df!("id" => ["a"], "p0" => [0.2], "p1" => [0.8], "label" => [0i64]),
                "a contradiction at the row `a`: its `label` is 0, its largest probability p1",
            ),
            (df!("id" => ["a"], "p0" => ["x"], "p1" => [0.8]), "column `p0` must hold float, but holds string"),
            (df!("id" => [Some("a"), None], "p0" => [0.2, 0.2], "p1" => [0.8, 0.8]), "column `id` is null in row 1"),
        ];
        for (table, message) in cases {
            let error = frame(table).probabilities().expect_err(message);
            assert_eq!(error.to_string(), message);
        }
        let tied = frame(df!("id" => ["a"], "p0" => [0.5], "p1" => [0.5], "prediction" => [1i64]));
        assert!(tied.probabilities().is_ok(), "of ties every class is the largest");
        let beside = frame(df!("id" => ["a"], "p0" => [0.2], "p1" => [0.8], "prediction" => [1i64], "label" => [0i64]));
        assert!(beside.probabilities().is_ok(), "a prediction beside its truth");
        let ids = frame(df!("id" => [7i64, -1], "p0" => [0.5, 0.5], "p1" => [0.5, 0.5]));
        assert_eq!(ids.ids().expect("integers"), ["7", "-1"]);
        assert!(Frame::labels(["a"], &[0.5], 2).is_err());
        assert!(Frame::labels(["a"], &[1.0], 1).is_err());
        assert!(Frame::hard_labels(["a"], &[2], 2).is_err());
    }
}
