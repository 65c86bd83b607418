//! Whose secrets are taken: namespaces, pods by their addresses, processes by number or name.

use std::{
    collections::HashSet,
    fs,
    net::IpAddr,
    os::linux::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use flow::{
    CaptureConfig, Selection,
    config::{KeyOwners, NetNs},
};

/// A name as the kernel keeps it: `TASK_COMM_LEN`, ended and filled up by zeros.
pub(super) type Name = [u8; 16];

/// Where processes have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere.
    Everywhere,
    /// In the network namespace of this inode number.
    Namespace(u32),
    /// In a namespace that has an address which is selected.
    Pods,
}

/// Whose secrets are taken.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    pub(super) place: Place,
    pids: Vec<u32>,
    names: Vec<Name>,
}

impl Owners {
    /// # Errors
    /// Why it cannot be known.
    pub(super) fn of(config: &CaptureConfig) -> Result<Self, String> {
        let KeyOwners { processes, sets } = &config.key_owners;
        let place = match (&config.netns, sets) {
            (_, Some(_)) => Place::Pods,
            (NetNs::All, None) => Place::Everywhere,
            (NetNs::Current, None) => Place::Namespace(inode(Path::new("/proc/thread-self/ns/net"))?),
            (NetNs::Path(path), None) => Place::Namespace(inode(path)?),
        };
        let pids = processes.iter().filter_map(|process| process.parse().ok()).collect();
        let is_name = |process: &&Arc<str>| process.parse::<u32>().is_err();
        Ok(Self { place, pids, names: processes.iter().filter(is_name).map(|name| self::name(name)).collect() })
    }

    /// Whether namespaces are told apart.
    pub(super) const fn is_placed(&self) -> bool {
        !matches!(self.place, Place::Everywhere)
    }

    /// Whether processes are told apart.
    pub(super) const fn is_named(&self) -> bool {
        !self.pids.is_empty() || !self.names.is_empty()
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.pids.iter().copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Name> + use<'_> {
        self.names.iter().copied()
    }

    /// Whether a process is one of them by number or name.
    pub(super) fn include(&self, pid: u32, comm: &str) -> bool {
        !self.is_named() || self.pids.contains(&pid) || self.names.contains(&name(comm))
    }
}

/// As the kernel cuts it.
fn name(text: &str) -> Name {
    let mut name = Name::default();
    let len = text.len().min(name.len() - 1);
    name[..len].copy_from_slice(&text.as_bytes()[..len]);
    name
}

/// The inode number of a namespace.
fn inode(path: &Path) -> Result<u32, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(metadata.st_ino() as u32)
}

/// Addresses of the pods whose processes are selected, for whoever replaces the filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pods {
    /// The addresses, and how often there were others.
    addresses: Arc<Mutex<(HashSet<IpAddr>, u64)>>,
    sets: Option<Arc<[u8]>>,
}

impl Pods {
    pub(crate) fn new(config: &CaptureConfig) -> Self {
        let pods = Self { addresses: Arc::default(), sets: config.key_owners.sets.as_deref().map(Arc::from) };
        pods.replace(&config.selection());
        pods
    }

    /// Takes over the addresses of another selection. Where agents are told to take nothing yet, there are none.
    pub(crate) fn replace(&self, selection: &Selection) {
        let sets = self.sets.iter().flat_map(|sets| sets.iter());
        let addresses = sets.filter_map(|set| selection.sets.get(usize::from(*set))).flatten().copied().collect();
        let mut pods = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        *pods = (addresses, pods.1 + 1);
    }

    /// Whether one of these is a selected pod's.
    pub(super) fn have(&self, addresses: &[IpAddr]) -> bool {
        let pods = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().any(|address| pods.0.contains(address))
    }

    /// Grows when there are others.
    pub(super) fn version(&self) -> u64 {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn owners(processes: &[&str]) -> Owners {
        let mut config = config(flow::config::Mode::Packets);
        config.netns = NetNs::All;
        config.key_owners.processes = processes.iter().map(|process| Arc::from(*process)).collect();
        Owners::of(&config).unwrap()
    }

    #[test]
    fn a_process_is_known_by_number_or_by_its_name_as_the_kernel_cuts_it() {
        let some = owners(&["42", "nginx", "a-name-that-is-long"]);
        assert!(some.include(42, "sh") && some.include(1, "nginx") && some.include(1, "a-name-that-is-"));
        assert!(!some.include(43, "sh") && !some.include(1, "nginx2") && !some.include(1, "42"));
        assert!(owners(&[]).include(1, "anything") && !owners(&[]).is_named());
    }

    #[test]
    fn a_namespace_is_told_by_its_inode_and_pods_by_the_sets_that_are_named() {
        let mut config = config(flow::config::Mode::Packets);
        config.netns = NetNs::Current;
        assert_eq!(
            Owners::of(&config).unwrap().place,
            Place::Namespace(inode(Path::new("/proc/self/ns/net")).unwrap())
        );
        config.key_owners.sets = Some(vec![1]);
        assert_eq!(Owners::of(&config).unwrap().place, Place::Pods);
        let (peer, pod): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        config.sets = vec![vec![peer], vec![pod]];
        let pods = Pods::new(&config);
        assert!(pods.have(&[peer, pod]) && !pods.have(&[peer]));
        pods.replace(&Selection::default());
        assert!(!pods.have(&[pod]));
    }
}
