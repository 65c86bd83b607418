//! Network namespaces: finding them, naming them, doing something inside one.
//!
//! Must not know interfaces. A namespace is entered by threads that live for that purpose only.

pub(crate) mod enter;
pub(crate) mod follow;
pub(crate) mod watch;

use std::{
    collections::BTreeMap,
    fs, io,
    os::{linux::fs::MetadataExt as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where `ip netns` and container runtimes keep names.
pub(crate) const NAMED: &str = "/run/netns";
/// What the name of a namespace without a name begins with.
const NUMBER: &str = "netns:";
const OWN: &str = "/proc/self/ns/net";

/// A namespace, for as long as it exists: the inode number within the file system of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NsId(pub(crate) u64);

/// A namespace that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// A file that refers to it.
    pub(crate) path: PathBuf,
    /// Empty for our own.
    pub(crate) name: Arc<str>,
}

impl Found {
    /// Whether its name is more than its number.
    pub(crate) fn is_named(&self) -> bool {
        !self.name.starts_with(NUMBER)
    }
}

/// Identity of our own namespace and the device number of all of them.
fn own() -> io::Result<(NsId, u64)> {
    let metadata = fs::metadata(OWN)?;
    Ok((NsId(metadata.st_ino()), metadata.st_dev()))
}

/// The namespace that a file refers to.
///
/// # Errors
/// It cannot be read, or is no namespace.
pub(crate) fn identify(path: &Path) -> io::Result<NsId> {
    let metadata = fs::metadata(path)?;
    let (_, device) = own()?;
    let target = fs::read_link(path).unwrap_or_default();
    // Links under /proc tell their type; a bind mount of another type of namespace is refused when it is entered.
    let other = path.starts_with("/proc") && !target.as_os_str().as_bytes().starts_with(b"net:");
    if metadata.st_dev() != device || other {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file of a network namespace"));
    }
    Ok(NsId(metadata.st_ino()))
}

/// Our own namespace alone.
pub(crate) fn current() -> io::Result<BTreeMap<NsId, Found>> {
    Ok(BTreeMap::from([(own()?.0, Found { path: OWN.into(), name: Arc::from("") })]))
}

/// The one that a path given by the user refers to.
pub(crate) fn at(path: &Path) -> io::Result<BTreeMap<NsId, Found>> {
    let id = identify(path)?;
    if id == own()?.0 {
        return current();
    }
    let name = if path.starts_with(NAMED) || path.starts_with("/var/run/netns") {
        path.file_name().map(|name| name.to_string_lossy().into_owned())
    } else {
        None
    };
    let name = name.unwrap_or_else(|| number(id));
    Ok(BTreeMap::from([(id, Found { path: path.to_owned(), name: name.into() })]))
}

/// All namespaces that a file under /run/netns or a process refers to.
pub(crate) fn all() -> io::Result<BTreeMap<NsId, Found>> {
    let mut found = current()?;
    let (_, device) = own()?;
    for entry in fs::read_dir(NAMED).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        add(&mut found, device, entry.path(), |_| name);
    }
    for entry in fs::read_dir("/proc")?.flatten() {
        if entry.file_name().as_bytes().first().is_some_and(u8::is_ascii_digit) {
            add(&mut found, device, entry.path().join("ns/net"), number);
        }
    }
    Ok(found)
}

fn add(found: &mut BTreeMap<NsId, Found>, device: u64, path: PathBuf, name: impl FnOnce(NsId) -> String) {
    // A process that has ended meanwhile, or a name whose mount is not there yet.
    let Ok(metadata) = fs::metadata(&path) else { return };
    if metadata.st_dev() == device {
        let id = NsId(metadata.st_ino());
        found.entry(id).or_insert_with(|| Found { path, name: name(id).into() });
    }
}

fn number(id: NsId) -> String {
    format!("{NUMBER}{}", id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_has_no_name_and_is_found_once() {
        let found = all().unwrap();
        assert_eq!(found.values().filter(|found| found.name.is_empty()).count(), 1);
        assert_eq!(at(Path::new("/proc/self/ns/net")).unwrap(), current().unwrap());
    }

    #[test]
    fn other_files_are_no_network_namespaces() {
        assert!(identify(Path::new("/etc/passwd")).is_err());
        assert!(identify(Path::new("/proc/self/ns/mnt")).is_err());
        assert!(identify(Path::new("/run/netns/there-is-none")).is_err());
    }
}
