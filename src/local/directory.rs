//! `--output-dir`, looked at before anything is made in it.

use std::{io, path::Path};

use crate::error::Error;

/// Whether files can be made below `dir`, which need not exist yet.
pub(crate) fn check(dir: &Path) -> Result<(), Error> {
    let shown = dir.display();
    if dir.as_os_str().is_empty() {
        return Err(Error::usage("--output-dir \"\": a directory has a name"));
    }
    // The empty path is what is left of a relative one: the current directory.
    let existing = dir.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(existing) = existing.into_iter().find(|path| path.symlink_metadata().is_ok()) else {
        return Err(Error::failed(format!("--output-dir {shown}: nothing of this path exists")));
    };
    if !existing.is_dir() {
        return Err(Error::failed(format!("--output-dir {shown}: {} is not a directory", existing.display())));
    }
    writable(existing).map_err(|error| {
        Error::failed(format!("--output-dir {shown}: cannot write to {}: {error}", existing.display()))
            .hint("--output-dir names another directory, --copy=false writes no files")
    })
}

#[cfg(unix)]
fn writable(dir: &Path) -> io::Result<()> {
    use std::{ffi::CString, os::unix::ffi::OsStrExt as _};
    let path = CString::new(dir.as_os_str().as_bytes())?;
    // SAFETY: `path` is a string that ends in zero and lives until the call returns.
    let result = unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What Windows allows is known by trying only; who makes the files says it.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_judged_by_what_it_would_be_made_in() {
        let dir = tempfile::tempdir().unwrap();
        check(&dir.path().join("a/b/c")).unwrap();
        assert!(!dir.path().join("a").exists(), "nothing is made by looking");
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = check(&dir.path().join("file/below")).unwrap_err();
        assert!(error.message.ends_with("/file is not a directory"), "{}", error.message);
        check(Path::new("relative")).unwrap();
        assert!(check(Path::new("")).is_err());
    }
}
