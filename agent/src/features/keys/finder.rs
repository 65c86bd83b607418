//! Which files have OpenSSL's functions, as processes come: a thread looks at `/proc` and attaches programs to what it finds.
//!
//! A file is looked at once, whoever runs it. Libraries where systems keep them are attached to before anybody runs them, so
//! that a process that lives for a moment is not missed; what lies elsewhere is found when a process has it.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::linux::fs::MetadataExt as _,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use aya::maps::{HashMap as BpfMap, MapData};

use super::{
    library, maps,
    owners::{Owners, Place, Pods},
};
use crate::{features::process::proc_net, trace::Probes};

/// Between two looks at which processes there are.
const PAUSE: Duration = Duration::from_millis(100);
/// A process is looked at again so long after it was noticed, and then at the last of these: libraries come as it starts.
const AGAIN: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];
/// A namespace's addresses are read again after this.
const ADDRESSES: Duration = Duration::from_secs(2);
/// Most files that are attached to.
const LIBRARIES: usize = 256;
/// Most things that are said of files.
const REMARKS: usize = 32;
/// Where systems keep libraries, and within them those of one architecture.
const DIRECTORIES: [&str; 6] = ["lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64"];
const MULTIARCH: [&str; 2] = ["x86_64-linux-gnu", "aarch64-linux-gnu"];

/// The thread.
pub(super) struct Finder {
    said: Receiver<String>,
    /// Dropping it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Finder {
    /// Attaches to everything there is before it returns.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn start(
        probes: Probes,
        namespaces: BpfMap<MapData, u32, u8>,
        owners: Owners,
        pods: Pods,
    ) -> Result<Self, String> {
        let (say, said) = channel();
        let (end, ended) = channel();
        let mut search = Search::new(probes, namespaces, owners, pods, say);
        search.begin();
        let run = move || {
            while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                search.look();
            }
        };
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Self { said, end: Some(end), thread: Some(thread) })
    }

    /// What happened since the last call, in sentences.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed.
            let _ = thread.join();
        }
    }
}

/// A file or a directory, whatever it is called.
type Identity = (u64, u64);

struct Search {
    probes: Probes,
    namespaces: BpfMap<MapData, u32, u8>,
    owners: Owners,
    pods: Pods,
    /// Of their addresses, at the last look.
    version: u64,
    /// How often each process was looked at, and when it is the next time.
    processes: HashMap<u32, (usize, Instant)>,
    /// Namespaces, and when their addresses were read.
    places: HashMap<u32, Seen>,
    roots: HashSet<Identity>,
    files: HashSet<Identity>,
    attached: usize,
    remarks: usize,
    say: Sender<String>,
}

/// A network namespace.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    is_selected: bool,
}

impl Search {
    fn new(
        probes: Probes,
        namespaces: BpfMap<MapData, u32, u8>,
        owners: Owners,
        pods: Pods,
        say: Sender<String>,
    ) -> Self {
        Self {
            probes,
            namespaces,
            owners,
            version: pods.version(),
            pods,
            processes: HashMap::new(),
            places: HashMap::new(),
            roots: HashSet::new(),
            files: HashSet::new(),
            attached: 0,
            remarks: 0,
            say,
        }
    }

    fn begin(&mut self) {
        match self.owners.place {
            Place::Namespace(inode) => self.select(inode, true),
            Place::Everywhere | Place::Pods => {}
        }
        if self.owners.place != Place::Pods {
            self.libraries(Path::new("/"));
        }
        self.look();
    }

