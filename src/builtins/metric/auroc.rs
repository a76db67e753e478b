//! `metric::auroc`

use super::truth::{Truth, scored};
use super::{Metric, Resampler, recomputed};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::{MetricError, Scored};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "auroc", run)
        .about("The area under the ROC curve: the chance that a row of class 1 scores above a row of class 0.")
        .details("Ties count half (mid-ranks, the Mann–Whitney U). With more than two classes: the unweighted mean of each class against the rest. Refused where the truth has one class.")
        .source("Hanley and McNeil 1982; scikit-learn's `roc_auc_score` (`multi_class=\"ovr\"`)")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` and `label` give them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0..1, 0.5 by chance")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::auroc(p, truth)",
            "1.0",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::auroc(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::auroc(p, frame::of(#{ id: [\"a\"], label: [1] }))",
            "auroc needs rows of at least two classes; all 1 rows are of class 1",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], prediction: [0] });\nmetric::auroc(p, frame::of(#{ id: [\"a\"], label: [1] }))",
            "auroc needs a probability for every class: columns `p0`, `p1` are missing",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(Auroc.value(&scored(call)?)?))
}

/// The metric; the formula is [`Scored::auroc`], since a training can be watched by it.
pub struct Auroc;

impl Metric for Auroc {
    fn name(&self) -> &'static str {
        "auroc"
    }

    fn value(&self, scored: &Scored) -> Result<f64, MetricError> {
        scored.auroc()
    }

    fn resampler<'a>(&'a self, scored: &'a Scored) -> Result<Resampler<'a>, MetricError> {
        match &scored.probabilities {
            Ok(values) if scored.n_classes == 2 => {
                let area = Area::new(values, &scored.truth);
                Ok(Box::new(move |places| Ok(area.value(places))))
            }
            _ => Ok(recomputed(self, scored)),
        }
    }
}

/// Rows of two classes by their score: what no resample changes.
struct Area {
    /// Of each row the place of its score among the distinct ones, in rising order.
    level: Vec<usize>,
    n_levels: usize,
    is_in: Vec<bool>,
}

impl Area {
    fn new(probabilities: &[f64], truth: &[usize]) -> Area {
        let scores: Vec<f64> = probabilities.iter().skip(1).step_by(2).copied().collect();
        let mut distinct = scores.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let level = scores.iter().map(|score| distinct.partition_point(|other| other < score)).collect();
        Area { level, n_levels: distinct.len(), is_in: truth.iter().map(|class| *class == 1).collect() }
    }

    /// Pairs of a row of the class and another that are in order, ties half, over all pairs.
    fn value(&self, places: &[usize]) -> Option<f64> {
        let mut counts = vec![[0u64; 2]; self.n_levels];
        for place in places {
            let (level, is_in) = (self.level.get(*place)?, self.is_in.get(*place)?);
            *counts.get_mut(*level)?.get_mut(usize::from(*is_in))? += 1;
        }
        let (mut below, mut n_in, mut area) = (0, 0, 0.0);
        for [out, within] in counts {
            area += within as f64 * (below as f64 + out as f64 / 2.0);
            below += out;
            n_in += within;
        }
        (below > 0 && n_in > 0).then(|| area / (n_in as f64 * below as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{near, scored};
    use super::*;

    /// ```python
    /// from sklearn.metrics import roc_auc_score
    /// y = [0, 0, 1, 1, 1, 0]; p = [0.125, 0.5, 0.5, 0.875, 0.25, 0.25]
    /// roc_auc_score(y, p)  # 0.7777777777777778
    /// ```
    #[test]
    fn it_agrees_with_scikit_learn() {
        let scored = scored(&[0.125, 0.5, 0.5, 0.875, 0.25, 0.25], &[0, 0, 1, 1, 1, 0]);
        assert!(near(scored.auroc().expect("two classes"), 0.777_777_777_777_777_8));
    }

    #[test]
    fn all_scores_tied_are_worth_a_half_in_any_order() {
        for truth in [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]] {
            assert!(near(scored(&[0.5; 4], &truth).auroc().expect("two classes"), 0.5));
        }
    }

    #[test]
    fn one_class_is_refused_and_named() {
        let error = scored(&[0.5, 0.25], &[1, 1]).auroc().expect_err("one class");
        assert_eq!(error.to_string(), "auroc needs rows of at least two classes; all 2 rows are of class 1");
    }

    /// ```python
    /// from sklearn.metrics import roc_auc_score
    /// p = [[.5, .25, .25], [.25, .5, .25], [.25, .25, .5], [.5, .5, 0], [0, .5, .5]]
    /// roc_auc_score([0, 1, 2, 1, 0], p, multi_class="ovr", average="macro")  # 0.7083333333333334
    /// ```
    #[test]
    fn many_classes_are_averaged_one_against_the_rest() {
        let values = [0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5];
        let ids = ["a", "b", "c", "d", "e"];
        let predictions = Frame::predictions(ids, &values, 3).expect("probabilities");
        let truth = Frame::hard_labels(ids, &[0, 1, 2, 1, 0], 3).expect("labels");
        let scored = Scored::new(&predictions, &truth).expect("the same rows");
        assert!(near(scored.auroc().expect("three classes"), 0.708_333_333_333_333_4));
        let truth = Frame::hard_labels(ids, &[0, 1, 1, 1, 0], 3).expect("labels");
        let scored = Scored::new(&predictions, &truth).expect("the same rows");
        assert!(scored.auroc().expect_err("class 2 is absent").to_string().contains("class 2 does not occur"));
    }
}
