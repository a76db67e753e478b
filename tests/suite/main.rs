//! The integration tests: one binary, a module per topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
mod adversarial;
mod appendix;
#[cfg(feature = "object_store")]
mod bucket;
mod command_line;
mod coverage;
mod data;
mod device;
mod docs;
mod fences;
mod frames;
mod interference;
mod kept;
mod kills;
mod mutated;
mod names;
mod operations;
mod peeking;
mod pins;
mod prompt;
mod readers;
mod real_text;
mod record;
mod registry;
mod said;
mod scripts;
mod snapshots;
mod store;
mod support;
mod sweep;
mod tasks;
mod tensor;
mod tidy;
mod train;
mod vault;
mod verify;
