//! Translated connections of one namespace: either side of a translation leads to the other.
//!
//! Must not know where they come from.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use crate::{account::tuple::Tuple, netlink::conntrack};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// A five-tuple on the other side of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) tuple: Tuple,
    pub(super) zone: u16,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    other: Other,
    /// Of the side that the first packet came to. The other side's slot knows no more than the way here.
    life: Option<Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    /// Number of the list in which it was last seen, or during which it came.
    seen: u32,
    ended: Option<Instant>,
}

/// Connections by both of their sides.
pub(super) struct Table {
    slots: HashMap<Tuple, Slot, foldhash::fast::RandomState>,
    /// Those that have ended, by when, as their first packet came.
    ended: VecDeque<(Instant, Tuple)>,
    /// Most slots; a connection takes two.
    pub(super) most: usize,
    /// How long an ended one is remembered: until the last record of it was made.
    remember: Duration,
    /// Number of the list that is being read, or was read last.
    list: u32,
    /// Connections for which there was no room.
    pub(super) refused: u64,
}

impl Table {
    pub(super) fn new(most: usize, remember: Duration) -> Self {
        Self { slots: HashMap::default(), ended: VecDeque::new(), most, remember, list: 0, refused: 0 }
    }

    /// Takes over what an entry says.
    pub(super) fn note(&mut self, entry: &conntrack::Entry, now: Instant) {
        let original = tuple(&entry.original);
        if entry.gone {
            self.end(&original, now);
        } else if entry.is_translated() {
            self.add(original, reversed(&tuple(&entry.reply)), entry.zone, now);
        } else if self.slots.get(&original).is_some_and(|slot| slot.life.is_some()) {
            // The same ends have connected again, this time without translation.
            self.end(&original, now);
        }
    }

    fn add(&mut self, original: Tuple, translated: Tuple, zone: u16, now: Instant) {
        let known = self.slots.get(&original).copied();
        if known.is_none_or(|slot| slot.life.is_none()) && !self.has_room(now) {
            self.refused += 1;
            return;
        }
        if let Some(before) = known.map(|slot| slot.other.tuple).filter(|before| *before != translated) {
            self.forget_way(&before, &original);
        }
        let life = Life { seen: self.list, ended: None };
        let slot = |tuple, life| Slot { other: Other { tuple, zone }, life };
        self.slots.insert(original, slot(translated, Some(life)));
        // Where the translated side is the first side of another translation (zones one after the other), that stays.
        if self.slots.get(&translated).is_none_or(|slot| slot.life.is_none()) {
            self.slots.insert(translated, slot(original, None));
        }
    }

    /// Room for one more, if need be at the cost of those that have ended.
    fn has_room(&mut self, now: Instant) -> bool {
        while self.slots.len() + 2 > self.most {
            if !self.forget_first(now + self.remember) {
                return false;
            }
        }
        true
    }

    fn end(&mut self, original: &Tuple, now: Instant) {
        let life = self.slots.get_mut(original).and_then(|slot| slot.life.as_mut());
        if let Some(life) = life.filter(|life| life.ended.is_none()) {
            life.ended = Some(now);
            self.ended.push_back((now, *original));
        }
    }

