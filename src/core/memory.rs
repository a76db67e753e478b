//! How much memory there is and how much a process holds: what Linux says, and nothing elsewhere. And the watch that ends
//! work that takes too much.

use super::context::Interrupt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

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
    let machine = read("/proc/meminfo").and_then(|text| field(&text, "MemTotal:"));
    match (machine, number("/sys/fs/cgroup/memory.max")) {
        (Some(machine), Some(container)) => machine.min(container),
        (Some(machine), None) => machine,
        _ => 0,
    }
}

/// Bytes that new processes may hold together: four fifths (arbitrary) of what is free on the machine and in the container
/// around us. `None` where the system does not say.
fn budget() -> Option<u64> {
    let machine = field(&read("/proc/meminfo")?, "MemAvailable:")?;
    let most = number("/sys/fs/cgroup/memory.max");
    let container = most.map(|most| most.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    Some(container.map_or(machine, |free| free.min(machine)) / 5 * 4)
}

/// Bytes that the process `id` holds now.
fn held(id: u32) -> Option<u64> {
    field(&read(&format!("/proc/{id}/status"))?, "VmRSS:")
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

fn number(file: &str) -> Option<u64> {
    read(file)?.trim().parse().ok()
}

/// The value in bytes of a line such as `VmRSS:   1234 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
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
    fn fields_are_read_in_bytes() {
        assert_eq!(field("VmPeak: 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(field("VmRSS: x kB", "VmRSS:"), None);
        if cfg!(target_os = "linux") {
            assert!(held(std::process::id()).is_some_and(|bytes| bytes > 1 << 20) && budget().is_some());
            assert!(resident() < machine());
            assert_eq!(held(u32::MAX), None);
        }
    }

    #[test]
    fn a_watch_raises_the_flag_once_and_ends_when_it_is_dropped() {
        assert_eq!(Watch::stopping(0, &Interrupt::default()).end(), None);
        if !cfg!(target_os = "linux") {
            return;
        }
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
