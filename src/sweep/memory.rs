//! How much memory there is, and how much a process holds: what Linux says, and nothing elsewhere.

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

/// Bytes that new processes may hold together: four fifths (arbitrary) of what is free on the machine and in the container
/// around us. `None` where the system does not say.
fn budget() -> Option<u64> {
    let machine = field(&read("/proc/meminfo")?, "MemAvailable:")?;
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
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

/// The value in bytes of a line such as `VmRSS:   1234 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_bytes() {
        assert_eq!(field("VmPeak: 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(field("VmRSS: x kB", "VmRSS:"), None);
        if cfg!(target_os = "linux") {
            assert!(held(std::process::id()).is_some_and(|bytes| bytes > 1 << 20) && budget().is_some());
            assert_eq!(held(u32::MAX), None);
        }
    }
}
