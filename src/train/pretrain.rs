//! Language-model pretraining of a causal trunk on a generated world's documents.
//!
//! Every step draws fresh documents, one a row, each from its start; there is no epoch. The documents, the first
//! parameters and so the whole run follow from the seed.

use super::checkpoint::{Checkpoints, Curve, State};
use super::device::{Speaker, loss_of};
use super::predict::Bar;
use super::weights::{OnHost, Weights};
use crate::core::context::{Context, Interrupted};
use crate::core::digest::Digest;
use crate::core::explain::Explain;
use crate::core::math::cos;
use crate::core::random::Random;
use crate::domains::world::World;
use crate::kernels::optim::AdamWOptions;
use crate::models::arch::Arch;
use crate::models::candle;
use crate::models::trunk::{Packed, Tape, TrunkError, check_lm, lm_loss, lm_step};
use crate::models::{Blueprint, Encoder, Model, ModelError, initial};
use crate::store::StoreError;
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use std::f64::consts::PI;

/// How to pretrain. Adam with bias correction and no weight decay; the learning rate rises linearly and falls along a
/// cosine to a twentieth.
#[derive(Debug, Clone, PartialEq)]
pub struct PretrainOptions {
    /// Optimiser steps.
    pub steps: usize,
    /// Documents a step.
    pub batch: usize,
    /// Tokens of a document, from its start; the rest is cut.
    pub tokens: usize,
    /// The highest learning rate.
    pub lr: f64,
    /// Adam's decay rates.
    pub betas: [f64; 2],
    /// Share of the steps over which the learning rate rises.
    pub warm_up: f64,
    /// Gradients of a larger norm are scaled down to this.
    pub clip: f64,
    /// Chooses the first parameters and the documents.
    pub seed: u64,
    /// After which steps a model is kept besides the last.
    pub checkpoints: Vec<usize>,
}

/// All values chosen, on the default world.
impl Default for PretrainOptions {
    fn default() -> Self {
        PretrainOptions {
            steps: 4000,
            batch: 48,
            tokens: 64,
            lr: 1e-2,
            betas: [0.9, 0.98],
            warm_up: 0.02,
            clip: 1.0,
            seed: 0,
            checkpoints: Vec::new(),
        }
    }
}

