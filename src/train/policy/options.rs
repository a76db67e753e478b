//! The options of a policy's training, each declared once.

use super::super::options::{choice, declare};
use super::Course;

choice! {
    /// How parameters move.
    pub enum PolicyOptimizer {
        /// Adam, with the defaults of Kingma and Ba.
        Adam = "adam",
        /// Gradient descent.
        Sgd = "sgd",
    }
}

choice! {
    /// The order in which given pairs are seen.
    pub enum Order {
        /// Drawn anew for each epoch.
        Shuffled = "shuffled",
        /// As they are given.
        Given = "given",
    }
}

choice! {
    /// What is subtracted from a sample's reward.
    pub enum Baseline {
        /// The mean of the prompt's other samples.
        Others = "others",
        /// Nothing.
        None = "none",
    }
}

/// The most steps, pairs of a batch and samples of a prompt. Arbitrary: beyond what anyone waits for.
const MAX_STEPS: usize = 10_000_000;
const MAX_BATCH: usize = 1_000_000;
const MAX_SAMPLES: usize = 10_000;

/// The options of a training on given pairs, for a macro that makes something of them.
macro_rules! pairs_options {
    ($make:path) => {
        $make! {
            /// How a policy is trained on given pairs.
            PairRecipe {
                /// Passes over the pairs; not with `steps`.
                epochs: usize = 1, [1..=1_000_000], Settled;
                /// Steps, instead of `epochs`.
                steps: Option<usize> = None, [1..=MAX_STEPS], Settled;
                /// Pairs of a step.
                batch: usize = 64, [1..=MAX_BATCH], Always;
                /// The size of a step.
                lr: f64 = 0.01, [0.0..=1e6], Always;
                /// "adam" or "sgd".
                optimizer: PolicyOptimizer = PolicyOptimizer::Adam, [], Always;
                /// "shuffled" draws an order for each epoch, "given" keeps that of the frame.
                order: Order = Order::Shuffled, [], Always;
                /// A policy is kept after so many steps; 0 keeps the last one only.
                every: usize = 0, [0..=MAX_STEPS], Always;
                /// Of the order. Left out, the session's.
                seed: u64 = 0, [], Always;
            }
        }
    };
}
pub(crate) use pairs_options;

/// The same of a training on pairs that are drawn while it learns.
macro_rules! sampled_options {
    ($make:path) => {
        $make! {
            /// How a policy is trained on pairs that are drawn while it learns.
            SampledRecipe {
                /// How many steps.
                steps: usize = 500, [1..=MAX_STEPS], Always;
                /// Pairs of a step.
                batch: usize = 64, [1..=MAX_BATCH], Always;
                /// The size of a step.
                lr: f64 = 0.01, [0.0..=1e6], Always;
                /// "adam" or "sgd".
                optimizer: PolicyOptimizer = PolicyOptimizer::Adam, [], Always;
                /// The policy that pairs are drawn from is renewed after so many steps.
                refresh: usize = 1, [1..=MAX_STEPS], Always;
                /// Whether two equal responses are drawn again; a pair of equal ones teaches nothing.
                distinct: bool = false, [], Always;
                /// A policy is kept after so many steps; 0 keeps the last one only.
                every: usize = 0, [0..=MAX_STEPS], Always;
                /// Of the draws. Left out, the session's.
                seed: u64 = 0, [], Always;
            }
        }
    };
}
pub(crate) use sampled_options;

/// The same of a training by policy gradient.
macro_rules! reinforce_options {
    ($make:path) => {
        $make! {
            /// How a policy is trained by policy gradient.
            ReinforceRecipe {
                /// How many steps.
                steps: usize = 500, [1..=MAX_STEPS], Always;
                /// Prompts of a step, each drawn with the same chance.
                batch: usize = 16, [1..=MAX_BATCH], Always;
                /// Responses drawn of each prompt; with the baseline "others" 2 at least.
                n_samples: usize = 4, [1..=MAX_SAMPLES], Always;
                /// What a nat of KL costs: −β ln π/π_ref is added to the reward of a sample.
                beta: f64 = 0.05, [0.0..=1e6], Always;
                /// "others" (RLOO) or "none" (REINFORCE).
                baseline: Baseline = Baseline::Others, [], Always;
                /// Steps on the same samples, by the ratio to the policy that drew them.
                updates: usize = 1, [1..=1000], Always;
                /// A ratio beyond 1 ± clip has no gradient (PPO); it matters from the second of the `updates` on.
                clip: f64 = 0.2, [0.0..=1e6], Always;
                /// The size of a step.
                lr: f64 = 0.01, [0.0..=1e6], Always;
                /// "adam" or "sgd".
                optimizer: PolicyOptimizer = PolicyOptimizer::Adam, [], Always;
                /// A policy is kept after so many steps; 0 keeps the last one only.
                every: usize = 0, [0..=MAX_STEPS], Always;
                /// Of the draws. Left out, the session's.
                seed: u64 = 0, [], Always;
            }
        }
    };
}
pub(crate) use reinforce_options;

pairs_options!(declare);
sampled_options!(declare);
reinforce_options!(declare);

impl SampledRecipe {
    pub(super) fn course(&self) -> Course {
        Course { steps: self.steps, lr: self.lr, optimizer: self.optimizer, every: self.every }
    }
}

impl ReinforceRecipe {
    pub(super) fn course(&self) -> Course {
        Course { steps: self.steps, lr: self.lr, optimizer: self.optimizer, every: self.every }
    }
}
