//! `judge`: who prefers which response, by rewards or pair by pair.

mod change;
mod fit;
mod make;
mod pairs;
mod rankings;

use crate::bind::prelude::*;
use crate::domains::policy::Judge;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("judge", "Judges: how likely one response is preferred to another one of the same prompt.");
    registry.value::<Judge>();
    let families =
        [make::functions(), change::functions(), pairs::functions(), rankings::functions(), vec![fit::function()]];
    families.into_iter().flatten().for_each(|function| registry.add(function));
}

impl Value for Judge {
    const NAME: &'static str = "Judge";
    const ABOUT: &'static str = "Says how likely a response is preferred to another one of the same prompt.";

    fn show(&self) -> String {
        let kind = if self.is_scalar() { "by rewards" } else { "pair by pair" };
        let sure = if self.is_hard { ", for sure" } else { "" };
        format!("Judge: {} prompts of {} responses, {kind}{sure}", self.n_prompts, self.n_responses)
    }

    fn same(&self, other: &Self) -> bool {
        Judge::digest(self) == Judge::digest(other)
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Judge::digest(self)
    }
}
