//! `loss::cace`

use super::built;
use super::fitted::{confidences, quantile};
use super::symmetric::reverse_row;
use crate::bind::prelude::*;
use crate::train::loss::{cross_entropy_row, in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::cace`.
    pub struct CaceOptions {
        /// c: labels with `max(w) − 0.5` of at least this are learned by cross-entropy, the others by reverse cross-entropy; left out, 0.1.
        threshold: Option<f64> = None,
        /// In place of a threshold: the quantile of `max(w) − 0.5` over the weak labels that are trained on, 0 to 1.
        quantile: Option<f64> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "cace", run)
        .about("Confidence-adaptive cross-entropy: cross-entropy where the supervisor is sure, reverse cross-entropy elsewhere.")
        .returns("Loss")
        .details(
            "The mean over the batch, in nats, of `−Σ w · log p` for rows with `max(w) − 0.5 ≥ c` (with two classes `|w − 0.5| ≥ c`), and \
             of `−Σ p · log w` for the others, with `log w` at least −100. The reverse term leads an unsure label's student to the \
             likelier class instead of to the label's doubt; its gradient flows through p. Any number of classes.",
        )
        .source("Gengze/W2SG-Bregman, `CACE_loss` (`CACE_0.1`; `Quan_CACE_5` is `quantile: 0.5`); −100 is PyTorch's floor of a logarithm")
        .options::<CaceOptions>()
        .example("loss::cace()", "loss::cace(#{threshold: 0.1})")
        .example("loss::cace(#{ quantile: 0.5 })", "loss::cace(#{quantile: 0.5})")
        .fails("loss::cace(#{ threshold: 0.7 })", "`threshold` of `loss::cace` must be from 0 to 0.5, got `0.7`")
        .fails(
            "loss::cace(#{ threshold: 0.1, quantile: 0.5 })",
            "`quantile` of `loss::cace` must be left out where `threshold` is given",
        )
}

fn run(call: &mut Call) -> Answer {
    built(Cace::new(&call.options()?))
}

/// Cross-entropy of rows whose label is confident, reverse cross-entropy of the others.
#[derive(Debug, Clone, PartialEq)]
pub enum Cace {
    Threshold(f64),
    /// Before the labels are known.
    Quantile(f64),
}

/// PyTorch's `binary_cross_entropy` takes no logarithm below this.
const LOG_FLOOR: f64 = -100.0;

impl Cace {
    /// A threshold from 0 to 0.5, or a quantile from 0 to 1.
    pub fn new(options: &CaceOptions) -> Result<Self, LossError> {
        let name = "loss::cace";
        match (options.threshold, options.quantile) {
            (Some(_), Some(share)) => {
                let (must, got) = ("left out where `threshold` is given", share.to_string());
                Err(LossError::Option { name, option: "quantile", must, got })
            }
            (None, Some(share)) => {
                in_range(name, "quantile", share, 0.0..=1.0, "from 0 to 1")?;
                Ok(Cace::Quantile(share))
            }
            (threshold, None) => {
                let threshold = threshold.unwrap_or(0.1);
                in_range(name, "threshold", threshold, 0.0..=0.5, "from 0 to 0.5")?;
                Ok(Cace::Threshold(threshold))
            }
        }
    }
}

impl Loss for Cace {
    fn name(&self) -> String {
        "cace".to_owned()
    }

    fn show(&self) -> String {
        match self {
            Cace::Threshold(threshold) => format!("loss::cace(#{{threshold: {threshold:?}}})"),
            Cace::Quantile(share) => format!("loss::cace(#{{quantile: {share:?}}})"),
        }
    }

    fn settled(&self, weak: &[f32], n_classes: usize) -> Option<Box<dyn Loss>> {
        match self {
            Cace::Threshold(_) => None,
            Cace::Quantile(share) => Some(Box::new(Cace::Threshold(quantile(&confidences(weak, n_classes), *share)))),
        }
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let Cace::Threshold(threshold) = *self else {
            return Err(LossError::Unsettled { name: "loss::cace", option: "quantile" });
        };
        mean_over_rows(batch, |_, log_p, weak, slope| {
            let most = weak.iter().fold(0.0f32, |most, w| most.max(*w));
            if f64::from(most - 0.5) >= threshold {
                return cross_entropy_row(log_p, |class| weak.get(class).map_or(0.0, |w| f64::from(*w)), slope);
            }
            reverse_row(log_p, weak, 1.0, LOG_FLOOR, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    #[test]
    fn it_is_one_of_two_losses_for_each_row() {
        let loss = |threshold| Cace::new(&CaceOptions { threshold: Some(threshold), quantile: None }).expect("valid");
        for (threshold, other) in [(0.0, "cross_entropy"), (0.5, "reverse")] {
            let want: Box<dyn Loss> = match other {
                "cross_entropy" => Box::new(crate::train::CrossEntropy),
                _ => Box::new(super::super::symmetric::Symmetric::new(0.0, 1.0, -100.0).expect("valid")),
            };
            // No label of these is certain, so that the threshold of ½ leaves none to cross-entropy.
            let weak = [0.75, 0.25, 0.5, 0.5, 0.125, 0.875];
            let batch = batch(&LOGITS, &weak, 2, 0);
            assert_eq!(loss(threshold).step(&batch), want.step(&batch), "{other}");
        }
        differentiates(&loss(0.1));
        differentiates(&loss(0.3));
        survives_extremes(&loss(0.1));
    }

    #[test]
    fn a_quantile_is_settled_by_the_labels() {
        let quantile = |share| Cace::new(&CaceOptions { threshold: None, quantile: Some(share) }).expect("valid");
        let settled = quantile(0.5).settled(&WEAK, 2).expect("it depends on them");
        assert_eq!(settled.show(), "loss::cace(#{threshold: 0.25})");
        assert!(settled.settled(&WEAK, 2).is_none());
        let error = quantile(0.5).step(&batch(&LOGITS, &WEAK, 2, 0)).expect_err("not settled").to_string();
        assert!(error.starts_with("`quantile` of `loss::cace` depends on the labels of all rows"), "{error}");
        for (threshold, quantile) in
            [(Some(0.6), None), (None, Some(1.5)), (Some(f64::NAN), None), (Some(0.1), Some(0.5))]
        {
            assert!(Cace::new(&CaceOptions { threshold, quantile }).is_err());
        }
    }
}