/// What can be wrong with a pretraining run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PretrainError {
    #[error("`{name}` must be from `{least}` to `{most}`, got `{value}`")]
    Count { name: &'static str, value: usize, least: usize, most: usize },
    #[error("`{name}` must be from `{least}` to `{most}`, got `{value}`")]
    Real { name: &'static str, value: f64, least: f64, most: f64 },
    #[error("the checkpoint `{step}` is not among the steps `1` to `{steps}`")]
    Checkpoint { step: usize, steps: usize },
    #[error("the loss was not a number at step {step}")]
    NotFinite { step: usize },
    #[error("the model `{model}` reads another vocabulary than this world's")]
    OtherWords { model: String },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Trunk(#[from] TrunkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for PretrainError {
    fn from(_: Interrupted) -> Self {
        PretrainError::Interrupted
    }
}

impl Explain for PretrainError {
    fn code(&self) -> &'static str {
        match self {
            PretrainError::Count { .. } => "pretrain/count",
            PretrainError::Real { .. } => "pretrain/number",
            PretrainError::Checkpoint { .. } => "pretrain/checkpoint",
            PretrainError::NotFinite { .. } => "pretrain/not-finite",
            PretrainError::OtherWords { .. } => "pretrain/other-words",
            PretrainError::Model(error) => error.code(),
            PretrainError::Trunk(error) => error.code(),
            PretrainError::Store(error) => error.code(),
            PretrainError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            PretrainError::NotFinite { .. } => Some("lower `lr`".to_owned()),
            PretrainError::Model(error) => error.hint(),
            PretrainError::Trunk(error) => error.hint(),
            PretrainError::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            PretrainError::Interrupted => true,
            PretrainError::Model(error) => error.is_interruption(),
            PretrainError::Store(error) => error.is_interruption(),
            _ => false,
        }
    }
}

/// Steps between two progress events: chosen, a tenth of a second at width 48.
const STEPS_PER_EVENT: usize = 10;
/// The learning rate falls to this share of its height: chosen.
const LOWEST: f64 = 0.05;
/// The most steps, documents a step and tokens a document: chosen, weeks of work on a machine of today.
const MOST: [usize; 3] = [100_000_000, 65_536, 65_536];
/// Documents between two looks at the interrupt while a loss is measured: chosen, some milliseconds of work.
const DOCUMENTS_PER_BATCH: usize = 64;

/// Pretrains a trunk on the world's documents: a model for each checkpoint in rising order, the last step's last.
pub fn pretrain(
    ctx: &Context,
    name: &str,
    made: impl Into<Blueprint>,
    world: &World,
    options: &PretrainOptions,
) -> Result<Vec<Model>, PretrainError> {
    let arch = made.into().arch(world.vocabulary().len());
    arch.check()?;
    if !arch.is_causal() {
        return Err(TrunkError::NotCausal.into());
    }
    check(options)?;
    let mut kept_at = options.checkpoints.clone();
    kept_at.push(options.steps);
    kept_at.sort_unstable();
    kept_at.dedup();
    let work = Pretraining { name, arch: &arch, world, options, kept_at: &kept_at };
    let found = perform(&work, ctx)?;
    let encoder = Encoder::from_json(world.vocabulary().json().as_bytes())?;
    let model = |(step, params): (&usize, Vec<f32>)| {
        let digest = derivation_of(&arch, world, options, *step);
        let lineage = format!("pretrained for {step} steps of {} with seed {}", options.steps, options.seed);
        Ok(Model::new(name, arch.clone(), params, encoder.clone(), digest, lineage)?)
    };
    kept_at.iter().zip(found).map(model).collect()
}

/// The digest of the model that [`pretrain`] makes at `step`, without making it.
pub fn derivation(made: impl Into<Blueprint>, world: &World, options: &PretrainOptions, step: usize) -> Digest {
    derivation_of(&made.into().arch(world.vocabulary().len()), world, options, step)
}

/// The mean next-token loss, in nats, on `n_documents` fresh documents of the stream that belongs to `seed`.
pub fn language_loss(
    ctx: &Context,
    model: &Model,
    world: &World,
    n_documents: usize,
    seed: u64,
) -> Result<f64, PretrainError> {
    if n_documents == 0 || n_documents > MOST[1] {
        return Err(PretrainError::Count { name: "n_documents", value: n_documents, least: 1, most: MOST[1] });
    }
    if model.inner.encoder.digest() != Digest::of_bytes(world.vocabulary().json().as_bytes()) {
        return Err(PretrainError::OtherWords { model: model.inner.name.clone() });
    }
    perform(&LanguageLoss { model, world, n_documents, seed }, ctx)
}

/// A loss on fresh documents before it is measured.
struct LanguageLoss<'a> {
    model: &'a Model,
    world: &'a World,
    n_documents: usize,
    seed: u64,
}

