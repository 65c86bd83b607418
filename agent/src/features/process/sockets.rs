//! Which process has which socket: by both ends, by the local one, and by address across namespaces. Pure: events and looks
//! come in, answers go out.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use agent_common::process::ProcessEvent;

use super::{look::Seen, owner::Process};
use crate::account::tuple::Tuple;

/// Most sockets that are remembered: about 30 MB.
const MOST: usize = 131_072;
/// A socket that no look has seen and of which nothing was heard is remembered so long: what it sent may be in records yet.
const REMEMBER: Duration = Duration::from_secs(90);
/// A connection that is being begun gives up after about so long (`tcp_syn_retries`).
const CONNECTING: Duration = Duration::from_secs(130);
const TCP: u8 = 6;

/// Which end of a flow is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

/// Both ends, as the socket has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ends {
    protocol: u8,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
}

/// A port in a namespace.
type Port = (u32, u8, u16);

/// A socket of a process.
#[derive(Clone, Debug)]
struct Held {
    /// Inode number of its namespace.
    netns: u32,
    process: Arc<Process>,
    heard: Instant,
}

/// A socket with one end: it listens, or sends to whom it likes.
#[derive(Clone, Debug)]
struct Bound {
    /// `None`: any.
    address: Option<IpAddr>,
    held: Held,
}

/// All that is known.
#[derive(Default)]
pub(super) struct Sockets {
    connected: HashMap<Ends, Vec<Held>, foldhash::fast::RandomState>,
    bound: HashMap<Port, Vec<Bound>, foldhash::fast::RandomState>,
    /// Sockets whose local port is not chosen yet (0 in their ends), by address of the `sock`.
    connecting: HashMap<u64, (Ends, Held)>,
    /// Namespaces that have an address.
    places: HashMap<IpAddr, HashSet<u32>>,
    namespaces: HashSet<u32>,
    count: usize,
    refused: u64,
}

impl Sockets {
    /// A process begins to connect.
    pub(super) fn connects(&mut self, event: &ProcessEvent, process: Arc<Process>, now: Instant) {
        let Some(ends) = ends_of(event) else { return };
        if event.local_port != 0 {
            self.connect(ends, Held { netns: event.netns, process, heard: now }, now);
        } else if self.connecting.len() < MOST {
            self.connecting.insert(event.sock, (ends, Held { netns: event.netns, process, heard: now }));
        } else {
            self.refused += 1;
        }
    }

    /// A process uses a socket. True where nothing is known of its namespace yet.
    pub(super) fn uses(&mut self, event: &ProcessEvent, process: Arc<Process>, now: Instant) -> bool {
        self.connecting.remove(&event.sock);
        let held = Held { netns: event.netns, process, heard: now };
        if let Some(ends) = ends_of(event) {
            if event.remote_port != 0 {
                self.connect(ends, held, now);
            } else if event.local_port != 0 {
                let address = Some(ends.local.0).filter(|address| !address.is_unspecified());
                self.bind((event.netns, event.protocol, event.local_port), address, held, now);
            }
            self.settle(event.netns, ends.local.0);
        }
        !self.namespaces.contains(&event.netns)
    }

    fn settle(&mut self, netns: u32, address: IpAddr) {
        if !address.is_unspecified() && !is_everywhere(address) {
            self.places.entry(address).or_default().insert(netns);
        }
    }

    fn connect(&mut self, ends: Ends, held: Held, now: Instant) {
        if !self.has_room(now) {
            return;
        }
        let all = self.connected.entry(ends).or_default();
        if let Some(known) = all.iter_mut().find(|known| known.netns == held.netns) {
            *known = held;
        } else {
            all.push(held);
            self.count += 1;
        }
    }

