//! Leases: files of a bucket that say who works at what. One is made where none is, and renewed while its holder lives; whoever
//! waits takes it over once it was not renewed for its term, by the waiting one's own clock. No two clocks are compared.
//!
//! A holder that was held up for longer than its term loses the lease and does not notice: then two compute the same, which
//! costs time and nothing else, for results of one key are equal.

use super::{MAX_SMALL, host, unique};
use crate::core::context::Interrupt;
use crate::store::StoreError;
use crate::store::backend::{Backend, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often whoever waits for a lease looks at it. Arbitrary.
const LOOK: Duration = Duration::from_millis(500);

/// How often whoever waits sees whether it is to stop.
const POLL: Duration = Duration::from_millis(25);

/// The longest term of another holder that is believed. Arbitrary.
const LONGEST: f64 = 600.0;

/// How often the file of a session is written again though nothing was added to it, so that others see that it lives. Arbitrary.
const SIGN_OF_LIFE: Duration = Duration::from_secs(180);

/// How often this session's file is sent while it grows, at least. Arbitrary.
const SEND_EVERY: Duration = Duration::from_secs(5);

/// The last line of the file of a session that is over.
pub const ENDED: &str = "ended";

/// What a lease's file says.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    machine: String,
    /// For people.
    host: String,
    process: u32,
    /// Tells this writing from every other one.
    turn: String,
    /// Seconds that it holds without being renewed.
    term: f64,
}

/// The leases that this process holds, and the thread that renews them.
pub struct Leases {
    backend: Arc<dyn Backend>,
    machine: String,
    term: Duration,
    state: Mutex<LeaseState>,
}

#[derive(Default)]
struct LeaseState {
    held: BTreeMap<String, Held>,
    run: Option<RunFile>,
    is_kept: bool,
}

struct Held {
    version: Version,
    renewed: Instant,
}

/// The file of this session: its place, its text so far, how much of it was sent, and when.
struct RunFile {
    place: String,
    text: Vec<u8>,
    sent: usize,
    when: Instant,
}

/// A lease that this process holds; let go when it is dropped.
pub struct Lease {
    leases: Arc<Leases>,
    place: String,
    /// Whether another one had held it and not let go.
    pub was_left: bool,
}

impl Leases {
    pub(super) fn new(backend: Arc<dyn Backend>, machine: String, term: Duration) -> Leases {
        Leases { backend, machine, term, state: Mutex::default() }
    }

