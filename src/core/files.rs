//! Files: one is written whole or not at all, under a temporary name first; what went wrong is said in plain words.

use std::io::{Error, ErrorKind, Result, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// How temporary names begin. A run removes such files from its folder: they are what an earlier process was writing when it
/// was ended by force.
pub const TEMPORARY: &str = ".w2s-";

/// Writes a file: whoever looks finds the old content or all of the new one. Its folder is made if it is missing.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = temporary(folder, TEMPORARY)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file in a folder that exists; its name begins with `prefix`. It is removed unless it is given a name (`persist`).
pub fn temporary(folder: &Path, prefix: &str) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    // As private as the user wants new files to be, for it becomes one of them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// An I/O error in plain words, without the operating system's number.
pub fn plain(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a folder".to_owned(),
        ErrorKind::NotADirectory => "a part of it is a file, not a folder".to_owned(),
        ErrorKind::AlreadyExists => "something is there already".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_temporary_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/a.txt");
        for content in ["first", "second"] {
            write(&path, content.as_bytes()).expect("written");
            assert_eq!(std::fs::read_to_string(&path).expect("there"), content);
        }
        assert_eq!(std::fs::read_dir(folder.path().join("new")).expect("there").count(), 1);
        let refused = write(&path.join("below"), b"x").expect_err("its folder is a file");
        assert!(["something is there already", "a part of it is a file, not a folder"].contains(&&*plain(&refused)));
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "second");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_of_any_other_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, usual) = (folder.path().join("ours"), folder.path().join("usual"));
        write(&ours, b"x").expect("written");
        std::fs::write(&usual, b"x").expect("written");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }
}
