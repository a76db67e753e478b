//! Preference finetuning: a causal model trained on pairs of continuations by a loss on their log-probabilities.
//!
//! A step draws pairs, computes log π of both continuations of each, asks the loss for its gradient by them, and goes back through
//! the trunk. The reference's log-probabilities are computed once, before the first step. What lives here: the options, the
//! operation and the step on pairs; these are read in `pairs`, rankings and steps on them are in `rankings`, the engines in `engine`, what is told of the steps in
//! `curves`.

mod curves;
mod engine;
mod pairs;
mod rankings;
mod weights;

use super::beside::Beside;
use super::carried::Carried;
use super::causal::{Engine, MAX_BATCH, MAX_STEPS, Trained, check_lora, settled_steps};
use super::device::Scribe;
use super::labels::Labels;
use super::lora::{Adapters, Lora};
use super::options::{Limits, declare, derived_text, other_text};
use super::predict::{clear, push_row};
use super::schedule::Schedule;
use super::training::{Course, Training};
use super::weights::Weights;
use super::{Batches, TrainError};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::{Data, InputKind};
use crate::domains::preference::loss::{Needs, PairBatch, PairLoss};
use crate::domains::preference::measured::Sums;
use crate::frames::Frame;
use crate::models::arch::Arch;
use crate::models::trunk::{Packed, check_lm};
use crate::models::{Model, candle};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform_named};
use curves::{Curves, N_BESIDE};
use pairs::{Pairs, Reference};
use rankings::{OnRankings, Rankings};
pub use weights::pair_weights;

