//! The state of work that is under way: `partial/KEY.safetensors`, a content and then the hash of its key and of it.

use super::Key;
use super::content::{Content, Facts, Row, read_hashed, write_hashed};
use super::source::Source;
use crate::store::{Store, StoreError};
use blake3::Hasher;
use std::cell::Cell;
use std::io::Write;
use std::mem::MaybeUninit;

/// Bytes of the hash at the end of the file.
const SUM: u64 = 32;

/// Where long work leaves its state, so that it can go on after it was ended by force.
pub struct Partial {
    place: Option<(Store, Key)>,
    /// What the work took before it was ended, in seconds.
    earlier: Cell<f64>,
    /// Whether a bucket may have a state: another machine left one, or this one sent one.
    is_shared: Cell<bool>,
}

impl Partial {
    /// Nowhere: nothing is kept and nothing found.
    pub fn none() -> Partial {
        Partial { place: None, earlier: Cell::new(0.0), is_shared: Cell::new(false) }
    }

    /// The state of the work called `key`, which somebody may have left a moment ago.
    pub(super) fn of(store: &Store, key: Key, was_left: bool) -> Partial {
        Partial { place: Some((store.clone(), key)), earlier: Cell::new(0.0), is_shared: Cell::new(was_left) }
    }

    /// The work goes on from a state that took so many seconds to reach: they belong to what it takes in all.
    pub fn goes_on_after(&self, seconds: f64) {
        self.earlier.set(seconds);
    }

    /// Seconds before this process took the work up.
    pub(super) fn earlier(&self) -> f64 {
        self.earlier.get()
    }

    /// Whether state can be kept at all.
    pub fn is_kept(&self) -> bool {
        self.place.is_some()
    }

    /// The last state that was left; why not, with the file's name, where it cannot be read whole.
    pub fn read(&self) -> Result<Option<Content>, String> {
        let Some((store, key)) = &self.place else { return Ok(None) };
        let named = |why: String| format!("`{}` of the store is damaged: {why}", partial_file(*key));
        let brought = store.bring_partial(*key, self.is_shared.get()).map_err(|error| error.to_string())?;
        self.is_shared.set(brought || self.is_shared.get());
        store.read_partial(*key).map_err(named)
    }

    /// Leaves a state, in place of the one before: its facts and named rows of numbers. It is written piece by piece, so
    /// that it takes no second copy in memory.
    pub fn write(&self, facts: &Facts, rows: &[(String, &[f32])]) -> Result<(), StoreError> {
        let Some((store, key)) = &self.place else { return Ok(()) };
        let place = partial_file(*key);
        let path = store.path(&place);
        let fails = |error: &std::io::Error| StoreError::io(&path, error);
        let lengths: Vec<[usize; 1]> = rows.iter().map(|(_, values)| [values.len()]).collect();
        let rows: Vec<Row> =
            rows.iter().zip(&lengths).map(|((name, values), shape)| (name.as_str(), &shape[..], *values)).collect();
        let mut file = store.temporary(&place)?;
        let mut hasher = hasher_of(*key);
        write_hashed(facts, &rows, &mut file, &mut hasher, fails)?;
        file.write_all(hasher.finalize().as_bytes()).map_err(|error| fails(&error))?;
        store.persist_flushed(file, &place)?;
        self.is_shared.set(store.share_partial(*key)? || self.is_shared.get());
        Ok(())
    }

    /// Removes the state: the result is kept.
    pub(super) fn forget(&self) {
        if let Some((store, key)) = &self.place {
            // A state that cannot be removed is found again by `w2s store gc`.
            let _ = std::fs::remove_file(store.path(&partial_file(*key)));
            if self.is_shared.get() {
                store.forget_partial(*key);
            }
        }
    }
}

impl Store {
    /// The state of work under way, checked; `None` where there is none, and why where it is not whole.
    pub(super) fn read_partial(&self, key: Key) -> Result<Option<Content>, String> {
        let file = match std::fs::File::open(self.path(&partial_file(key))) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(crate::core::files::plain(&error)),
        };
        let n_bytes = file.metadata().map_err(|error| crate::core::files::plain(&error))?.len();
        read_from(&file, n_bytes, key).map(Some)
    }
}

/// The state of the work called `key` from its file of `n_bytes` bytes, checked.
pub(super) fn read_from(from: &(impl Source + ?Sized), n_bytes: u64, key: Key) -> Result<Content, String> {
    let n_content = n_bytes.checked_sub(SUM).ok_or("it is too short")?;
    let (content, hash) = read_hashed(from, n_content, key.to_hex().as_bytes())?;
    let mut sum = [MaybeUninit::uninit(); SUM as usize];
    let sum = from.fill(&mut sum, n_content).map_err(|error| crate::core::files::plain(&error))?;
    if hash.as_bytes() != sum {
        return Err("its content does not have the hash at its end".to_owned());
    }
    Ok(content)
}

/// Where the state of the work called `key` is.
pub(super) fn partial_file(key: Key) -> String {
    format!("partial/{}.safetensors", key.to_hex())
}

/// The key is hashed too, so that a state is never taken for that of other work.
fn hasher_of(key: Key) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(key.to_hex().as_bytes());
    hasher
}
