//! The run folder: made new, never mixed with another run's, and the only place that a script writes to.

use super::claim::{Claim, claim};
use super::kept::{MAX_RECORD, RECORD, inside, read_inside};
use super::schema::{Outcome, Record};
use crate::core::context::{AccessError, Context, plain};
use crate::core::explain::explained;
use crate::core::files::{self, TEMPORARY};
use crate::core::outputs::{is_own, unfit};
use std::io::Write;
use std::path::{Path, PathBuf};

explained! {
    /// Why nothing could be written.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum RecordError {
        #[error("this session has no run folder to write `{name}` into")]
        #[code("record/no-run")]
        #[hint("run it with `w2s script FILE`, or give the prompt `--run DIR`")]
        NoRun { name: String },
        #[error("`{name}` is not a file name: {reason}")]
        #[code("record/name")]
        #[hint("use letters, digits, `-`, `_` and `.`, such as \"pgr-by-gap\"")]
        Name { name: String, reason: &'static str },
        #[error("the folder `{path}` already holds a run, which ended")]
        #[code("record/taken")]
        #[hint("name another folder with --run DIR, or leave it out for a new one below `runs`")]
        Taken { path: String },
        #[error("`{link}` in the folder `{path}` is a link: what the run writes there would land elsewhere")]
        #[code("record/link")]
        #[hint("remove the link, or name the folder that is meant, or a new one, with --run DIR")]
        Link { path: String, link: String },
        #[error("another run is using the folder `{path}`")]
        #[code("record/live")]
        #[hint("wait until it ends, or name another folder with --run DIR")]
        Live { path: String },
        #[error("the folder `{path}` has a run that is still going or was killed: this file system has no locks to tell which")]
        #[code("record/untold")]
        #[hint("name another folder with --run DIR; if no run is using it, remove its record.json")]
        Untold { path: String },
        #[error("the folder `{path}` holds an unfinished run of another command: `{command}`")]
        #[code("record/other-command")]
        #[hint("run that command to continue it; for this one name another folder with --run DIR")]
        OtherCommand { path: String, command: String },
        #[error("`{path}` could not be written: {reason}")]
        #[code("record/write")]
        Write { path: String, reason: String },
        #[error("`{path}` could not be read: {reason}")]
        #[code("record/read")]
        Read { path: String, reason: String },
        #[error("`{path}` was written with `{schema}`, an older format")]
        #[code("record/older")]
        #[hint("run its script again with this w2s")]
        Older { path: String, schema: String },
        #[error("`{path}` was written with `{schema}`, a newer format")]
        #[code("record/newer")]
        #[hint("read it with the w2s that wrote it, or a later one")]
        Newer { path: String, schema: String },
        #[error("`{path}` is damaged: {reason}")]
        #[code("record/damaged")]
        Damaged { path: String, reason: String },
        #[error("`{path}` is not a run folder: it has no `record.json`")]
        #[code("record/none")]
        #[hint("`w2s runs` lists run folders")]
        NoRecord { path: String },
        /// Whether it is only what the program makes anew.
        #[error("`{path}` differs from what the run left: changed or missing since then: {files}")]
        #[code("record/altered")]
        #[hint(if *only_pages {
            format!("the page and the appendix are made anew from the rest: w2s appendix {path}")
        } else {
            "run its script again for a run that is whole, or see what differs: w2s verify RUN".to_owned()
        })]
        Altered {
        path: String,
        files: String,
        /// Whether it is only what the program makes anew.
        only_pages: bool,
    },
        #[error("the record names the path `{path}`: {reason}")]
        #[code("record/path")]
        Path { path: String, reason: &'static str },
        #[error("`{path}` is not a usable bundle: {reason}")]
        #[code("bundle/broken")]
        #[hint("a run is named by its folder, the `record.json` in it, or what `w2s bundle` made")]
        Bundle { path: String, reason: String },
        #[error("the script read `{path}`, but no file with the recorded content was found there")]
        #[code("record/data")]
        #[hint("name the folder that holds the file as it was then: --project DIR")]
        Data { path: String },
        #[error("the run used `{id}`, which was not fetched into the store")]
        #[code("store/not-fetched")]
        #[hint("type: w2s fetch {id}")]
        NotFetched { id: String },
        #[error("the run cannot be verified: {reason}")]
        #[code("verify/unfit")]
        #[hint("run its script again: computed results are reused, and an interrupted training continues")]
        Unfit { reason: String },
    }
    from { Access(AccessError) }
}

