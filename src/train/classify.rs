//! Classifiers on features as operations: nearest neighbours and logistic regression, from frames of features and labels to predictions; and
//! overlap detection, which reads the same frames. What is computed is in `stats`.

use super::TrainError;
use super::options::choice;
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::frames::Frame;
use crate::stats::MetricError;
use crate::stats::least_squares;
use crate::stats::logistic::{Fit, Problem};
use crate::stats::neighbours::{self, nearest};
use crate::stats::overlap::{self, patterns};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use polars::prelude::Column;
use std::collections::HashMap;

choice! {
    /// How far two rows are apart.
    pub enum Distance {
        /// The length of their difference.
        Euclidean = "euclidean",
        /// 1 − the cosine of the angle between them.
        Cosine = "cosine",
    }
}

choice! {
    /// How alike two rows are.
    pub enum Similarity {
        /// The cosine of the angle between them.
        Cosine = "cosine",
        /// Its size, without the sign.
        AbsoluteCosine = "absolute_cosine",
        /// The inner product.
        Inner = "inner",
    }
}

/// Which classifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Classifier {
    /// The mean label of the `k` nearest rows; of a row that is among the labelled ones without its own label, if asked.
    Knn { k: usize, distance: Distance, leave_one_out: bool },
    /// scikit-learn's logistic regression with its penalty's `C`.
    Logistic { c: f64 },
}

impl Classifier {
    fn name(self) -> &'static str {
        match self {
            Classifier::Knn { .. } => "knn",
            Classifier::Logistic { .. } => "logistic",
        }
    }

    fn options(self) -> String {
        match self {
            Classifier::Knn { k, distance, leave_one_out } => {
                format!("k {k}, distance {}, leave_one_out {leave_one_out}", super::Choice::name(distance))
            }
            Classifier::Logistic { c } => format!("c {c:?}"),
        }
    }
}

/// What a classifier that is fitted on `features` (`id`, `x0`, `x1`, …) and `labels` (`id`, `p0`, `p1`, …, and perhaps `weight`) says of
/// `rows`: a frame of predictions. Every row of `features` needs a label, and none may be a test row.
pub fn classify(
    features: &Frame,
    labels: &Frame,
    rows: &Frame,
    classifier: Classifier,
    ctx: &Context,
) -> Result<Frame, TrainError> {
    let (fitted, own, asked) = read(features, labels, rows)?;
    let work = Classifying { classifier, fitted: &fitted, own: &own, asked: &asked, inputs: [features, labels, rows] };
    if let Classifier::Knn { k, leave_one_out, .. } = classifier {
        let most = own.kept.len() - usize::from(leave_one_out);
        if k > most {
            let must = format!("from 1 to {most}, the labelled rows");
            return Err(TrainError::Range { option: "k", must, got: k.to_string() });
        }
    }
    let values = perform(&work, ctx)?;
    let mut table = Frame::predictions(&asked.ids, &values, own.n_classes)?.table().clone();
    table.rechunk_mut();
    let made = Frame::derived(table, work.digest()).made_from(labels).made_from(features).made_from(rows);
    Ok(match labels.class_names() {
        Some(names) => made.named(names),
        None => made,
    })
}

/// What is fitted on, its labels, and what is asked about, checked against each other.
fn read(features: &Frame, labels: &Frame, rows: &Frame) -> Result<(Matrix, Labelled, Matrix), TrainError> {
    let fitted = Matrix::read(features, "features")?;
    let asked = Matrix::read(rows, "rows")?;
    if asked.width != fitted.width {
        return Err(TrainError::FeatureWidth { n_features: fitted.width, n_rows: asked.width });
    }
    refuse_test_rows(&fitted.ids, &[features, labels])?;
    let own = Labelled::read(&fitted, labels)?;
    Ok((fitted, own, asked))
}

/// A frame's rows of features.
struct Matrix {
    ids: Vec<String>,
    /// Row-major.
    values: Vec<f64>,
    width: usize,
}

impl Matrix {
    fn read(frame: &Frame, of: &'static str) -> Result<Matrix, TrainError> {
        let columns = frame.columns();
        let width = (0..).take_while(|at| columns.contains(&format!("x{at}"))).count();
        if width == 0 {
            return Err(TrainError::NoFeatures { of, columns });
        }
        let ids = frame.ids()?;
        if ids.is_empty() {
            return Err(TrainError::NoRows { of });
        }
        let mut values = vec![0.0; ids.len() * width];
        for at in 0..width {
            let column = frame.floats(&format!("x{at}"))?;
            for ((slot, value), id) in values.iter_mut().skip(at).step_by(width).zip(column).zip(&ids) {
                if !value.is_finite() {
                    return Err(TrainError::Feature { of, id: id.clone(), column: format!("x{at}"), got: value });
                }
                *slot = value;
            }
        }
        Ok(Matrix { ids, values, width })
    }

