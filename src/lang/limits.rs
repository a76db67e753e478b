//! What a script may use up: every bound ends in an error with a place, never in a crash or a full machine.

use crate::bind::Fault;
use crate::core::context::Context;
use crate::core::memory;
use rhai::{Dynamic, Engine};
use std::sync::Arc;

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
            memory: memory::machine() / 4 * 3,
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
    let interrupt = ctx.interrupt.clone();
    engine.on_progress(move |_| interrupt.is_raised().then(|| Dynamic::from(Fault::interrupted())));
}

/// What a run is told that was stopped because it held too much.
pub fn too_much_memory(held: u64, most: u64) -> Fault {
    let mib = |bytes: u64| bytes >> 20;
    Fault::new("limit/memory", format!("the run holds {} MiB of memory, the most is {} MiB", mib(held), mib(most)))
        .hint(
            "keep fewer large values at a time: let a block `{ … }` end to free what it holds; or grant more on the command \
             line: --allow-memory GIB",
        )
}
