//! The files of a capture, as whoever copies them home sees them: `pod files` and `pod read FILE --from OFFSET`.
//!
//! Owns what may be read: regular files below one directory, by plain names, never through a symbolic link. Must not
//! know who asks, nor what is in the files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::{Component, Path, PathBuf},
};

use clap::Args;
use flate2::{Compression, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Outcome, exit};

/// What `pod files` prints, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// In the order of their paths.
    pub(crate) files: Vec<Listed>,
}

/// A file of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Below the output directory, with `/` between its parts.
    pub(crate) path: String,
    /// Bytes; of a file that is still being written, those of this moment.
    pub(crate) size: u64,
    /// SHA-256 in hex; absent while somebody writes the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

/// Arguments of `pod files`.
#[derive(Args, Clone, Debug)]
pub struct FilesArgs {
    /// Where the files are
    #[arg(long)]
    dir: PathBuf,
}

/// Arguments of `pod read`.
#[derive(Args, Clone, Debug)]
pub struct ReadArgs {
    /// The file, below the directory
    file: String,
    /// Where the files are
    #[arg(long)]
    dir: PathBuf,
    /// Byte to begin with
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Deflated, RFC 1950
    #[arg(long)]
    deflate: bool,
}

/// `pod files`: the listing as JSON.
pub(super) fn print(args: &FilesArgs) -> Outcome {
    let failed = |error: io::Error| Error::failed(format!("{}: {error}", args.dir.display()));
    let listing = match list(&args.dir) {
        // A capture that wrote nothing made no directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Listing::default(),
        listing => listing.map_err(failed)?,
    };
    serde_json::to_writer(io::stdout().lock(), &listing).map_err(Error::failed)?;
    Ok(exit::DONE)
}

/// `pod read`: the bytes of a file.
pub(super) fn pass(args: &ReadArgs) -> Outcome {
    let out = io::stdout().lock();
    read(&args.dir, &args.file, args.from, args.deflate, out).map_err(Error::failed)?;
    Ok(exit::DONE)
}

/// Bytes read at once.
const PIECE: usize = 64 * 1024;
/// Directories below the output directory; ours have one.
const DEEPEST: usize = 4;

/// All files below `dir`. What SQLite rebuilds by itself (`-shm`) and hidden files are left out.
pub(crate) fn list(dir: &Path) -> io::Result<Listing> {
    let mut files = Vec::new();
    walk(dir, "", DEEPEST, &mut files)?;
    files.sort_by(|one: &Listed, other: &Listed| one.path.cmp(&other.path));
    Ok(Listing { files })
}

fn walk(dir: &Path, below: &str, depth: usize, files: &mut Vec<Listed>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || name.ends_with("-shm") {
            continue;
        }
        // Of the entry itself: a symbolic link is neither.
        let kind = entry.file_type()?;
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), &path, depth - 1, files)?;
        } else if kind.is_file() {
            match look(&entry.path(), path) {
                // A newer one took its place meanwhile (`--files`).
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                listed => files.push(listed?),
            }
        }
    }
    Ok(())
}

fn look(file: &Path, path: String) -> io::Result<Listed> {
    let mut open = File::open(file)?;
    let sha256 = is_closed(file, &open).then(|| hash(&mut open)).transpose()?;
    Ok(Listed { path, size: open.metadata()?.len(), sha256 })
}

/// Whoever writes a file holds its lock; that of a database covers its write-ahead log.
fn is_closed(path: &Path, open: &File) -> bool {
    let database = path.to_str().and_then(|path| path.strip_suffix("-wal"));
    match database.map(File::open) {
        Some(Ok(database)) => database.try_lock_shared().is_ok(),
        _ => open.try_lock_shared().is_ok(),
    }
}

fn hash(file: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(hash)),
            size => hash.update(&piece[..size]),
        }
    }
}

/// A finished hash, as it is printed.
pub(crate) fn hex(hash: Sha256) -> String {
    format!("{:x}", hash.finalize())
}

/// Writes the file `name` of `dir`, from byte `from` to its end, to `out`; deflated (RFC 1950) if asked.
pub(crate) fn read(dir: &Path, name: &str, from: u64, deflate: bool, out: impl Write) -> io::Result<()> {
    let mut file = open(dir, name)?;
    file.seek(SeekFrom::Start(from))?;
    if deflate {
        let mut out = ZlibEncoder::new(out, Compression::fast());
        pour(&mut file, &mut out)?;
        out.finish()?.flush()
    } else {
        let mut out = out;
        pour(&mut file, &mut out)?;
        out.flush()
    }
}

fn pour(file: &mut File, out: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            size => out.write_all(&piece[..size])?,
        }
    }
}

/// A regular file below `dir`; nothing on the way to it is a symbolic link.
fn open(dir: &Path, name: &str) -> io::Result<File> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {why}"));
    let mut path = PathBuf::from(dir);
    for part in Path::new(name).components() {
        let Component::Normal(part) = part else { return Err(refused("not a plain path below the output directory")) };
        path.push(part);
        if path.symlink_metadata().map_err(|error| refused(&error.to_string()))?.is_symlink() {
            return Err(refused("is a symbolic link"));
        }
    }
    if !path.is_file() {
        return Err(refused("not a file"));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn directory() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [("flow/a.json", "[1]"), ("flow/a.db", "db"), ("pcap/a.pcapng", "0123456789")] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), text).unwrap();
        }
        dir
    }

    #[test]
    fn closed_files_have_a_hash_and_open_ones_none() {
        let dir = directory();
        let writer = File::options().append(true).open(dir.path().join("flow/a.db")).unwrap();
        writer.lock().unwrap();
        fs::write(dir.path().join("flow/a.db-wal"), "log").unwrap();
        fs::write(dir.path().join("flow/a.db-shm"), "index").unwrap();
        fs::write(dir.path().join(".hidden"), "").unwrap();
        let files = list(dir.path()).unwrap().files;
        let shown: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.size, file.sha256.is_some())).collect();
        assert_eq!(
            shown,
            [
                ("flow/a.db", 2, false),
                ("flow/a.db-wal", 3, false),
                ("flow/a.json", 3, true),
                ("pcap/a.pcapng", 10, true)
            ]
        );
        // printf '[1]' | sha256sum
        let hash = "080a9ed428559ef602668b4c00f114f1a11c3f6b02a435f0bdc154578e4d7f22";
        assert_eq!(files[2].sha256.as_deref(), Some(hash));
    }

    #[test]
    fn reading_starts_where_it_is_told() {
        let dir = directory();
        let mut raw = Vec::new();
        read(dir.path(), "pcap/a.pcapng", 4, false, &mut raw).unwrap();
        assert_eq!(raw, b"456789");
        let mut deflated = Vec::new();
        read(dir.path(), "pcap/a.pcapng", 8, true, &mut deflated).unwrap();
        let mut plain = String::new();
        ZlibDecoder::new(&deflated[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, "89");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_outside_is_read_or_listed() {
        let dir = directory();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(secret.path(), dir.path().join("flow/link")).unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        let all = ["flow/link", "etc/passwd", "../x", "/etc/passwd", "flow/../../x", "flow", "", "flow/none"];
        for name in all {
            assert!(read(dir.path(), name, 0, false, io::sink()).is_err(), "{name}");
        }
        assert_eq!(list(dir.path()).unwrap().files.len(), 3);
    }
}
