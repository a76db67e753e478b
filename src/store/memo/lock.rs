//! Locks between processes: a locked file, which the system lets go when its process ends, however it ends.

use crate::core::context::Interrupt;
use crate::store::{StoreError, set_aside};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a process that waits for another one looks again. Arbitrary.
const PATIENCE: Duration = Duration::from_millis(25);

/// A file that this process alone has locked. It is removed when the lock is dropped, unless it [stays](Lock::stays).
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) file: File,
    path: PathBuf,
    stays: bool,
}

impl Lock {
    /// Locks the file, which is made if it is missing; waits for others and tells `waiting` once.
    pub(super) fn wait(path: &Path, interrupt: &Interrupt, waiting: impl FnOnce()) -> Result<Lock, StoreError> {
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Lock::take(path)? {
                return Ok(lock);
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            interrupt.check()?;
            std::thread::sleep(PATIENCE);
        }
    }

    /// Locks the file, which is made if it is missing; `None` where another one holds it.
    pub(super) fn take(path: &Path) -> Result<Option<Lock>, StoreError> {
        loop {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
            let made = std::fs::OpenOptions::new().create(true).truncate(false).read(true).append(true).open(path);
            let file = match made {
                Ok(file) => file,
                Err(_) if set_aside(path)? => continue,
                Err(error) => return Err(StoreError::io(path, &error)),
            };
            match file.try_lock() {
                // Its last holder may have removed the file between our opening and our locking it.
                Ok(()) if !is_at(&file, path) => {}
                Ok(()) => return Ok(Some(Lock { file, path: path.to_owned(), stays: false })),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(StoreError::io(path, &error)),
            }
        }
    }

    /// The file stays when the lock is dropped.
    pub(super) fn stays(&mut self) {
        self.stays = true;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is locked: whoever waits for it finds that it is gone and makes a new one. Elsewhere than on Unix
        // an open file cannot be removed; one that stays is locked again by whoever needs it next.
        if cfg!(unix) && !self.stays {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Holds the store's content together for a short time: shared by those who add to it, alone by the one who removes.
pub(super) fn hold(path: &Path, alone: bool, interrupt: &Interrupt) -> Result<File, StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
    let made = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = made.map_err(|error| StoreError::io(path, &error))?;
    loop {
        match if alone { file.try_lock() } else { file.try_lock_shared() } {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                interrupt.check()?;
                std::thread::sleep(PATIENCE);
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(path, &error)),
        }
    }
}

/// Whether `path` still names the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |one: std::fs::Metadata, other: std::fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    file.metadata().ok().zip(path.metadata().ok()).is_some_and(|(one, other)| same(one, other))
}

/// Locked files are not removed here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_holds_it_at_a_time_though_every_holder_removes_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("locks/one");
        let (inside, most, total) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Some(lock) = Lock::take(&path).expect("locks") else { continue };
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        total.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert!(total.load(Ordering::SeqCst) > 0);
        assert!(cfg!(not(unix)) || !path.exists());
    }

    #[test]
    fn whoever_waits_is_told_and_can_be_interrupted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one");
        let held = Lock::take(&path).expect("locks").expect("free");
        assert!(Lock::take(&path).expect("looks").is_none());
        let interrupt = Interrupt::default();
        let error = Lock::wait(&path, &interrupt, || interrupt.raise()).expect_err("interrupted");
        assert!(matches!(error, StoreError::Interrupted(_)));
        interrupt.clear();
        drop(held);
        let _ = Lock::wait(&path, &interrupt, || panic!("nobody holds it")).expect("free");
    }
}