    /// What tells this machine from others.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// Waits for the lease at `place` and tells `waiting` once. No other process of this machine may ask for it meanwhile:
    /// one that this machine held is then a dead process's.
    pub fn acquire(
        self: &Arc<Self>,
        backend: &dyn Backend,
        place: &str,
        interrupt: &Interrupt,
        waiting: impl FnOnce(),
    ) -> Result<Lease, StoreError> {
        let mut waiting = Some(waiting);
        let mut seen: Option<(Version, Instant)> = None;
        loop {
            if let Some(version) = backend.put_new(place, self.note())? {
                return Ok(self.hold(place, version, false));
            }
            if let Some((bytes, version)) = backend.get(place, MAX_SMALL)? {
                let note: Option<Note> = serde_json::from_slice(&bytes).ok();
                let is_ours = note.as_ref().is_some_and(|note| note.machine == self.machine);
                let term = note.map_or(self.term, |note| {
                    Duration::try_from_secs_f64(note.term.clamp(0.0, LONGEST)).unwrap_or(self.term)
                });
                let since = match &seen {
                    Some((before, since)) if *before == version => since.elapsed(),
                    _ => {
                        seen = Some((version.clone(), Instant::now()));
                        Duration::ZERO
                    }
                };
                if is_ours || since > term {
                    if let Some(version) = backend.put_over(place, self.note(), &version)? {
                        return Ok(self.hold(place, version, true));
                    }
                    continue;
                }
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            let until = Instant::now() + LOOK.min(self.term / 4);
            while Instant::now() < until {
                interrupt.check()?;
                std::thread::sleep(POLL);
            }
        }
    }

    fn note(&self) -> Vec<u8> {
        let term = self.term.as_secs_f64();
        let (machine, process) = (self.machine.clone(), std::process::id());
        let note = Note { machine, host: host(), process, turn: unique(), term };
        serde_json::to_vec(&note).unwrap_or_default()
    }

    fn hold(self: &Arc<Self>, place: &str, version: Version, was_left: bool) -> Lease {
        let mut state = self.state();
        state.held.insert(place.to_owned(), Held { version, renewed: Instant::now() });
        self.keep(&mut state);
        Lease { leases: self.clone(), place: place.to_owned(), was_left }
    }

    /// Sends this session's file now and then from here on: where it is, and how it begins.
    pub fn begin_run(self: &Arc<Self>, place: &str, head: &[u8]) {
        let mut state = self.state();
        state.run = Some(RunFile { place: place.to_owned(), text: head.to_vec(), sent: 0, when: Instant::now() });
        self.keep(&mut state);
    }

    /// Adds to this session's file.
    pub fn note_run(&self, text: &[u8]) {
        if let Some(run) = &mut self.state().run {
            run.text.extend_from_slice(text);
        }
    }

    /// Sends what was not sent of this session's file, and that the session is over.
    pub fn finish(&self) -> Result<(), StoreError> {
        self.note_run(format!("{ENDED}\n").as_bytes());
        self.send_run()
    }

    /// Starts the thread that renews. It ends when nobody has the leases any more.
    fn keep(self: &Arc<Self>, state: &mut LeaseState) {
        if std::mem::replace(&mut state.is_kept, true) {
            return;
        }
        let (weak, tick) = (Arc::downgrade(self), (self.term / 4).min(SEND_EVERY));
        let started = std::thread::Builder::new().name("w2s-leases".to_owned()).spawn(move || renew(&weak, tick));
        // Without a thread a lease ends after its term, and another process may compute the same.
        state.is_kept = started.is_ok();
    }

    /// Renews every lease; one that another took over meanwhile is its own from then on.
    fn renew_all(&self) {
        let places: Vec<(String, Version)> =
            self.state().held.iter().map(|(place, held)| (place.clone(), held.version.clone())).collect();
        for (place, before) in places {
            // Nobody waits for the network meanwhile. A bucket that does not answer now may answer the next time.
            let Ok(renewed) = self.backend.put_over(&place, self.note(), &before) else { continue };
            let mut state = self.state();
            match (state.held.get(&place).map(|held| held.version == before), renewed) {
                (Some(true), Some(version)) => {
                    state.held.insert(place, Held { version, renewed: Instant::now() });
                }
                (Some(true), None) => {
                    state.held.remove(&place);
                }
                // It was let go while it was being written again: nobody holds what was written.
                (None, Some(_)) => {
                    drop(state);
                    let _ = self.backend.delete(&place);
                }
                (Some(false) | None, _) => {}
            }
        }
    }

    fn send_run(&self) -> Result<(), StoreError> {
        let (place, text) = match &self.state().run {
            Some(run) if run.sent < run.text.len() || run.when.elapsed() >= SIGN_OF_LIFE => {
                (run.place.clone(), run.text.clone())
            }
            _ => return Ok(()),
        };
        let n_bytes = text.len();
        self.backend.put(&place, text)?;
        if let Some(run) = self.state().run.as_mut().filter(|run| run.place == place) {
            (run.sent, run.when) = (n_bytes.max(run.sent), Instant::now());
        }
        Ok(())
    }

    /// Lets go. Only a lease that nobody can have taken over is removed.
    fn release(&self, place: &str) {
        let Some(Held { version, renewed }) = self.state().held.remove(place) else { return };
        let is_safe = renewed.elapsed() < self.term / 2;
        if is_safe || matches!(self.backend.put_over(place, self.note(), &version), Ok(Some(_))) {
            // One that cannot be removed ends after its term.
            let _ = self.backend.delete(place);
        }
    }

    fn state(&self) -> MutexGuard<'_, LeaseState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn renew(leases: &Weak<Leases>, tick: Duration) {
    while let Some(held) = leases.upgrade() {
        // What cannot be sent now is sent the next time, or told at the end.
        let _ = held.send_run();
        drop(held);
        // A lease that was just made need not be renewed yet.
        std::thread::sleep(tick);
        if let Some(held) = leases.upgrade() {
            held.renew_all();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.release(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn leases(bucket: &Store, machine: &str, term: Duration) -> Arc<Leases> {
        Arc::new(Leases::new(Arc::new(bucket.clone()), machine.to_owned(), term))
    }

    #[test]
    fn one_machine_holds_a_lease_at_a_time_and_it_is_renewed_while_it_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = Store::at(folder.path());
        let term = Duration::from_millis(200);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for machine in ["a", "b", "c"] {
                let (bucket, inside, most) = (&bucket, &inside, &most);
                scope.spawn(move || {
                    let leases = leases(bucket, machine, term);
                    let lease = leases.acquire(bucket, "locks/x", &Interrupt::default(), || {}).expect("acquired");
                    assert!(!lease.was_left, "it was let go");
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Longer than the term: it lasts because it is renewed.
                    std::thread::sleep(3 * term);
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert_eq!(
            bucket.list("locks").expect("listed").len(),
            1,
            "only the lock of the folder that stands for a bucket"
        );
    }

    #[test]
    fn the_lease_of_a_dead_holder_is_taken_over_after_its_term_and_at_once_on_its_own_machine() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = Store::at(folder.path());
        let term = Duration::from_millis(200);
        let dead = leases(&bucket, "a", term);
        bucket.put("locks/x", dead.note()).expect("written");
        let started = Instant::now();
        let mut told = false;
        let other = leases(&bucket, "b", Duration::from_millis(40));
        let lease = other.acquire(&bucket, "locks/x", &Interrupt::default(), || told = true).expect("acquired");
        assert!(started.elapsed() > term && told && lease.was_left);
        drop(lease);
        assert!(bucket.head("locks/x").expect("read").is_none());
        // Ours, with a term that nobody could wait for.
        bucket.put("locks/x", leases(&bucket, "a", Duration::from_secs(500)).note()).expect("written");
        let again = leases(&bucket, "a", term);
        let lease = again.acquire(&bucket, "locks/x", &Interrupt::default(), || panic!("not waited for"));
        assert!(lease.expect("acquired").was_left);
    }

    #[test]
    fn whoever_waits_can_be_interrupted_and_a_lost_lease_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = Store::at(folder.path());
        let slow = leases(&bucket, "a", Duration::from_secs(100));
        let lease = slow.acquire(&bucket, "locks/x", &Interrupt::default(), || {}).expect("acquired");
        let interrupt = Interrupt::default();
        let other = leases(&bucket, "b", Duration::from_secs(100));
        let error = other.acquire(&bucket, "locks/x", &interrupt, || interrupt.raise()).map(|_| ());
        assert!(matches!(error, Err(StoreError::Interrupted(_))));
        // Another one took it while the holder slept.
        bucket.put("locks/x", other.note()).expect("written");
        slow.state().held.get_mut("locks/x").expect("held").renewed = Instant::now() - Duration::from_secs(60);
        drop(lease);
        assert!(bucket.head("locks/x").expect("read").is_some());
    }

    #[test]
    fn a_session_is_sent_as_it_grows() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = Store::at(folder.path());
        let leases = leases(&bucket, "a", Duration::from_secs(100));
        leases.begin_run("runs/one", b"a\n");
        leases.note_run(b"b\n");
        leases.finish().expect("sent");
        assert_eq!(bucket.get("runs/one", 100).expect("read").expect("there").0, b"a\nb\nended\n");
    }
}
