//! A run that was kept: its record and its files, from a run folder or a bundle. Whoever made it is not trusted.

use super::folder::RecordError;
use super::schema::{FileRead, Record, Root, What};
use super::{bundle, claim};
use crate::core::context::plain;
use crate::frames::{Format, Frame};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The record's name in a run folder.
pub const RECORD: &str = "record.json";

/// The largest record that is read (arbitrary: several times what the most events take).
pub const MAX_RECORD: u64 = 256 << 20;

/// The largest other file of a run that is read (arbitrary: it is read whole).
pub const MAX_FILE: u64 = 4 << 30;

/// The most characters of a path in a record (chosen).
const MAX_PATH: usize = 1024;

/// A kept run.
pub struct Kept {
    /// What messages call it: as the user named it.
    pub name: String,
    pub record: Record,
    /// Whether `record.json` is as the program wrote it.
    pub is_sealed: bool,
    /// The run folder, or where a bundle was laid out. A real path.
    folder: PathBuf,
    /// Of a bundle: where its data lies, by hash; removed when dropped.
    unpacked: Option<bundle::Unpacked>,
}

impl Kept {
    /// Opens a run folder, its `record.json`, a bundle, or what lies under that name in `runs`.
    pub fn open(path: &Path) -> Result<Kept, RecordError> {
        let below = Path::new("runs").join(path);
        let path = if path.symlink_metadata().is_err() && below.symlink_metadata().is_ok() { &below } else { path };
        let name = path.display().to_string();
        let fails = |error: &std::io::Error| RecordError::Read { path: name.clone(), reason: plain(error) };
        let facts = std::fs::metadata(path).map_err(|error| fails(&error))?;
        let folder = match (facts.is_dir(), path.file_name().is_some_and(|file| file == RECORD)) {
            (true, _) => path,
            (false, true) => path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            (false, false) => {
                let unpacked = bundle::unpack(path, &name)?;
                let folder = unpacked.run().to_owned();
                return Kept::read_record(name, folder, Some(unpacked));
            }
        };
        let folder = folder.canonicalize().map_err(|error| fails(&error))?;
        if folder.join(RECORD).symlink_metadata().is_err() {
            return Err(RecordError::NoRecord { path: name });
        }
        Kept::read_record(name, folder, None)
    }

    fn read_record(name: String, folder: PathBuf, unpacked: Option<bundle::Unpacked>) -> Result<Kept, RecordError> {
        let text = read_inside(&folder, RECORD, MAX_RECORD)?;
        let record = Record::parse(&name, &text)?;
        Ok(Kept { name, record, is_sealed: super::seal::is_whole(&text), folder, unpacked })
    }

    /// Whether the process of the run works still, of a run that has not ended; `None` where nobody can tell.
    pub fn is_live(&self) -> Option<bool> {
        if self.is_bundle() { Some(false) } else { claim::is_live(&self.folder) }
    }

    /// The run folder, or where a bundle was laid out.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it came out of a bundle.
    pub fn is_bundle(&self) -> bool {
        self.unpacked.is_some()
    }

