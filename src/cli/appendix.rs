//! `w2s appendix RUN`: what a paper's authors paste.

use super::{draw, exit, output};
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::record::{Kept, Outcome, Record, RecordError, unaltered, write_appendix, write_pages};
use std::path::{Path, PathBuf};

/// Writes the appendix of a run or of a bundle into the run's folder or into `into`, names the files and answers the exit
/// code. A run whose tables, figures, scripts or record were changed has none.
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
    let kept = Kept::open(run)?;
    unaltered(&kept, false)?;
    let files = match into {
        Some(into) => write_appendix(kept.folder(), &kept.record, into)?,
        None => match write_pages(&kept)? {
            Some(files) => files,
            None => write_appendix(kept.folder(), &kept.record, Path::new("appendix"))?,
        },
    };
    Ok((kept.record.clone(), files))
}
