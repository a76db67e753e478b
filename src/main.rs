//! The binary: parses arguments, dispatches, sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    w2s::cli::main()
}
