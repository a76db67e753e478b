//! `preference::best_of_2`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{Needs, OfPair, PairBatch, PairLoss, PairLossError, PairValue, mean_over_pairs};

/// The record.
pub fn function() -> Function {
    Function::new("preference", "best_of_2", run)
        .about("Best of two: the likelihood of the preferred continuation alone.")
        .details(
            "The mean over pairs of `−log π(y_w)`, in nats, summed over tokens: supervised finetuning on the winner of each pair. The \
             rejected continuation and a reference are not looked at. A pair's weight is 1 (2p − 1 with a soft preference p).",
        )
        .source("Tang et al. 2024, arXiv 2405.08448")
        .returns("PreferenceLoss")
        .example("preference::best_of_2()", "preference::best_of_2()")
}

fn run(_call: &mut Call) -> Answer {
    built(Ok(BestOf2))
}

/// `−log π(y_w)`.
#[derive(Debug, Clone, PartialEq)]
pub struct BestOf2;

impl PairLoss for BestOf2 {
    fn name(&self) -> String {
        "best_of_2".to_owned()
    }

    fn show(&self) -> String {
        "preference::best_of_2()".to_owned()
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        mean_over_pairs(self, batch, |pair| OfPair {
            value: -pair.chosen,
            by_chosen: -1.0,
            by_rejected: 0.0,
            pull: 1.0,
        })
    }
}
