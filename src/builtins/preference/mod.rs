//! `preference`: losses of preference learning, on the log-probabilities of a chosen and a rejected continuation.

mod apply;
pub(crate) mod bco;
pub(crate) mod bco_pair;
pub(crate) mod best_of_2;
pub(crate) mod cdpo;
mod closure;
pub(crate) mod dpo;
pub(crate) mod hinge;
pub(crate) mod ipo;
pub(crate) mod kto;
pub(crate) mod orpo;
mod plackett_luce;
pub(crate) mod ppo;
pub(crate) mod robust;
pub(crate) mod simpo;
#[cfg(test)]
mod tests;

use crate::bind::prelude::*;
use crate::domains::preference::loss::{PairLoss, PairLossError};
use std::sync::Arc;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module(
        "preference",
        "Losses of preference learning: what a policy is trained to minimise on pairs of continuations.",
    );
    registry.value::<PreferenceLoss>();
    registry.add(dpo::function());
    registry.add(ipo::function());
    registry.add(cdpo::function());
    registry.add(robust::function());
    registry.add(hinge::function());
    registry.add(kto::function());
    registry.add(bco_pair::function());
    registry.add(bco::function());
    registry.add(simpo::function());
    registry.add(orpo::function());
    registry.add(best_of_2::function());
    registry.add(ppo::function());
    registry.add(plackett_luce::function());
    registry.add(apply::function());
    registry.add(apply::weights());
}

/// A built-in loss on pairs as a script holds it.
#[derive(Clone)]
pub struct PreferenceLoss(pub Arc<dyn PairLoss + Send + Sync>);

impl Value for PreferenceLoss {
    const NAME: &'static str = "PreferenceLoss";
    const ABOUT: &'static str =
        "A loss over the log-probabilities of a chosen and a rejected continuation, with its options settled.";

    fn show(&self) -> String {
        self.0.show()
    }

    fn same(&self, other: &Self) -> bool {
        self.0.digest() == other.0.digest()
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        self.0.digest()
    }
}

/// A loss as a script's value, if its options are possible.
fn built<L: PairLoss + Send + Sync + 'static>(loss: Result<L, PairLossError>) -> Answer {
    Ok(Dynamic::from(PreferenceLoss(Arc::new(loss?))))
}
