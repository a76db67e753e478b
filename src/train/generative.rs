//! Generative finetuning: a causal model trained on as a language model on a data set's inputs, before anybody labels them.

use super::causal::{Engine, MAX_BATCH, MAX_STEPS, Trained, check_lora, settled_steps};
use super::device::Speaker;
use super::lora::{Adapters, Lora};
use super::options::{choice, declare, derived_text, other_text};
use super::plan::default_lr;
use super::predict::{clear, push_row};
use super::schedule::Schedule;
use super::training::{Course, Training};
use super::weights::Weights;
use super::{Batches, TrainError, trained};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::{Data, InputKind};
use crate::kernels::optim::AdamWOptions;
use crate::models::arch::Arch;
use crate::models::trunk::{Packed, check_lm, lm_step_on};
use crate::models::{Encoded, Model, ModelError, candle};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform_named};

choice! {
    /// Which tokens the loss is about.
    pub enum LossOn {
        /// Every token but a row's first.
        Everything = "everything",
        /// Those of the continuation, or of a text, which has no prompt, every one but the first.
        Continuation = "continuation",
    }
}

/// The options of a generative finetuning, for a macro that makes something of them.
macro_rules! generative_options {
    ($make:path) => {
        $make! {
            /// How to finetune as a language model.
            GenerativeRecipe {
                /// Passes over the data; left out, one.
                epochs: Option<usize> = None, [1..=MAX_STEPS], Settled;
                /// Optimiser steps, instead of epochs.
                steps: Option<usize> = None, [1..=MAX_STEPS], Always;
                /// Sequences a step: rows, and of rows with several continuations each.
                batch: usize = 16, [1..=MAX_BATCH], Always;
                /// Peak learning rate; left out, by width: below 32 5e-3, below 128 3e-3, up to 1024 5e-5, above 1e-5.
                lr: Option<f64> = None, [0.0..=100.0], Always;
                /// "cosine", "linear" or "constant", after the warm-up.
                schedule: Schedule = Schedule::Cosine, [], Always;
                /// The share of the steps on which the learning rate rises.
                warmup: f64 = 0.1, [0.0..=1.0], Always;
                /// Decoupled decay of weight matrices; biases, norms and embeddings are left alone.
                weight_decay: f64 = 0.0, [0.0..=10.0], Always;
                /// Gradients are scaled down to this global norm; 0 for no clipping.
                clip: f64 = 1.0, [0.0..=1e9], Always;
                /// Adam's β₁ and β₂.
                betas: [f64; 2] = [0.9, 0.999], [0.0..1.0], Always;
                /// "continuation": of prompts only what follows them; "everything": the prompt too.
                loss_on: LossOn = LossOn::Continuation, [], Always;
                /// Cut batches from pools of this many batches sorted by length; 1: batches as drawn.
                bucket: usize = 1, [1..=MAX_BATCH], Always;
                /// Rows longer than this are cut to their end; left out, the model's limit.
                max_tokens: Option<usize> = None, [], Always;
                /// Draws the order of the rows; left out, the session's.
                seed: u64 = 0, [], Always;
                /// Freeze the weights and train updates of low rank of the blocks' matrices, which the new model has merged in:
                /// `#{ rank: 8, alpha: 8 }`, the defaults; `alpha` left out equals `rank`.
                lora: Option<Lora> = None, [], Always;
                /// Keep of each block its input alone and compute the block again for its gradient: the same bits, a third more time.
                recompute: bool = false, [], NoDigest;
            }
        }
    };
}
pub(crate) use generative_options;

generative_options!(declare);

impl GenerativeRecipe {
    /// Checks every option and settles what depends on the model and on the number of sequences.
    fn settled(&self, model: &Model, n: usize) -> Result<GenerativeRecipe, TrainError> {
        self.check()?;
        let (batch, steps) = settled_steps((self.epochs, self.steps), self.batch, n)?;
        check_lora(self.lora, &model.inner.arch)?;
        Ok(GenerativeRecipe {
            epochs: None,
            steps: Some(steps),
            batch,
            lr: Some(self.lr.unwrap_or_else(|| default_lr(&model.inner.arch, false))),
            max_tokens: Some(self.max_tokens.unwrap_or(model.inner.max_tokens)),
            ..self.clone()
        })
    }
}

