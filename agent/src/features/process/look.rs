//! Looking at all sockets there are: those that were there before us, and those that nothing told of.
//!
//! Owns a thread, because a look takes as long as the machine has processes. Two passes: whose descriptors refer to which
//! socket, and one process of each namespace, whose tables are read.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs, io,
    net::IpAddr,
    os::linux::fs::MetadataExt as _,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::proc_net::{self, Socket};

/// Between looks, at least.
const PAUSE: Duration = Duration::from_secs(30);
/// Between looks when somebody wants one.
const SOON: Duration = Duration::from_secs(2);
/// A look may take this part of the time.
const SHARE: u32 = 50;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Tables under `/proc/PID/net`.
const TABLES: [(&str, u8); 4] = [("tcp", TCP), ("tcp6", TCP), ("udp", UDP), ("udp6", UDP)];

/// What one look saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Sockets with their process.
    pub(super) sockets: Vec<Held>,
    /// Local addresses, by inode number of the namespace.
    pub(super) addresses: Vec<(u32, IpAddr)>,
}

/// A socket and who has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) socket: Socket,
    pub(super) protocol: u8,
    pub(super) netns: u32,
    pub(super) pid: u32,
}

/// The thread that looks.
pub(super) struct Looker {
    seen: Option<Receiver<Seen>>,
    /// Asks for a look; dropping it ends the thread.
    ask: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    asked: bool,
}

impl Looker {
    /// Looks once before it returns and then again and again; never where `/proc` tells of other processes than the kernel's numbers.
    pub(super) fn start(with_proc: bool) -> io::Result<Self> {
        let mut looker = Self { seen: None, ask: None, thread: None, asked: false };
        if with_proc {
            let (seen, receiver) = sync_channel(1);
            let (ask, asked) = channel();
            looker.thread =
                Some(thread::Builder::new().name("processes".to_owned()).spawn(move || run(&seen, &asked))?);
            (looker.seen, looker.ask) = (Some(receiver), Some(ask));
        }
        Ok(looker)
    }

    /// What was seen since the last call.
    pub(super) fn seen(&mut self) -> Option<Seen> {
        let seen = self.seen.as_ref()?.try_recv().ok()?;
        self.asked = false;
        Some(seen)
    }

    /// Asks for a look before its time.
    pub(super) fn soon(&mut self) {
        if !self.asked
            && let Some(ask) = &self.ask
        {
            self.asked = ask.send(()).is_ok();
        }
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        (self.seen, self.ask) = (None, None);
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed.
            let _ = thread.join();
        }
    }
}

fn run(seen: &SyncSender<Seen>, asked: &Receiver<()>) {
    loop {
        let begun = Instant::now();
        if seen.send(look()).is_err() {
            return;
        }
        let took = begun.elapsed();
        // The end is waited for in the pauses only: a look takes a fraction of a second.
        match asked.recv_timeout(PAUSE.max(took * SHARE)) {
            Ok(()) => {
                let rest = SOON.max(took * SHARE).saturating_sub(begun.elapsed());
                if asked.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Everything there is now.
fn look() -> Seen {
    let mut owners: HashMap<u64, u32> = HashMap::new();
    let mut one_of: HashMap<u32, u32> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let path = entry.path();
        // A process that has ended meanwhile, or a task of the kernel's.
        let Ok(namespace) = fs::metadata(path.join("ns/net")) else { continue };
        one_of.entry(namespace.st_ino() as u32).or_insert(pid);
        descriptors(&path, |inode| {
            // Where several have it, the first one began it: the others inherited it.
            let owner = owners.entry(inode).or_insert(pid);
            *owner = pid.min(*owner);
        });
    }
    let mut seen = Seen::default();
    let mut tables = String::new();
    for (netns, pid) in one_of {
        read_tables(&Path::new("/proc").join(pid.to_string()).join("net"), netns, &owners, &mut seen, &mut tables);
    }
    seen
}

/// Inode numbers of the sockets that a process has open.
fn descriptors(process: &Path, mut each: impl FnMut(u64)) {
    for entry in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        if let Ok(target) = fs::read_link(entry.path())
            && let Some(inode) = inode(target.as_os_str())
        {
            each(inode);
        }
    }
}

/// `socket:[4711]`
fn inode(target: &OsStr) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn read_tables(net: &Path, netns: u32, owners: &HashMap<u64, u32>, seen: &mut Seen, text: &mut String) {
    let mut read = |name: &str| {
        text.clear();
        let file = fs::File::open(net.join(name));
        file.and_then(|mut file| io::Read::read_to_string(&mut file, text))
            .map(|_| std::mem::take(text))
            .unwrap_or_default()
    };
    for (table, protocol) in TABLES {
        let table = read(table);
        let sockets = table.lines().filter_map(proc_net::socket);
        let held =
            sockets.filter_map(|socket| Some(Held { socket, protocol, netns, pid: *owners.get(&socket.inode)? }));
        seen.sockets.extend(held);
    }
    let (trie, v6) = (read("fib_trie"), read("if_inet6"));
    // The table is there twice, once for each list of rules.
    let v4: HashSet<_> = proc_net::addresses_v4(&trie).collect();
    let all = v4.into_iter().map(IpAddr::V4).chain(proc_net::addresses_v6(&v6).map(IpAddr::V6));
    seen.addresses.extend(all.map(|address| (netns, address)));
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn our_own_sockets_are_seen_with_their_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let local = client.local_addr().unwrap();
        let seen = look();
        let ours: Vec<&Held> = seen.sockets.iter().filter(|held| held.pid == std::process::id()).collect();
        let ends = |held: &&&Held| (held.socket.local, held.socket.remote);
        assert!(ours.iter().any(|held| ends(&held) == ((local.ip(), local.port()), (address.ip(), address.port()))));
        assert!(
            ours.iter().any(|held| held.socket.local == (address.ip(), address.port()) && held.socket.remote.1 == 0)
        );
        assert!(seen.addresses.iter().any(|(_, address)| address.is_loopback()));
    }

    #[test]
    fn the_thread_ends_with_its_looker_and_looks_again_when_asked() {
        let mut looker = Looker::start(true).unwrap();
        let mut looks = 0;
        let begun = Instant::now();
        while looks < 2 && begun.elapsed() < Duration::from_secs(20) {
            looks += usize::from(looker.seen().is_some());
            looker.soon();
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(looks, 2);
        assert!(begun.elapsed() < PAUSE);
        drop(looker);
        assert!(Looker::start(false).unwrap().seen().is_none());
    }
}
