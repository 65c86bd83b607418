//! `--output-dir`, looked at before anything is made in it.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process,
};

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

/// Tried out, since rights alone do not tell: root may write to /proc, and yet nothing can be made there.
fn writable(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".oc-netobserv-{}", process::id()));
    File::options().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_judged_by_what_it_would_be_made_in() {
        let dir = tempfile::tempdir().unwrap();
        check(&dir.path().join("a/b/c")).unwrap();
        assert!(!dir.path().join("a").exists(), "nothing is made by looking");
        fs::write(dir.path().join("file"), "").unwrap();
        let error = check(&dir.path().join("file/below")).unwrap_err();
        assert!(error.message.ends_with("/file is not a directory"), "{}", error.message);
        #[cfg(target_os = "linux")]
        assert!(check(Path::new("/proc/none")).is_err());
        check(Path::new("relative")).unwrap();
        assert!(check(Path::new("")).is_err());
    }
}
