//! The integration tests: one binary, a module per topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
mod adversarial;
mod appendix;
#[cfg(feature = "object_store")]
mod bucket;
mod command_line;
mod data;
mod device;
mod docs;
mod fences;
mod frames;
mod kept;
mod kills;
mod names;
mod operations;
mod pins;
mod prompt;
mod readers;
mod real_text;
mod record;
mod registry;
mod scripts;
mod store;
mod support;
mod sweep;
mod tasks;
mod tensor;
mod tidy;
mod train;
mod verify;
