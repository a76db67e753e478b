//! What a finetuning was asked to do, and what that comes to for one model and one data set.

use super::options::{Limits, Setting, choice, declare, derived_text, other_text};
use super::{Lora, Schedule, TrainError};
use crate::models::Model;
use crate::models::arch::Arch;

choice! {
    /// Which update rule.
    pub enum Optimizer {
        /// Adam with decoupled weight decay.
        AdamW = "adamw",
        /// Adam without weight decay.
        Adam = "adam",
    }
}

choice! {
    /// Where the head starts.
    pub enum HeadStart {
        /// At zero, so that the first prediction is even.
        Zero = "zero",
        /// At the head that the model has.
        Keep = "keep",
    }
}

/// How long the learning rate rises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    /// A share of the steps.
    Share(f64),
    /// So many steps: what a share comes to.
    Steps(usize),
}

impl Setting for Warmup {
    fn text(&self) -> String {
        match self {
            Warmup::Share(share) => format!("{share:?}"),
            Warmup::Steps(steps) => format!("{steps} steps"),
        }
    }
    fn numbers(&self) -> Vec<f64> {
        match self {
            Warmup::Share(share) => vec![*share],
            Warmup::Steps(_) => Vec::new(),
        }
    }
    #[cfg(test)]
    fn examples(limits: Option<Limits>) -> Vec<Self> {
        f64::examples(limits).into_iter().map(Warmup::Share).collect()
    }
}

/// The most optimiser steps of one finetuning: arbitrary.
const MAX_STEPS: usize = 10_000_000;
/// The most rows per step: arbitrary.
const MAX_BATCH: usize = 1 << 16;

/// The options of a finetuning, for a macro that makes something of them. What is `None` by default depends on the model
/// or the data; [`Recipe::plan`] fills it in.
macro_rules! finetune_options {
    ($make:path) => {
        $make! {
            /// How to finetune. `None` stands for a default that depends on the model or the data; [`Recipe::plan`] fills it in.
            Recipe {
                /// Passes over the data; left out, as many as see 1 800 rows, from 3 to 6, and 200 for a linear probe.
                epochs: Option<usize> = None, [1..=MAX_STEPS], Settled;
                /// Optimiser steps, instead of epochs.
                steps: Option<usize> = None, [1..=MAX_STEPS], Always;
                /// Rows per step; left out, 16, and 128 for a linear probe.
                batch: Option<usize> = None, [1..=MAX_BATCH], Always;
                /// Peak learning rate; left out, by width: below 32 5e-3, below 128 3e-3, up to 1024 5e-5, above 1e-5; a linear probe 0.1 below 128, else 1e-3.
                lr: Option<f64> = None, [0.0..=100.0], Always;
                /// "cosine", "linear" or "constant", after the warm-up.
                schedule: Schedule = Schedule::Cosine, [], Always;
                /// The share of the steps on which the learning rate rises.
                warmup: Warmup = Warmup::Share(0.1), [0.0..=1.0], Always;
                /// Decoupled decay of weight matrices; biases and norms are left alone.
                weight_decay: f64 = 0.0, [0.0..=10.0], Always;
                /// Gradients are scaled down to this global norm; 0 for no clipping.
                clip: f64 = 1.0, [0.0..=1e9], Always;
                /// Adam's β₁ and β₂.
                betas: [f64; 2] = [0.9, 0.999], [0.0..1.0], Always;
                /// "adamw" or "adam".
                optimizer: Optimizer = Optimizer::AdamW, [], Always;
                /// Freeze the trunk and train the head alone, on features that are computed once.
                linear_probe: bool = false, [], Always;
                /// Where the head starts: "zero", or "keep" for the one that the model has.
                head: HeadStart = HeadStart::Zero, [], Always;
                /// A token for each class in the order of the data's, such as `["0", "1"]`: the head starts at what the model reads these
                /// next tokens by, so that it begins with the model's own answer behind the row.
                head_tokens: Vec<String> = vec![], [], Changed;
                /// Cut batches from pools of this many batches sorted by length; 1: batches as drawn.
                bucket: usize = 1, [1..=MAX_BATCH], Always;
                /// Rows longer than this are cut (a causal model keeps their end, a BERT their beginning); left out, the model's limit.
                max_tokens: Option<usize> = None, [], Always;
                /// Draws the order of the rows, and what dropout drops; left out, the session's.
                seed: u64 = 0, [], Always;
                /// Freeze the trunk and train updates of low rank of its weight matrices, and the head: `#{ rank: 8, alpha: 8 }`, the
                /// defaults; `alpha` left out equals `rank`.
                lora: Option<Lora> = None, [], Changed;
                /// Send each batch through the model in so many parts: less memory, the same gradient but for rounding, a third more time.
                accumulate: usize = 1, [1..=MAX_BATCH], Changed;
                /// Keep of each block its input alone and compute the block again for its gradient: of what a batch takes in memory the
                /// inputs and one block remain, the same bits, a third more time.
                recompute: bool = false, [], NoDigest;
                /// The share of the numbers that training sets to zero, and the others grow to make up for it: of the embeddings' sum, and of
                /// what attention and the feed-forward layer add to the residual stream.
                dropout: f64 = 0.0, [0.0..1.0], Changed;
                /// The decay of an exponential moving average of what is trained, which the new model gets instead of the last step's; 0 for none.
                /// After t steps it is at most (1 + t) / (10 + t).
                ema: f64 = 0.0, [0.0..1.0], Changed;
            }
        }
    };
}
pub(crate) use finetune_options;

finetune_options!(declare);