/// The options of a preference finetuning, for a macro that makes something of them.
macro_rules! preference_options {
    ($make:path) => {
        $make! {
            /// How to finetune on preferences.
            PreferenceRecipe {
                /// Passes over the pairs; left out, one.
                epochs: Option<usize> = None, [1..=MAX_STEPS], Settled;
                /// Optimiser steps, instead of epochs.
                steps: Option<usize> = None, [1..=MAX_STEPS], Always;
                /// Pairs a step.
                batch: usize = 16, [1..=MAX_BATCH], Always;
                /// Peak learning rate; left out, by width: below 32 5e-4, below 128 3e-4, up to 1024 5e-6, above 1e-6.
                lr: Option<f64> = None, [0.0..=100.0], Always;
                /// "cosine", "linear" or "constant", after the warm-up.
                schedule: Schedule = Schedule::Linear, [], Always;
                /// The share of the steps on which the learning rate rises.
                warmup: f64 = 0.1, [0.0..=1.0], Always;
                /// Decoupled decay of weight matrices; biases, norms and embeddings are left alone.
                weight_decay: f64 = 0.0, [0.0..=10.0], Always;
                /// Gradients are scaled down to this global norm; 0 for no clipping.
                clip: f64 = 1.0, [0.0..=1e9], Always;
                /// Adam's β₁ and β₂.
                betas: [f64; 2] = [0.9, 0.999], [0.0..1.0], Always;
                /// Cut batches from pools of this many batches sorted by length; 1: batches as drawn.
                bucket: usize = 1, [1..=MAX_BATCH], Always;
                /// Prompts are cut at their beginning so that prompt and continuation are at most so long; left out, the model's limit.
                max_tokens: Option<usize> = None, [], Always;
                /// Draws the order of the pairs; left out, the session's.
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
pub(crate) use preference_options;

preference_options!(declare);

/// The learning rate where none is stated: a tenth of supervised finetuning's. Arbitrary; TRL's `DPOConfig` has 1e-6.
fn default_lr(arch: &Arch) -> f64 {
    0.1 * super::plan::default_lr(arch, false)
}

impl PreferenceRecipe {
    /// Checks every option and settles what depends on the model and on the number of pairs.
    fn settled(&self, model: &Model, n_pairs: usize) -> Result<PreferenceRecipe, TrainError> {
        self.check()?;
        let (batch, steps) = settled_steps((self.epochs, self.steps), self.batch, n_pairs)?;
        check_lora(self.lora, &model.inner.arch)?;
        Ok(PreferenceRecipe {
            epochs: None,
            steps: Some(steps),
            batch,
            lr: Some(self.lr.unwrap_or_else(|| default_lr(&model.inner.arch))),
            max_tokens: Some(self.max_tokens.unwrap_or(model.inner.max_tokens)),
            ..self.clone()
        })
    }
}

/// A new model without a head: this one trained by `loss` on pairs of continuations, of which `labels` say how probably the first is
/// the better one. `reference` is what log-ratios are against; the model itself where it is not given.
///
/// Refuses test rows, rows without exactly two continuations, empty continuations, a reference that reads other tokens. Pairs whose
/// continuations are the same tokens are left out; the context is warned of them and the model's recipe tells how many.
pub fn finetune_preferences(
    model: &Model,
    data: &Data,
    labels: &Frame,
    loss: &dyn PairLoss,
    reference: Option<&Model>,
    recipe: &PreferenceRecipe,
    ctx: &Context,
) -> Result<Model, TrainError> {
    super::finetune::refuse_test_rows(data)?;
    let (model, reference) = &ready_for_pairs(model, data, loss, reference, recipe.max_tokens)?;
    let labels = &labels.in_classes(data.classes(), ("`labels`", "`data`"))?;
    let read = Labels::read(data, labels)?;
    let pairs = &Pairs::of(model, data, &read, ctx)?;
    if pairs.n_alike > 0 {
        ctx.warn(pairs.alike_text());
    }
    finetuned(model, data, labels, Goal::Pairs { pairs, loss }, reference, recipe, ctx)
}

/// A new model without a head: this one trained on rankings of several continuations of a prompt by DPO's loss under Plackett and Luce's model
/// (Rafailov et al. 2023, appendix A.3). The frame is as [`Rankings::of`] reads it.
///
/// Refuses what [`finetune_preferences`] does, but rows may have two continuations or more, of which a ranking names two or more.
/// Rankings that have continuations of the same tokens are left out; the context is warned of them.
pub fn finetune_rankings(
    model: &Model,
    data: &Data,
    rankings: &Frame,
    beta: f64,
    reference: Option<&Model>,
    recipe: &PreferenceRecipe,
    ctx: &Context,
) -> Result<Model, TrainError> {
    super::finetune::refuse_test_rows(data)?;
    Limits::from(1e-9..=1e9).check("beta", &beta)?;
    let (model, reference) = &ready(model, reference, recipe.max_tokens)?;
    if data.input() != InputKind::Prompt || data.n_sequences() < 2 {
        return Err(TrainError::Rankings {
            why: format!("`{}` has no rows with two continuations or more", data.name()),
        });
    }
    let read = &Rankings::of(model, data, rankings, ctx)?;
    if read.n_alike > 0 {
        ctx.warn(format!(
            "{} of {} rankings are left out: two of their continuations are the same tokens",
            read.n_alike,
            data.len()
        ));
    }
    finetuned(model, data, rankings, Goal::Rankings { rankings: read, beta }, reference, recipe, ctx)
}

/// The training, looked up or computed.
fn finetuned(
    model: &Model,
    data: &Data,
    labels: &Frame,
    goal: Goal,
    reference: &Model,
    recipe: &PreferenceRecipe,
    ctx: &Context,
) -> Result<Model, TrainError> {
    let recipe = &recipe.settled(model, goal.n())?;
    let adapters = recipe.lora.map(|lora| Adapters::new(&model.inner.params.layout, lora));
    let of = Trained { model, adapters: adapters.as_ref() };
    let work = Preferences { of, data, labels, goal, reference, recipe };
    let (trained, digest) = perform_named(&work, ctx)?;
    work.model_of(trained, digest, ctx)
}

/// What a training learns from.
#[derive(Clone, Copy)]
enum Goal<'a> {
    Pairs { pairs: &'a Pairs, loss: &'a dyn PairLoss },
    Rankings { rankings: &'a Rankings, beta: f64 },
}

impl Goal<'_> {
    /// The operation.
    fn operation(&self) -> &'static str {
        match self {
            Goal::Pairs { .. } => "finetune_preferences",
            Goal::Rankings { .. } => "finetune_rankings",
        }
    }

    /// Pairs or rankings that are trained on, and how many were left out.
    fn n(&self) -> usize {
        match self {
            Goal::Pairs { pairs, .. } => pairs.all.len(),
            Goal::Rankings { rankings, .. } => rankings.all.len(),
        }
    }

    fn n_alike(&self) -> usize {
        match self {
            Goal::Pairs { pairs, .. } => pairs.n_alike,
            Goal::Rankings { rankings, .. } => rankings.n_alike,
        }
    }

    fn is_weighted(&self) -> bool {
        match self {
            Goal::Pairs { pairs, .. } => pairs.is_weighted,
            Goal::Rankings { rankings, .. } => rankings.is_weighted,
        }
    }

    /// What they are called.
    fn items(&self) -> &'static str {
        match self {
            Goal::Pairs { .. } => "pairs",
            Goal::Rankings { .. } => "rankings",
        }
    }

    /// The loss as a call, and by its name.
    fn loss(&self) -> (String, String) {
        match self {
            Goal::Pairs { loss, .. } => (loss.show(), loss.name()),
            Goal::Rankings { beta, .. } => (format!("Plackett and Luce, beta {beta:?}"), "plackett_luce".to_owned()),
        }
    }

    fn needs(&self) -> Needs {
        match self {
            Goal::Pairs { loss, .. } => loss.needs(),
            Goal::Rankings { .. } => Needs { reference: true, ..Needs::default() },
        }
    }

    fn sequences(&self) -> &Pairs {
        match self {
            Goal::Pairs { pairs, .. } => pairs,
            Goal::Rankings { rankings, .. } => &rankings.sequences,
        }
    }
}

/// Model and reference as they read prompts; fails where they cannot be compared on these pairs.
fn ready_for_pairs(
    model: &Model,
    data: &Data,
    loss: &dyn PairLoss,
    reference: Option<&Model>,
    max_tokens: Option<usize>,
) -> Result<(Model, Model), TrainError> {
    check_speaks(model)?;
    if data.input() != InputKind::Prompt || data.n_sequences() != 2 || data.classes().len() != 2 {
        return Err(TrainError::NotPairs { data: data.name().to_owned(), n: data.n_sequences() });
    }
    if reference.is_some() && !loss.needs().reference {
        return Err(TrainError::IdleReference { loss: loss.name() });
    }
    ready(model, reference, max_tokens)
}

fn check_speaks(model: &Model) -> Result<(), TrainError> {
    if model.inner.arch.is_causal() {
        return Ok(());
    }
    let asked = "be finetuned on the likelihood of continuations";
    Err(TrainError::Speechless { model: model.inner.name.clone(), asked })
}

/// Model and reference as they read prompts.
fn ready(model: &Model, reference: Option<&Model>, max_tokens: Option<usize>) -> Result<(Model, Model), TrainError> {
    check_speaks(model)?;
    let max_tokens = max_tokens.unwrap_or(model.inner.max_tokens);
    let model = model.with_max_tokens(max_tokens)?;
    let reference = match reference {
        None => model.clone(),
        Some(other) if other.inner.encoder.digest() != model.inner.encoder.digest() => {
            let (model, reference) = (model.inner.name.clone(), other.inner.name.clone());
            return Err(TrainError::OtherTokens { model, reference });
        }
        Some(other) => other.with_max_tokens(max_tokens)?,
    };
    Ok((model, reference))
}

/// A preference finetuning before it is computed.
struct Preferences<'a> {
    of: Trained<'a>,
    data: &'a Data,
    /// Labels, or rankings.
    labels: &'a Frame,
    goal: Goal<'a>,
    reference: &'a Model,
    /// Settled.
    recipe: &'a PreferenceRecipe,
}