/// A new model without a head: this one trained on as a language model on the inputs of `data`, of which no truth is read.
/// Refuses test rows.
pub fn finetune_generative(
    model: &Model,
    data: &Data,
    recipe: &GenerativeRecipe,
    ctx: &Context,
) -> Result<Model, TrainError> {
    super::finetune::refuse_test_rows(data)?;
    let given = model;
    if !model.inner.arch.is_causal() {
        return Err(TrainError::Speechless { model: model.inner.name.clone(), asked: "be finetuned generatively" });
    }
    let recipe = &recipe.settled(model, data.len() * data.n_sequences())?;
    let model = &model.with_max_tokens(recipe.max_tokens.unwrap_or(model.inner.max_tokens))?;
    let adapters = recipe.lora.map(|lora| Adapters::new(&model.inner.params.layout, lora));
    let work = Generative { trained: Trained { model, adapters: adapters.as_ref() }, data, recipe };
    let (trained, digest) = perform_named(&work, ctx)?;
    let new = work.model_of(trained, digest);
    trained::note(ctx, given, &new, data);
    Ok(new)
}

/// A generative finetuning before it is computed.
struct Generative<'a> {
    trained: Trained<'a>,
    data: &'a Data,
    /// Settled.
    recipe: &'a GenerativeRecipe,
}

impl Generative<'_> {
    fn digest(&self) -> Digest {
        let (model, data) = (self.trained.model.inner.digest, self.data.digest());
        self.recipe.add_to(Digest::of("finetune_generative", 1).digest("model", model).digest("data", data)).finish()
    }

    fn options(&self) -> String {
        let told = self.recipe.told();
        let (derived, other) = (derived_text(&told), other_text(&told));
        if other.is_empty() { derived } else { format!("{derived}, {other}") }
    }

    /// The new model, called `digest`, from the numbers that were trained.
    fn model_of(&self, trained: Vec<f32>, digest: Digest) -> Model {
        let how = format!("finetuned generatively on {} rows of {}", self.data.len(), self.data.name());
        self.trained.model(trained, digest, &how, self.options(), None)
    }

    fn steps(&self) -> usize {
        self.recipe.steps.unwrap_or(1)
    }

    /// For each token of each sequence whether the loss is about it; none where it is about every one.
    fn counted(&self, read: &Encoded) -> Option<Vec<bool>> {
        let asked = self.recipe.loss_on == LossOn::Continuation && self.data.input() == InputKind::Prompt;
        let of_row = |(row, start): (&[u32], &u32)| (0..row.len()).map(|place| place >= *start as usize).collect();
        asked.then(|| read.packed.rows().zip(read.starts.iter()).flat_map::<Vec<bool>, _>(of_row).collect())
    }

    /// Refuses data of which no token counts.
    fn refuse_silence(&self, packed: &Packed, counted: Option<&[bool]>) -> Result<(), TrainError> {
        let n_sequences = self.data.n_sequences();
        for (at, bounds) in packed.offsets.windows(2).enumerate() {
            let &[start, end] = bounds else { continue };
            let counts = |token: usize| counted.is_none_or(|counted| counted.get(token) == Some(&true));
            if !(start + 1..end).any(counts) {
                let id = self.data.rows().nth(at / n_sequences).map(|row| row.id.to_string()).unwrap_or_default();
                return Err(TrainError::NothingPredicted { id, n_rows: self.data.len() });
            }
        }
        Ok(())
    }

    /// Where the work is done.
    fn engine<'e>(
        &'e self,
        params: Vec<f32>,
        device: Option<&candle_core::Device>,
        ctx: &'e Context,
        masks: bool,
    ) -> Result<Engine<'e, Speaker<'e>>, TrainError> {
        let recipe = self.recipe;
        let [beta1, beta2] = recipe.betas;
        let adam = AdamWOptions { beta1, beta2, weight_decay: recipe.weight_decay, ..AdamWOptions::default() };
        match device {
            None => Ok(self.trained.on_host(params, adam, recipe.recompute)),
            Some(_) if masks || self.trained.adapters.is_some() || recipe.weight_decay > 0.0 => {
                let asked = "are finetuned generatively with `lora`, `weight_decay` or loss on continuations";
                Err(TrainError::CpuOnly { asked, device: ctx.settings.device.clone() })
            }
            Some(on) => {
                let speaker = Speaker::new(&self.trained.model.inner.arch, &params, adam, on, &ctx.interrupt)?;
                Ok(Engine::Device(Box::new(speaker)))
            }
        }
    }
}

