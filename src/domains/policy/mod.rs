//! Policies that can be enumerated: a distribution over the responses of every prompt, held whole.
//!
//! What preference learning only estimates elsewhere is exact here: log-probabilities, KL, expected reward, win rate, the
//! optimum of RLHF and of ΨPO, best-of-n. Beside the exact numbers stand the usual estimates from samples. What lives here:
//! the policies ([`Policy`]), the judges that prefer responses ([`Judge`]), pairs of responses with a preference ([`Pairs`]),
//! and what finite pairs leave undetermined ([`identify`]). Training on pairs is in [`crate::train::policy`].
//!
//! Everything is in double precision. A prompt's sum runs from its first response to its last, and prompts are summed in
//! order, so that the number of threads changes no bit.

mod best_of;
mod draw;
mod error;
mod estimate;
mod fit;
pub mod identify;
mod judge;
mod live;
mod measures;
pub mod minimise;
pub mod optimise;
mod pairs;
mod rankings;
mod table;
#[cfg(test)]
mod tests;

pub use draw::{Drawn, sample};
pub use error::PolicyError;
pub use estimate::{KlEstimator, estimate_kl, estimate_reward, estimate_win_rate};
pub use fit::{FitOptions, Of, fit};
pub use judge::{Judge, MAX_PAIRWISE, Psi};
pub use live::Live;
pub use measures::Compared;
pub(crate) use pairs::two;
pub use pairs::{Labels, PairOptions, Pairs, draw_pairs};
pub use rankings::{RankingOptions, Rankings, draw_rankings};
pub use table::{Features, Form, Grid, MAX_RESPONSES, MAX_VALUES, Policy, Trained, responses};

use crate::core::math::{exp, ln_1p};
use rayon::prelude::*;

/// 1 / (1 + e^−x).
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + exp(-x)) } else { exp(x) / (1.0 + exp(x)) }
}

/// ln σ(x), without overflow.
pub fn log_sigmoid(x: f64) -> f64 {
    if x >= 0.0 { -ln_1p(exp(-x)) } else { x - ln_1p(exp(x)) }
}

/// What `of` gives for every prompt, in order.
fn per_prompt<T: Send>(n_prompts: usize, of: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..n_prompts).into_par_iter().map(of).collect()
}

/// The mean over prompts.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
