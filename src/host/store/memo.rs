//! Nothing twice: a costly operation is a pure function of values that know their digest, so its result is looked up
//! before it is computed.
//!
//! An operation implements [`Operation`]; [`perform`] answers it. Below the store's folder, `keys/ab/KEY.json` names a
//! result's content and how it was made (its [`Manifest`]); `objects/ab/HASH.safetensors` is the content, named by its
//! blake3 hash and checked whenever it is read; `partial/KEY.safetensors` is the state of work that was interrupted;
//! `locks/KEY` is held by the process that computes. Every file is written under a temporary name, flushed and renamed.

use super::{Store, StoreError};
use crate::host::digest::Digest;
use crate::host::lab::{Event, Found, Interrupted, Lab, Memo};
use crate::host::sweep::Missing;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a process that waits for another one's result looks again: chosen.
const PATIENCE: Duration = Duration::from_millis(25);

/// Results that took fewer seconds are not flushed to the disk before the work goes on: chosen. Whatever a power cut leaves
/// of them is noticed by its hash and computed again.
const WORTH_A_FLUSH: f64 = 1.0;

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
    pub fn key(&self, lab: &Lab) -> Digest {
        Digest::of("memo/key", 1)
            .digest("value", self.digest)
            .text("device", &lab.settings.device)
            .text("kernels", crate::host::tensor::kernel_class())
            .finish()
    }
}

/// A result or a state as the store holds it: named arrays of 32-bit floats, and a few facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Name, shape, values (row-major).
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Small facts besides the arrays.
    pub facts: Facts,
}

impl Content {
    /// Adds an array.
    #[must_use]
    pub fn tensor(mut self, name: &str, shape: &[usize], values: Vec<f32>) -> Content {
        self.tensors.push((name.to_owned(), shape.to_vec(), values));
        self
    }

