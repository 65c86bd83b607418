//! Where output files go and what they are called: `flow/<stamp>.json`, `.db`, `pcap/<stamp>.pcapng`, and
//! `<stamp>.summary.json` beside them. Never an existing file, and readable by the owner only.
//!
//! Of packets there may be several: `<stamp>-0001.pcapng`, `<stamp>-<node>.pcapng`, `<stamp>-<node>-0001.pcapng`.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use flow::config::{Mode, PacketFiles};

use crate::CollectorError;

/// Captures of one second in one directory that get a name of their own.
const ATTEMPTS: u32 = 1000;

/// Most of a node's name in the name of a file.
const LONGEST_NODE: usize = 100;

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
    /// In place of those, where there will be several of packets.
    pub(crate) series: Option<Place>,
    /// Where the summary goes.
    pub(crate) summary: PathBuf,
}

impl Files {
    /// Creates the directory and the files.
    pub(crate) fn create(
        output_dir: &Path,
        mode: Mode,
        packets: &PacketFiles,
        stamp: &str,
    ) -> Result<Self, CollectorError> {
        let (folder, extensions): (_, &[&str]) = match mode {
            Mode::Flows => ("flow", &["json", "db"]),
            Mode::Packets => ("pcap", &["pcapng"]),
        };
        let folder = output_dir.join(folder);
        fs::create_dir_all(&folder).map_err(|source| CollectorError::Directory { path: folder.clone(), source })?;
        let is_series = mode == Mode::Packets && (is_numbered(packets) || !packets.merge);
        for attempt in 1..=ATTEMPTS {
            let stem = if attempt == 1 { stamp.to_owned() } else { format!("{stamp}-{attempt}") };
            let files = if is_series {
                Place::find(&folder, stem, is_numbered(packets)).map(Self::of_series)
            } else {
                Self::try_create(&folder, &stem, extensions)?
            };
            if let Some(files) = files {
                return Ok(files);
            }
        }
        let reason = format!("there are {ATTEMPTS} captures of this second already");
        Err(CollectorError::File { path: folder.join(stamp), reason })
    }

    fn of_series(place: Place) -> Self {
        let summary = place.folder.join(format!("{}.summary.json", place.stem));
        Self { data: Vec::new(), series: Some(place), summary }
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
        Ok(Some(Self { data, series: None, summary }))
    }
}

/// Whether files follow each other.
fn is_numbered(packets: &PacketFiles) -> bool {
    packets.size.is_some() || packets.time.is_some()
}

/// Where the files of a series go, and what their names have in common.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    stem: String,
    is_numbered: bool,
}

impl Place {
    /// `None` if there is a file of that stem.
    fn find(folder: &Path, stem: String, is_numbered: bool) -> Option<Self> {
        let is_taken = |name: &str| name.strip_prefix(&*stem).is_some_and(|rest| rest.starts_with(['-', '.']));
        let mut names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let is_free = !names.any(|name| name.to_str().is_some_and(is_taken));
        is_free.then(|| Self { folder: folder.to_owned(), stem, is_numbered })
    }

    /// The first file that there will be, more or less: for words about all of them.
    pub(crate) fn first(&self) -> PathBuf {
        self.path(None, 1)
    }

    /// The `number`th file, of a node or of all.
    fn path(&self, node: Option<&str>, number: u32) -> PathBuf {
        let mut name = self.stem.clone();
        if let Some(node) = node {
            name.push('-');
            // A name from a node or a cluster may lead nowhere else.
            let plain = |char: char| if char.is_ascii_alphanumeric() || "._+".contains(char) { char } else { '-' };
            name.extend(node.chars().take(LONGEST_NODE).map(plain));
        }
        if self.is_numbered || number > 1 {
            // A String takes everything.
            let _ = write!(name, "-{number:04}");
        }
        self.folder.join(name + ".pcapng")
    }

    /// Creates the next file from the `number`th on; a number that is taken is passed over.
    pub(crate) fn create(&self, node: Option<&str>, number: &mut u32) -> io::Result<(PathBuf, File)> {
        for _ in 0..ATTEMPTS {
            let path = self.path(node, *number);
            match create_new(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => *number += 1,
                file => return file.map(|file| (path, file)),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
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
        let first = Files::create(dir.path(), Mode::Flows, &PacketFiles::default(), "s").unwrap();
        fs::write(dir.path().join("flow/s-2.db"), "mine").unwrap();
        let third = Files::create(dir.path(), Mode::Flows, &PacketFiles::default(), "s").unwrap();
        assert!(first.data[0].0.ends_with("flow/s.json"));
        assert!(third.data[1].0.ends_with("flow/s-3.db"));
        assert!(!dir.path().join("flow/s-2.json").exists(), "nothing half made is left");
        assert_eq!(fs::read(dir.path().join("flow/s-2.db")).unwrap(), b"mine");
        assert_eq!(third.data[0].1.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_of_a_series_are_numbered_and_named_by_their_node() {
        let dir = tempfile::tempdir().unwrap();
        let create =
            |packets: &PacketFiles| Files::create(dir.path(), Mode::Packets, packets, "s").unwrap().series.unwrap();
        let numbered = PacketFiles { size: Some(1 << 20), ..PacketFiles::default() };
        let place = create(&numbered);
        let name = |place: &Place, node: Option<&str>, number: &mut u32| {
            place.create(node, number).unwrap().0.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name(&place, None, &mut 1), "s-0001.pcapng");
        let mut number = 1;
        assert_eq!((name(&place, None, &mut number), number), ("s-0002.pcapng".into(), 2));
        let of_nodes = create(&PacketFiles { merge: false, ..PacketFiles::default() });
        assert_eq!(name(&of_nodes, Some("n1.example"), &mut 1), "s-2-n1.example.pcapng", "another capture has s");
        assert_eq!(name(&of_nodes, Some("../x"), &mut 1), "s-2-..-x.pcapng");
        let both = create(&PacketFiles { merge: false, ..numbered });
        assert_eq!(name(&both, Some("n1"), &mut 12), "s-3-n1-0012.pcapng");
        fs::write(dir.path().join("pcap/s-4.pcapng"), "").unwrap();
        assert_eq!(name(&create(&numbered), None, &mut 1), "s-5-0001.pcapng");
    }

    #[test]
    fn an_unusable_directory_is_named() {
        let error = Files::create(Path::new("/proc/nowhere"), Mode::Packets, &PacketFiles::default(), "s").unwrap_err();
        assert!(error.to_string().starts_with("cannot create the directory /proc/nowhere/pcap: "), "{error}");
    }
}
