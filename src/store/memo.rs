//! Nothing twice: a costly operation is a pure function of values that know their digest, so its result is looked up
//! before it is computed.
//!
//! An operation implements [`Operation`]; [`perform`] answers it. Below the store's folder, `keys/ab/KEY.json` names a
//! result's content and how it was made (its [`Manifest`]); `objects/ab/HASH.safetensors` is the content, named by its
//! blake3 hash and checked whenever it is read; `partial/KEY.safetensors` is the state of work that was interrupted;
//! `locks/KEY` is held by the process that computes. Every file is written under a temporary name, flushed and renamed.

mod archive;
mod audit;
mod content;
mod files;
mod gc;
mod lineage;
mod listing;
mod lock;
mod partial;
mod plan;
mod registration;
mod remote;
mod source;

pub use archive::Imported;
pub use audit::{Audit, Damaged};
pub use content::{Content, Facts};
pub use gc::{Collect, Collected};
pub use lineage::Lineage;
pub use listing::Listed;
pub use partial::Partial;
pub use plan::Past;
pub use registration::Registration;

use super::{Store, StoreError, StoreSession};
use crate::core::context::{Context, DryRun, Event, Found, Interrupted, Memo, Missing};
use crate::core::digest::Digest;
use crate::core::operation;
use crate::kernels::class_on;
use files::LookedUp;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What the store looks up: the digest of a derivation and of whatever else decides the bits of its result.
pub type Key = Digest;

/// A costly operation before it is computed: what it is called, what its result will be called, and from what.
#[derive(Debug, Clone)]
pub struct Step {
    /// The operation's name, such as `finetune`.
    pub operation: &'static str,
    /// For people: `world-3 on 800 rows of era`.
    pub what: String,
    /// The digest of the result: its derivation. Portable between machines.
    pub digest: Digest,
    /// The values it is made from, by name: `model`, `data`, `labels`, `loss`.
    pub inputs: Vec<(&'static str, Digest)>,
    /// Every option with its settled value, as text that tells two settings apart.
    pub options: String,
    /// Floating-point operations, estimated: how long it will take is read off from earlier ones.
    pub work: f64,
    /// Why its result must not be looked up, if that is so: something in it has no digest.
    pub untraceable: Option<String>,
}

impl Step {
    /// What the store looks up: the derivation, and whatever else decides the bits. The number of threads is not in it.
    pub fn key(&self, ctx: &Context) -> Key {
        key_of(self.digest, &ctx.settings.device, class_on(&ctx.settings.device))
    }
}

/// The look-up key of a derivation that was computed on a device by a class of kernels.
pub fn key_of(value: Digest, device: &str, kernels: &str) -> Key {
    Digest::of("memo/key", 1).digest("value", value).text("device", device).text("kernels", kernels).finish()
}

/// How a result was made and what it is: a small JSON file named by the look-up key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub operation: String,
    pub what: String,
    /// The derivation, 64 hexadecimal characters.
    pub digest: String,
    pub inputs: Vec<(String, String)>,
    pub options: String,
    /// The blake3 hash of the content: its name among the objects.
    pub content: String,
    pub bytes: u64,
    pub work: f64,
    /// What computing took.
    pub seconds: f64,
    /// The training loss: step (from 1) and value, where there is one.
    pub curve: Vec<(u64, f64)>,
    pub kernels: String,
    pub device: String,
    pub program: String,
    /// Whether it came out of an archive: then nobody here computed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// What an operation's computation gives.
pub struct Done<T> {
    pub value: T,
    /// The training loss: step (from 1) and value, some dozens at most.
    pub curve: Vec<(u64, f64)>,
}

/// A costly operation. Its value must be a pure function of what [`Step::digest`] covers.
pub trait Operation {
    type Value;
    type Error: From<StoreError> + From<Interrupted>;

    /// What it is; cheap, and known before it is computed.
    fn step(&self) -> Step;

    /// Computes the value. Long work leaves its state in `partial` now and then and takes it up again from there.
    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Self::Value>, Self::Error>;

    /// The value as the store holds it.
    fn pack(&self, value: &Self::Value) -> Content;

