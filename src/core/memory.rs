//! How much memory there is and how much a process holds, as far as the system says. And the watch that ends work that
//! takes too much.

use super::context::Interrupt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate};

/// Who says how much memory there is.
pub trait Gauge: Sync {
    /// Bytes that new processes may hold together; `None` where nobody knows.
    fn budget(&self) -> Option<u64>;
    /// Bytes that the process `id` holds now.
    fn held(&self, id: u32) -> Option<u64>;
}

/// The system.
pub struct System;

impl Gauge for System {
    fn budget(&self) -> Option<u64> {
        budget()
    }

    fn held(&self, id: u32) -> Option<u64> {
        held(id)
    }
}

/// Bytes that this process holds in memory; 0 where the system does not say.
pub fn resident() -> u64 {
    held(std::process::id()).unwrap_or(0)
}

/// Bytes of memory that this machine, or the container around us, has; 0 where the system does not say.
pub fn machine() -> u64 {
    let system = with_memory();
    system.cgroup_limits().map_or(system.total_memory(), |limits| limits.total_memory)
}

/// Bytes that new processes may hold together: four fifths (arbitrary) of what is free on the machine and in the container
/// around us. `None` where the system does not say.
fn budget() -> Option<u64> {
    let system = with_memory();
    let machine = Some(system.available_memory()).filter(|free| *free > 0)?;
    let container = system.cgroup_limits().map(|limits| limits.free_memory);
    Some(container.map_or(machine, |free| free.min(machine)) / 5 * 4)
}

fn with_memory() -> sysinfo::System {
    let mut system = sysinfo::System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    system
}

/// Bytes that the process `id` holds now.
fn held(id: u32) -> Option<u64> {
    let (mut system, id) = (sysinfo::System::new(), Pid::from_u32(id));
    let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, what);
    Some(system.process(id)?.memory()).filter(|held| *held > 0)
}

/// Time between two looks. Arbitrary: a look takes some 20 µs, and in this time a core can fill some 50 MB.
const INTERVAL: Duration = Duration::from_millis(10);

/// Looks at the memory of this process, from a thread of its own, until it is dropped: so that a long call into native code is
/// watched, too.
pub struct Watch {
    exceeded: Arc<AtomicU64>,
    /// Dropped first, which ends the thread.
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Calls `act` once, with the bytes held, when the process holds more than `most`. Without a bound (0), or where the system
    /// starts no thread, nothing is watched.
    pub fn new(most: u64, act: impl FnOnce(u64) + Send + 'static) -> Self {
        let exceeded = Arc::<AtomicU64>::default();
        if most == 0 {
            return Watch { exceeded, end: None, thread: None };
        }
        let (end, ended) = mpsc::channel();
        let shared = exceeded.clone();
        let look = move || {
            while ended.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                let held = resident();
                if held > most {
                    shared.store(held, Ordering::SeqCst);
                    return act(held);
                }
            }
        };
        let thread = std::thread::Builder::new().name("w2s-memory".to_owned()).spawn(look).ok();
        Watch { exceeded, end: Some(end), thread }
    }

    /// Stops running work when the process holds more than `most`.
    pub fn stopping(most: u64, interrupt: &Interrupt) -> Self {
        let interrupt = interrupt.clone();
        Watch::new(most, move |_| interrupt.raise())
    }

    /// Ends the watch: the bytes that were held, where it was too much.
    pub fn end(mut self) -> Option<u64> {
        self.stop();
        Some(self.exceeded.load(Ordering::SeqCst)).filter(|held| *held > 0)
    }

    fn stop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing to say.
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_system_says_what_it_has_and_what_is_held() {
        let mine = held(std::process::id()).expect("this process");
        assert!(mine > 1 << 20 && budget().is_some_and(|free| free < machine()));
        let filled = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(held(std::process::id()).is_some_and(|now| now > mine + (filled.len() / 2) as u64));
        assert!(resident() < machine());
        assert_eq!(held(u32::MAX), None);
    }

    #[test]
    fn a_watch_raises_the_flag_once_and_ends_when_it_is_dropped() {
        assert_eq!(Watch::stopping(0, &Interrupt::default()).end(), None);
        let (interrupt, start) = (Interrupt::default(), Instant::now());
        let watch = Watch::stopping(1, &interrupt);
        while !interrupt.is_raised() && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(watch.end().is_some_and(|held| held > 1 << 20));
        let quiet = Interrupt::default();
        drop(Watch::stopping(u64::MAX, &quiet));
        assert!(!quiet.is_raised());
    }
}
