//! Standard output: the script's own words and nothing else. A reader that went away is no reason to panic.

use super::exit;
use std::io::{ErrorKind, Write};

/// Writes bytes.
pub fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a text and a line end.
pub fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The exit code after writing an answer.
pub fn finish(answer: std::io::Result<()>) -> u8 {
    match answer.and_then(|()| std::io::stdout().flush()) {
        Ok(()) => exit::OK,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit::PIPE,
        Err(error) => {
            eprintln!("error[output/write]: the output could not be written: {error}");
            exit::FILE
        }
    }
}