/// What a preference finetuning gives: the trunk's parameters or the adapters, and what was measured of the steps.
struct Found {
    params: Vec<f32>,
    curves: Vec<f64>,
    /// What else was measured; `None` where the store answered.
    beside: Option<Vec<f32>>,
}

impl Preferences<'_> {
    fn inputs(&self) -> Vec<(&'static str, Digest)> {
        let mut inputs = vec![("model", self.of.model.inner.digest), ("data", self.data.digest())];
        match self.goal {
            Goal::Pairs { loss, .. } => inputs.extend([("labels", self.labels.digest()), ("loss", loss.digest())]),
            Goal::Rankings { .. } => inputs.push(("rankings", self.labels.digest())),
        }
        if self.goal.needs().reference {
            inputs.push(("reference", self.reference.inner.digest));
        }
        inputs
    }

    fn digest(&self) -> Digest {
        let made = match self.goal {
            Goal::Pairs { .. } => Digest::of("finetune_preferences", 1),
            Goal::Rankings { beta, .. } => Digest::of("finetune_rankings", 1).float("beta", beta),
        };
        let named = self.inputs().into_iter().fold(made, |digest, (name, input)| digest.digest(name, input));
        self.recipe.add_to(named).finish()
    }

    fn options(&self) -> String {
        let told = self.recipe.told();
        let mut options = format!("{}, {}", self.goal.loss().0, derived_text(&told));
        if self.goal.is_weighted() {
            options.push_str(&format!(", weights of {} {}", self.goal.n(), self.goal.items()));
        }
        match other_text(&told) {
            other if other.is_empty() => options,
            other => format!("{options}, {other}"),
        }
    }

    /// The new model, called `digest`.
    fn model_of(&self, trained: Found, digest: Digest, ctx: &Context) -> Result<Model, TrainError> {
        let (n, name, loss) = (self.goal.n(), self.data.name(), self.goal.loss().1);
        let mut recipe = self.options();
        if self.goal.n_alike() > 0 {
            recipe.push_str(&format!(", {} {} alike left out", self.goal.n_alike(), self.goal.items()));
        }
        let called = curves::digest(digest);
        let step =
            Step { operation: "model::curves", digest: called, inputs: vec![("training", digest)], ..self.step() };
        let again = |ctx: &Context, partial: &Partial| Ok(self.compute(ctx, partial)?.value.beside.unwrap_or_default());
        let shape = [curves::n_points(self.steps()), N_BESIDE];
        let beside = Beside::<TrainError> { step, shape, fresh: trained.beside, again: &again }.numbers(ctx)?;
        let curves = curves::frame(&trained.curves, &beside, called)?;
        let what = if matches!(self.goal, Goal::Pairs { .. }) { "preferences" } else { "rankings" };
        let how = format!("finetuned on {n} {what} of {name} by {loss}");
        Ok(self.of.model(trained.params, digest, &how, recipe, Some(curves)))
    }

    fn steps(&self) -> usize {
        self.recipe.steps.unwrap_or(1)
    }
}