    /// Forgets what ended long ago.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.forget_first(now) {}
    }

    /// Takes the one that ended first off the queue, if its time has come at `now`.
    fn forget_first(&mut self, now: Instant) -> bool {
        let Some((ended, original)) = self.ended.front().copied().filter(|(ended, _)| *ended + self.remember <= now)
        else {
            return false;
        };
        self.ended.pop_front();
        let slot = self.slots.get(&original).copied();
        // It may have come again since then.
        if let Some(slot) = slot.filter(|slot| slot.life.is_some_and(|life| life.ended == Some(ended))) {
            self.slots.remove(&original);
            self.forget_way(&slot.other.tuple, &original);
        }
        true
    }

    fn forget_way(&mut self, translated: &Tuple, original: &Tuple) {
        let leads_there = |slot: &Slot| slot.life.is_none() && slot.other.tuple == *original;
        if self.slots.get(translated).is_some_and(leads_there) {
            self.slots.remove(translated);
        }
    }

    /// A list of all connections is read from now on.
    pub(super) fn begin_list(&mut self) {
        self.list = self.list.wrapping_add(1);
    }

    /// The list is at its end: what was not in it and did not come meanwhile has ended.
    pub(super) fn end_list(&mut self, now: Instant) {
        let list = self.list;
        let is_old = |slot: &Slot| slot.life.is_some_and(|life| life.ended.is_none() && life.seen != list);
        let old: Vec<Tuple> = self.slots.iter().filter(|(_, slot)| is_old(slot)).map(|(tuple, _)| *tuple).collect();
        for tuple in &old {
            self.end(tuple, now);
        }
    }

    /// The same packets' tuple on the other side of the translation: after it where `of` is before it, before it where `of`
    /// is after it; in both directions of a connection.
    pub(super) fn other(&self, of: &Tuple) -> Option<Other> {
        let key = key(of);
        if let Some(slot) = self.slots.get(&key) {
            return Some(slot.other);
        }
        let slot = self.slots.get(&reversed(&key))?;
        Some(Other { tuple: reversed(&slot.other.tuple), ..slot.other })
    }

    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

fn tuple(ends: &conntrack::Tuple) -> Tuple {
    let family = if ends.source.is_ipv4() { 4 } else { 6 };
    let bytes = |end: SocketAddr| match end.ip() {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    };
    let selector = [ends.source.port(), ends.destination.port()];
    key(&Tuple { src: bytes(ends.source), dst: bytes(ends.destination), selector, proto: ends.protocol, family })
}

/// Flows of ICMP are told apart by type and code, tracked ones by an id: those and others without ports are found by their
/// addresses.
fn key(tuple: &Tuple) -> Tuple {
    if has_ports(tuple) { *tuple } else { Tuple { selector: [0; 2], ..*tuple } }
}

pub(super) fn has_ports(tuple: &Tuple) -> bool {
    matches!(tuple.proto, TCP | UDP | SCTP)
}

