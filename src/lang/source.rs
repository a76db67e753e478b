//! The texts that a session has seen, by the names that errors call them: for carets, and for the run's copies.

use super::rewrite::Edits;
use rhai::AST;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// One script text.
#[derive(Debug, Clone)]
pub struct Source {
    /// What errors call it: `scripts/bootstrap.rhai`, `w2s`, `input`.
    pub name: String,
    pub text: Arc<str>,
    /// The file it was read from, links resolved; none for the script stdlib and for typed code.
    pub path: Option<PathBuf>,
}

/// All texts of a session. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Sources {
    seen: Arc<RwLock<BTreeMap<String, Source>>>,
    pinned: Arc<RwLock<BTreeMap<PathBuf, String>>>,
    modules: Arc<RwLock<BTreeMap<String, Arc<str>>>>,
    compiled: Arc<RwLock<Compiled>>,
}

/// What compiling the texts brought to light.
#[derive(Default)]
struct Compiled {
    /// What was put into each text before it was compiled.
    edits: BTreeMap<String, Edits>,
    /// The text that each closure stands in; none for one that stands in several.
    closures: BTreeMap<String, Option<String>>,
}

impl Sources {
    /// Keeps `text` under `name`, in place of an earlier text of that name.
    pub fn keep(&self, name: &str, text: &str, path: Option<&Path>) {
        let source = Source { name: name.to_owned(), text: text.into(), path: path.map(Path::to_owned) };
        self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), source);
    }

    /// Notes what was put into the text called `name` and which closures stand in it. `goes_on`: in lines that come after
    /// those of earlier inputs.
    pub fn compiled(&self, name: &str, ast: &AST, edits: Edits, goes_on: bool) {
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        let kept = compiled.edits.entry(name.to_owned()).or_default();
        if goes_on {
            kept.extend(edits);
        } else {
            *kept = edits;
        }
        for closure in ast.iter_functions().filter(|function| function.name.contains('$')) {
            let home = compiled.closures.entry(closure.name.to_owned()).or_insert_with(|| Some(name.to_owned()));
            if home.as_deref() != Some(name) {
                *home = None;
            }
        }
    }

    /// The column of the text as it was written, for one of the text that was compiled.
    pub fn written_column(&self, name: &str, line: usize, column: usize) -> usize {
        let compiled = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
        compiled.edits.get(name).map_or(column, |edits| edits.written(line, column))
    }

    /// The name of the text that a closure stands in, if it is known and one.
    pub fn home_of(&self, closure: &str) -> Option<String> {
        self.compiled.read().unwrap_or_else(PoisonError::into_inner).closures.get(closure).cloned().flatten()
    }

    /// Makes the file at `path` (links resolved) read as `text`, whatever it holds by now.
    pub fn pin(&self, path: &Path, text: &str) {
        self.pinned.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), text.to_owned());
    }

    /// Makes `import "name"` mean `text`, whatever the program's own module of that name says.
    pub fn pin_module(&self, name: &str, text: &str) {
        self.modules.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text.into());
    }

    /// The text that the module called `name` was pinned to.
    pub fn module(&self, name: &str) -> Option<Arc<str>> {
        self.modules.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The text of the script file at `path`: what it was pinned to, or what it holds. The error says what is wrong with it.
    pub fn read(&self, path: &Path) -> Result<String, String> {
        let pinned = self.pinned.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        pinned.map_or_else(|| read_script(path), Ok)
    }

    /// The text called `name`.
    pub fn find(&self, name: &str) -> Option<Source> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Every text, by name.
    pub fn all(&self) -> Vec<Source> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Line `line` (from 1) of the text called `name`.
    pub fn line(&self, name: &str, line: usize) -> Option<String> {
        let source = self.find(name)?;
        source.text.lines().nth(line.checked_sub(1)?).map(str::to_owned)
    }
}

/// The largest script file, in bytes (chosen: far above any written by hand, far below what slows the parser).
pub const MAX_SCRIPT: u64 = 2 << 20;

/// Reads a script file: bounded, UTF-8, without a byte order mark. The error says what is wrong with the file.
pub fn read_script(path: &Path) -> Result<String, String> {
    let facts = std::fs::metadata(path).map_err(|error| crate::core::context::plain(&error))?;
    if facts.is_dir() {
        return Err("is a folder, not a script".to_owned());
    }
    if !facts.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if facts.len() > MAX_SCRIPT {
        return Err(format!("has {} bytes, a script may have {MAX_SCRIPT}", facts.len()));
    }
    let bytes = std::fs::read(path).map_err(|error| crate::core::context::plain(&error))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8: byte {} starts no character", error.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}
