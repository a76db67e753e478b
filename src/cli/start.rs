//! What has to be settled before anything runs: the allocator, thread pools, panics.

use super::line::{Device, Global};
use super::{draw, exit};
use crate::core::explain::Explain;
use crate::core::memory::Watch;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::stack;
use crate::models::candle;

/// Settles what can only be settled while no other thread runs.
pub fn before_threads() {
    raise_malloc_thresholds();
    // candle has a spinning pool of its own; ours is rayon's, and the two must not both run.
    // SAFETY: no other thread exists yet, so none reads the environment now.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    stack::quiet_panics();
}

/// Large buffers come and go with every step; glibc would map and unmap each (measured: 1.4 times faster on plain candle
/// operations). 32 MiB is the largest mapping threshold that glibc takes on 64 bits.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn raise_malloc_thresholds() {
    // SAFETY: `mallopt` only sets two parameters of the allocator; a refusal (0) leaves the defaults.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 512 << 20);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn raise_malloc_thresholds() {}

/// Checks the device and starts the thread pool.
pub fn prepare(global: &Global) -> Result<(), Box<Diagnostic>> {
    device(global.device)?;
    if let Some(kernels) = global.kernels
        && !global.device.has_kernels()
    {
        let (kernels, device) = (kernels.name(), global.device.name());
        let why = format!("`{kernels}` are kernels of the device `cpu`, and models are to compute on `{device}`");
        return Err(Box::new(Diagnostic::new("usage/kernels", why).hint("leave --kernels or --device out")));
    }
    if let Some(kernels) = global.kernels
        && !kernels.choose()
    {
        let why = format!("this processor has no `{}` instructions", kernels.name());
        return Err(Box::new(Diagnostic::new("usage/kernels", why).hint("leave --kernels out for the best it has")));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads(global))
        .build_global()
        .map_err(|error| Diagnostic::new("usage/threads", format!("no thread pool could be started: {error}")))
        .map_err(Box::new)
}

/// Ends the program when it holds a sixth more memory than it may. A script is stopped before, where it can be: this is for one
/// call that takes too much at once, and for the commands that run no script.
pub fn last_resort(global: &Global) -> Watch {
    let most = global.limits().memory;
    Watch::new(most / 6 * 7, move |held| {
        let said = format!("w2s held {} MiB of memory, far more than the {} MiB that it may", held >> 20, most >> 20);
        let hint = "work with fewer rows or columns at a time, or grant more: --allow-memory GIB";
        draw::print(&Diagnostic::new("limit/memory", said).hint(hint));
        std::process::exit(i32::from(exit::SCRIPT))
    })
}

/// Checks that models can compute on a device.
pub fn device(device: Device) -> Result<(), Box<Diagnostic>> {
    let Err(error) = candle::device(device.name()) else { return Ok(()) };
    let refused = Diagnostic::new("usage/device", error.to_string());
    Err(Box::new(match error.hint() {
        Some(hint) => refused.hint(hint),
        None => refused,
    }))
}

/// `--threads`, or what `RAYON_NUM_THREADS` says, or one per core.
pub fn n_threads(global: &Global) -> usize {
    let said = || std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    global.threads.map(usize::from).or_else(said).unwrap_or_else(cores)
}