    /// The value from what the store holds; why not, where it does not fit.
    fn unpack(&self, content: Content) -> Result<Self::Value, String>;

    /// A value of the right shape for a plan, which computes nothing. Its numbers mean nothing and must differ between
    /// steps (draw them from [`Step::digest`]), so that nothing made from them is taken for something made.
    fn stand_in(&self) -> Self::Value;
}

/// The operation's value: from the store if it was ever computed, computed and kept otherwise.
///
/// Among processes that share a store one computes and the others wait; if it dies, another takes over.
pub fn perform<O: Operation>(operation: &O, ctx: &Context) -> Result<O::Value, O::Error> {
    perform_named(operation, ctx).map(|(value, _)| value)
}

/// As [`perform`], with the digest that the value is called by from here on.
pub fn perform_named<O: Operation>(operation: &O, ctx: &Context) -> Result<(O::Value, Digest), O::Error> {
    let step = operation.step();
    let key = step.key(ctx);
    Performance { operation, ctx, step, key }.answer()
}

/// An operation that is being answered.
struct Performance<'a, O> {
    operation: &'a O,
    ctx: &'a Context,
    step: Step,
    key: Key,
}

/// A value and the digest that it is called by.
type Named<O> = Result<(<O as Operation>::Value, Digest), <O as Operation>::Error>;