    /// One file of the run folder. Fails where its path would leave it, by name or through a link.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, RecordError> {
        read_inside(&self.folder, path, MAX_FILE)
    }

    /// The blake3 hash of one file of the run folder, which may be of any size.
    pub fn hash(&self, path: &str) -> Result<String, RecordError> {
        let fails = |error: std::io::Error| RecordError::Read { path: path.to_owned(), reason: plain(&error) };
        let file = std::fs::File::open(real_inside(&self.folder, path, u64::MAX)?).map_err(fails)?;
        Ok(blake3::Hasher::new().update_reader(file).map_err(fails)?.finalize().to_hex().to_string())
    }

    /// The text of a source's copy.
    pub fn source(&self, file: &str) -> Result<String, RecordError> {
        let damaged = |_| RecordError::Damaged { path: file.to_owned(), reason: "it is not UTF-8".to_owned() };
        String::from_utf8(self.read(file)?).map_err(damaged)
    }

    /// The names of its tables, in order of writing.
    pub fn tables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let mut seen = BTreeSet::new();
        for event in &self.record.events {
            if let What::Written { kind, name, .. } = &event.what
                && kind == "table"
                && seen.insert(name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    /// A table by its name.
    pub fn table(&self, name: &str) -> Result<Frame, RecordError> {
        let path = format!("{name}.parquet");
        frame(&path, self.read(&path)?)
    }

    /// The content of a file that the script read: out of the bundle, or from `project`. `None` where it is not there
    /// or is another one now: only the recorded content is ever given.
    pub fn data(&self, read: &FileRead, project: Option<&Path>) -> Result<Option<Vec<u8>>, RecordError> {
        if let Some(unpacked) = &self.unpacked
            && let Some(bytes) = unpacked.data(read)?
        {
            return Ok(Some(bytes));
        }
        if read.root != Root::Project || read.bytes > MAX_FILE {
            return Ok(None);
        }
        let folders = project.map(Path::to_owned).or_else(|| self.project());
        let Some(folder) = folders else { return Ok(None) };
        let path = folder.join(&read.path);
        let Ok(facts) = std::fs::metadata(&path) else { return Ok(None) };
        if !facts.is_file() || facts.len() != read.bytes {
            return Ok(None);
        }
        let bytes = std::fs::read(&path)
            .map_err(|error| RecordError::Read { path: read.path.clone(), reason: plain(&error) })?;
        Ok((blake3::hash(&bytes).to_hex().as_str() == read.blake3).then_some(bytes))
    }

    /// The project of a run folder that lies where it was made.
    pub fn project(&self) -> Option<PathBuf> {
        let way = self.record.project.as_ref().filter(|_| self.unpacked.is_none())?;
        self.folder.join(way).canonicalize().ok().filter(|folder| folder.is_dir())
    }
}

/// Bytes of a table as a frame, by the ending of its name.
pub fn frame(path: &str, bytes: Vec<u8>) -> Result<Frame, RecordError> {
    let format = format_of(path).unwrap_or(Format::Parquet);
    let damaged = |reason: String| RecordError::Damaged { path: path.to_owned(), reason };
    Frame::from_bytes(bytes, format).map_err(|error| damaged(error.to_string()))
}

/// The format of a file that holds a table.
pub fn format_of(path: &str) -> Option<Format> {
    match path.rsplit_once('.')?.1 {
        "parquet" => Some(Format::Parquet),
        "csv" => Some(Format::Csv),
        "json" => Some(Format::Json),
        "npy" => Some(Format::Npy),
        _ => None,
    }
}

/// A path of a record as one that stays below its folder, on every system: plain parts, separated by slashes.
pub fn inside(path: &str) -> Result<PathBuf, RecordError> {
    let refuse = |reason: &'static str| Err(RecordError::Path { path: path.to_owned(), reason });
    if path.is_empty() || path.len() > MAX_PATH {
        return refuse("it is empty or too long");
    }
    if path.chars().any(|c| c.is_control() || matches!(c, '\\' | ':')) {
        return refuse("it has a character that no file of a run has");
    }
    let parts = Path::new(path).components();
    if path.starts_with('/') || parts.clone().any(|part| !matches!(part, Component::Normal(_))) {
        return refuse("it would leave the run's folder");
    }
    Ok(parts.collect())
}

/// Reads a regular file below `folder`, which is a real path; no link may lead out of it.
pub fn read_inside(folder: &Path, path: &str, most: u64) -> Result<Vec<u8>, RecordError> {
    let fails = |error: std::io::Error| RecordError::Read { path: path.to_owned(), reason: plain(&error) };
    std::fs::read(real_inside(folder, path, most)?).map_err(fails)
}

/// The real path of a regular file of at most `most` bytes below `folder`.
fn real_inside(folder: &Path, path: &str, most: u64) -> Result<PathBuf, RecordError> {
    let fails = |reason: String| RecordError::Read { path: path.to_owned(), reason };
    let real = folder.join(inside(path)?).canonicalize().map_err(|error| fails(plain(&error)))?;
    if !real.starts_with(folder) {
        let reason = "a link leads out of the run's folder";
        return Err(RecordError::Path { path: path.to_owned(), reason });
    }
    let facts = std::fs::metadata(&real).map_err(|error| fails(plain(&error)))?;
    if !facts.is_file() {
        return Err(fails("is not a file".to_owned()));
    }
    if facts.len() > most {
        return Err(fails(format!("has {} bytes, at most {most} are read", facts.len())));
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, Recorder};
    use super::*;

    #[test]
    fn paths_stay_below_their_folder() {
        assert_eq!(inside("imports/w2s.rhai").expect("fits"), Path::new("imports/w2s.rhai"));
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "C:/x", "a\0b", "./x", "..", &"x".repeat(2000)] {
            assert!(matches!(inside(bad), Err(RecordError::Path { .. })), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_run_is_opened_by_folder_or_record_and_links_out_of_it_are_refused() {
        let here = tempfile::tempdir().expect("a folder");
        let run = here.path().join("run");
        std::fs::create_dir(&run).expect("made");
        Recorder::for_tests(&run, &[]).write(Outcome::Done).expect("written");
        std::fs::write(here.path().join("secret"), "s").expect("written");
        std::os::unix::fs::symlink(here.path().join("secret"), run.join("t.csv")).expect("linked");
        for path in [run.clone(), run.join(RECORD)] {
            let kept = Kept::open(&path).expect("opens");
            assert_eq!(kept.record.outcome, Outcome::Done);
            assert!(matches!(kept.read("t.csv"), Err(RecordError::Path { .. })));
            assert!(matches!(kept.read("../secret"), Err(RecordError::Path { .. })));
        }
        assert!(matches!(Kept::open(here.path()), Err(RecordError::NoRecord { .. })));
    }
}
