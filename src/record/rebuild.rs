//! The project of a recorded run, built again in a temporary folder: the script, what it imported, modules of the program
//! among it, the files that it read, and nothing else. Paths in a record are not trusted: none leads out of that folder.

use super::folder::RecordError;
use super::kept::Kept;
use super::schema::Root;
use crate::core::context::plain;
use crate::store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The most times that a path may climb (chosen).
const MAX_UP: usize = 64;

/// A rebuilt project. The folder is removed when dropped.
pub struct Rebuilt {
    /// Everything lies below it.
    _place: tempfile::TempDir,
    /// Where the program is started.
    pub start: PathBuf,
    pub project: PathBuf,
    /// The script as it was named, from `start`.
    pub script: String,
    /// Where the rerun's folder goes.
    pub run: PathBuf,
    /// The texts of the program's script modules that the run imported, by name.
    pub modules: PathBuf,
    /// A store with the fetched artefacts that the run used, and no result.
    pub store: PathBuf,
    /// What the run was granted, as far as it lies below.
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
}

/// Builds the project of `kept` again. Files that the script read come out of the bundle or from `project`; fetched
/// artefacts are those of `store`.
pub fn rebuild(kept: &Kept, project: Option<&Path>, store: &Store) -> Result<Rebuilt, RecordError> {
    let io =
        |error: std::io::Error| RecordError::Write { path: "a temporary folder".to_owned(), reason: plain(&error) };
    let record = &kept.record;
    let unfit = |reason: &str| RecordError::Unfit { reason: reason.to_owned() };
    let script = record.sources.first().ok_or_else(|| unfit("its record names no script"))?;
    let path = script.path.as_deref().ok_or_else(|| unfit("it was typed, not a script in a file"))?;
    let place = tempfile::Builder::new().prefix("w2s-verify-").tempdir().map_err(io)?;
    let root = place.path().canonicalize().map_err(io)?;
    let (prefix, shown) = named(&record.script, path);
    let data = record.reads.iter().filter(|read| read.root == Root::Project);
    let paths = record.sources.iter().filter_map(|source| source.path.as_deref());
    let grants = record.grants.read.iter().chain(&record.grants.write).map(String::as_str);
    let all = paths.chain(data.clone().map(|read| read.path.as_str())).chain(grants);
    let n_up = n_up(&prefix) + all.map(n_up).max().unwrap_or(0);
    if n_up > MAX_UP {
        return Err(RecordError::Path { path: record.script.clone(), reason: "it climbs too far" });
    }
    let tree = Tree { root: root.join("tree") };
    let start: Vec<String> = vec!["up".to_owned(); n_up];
    let project_parts = tree.make(&start, &prefix).map_err(io)??;
    for source in &record.sources {
        let Some(path) = &source.path else { continue };
        let text = kept.source(&source.file)?;
        tree.put(&project_parts, path, text.as_bytes())?;
    }
    for read in data {
        let bytes = kept.data(read, project)?.ok_or_else(|| RecordError::Data { path: read.path.clone() })?;
        tree.put(&project_parts, &read.path, &bytes)?;
    }
    let modules = root.join("modules");
    std::fs::create_dir_all(&modules).map_err(io)?;
    for module in record.modules() {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        // A task file is called `tasks/NAME`.
        let name = module.name.strip_prefix("tasks/").unwrap_or(&module.name);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(RecordError::Path { path: module.name.clone(), reason: "it is not a name of a module" });
        }
        let text = kept.source(&module.file)?;
        let place = modules.join(format!("{}.rhai", module.name));
        place.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(io)?;
        std::fs::write(place, text).map_err(io)?;
    }
    // A grant beyond what a record can name is not given again: the user may give it anew.
    let granted = |paths: &[String]| -> Vec<PathBuf> {
        paths.iter().filter_map(|path| tree.resolve(&project_parts, path).ok()).map(|parts| tree.path(&parts)).collect()
    };
    let rebuilt_store = root.join("store");
    let ids: BTreeSet<&str> = record.fetched.iter().map(|file| file.id.as_str()).collect();
    for id in ids {
        let folder = store.folder_of(id).ok_or_else(|| RecordError::NotFetched { id: id.to_owned() })?;
        let to = rebuilt_store.join(&folder);
        std::fs::create_dir_all(to.parent().unwrap_or(&rebuilt_store)).map_err(io)?;
        lend(&store.root().join(&folder), &to).map_err(io)?;
    }
    Ok(Rebuilt {
        start: tree.path(&start),
        project: tree.path(&project_parts),
        script: shown,
        run: root.join("run"),
        modules,
        store: rebuilt_store,
        read: granted(&record.grants.read),
        write: granted(&record.grants.write),
        _place: place,
    })
}

