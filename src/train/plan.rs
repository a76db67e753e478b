//! What a finetuning was asked to do, and what that comes to for one model and one data set.

use super::{Lora, Schedule, TrainError};
use crate::models::Model;
use crate::models::arch::Arch;

/// Which update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimizer {
    /// Adam without weight decay.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// Where the head starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStart {
    /// At zero, so that the first prediction is even.
    Zero,
    /// At the head that the model has.
    Keep,
}

/// What was asked. `None` stands for a default that depends on the model or the data; [`Recipe::plan`] fills it in.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub epochs: Option<usize>,
    /// Optimiser steps; excludes `epochs`.
    pub steps: Option<usize>,
    /// Rows per step.
    pub batch: Option<usize>,
    /// Peak learning rate.
    pub lr: Option<f64>,
    pub schedule: Schedule,
    /// Share of the steps on which the learning rate rises.
    pub warmup: f64,
    /// Decoupled decay of weight matrices; biases and norms are left alone.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; 0 for no clipping.
    pub clip: f64,
    pub betas: [f64; 2],
    pub optimizer: Optimizer,
    /// Freeze the trunk and train the head on features that are computed once.
    pub linear_probe: bool,
    /// Freeze the trunk and train low-rank updates of its matrices.
    pub lora: Option<Lora>,
    /// Each batch goes through the model in this many parts: less memory, the same gradient but for rounding.
    pub accumulate: usize,
    /// Keep of each block its input alone and compute the block again for its gradient: less memory, the same bits.
    pub recompute: bool,
    pub head: HeadStart,
    /// Batches are cut from pools of this many batches sorted by length; 1 for no bucketing.
    pub bucket: usize,
    pub max_tokens: Option<usize>,
    /// Draws the order of the rows.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            epochs: None,
            steps: None,
            batch: None,
            lr: None,
            schedule: Schedule::Cosine,
            warmup: 0.1,
            weight_decay: 0.0,
            clip: 1.0,
            betas: [0.9, 0.999],
            optimizer: Optimizer::AdamW,
            linear_probe: false,
            lora: None,
            accumulate: 1,
            recompute: false,
            head: HeadStart::Zero,
            bucket: 1,
            max_tokens: None,
            seed: 0,
        }
    }
}

/// A recipe with every number settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub steps: usize,
    pub batch: usize,
    pub lr: f64,
    pub schedule: Schedule,
    /// Steps on which the learning rate rises.
    pub warmup: usize,
    pub weight_decay: f64,
    pub clip: f64,
    pub betas: [f64; 2],
    pub optimizer: Optimizer,
    pub linear_probe: bool,
    pub lora: Option<Lora>,
    pub accumulate: usize,
    /// Not part of the derivation: it changes no bit.
    pub recompute: bool,
    pub head: HeadStart,
    pub bucket: usize,
    pub max_tokens: usize,
    pub seed: u64,
}

/// The most optimiser steps of one finetuning: chosen.
const MAX_STEPS: usize = 10_000_000;
/// The most rows per step: chosen.
const MAX_BATCH: usize = 1 << 16;

/// The learning rate where none is stated. A linear probe: 1e-3 (Burns et al. 2023, App. D.2), on a trunk narrower than
/// 128 0.1 (measured on the generated world: at 1e-3 few rows leave the head far from converged). A trunk narrower than
/// 32: 5e-3, narrower than 128: 3e-3 (measured on the generated world); up to 1024: 5e-5, wider: 1e-5 (the public
/// weak-to-strong repository: gpt2 and gpt2-medium, and larger ones).
pub fn default_lr(arch: &Arch, linear_probe: bool) -> f64 {
    match (linear_probe, arch.width()) {
        (true, ..128) => 0.1,
        (true, _) => 1e-3,
        (_, ..32) => 5e-3,
        (_, ..128) => 3e-3,
        (_, ..=1024) => 5e-5,
        _ => 1e-5,
    }
}

