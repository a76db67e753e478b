//! `loss`: what a student is trained to minimise.

pub(crate) mod adapt_conf;
mod apply;
mod at;
pub(crate) mod bootstrap_hard;
pub(crate) mod bootstrap_soft;
pub(crate) mod cace;
mod closure;
pub(crate) mod confidence;
mod cross_entropy;
pub(crate) mod entropy;
mod fitted;
pub(crate) mod gce;
pub(crate) mod product;
pub(crate) mod reverse_kl;
pub(crate) mod symmetric;
#[cfg(test)]
mod tests;
pub(crate) mod window;

use crate::bind::prelude::*;
use crate::train::{Loss as HostLoss, LossError};
use std::sync::Arc;

pub use closure::{AnyLoss, ClosureLoss, Form, Kind, NAME};

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("loss", "Losses: what a student is trained to minimise.");
    registry.value::<Loss>();
    registry.value::<at::Batch>();
    for function in at::functions() {
        registry.add(function);
    }
    registry.add(cross_entropy::function());
    registry.add(apply::function());
    registry.add(confidence::function());
    registry.add(product::function());
    registry.add(entropy::function());
    registry.add(window::function());
    registry.add(reverse_kl::function());
    registry.add(symmetric::function());
    registry.add(cace::function());
    registry.add(adapt_conf::function());
    registry.add(gce::function());
    registry.add(bootstrap_hard::function());
    registry.add(bootstrap_soft::function());
}

/// A built-in loss as a script holds it.
#[derive(Clone)]
pub struct Loss(pub Arc<dyn HostLoss + Send + Sync>);

impl Value for Loss {
    const NAME: &'static str = "Loss";
    const ABOUT: &'static str = "A loss over logits and weak labels, with its options settled.";

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
fn built<L: HostLoss + Send + Sync + 'static>(loss: Result<L, LossError>) -> Answer {
    Ok(Dynamic::from(Loss(Arc::new(loss?))))
}
