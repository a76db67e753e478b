//! What of a run is no longer as its record says.

use super::folder::RecordError;
use super::kept::{Kept, RECORD};
use serde::Serialize;

/// One file of a run that was changed after the run, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Altered {
    pub path: String,
    /// What was recorded: the hash, or that the record was sealed.
    pub recorded: String,
    /// The hash now, or why it cannot be read.
    pub now: String,
}

impl Altered {
    fn of(kept: &Kept, path: &str, recorded: &str) -> Option<Altered> {
        let now = kept.hash(path);
        // A file that could not be read back when it was written has no hash, and is there no more than it was then.
        let differs = now.as_ref().map_or(!recorded.is_empty(), |now| now != recorded);
        let now = now.unwrap_or_else(|error| error.to_string());
        differs.then(|| Altered { path: path.to_owned(), recorded: recorded.to_owned(), now })
    }
}

/// Every file of the run that is not as the record says: the record itself, scripts, what the script wrote. What the program
/// made of these, the page and the appendix, comes last and only `with_pages`.
pub fn altered(kept: &Kept, with_pages: bool) -> Vec<Altered> {
    let (path, recorded, now) = (RECORD.to_owned(), "sealed".to_owned(), "changed by hand".to_owned());
    let mut found: Vec<Altered> = (!kept.is_sealed).then_some(Altered { path, recorded, now }).into_iter().collect();
    let record = &kept.record;
    let sources = record.sources.iter().map(|source| (&source.file, &source.digest));
    let written = record.written().into_iter().map(|file| (&file.path, &file.blake3));
    let pages = record.pages.iter().filter(|_| with_pages).map(|file| (&file.path, &file.blake3));
    found.extend(sources.chain(written).chain(pages).filter_map(|(path, hash)| Altered::of(kept, path, hash)));
    found
}

/// Fails where anything of the run is not as its record says.
pub fn unaltered(kept: &Kept, with_pages: bool) -> Result<(), RecordError> {
    let found = altered(kept, with_pages);
    if found.is_empty() {
        return Ok(());
    }
    let only_pages = found.iter().all(|file| kept.record.pages.iter().any(|page| page.path == file.path));
    let files: Vec<String> = found.into_iter().map(|file| format!("`{}`", file.path)).collect();
    Err(RecordError::Altered { path: kept.name.clone(), files: files.join(", "), only_pages })
}