impl Operation for Preferences<'_> {
    type Value = Found;
    type Error = TrainError;

    fn step(&self) -> Step {
        let share = (self.steps() * self.recipe.batch) as f64 / self.goal.n().max(1) as f64;
        Step {
            operation: self.goal.operation(),
            what: format!("{} on {} rows of {}", self.of.model.inner.name, self.data.len(), self.data.name()),
            digest: self.digest(),
            inputs: self.inputs(),
            options: self.options(),
            // Forward, and twice that backward.
            work: 3.0 * share * super::predict::forward_work(self.of.model, self.data.n_bytes()),
            untraceable: match self.goal {
                Goal::Pairs { loss, .. } => loss.untraceable(),
                Goal::Rankings { .. } => None,
            },
        }
    }

    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Found>, TrainError> {
        let (recipe, inner, sequences) = (self.recipe, &self.of.model.inner, self.goal.sequences());
        check_lm(&inner.arch, &inner.params.values, &sequences.packed)?;
        let device = candle::device(&ctx.settings.device)?;
        let needs = self.goal.needs();
        let reference = &Reference::of(self.reference, self.data, sequences, needs, device.as_ref(), ctx)?;
        let (lr, steps) = (recipe.lr.unwrap_or(0.0), self.steps());
        let warmup = (recipe.warmup * steps as f64).round() as usize;
        let course = Course {
            what: format!("finetune {} on {}", inner.name, self.goal.items()),
            // 1: with everything that is measured of the steps.
            of: Digest::of("finetune_preferences/state", 1).digest("training", self.digest()).finish(),
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
        let arch = &inner.arch;
        let engine = engine::of(self.of, self.of.first(recipe.seed), recipe, device.as_ref(), &ctx.interrupt)?;
        let (curves, work) = (Curves::new(steps), Work::default());
        let batches = |lengths| Batches::new(lengths, recipe.batch, recipe.bucket, recipe.seed);
        // Nothing is drawn between steps: the order has a stream of its own.
        let random = Random::new(recipe.seed, "finetune on preferences");
        let (ran, curves) = match self.goal {
            Goal::Pairs { pairs, loss } => {
                let ids: Vec<&str> = self.data.rows().map(|row| row.id.as_str()).collect();
                let (batches, carried) = (batches(pairs.lengths()), Vec::new());
                let mut training = OnPairs {
                    arch,
                    engine,
                    pairs,
                    reference,
                    loss,
                    needs,
                    ids: &ids,
                    batches,
                    curves,
                    carried,
                    steps,
                    lr,
                    work,
                };
                (course.run(&mut training, random)?, training.curves)
            }
            Goal::Rankings { rankings, beta } => {
                let batches = batches(rankings.lengths());
                let mut training =
                    OnRankings { arch, engine, rankings, reference, beta, batches, curves, steps, lr, work };
                (course.run(&mut training, random)?, training.curves)
            }
        };
        let (curves, beside) = (curves.points(), Some(curves.beside()));
        Ok(Done { value: Found { params: ran.params, curves, beside }, curve: ran.curve })
    }

    fn pack(&self, value: &Found) -> Content {
        let mut content = Content::default().tensor("trained", &[value.params.len()], value.params.clone());
        content.facts.insert("curves".to_owned(), curves::to_json(&value.curves));
        content
    }

    fn unpack(&self, mut content: Content) -> Result<Found, String> {
        let curves = content.facts.get("curves").and_then(curves::from_json).ok_or("it has no curves")?;
        Ok(Found { params: content.take("trained", &[self.of.n()])?, curves, beside: None })
    }

    fn stand_in(&self) -> Found {
        let (curves, beside) = curves::stand_in(self.steps());
        Found { params: self.of.first(self.recipe.seed), curves, beside: Some(beside) }
    }
}