/// Passes over the data where none are stated: as many as it takes to see 1 800 rows, from 3 to 6 (measured on the
/// generated world: 300 rows gain from 6, 800 do not).
fn default_epochs(n_rows: usize) -> usize {
    1800_usize.div_ceil(n_rows.max(1)).clamp(3, 6)
}

impl Recipe {
    /// Checks every option and settles what depends on the model and on `n_rows`.
    pub fn plan(&self, model: &Model, n_rows: usize) -> Result<Plan, TrainError> {
        let (epochs, batch) = if self.linear_probe { (200, 128) } else { (default_epochs(n_rows), 16) };
        let batch = count("batch", self.batch.unwrap_or(batch), MAX_BATCH)?;
        let bucket = count("bucket", self.bucket, MAX_BATCH)?;
        if let (Some(epochs), Some(steps)) = (self.epochs, self.steps) {
            return Err(TrainError::EpochsAndSteps { epochs, steps });
        }
        let steps = match self.steps {
            Some(steps) => count("steps", steps, MAX_STEPS)?,
            None => {
                let epochs = count("epochs", self.epochs.unwrap_or(epochs), MAX_STEPS)?;
                let steps = epochs.saturating_mul(n_rows.div_ceil(batch));
                if steps > MAX_STEPS {
                    return Err(TrainError::TooManySteps { epochs, n_rows, steps, most: MAX_STEPS });
                }
                steps
            }
        };
        let lr = self.lr.unwrap_or_else(|| default_lr(&model.inner.arch, self.linear_probe));
        number("lr", lr, 0.0, 100.0)?;
        number("warmup", self.warmup, 0.0, 1.0)?;
        number("weight_decay", self.weight_decay, 0.0, 10.0)?;
        number("clip", self.clip, 0.0, 1e9)?;
        for beta in self.betas {
            if !(0.0..1.0).contains(&beta) {
                return Err(TrainError::Number { option: "betas", got: beta, least: 0.0, most: 0.999_999 });
            }
        }
        if self.optimizer == Optimizer::Adam && self.weight_decay != 0.0 {
            return Err(TrainError::AdamDecay { weight_decay: self.weight_decay });
        }
        let accumulate = count("accumulate", self.accumulate, MAX_BATCH)?;
        if let Some(Lora { rank, alpha }) = self.lora {
            count("rank", rank, model.inner.arch.width())?;
            number("alpha", alpha, 1e-6, 1e6)?;
        }
        let of_trunk = [("lora", self.lora.is_some()), ("accumulate", accumulate > 1), ("recompute", self.recompute)];
        if let Some((option, _)) = of_trunk.into_iter().find(|(_, asked)| *asked && self.linear_probe) {
            return Err(TrainError::Frozen { option });
        }
        let max_tokens = self.max_tokens.unwrap_or(model.inner.max_tokens);
        Ok(Plan {
            steps,
            batch: batch.min(n_rows.max(1)),
            lr,
            schedule: self.schedule,
            warmup: (self.warmup * steps as f64).round() as usize,
            weight_decay: self.weight_decay,
            clip: self.clip,
            betas: self.betas,
            optimizer: self.optimizer,
            linear_probe: self.linear_probe,
            lora: self.lora,
            accumulate,
            recompute: self.recompute,
            head: self.head,
            bucket,
            max_tokens,
            seed: self.seed,
        })
    }
}

impl Plan {
    /// Every number, as the record keeps it and as the digest reads it.
    pub fn show(&self) -> String {
        let optimizer = if self.optimizer == Optimizer::Adam { "adam" } else { "adamw" };
        let head = if self.head == HeadStart::Zero { "zero" } else { "keep" };
        // Named where they are asked for: what was trained before there were such options keeps its name.
        let lora =
            self.lora.map(|lora| format!(", lora rank {} alpha {:?}", lora.rank, lora.alpha)).unwrap_or_default();
        let parts = if self.accumulate > 1 { format!(", accumulate {}", self.accumulate) } else { String::new() };
        format!(
            "steps {}, batch {}, lr {:?}, schedule {}, warmup {} steps, weight_decay {:?}, clip {:?}, betas {:?}, optimizer {optimizer}, \
             linear_probe {}, head {head}, bucket {}, max_tokens {}, seed {}{lora}{parts}",
            self.steps,
            self.batch,
            self.lr,
            self.schedule.name(),
            self.warmup,
            self.weight_decay,
            self.clip,
            self.betas,
            self.linear_probe,
            self.bucket,
            self.max_tokens,
            self.seed
        )
    }

