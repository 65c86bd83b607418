//! All sockets that are known, by themselves and by five-tuple.
//!
//! A closed one stays for a while, for the packets that were on their way.

use std::collections::{HashMap, VecDeque};

use agent_common::tcp::TcpSocket;
use foldhash::fast::RandomState;

use super::{
    outcome::{CLOSE, Outcome, SYN_RECV, last_state},
    socket::{Id, Role, Socket, tuple},
};
use crate::account::tuple::Tuple;

/// How long a closed socket is remembered.
const KEEP_NS: u64 = 10_000_000_000;
/// How long nothing may be heard of a connection that is half open: a SYN with ACK is sent again for up to 63 s.
const HALF_OPEN_NS: u64 = 70_000_000_000;
/// Readings between two searches for sockets that went without a word.
const SEARCH: u32 = 16;

pub(super) struct Table {
    sockets: HashMap<Id, Socket, RandomState>,
    by_tuple: HashMap<Tuple, Vec<Id>, RandomState>,
    /// The last of each address that closed: a reset may follow.
    last_closed: HashMap<u64, Id, RandomState>,
    /// In the order in which they closed.
    closed: VecDeque<(u64, Id)>,
    noted: Vec<Id>,
    /// Number of the interval that is being told, from 1; also of the last reading.
    interval: u32,
    keep_ns: u64,
    most_closed: usize,
}

impl Table {
    pub(super) fn new(interval_ns: u64, most_closed: usize) -> Self {
        Self {
            sockets: HashMap::default(),
            by_tuple: HashMap::default(),
            last_closed: HashMap::default(),
            closed: VecDeque::new(),
            noted: Vec::new(),
            interval: 1,
            keep_ns: KEEP_NS.max(2 * interval_ns),
            most_closed,
        }
    }

    /// Begins a reading; the number of the interval that it ends.
    pub(super) const fn begin_read(&self) -> u32 {
        self.interval
    }

    /// A socket as it is now.
    pub(super) fn update(&mut self, id: Id, value: &TcpSocket) {
        let interval = self.interval;
        let request = if self.sockets.contains_key(&id) { None } else { self.end_request(value) };
        let socket = self.entry(id, value);
        socket.update(value, interval);
        socket.reading = interval;
        if let Some(request) = request
            && socket.untold.handshake_ns.is_none()
            && request.born_ns != 0
        {
            socket.untold.handshake_ns = id.born_ns.checked_sub(request.born_ns);
        }
        self.note(id);
    }

    /// A socket has closed.
    pub(super) fn close(&mut self, id: Id, value: &TcpSocket, now_ns: u64) {
        self.update(id, value);
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.closed_ns.is_some() {
            return;
        }
        socket.closed_ns = Some(now_ns);
        socket.state = last_state(value);
        socket.outcome = Outcome::at_end(value);
        socket.untold.end = socket.outcome.is_some();
        self.last_closed.insert(id.sock, id);
        self.closed.push_back((now_ns, id));
        self.note(id);
    }

    /// The socket that closed last at this address sent a reset: it was given up, not closed.
    pub(super) fn reset(&mut self, sock: u64) {
        let Some(id) = self.last_closed.get(&sock).copied() else { return };
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.outcome == Some(Outcome::Closed) {
            socket.outcome = Some(Outcome::ResetHere);
            socket.untold.end = true;
            self.note(id);
        }
    }

    /// A SYN with ACK was sent again for a connection that is half open.
    pub(super) fn syn_ack(&mut self, id: Id, value: &TcpSocket, now_ns: u64) {
        let socket = self.entry(id, value);
        socket.untold.retransmits += u64::from(value.retransmits);
        socket.role = Some(Role::Server);
        if socket.closed_ns.replace(now_ns).is_none() {
            self.closed.push_back((now_ns, id));
        }
        self.note(id);
    }

    /// What was half open and is this socket now, which it does not have to be told by any more.
    fn end_request(&mut self, value: &TcpSocket) -> Option<Id> {
        let Self { sockets, by_tuple, .. } = self;
        let of = |id: &&Id| sockets.get(id).is_some_and(|one| one.state == SYN_RECV && one.netns == value.netns);
        let id = by_tuple.get(&tuple(value))?.iter().find(of).copied()?;
        sockets.get_mut(&id)?.state = CLOSE;
        Some(id)
    }

