//! `w2s`: a laboratory for weak-to-strong generalization, as a library.
//!
//! A room for each concern; dependencies between rooms point down. From the top:
//!
//! | room | what lives there |
//! |---|---|
//! | [`cli`] | commands and the prompt; the only room that prints |
//! | [`lang`] | the Rhai engine: sandbox, modules, script stdlib, diagnostics |
//! | [`builtins`] | everything a script can call: a folder per script module, a file per function |
//! | [`bind`] | Rhai to Rust and back: values, options, callbacks, faults with source positions |
//! | [`record`], [`report`], [`sweep`] | what happened in a run; figures and pages; cells on worker processes |
//! | [`train`] | training and labelling |
//! | [`domains`] | what experiments are about: the generated world |
//! | [`models`], [`stats`] | architectures and checkpoints; metrics |
//! | [`data`], [`autograd`] | data sets; small differentiable tensors |
//! | [`store`], [`frames`] | results by content; polars tables |
//! | [`kernels`], [`core`] | f32 kernels over flat buffers; context, digests, random numbers |
//!
//! `ARCHITECTURE.md` is the map and states the invariants.

pub mod autograd;
pub mod bind;
pub mod builtins;
pub mod cli;
pub mod core;
pub mod data;
pub mod domains;
pub mod frames;
pub mod kernels;
pub mod lang;
pub mod models;
pub mod record;
pub mod report;
pub mod stats;
pub mod store;
pub mod sweep;
pub mod train;