/// A folder for a run.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    /// Keeps other runs out of it while it lives.
    pub claim: Claim,
    /// The record of a run that was stopped, by its user or a full disk, or ended by force and left the folder unfinished.
    pub unfinished: Option<Record>,
}

impl Folder {
    /// A folder, which exists, unless a run works or ended in it.
    fn at(path: &Path) -> Result<Folder, RecordError> {
        let shown = || path.display().to_string();
        let path = path.canonicalize().map_err(|error| RecordError::Write { path: shown(), reason: plain(&error) })?;
        no_links(&path, &path, 0)?;
        let claim = claim(&path);
        if matches!(claim, Claim::Held) {
            return Err(RecordError::Live { path: shown() });
        }
        if path.join(RECORD).symlink_metadata().is_err() {
            return Ok(Folder { path, claim, unfinished: None });
        }
        let record = read_inside(&path, RECORD, MAX_RECORD).and_then(|text| Record::parse(RECORD, &text));
        match record {
            Ok(record) if record.outcome.is_stopped() => Ok(Folder { path, claim, unfinished: Some(record) }),
            // Where folders are not locked, it may run still.
            Ok(record) if record.outcome == Outcome::Running && matches!(claim, Claim::Ours(_)) => {
                Ok(Folder { path, claim, unfinished: Some(record) })
            }
            Ok(record) if record.outcome == Outcome::Running => Err(RecordError::Untold { path: shown() }),
            _ => Err(RecordError::Taken { path: shown() }),
        }
    }

    /// Removes what the unfinished run left, by its record; whatever else is there stays.
    pub fn clear(&mut self) -> Result<(), RecordError> {
        let Some(record) = self.unfinished.take() else { return Ok(()) };
        let written = record.written().into_iter().chain(&record.pages).map(|file| file.path.as_str());
        let known = record.sources.iter().map(|source| source.file.as_str()).chain(written);
        let announced = read_inside(&self.path, ANNOUNCED, MAX_RECORD).unwrap_or_default();
        let announced = String::from_utf8_lossy(&announced);
        for path in known.chain(announced.lines()).chain([RECORD]) {
            let file = self.path.join(inside(path)?);
            // A link that leads out of the folder: what lies there is not the run's.
            if !file.parent().and_then(|at| at.canonicalize().ok()).is_some_and(|at| at.starts_with(&self.path)) {
                continue;
            }
            remove(&file)?;
        }
        // What was being written when it ended.
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY));
            if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The deepest folder in a run's that is looked into: a script writes into folders that a saved model made.
const MAX_DEPTH: usize = 8;

/// Fails where `at`, in the folder of a run to be, holds a link: a folder that a stranger packed could lead what is written there anywhere.
fn no_links(folder: &Path, at: &Path, depth: usize) -> Result<(), RecordError> {
    for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            let link = entry.path().strip_prefix(folder).unwrap_or(Path::new("")).display().to_string();
            return Err(RecordError::Link { path: folder.display().to_string(), link });
        }
        if kind.is_dir() && depth < MAX_DEPTH {
            no_links(folder, &entry.path(), depth + 1)?;
        }
    }
    Ok(())
}

/// Removes a file, if it is there.
fn remove(file: &Path) -> Result<(), RecordError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RecordError::Write { path: file.display().to_string(), reason: plain(&error) })
        }
        _ => Ok(()),
    }
}