    /// The rows at some places.
    fn at(&self, places: &[usize]) -> Vec<f64> {
        let rows: Vec<&[f64]> = self.values.chunks_exact(self.width).collect();
        places.iter().filter_map(|place| rows.get(*place)).flat_map(|row| row.iter().copied()).collect()
    }
}

/// The labels of the rows that are fitted on.
struct Labelled {
    /// Places of the rows that do not weigh 0.
    kept: Vec<usize>,
    /// Of these, row-major; each row sums to 1.
    values: Vec<f64>,
    weights: Vec<f64>,
    n_classes: usize,
}

impl Labelled {
    fn read(features: &Matrix, labels: &Frame) -> Result<Labelled, TrainError> {
        let (ids, p, n_classes) = labels.exact_probabilities()?;
        let weights = if labels.columns().iter().any(|column| column == "weight") {
            labels.floats("weight")?
        } else {
            vec![1.0; ids.len()]
        };
        let by_id: HashMap<&str, (&[f64], f64)> =
            ids.iter().map(String::as_str).zip(p.chunks_exact(n_classes).zip(weights)).collect();
        let lost: Vec<&String> = features.ids.iter().filter(|id| !by_id.contains_key(id.as_str())).collect();
        if let Some(id) = lost.first() {
            let (n_missing, n_rows) = (lost.len(), features.ids.len());
            return Err(TrainError::UnlabelledFeatures { id: (*id).clone(), n_missing, n_rows });
        }
        let mut found = Labelled { kept: vec![], values: vec![], weights: vec![], n_classes };
        for (place, id) in features.ids.iter().enumerate() {
            let Some((row, weight)) = by_id.get(id.as_str()) else { continue };
            if !(*weight == 0.0 || super::labels::WEIGHTS.contains(weight)) {
                return Err(TrainError::Weight { id: id.clone(), got: *weight });
            }
            if *weight > 0.0 {
                let sum: f64 = row.iter().sum();
                found.kept.push(place);
                found.values.extend(row.iter().map(|p| p / sum));
                found.weights.push(*weight);
            }
        }
        if found.kept.is_empty() {
            return Err(TrainError::NoWeight { n_rows: features.ids.len() });
        }
        Ok(found)
    }

    /// The first class that no label gives anything to.
    fn missing_class(&self) -> Option<usize> {
        (0..self.n_classes).find(|class| self.values.iter().skip(*class).step_by(self.n_classes).all(|p| *p == 0.0))
    }
}

fn refuse_test_rows(ids: &[String], frames: &[&Frame]) -> Result<(), TrainError> {
    let is_held_out = |id: &&String| {
        let mut sealed = frames.iter().filter_map(|frame| frame.sealed());
        sealed.any(|sealed| sealed.test_ids.contains(*id) || sealed.vault_ids.contains(*id))
    };
    let held_out: Vec<&String> = ids.iter().filter(is_held_out).collect();
    match held_out.first() {
        Some(id) => Err(TrainError::TestRows {
            data: "features".to_owned(),
            n_test: held_out.len(),
            n_rows: ids.len(),
            id: (*id).clone(),
        }),
        None => Ok(()),
    }
}

/// A classifier before it is fitted.
struct Classifying<'a> {
    classifier: Classifier,
    fitted: &'a Matrix,
    own: &'a Labelled,
    asked: &'a Matrix,
    inputs: [&'a Frame; 3],
}