/// A recipe with every number settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The recipe, with nothing left to settle.
    pub recipe: Recipe,
    pub steps: usize,
    pub batch: usize,
    pub lr: f64,
    /// Steps on which the learning rate rises.
    pub warmup: usize,
    pub max_tokens: usize,
}

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
        self.check()?;
        let arch = &model.inner.arch;
        let (epochs, batch) = if self.linear_probe { (200, 128) } else { (default_epochs(n_rows), 16) };
        let batch = self.batch.unwrap_or(batch);
        if let (Some(epochs), Some(steps)) = (self.epochs, self.steps) {
            return Err(TrainError::EpochsAndSteps { epochs, steps });
        }
        let epochs = self.epochs.unwrap_or(epochs);
        let steps = self.steps.unwrap_or_else(|| epochs.saturating_mul(n_rows.div_ceil(batch)));
        if steps > MAX_STEPS {
            return Err(TrainError::TooManySteps { epochs, n_rows, steps, most: MAX_STEPS });
        }
        if self.optimizer == Optimizer::Adam && self.weight_decay != 0.0 {
            return Err(TrainError::AdamDecay { weight_decay: self.weight_decay });
        }
        if let Some(Lora { rank, alpha }) = self.lora {
            Limits::from(1..=arch.width()).check("rank", &rank)?;
            Limits::from(1e-6..=1e6).check("alpha", &alpha)?;
        }
        let of_trunk = [
            ("lora", self.lora.is_some()),
            ("accumulate", self.accumulate > 1),
            ("recompute", self.recompute),
            ("dropout", self.dropout > 0.0),
        ];
        if let Some((option, _)) = of_trunk.into_iter().find(|(_, asked)| *asked && self.linear_probe) {
            return Err(TrainError::Frozen { option });
        }
        if self.head == HeadStart::Keep && !self.head_tokens.is_empty() {
            return Err(TrainError::KeepHead { why: "`head_tokens` names another".to_owned() });
        }
        let (batch, lr) = (batch.min(n_rows.max(1)), self.lr.unwrap_or_else(|| default_lr(arch, self.linear_probe)));
        let warmup = match self.warmup {
            Warmup::Share(share) => (share * steps as f64).round() as usize,
            Warmup::Steps(steps) => steps,
        };
        let max_tokens = self.max_tokens.unwrap_or(model.inner.max_tokens);
        let recipe = Recipe {
            epochs: None,
            steps: Some(steps),
            batch: Some(batch),
            lr: Some(lr),
            warmup: Warmup::Steps(warmup),
            max_tokens: Some(max_tokens),
            ..self.clone()
        };
        Ok(Plan { recipe, steps, batch, lr, warmup, max_tokens })
    }
}

impl Plan {
    /// Every number, as the digest reads it.
    pub fn show(&self) -> String {
        derived_text(&self.recipe.told())
    }

    /// Every number, as the record keeps it: with what changes no bit.
    pub fn tell(&self) -> String {
        let (derived, other) = (self.show(), other_text(&self.recipe.told()));
        if other.is_empty() { derived } else { format!("{derived}, {other}") }
    }

    /// The learning rate at a step (from 0).
    pub fn lr_at(&self, step: usize) -> f64 {
        self.lr * self.recipe.schedule.factor(step, self.steps, self.warmup)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Says;
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
        assert!(fails(Recipe { warmup: Warmup::Share(f64::INFINITY), ..base() }).contains("`warmup`"));
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
        assert!(fails(Recipe { dropout: 1.0, ..base() }).contains("`dropout` must be from 0 to below 1, got `1`"));
        assert!(fails(Recipe { dropout: 0.1, linear_probe: true, ..base() }).contains("`dropout`"));
        assert!(fails(Recipe { ema: -0.5, ..base() }).contains("`ema`"));
        assert!(fails(Recipe { optimizer: Optimizer::Adam, weight_decay: 0.1, ..base() }).contains("adam"));
    }

    #[test]
    fn every_option_is_in_the_derivation_unless_it_says_why_not() {
        let shown = |recipe: &Recipe| recipe.plan(&tiny(0), 100).expect("valid").show();
        let told = |recipe: &Recipe| recipe.plan(&tiny(0), 100).expect("valid").tell();
        let plain = Recipe::default();
        let variants = plain.variants();
        assert_eq!(variants.len(), 21);
        for (name, says, changed) in variants {
            assert_ne!(told(&changed), told(&plain), "`{name}` is not in the record");
            assert_eq!(shown(&changed) == shown(&plain), says == Says::NoDigest, "`{name}`");
        }
        // The one whose bits do not depend on it: a test of training holds that.
        let without = plain.variants().into_iter().filter(|(_, says, _)| *says == Says::NoDigest);
        assert_eq!(without.map(|(name, ..)| name).collect::<Vec<_>>(), ["recompute"]);
    }

    #[test]
    fn options_that_came_later_are_told_where_they_are_asked_for() {
        let shown = |recipe: Recipe| recipe.plan(&tiny(0), 100).expect("valid").show();
        let old = "steps 42, batch 16, lr 0.005, schedule cosine, warmup 4 steps, weight_decay 0.0, clip 1.0, \
                   betas [0.9, 0.999], optimizer adamw, linear_probe false, head zero, bucket 1, max_tokens 16, seed 0";
        assert_eq!(shown(Recipe::default()), old);
        let lora = Some(Lora { rank: 2, alpha: 4.0 });
        assert_eq!(
            shown(Recipe { lora, accumulate: 3, dropout: 0.1, ema: 0.99, ..Recipe::default() }),
            format!("{old}, lora rank 2 alpha 4.0, accumulate 3, dropout 0.1, ema 0.99")
        );
    }
}