/// Makes the folder of a run: `asked`, or the first free `runs/<stem>-NNN` under `here`.
pub fn create(here: &Path, asked: Option<&Path>, stem: &str) -> Result<Folder, RecordError> {
    let failed = |path: &Path, error: &std::io::Error| RecordError::Write {
        path: path.display().to_string(),
        reason: plain(error),
    };
    if let Some(path) = asked {
        let path = here.join(path);
        std::fs::create_dir_all(&path).map_err(|error| failed(&path, &error))?;
        return Folder::at(&path);
    }
    let runs = here.join("runs");
    if runs.is_symlink() {
        return Err(RecordError::Link { path: here.display().to_string(), link: "runs".to_owned() });
    }
    std::fs::create_dir_all(&runs).map_err(|error| failed(&runs, &error))?;
    let stem = plain_name(stem);
    for number in 1..100_000 {
        let path = runs.join(format!("{stem}-{number:03}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Folder::at(&path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    Err(RecordError::Taken { path: runs.join(stem).display().to_string() })
}

/// The names of files that a run in progress is about to write, one a line: if it is ended by force before its record names
/// them, they are known to be its own.
const ANNOUNCED: &str = ".w2s-announced";

/// Says that the run is about to write these files, which are not there yet, into its folder.
pub fn announce(ctx: &Context, files: &[PathBuf]) -> Result<(), RecordError> {
    let Some(folder) = &ctx.settings.run_dir else { return Ok(()) };
    let path = folder.join(ANNOUNCED);
    let names = files.iter().filter_map(|file| Some(format!("{}\n", file.file_name()?.to_str()?)));
    let names: String = names.collect();
    let opened = unlinked().create(true).append(true).open(&path);
    opened
        .and_then(|mut file| file.write_all(names.as_bytes()))
        .map_err(|error| RecordError::Write { path: path.display().to_string(), reason: plain(&error) })
}

/// Options for a file that is opened in place: a link is not followed.
fn unlinked() -> std::fs::OpenOptions {
    #[allow(unused_mut)]
    let mut options = std::fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options
}

/// Forgets what was announced: the record names it.
pub fn settle(folder: &Path) -> Result<(), RecordError> {
    remove(&folder.join(ANNOUNCED))
}

/// Where a script's file called `name` with `extension` goes: into the run folder. A later file of one name replaces
/// the earlier one.
pub fn place(ctx: &Context, name: &str, extension: &str) -> Result<PathBuf, RecordError> {
    place_named(ctx, &format!("{name}.{extension}"))
}

/// As [`place`], for a name with its extension.
pub fn place_named(ctx: &Context, name: &str) -> Result<PathBuf, RecordError> {
    let refuse = |reason| Err(RecordError::Name { name: name.to_owned(), reason });
    if let Some(reason) = unfit(name) {
        return refuse(reason);
    }
    if is_own(name) {
        return refuse("the run's own file is called so");
    }
    if plain_name(name) != name {
        return refuse("it has a character that not every file system takes");
    }
    let Some(folder) = &ctx.settings.run_dir else {
        return Err(RecordError::NoRun { name: name.to_owned() });
    };
    Ok(ctx.access.writable(&folder.join(name))?)
}

/// `name` with every character that some file system refuses made a dash.
pub fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    name.trim_matches(['-', '.']).to_owned()
}

/// Writes a file of a run whole or not at all. Its folder is made if it is missing.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let failed = |error: std::io::Error| RecordError::Write { path: path.display().to_string(), reason: plain(&error) };
    files::write(path, bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::context::Access;

    #[test]
    fn run_folders_are_numbered_and_never_shared() {
        let here = tempfile::tempdir().expect("a folder");
        let first = create(here.path(), None, "boot strap").expect("made");
        let second = create(here.path(), None, "boot strap").expect("made");
        assert!(first.path.ends_with("runs/boot-strap-001") && second.path.ends_with("runs/boot-strap-002"));
        let asked = create(here.path(), Some(Path::new("mine")), "x").expect("made");
        write(&asked.path.join("record.json"), b"{}").expect("written");
        let again = || create(here.path(), Some(Path::new("mine")), "x");
        if cfg!(unix) {
            assert!(matches!(again(), Err(RecordError::Live { .. })), "its claim lives");
        }
        drop(asked);
        assert!(matches!(again(), Err(RecordError::Taken { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn an_unfinished_run_leaves_its_folder_to_the_next_and_only_its_own_files_go() {
        let here = tempfile::tempdir().expect("a folder");
        let run = here.path().join("mine");
        std::fs::create_dir(&run).expect("made");
        let recorder = super::super::Recorder::for_tests(&run, &["5".to_owned()]);
        let again = || create(here.path(), Some(Path::new("mine")), "x");
        let failed = |code: &str| Outcome::Failed { code: code.to_owned(), message: String::new(), place: None };
        for outcome in [Outcome::Running, Outcome::Interrupted, failed("store/full")] {
            std::fs::write(run.join("t.csv"), "a\n1\n").expect("written");
            std::fs::write(run.join("notes.txt"), "mine").expect("written");
            let files = vec![run.join("t.csv")];
            recorder.note(&crate::core::context::Event::Written {
                kind: "table".to_owned(),
                name: "t".to_owned(),
                caption: String::new(),
                files,
            });
            recorder.write(outcome).expect("written");
            let mut folder = again().expect("taken over");
            assert!(recorder.is_same_command(folder.unfinished.as_ref().expect("a record")));
            let other = super::super::Recorder::for_tests(&run, &["6".to_owned()]);
            assert!(!other.is_same_command(folder.unfinished.as_ref().expect("a record")));
            assert!(matches!(again(), Err(RecordError::Live { .. })), "it is held again");
            folder.clear().expect("cleared");
            let left: Vec<_> = std::fs::read_dir(&run).expect("there").map(|e| e.expect("one").file_name()).collect();
            assert_eq!(left, ["notes.txt"]);
        }
        for outcome in [Outcome::Done, failed("metric/shape")] {
            recorder.write(outcome).expect("written");
            assert!(matches!(again(), Err(RecordError::Taken { .. })));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_with_links_is_no_run_folder() {
        use std::os::unix::fs::symlink;
        let here = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        for (run, link) in [("a", "imports"), ("b", ANNOUNCED), ("c", "report.html"), ("d", "deep/down")] {
            let link = here.path().join(run).join(link);
            std::fs::create_dir_all(link.parent().expect("a folder")).expect("made");
            symlink(elsewhere.path().join("target"), &link).expect("linked");
            let refused = create(here.path(), Some(Path::new(run)), "x").expect_err("refused");
            assert!(matches!(refused, RecordError::Link { .. }), "{refused}");
        }
        symlink(elsewhere.path(), here.path().join("runs")).expect("linked");
        assert!(matches!(create(here.path(), None, "x"), Err(RecordError::Link { .. })));
        // A link that the user names leads where the user says.
        symlink(elsewhere.path(), here.path().join("mine")).expect("linked");
        assert!(create(here.path(), Some(Path::new("mine")), "x").is_ok());
        // One that appears while the run works is not followed.
        let folder = elsewhere.path().canonicalize().expect("real");
        symlink(folder.join("secret"), folder.join(ANNOUNCED)).expect("linked");
        let settings =
            crate::core::context::Settings { run_dir: Some(folder.clone()), ..Context::for_tests().settings };
        assert!(announce(&Context::new(settings, Access::default()), &[folder.join("t.csv")]).is_err());
        assert!(!folder.join("secret").exists());
    }

    #[test]
    fn a_script_names_files_of_the_run_folder_only() {
        let here = tempfile::tempdir().expect("a folder");
        let folder = here.path().canonicalize().expect("real");
        let settings =
            crate::core::context::Settings { run_dir: Some(folder.clone()), ..Context::for_tests().settings };
        let ctx = Context::new(settings, Access { write: vec![folder.clone()], ..Access::default() });
        assert_eq!(place(&ctx, "pgr", "csv").expect("fits"), folder.join("pgr.csv"));
        for bad in ["../x", "/etc/x", "", ".hidden", "a/b", "a\\b", "record", "Record"] {
            let extension = if bad.eq_ignore_ascii_case("record") { "json" } else { "csv" };
            let answer = if bad.is_empty() { place_named(&ctx, "") } else { place(&ctx, bad, extension) };
            assert!(matches!(answer, Err(RecordError::Name { .. })), "{bad}: {answer:?}");
        }
        let none = place(&Context::for_tests(), "x", "csv");
        assert!(matches!(none, Err(RecordError::NoRun { .. })));
    }
}