impl Classifying<'_> {
    fn digest(&self) -> Digest {
        let [features, labels, rows] = self.inputs.map(Frame::digest);
        let builder = match self.classifier {
            Classifier::Knn { .. } => Digest::of("knn", 1),
            Classifier::Logistic { .. } => Digest::of("logistic", 1),
        };
        let builder = builder.digest("features", features).digest("labels", labels).digest("rows", rows);
        builder.text("options", &self.classifier.options()).finish()
    }

    fn shape(&self) -> [usize; 2] {
        [self.asked.ids.len(), self.own.n_classes]
    }

    fn values(&self, ctx: &Context) -> Result<Vec<f64>, MetricError> {
        let (own, width) = (self.own, self.fitted.width);
        let x = self.fitted.at(&own.kept);
        match self.classifier {
            Classifier::Logistic { c } => {
                if let Some(class) = own.missing_class() {
                    return Err(MetricError::Undefined(format!(
                        "logistic regression needs every class among its labels, and none of the {} rows has class {class}",
                        own.kept.len()
                    )));
                }
                let problem =
                    Problem { x: &x, width, labels: &own.values, n_classes: own.n_classes, weights: &own.weights, c };
                Ok(Fit::new(&problem, &ctx.interrupt)?.probabilities(&self.asked.values))
            }
            Classifier::Knn { k, distance, leave_one_out } => {
                let ids = own.kept.iter().filter_map(|place| self.fitted.ids.get(*place));
                let places: HashMap<&str, usize> = ids.enumerate().map(|(at, id)| (id.as_str(), at)).collect();
                let own_place = |id: &String| places.get(id.as_str()).copied().filter(|_| leave_one_out);
                let left_out: Vec<Option<usize>> = self.asked.ids.iter().map(own_place).collect();
                let distance = match distance {
                    Distance::Euclidean => neighbours::Distance::Euclidean,
                    Distance::Cosine => neighbours::Distance::Cosine,
                };
                let near = nearest((&x, &self.asked.values), width, k, distance, &left_out, &ctx.interrupt)?;
                let labels: Vec<&[f64]> = own.values.chunks_exact(own.n_classes).collect();
                let mean_label = |places: &Vec<usize>| {
                    let mut sums = vec![0.0; own.n_classes];
                    let mut total = 0.0;
                    for (label, weight) in
                        places.iter().filter_map(|place| Some((labels.get(*place)?, own.weights.get(*place)?)))
                    {
                        sums.iter_mut().zip(*label).for_each(|(sum, p)| *sum += weight * p);
                        total += weight;
                    }
                    sums.into_iter().map(move |sum| sum / total).collect::<Vec<f64>>()
                };
                Ok(near.iter().flat_map(mean_label).collect())
            }
        }
    }
}

