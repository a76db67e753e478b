//! `w2s appendix RUN`: what a paper's authors paste.

use super::{draw, exit, output};
use crate::host::record::{Kept, Outcome, Record, RecordError, write_appendix};
use crate::session::diagnostic::{Diagnostic, Severity};
use std::path::{Path, PathBuf};

/// Writes the appendix of a run or of a bundle into the run's folder or into `into`, names the files and answers the exit code.
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
    let kept = Kept::open(&find(run))?;
    // What came out of a bundle lies in a folder that goes away.
    let beside = if kept.is_bundle() { Path::new("appendix") } else { kept.folder() };
    let files = write_appendix(kept.folder(), &kept.record, into.unwrap_or(beside))?;
    Ok((kept.record.clone(), files))
}

/// The run that was named, or else the one of that name below `runs`.
fn find(run: &Path) -> PathBuf {
    let below = Path::new("runs").join(run);
    if run.symlink_metadata().is_err() && below.is_dir() { below } else { run.to_owned() }
}
