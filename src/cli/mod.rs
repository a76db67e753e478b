//! The only floor that prints: parses arguments, shows progress, values and errors.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod help;

use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
