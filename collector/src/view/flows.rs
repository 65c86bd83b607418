//! All flows seen lately: one row each, memory bounded.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use flow::{FlowRecord, Mac};
use hashbrown::HashMap;

use super::{
    rate::Rate,
    row::{FlowRow, Row},
    rows::Rows,
};

/// What makes two records the same flow: ends, protocol and network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    net_ns: Option<Arc<str>>,
    addresses: [Option<IpAddr>; 2],
    ports: [Option<u16>; 2],
    proto: Option<u8>,
    icmp: [Option<u8>; 2],
    /// Of frames that are not IP, which have no other ends.
    macs: Option<([Option<Mac>; 2], Option<u16>)>,
}

impl Key {
    fn of(record: &FlowRecord) -> Self {
        let is_ip = record.src_addr.is_some();
        Self {
            net_ns: record.net_ns.clone(),
            addresses: [record.src_addr, record.dst_addr],
            ports: [record.src_port, record.dst_port],
            proto: record.proto,
            icmp: [record.icmp_type, record.icmp_code],
            macs: (!is_ip).then_some(([record.src_mac, record.dst_mac], record.etype)),
        }
    }
}

/// How rates are made of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Records come live and each covers so many ns.
    Interval(u64),
    /// Records are of the past: averages over the life of the flow.
    Past,
}

/// The flows.
#[derive(Debug)]
pub(super) struct Flows {
    index: HashMap<Key, u32>,
    /// One row a flow.
    pub(super) rows: Rows,
    /// When each slot's flow was last seen.
    last_ns: Vec<u64>,
    /// Flows in the order in which they may fall silent; entries may be out of date.
    active: VecDeque<(u64, u32)>,
    pace: Pace,
    cap: usize,
    next_id: u64,
    /// Flows that went to keep within the bound.
    pub(super) evicted: u64,
}

impl Flows {
    /// Keeps `cap` flows at most.
    pub(super) fn new(pace: Pace, cap: usize) -> Self {
        Self {
            index: HashMap::new(),
            rows: Rows::default(),
            last_ns: Vec::new(),
            active: VecDeque::new(),
            pace,
            cap: cap.max(1),
            next_id: 0,
            evicted: 0,
        }
    }

    /// Flows ever seen, as far as they were not forgotten in between.
    pub(super) fn total(&self) -> u64 {
        self.next_id
    }

    /// Takes in a record that was made at `made_ns` (by the clock of its agent) and is seen at `now_ns` (by ours); the slot
    /// of its flow.
    pub(super) fn add(&mut self, record: &FlowRecord, made_ns: u64, now_ns: u64) -> u32 {
        let key = Key::of(record);
        let slot = match self.index.get(&key) {
            Some(slot) => *slot,
            None => self.start(key, record, now_ns),
        };
        if let Some(Row::Flow(row)) = self.rows.get_mut(slot) {
            row.record.absorb(record);
            row.last_ns = now_ns;
            pace(row, record, self.pace, made_ns);
        }
        self.last_ns[slot as usize] = now_ns;
        if self.pace != Pace::Past {
            self.active.push_back((now_ns, slot));
        }
        slot
    }

    fn start(&mut self, key: Key, record: &FlowRecord, now_ns: u64) -> u32 {
        let empty = FlowRecord { time_flow_start_ms: record.time_flow_start_ms, ..FlowRecord::default() };
        let id = self.next_id;
        self.next_id += 1;
        let row = FlowRow { id, record: empty, rate: Rate::default(), first_ns: now_ns, last_ns: now_ns };
        let slot = self.rows.insert(Row::Flow(Box::new(row)));
        self.last_ns.resize(self.rows.capacity() as usize, 0);
        self.index.insert(key, slot);
        slot
    }

    /// Sets to zero the rates of flows that have fallen silent; their slots are appended to `changed`.
    pub(super) fn fade(&mut self, now_ns: u64, changed: &mut Vec<u32>) {
        let Pace::Interval(interval) = self.pace else { return };
        let silent = interval.saturating_mul(5) / 2;
        while let Some((seen, slot)) = self.active.front().copied() {
            if now_ns.saturating_sub(seen) < silent {
                break;
            }
            self.active.pop_front();
            if self.last_ns[slot as usize] == seen
                && let Some(Row::Flow(row)) = self.rows.get_mut(slot)
            {
                row.rate.fade();
                changed.push(slot);
            }
        }
    }

    /// Forgets the flows idle for longest if there are too many, some more than needed so that it is rarely done; their
    /// slots are appended to `changed`.
    pub(super) fn evict(&mut self, changed: &mut Vec<u32>) {
        if self.rows.len() <= self.cap {
            return;
        }
        let keep = self.cap - self.cap / 32;
        let mut by_age: Vec<_> = (0..self.rows.capacity()).filter(|slot| self.rows.get(*slot).is_some()).collect();
        let surplus = by_age.len() - keep;
        by_age.select_nth_unstable_by_key(surplus - 1, |slot| self.last_ns[*slot as usize]);
        for slot in &by_age[..surplus] {
            if let Some(Row::Flow(row)) = self.rows.remove(*slot).as_deref() {
                self.index.remove(&Key::of(&row.record));
            }
            self.last_ns[*slot as usize] = 0;
        }
        self.evicted += surplus as u64;
        changed.extend_from_slice(&by_age[..surplus]);
    }
}

fn pace(row: &mut FlowRow, newer: &FlowRecord, pace: Pace, made_ns: u64) {
    match pace {
        Pace::Interval(ns) => {
            row.rate.add(made_ns, ns, newer.bytes.unwrap_or_default(), newer.packets.unwrap_or_default());
        }
        Pace::Past => {
            let record = &row.record;
            let life = record
                .time_flow_end_ms
                .unwrap_or_default()
                .saturating_sub(record.time_flow_start_ms.unwrap_or_default());
            // A life shorter than a second is not known better than that.
            let seconds = (life as f64 / 1000.0).max(1.0);
            row.rate.bytes = record.bytes.unwrap_or_default() as f64 / seconds;
            row.rate.packets = record.packets.unwrap_or_default() as f64 / seconds;
        }
    }
}