/// How the script was named: the way to its project, and the whole. Where the name does not end with the script's place
/// in its project, it is called by that place.
fn named(script: &str, path: &str) -> (String, String) {
    let prefix = script.strip_suffix(path).filter(|prefix| prefix.is_empty() || prefix.ends_with('/'));
    let is_option = script.starts_with('-');
    match prefix.filter(|prefix| !prefix.starts_with('/') && !path.starts_with("..") && !is_option) {
        Some(prefix) => (prefix.to_owned(), script.to_owned()),
        // A name must never be taken for an option of the command line.
        None => (String::new(), if path.starts_with('-') { format!("./{path}") } else { path.to_owned() }),
    }
}

fn n_up(path: &str) -> usize {
    path.split('/').filter(|part| *part == "..").count()
}

/// A folder whose paths are folded by name before they are used.
struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The parts of `path`, which starts at `from`.
    fn resolve(&self, from: &[String], path: &str) -> Result<Vec<String>, RecordError> {
        let refuse = |reason: &'static str| Err(RecordError::Path { path: path.to_owned(), reason });
        if path.starts_with('/') || path.chars().any(|c| c.is_control() || matches!(c, '\\' | ':')) {
            return refuse("it is not a plain relative path");
        }
        let mut parts = from.to_vec();
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part != ".." {
                parts.push(part.to_owned());
            } else if parts.pop().is_none() {
                return refuse("it leads out of everything that was recorded");
            }
        }
        Ok(parts)
    }

    fn path(&self, parts: &[String]) -> PathBuf {
        self.root.join(parts.iter().collect::<PathBuf>())
    }

    /// Makes every folder on the way that `path` describes, for the system follows it part by part; its end.
    fn make(&self, from: &[String], path: &str) -> std::io::Result<Result<Vec<String>, RecordError>> {
        let mut parts = from.to_vec();
        std::fs::create_dir_all(self.path(&parts))?;
        for part in path.split('/') {
            parts = match self.resolve(&parts, part) {
                Ok(parts) => parts,
                Err(refused) => return Ok(Err(refused)),
            };
            std::fs::create_dir_all(self.path(&parts))?;
        }
        Ok(Ok(parts))
    }

    /// Writes a file. A path that is taken by another content is refused.
    fn put(&self, from: &[String], path: &str, bytes: &[u8]) -> Result<(), RecordError> {
        let file = self.path(&self.resolve(from, path)?);
        let fails = |error: std::io::Error| RecordError::Write { path: path.to_owned(), reason: plain(&error) };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(fails)?;
        }
        if file.symlink_metadata().is_ok() {
            let there = std::fs::read(&file).map_err(fails)?;
            let reason = format!("it read `{path}` with two contents");
            return if there == bytes { Ok(()) } else { Err(RecordError::Unfit { reason }) };
        }
        std::fs::write(&file, bytes).map_err(fails)
    }
}

/// Makes a fetched artefact known to another store without copying it. Its files are checked by digest when they are read.
#[cfg(unix)]
fn lend(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from.canonicalize()?, to)
}

#[cfg(not(unix))]
fn lend(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_called_as_it_was_and_never_an_option() {
        let pair = |script, path| named(script, path);
        assert_eq!(pair("exp/main.rhai", "main.rhai"), ("exp/".into(), "exp/main.rhai".into()));
        assert_eq!(pair("../exp/a/main.rhai", "a/main.rhai"), ("../exp/".into(), "../exp/a/main.rhai".into()));
        assert_eq!(pair("xmain.rhai", "main.rhai"), (String::new(), "main.rhai".into()));
        assert_eq!(pair("/etc/main.rhai", "main.rhai"), (String::new(), "main.rhai".into()));
        assert_eq!(pair("--allow-read=/", "--allow-read=/"), (String::new(), "./--allow-read=/".into()));
        assert_eq!(pair("--project=x/main.rhai", "main.rhai"), (String::new(), "main.rhai".into()));
    }

    #[test]
    fn paths_are_folded_and_never_leave_the_tree() {
        let here = tempfile::tempdir().expect("a folder");
        let tree = Tree { root: here.path().join("tree") };
        let from = vec!["up".to_owned()];
        let put = |path: &str, bytes: &[u8]| tree.put(&from, path, bytes);
        put("a/../b/x.csv", b"1").expect("written");
        assert_eq!(std::fs::read(here.path().join("tree/up/b/x.csv")).expect("there"), b"1");
        put("../y.csv", b"1").expect("one level is there");
        put("../y.csv", b"1").expect("the same again");
        assert!(matches!(put("../y.csv", b"2"), Err(RecordError::Unfit { .. })));
        for bad in ["../../z", "/etc/z", "a\\z", "c:z", "../../../../../z"] {
            assert!(matches!(put(bad, b"1"), Err(RecordError::Path { .. })), "{bad}");
        }
        assert_eq!(std::fs::read_dir(here.path()).expect("there").count(), 1);
    }
}
