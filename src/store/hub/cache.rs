//! The hub's own cache on this machine, as `huggingface_hub` lays it out: `models--OWNER--NAME/refs/REVISION` names a commit, and
//! `snapshots/COMMIT` holds its files.

use std::path::{Path, PathBuf};

/// A folder of that layout.
#[derive(Debug, Clone)]
pub struct Cache(PathBuf);

impl Cache {
    /// The cache in a folder.
    pub fn at(folder: &Path) -> Cache {
        Cache(folder.to_path_buf())
    }

    /// That of `HF_HUB_CACHE`, of `HF_HOME`, or of the home folder.
    pub fn from_env() -> Option<Cache> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || set("HF_HOME").or_else(|| Some(set("HOME")?.join(".cache/huggingface")));
        set("HF_HUB_CACHE").or_else(|| Some(home()?.join("hub"))).map(Cache)
    }

    /// A file of a model at a revision, where the cache has it.
    pub fn find(&self, owner: &str, name: &str, revision: &str, file: &str) -> Option<PathBuf> {
        let folder = self.0.join(format!("models--{owner}--{name}"));
        let commit = std::fs::read_to_string(folder.join("refs").join(revision));
        let commit = commit.map_or_else(|_| revision.to_owned(), |commit| commit.trim().to_owned());
        let is_plain = !commit.is_empty() && !commit.starts_with('.') && !commit.contains(['/', '\\']);
        let path = folder.join("snapshots").join(commit).join(file);
        (is_plain && path.is_file()).then_some(path)
    }
}