    /// The learning rate at a step (from 0).
    pub fn lr_at(&self, step: usize) -> f64 {
        self.lr * self.schedule.factor(step, self.steps, self.warmup)
    }
}

fn count(option: &'static str, got: usize, most: usize) -> Result<usize, TrainError> {
    if (1..=most).contains(&got) { Ok(got) } else { Err(TrainError::Count { option, got, most }) }
}

fn number(option: &'static str, got: f64, least: f64, most: f64) -> Result<(), TrainError> {
    if (least..=most).contains(&got) { Ok(()) } else { Err(TrainError::Number { option, got, least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::tiny;

    #[test]
    fn defaults_are_settled_from_model_and_rows() {
        let plan = Recipe::default().plan(&tiny(0), 100).expect("valid");
        assert_eq!((plan.steps, plan.batch, plan.lr, plan.warmup, plan.max_tokens), (42, 16, 5e-3, 4, 16));
        let probe = Recipe { linear_probe: true, ..Recipe::default() }.plan(&tiny(0), 100).expect("valid");
        assert_eq!((probe.steps, probe.batch, probe.lr), (200, 100, 0.1));
        assert_eq!([1, 300, 450, 800, 9000].map(default_epochs), [6, 6, 4, 3, 3]);
        let steps = Recipe { steps: Some(7), ..Recipe::default() }.plan(&tiny(0), 100).expect("valid");
        assert_eq!(steps.steps, 7);
    }

    #[test]
    fn impossible_options_are_named() {
        let fails = |recipe: Recipe| recipe.plan(&tiny(0), 100).expect_err("invalid").to_string();
        let base = Recipe::default;
        assert!(fails(Recipe { lr: Some(f64::NAN), ..base() }).contains("`lr`"));
        assert!(fails(Recipe { lr: Some(-1.0), ..base() }).contains("`lr`"));
        assert!(fails(Recipe { warmup: f64::INFINITY, ..base() }).contains("`warmup`"));
        assert!(fails(Recipe { betas: [0.9, 1.0], ..base() }).contains("`betas`"));
        assert!(fails(Recipe { batch: Some(0), ..base() }).contains("`batch`"));
        assert!(fails(Recipe { epochs: Some(0), ..base() }).contains("`epochs`"));
        assert!(fails(Recipe { epochs: Some(1 << 39), ..base() }).contains("`epochs`"));
        assert!(fails(Recipe { epochs: Some(5_000_000), ..base() }).contains("steps"));
        assert!(fails(Recipe { epochs: Some(1), steps: Some(1), ..base() }).contains("one of"));
        let lora = |rank, alpha| Some(Lora { rank, alpha });
        assert!(fails(Recipe { lora: lora(17, 1.0), ..base() }).contains("`rank` must be from 1 to 16"));
        assert!(fails(Recipe { lora: lora(1, f64::NAN), ..base() }).contains("`alpha`"));
        assert!(fails(Recipe { accumulate: 0, ..base() }).contains("`accumulate`"));
        assert!(fails(Recipe { accumulate: 2, linear_probe: true, ..base() }).contains("`accumulate`"));
        assert!(fails(Recipe { lora: lora(1, 1.0), linear_probe: true, ..base() }).contains("`lora`"));
        assert!(fails(Recipe { optimizer: Optimizer::Adam, weight_decay: 0.1, ..base() }).contains("adam"));
    }
}