    /// Sees to processes that are new, or due.
    fn look(&mut self) {
        let now = Instant::now();
        let version = self.pods.version();
        if std::mem::replace(&mut self.version, version) != version {
            self.places.clear();
            self.processes.clear();
        }
        let mut gone: HashSet<u32> = self.processes.keys().copied().collect();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            gone.remove(&pid);
            let (looks, due) = self.processes.get(&pid).copied().unwrap_or((0, now));
            if due <= now {
                self.processes.insert(pid, (looks + 1, now + AGAIN[looks.min(AGAIN.len() - 1)]));
                self.process(pid, &entry.path(), now);
            }
        }
        self.processes.retain(|pid, _| !gone.contains(pid));
        self.forget(now);
    }

    fn process(&mut self, pid: u32, directory: &Path, now: Instant) {
        // One that has ended, a task of the kernel's, or one that these rights do not show.
        let Ok(namespace) = fs::metadata(directory.join("ns/net")) else { return };
        if !self.is_here(namespace.st_ino() as u32, directory, now) {
            return;
        }
        let comm = fs::read_to_string(directory.join("comm")).unwrap_or_default();
        if !self.owners.include(pid, comm.trim_end_matches('\n')) {
            return;
        }
        let root = directory.join("root");
        self.libraries(&root);
        let mapped = fs::read_to_string(directory.join("maps")).unwrap_or_default();
        for path in maps::executables(&mapped) {
            self.file(&maps::through(&root, path), path);
        }
    }

    /// Whether processes of a namespace are selected.
    fn is_here(&mut self, inode: u32, process: &Path, now: Instant) -> bool {
        match self.owners.place {
            Place::Everywhere => true,
            Place::Namespace(own) => own == inode,
            Place::Pods => {
                if let Some(seen) = self.places.get(&inode)
                    && now.duration_since(seen.at) < ADDRESSES
                {
                    return seen.is_selected;
                }
                let is_selected = !is_own(inode) && self.pods.have(&addresses(process));
                self.select(inode, is_selected);
                self.places.insert(inode, Seen { at: now, is_selected });
                is_selected
            }
        }
    }

    /// Tells the programs.
    fn select(&mut self, inode: u32, is_selected: bool) {
        if is_selected {
            if let Err(error) = self.namespaces.insert(inode, 1, 0) {
                self.remark(format!("keys of TLS: a namespace cannot be selected: {error}"));
            }
        } else {
            // It usually is not there.
            let _ = self.namespaces.remove(&inode);
        }
    }

    /// Namespaces without processes: their numbers are used again.
    fn forget(&mut self, now: Instant) {
        let old: Vec<u32> = self
            .places
            .iter()
            .filter(|(_, seen)| now.duration_since(seen.at) > 4 * AGAIN[AGAIN.len() - 1])
            .map(|(inode, _)| *inode)
            .collect();
        for inode in old {
            self.places.remove(&inode);
            self.select(inode, false);
        }
    }

    /// Attaches to OpenSSL where systems keep it, below a root that was not seen yet.
    fn libraries(&mut self, root: &Path) {
        if !identity(root).is_some_and(|root| self.roots.insert(root)) {
            return;
        }
        let directories = DIRECTORIES.iter().flat_map(|directory| {
            let directory = root.join(directory);
            MULTIARCH.map(|arch| directory.join(arch)).into_iter().chain([directory])
        });
        for entry in directories.flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten()) {
            if entry.file_name().as_encoded_bytes().starts_with(b"libcrypto.so.") {
                let path = entry.path();
                let shown = path.strip_prefix(root).map_or_else(|_| path.clone(), |inside| Path::new("/").join(inside));
                self.file(&path, &shown);
            }
        }
    }

    /// Attaches to a file that has OpenSSL's functions; `shown` is its path as its processes see it.
    fn file(&mut self, path: &Path, shown: &Path) {
        if !identity(path).is_some_and(|file| self.files.insert(file)) {
            return;
        }
        let Ok(Some(library)) = library::inspect(path) else { return };
        if self.attached == LIBRARIES {
            return self
                .remark(format!("keys of TLS: more than {LIBRARIES} files have OpenSSL; the others are left out"));
        }
        let attach = |point: &library::Point| self.probes.attach(point.program, path, point.offset);
        let result = library.points.iter().try_for_each(attach);
        self.attached += 1;
        let shown = shown.display().to_string();
        let shown = flow::show::escape(&shown);
        match result {
            Ok(()) => self.remark(format!("keys of TLS are taken from {} in {shown}", library.kind)),
            Err(why) => self.remark(format!("keys of TLS cannot be taken from {shown}: {why}")),
        }
    }

    fn remark(&mut self, sentence: String) {
        if self.remarks < REMARKS {
            self.remarks += 1;
            // Nobody hears it after the end.
            let _ = self.say.send(sentence);
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| (metadata.st_dev(), metadata.st_ino()))
}

/// Addresses of the namespace that a process is in.
fn addresses(process: &Path) -> Vec<std::net::IpAddr> {
    let read = |name: &str| fs::read_to_string(process.join("net").join(name)).unwrap_or_default();
    let v4: Vec<_> = proc_net::addresses_v4(&read("fib_trie")).map(Into::into).collect();
    v4.into_iter().chain(proc_net::addresses_v6(&read("if_inet6")).map(Into::into)).collect()
}

/// Whether it is the namespace of this agent: the node's, whose address pods without one of their own share with everything
/// else there.
fn is_own(inode: u32) -> bool {
    fs::metadata("/proc/thread-self/ns/net").is_ok_and(|own| own.st_ino() as u32 == inode)
}
