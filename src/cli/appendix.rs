//! `w2s appendix RUN`: what a paper's authors paste.

use super::{draw, exit, output};
use crate::host::record::{Outcome, Record, RecordError, write_appendix};
use crate::session::diagnostic::{Diagnostic, Severity};
use std::path::{Path, PathBuf};

/// Writes the appendix of a run into its folder or into `into`, names the files and answers the exit code.
pub fn run(run: &Path, into: Option<&Path>) -> u8 {
    match write(run, into) {
        Ok((record, files)) => {
            if record.outcome != Outcome::Done {
                let why = format!("the run is {}: its appendix says so", record.outcome.word());
                draw::print(&Diagnostic { severity: Severity::Warning, ..Diagnostic::new("appendix/unfinished", why) });
            }
            let shown: Vec<String> = files.iter().map(|file| format!("{}\n", file.display())).collect();
            output::finish(output::write(shown.concat().as_bytes()))
        }
        Err(refused) => {
            draw::print(&Diagnostic::from_explained(&refused));
            exit::FILE
        }
    }
}

fn write(run: &Path, into: Option<&Path>) -> Result<(Record, Vec<PathBuf>), RecordError> {
    let folder = find(run);
    let file = folder.join("record.json");
    let name = file.display().to_string();
    let text = std::fs::read(&file)
        .map_err(|error| RecordError::Read { path: name.clone(), reason: crate::host::lab::plain(&error) })?;
    let record = Record::parse(&name, &text)?;
    let files = write_appendix(&folder, &record, into.unwrap_or(&folder))?;
    Ok((record, files))
}

/// The run's folder: the one that was named, or the one of that name below `runs`.
fn find(run: &Path) -> PathBuf {
    let below = Path::new("runs").join(run);
    if !run.join("record.json").exists() && below.join("record.json").exists() { below } else { run.to_owned() }
}