    fn entry(&mut self, id: Id, value: &TcpSocket) -> &mut Socket {
        let Self { sockets, by_tuple, .. } = self;
        let tuple = tuple(value);
        let socket = sockets.entry(id).or_insert_with(|| {
            by_tuple.entry(tuple).or_default().push(id);
            Socket::new(value)
        });
        if socket.tuple != tuple && value.local_port != 0 {
            // Its port is known by now.
            remove(by_tuple, &socket.tuple, id);
            by_tuple.entry(tuple).or_default().push(id);
            socket.tuple = tuple;
        }
        socket
    }

    /// The first SYN of this flow was counted in this namespace. The kernel chooses a port after the programs came to know the
    /// socket, and they learn it when they hear of it again: until then the oldest one to the same port is taken for it.
    pub(super) fn adopt(&mut self, tuple: &Tuple, netns: u32) -> Option<Id> {
        let without_port = Tuple { selector: [0, tuple.selector[1]], ..*tuple };
        let id = *self.matching(&without_port, netns).0.first()?;
        let socket = self.sockets.get_mut(&id)?;
        socket.tuple = *tuple;
        remove(&mut self.by_tuple, &without_port, id);
        self.by_tuple.entry(*tuple).or_default().push(id);
        Some(id)
    }

    fn note(&mut self, id: Id) {
        if let Some(socket) = self.sockets.get_mut(&id)
            && !socket.is_noted
            && socket.has_news()
        {
            socket.is_noted = true;
            self.noted.push(id);
        }
    }

    /// Sockets of this tuple that a record of this namespace can be told by, oldest first: those of the same namespace, else
    /// those of another one, if there is one only. And whether it is the same.
    pub(super) fn matching(&self, tuple: &Tuple, netns: u32) -> (Vec<Id>, bool) {
        let Some(ids) = self.by_tuple.get(tuple) else { return (Vec::new(), false) };
        let netns_of = |id: &Id| self.sockets.get(id).map(|socket| socket.netns);
        let of = |netns: u32| ids.iter().filter(move |id| netns_of(id) == Some(netns)).copied().collect::<Vec<_>>();
        let same = of(netns);
        if !same.is_empty() {
            return (same, true);
        }
        let mut others = ids.iter().filter_map(netns_of);
        match others.next() {
            Some(first) if others.all(|netns| netns == first) => (of(first), false),
            _ => (Vec::new(), false),
        }
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Socket> {
        self.sockets.get_mut(&id)
    }

    /// Sockets with something to tell.
    pub(super) fn noted(&self) -> Vec<Id> {
        self.noted.clone()
    }

    /// Ends the interval and forgets what is long gone.
    pub(super) fn end_interval(&mut self, now_ns: u64) {
        for id in std::mem::take(&mut self.noted) {
            if let Some(socket) = self.sockets.get_mut(&id) {
                socket.end_interval();
                // Counts that found no record yet.
                self.note(id);
            }
        }
        self.forget_closed(now_ns);
        if self.interval.is_multiple_of(SEARCH) {
            self.forget_missing();
        }
        self.interval = self.interval.wrapping_add(1).max(1);
    }

    fn forget_closed(&mut self, now_ns: u64) {
        while let Some((closed_ns, id)) = self.closed.front().copied() {
            let crowded = self.closed.len() > self.most_closed;
            if !crowded && closed_ns.saturating_add(self.keep_ns) > now_ns {
                break;
            }
            self.closed.pop_front();
            let socket = self.sockets.get(&id);
            let half_open = socket.filter(|socket| socket.state == SYN_RECV).and_then(|socket| socket.closed_ns);
            match half_open {
                Some(heard_ns) if !crowded && heard_ns + HALF_OPEN_NS > now_ns => self.closed.push_back((now_ns, id)),
                _ => self.forget(id),
            }
        }
    }

    /// Open ones that the last two readings did not find: their place was taken by others.
    fn forget_missing(&mut self) {
        let missing = |socket: &Socket| socket.closed_ns.is_none() && socket.reading + 2 < self.interval;
        let gone: Vec<Id> = self.sockets.iter().filter(|(_, socket)| missing(socket)).map(|(id, _)| *id).collect();
        for id in gone {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: Id) {
        if let Some(socket) = self.sockets.remove(&id) {
            remove(&mut self.by_tuple, &socket.tuple, id);
        }
        if self.last_closed.get(&id.sock) == Some(&id) {
            self.last_closed.remove(&id.sock);
        }
    }

    /// Whether nothing is known of anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

fn remove(by_tuple: &mut HashMap<Tuple, Vec<Id>, RandomState>, tuple: &Tuple, id: Id) {
    if let Some(ids) = by_tuple.get_mut(tuple) {
        ids.retain(|one| *one != id);
        if ids.is_empty() {
            by_tuple.remove(tuple);
        }
    }
}