impl<O: Operation> Performance<'_, O> {
    fn answer(&self) -> Named<O> {
        let (ctx, step) = (self.ctx, &self.step);
        if let Some(why) = step.untraceable.as_ref().filter(|_| ctx.settings.memo == Memo::On) {
            ctx.warn(format!("`{}` of {} is neither looked up nor stored: {why}", step.operation, step.what));
        }
        if ctx.settings.memo == Memo::Off || step.untraceable.is_some() {
            return match ctx.dry_run() {
                Some(DryRun::Plan) => self.stand_in(),
                Some(DryRun::Look) => self.not_computed(Missing::Untraceable),
                None => self.compute_alone(),
            };
        }
        let store = Store::of(ctx);
        if let Some(session) = StoreSession::of(ctx).filter(|_| ctx.dry_run() != Some(DryRun::Plan)) {
            session.registration.note(self.key, &store, ctx);
        }
        if let Some(value) = self.look_up(&store, true)? {
            return Ok((value, step.digest));
        }
        match ctx.dry_run() {
            Some(DryRun::Plan) => self.stand_in(),
            Some(DryRun::Look) => self.not_computed(Missing::Result { work: step.work }),
            None => self.compute_and_keep(&store),
        }
    }

    /// The value that the store has, if it has it whole; `warns` if it does not.
    fn look_up(&self, store: &Store, warns: bool) -> Result<Option<O::Value>, O::Error> {
        let started = Instant::now();
        let found = store.find(self.key);
        store.tell_troubles(self.ctx);
        let (manifest, content) = match found? {
            LookedUp::Whole(manifest, content) => (manifest, content),
            LookedUp::Missing => return Ok(None),
            LookedUp::Damaged(file, why) => {
                if warns {
                    self.ctx.warn(format!("`{file}` of the store is damaged; its content is computed again: {why}"));
                }
                return Ok(None);
            }
        };
        match self.operation.unpack(content) {
            Ok(value) => {
                let found = Found::Stored { seconds: manifest.seconds, imported: manifest.imported };
                self.tell(self.step.digest, found, started.elapsed().as_secs_f64(), manifest.curve);
                Ok(Some(value))
            }
            Err(why) => {
                if warns {
                    let key = self.key.short();
                    self.ctx.warn(format!("the stored result `{key}` does not fit and is computed again: {why}"));
                }
                Ok(None)
            }
        }
    }

    /// Computes a value that is not kept.
    fn compute_alone(&self) -> Named<O> {
        let started = Instant::now();
        let done = self.operation.compute(self.ctx, &Partial::none())?;
        let seconds = started.elapsed().as_secs_f64();
        let name = self.name_of(&done.value)?;
        self.tell(name, Found::Computed, seconds, done.curve);
        Ok((done.value, name))
    }

    /// Computes the value, unless another process does so first, and keeps it.
    fn compute_and_keep(&self, store: &Store) -> Named<O> {
        let (ctx, step) = (self.ctx, &self.step);
        let computing = store.lock(self.key, &format!("{} {}", step.operation, step.what), ctx)?;
        // Another process may have computed it while this one waited.
        if let Some(value) = self.look_up(store, false)? {
            return Ok((value, step.digest));
        }
        let was_left = computing.lease.as_ref().is_some_and(|lease| lease.was_left);
        let partial = Partial::of(store, self.key, was_left);
        let started = Instant::now();
        let computed = self.operation.compute(ctx, &partial);
        let seconds = started.elapsed().as_secs_f64();
        store.tell_troubles(ctx);
        let done = computed?;
        let manifest = self.manifest(seconds + partial.earlier(), done.curve.clone());
        let manifest = store.keep_result(self.key, manifest, &self.operation.pack(&done.value), &ctx.interrupt)?;
        if let Some(session) = StoreSession::of(ctx) {
            session.registration.added();
        }
        let shared = store.share(self.key, &manifest);
        store.tell_troubles(ctx);
        // It is kept here: whoever is to stop does not wait until it is sent, and it is sent when it is used again.
        if !matches!(shared, Err(StoreError::Interrupted(_))) {
            shared?;
        }
        partial.forget();
        self.tell(step.digest, Found::Computed, seconds, done.curve);
        Ok((done.value, step.digest))
    }

    /// A plan's value.
    fn stand_in(&self) -> Named<O> {
        let value = self.operation.stand_in();
        let name = self.name_of(&value)?;
        self.tell(name, Found::Planned, 0.0, Vec::new());
        Ok((value, name))
    }

    /// Ends a look.
    fn not_computed(&self, missing: Missing) -> Named<O> {
        Err(StoreError::from(self.ctx.not_computed(missing)).into())
    }

    /// What a value is called: its derivation; and its content as well, where something in the derivation has no digest, so that
    /// nothing made from it is taken for what was made from another one.
    fn name_of(&self, value: &O::Value) -> Result<Digest, StoreError> {
        let derivation = self.step.digest;
        if self.step.untraceable.is_none() {
            return Ok(derivation);
        }
        let content = self.operation.pack(value).to_bytes()?;
        Ok(Digest::of("untraceable", 1).digest("derivation", derivation).bytes("content", &content).finish())
    }

    /// The manifest of a value that took so many seconds; its content is not known yet.
    fn manifest(&self, seconds: f64, curve: Vec<(u64, f64)>) -> Manifest {
        let (settings, step) = (&self.ctx.settings, &self.step);
        Manifest {
            operation: step.operation.to_owned(),
            what: step.what.clone(),
            digest: step.digest.to_hex(),
            inputs: named(&step.inputs),
            options: step.options.clone(),
            content: String::new(),
            bytes: 0,
            work: step.work,
            seconds,
            curve,
            kernels: class_on(&settings.device).to_owned(),
            device: settings.device.clone(),
            program: concat!("w2s ", env!("CARGO_PKG_VERSION")).to_owned(),
            imported: false,
        }
    }

    fn tell(&self, digest: Digest, found: Found, seconds: f64, curve: Vec<(u64, f64)>) {
        let step = &self.step;
        let operation = operation::Operation {
            name: step.operation.to_owned(),
            what: step.what.clone(),
            digest: digest.to_hex(),
            // What cannot be looked up has no key.
            key: if step.untraceable.is_some() { String::new() } else { self.key.to_hex() },
            inputs: named(&step.inputs),
            options: step.options.clone(),
            seconds,
            curve,
        };
        self.ctx.tell(Event::Operation { operation, work: step.work, found });
    }
}

/// Locks a file until it is dropped.
pub(super) fn alone(path: &std::path::Path) -> Result<std::fs::File, StoreError> {
    lock::hold(path, true, &crate::core::context::Interrupt::default())
}

fn named(inputs: &[(&'static str, Digest)]) -> Vec<(String, String)> {
    inputs.iter().map(|(name, digest)| ((*name).to_owned(), digest.to_hex())).collect()
}

#[cfg(test)]
mod tests;
