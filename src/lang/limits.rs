//! What a script may use up: every bound ends in an error with a place, never in a crash or a full machine.

use crate::bind::Fault;
use crate::core::context::Context;
use rhai::{Dynamic, Engine};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The bounds of one session. All are chosen; each leaves an honest experiment far from it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Rhai operations of one evaluation: some minutes of pure script. Native work counts as one.
    pub operations: u64,
    /// Functions calling functions. The interpreter's own stack is sized for it.
    pub call_depth: usize,
    /// Nesting of expressions and blocks.
    pub expression_depth: usize,
    /// Bytes of a string, and of all strings within one array or map.
    pub string_size: usize,
    /// Items of an array, those of nested arrays included.
    pub array_size: usize,
    /// Entries of an object map, those of nested maps included. One map alone has at most as many as an array has items.
    pub map_size: usize,
    pub n_modules: usize,
    pub n_functions: usize,
    pub n_variables: usize,
    /// Bytes of memory that the whole process may hold, where the system tells them. 0: not watched.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            operations: 5_000_000_000,
            call_depth: 128,
            expression_depth: 128,
            string_size: 16 << 20,
            array_size: 1 << 17,
            // An array of as many rows as there may be, with six fields each.
            map_size: 6 << 17,
            n_modules: 128,
            n_functions: 4096,
            n_variables: 4096,
            memory: machine_memory() / 4 * 3,
        }
    }
}

/// Sets every limit on `engine` and makes it poll the context's interrupt flag.
pub fn apply(engine: &mut Engine, limits: &Limits, ctx: &Arc<Context>) {
    engine
        .set_max_operations(limits.operations)
        .set_max_call_levels(limits.call_depth)
        .set_max_expr_depths(limits.expression_depth, limits.expression_depth)
        .set_max_string_size(limits.string_size)
        .set_max_array_size(limits.array_size)
        .set_max_map_size(limits.map_size)
        .set_max_modules(limits.n_modules)
        .set_max_functions(limits.n_functions)
        .set_max_variables(limits.n_variables);
    super::growth::apply(engine, limits);
    super::growth::watch(engine, limits);
    let (interrupt, memory) = (ctx.interrupt.clone(), limits.memory);
    let watch = Watch::default();
    engine.on_progress(move |n_operations| {
        if interrupt.is_raised() {
            return Some(Dynamic::from(Fault::interrupted()));
        }
        // A look at the clock costs half as much as an operation, so it is taken at every sixteenth.
        if memory > 0 && n_operations % 16 == 0 && watch.is_due() {
            let held = resident();
            if held > memory {
                return Some(Dynamic::from(too_much_memory(held, memory)));
            }
        }
        None
    });
}

fn too_much_memory(held: u64, most: u64) -> Fault {
    let mib = |bytes: u64| bytes >> 20;
    Fault::new("limit/memory", format!("the run holds {} MiB of memory, the most is {} MiB", mib(held), mib(most)))
        .hint("keep fewer large values at a time: let a block `{ … }` end to free what it holds")
}

/// Says when memory is to be measured again: at most every 5 ms.
struct Watch {
    start: Instant,
    last: AtomicU64,
}

impl Default for Watch {
    fn default() -> Self {
        Watch { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Watch {
    fn is_due(&self) -> bool {
        let now = self.start.elapsed().as_millis() as u64;
        if now < self.last.load(Ordering::Relaxed) + 5 {
            return false;
        }
        self.last.store(now, Ordering::Relaxed);
        true
    }
}

/// Bytes that this process holds in memory; 0 where the system does not say.
pub fn resident() -> u64 {
    let kib = std::fs::read_to_string("/proc/self/status").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("VmRSS:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    kib.map_or(0, |kib| kib << 10)
}

/// Bytes of memory that this machine, or the container around us, has; 0 where the system does not say.
fn machine_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
    });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    match (machine, container) {
        (Some(machine), Some(container)) => std::cmp::min(machine, container),
        (Some(machine), None) => machine,
        _ => 0,
    }
}