/// Steps on pairs.
struct OnPairs<'a> {
    arch: &'a Arch,
    engine: Engine<'a, Scribe<'a>>,
    pairs: &'a Pairs,
    reference: &'a Reference,
    loss: &'a dyn PairLoss,
    needs: Needs,
    ids: &'a [&'a str],
    batches: Batches,
    curves: Curves,
    /// What the loss asked to be told in the next step.
    carried: Vec<f64>,
    steps: usize,
    lr: f64,
    work: Work,
}

/// What a step works in.
#[derive(Default)]
struct Work {
    batch: Packed,
    /// Of each token whether its log-probability is asked for.
    counted: Vec<bool>,
    /// The loss's slope by it.
    slopes: Vec<f32>,
}

/// What is known of the pairs of a batch, a number for each.
#[derive(Default)]
struct Columns {
    chosen: Vec<f64>,
    rejected: Vec<f64>,
    reference_chosen: Vec<f64>,
    reference_rejected: Vec<f64>,
    n_chosen: Vec<f64>,
    n_rejected: Vec<f64>,
    preference: Vec<f64>,
    weights: Vec<f64>,
    prompt: Vec<f64>,
    n_prompt: Vec<f64>,
}

impl OnPairs<'_> {
    /// Fills the batch with the sequences of these pairs, the chosen one of each before the rejected one.
    fn lay(&mut self, drawn: &[u32]) {
        let Work { batch, counted, slopes } = &mut self.work;
        clear(batch);
        counted.clear();
        for at in drawn {
            let Some(pair) = self.pairs.all.get(*at as usize) else { continue };
            for sequence in [pair.chosen, pair.rejected] {
                push_row(batch, &self.pairs.packed, sequence);
                let start = self.pairs.start(sequence);
                let n = self.pairs.packed.row(sequence).len();
                counted.extend((0..n).map(|place| place > 0 && (self.needs.prompt || place >= start)));
            }
        }
        slopes.clear();
        slopes.resize(batch.tokens.len(), 0.0);
    }

    /// The columns of the batch from the log-probabilities of its tokens.
    fn columns(&self, drawn: &[u32], logprobs: &[f64]) -> Columns {
        let mut columns = Columns::default();
        for (nth, at) in drawn.iter().enumerate() {
            let Some(pair) = self.pairs.all.get(*at as usize) else { continue };
            let of = |which: usize, sequence: usize| {
                let begin = self.work.batch.offsets.get(2 * nth + which).copied().unwrap_or(0);
                let (start, n) = (self.pairs.start(sequence), self.pairs.packed.row(sequence).len());
                let sum =
                    |from: usize, to: usize| logprobs.get(begin + from..begin + to).unwrap_or_default().iter().sum();
                let (prompt, continuation): (f64, f64) = (sum(0, start), sum(start, n));
                [prompt, start as f64 - 1.0, continuation, (n - start) as f64]
            };
            let [prompt, n_prompt, chosen, n_chosen] = of(0, pair.chosen);
            let [_, _, rejected, n_rejected] = of(1, pair.rejected);
            columns.chosen.push(chosen);
            columns.rejected.push(rejected);
            columns.n_chosen.push(n_chosen);
            columns.n_rejected.push(n_rejected);
            columns.preference.push(pair.preference);
            if self.pairs.is_weighted {
                columns.weights.push(pair.weight);
            }
            if self.needs.prompt {
                columns.prompt.push(prompt);
                columns.n_prompt.push(n_prompt);
            }
            if self.needs.reference {
                columns.reference_chosen.push(self.reference.of_sequence(pair.chosen));
                columns.reference_rejected.push(self.reference.of_sequence(pair.rejected));
            }
        }
        columns
    }

    /// The mean log-ratio of the batch's prompts with another prompt's continuations; NaN where the loss does not ask for it.
    fn kl(&mut self, drawn: &[u32]) -> Result<f64, TrainError> {
        let Some(mismatched) = &self.reference.mismatched else { return Ok(f64::NAN) };
        let Work { batch, counted, .. } = &mut self.work;
        clear(batch);
        counted.clear();
        let mut reference = 0.0;
        for at in drawn {
            let Some(pair) = self.pairs.all.get(*at as usize) else { continue };
            for sequence in [pair.chosen, pair.rejected] {
                push_row(batch, &mismatched.packed, sequence);
                let start = mismatched.start(sequence);
                counted.extend((0..mismatched.packed.row(sequence).len()).map(|place| place >= start));
                reference += mismatched.logprobs.get(sequence).copied().unwrap_or(f64::NAN);
            }
        }
        let found = self.engine.read(self.arch, &self.work.batch, &self.work.counted)?;
        Ok((found.iter().sum::<f64>() - reference) / (2 * drawn.len()) as f64)
    }

    /// Writes the loss's slopes by the pairs' log-probabilities to their tokens.
    fn spread(&mut self, drawn: &[u32], [chosen, rejected, prompt]: [&[f64]; 3]) {
        for (nth, at) in drawn.iter().enumerate() {
            let Some(pair) = self.pairs.all.get(*at as usize) else { continue };
            let slope = |slopes: &[f64]| slopes.get(nth).copied().unwrap_or(0.0) as f32;
            for (which, sequence, slope) in [(0, pair.chosen, slope(chosen)), (1, pair.rejected, slope(rejected))] {
                let begin = self.work.batch.offsets.get(2 * nth + which).copied().unwrap_or(0);
                let (start, n) = (self.pairs.start(sequence), self.pairs.packed.row(sequence).len());
                let mut fill = |from: usize, to: usize, slope: f32| {
                    self.work.slopes.get_mut(begin + from..begin + to).unwrap_or_default().fill(slope);
                };
                fill(start, n, slope);
                if which == 0 && !prompt.is_empty() {
                    fill(1, start, prompt.get(nth).copied().unwrap_or(0.0) as f32);
                }
            }
        }
    }
}