/// The value is the probabilities, row-major.
impl Operation for Classifying<'_> {
    type Value = Vec<f32>;
    type Error = TrainError;

    fn step(&self) -> Step {
        let [features, labels, rows] = self.inputs.map(Frame::digest);
        let (n, n_rows, width) = (self.own.kept.len(), self.asked.ids.len(), self.fitted.width);
        // Of logistic regression a guess: ten Newton steps of twenty products each, forth and back.
        let passes = if matches!(self.classifier, Classifier::Knn { .. }) { n_rows } else { 400 };
        Step {
            operation: self.classifier.name(),
            what: format!("{} on {n} rows of {width} features", self.classifier.name()),
            digest: self.digest(),
            inputs: vec![("features", features), ("labels", labels), ("rows", rows)],
            options: self.classifier.options(),
            work: 2.0 * n as f64 * width as f64 * passes as f64,
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<f32>>, TrainError> {
        let values = self.values(ctx).map_err(|error| match error {
            MetricError::Interrupted(stopped) => stopped.into(),
            other => TrainError::Unfitted(other.to_string()),
        })?;
        Ok(Done { value: values.into_iter().map(|p| p as f32).collect(), curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("probabilities", &self.shape(), value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("probabilities", &self.shape())
    }

    fn stand_in(&self) -> Vec<f32> {
        let [n, n_classes] = self.shape();
        let mut random = Random::new(0, &self.digest().to_hex());
        let mut found = Vec::with_capacity(n * n_classes);
        for _ in 0..n {
            let draws: Vec<f64> = (0..n_classes).map(|_| random.uniform() + 0.01).collect();
            let sum: f64 = draws.iter().sum();
            found.extend(draws.iter().map(|draw| (draw / sum) as f32));
        }
        found
    }
}

/// Least squares: the linear function of `features` that is nearest to the labels' `p1`, as scores of `rows`: a frame of `id` and `score`.
pub fn linear(features: &Frame, labels: &Frame, rows: &Frame, penalty: f64) -> Result<Frame, TrainError> {
    let (fitted, own, asked) = read(features, labels, rows)?;
    if own.n_classes != 2 {
        return Err(TrainError::Unfitted(format!("a linear score is of two classes, `labels` has {}", own.n_classes)));
    }
    let target: Vec<f64> = own.values.iter().skip(1).step_by(2).copied().collect();
    let found = least_squares::fit(&fitted.at(&own.kept), fitted.width, &target, &own.weights, penalty);
    let found = found.map_err(|error| TrainError::Unfitted(error.to_string()))?;
    let scores = least_squares::predicted(&asked.values, asked.width, &found);
    let ids: Vec<&str> = asked.ids.iter().map(String::as_str).collect();
    let columns = vec![Column::new("id".into(), ids), Column::new("score".into(), scores)];
    Ok(Frame::from_columns(columns)?.made_from(labels).made_from(features).made_from(rows))
}

/// Which rows are hard-only, overlapping or easy-only: `id`, `confidence` (of two classes 2·|p1 − ½|), `score` (the largest similarity to a
/// hard-only row; null of these), `pattern`.
pub fn overlap(features: &Frame, labels: &Frame, similarity: Similarity, ctx: &Context) -> Result<Frame, TrainError> {
    let matrix = Matrix::read(features, "features")?;
    let own = Labelled::read(&matrix, labels)?;
    if own.n_classes != 2 {
        return Err(TrainError::Unfitted(format!(
            "overlap is of labels of two classes, `labels` has {}",
            own.n_classes
        )));
    }
    let confidence: Vec<f64> = own.values.iter().skip(1).step_by(2).map(|p| 2.0 * (p - 0.5).abs()).collect();
    let similarity = match similarity {
        Similarity::Cosine => overlap::Similarity::Cosine,
        Similarity::AbsoluteCosine => overlap::Similarity::AbsoluteCosine,
        Similarity::Inner => overlap::Similarity::Inner,
    };
    let found = patterns(&confidence, &matrix.at(&own.kept), matrix.width, similarity, &ctx.interrupt);
    let found = found.map_err(|error| match error {
        MetricError::Interrupted(stopped) => stopped.into(),
        other => TrainError::Unfitted(other.to_string()),
    })?;
    let ids: Vec<&String> = own.kept.iter().filter_map(|place| matrix.ids.get(*place)).collect();
    let columns = vec![
        Column::new("id".into(), ids.into_iter().map(String::as_str).collect::<Vec<_>>()),
        Column::new("confidence".into(), confidence),
        Column::new("score".into(), found.iter().map(|(score, _)| *score).collect::<Vec<Option<f64>>>()),
        Column::new("pattern".into(), found.iter().map(|(_, pattern)| pattern.name()).collect::<Vec<_>>()),
    ];
    Ok(Frame::from_columns(columns)?.made_from(labels).made_from(features))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(rows: &[(&str, f64)]) -> Frame {
        let ids: Vec<&str> = rows.iter().map(|(id, _)| *id).collect();
        let x: Vec<f64> = rows.iter().map(|(_, x)| *x).collect();
        Frame::from_columns(vec![Column::new("id".into(), ids), Column::new("x0".into(), x)]).expect("columns")
    }

    fn knn(k: usize, leave_one_out: bool) -> Classifier {
        Classifier::Knn { k, distance: Distance::Euclidean, leave_one_out }
    }

    #[test]
    fn labels_meet_features_by_id_and_weights_count() {
        let ctx = Context::for_tests();
        let x = features(&[("a", 0.0), ("b", 1.0), ("c", 5.0), ("d", 6.0)]);
        let labels = Frame::hard_labels(["d", "c", "b", "a"], &[1, 1, 0, 0], 2).expect("labels");
        let said = |classifier| {
            let found = classify(&x, &labels, &features(&[("n", 0.9), ("c", 5.0)]), classifier, &ctx).expect("fits");
            (found.floats("p1").expect("p"), found.classes("prediction").expect("classes").values)
        };
        assert_eq!(said(knn(2, false)), (vec![0.0, 1.0], vec![0, 1]));
        // Its own label left out, the nearest of row c are d and b.
        assert_eq!(said(knn(2, true)).0, [0.0, 0.5]);
        let (p, classes) = said(Classifier::Logistic { c: 1.0 });
        assert!(classes == [0, 1] && p[0] < 0.25 && p[1] > 0.75, "{p:?}");
        let mut table = labels.table().clone();
        table.with_column(Column::new("weight".into(), [1.0, 0.0, 1.0, 1.0])).expect("as many");
        let found = classify(&x, &Frame::new(table), &features(&[("c", 5.0)]), knn(1, false), &ctx).expect("fits");
        assert_eq!(found.floats("p1").expect("p"), [1.0], "row c weighs nothing, d is next");
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let ctx = Context::for_tests();
        let x = features(&[("a", 0.0), ("b", 1.0)]);
        let labels = Frame::hard_labels(["a", "b"], &[1, 1], 2).expect("labels");
        let fails =
            |x: &Frame, classifier| classify(x, &labels, x, classifier, &ctx).err().expect("refused").to_string();
        assert!(fails(&x, Classifier::Logistic { c: 1.0 }).contains("none of the 2 rows has class 0"));
        assert!(fails(&x, knn(3, false)).contains("`k` must be from 1 to 2"));
        assert!(fails(&x, knn(2, true)).contains("`k` must be from 1 to 1"));
        let more = features(&[("a", 0.0), ("z", 1.0)]);
        assert!(fails(&more, knn(1, false)).contains("1 of 2 rows of `features` have no label, the first with id `z`"));
        let bad = features(&[("a", f64::NAN), ("b", 1.0)]);
        assert!(fails(&bad, knn(1, false)).contains("`a`"));
        assert!(fails(&labels, knn(1, false)).contains("no features"));
    }
}
