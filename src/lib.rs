//! `w2s`: a laboratory for weak-to-strong generalization, as a library.
//!
//! The house has five floors. Dependencies point down; a floor may be skipped, never climbed.
//!
//! | floor | what lives there |
//! |---|---|
//! | [`cli`] | the only floor that prints: script, repl, help, check, fetch |
//! | [`session`] | builds the Rhai engine: sandbox, modules, script stdlib, documentation |
//! | [`builtins`] | everything a script can call: a folder per script module, a file per function |
//! | [`bind`] | Rhai to Rust and back: values, options, callbacks, faults with source positions |
//! | [`host`] | the laboratory itself, no Rhai in it; a room per noun |
//!
//! `ARCHITECTURE.md` is the map and states the invariants.

pub mod bind;
pub mod builtins;
pub mod cli;
pub mod host;
pub mod session;