fn reversed(tuple: &Tuple) -> Tuple {
    let [source, destination] = tuple.selector;
    Tuple { src: tuple.dst, dst: tuple.src, selector: [destination, source], ..*tuple }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMEMBER: Duration = Duration::from_secs(30);

    fn ends(source: &str, destination: &str) -> conntrack::Tuple {
        const ICMP: u8 = 1;
        let protocol = if source.ends_with(":0") { ICMP } else { TCP };
        conntrack::Tuple { source: source.parse().unwrap(), destination: destination.parse().unwrap(), protocol }
    }

    fn entry(original: [&str; 2], reply: [&str; 2]) -> conntrack::Entry {
        let [original, reply] = [original, reply].map(|[source, destination]| ends(source, destination));
        conntrack::Entry { original, reply, zone: 5, gone: false }
    }

    fn service() -> conntrack::Entry {
        entry(["10.0.0.1:4000", "10.96.0.1:80"], ["10.0.0.2:8080", "10.0.0.1:4000"])
    }

    fn at(table: &Table, source: &str, destination: &str) -> Option<Tuple> {
        table.other(&tuple(&ends(source, destination))).map(|other| other.tuple)
    }

    #[test]
    fn both_sides_lead_to_each_other_in_both_directions() {
        let mut table = Table::new(100, REMEMBER);
        let masqueraded = entry(["10.0.0.1:4000", "10.96.0.1:80"], ["10.0.0.2:8080", "192.0.2.9:51000"]);
        table.note(&masqueraded, Instant::now());
        let told = |a, b| Some(tuple(&ends(a, b)));
        let [before, after] = [("10.0.0.1:4000", "10.96.0.1:80"), ("192.0.2.9:51000", "10.0.0.2:8080")];
        assert_eq!(at(&table, before.0, before.1), told(after.0, after.1));
        assert_eq!(at(&table, after.0, after.1), told(before.0, before.1));
        // Replies: as they come, and as they go on.
        assert_eq!(at(&table, after.1, after.0), told(before.1, before.0));
        assert_eq!(at(&table, before.1, before.0), told(after.1, after.0));
        assert_eq!(at(&table, "10.0.0.1:4001", "10.96.0.1:80"), None);
        assert_eq!(table.other(&tuple(&ends(before.0, before.1))).unwrap().zone, 5);
    }

    #[test]
    fn echoes_are_found_by_their_addresses_whatever_their_type() {
        let mut table = Table::new(100, REMEMBER);
        table.note(&entry(["10.0.0.1:0", "8.8.8.8:0"], ["8.8.8.8:0", "192.0.2.9:0"]), Instant::now());
        let mut request = tuple(&ends("10.0.0.1:0", "8.8.8.8:0"));
        request.selector = [8, 0];
        assert_eq!(table.other(&request).unwrap().tuple, tuple(&ends("192.0.2.9:0", "8.8.8.8:0")));
    }

    #[test]
    fn connections_without_translation_are_not_kept() {
        let mut table = Table::new(100, REMEMBER);
        let now = Instant::now();
        table.note(&entry(["10.0.0.1:4000", "10.0.0.2:80"], ["10.0.0.2:80", "10.0.0.1:4000"]), now);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn an_ended_connection_is_known_for_a_while_and_again_when_it_comes_again() {
        let mut table = Table::new(100, REMEMBER);
        let now = Instant::now();
        let gone = conntrack::Entry { gone: true, ..service() };
        table.note(&service(), now);
        table.note(&gone, now);
        table.expire(now + REMEMBER / 2);
        assert!(at(&table, "10.0.0.1:4000", "10.96.0.1:80").is_some());
        table.note(&service(), now + REMEMBER / 2);
        table.expire(now + REMEMBER);
        assert!(at(&table, "10.0.0.1:4000", "10.96.0.1:80").is_some());
        table.note(&gone, now + REMEMBER);
        table.expire(now + REMEMBER * 2);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn another_translation_of_the_same_ends_replaces_the_first() {
        let mut table = Table::new(100, REMEMBER);
        table.note(&service(), Instant::now());
        let moved = entry(["10.0.0.1:4000", "10.96.0.1:80"], ["10.0.0.3:8080", "10.0.0.1:4000"]);
        table.note(&moved, Instant::now());
        assert_eq!(at(&table, "10.0.0.1:4000", "10.0.0.2:8080"), None);
        assert!(at(&table, "10.0.0.1:4000", "10.0.0.3:8080").is_some());
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_full_table_gives_up_ended_connections_first_and_counts_what_it_refuses() {
        let mut table = Table::new(4, REMEMBER);
        let now = Instant::now();
        let numbered = |number: u8| {
            let (client, pod) = (format!("10.0.0.{number}:4000"), format!("10.1.0.{number}:80"));
            entry([&client, "10.96.0.1:80"], [&pod, &client])
        };
        table.note(&numbered(1), now);
        table.note(&numbered(2), now);
        table.note(&numbered(3), now);
        assert_eq!((table.len(), table.refused), (4, 1));
        table.note(&conntrack::Entry { gone: true, ..numbered(1) }, now);
        table.note(&numbered(4), now);
        assert_eq!((table.len(), table.refused), (4, 1));
        assert!(at(&table, "10.0.0.4:4000", "10.96.0.1:80").is_some());
        assert!(at(&table, "10.0.0.1:4000", "10.96.0.1:80").is_none());
    }

    #[test]
    fn what_a_new_list_does_not_name_has_ended() {
        let mut table = Table::new(100, REMEMBER);
        let now = Instant::now();
        let other = entry(["10.0.0.9:4000", "10.96.0.1:80"], ["10.0.0.2:8080", "10.0.0.9:4000"]);
        table.note(&service(), now);
        table.note(&other, now);
        table.begin_list();
        table.note(&other, now);
        table.end_list(now);
        table.expire(now + REMEMBER);
        assert!(at(&table, "10.0.0.1:4000", "10.96.0.1:80").is_none());
        assert!(at(&table, "10.0.0.9:4000", "10.96.0.1:80").is_some());
    }
}