    fn bind(&mut self, port: Port, address: Option<IpAddr>, held: Held, now: Instant) {
        if !self.has_room(now) {
            return;
        }
        let all = self.bound.entry(port).or_default();
        if let Some(known) = all.iter_mut().find(|known| known.address == address) {
            known.held = held;
        } else {
            all.push(Bound { address, held });
            self.count += 1;
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.count >= MOST {
            self.forget(now);
        }
        let room = self.count < MOST;
        self.refused += u64::from(!room);
        room
    }

    /// Takes over what a look saw; what it did not see is forgotten after a while. `owner` knows processes by number.
    pub(super) fn replace(&mut self, seen: &Seen, now: Instant, mut owner: impl FnMut(u32, &[u8]) -> Arc<Process>) {
        self.forget(now);
        self.places.clear();
        self.namespaces.clear();
        for (netns, address) in &seen.addresses {
            self.namespaces.insert(*netns);
            self.settle(*netns, *address);
        }
        let mut owners: HashMap<u32, Arc<Process>> = HashMap::new();
        for socket in &seen.sockets {
            let process = Arc::clone(owners.entry(socket.pid).or_insert_with(|| owner(socket.pid, b"")));
            let held = Held { netns: socket.netns, process, heard: now };
            let (local, remote) = (socket.socket.local, socket.socket.remote);
            if remote.1 != 0 {
                self.connect(Ends { protocol: socket.protocol, local, remote }, held, now);
            } else if local.1 != 0 {
                let address = Some(local.0).filter(|address| !address.is_unspecified());
                self.bind((socket.netns, socket.protocol, local.1), address, held, now);
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        let recent = |held: &Held| now.saturating_duration_since(held.heard) < REMEMBER;
        self.connected.retain(|_, all| {
            all.retain(recent);
            !all.is_empty()
        });
        self.bound.retain(|_, all| {
            all.retain(|bound| recent(&bound.held));
            !all.is_empty()
        });
        self.connecting.retain(|_, (_, held)| now.saturating_duration_since(held.heard) < CONNECTING);
        self.count =
            self.connected.values().map(Vec::len).sum::<usize>() + self.bound.values().map(Vec::len).sum::<usize>();
    }

    /// The process at an end of a flow that was counted in the namespace with inode number `here`.
    pub(super) fn find(&self, tuple: &Tuple, here: u32, end: End) -> Option<Arc<Process>> {
        let ends = ends_in(tuple, end)?;
        let held =
            self.connected(&ends, here).or_else(|| self.bound(&ends, here)).or_else(|| self.begun(&ends, here))?;
        Some(Arc::clone(&held.process))
    }

    /// In this namespace, else the only one anywhere. Loopback is another one in each namespace.
    fn connected(&self, ends: &Ends, here: u32) -> Option<&Held> {
        let all = self.connected.get(ends)?;
        let elsewhere = || match all.as_slice() {
            [one] if !is_everywhere(ends.local.0) => Some(one),
            _ => None,
        };
        all.iter().find(|held| held.netns == here).or_else(elsewhere)
    }

    /// Where this address is: in this namespace, else in the only one that has it.
    fn bound(&self, ends: &Ends, here: u32) -> Option<&Held> {
        let in_place = |netns: u32| {
            let all = self.bound.get(&(netns, ends.protocol, ends.local.1))?;
            let exact = all.iter().find(|bound| bound.address == Some(ends.local.0));
            Some(&exact.or_else(|| all.iter().find(|bound| bound.address.is_none()))?.held)
        };
        let places = self.places.get(&ends.local.0);
        // A socket for any address is meant here only if the address is here.
        let is_here = is_everywhere(ends.local.0) || places.is_some_and(|places| places.contains(&here));
        if is_here && let Some(held) = in_place(here) {
            return Some(held);
        }
        let mut elsewhere = places?.iter().filter(|netns| **netns != here).filter_map(|netns| in_place(*netns));
        let found = elsewhere.next();
        found.filter(|_| elsewhere.next().is_none())
    }

    /// The only process that begins to connect to that end.
    fn begun(&self, ends: &Ends, here: u32) -> Option<&Held> {
        if ends.protocol != TCP || self.connecting.is_empty() {
            return None;
        }
        let wanted = Ends { local: (ends.local.0, 0), ..*ends };
        let mut all = self.connecting.values().filter(|(begun, _)| *begun == wanted).map(|(_, held)| held);
        let first = all.next()?;
        let same = |other: &Held| other.process == first.process && other.netns == first.netns;
        let reachable = first.netns == here || !is_everywhere(ends.local.0);
        (reachable && all.all(same)).then_some(first)
    }

    /// Sockets that there was no room for.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

/// Addresses that many namespaces have.
fn is_everywhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_link_local() || address.is_multicast() || address.is_broadcast()
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local() || address.is_multicast(),
    }
}

fn ends_of(event: &ProcessEvent) -> Option<Ends> {
    let local = address(event.family, &event.local)?;
    let remote = address(event.family, &event.remote)?;
    Some(Ends { protocol: event.protocol, local: (local, event.local_port), remote: (remote, event.remote_port) })
}

fn address(family: u8, bytes: &[u8; 16]) -> Option<IpAddr> {
    match family {
        4 => Some(IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]])),
        6 => Some(IpAddr::from(*bytes).to_canonical()),
        _ => None,
    }
}

fn ends_in(tuple: &Tuple, end: End) -> Option<Ends> {
    let (src, dst) = tuple.addresses()?;
    let [source, destination] = tuple.selector;
    let has_ports = matches!(tuple.proto, 6 | 17 | 132) && tuple.selector != [0, 0];
    let (local, remote) = match end {
        End::Source => ((src, source), (dst, destination)),
        End::Destination => ((dst, destination), (src, source)),
    };
    has_ports.then_some(Ends { protocol: tuple.proto, local, remote })
}

#[cfg(test)]
mod tests;
