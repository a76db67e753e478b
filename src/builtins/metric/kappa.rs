//! `metric::kappa`

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::MetricError;
use crate::stats::scores::{gather, in_order_of, meet, predicted};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "kappa", |call| {
        let (a, b): (Frame, Frame) = (call.arg(0)?, call.arg(1)?);
        [&a, &b].into_iter().for_each(|frame| note_use(call, readings_of(frame), ""));
        warn_of_indices(call, &[("`a`", &a), ("`b`", &b)]);
        Ok(Dynamic::from(kappa(&a, &b)?))
    })
    .about("Cohen's κ: agreement of two models' classes beyond what their class shares would give.")
    .details("`(observed − expected) / (1 − expected)`; 1 is full agreement, 0 is chance.")
    .source("Cohen 1960; scikit-learn's `cohen_kappa_score`")
    .param::<Frame>("a", "predictions")
    .param::<Frame>("b", "predictions on the same rows")
    .returns("float: −1..1")
    .example(
        "let a = frame::of(#{ id: [\"x\", \"y\", \"z\", \"w\"], prediction: [1, 1, 0, 0] });\n\
         let b = frame::of(#{ id: [\"x\", \"y\", \"z\", \"w\"], prediction: [1, 1, 0, 1] });\nmetric::kappa(a, b)",
        "0.5",
    )
    .fails(
        "let a = frame::of(#{ id: [\"x\"], prediction: [1] });\nmetric::kappa(a, a)",
        "both models always predict the same one class",
    )
}

/// Cohen's κ between the predicted classes of two models: agreement beyond what their class shares would give.
pub fn kappa(a: &Frame, b: &Frame) -> Result<f64, MetricError> {
    let b = predicted(&in_order_of(a, b, ("the second predictions", "the first predictions"))?)?;
    let a = predicted(a)?;
    let b = gather(&b.classes, &meet(&a.ids, &b.ids, ("first predictions", "second predictions"))?);
    let a = a.classes;
    let n = a.len() as f64;
    let n_classes = a.iter().chain(&b).max().map_or(0, |class| class + 1);
    let (mut shares_a, mut shares_b) = (vec![0.0; n_classes], vec![0.0; n_classes]);
    for (class, shares) in a.iter().map(|class| (class, true)).chain(b.iter().map(|class| (class, false))) {
        let shares = if shares { &mut shares_a } else { &mut shares_b };
        if let Some(share) = shares.get_mut(*class) {
            *share += 1.0 / n;
        }
    }
    let observed = a.iter().zip(&b).filter(|(x, y)| x == y).count() as f64 / n;
    let expected: f64 = shares_a.iter().zip(&shares_b).map(|(x, y)| x * y).sum();
    if 1.0 - expected < 1e-12 {
        return Err(MetricError::Undefined(
            "kappa is undefined: both models always predict the same one class, so agreement by chance is 1".to_owned(),
        ));
    }
    Ok((observed - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::super::tests::hard;
    use super::*;

    /// ```python
    /// from sklearn.metrics import cohen_kappa_score
    /// cohen_kappa_score([1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 1])  # 0.33333333333333337
    /// ```
    #[test]
    fn kappa_agrees_with_scikit_learn() {
        let found = kappa(&hard(&[1, 1, 0, 0, 1, 0]), &hard(&[1, 0, 0, 0, 1, 1])).expect("two classes");
        assert!((found - 1.0 / 3.0).abs() < 1e-12, "{found}");
        assert!(kappa(&hard(&[1, 1]), &hard(&[1, 1])).is_err());
    }
}
