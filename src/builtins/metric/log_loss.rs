//! `metric::log_loss`

use super::truth::{Truth, scored};
use super::{Metric, Resampler, averaged};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::{MetricError, Scored, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "log_loss", run)
        .about("The mean of −ln p of the true class, in nats.")
        .details("Infinite where a true class had probability 0: nothing is clipped.")
        .source("scikit-learn's `log_loss`, which clips")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` and `label` give them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0 and above")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::log_loss(p, truth)",
            "0.4228371084878357",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::log_loss(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(LogLoss.value(&scored(call)?)?))
}

/// The mean of `−ln p` of the true class, in nats; infinite where a true class had probability 0.
pub struct LogLoss;

impl Metric for LogLoss {
    fn name(&self) -> &'static str {
        "log_loss"
    }

    fn value(&self, scored: &Scored) -> Result<f64, MetricError> {
        scored.refuse_empty()?;
        Ok(mean(&row_losses(scored)?))
    }

    fn resampler<'a>(&'a self, scored: &'a Scored) -> Result<Resampler<'a>, MetricError> {
        Ok(averaged(row_losses(scored)?))
    }
}

/// The loss of each row.
fn row_losses(scored: &Scored) -> Result<Vec<f64>, MetricError> {
    let rows = scored.probabilities_for("log_loss")?.chunks(scored.n_classes).zip(&scored.truth);
    let loss = |(row, truth): (&[f64], &usize)| {
        let sum: f64 = row.iter().sum();
        // Of a certain row −ln 1 is −0.
        (-(row.get(*truth).copied().unwrap_or(0.0) / sum).ln()).max(0.0)
    };
    Ok(rows.map(loss).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{near, scored};
    use super::*;

    /// ```python
    /// from sklearn.metrics import log_loss
    /// y = [0, 0, 1, 1, 1, 0]; p = [0.125, 0.5, 0.5, 0.875, 0.25, 0.25]
    /// log_loss(y, p)  # 0.5545555966567678
    /// ```
    #[test]
    fn it_agrees_with_scikit_learn() {
        let scored = scored(&[0.125, 0.5, 0.5, 0.875, 0.25, 0.25], &[0, 0, 1, 1, 1, 0]);
        assert!(near(LogLoss.value(&scored).expect("rows"), 0.554_555_596_656_767_8));
    }

    #[test]
    fn certainty_costs_nothing_or_everything() {
        assert!(near(LogLoss.value(&scored(&[1.0, 0.0], &[1, 0])).expect("rows"), 0.0));
        assert!(LogLoss.value(&scored(&[1.0, 0.0], &[0, 0])).expect("rows").is_infinite());
    }
}