impl Operation for LanguageLoss<'_> {
    type Value = f64;
    type Error = PretrainError;

    fn step(&self) -> Step {
        let (model, world) = (self.model.inner.digest, self.world.digest());
        let tokens = self.n_documents as f64 * self.model.inner.arch.context() as f64;
        Step {
            operation: "world::loss",
            what: format!("{} on {} documents", self.model.inner.name, self.n_documents),
            digest: Digest::of("world/loss", 1)
                .digest("model", model)
                .digest("world", world)
                .int("n_documents", self.n_documents as i64)
                .int("seed", self.seed as i64)
                .finish(),
            inputs: vec![("model", model), ("world", world)],
            options: format!("n_documents {}, seed {}", self.n_documents, self.seed),
            work: 2.0 * self.model.n_params() as f64 * tokens,
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<f64>, PretrainError> {
        let inner = &self.model.inner;
        let mut random = Random::new(self.seed, "pretrain/held-out");
        let (arch, params) = (&inner.arch, &inner.params.values);
        let trunk = match candle::device(&ctx.settings.device)? {
            None => None,
            Some(on) => Some(candle::Trunk::new(arch, candle::tensors(arch, params, &on).map_err(ModelError::from)?)),
        };
        let mut tape = Tape::new();
        let (mut sum, mut n_predicted) = (0.0, 0_usize);
        let mut left = self.n_documents;
        while left > 0 {
            ctx.interrupt.check()?;
            let n_rows = left.min(DOCUMENTS_PER_BATCH);
            let batch = self.world.windows(&mut random, n_rows, inner.arch.context());
            check_lm(arch, params, &batch)?;
            let n = batch.tokens.len() - batch.n_rows();
            let loss = match &trunk {
                None => lm_loss(arch, params, &batch, &mut tape),
                Some(trunk) => loss_of(trunk, &batch, &ctx.interrupt)?,
            };
            sum += n as f64 * loss;
            n_predicted += n;
            left -= n_rows;
        }
        Ok(Done { value: sum / n_predicted as f64, curve: Vec::new() })
    }

    /// By its bits: JSON may round a number.
    fn pack(&self, value: &f64) -> Content {
        let mut content = Content::default();
        content.facts.insert("bits".to_owned(), value.to_bits().into());
        content
    }

    fn unpack(&self, content: Content) -> Result<f64, String> {
        let bits = content.facts.get("bits").and_then(serde_json::Value::as_u64);
        bits.map(f64::from_bits).ok_or_else(|| "it has no `bits`".to_owned())
    }

    fn stand_in(&self) -> f64 {
        1.0 + Random::new(0, &self.step().digest.to_hex()).uniform()
    }
}

/// A pretraining before it is computed.
struct Pretraining<'a> {
    name: &'a str,
    arch: &'a Arch,
    world: &'a World,
    options: &'a PretrainOptions,
    /// After which steps the parameters are kept, in rising order, the last step among them.
    kept_at: &'a [usize],
}

impl Pretraining<'_> {
    /// The digest of all kept models together: the model's own, where it is one.
    fn digest(&self) -> Digest {
        let mut each = self.kept_at.iter().map(|step| derivation_of(self.arch, self.world, self.options, *step));
        match (each.next(), self.kept_at.len()) {
            (Some(only), 1) => only,
            (first, _) => {
                let list = Digest::of("pretrain/models", 1);
                first.into_iter().chain(each).fold(list, |list, model| list.digest("model", model)).finish()
            }
        }
    }

    fn fresh(&self) -> State {
        State {
            step: 0,
            curve: Curve::new(self.options.steps),
            random: Random::new(self.options.seed, "pretrain/documents"),
            kept: Vec::new(),
        }
    }
}

/// What is pretrained, on the own kernels or on a device.
enum Engine<'a> {
    Own { weights: OnHost, tape: Tape },
    Device(Speaker<'a>),
}

impl Engine<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        match self {
            Engine::Own { weights, .. } => weights,
            Engine::Device(speaker) => &mut speaker.leaves,
        }
    }

    /// The batch's loss; its gradients are those that the next step goes along.
    fn gradients(&mut self, arch: &Arch, batch: &Packed) -> Result<f64, ModelError> {
        match self {
            Engine::Own { weights, tape } => Ok(lm_step(arch, &weights.params, batch, tape, &mut weights.grads)),
            Engine::Device(speaker) => speaker.gradients(batch),
        }
    }
}

