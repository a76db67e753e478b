//! `metric::capa`

use super::agreement::three;
use super::truth::Truth;
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::scores::{gather, in_order_of, meet, truth_beside};
use crate::stats::{MetricError, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "capa", |call| {
        let [a, b, truth] = three(call, ["`a`", "`b`"])?;
        Ok(Dynamic::from(capa(&a, &b, &truth)?))
    })
    .about("CAPA κ_p: how alike two models err, adjusted for their accuracies and weighted by their probabilities.")
    .details(
        "Observed `mean Σ_k a_k·b_k`; expected, from the mean probabilities ā and b̄ of the true class, \
         `ā·b̄ + (1−ā)(1−b̄)/(K−1)`; `κ_p = (observed − expected) / (1 − expected)`. 0 means that errors are independent.",
    )
    .source("Goel et al. 2025, Great Models Think Alike and this Undermines AI Oversight")
    .param::<Frame>("a", "predictions with probabilities")
    .param::<Frame>("b", "predictions with probabilities on the same rows")
    .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
    .returns("float: at most 1")
    .example(
        "let a = frame::of(#{ id: [\"x\", \"y\"], p0: [0.25, 0.75], p1: [0.75, 0.25] });\n\
         metric::capa(a, a, frame::of(#{ id: [\"x\", \"y\"], label: [1, 0] }))",
        "0.0",
    )
    .fails(
        "let a = frame::of(#{ id: [\"x\"], prediction: [1] });\nmetric::capa(a, a, frame::of(#{ id: [\"x\"], label: [1] }))",
        "there are no probabilities: columns `p0`, `p1` are missing",
    )
}

/// CAPA κ_p (Goel et al. 2025): chance-adjusted probabilistic agreement. Observed: the mean of Σ_k a_k·b_k. Expected by
/// chance from the mean probabilities ā, b̄ of the right class: ā·b̄ + (1−ā)(1−b̄)/(K−1). κ_p = (obs − exp)/(1 − exp).
pub fn capa(a: &Frame, b: &Frame, truth: &Frame) -> Result<f64, MetricError> {
    let named = if a.class_names().is_some() { a } else { b };
    let truth = truth_beside(named, truth)?;
    let (b_ids, b, b_classes) =
        in_order_of(a, b, ("the second predictions", "the first predictions"))?.exact_probabilities()?;
    let (ids, a, n_classes) = a.exact_probabilities()?;
    if n_classes != b_classes {
        return Err(MetricError::Lengths { a_name: "a", a: n_classes, b_name: "b", b: b_classes });
    }
    let b_rows: Vec<&[f64]> = b.chunks(n_classes).collect();
    let b = gather(&b_rows, &meet(&ids, &b_ids, ("first predictions", "second predictions"))?);
    let truth = gather(&truth.values, &meet(&ids, &truth.ids, ("predictions", "truth"))?);
    let (mut observed, mut right_a, mut right_b) = (Vec::new(), Vec::new(), Vec::new());
    for ((a, b), class) in a.chunks(n_classes).zip(b).zip(&truth) {
        let (Some(right), Some(other)) = (a.get(*class), b.get(*class)) else {
            return Err(MetricError::Class { class: *class, n_classes });
        };
        observed.push(a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>());
        right_a.push(*right);
        right_b.push(*other);
    }
    let (observed, a, b) = (mean(&observed), mean(&right_a), mean(&right_b));
    let expected = a * b + (1.0 - a) * (1.0 - b) / (n_classes as f64 - 1.0);
    if 1.0 - expected < 1e-12 {
        return Err(MetricError::Undefined(
            "CAPA is undefined: both models are always certain and right, so agreement by chance is 1".to_owned(),
        ));
    }
    Ok((observed - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hard, soft};
    use super::*;

    /// `get_probkappa_mcqs` of the public repository model-similarity/lm-similarity, written out:
    /// ```python
    /// y = [1, 0, 1, 0]; a = [.75, .25, .5, .5]; b = [.5, .25, .75, .125]
    /// obs = sum(p*q + (1-p)*(1-q) for p, q in zip(a, b)) / 4
    /// ra = sum(p if t else 1-p for p, t in zip(a, y)) / 4; rb = sum(p if t else 1-p for p, t in zip(b, y)) / 4
    /// exp = ra*rb + (1-ra)*(1-rb)
    /// (obs - exp) / (1 - exp)  # -0.05263157894736842
    /// ```
    #[test]
    fn capa_agrees_with_its_authors_code() {
        let (a, b) = (soft(&[0.75, 0.25, 0.5, 0.5]), soft(&[0.5, 0.25, 0.75, 0.125]));
        let capa = capa(&a, &b, &hard(&[1, 0, 1, 0])).expect("the same rows");
        assert!((capa + 0.052_631_578_947_368_42).abs() < 1e-12, "{capa}");
    }
}