/// The batch's loss; its gradients are those that the next step goes along.
fn gradients(
    engine: &mut Engine<Speaker>,
    arch: &Arch,
    batch: &Packed,
    counted: Option<&[bool]>,
) -> Result<f64, ModelError> {
    match engine {
        Engine::Own { weights, tape } => {
            Ok(lm_step_on(arch, &weights.params, batch, counted, tape, &mut weights.grads))
        }
        Engine::Adapted { weights, tape, adapters, base, trunk, d_trunk } => {
            adapters.apply(base, &weights.params, trunk);
            let loss = lm_step_on(arch, trunk, batch, counted, tape, d_trunk);
            weights.grads.fill(0.0);
            adapters.gradient(&weights.params, d_trunk, &mut weights.grads);
            Ok(loss)
        }
        Engine::Device(speaker) => speaker.gradients(batch),
    }
}

/// Steps on the rows of a data set.
struct OnRows<'a> {
    arch: &'a Arch,
    engine: Engine<'a, Speaker<'a>>,
    packed: &'a Packed,
    counted: Option<&'a [bool]>,
    batches: Batches,
    batch: Packed,
    counts: Vec<bool>,
}

impl Training for OnRows<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        self.engine.weights()
    }

    fn skip(&mut self, n_done: usize) -> Result<(), TrainError> {
        (0..n_done).for_each(|_| _ = self.batches.draw());
        Ok(())
    }

    fn gradient(&mut self, _step: usize, _random: &mut Random) -> Result<f64, TrainError> {
        clear(&mut self.batch);
        self.counts.clear();
        for row in self.batches.draw().0 {
            let row = *row as usize;
            push_row(&mut self.batch, self.packed, row);
            if let (Some(counted), Some(&[start, end])) = (self.counted, self.packed.offsets.get(row..row + 2)) {
                self.counts.extend_from_slice(counted.get(start..end).unwrap_or_default());
            }
        }
        let counted = self.counted.map(|_| &*self.counts);
        Ok(gradients(&mut self.engine, self.arch, &self.batch, counted)?)
    }
}

/// The value is what was trained: the trunk's parameters, or the adapters.
impl Operation for Generative<'_> {
    type Value = Vec<f32>;
    type Error = TrainError;

    fn step(&self) -> Step {
        let share =
            (self.steps() * self.recipe.batch) as f64 / (self.data.len() * self.data.n_sequences()).max(1) as f64;
        Step {
            operation: "finetune_generative",
            what: format!("{} on {} rows of {}", self.trained.model.inner.name, self.data.len(), self.data.name()),
            digest: self.digest(),
            inputs: vec![("model", self.trained.model.inner.digest), ("data", self.data.digest())],
            options: self.options(),
            // Forward, and twice that backward.
            work: 3.0 * share * super::predict::forward_work(self.trained.model, self.data.n_bytes()),
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Vec<f32>>, TrainError> {
        let (recipe, inner) = (self.recipe, &self.trained.model.inner);
        let read = self.trained.model.encoded(self.data, ctx)?;
        check_lm(&inner.arch, &inner.params.values, &read.packed)?;
        let counted = self.counted(&read);
        self.refuse_silence(&read.packed, counted.as_deref())?;
        let lengths = read.packed.rows().map(|row| row.len() as u32).collect();
        let (lr, steps) = (recipe.lr.unwrap_or(0.0), self.steps());
        let warmup = (recipe.warmup * steps as f64).round() as usize;
        let device = candle::device(&ctx.settings.device)?;
        let course = Course {
            what: format!("finetune {} generatively", inner.name),
            of: self.digest(),
            steps,
            lr,
            lr_at: &|step| lr * recipe.schedule.factor(step, steps, warmup),
            clip: recipe.clip,
            ema: 0.0,
            kept_at: &[],
            watches: &[],
            ctx,
            partial,
        };
        let mut training = OnRows {
            arch: &inner.arch,
            engine: self.engine(self.trained.first(recipe.seed), device.as_ref(), ctx, counted.is_some())?,
            packed: &read.packed,
            counted: counted.as_deref(),
            batches: Batches::new(lengths, recipe.batch, recipe.bucket, recipe.seed),
            batch: Packed::default(),
            counts: Vec::new(),
        };
        // Nothing is drawn between steps: the order has a stream of its own.
        let ran = course.run(&mut training, Random::new(recipe.seed, "finetune generatively"))?;
        Ok(Done { value: ran.params, curve: ran.curve })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("trained", &[value.len()], value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("trained", &[self.trained.n()])
    }

    fn stand_in(&self) -> Vec<f32> {
        self.trained.first(self.recipe.seed)
    }
}

#[cfg(test)]
mod tests;