/// The value is the parameters after each of the steps that are kept.
impl Operation for Pretraining<'_> {
    type Value = Vec<Vec<f32>>;
    type Error = PretrainError;

    fn step(&self) -> Step {
        let options = self.options;
        let n_tokens = options.steps as f64 * options.batch as f64 * options.tokens as f64;
        Step {
            operation: "pretrain",
            what: format!("{} for {} steps", self.name, options.steps),
            digest: self.digest(),
            inputs: vec![("world", self.world.digest())],
            options: format!("{:?}, {options:?}", self.arch),
            // Forward, and twice that backward, each two for a parameter and a token.
            work: 6.0 * self.arch.layout().n_params as f64 * n_tokens,
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Vec<Vec<f32>>>, PretrainError> {
        let &Pretraining { name, arch, world, options, kept_at } = self;
        let bar = Bar::start(ctx, format!("pretrain {name}"), options.steps as u64);
        let mut checkpoints = Checkpoints::new(ctx, partial, self.digest(), options.steps, kept_at);
        let params = initial(arch, &mut Random::new(options.seed, "pretrain/parameters"));
        let [beta1, beta2] = options.betas;
        let adam = AdamWOptions { beta1, beta2, ..AdamWOptions::default() };
        let mut engine = match candle::device(&ctx.settings.device)? {
            None => Engine::Own { weights: OnHost::new(params, adam, Vec::new()), tape: Tape::new() },
            Some(on) => Engine::Device(Speaker::new(arch, &params, adam, &on, &ctx.interrupt)?),
        };
        let mut state = checkpoints.take_up(self.fresh(), engine.weights())?;
        while state.step < options.steps {
            checkpoints.heed(&state, engine.weights())?;
            let step = state.step + 1;
            let drawn_from = state.random.position();
            let batch = world.windows(&mut state.random, options.batch, options.tokens);
            if step == 1 {
                check_lm(arch, &engine.weights().params()?, &batch)?;
            }
            let found = engine.gradients(arch, &batch);
            if found.as_ref().is_err_and(Explain::is_interruption) {
                // The step was not taken: without its documents the state is whole.
                state.random.seek(drawn_from);
                checkpoints.heed(&state, engine.weights())?;
            }
            let loss = found?;
            let norm = engine.weights().step(rate(options, step), Some(options.clip))?;
            if !loss.is_finite() || !norm.is_finite() {
                return Err(PretrainError::NotFinite { step });
            }
            state.curve.note(step, loss);
            if step.is_multiple_of(STEPS_PER_EVENT) {
                bar.progress(step as u64, || format!("loss {loss:.3}"));
            }
            if kept_at.contains(&step) {
                state.kept.push(engine.weights().params()?.into_owned());
            }
            state.step = step;
        }
        Ok(Done { value: state.kept, curve: state.curve.points() })
    }

    fn pack(&self, value: &Vec<Vec<f32>>) -> Content {
        let models = self.kept_at.iter().zip(value);
        models.fold(Content::default(), |content, (step, params)| {
            content.tensor(&format!("step.{step}"), &[params.len()], params.clone())
        })
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<Vec<f32>>, String> {
        let n = self.arch.layout().n_params;
        self.kept_at.iter().map(|step| content.take(&format!("step.{step}"), &[n])).collect()
    }

    fn stand_in(&self) -> Vec<Vec<f32>> {
        self.kept_at.iter().map(|_| vec![0.0; self.arch.layout().n_params]).collect()
    }
}

fn check(options: &PretrainOptions) -> Result<(), PretrainError> {
    let [steps, batch, tokens] = MOST;
    for (name, value, least, most) in [
        ("steps", options.steps, 1, steps),
        ("batch", options.batch, 1, batch),
        // One token alone predicts nothing.
        ("tokens", options.tokens, 2, tokens),
    ] {
        if value < least || value > most {
            return Err(PretrainError::Count { name, value, least, most });
        }
    }
    for (name, value, least, most) in [
        ("lr", options.lr, 0.0, 1e3),
        ("betas", options.betas[0], 0.0, 0.9999),
        ("betas", options.betas[1], 0.0, 0.9999),
        ("warm_up", options.warm_up, 0.0, 1.0),
        ("clip", options.clip, 1e-9, 1e9),
    ] {
        if !(value >= least && value <= most) {
            return Err(PretrainError::Real { name, value, least, most });
        }
    }
    match options.checkpoints.iter().find(|step| **step == 0 || **step > options.steps) {
        Some(step) => Err(PretrainError::Checkpoint { step: *step, steps: options.steps }),
        None => Ok(()),
    }
}

/// The learning rate at `step`, counted from 1.
fn rate(options: &PretrainOptions, step: usize) -> f64 {
    let done = step as f64 / options.steps as f64;
    let rise = if options.warm_up > 0.0 { (done / options.warm_up).min(1.0) } else { 1.0 };
    let fall = LOWEST + (1.0 - LOWEST) * 0.5 * (1.0 + cos(PI * done));
    options.lr * rise * fall
}

fn derivation_of(arch: &Arch, world: &World, options: &PretrainOptions, step: usize) -> Digest {
    let [beta1, beta2] = options.betas;
    Digest::of("pretrain", 1)
        .digest("world", world.digest())
        .text("architecture", &format!("{arch:?}"))
        .int("steps", options.steps as i64)
        .int("batch", options.batch as i64)
        .int("tokens", options.tokens as i64)
        .float("lr", options.lr)
        .float("beta1", beta1)
        .float("beta2", beta2)
        .float("warm_up", options.warm_up)
        .float("clip", options.clip)
        .int("seed", options.seed as i64)
        .int("step", step as i64)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::testing::{curves_and_warnings, first_done, heard, lab_in, on, state_file, stop_at};
    use super::*;
    use crate::domains::world::WorldOptions;
    use crate::models::{Family, Size};

    const TINY: Size = Size { width: 8, n_layers: 1, n_heads: 2, context: 32 };

    fn world() -> World {
        let options = WorldOptions { n_nouns: 40, n_adjectives: 40, n_verbs: 40, ..WorldOptions::default() };
        World::new(options).expect("a world")
    }

    fn few(steps: usize) -> PretrainOptions {
        PretrainOptions { steps, batch: 8, tokens: 32, lr: 1e-2, ..PretrainOptions::default() }
    }

    #[test]
    fn a_few_steps_lower_the_loss_on_documents_not_seen() {
        let (ctx, world) = (Context::for_tests(), world());
        let options = PretrainOptions { checkpoints: vec![1, 60], ..few(60) };
        for family in [Family::Causal, Family::Llama] {
            let made = Blueprint { family, size: TINY };
            let models = pretrain(&ctx, "tiny", made, &world, &options).expect("pretrains");
            assert_eq!(models.len(), 2, "the last step is kept once");
            assert_eq!(models[1].inner.digest, derivation(made, &world, &options, 60));
            let losses: Vec<f64> =
                models.iter().map(|model| language_loss(&ctx, model, &world, 50, 0).expect("a loss")).collect();
            let uniform = (world.vocabulary().len() as f64).ln();
            assert!((losses[0] - uniform).abs() < 0.3, "{losses:?} at first, {uniform} for a uniform guess");
            assert!(losses[1] < losses[0] - 0.5, "{losses:?}");
        }
        let both_ways = Blueprint { family: Family::Bert, size: TINY };
        assert!(pretrain(&ctx, "tiny", both_ways, &world, &options).is_err(), "it sees what it should predict");
    }

    #[test]
    fn a_loss_is_kept_to_the_bit() {
        let world = world();
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(folder.path());
        let model = pretrain(&ctx, "tiny", TINY, &world, &few(3)).expect("pretrains").remove(0);
        let events = heard(&ctx);
        let losses: Vec<f64> = (0..2).map(|_| language_loss(&ctx, &model, &world, 30, 4).expect("a loss")).collect();
        let computed = language_loss(&Context::for_tests(), &model, &world, 30, 4).expect("a loss");
        assert_eq!(losses, [computed, computed]);
        assert_eq!(curves_and_warnings(&events, "world::loss").0.len(), 2);
    }

    #[test]
    fn the_seed_decides_every_bit() {
        let (ctx, world) = (Context::for_tests(), world());
        let run = |seed| {
            let options = PretrainOptions { seed, ..few(5) };
            pretrain(&ctx, "tiny", TINY, &world, &options).expect("pretrains").remove(0)
        };
        let (one, again, other) = (run(0), run(0), run(1));
        assert_eq!(one.inner.params.values, again.inner.params.values);
        assert_eq!(one.inner.digest, again.inner.digest);
        assert_ne!(one.inner.params.values, other.inner.params.values);
        assert_ne!(one.inner.digest, other.inner.digest);
    }

    #[test]
    fn an_early_checkpoint_is_the_run_as_it_was() {
        let (ctx, world) = (Context::for_tests(), world());
        let kept = |checkpoints| PretrainOptions { checkpoints, ..few(6) };
        let with = pretrain(&ctx, "tiny", TINY, &world, &kept(vec![2, 4])).expect("pretrains");
        let without = pretrain(&ctx, "tiny", TINY, &world, &kept(vec![])).expect("pretrains");
        assert_eq!((with.len(), without.len()), (3, 1));
        assert_eq!(with[2].inner.params.values, without[0].inner.params.values);
        assert_ne!(with[0].inner.params.values, with[1].inner.params.values);
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let options = PretrainOptions { steps: 100, lr: 1.0, warm_up: 0.1, ..PretrainOptions::default() };
        assert!(
            (rate(&options, 5) - 0.5 * rate(&PretrainOptions { warm_up: 0.0, ..options.clone() }, 5)).abs() < 1e-12
        );
        // Half way: 0.05 + 0.95 / 2.
        assert!((rate(&options, 50) - 0.525).abs() < 1e-12);
        assert!((rate(&options, 100) - LOWEST).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_pretrained_is_refused_and_ctrl_c_stops() {
        let (ctx, world) = (Context::for_tests(), world());
        let fails = |size: Size, options: PretrainOptions| {
            pretrain(&ctx, "tiny", size, &world, &options).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(fails(TINY, few(0)).contains("`steps` must be from `1`"));
        assert!(fails(TINY, PretrainOptions { batch: 1 << 30, ..few(1) }).contains("`batch`"));
        assert!(fails(TINY, PretrainOptions { lr: f64::NAN, ..few(1) }).contains("`lr`"));
        assert!(fails(TINY, PretrainOptions { clip: f64::INFINITY, ..few(1) }).contains("`clip`"));
        assert!(fails(TINY, PretrainOptions { checkpoints: vec![9], ..few(5) }).contains("`9`"));
        assert!(fails(TINY, PretrainOptions { tokens: 64, ..few(1) }).contains("reads 32"));
        assert!(fails(Size { width: 0, ..TINY }, few(1)).contains("`width`"));
        ctx.interrupt.raise();
        assert!(pretrain(&ctx, "tiny", TINY, &world, &few(5)).is_err_and(|error| error.is_interruption()));
    }

    #[test]
    fn a_run_that_was_ended_goes_on_to_the_same_bits() {
        let world = world();
        let options = PretrainOptions { checkpoints: vec![5, 25], ..few(40) };
        let bits = |models: &[Model]| -> Vec<Vec<u32>> {
            models.iter().map(|m| m.inner.params.values.iter().map(|v| v.to_bits()).collect()).collect()
        };
        let run = |ctx: &Context, threads| on(threads, || pretrain(ctx, "tiny", TINY, &world, &options));
        let at_once = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(at_once.path());
        let events = heard(&ctx);
        let whole = bits(&run(&ctx, 1).expect("pretrains"));
        let (curve, _) = curves_and_warnings(&events, "pretrain");
        assert_eq!(curve[0].len(), 40);
        assert!(state_file(at_once.path()).is_none(), "what is done needs no state");
        // Ended once, and twice.
        for ends in [vec![10], vec![20], vec![10, 30]] {
            let last = ends.last().copied();
            let folder = tempfile::tempdir().expect("a folder");
            for end in ends {
                let ctx = lab_in(folder.path());
                stop_at(&ctx, end);
                assert!(run(&ctx, 2).is_err_and(|error| error.is_interruption()));
                assert!(state_file(folder.path()).is_some());
            }
            let ctx = lab_in(folder.path());
            let events = heard(&ctx);
            assert_eq!(bits(&run(&ctx, 2).expect("goes on")), whole);
            let (again, warnings) = curves_and_warnings(&events, "pretrain");
            assert_eq!((again, warnings), (curve.clone(), Vec::new()));
            assert!(first_done(&events) > last, "it went on, it did not begin anew");
            assert!(state_file(folder.path()).is_none());
            // And then it is looked up.
            assert_eq!(bits(&run(&ctx, 1).expect("stored")), whole);
        }
    }
}
