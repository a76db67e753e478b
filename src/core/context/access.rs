//! What a script may touch: grants of files and folders, compared with real paths.

use crate::core::explain::explained;
use crate::core::files::plain;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a script may touch, decided on the command line. Every path is resolved, links first, before it is compared.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Access {
    /// Folders (or files) that may be read.
    pub read: Vec<PathBuf>,
    /// Folders (or files) that may be written.
    pub write: Vec<PathBuf>,
    /// Relative paths in a script start here.
    pub project: PathBuf,
    /// Bytes that a script may write in all, [`DISK`] where it is not said.
    #[serde(default)]
    pub disk: Option<u64>,
}

/// Bytes that a script may write in all, unless more is granted: 8 GiB, arbitrary, some hundred small models.
pub const DISK: u64 = 8 << 30;

explained! {
    /// A path that the script was not granted.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum AccessError {
        #[error("reading `{path}` is outside this script's project")]
        #[code("access/read")]
        #[hint("grant it on the command line: --allow-read {path}")]
        Read { path: String },
        #[error("writing `{path}` is outside this run's folder")]
        #[code("access/write")]
        #[hint("a plain name goes into the folder of a run, which `w2s script` makes; elsewhere grant it: --allow-write {path}")]
        Write { path: String },
        #[error("`{path}`: {reason}")]
        #[code("access/path")]
        Path { path: String, reason: String },
        #[error("`{path}`: no such file or folder")]
        #[code("access/path")]
        #[hint({
            let place = |(what, folder): &(&str, PathBuf)| format!("{what} `{}`", folder.display());
            format!("it was looked for in {}", looked.iter().map(place).collect::<Vec<_>>().join(", then in "))
        })]
        NotFound { path: String, looked: Vec<(&'static str, PathBuf)> },
        #[error("`{path}` was not written: its name must end in {endings}")]
        #[code("access/name")]
        #[hint("such as \"{such}\"")]
        Ending { path: String, endings: String, such: String },
        #[error("`{path}` is not written: {reason}")]
        #[code("access/name")]
        #[hint("give it another name")]
        Name { path: String, reason: String },
        #[error(
            "`{path}` is not written: with its {bytes} bytes the script would have written more than {} GiB", most >> 30
        )]
        #[code("limit/disk")]
        #[hint(format!("write less, or grant more on the command line: --allow-disk {}", 2 * (most >> 30).max(1)))]
        Disk { path: String, bytes: u64, most: u64 },
    }
    from { }
}

impl Access {
    /// The real path of a file or folder that a script wants to read; fails where it was not granted or does not exist.
    pub fn readable(&self, path: &str) -> Result<PathBuf, AccessError> {
        let asked = self.project.join(path);
        let real = asked.canonicalize().map_err(|error| {
            // Whether a file outside the grants exists is nobody's business: the refusal comes first.
            if Self::inside(&self.read, &lexical(&asked)) {
                AccessError::Path { path: path.to_owned(), reason: plain(&error) }
            } else {
                AccessError::Read { path: path.to_owned() }
            }
        })?;
        if Self::inside(&self.read, &real) { Ok(real) } else { Err(AccessError::Read { path: path.to_owned() }) }
    }

    /// The real path of a file that a script wants to write; its folder must exist and be granted.
    pub fn writable(&self, path: &Path) -> Result<PathBuf, AccessError> {
        let shown = || path.display().to_string();
        let asked = self.project.join(path);
        let (Some(folder), Some(name)) = (asked.parent(), asked.file_name()) else {
            return Err(AccessError::Write { path: shown() });
        };
        let folder = folder.canonicalize().map_err(|_| AccessError::Write { path: shown() })?;
        let mut real = folder.join(name);
        if real.symlink_metadata().is_ok() {
            real = real.canonicalize().map_err(|_| AccessError::Write { path: shown() })?;
        }
        if Self::inside(&self.write, &real) { Ok(real) } else { Err(AccessError::Write { path: shown() }) }
    }

    fn inside(grants: &[PathBuf], real: &Path) -> bool {
        grants.iter().any(|grant| real.starts_with(grant.canonicalize().as_deref().unwrap_or(grant)))
    }
}

/// The path with `.` and `..` folded by name alone, for a file that does not exist.
fn lexical(path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                folded.pop();
            }
            std::path::Component::CurDir => {}
            other => folded.push(other),
        }
    }
    folded
}