    /// Takes the array called `name` out; it must have `shape`.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let found = self.tensors.iter_mut().find(|(held, ..)| held == name);
        let (_, held, values) = found.ok_or_else(|| format!("it has no array `{name}`"))?;
        if held != shape {
            return Err(format!("`{name}` has the shape {held:?}, expected {shape:?}"));
        }
        Ok(std::mem::take(values))
    }

    /// As one safetensors file, the facts as JSON text in its header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let broken = |why: String| StoreError::Content { what: "it".to_owned(), reason: why };
        let bytes: Vec<Vec<u8>> = self
            .tensors
            .iter()
            .map(|(.., values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for ((name, shape, _), bytes) in self.tensors.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|error| broken(error.to_string()))?;
            views.push((name.as_str(), view));
        }
        let facts = serde_json::to_string(&self.facts).map_err(|error| broken(error.to_string()))?;
        let header = HashMap::from([("w2s".to_owned(), facts)]);
        safetensors::serialize(views, Some(header)).map_err(|error| broken(error.to_string()))
    }

    /// What [`Content::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Content, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let facts = header.metadata().as_ref().and_then(|held| held.get("w2s")).map_or("{}", String::as_str);
        let facts = serde_json::from_str(facts).map_err(|error| error.to_string())?;
        let read = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let mut tensors = Vec::with_capacity(read.len());
        for (name, view) in read.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(format!("`{name}` does not hold 32-bit floats"));
            }
            let values = view.data().chunks_exact(4);
            let values = values.filter_map(|four| four.try_into().ok().map(f32::from_le_bytes)).collect();
            tensors.push((name.to_owned(), view.shape().to_vec(), values));
        }
        Ok(Content { tensors, facts })
    }
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
    fn compute(&self, lab: &Lab, partial: &Partial) -> Result<Done<Self::Value>, Self::Error>;

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
pub fn perform<O: Operation>(operation: &O, lab: &Lab) -> Result<O::Value, O::Error> {
    let step = operation.step();
    let key = step.key(lab);
    let tell = |found: Found, seconds: f64, curve: Vec<(u64, f64)>| {
        lab.tell(Event::Operation {
            name: step.operation.to_owned(),
            what: step.what.clone(),
            digest: step.digest.to_hex(),
            key: key.to_hex(),
            inputs: step.inputs.iter().map(|(name, digest)| ((*name).to_owned(), digest.to_hex())).collect(),
            options: step.options.clone(),
            work: step.work,
            found,
            seconds,
            curve,
        });
    };
    let compute = |partial: &Partial| -> Result<(Done<O::Value>, f64), O::Error> {
        let started = Instant::now();
        let done = operation.compute(lab, partial)?;
        Ok((done, started.elapsed().as_secs_f64()))
    };
    let plain = lab.settings.memo == Memo::Off || step.untraceable.is_some();
    if let Some(why) = step.untraceable.as_ref().filter(|_| lab.settings.memo != Memo::Off) {
        lab.warn(format!("`{}` of {} is not looked up or kept: {why}", step.operation, step.what));
    }
    if plain && lab.settings.memo != Memo::Plan {
        if lab.sweep.refuses(Missing::Untraceable) {
            return Err(Interrupted.into());
        }
        let (done, seconds) = compute(&Partial::none())?;
        tell(Found::Computed, seconds, done.curve);
        return Ok(done.value);
    }
    let store = Store::of(lab);
    let stored = || -> Result<Option<O::Value>, O::Error> {
        let started = Instant::now();
        let Some((manifest, content)) = store.look_up(key, lab)? else { return Ok(None) };
        match operation.unpack(content) {
            Ok(value) => {
                let took = started.elapsed().as_secs_f64();
                match lab.sweep.take_computed(&key.to_hex()) {
                    Some(seconds) => tell(Found::Worker { seconds }, took + seconds, manifest.curve),
                    None => tell(Found::Stored { seconds: manifest.seconds }, took, manifest.curve),
                }
                Ok(Some(value))
            }
            Err(why) => {
                lab.warn(format!("the stored result `{}` does not fit and is computed again: {why}", key.short()));
                Ok(None)
            }
        }
    };
    if !plain && let Some(value) = stored()? {
        return Ok(value);
    }
    if lab.settings.memo == Memo::Plan {
        tell(Found::Planned, 0.0, Vec::new());
        return Ok(operation.stand_in());
    }
    if lab.sweep.refuses(Missing::Result { work: step.work }) {
        return Err(Interrupted.into());
    }
    let _lock = store.lock(key, lab)?;
    // Another process may have computed it while this one waited.
    if let Some(value) = stored()? {
        return Ok(value);
    }
    let partial = Partial { store: Some(store.clone()), key };
    let (done, seconds) = compute(&partial)?;
    let manifest = Manifest {
        operation: step.operation.to_owned(),
        what: step.what.clone(),
        digest: step.digest.to_hex(),
        inputs: step.inputs.iter().map(|(name, digest)| ((*name).to_owned(), digest.to_hex())).collect(),
        options: step.options.clone(),
        content: String::new(),
        bytes: 0,
        work: step.work,
        seconds,
        curve: done.curve.clone(),
        kernels: crate::host::tensor::kernel_class().to_owned(),
        device: lab.settings.device.clone(),
        program: concat!("w2s ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    store.keep_result(key, manifest, &operation.pack(&done.value))?;
    partial.forget();
    tell(Found::Computed, seconds, done.curve);
    Ok(done.value)
}

/// Small facts beside arrays.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// Numbers that are turned into bytes at once: chosen.
const PIECE: usize = 1 << 14;

/// The header of a safetensors file that holds these rows one after the other.
fn header(facts: &Facts, rows: &[(String, &[f32])]) -> String {
    let mut header = Facts::new();
    let text = serde_json::Value::Object(facts.clone()).to_string();
    header.insert("__metadata__".to_owned(), serde_json::json!({ "w2s": text }));
    let mut at = 0;
    for (name, values) in rows {
        let end = at + 4 * values.len();
        let entry = serde_json::json!({ "dtype": "F32", "shape": [values.len()], "data_offsets": [at, end] });
        header.insert(name.clone(), entry);
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string();
    // Data begin at a multiple of eight.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    header
}

/// Where long work leaves its state, so that it can go on after it was ended by force.
pub struct Partial {
    store: Option<Store>,
    key: Digest,
}

impl Partial {
    /// Nowhere: nothing is kept and nothing found.
    pub fn none() -> Partial {
        Partial { store: None, key: Digest::of_bytes(b"") }
    }

    /// Whether state can be kept at all.
    pub fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    fn file(&self) -> String {
        format!("partial/{}.safetensors", self.key.to_hex())
    }

    /// The last state that was left; why not, where it cannot be read whole.
    pub fn read(&self) -> Result<Option<Content>, String> {
        let Some(store) = &self.store else { return Ok(None) };
        let bytes = match std::fs::read(store.path(&self.file())) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(crate::host::lab::plain(&error)),
        };
        let (sum, rest) = bytes.split_first_chunk::<32>().ok_or("it ends early")?;
        if blake3::hash(rest).as_bytes() != sum {
            return Err("its content does not have the hash that it begins with".to_owned());
        }
        Content::from_bytes(rest).map(Some)
    }

    /// Leaves a state, in place of the one before: its facts and named rows of numbers. It is written piece by piece, so
    /// that it takes no second copy in memory.
    pub fn write(&self, facts: &Facts, rows: &[(String, &[f32])]) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let relative = self.file();
        let failed = |error: std::io::Error| StoreError::io(&store.path(&relative), &error);
        let mut file = store.temporary(&relative)?;
        let mut hasher = blake3::Hasher::new();
        file.write_all(&[0; 32]).map_err(failed)?;
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            file.write_all(bytes)
        };
        let header = header(facts, rows);
        put(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
        put(header.as_bytes()).map_err(failed)?;
        let mut piece = Vec::with_capacity(4 * PIECE);
        for values in rows.iter().flat_map(|(_, values)| values.chunks(PIECE)) {
            piece.clear();
            piece.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            put(&piece).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.write_all(hasher.finalize().as_bytes()).map_err(failed)?;
        store.keep(file, &relative)
    }

    /// Removes the state: the result is kept.
    pub fn forget(&self) {
        if let Some(store) = &self.store {
            let _ = std::fs::remove_file(store.path(&self.file()));
        }
    }
}

impl Store {
    fn key_file(key: Digest) -> String {
        let hex = key.to_hex();
        format!("keys/{}/{hex}.json", hex.get(..2).unwrap_or_default())
    }

    fn object_file(content: &str) -> String {
        format!("objects/{}/{content}.safetensors", content.get(..2).unwrap_or_default())
    }

    /// The manifest and content of a key, checked; `None` where there is none. A damaged one is named and left out.
    fn look_up(&self, key: Digest, lab: &Lab) -> Result<Option<(Manifest, Content)>, StoreError> {
        let read = |file: &str| match std::fs::read(self.path(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&self.path(file), &error)),
        };
        let damaged = |file: &str, why: &str| {
            lab.warn(format!("`{file}` of the store is damaged and what it held is computed again: {why}"));
            Ok(None)
        };
        let key_file = Self::key_file(key);
        let Some(text) = read(&key_file)? else { return Ok(None) };
        let manifest = match Self::manifest(&text) {
            Ok(manifest) => manifest,
            Err(why) => return damaged(&key_file, &why),
        };
        let object = Self::object_file(&manifest.content);
        let Some(bytes) = read(&object)? else { return damaged(&object, "it is missing") };
        if blake3::hash(&bytes).to_hex().as_str() != manifest.content {
            return damaged(&object, "its content does not have the hash that it is named by");
        }
        match Content::from_bytes(&bytes) {
            Ok(content) => Ok(Some((manifest, content))),
            Err(why) => damaged(&object, &why),
        }
    }

    /// A manifest from its file: the hash of the rest on the first line, then JSON.
    fn manifest(text: &[u8]) -> Result<Manifest, String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let (sum, rest) = text.split_once('\n').ok_or("it has no first line")?;
        if blake3::hash(rest.as_bytes()).to_hex().as_str() != sum {
            return Err("its text does not have the hash on its first line".to_owned());
        }
        serde_json::from_str(rest).map_err(|error| error.to_string())
    }

    /// Keeps a result: the content first, so that a manifest never names what is not there.
    fn keep_result(&self, key: Digest, mut manifest: Manifest, content: &Content) -> Result<(), StoreError> {
        let bytes = content.to_bytes()?;
        manifest.content = blake3::hash(&bytes).to_hex().to_string();
        manifest.bytes = bytes.len() as u64;
        let object = Self::object_file(&manifest.content);
        // Flushing costs some 10 ms a file: not worth it for what is computed again in less than that many times over.
        let write = if manifest.seconds < WORTH_A_FLUSH { Store::write_soon } else { Store::write };
        write(self, &object, &bytes)?;
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| StoreError::Content { what: object, reason: error.to_string() })?;
        let sum = blake3::hash(text.as_bytes()).to_hex();
        write(self, &Self::key_file(key), format!("{sum}\n{text}").as_bytes())
    }

    /// Waits until this process alone may compute the key. The lock ends when it is dropped or the process dies.
    fn lock(&self, key: Digest, lab: &Lab) -> Result<std::fs::File, StoreError> {
        let path: PathBuf = self.path(&format!("locks/{}", key.to_hex()));
        let folder = path.parent().unwrap_or(self.root());
        std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
        let made = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = made.map_err(|error| StoreError::io(&path, &error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) => {
                    lab.interrupt.check()?;
                    std::thread::sleep(PATIENCE);
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(StoreError::io(&path, &error)),
            }
        }
    }
}
