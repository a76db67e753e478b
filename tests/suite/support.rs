//! What several topics need: a session with a folder of its own, and the files of the repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use w2s::core::context::{Access, Context, Memo, Settings};
use w2s::lang::{Session, Setup};
use w2s::store::StoreSession;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A session that may read and write in `folder`, which is its project and its run folder, and no other place.
pub fn session_in(folder: &Path) -> Session {
    let settings = Settings {
        seed_offset: 0,
        world: w2s::core::context::NEWEST_WORLD,
        n_threads: 2,
        device: "cpu".to_owned(),
        store: folder.join("store"),
        bucket: None,
        memo: Memo::On,
        checkpoint: None,
        run_dir: Some(folder.to_owned()),
    };
    let access = Access {
        read: vec![folder.to_owned()],
        write: vec![folder.to_owned()],
        project: folder.to_owned(),
        ..Access::default()
    };
    let ctx = Arc::new(StoreSession::default()).lend(Context::new(settings, access));
    Session::with(Arc::new(ctx), Setup::default())
}

/// Every file below `folder` whose name ends with `.` and `extension`, in order.
pub fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("an entry of a folder").path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as seen from the root, with slashes.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Says that a test checked nothing because something is not there: on the terminal, and in `skipped.txt` in the target
/// directory's folder for temporary files, which `.ci/run` prints last.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped.txt");
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let mut file = file.expect("the target directory can be written");
    std::io::Write::write_all(&mut file, line.as_bytes()).expect("the target directory can be written");
}