/// Refuses log-probabilities that are not numbers: the training has diverged at `step`, from 0.
fn check_finite(logprobs: &[f64], step: usize, steps: usize, lr: f64) -> Result<(), TrainError> {
    if logprobs.iter().all(|logprob| logprob.is_finite()) {
        return Ok(());
    }
    Err(TrainError::Diverged { step: step + 1, steps, what: "model's output", lr })
}

impl Training for OnPairs<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        self.engine.weights()
    }

    fn skip(&mut self, n_done: usize) -> Result<(), TrainError> {
        (0..n_done).for_each(|_| _ = self.batches.draw());
        Ok(())
    }

    fn gradient(&mut self, step: usize, _random: &mut Random) -> Result<f64, TrainError> {
        let (drawn, epoch) = self.batches.draw();
        let drawn = drawn.to_vec();
        self.engine.prepare()?;
        let kl = self.kl(&drawn)?;
        self.lay(&drawn);
        let logprobs = self.engine.logprobs(self.arch, &self.work.batch, &self.work.counted)?;
        check_finite(&logprobs, step, self.steps, self.lr)?;
        let columns = self.columns(&drawn, &logprobs);
        let rows: Vec<&str> = drawn.iter().filter_map(|at| self.ids.get(self.pairs.row(*at)?).copied()).collect();
        let batch = PairBatch {
            chosen: &columns.chosen,
            rejected: &columns.rejected,
            reference_chosen: &columns.reference_chosen,
            reference_rejected: &columns.reference_rejected,
            n_chosen: &columns.n_chosen,
            n_rejected: &columns.n_rejected,
            preference: &columns.preference,
            weights: &columns.weights,
            prompt: &columns.prompt,
            n_prompt: &columns.n_prompt,
            kl,
            carried: &self.carried,
            rows: &rows,
            step,
            steps: self.steps,
            epoch,
        };
        let found = self.loss.step(&batch)?;
        let n = drawn.len();
        for got in [found.by_chosen.len(), found.by_rejected.len()] {
            if got != n {
                return Err(TrainError::GradientShape { got, expected: n });
            }
        }
        if !found.value.is_finite() {
            // The loop says so; there is no way back from here.
            return Ok(found.value);
        }
        self.curves.note(step + 1, self.work.batch.tokens.len(), &Sums::of(&batch, &found));
        self.carried = found.carry;
        self.spread(&drawn, [&found.by_chosen, &found.by_rejected, &found.by_prompt]);
        let Work { batch, counted, slopes } = &self.work;
        self.engine.backward(self.arch, batch, counted, slopes)?;
        Ok(found.value)
    }

    fn carried(&self) -> Carried {
        Carried { measured: self.curves.held().to_vec(), loss: self.carried.clone(), ..Carried::default() }
    }

    fn take_up(&mut self, carried: Carried) {
        self.carried = carried.loss;
        self.curves.take_up(carried.measured);
    }
}

#[cfg(test)]
mod tests;
