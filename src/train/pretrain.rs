//! Language-model pretraining of a causal trunk on a generated world's documents.
//!
//! Every step draws fresh documents, one a row, each from its start; there is no epoch. The documents, the first
//! parameters and so the whole run follow from the seed.

use super::TrainError;
use super::device::{Speaker, loss_of};
use super::options::{Limits, declare};
use super::schedule::rise_and_fall;
use super::training::{Course, Training};
use super::weights::{OnHost, Weights};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::domains::world::World;
use crate::kernels::optim::AdamWOptions;
use crate::models::arch::Arch;
use crate::models::candle;
use crate::models::trunk::{Packed, Tape, TrunkError, check_lm, lm_loss, lm_step};
use crate::models::{Blueprint, Encoder, Model, ModelError, initial};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};

/// The most steps, documents a step and tokens a document: arbitrary, weeks of work on a machine of today.
const MAX_STEPS: usize = 100_000_000;
const MAX_DOCUMENTS: usize = 65_536;
const MAX_TOKENS: usize = 65_536;
/// Documents between two looks at the interrupt while a loss is measured: arbitrary, some milliseconds of work.
const DOCUMENTS_PER_BATCH: usize = 64;

/// The options of a pretraining, for a macro that makes something of them. All defaults were set by hand on the default
/// world.
macro_rules! pretrain_options {
    ($make:path) => {
        $make! {
            /// How to pretrain. Adam with bias correction and no weight decay; the learning rate rises linearly and falls along a
            /// cosine to a twentieth.
            PretrainOptions {
                /// Optimiser steps.
                steps: usize = 4000, [1..=MAX_STEPS], Always;
                /// Documents a step.
                batch: usize = 48, [1..=MAX_DOCUMENTS], Always;
                /// Tokens of a document, from its start; the rest is cut.
                tokens: usize = 64, [2..=MAX_TOKENS], Always;
                /// The highest learning rate.
                lr: f64 = 1e-2, [0.0..=1e3], Always;
                /// Adam's decay rates.
                betas: [f64; 2] = [0.9, 0.98], [0.0..=0.9999], Always;
                /// Share of the steps over which the learning rate rises.
                warm_up: f64 = 0.02, [0.0..=1.0], Always;
                /// Gradients of a larger norm are scaled down to this.
                clip: f64 = 1.0, [1e-9..=1e9], Always;
                /// Chooses the first parameters and the documents; left out, the session's.
                seed: u64 = 0, [], Always;
                /// Steps after which a model is kept besides the last.
                checkpoints: Vec<usize> = vec![], [], Settled;
            }
        }
    };
}
pub(crate) use pretrain_options;

pretrain_options!(declare);

/// Pretrains a trunk on the world's documents: a model for each checkpoint in rising order, the last step's last.
pub fn pretrain(
    ctx: &Context,
    name: &str,
    made: impl Into<Blueprint>,
    world: &World,
    options: &PretrainOptions,
) -> Result<Vec<Model>, TrainError> {
    let arch = made.into().arch(world.vocabulary().len());
    arch.check()?;
    if !arch.is_causal() {
        return Err(TrunkError::NotCausal.into());
    }
    options.check()?;
    if let Some(step) = options.checkpoints.iter().find(|step| **step == 0 || **step > options.steps) {
        return Err(TrainError::Checkpoint { step: *step, steps: options.steps });
    }
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
        let made = Model::new(name, arch.clone(), params, encoder.clone(), digest, lineage)?;
        let read = (*step as u64).saturating_mul(options.batch as u64).saturating_mul(options.tokens as u64);
        Ok(made.with(|made| made.pretrained_tokens = Some(read)))
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
) -> Result<f64, TrainError> {
    Limits::from(1..=MAX_DOCUMENTS).check("n_documents", &n_documents)?;
    if model.inner.encoder.digest() != Digest::of_bytes(world.vocabulary().json().as_bytes()) {
        return Err(TrainError::OtherWords { model: model.inner.name.clone() });
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
    type Error = TrainError;

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

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<f64>, TrainError> {
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
}

/// What is pretrained, on the own kernels or on a device.
enum Engine<'a> {
    Own { weights: OnHost, tape: Box<Tape> },
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

/// Steps on fresh documents.
struct OnDocuments<'a> {
    work: &'a Pretraining<'a>,
    engine: Engine<'a>,
}

impl Training for OnDocuments<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        self.engine.weights()
    }

    fn gradient(&mut self, step: usize, random: &mut Random) -> Result<f64, TrainError> {
        let &Pretraining { arch, world, options, .. } = self.work;
        let batch = world.windows(random, options.batch, options.tokens);
        if step == 0 {
            check_lm(arch, &self.engine.weights().params()?, &batch)?;
        }
        Ok(self.engine.gradients(arch, &batch)?)
    }
}

/// The value is the parameters after each of the steps that are kept.
impl Operation for Pretraining<'_> {
    type Value = Vec<Vec<f32>>;
    type Error = TrainError;

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

    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Vec<Vec<f32>>>, TrainError> {
        let &Pretraining { name, arch, options, kept_at, .. } = self;
        let params = initial(arch, &mut Random::new(options.seed, "pretrain/parameters"));
        let [beta1, beta2] = options.betas;
        let adam = AdamWOptions { beta1, beta2, ..AdamWOptions::default() };
        let engine = match candle::device(&ctx.settings.device)? {
            None => Engine::Own { weights: OnHost::new(params, adam, Vec::new()), tape: Box::default() },
            Some(on) => Engine::Device(Speaker::new(arch, &params, adam, &on, &ctx.interrupt)?),
        };
        let course = Course {
            what: format!("pretrain {name}"),
            of: self.digest(),
            steps: options.steps,
            lr: options.lr,
            lr_at: &|step| {
                let [rise, fall] = rise_and_fall(step, options.steps, options.warm_up);
                options.lr * rise * fall
            },
            clip: options.clip,
            ema: 0.0,
            kept_at,
            watches: &[],
            ctx,
            partial,
        };
        let random = Random::new(options.seed, "pretrain/documents");
        let ran = course.run(&mut OnDocuments { work: self, engine }, random)?;
        Ok(Done { value: ran.kept, curve: ran.curve })
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

fn derivation_of(arch: &Arch, world: &World, options: &PretrainOptions, step: usize) -> Digest {
    let made = Digest::of("pretrain", 1).digest("world", world.digest()).text("architecture", &format!("{arch:?}"));
    options.add_to(made).int("step", step as i64).finish()
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::testing::{curves_and_warnings, first_done, heard, lab_in, on, state_file, stop_at};
    use super::*;
    use crate::core::explain::Explain;
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
    fn every_option_is_in_the_derivation() {
        let (world, plain) = (world(), few(8));
        let made = |options: &PretrainOptions| {
            let kept_at: Vec<usize> = options.checkpoints.iter().copied().chain([options.steps]).collect();
            let arch = Blueprint::from(TINY).arch(world.vocabulary().len());
            Pretraining { name: "tiny", arch: &arch, world: &world, options, kept_at: &kept_at }.digest()
        };
        let variants = plain.variants();
        assert_eq!(variants.len(), 9);
        for (name, _, changed) in variants {
            assert_ne!(made(&changed), made(&plain), "`{name}`");
        }
    }

    #[test]
    fn what_cannot_be_pretrained_is_refused_and_ctrl_c_stops() {
        let (ctx, world) = (Context::for_tests(), world());
        let fails = |size: Size, options: PretrainOptions| {
            pretrain(&ctx, "tiny", size, &world, &options).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(fails(TINY, few(0)).contains("`steps` must be from 1 to"));
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
