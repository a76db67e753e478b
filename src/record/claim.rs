//! Who works in a run folder: the process of a run holds a lock on the folder itself, which the system lets go when it
//! ends, however it ends. So a run that says that it runs, in a folder that nobody holds, was ended by force.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a folder that is held is tried again: whoever only looks holds it for less than a moment (chosen).
const PATIENCE: Duration = Duration::from_millis(300);

/// What came of claiming a folder.
#[derive(Debug)]
pub enum Claim {
    /// It is this process's, for as long as this lives.
    Ours(File),
    /// Another process works in it.
    Held,
    /// The system does not lock folders here: nobody can tell.
    Unknown,
}

/// Claims the folder, which exists.
pub fn claim(folder: &Path) -> Claim {
    let began = Instant::now();
    loop {
        match lock(folder, File::try_lock) {
            Claim::Held if began.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 10),
            claim => return claim,
        }
    }
}

/// Whether a process works in the folder; `None` where nobody can tell.
pub fn is_live(folder: &Path) -> Option<bool> {
    match lock(folder, File::try_lock_shared) {
        Claim::Ours(_) => Some(false),
        Claim::Held => Some(true),
        Claim::Unknown => None,
    }
}

fn lock(folder: &Path, how: fn(&File) -> Result<(), TryLockError>) -> Claim {
    // A folder cannot be opened everywhere, and not every file system locks one.
    let Ok(opened) = File::open(folder) else { return Claim::Unknown };
    match how(&opened) {
        Ok(()) => Claim::Ours(opened),
        Err(TryLockError::WouldBlock) => Claim::Held,
        Err(TryLockError::Error(_)) => Claim::Unknown,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_folder_at_a_time_and_looking_takes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = claim(folder.path());
        assert!(matches!(ours, Claim::Ours(_)));
        assert_eq!(is_live(folder.path()), Some(true));
        assert!(matches!(claim(folder.path()), Claim::Held));
        drop(ours);
        assert_eq!((is_live(folder.path()), is_live(folder.path())), (Some(false), Some(false)));
        assert!(matches!(claim(folder.path()), Claim::Ours(_)));
        assert_eq!(is_live(&folder.path().join("none")), None);
    }
}
