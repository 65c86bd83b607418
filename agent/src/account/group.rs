//! Which observations of a flow are of the same packets, and what of them is new.

use std::sync::Arc;

use super::{
    NONE, Seen,
    points::{Listed, Points},
    slab::Slab,
    tuple::Tuple,
};

/// What is new of one group in this interval.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) tuple: &'a Tuple,
    /// The point that saw the first packet: where it came from.
    pub(crate) source: Seen,
    pub(crate) netns: Arc<str>,
    pub(crate) listed: Listed,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flags: u16,
    /// First and last packet of the interval, monotonic ns.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// 0 it came from outside, 1 it leaves, 2 it stays on this machine.
    pub(crate) direction: u8,
    /// What each point counted for itself, where that is not zero.
    pub(crate) members: &'a [Member],
}

/// What one point counted in this interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) point: u32,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Working memory, kept from flow to flow.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Observations of the flow that are in no row yet: slot, group.
    open: Vec<(u32, usize)>,
    group: Vec<u32>,
    numbers: Vec<u32>,
    members: Vec<Member>,
}

impl Scratch {
    /// Gathers the observations of a flow and tells their groups apart.
    pub(super) fn collect(&mut self, first: u32, seen: &Slab<Seen>, points: &Points) {
        self.open.clear();
        let mut at = first;
        while at != NONE {
            self.open.push((at, self.open.len()));
            at = seen.get(at).next;
        }
        for one in 1..self.open.len() {
            for other in 0..one {
                let (a, b) = (seen.get(self.open[one].0).point, seen.get(self.open[other].0).point);
                if same_packets(points, a, b) {
                    self.join(one, other);
                }
            }
        }
    }

    fn join(&mut self, one: usize, other: usize) {
        let (from, to) = (self.open[one].1, self.open[other].1);
        self.open.iter_mut().filter(|entry| entry.1 == from).for_each(|entry| entry.1 = to);
    }

    /// The row of the next group that grew; `None` when there is none left.
    pub(super) fn next_row<'a>(
        &'a mut self,
        tuple: &'a Tuple,
        seen: &mut Slab<Seen>,
        points: &mut Points,
    ) -> Option<Row<'a>> {
        while let Some(label) = self.open.last().map(|entry| entry.1) {
            self.take_group(label, seen, points);
            let [packets, bytes] = claim_growth(&self.group, seen);
            let interval = Interval::end(&self.group, seen);
            if packets > 0 || bytes > 0 {
                return Some(self.row(tuple, seen, points, [packets, bytes], interval));
            }
        }
        None
    }

    /// Moves a group out of `open`, in the order in which the flow came to its points.
    fn take_group(&mut self, label: usize, seen: &Slab<Seen>, points: &Points) {
        self.group.clear();
        self.group.extend(self.open.iter().filter(|entry| entry.1 == label).map(|entry| entry.0));
        self.open.retain(|entry| entry.1 != label);
        self.group.sort_unstable_by_key(|slot| {
            let seen = seen.get(*slot);
            (seen.first_ns, !points.get(seen.point).place.egress, seen.point)
        });
    }

    fn row<'a>(
        &'a mut self,
        tuple: &'a Tuple,
        seen: &mut Slab<Seen>,
        points: &mut Points,
        [packets, bytes]: [u64; 2],
        interval: Interval,
    ) -> Row<'a> {
        self.numbers.clear();
        self.numbers.extend(self.group.iter().map(|slot| seen.get(*slot).point));
        self.members.clear();
        self.members.extend(self.group.iter().filter_map(|slot| seen.get_mut(*slot).tell()));
        let source = *seen.get(self.group[0]);
        let (first, last) = (points.get(source.point), points.get(self.numbers[self.numbers.len() - 1]));
        Row {
            tuple,
            source,
            netns: first.netns.clone(),
            direction: direction(first.place.egress, last.place.egress),
            listed: points.list(&self.numbers),
            packets,
            bytes,
            flags: interval.flags,
            first_ns: interval.first_ns,
            last_ns: interval.last_ns,
            members: &self.members,
        }
    }
}

/// In one namespace, or one after the other at the two ends of a veth pair.
fn same_packets(points: &Points, a: u32, b: u32) -> bool {
    let (one, other) = (points.get(a), points.get(b));
    one.place.netns == other.place.netns || one.peer == Some(b) || other.peer == Some(a)
}

/// By the directions at the first and the last point.
const fn direction(first_egress: bool, last_egress: bool) -> u8 {
    match (first_egress, last_egress) {
        (true, true) => 1,
        (true, false) => 2,
        (false, _) => 0,
    }
}

/// How much the largest count of the group is above what was reported; notes it as reported.
///
/// What was reported while the group was still two is the sum of both, so that the totals come out right in the end.
fn claim_growth(group: &[u32], seen: &mut Slab<Seen>) -> [u64; 2] {
    let (mut most, mut reported) = ([0u64; 2], [0u64; 2]);
    for seen in group.iter().map(|slot| seen.get(*slot)) {
        most = [most[0].max(seen.packets), most[1].max(seen.bytes)];
        reported = [reported[0] + seen.reported_packets, reported[1] + seen.reported_bytes];
    }
    let growth = [most[0].saturating_sub(reported[0]), most[1].saturating_sub(reported[1])];
    let first = seen.get_mut(group[0]);
    first.reported_packets += growth[0];
    first.reported_bytes += growth[1];
    growth
}

#[derive(Clone, Copy)]
struct Interval {
    flags: u16,
    first_ns: u64,
    last_ns: u64,
}

impl Interval {
    /// Ends the interval of a group; what it was.
    fn end(group: &[u32], seen: &mut Slab<Seen>) -> Self {
        let mut interval = Self { flags: 0, first_ns: u64::MAX, last_ns: 0 };
        for slot in group {
            let seen = seen.get_mut(*slot);
            if seen.interval_last != 0 {
                interval.flags |= seen.flags;
                interval.first_ns = interval.first_ns.min(seen.interval_first);
                interval.last_ns = interval.last_ns.max(seen.interval_last);
                (seen.flags, seen.interval_last) = (0, 0);
            }
        }
        interval
    }
}

impl Seen {
    /// What this point counted since it was last told.
    fn tell(&mut self) -> Option<Member> {
        let (packets, bytes) = (self.packets - self.told_packets, self.bytes - self.told_bytes);
        (self.told_packets, self.told_bytes) = (self.packets, self.bytes);
        (packets > 0 || bytes > 0).then_some(Member { point: self.point, packets, bytes })
    }
}
