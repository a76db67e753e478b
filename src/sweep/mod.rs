//! Independent cells on worker processes of this machine.
//!
//! A worker is this program again: it runs the same script up to the same call, answered by the store on the way, and
//! then computes cells that it is given by number. What it computes reaches the first process through the store, so no
//! value travels between processes and the results are those of a plain loop. Nothing here knows what a cell is.

mod channel;
mod launch;
mod queue;
mod scheduler;
mod state;

pub use channel::{Task, WorkerChannel, WorkerMessage};
pub use launch::{Launcher, Script};
pub use scheduler::{CellOutcome, Sweep, run};
pub use state::SweepState;

/// Why no worker could help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SweepError {
    #[error("no worker process could be started: {reason}")]
    Start { reason: String },
    #[error("a worker process found other cells than this one: {why}")]
    Refused { why: String },
    #[error("a worker process needs about {need} MiB of memory, the workers may hold {budget} MiB")]
    Memory { need: u64, budget: u64 },
    #[error("interrupted")]
    Interrupted,
}

impl From<crate::core::context::Interrupted> for SweepError {
    fn from(_: crate::core::context::Interrupted) -> Self {
        SweepError::Interrupted
    }
}
