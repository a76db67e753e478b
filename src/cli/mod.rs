//! The only floor that prints: parses arguments, shows progress, values and errors.

use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
