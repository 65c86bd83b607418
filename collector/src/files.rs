//! Where output files go and what they are called: `flow/<stamp>.json`, `.db`, `pcap/<stamp>.pcapng`, and
//! `<stamp>.summary.json` beside them. Never an existing file, and readable by the owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use flow::config::Mode;

use crate::CollectorError;

/// Captures of one second in one directory that get a name of their own.
const ATTEMPTS: u32 = 1000;

/// Creates `path`, which must not exist, with mode 0600; on Windows it is as private as the folder.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true).create_new(true).open(path)
}

/// The files of one capture, created and still empty, but for the summary.
#[derive(Debug)]
pub(crate) struct Files {
    /// `.json`, `.db` of flows or `.pcapng` of packets, in this order.
    pub(crate) data: Vec<(PathBuf, File)>,
    /// Where the summary goes.
    pub(crate) summary: PathBuf,
}

impl Files {
    /// Creates the directory and the files.
    pub(crate) fn create(output_dir: &Path, mode: Mode, stamp: &str) -> Result<Self, CollectorError> {
        let (folder, extensions): (_, &[&str]) = match mode {
            Mode::Flows => ("flow", &["json", "db"]),
            Mode::Packets => ("pcap", &["pcapng"]),
        };
        let folder = output_dir.join(folder);
        fs::create_dir_all(&folder).map_err(|source| CollectorError::Directory { path: folder.clone(), source })?;
        for attempt in 1..=ATTEMPTS {
            let stem = if attempt == 1 { stamp.to_owned() } else { format!("{stamp}-{attempt}") };
            if let Some(files) = Self::try_create(&folder, &stem, extensions)? {
                return Ok(files);
            }
        }
        let reason = format!("there are {ATTEMPTS} captures of this second already");
        Err(CollectorError::File { path: folder.join(stamp), reason })
    }

    /// `None` if one of the files exists; then none is left behind.
    fn try_create(folder: &Path, stem: &str, extensions: &[&str]) -> Result<Option<Self>, CollectorError> {
        let summary = folder.join(format!("{stem}.summary.json"));
        let mut data: Vec<(PathBuf, File)> = Vec::new();
        let taken = |extension: &str| folder.join(format!("{stem}.{extension}")).exists();
        if summary.exists() || extensions.iter().chain(&["db-wal", "db-journal"]).any(|extension| taken(extension)) {
            return Ok(None);
        }
        for extension in extensions {
            let path = folder.join(format!("{stem}.{extension}"));
            match create_new(&path) {
                Ok(file) => data.push((path, file)),
                Err(error) => {
                    remove(&data);
                    if error.kind() == ErrorKind::AlreadyExists {
                        return Ok(None);
                    }
                    return Err(CollectorError::File { path, reason: error.to_string() });
                }
            }
        }
        Ok(Some(Self { data, summary }))
    }
}

/// Files that we have just made and that hold nothing; whether it succeeds changes nothing.
fn remove(data: &[(PathBuf, File)]) {
    for (path, _) in data {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn no_file_is_ever_overwritten_and_only_the_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let first = Files::create(dir.path(), Mode::Flows, "s").unwrap();
        fs::write(dir.path().join("flow/s-2.db"), "mine").unwrap();
        let third = Files::create(dir.path(), Mode::Flows, "s").unwrap();
        assert!(first.data[0].0.ends_with("flow/s.json"));
        assert!(third.data[1].0.ends_with("flow/s-3.db"));
        assert!(!dir.path().join("flow/s-2.json").exists(), "nothing half made is left");
        assert_eq!(fs::read(dir.path().join("flow/s-2.db")).unwrap(), b"mine");
        assert_eq!(third.data[0].1.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_unusable_directory_is_named() {
        let error = Files::create(Path::new("/proc/nowhere"), Mode::Packets, "s").unwrap_err();
        assert!(error.to_string().starts_with("cannot create the directory /proc/nowhere/pcap: "), "{error}");
    }
}
