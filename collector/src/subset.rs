//! Parts of batches: what refers to a record or packet by its place goes along and refers to its new place, or goes.

use std::{ops::Range, sync::Arc};

use flow::{Drop, FlowBatch, Observation, Packet, PacketBatch};

/// The kernel's reason if packet `at` of its batch is one that it dropped.
pub(crate) fn cause(drops: &[Drop], at: usize) -> Option<&Arc<str>> {
    let found = drops.binary_search_by_key(&at, |drop| drop.packet as usize).ok()?;
    drops.get(found).map(|drop| &drop.cause)
}

/// The drops of the packets `range`, counted from the first packet of the batch as before.
pub(crate) fn drops_of<'a>(drops: &'a [Drop], range: &Range<usize>) -> &'a [Drop] {
    let before = |end: usize| drops.partition_point(|drop| (drop.packet as usize) < end);
    let (start, end) = (before(range.start), before(range.end));
    drops.get(start..end).unwrap_or_default()
}

/// Some of the packets with a copy of their bytes.
pub(crate) fn part(body: &PacketBatch, range: Range<usize>) -> PacketBatch {
    let mut part = PacketBatch::default();
    let moved = |drop: &Drop| Drop { packet: drop.packet - range.start as u32, cause: Arc::clone(&drop.cause) };
    part.drops.extend(drops_of(&body.drops, &range).iter().map(moved));
    let mut places = vec![Packet::NO_ENDS; body.ends.len()];
    for packet in &body.packets[range] {
        let bytes = body.bytes(packet);
        let (offset, caplen) = (part.data.len() as u32, bytes.len() as u32);
        part.data.extend_from_slice(bytes);
        let ends = moved_ends(body, packet, &mut places, &mut part);
        part.packets.push(Packet { offset, caplen, ends, ..*packet });
    }
    part
}

/// The place in `part` of a packet's ends, put there when they are first needed; `places` has the new place of each.
fn moved_ends(body: &PacketBatch, packet: &Packet, places: &mut [u32], part: &mut PacketBatch) -> u32 {
    let (Some(ends), Some(place)) = (body.ends(packet), places.get_mut(packet.ends as usize)) else {
        return Packet::NO_ENDS;
    };
    if *place == Packet::NO_ENDS {
        *place = part.ends.len() as u32;
        part.ends.push(Arc::clone(ends));
    }
    *place
}

/// Leaves the first `keep` packets; returns how many went.
pub(crate) fn truncate(body: &mut PacketBatch, keep: usize) -> u64 {
    let gone = body.packets.len().saturating_sub(keep);
    body.packets.truncate(keep);
    body.drops.truncate(drops_of(&body.drops, &(0..keep)).len());
    gone as u64
}

/// Leaves the packets that `keep` takes, given each with its bytes and, if it was dropped, why; returns how many went.
pub(crate) fn retain_packets(
    body: &mut PacketBatch,
    mut keep: impl FnMut(&Packet, &[u8], Option<&Arc<str>>) -> bool,
) -> u64 {
    let PacketBatch { data, packets, drops, .. } = body;
    let mut old = std::mem::take(drops).into_iter().peekable();
    let before = packets.len();
    let (mut at, mut place) = (0_u32, 0_u32);
    packets.retain(|packet| {
        let start = packet.offset as usize;
        let bytes = data.get(start..start + packet.caplen as usize).unwrap_or_default();
        let drop = old.next_if(|drop| drop.packet == at);
        at += 1;
        let kept = keep(packet, bytes, drop.as_ref().map(|drop| &drop.cause));
        if kept {
            drops.extend(drop.map(|drop| Drop { packet: place, ..drop }));
            place += 1;
        }
        kept
    });
    (before - packets.len()) as u64
}

/// Leaves the records for which `keep` says so, in their order. An observation of a record of this batch goes with it or gets its
/// new place; `earlier` says the new place of a record before this batch, or that it is gone.
pub(crate) fn retain_records(flows: &mut FlowBatch, keep: &[bool], earlier: impl Fn(i32) -> Option<i32>) {
    let mut kept = 0;
    let places: Vec<Option<i32>> = keep
        .iter()
        .map(|&keep| {
            let place = keep.then_some(kept);
            kept += i32::from(keep);
            place
        })
        .collect();
    let place = |record: i32| match usize::try_from(record) {
        Ok(at) => places.get(at).copied().flatten(),
        Err(_) => earlier(record),
    };
    flows.observations.retain_mut(|seen: &mut Observation| {
        let place = place(seen.record);
        seen.record = place.unwrap_or_default();
        place.is_some()
    });
    let mut keep = keep.iter();
    flows.records.retain(|_| keep.next().copied().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use flow::FlowRecord;
    use proptest::prelude::*;

    use super::*;

    /// A batch in which packet `n` has `n` as its time and its only byte; those of `dropped` were dropped, each for a reason
    /// of its own.
    fn batch(count: u8, dropped: &[u8]) -> PacketBatch {
        let packet = |n: u8| Packet {
            time_ns: n.into(),
            len: 1,
            caplen: 1,
            offset: n.into(),
            ends: (n % 4).into(),
            ..Packet::default()
        };
        let drop = |n: &u8| Drop { packet: (*n).into(), cause: format!("reason {n}").into() };
        PacketBatch {
            data: (0..count).collect(),
            packets: (0..count).map(packet).collect(),
            drops: dropped.iter().filter(|n| **n < count).map(drop).collect(),
            // One in four has none.
            ends: (0..3).map(|n| Arc::new(FlowRecord { bytes: Some(n), ..FlowRecord::default() })).collect(),
        }
    }

    /// Time, byte, reason and ends of each packet.
    fn told(batch: &PacketBatch) -> Vec<(u64, u8, Option<String>, Option<u64>)> {
        let one = |(at, packet): (usize, &Packet)| {
            let ends = batch.ends(packet).and_then(|ends| ends.bytes);
            (packet.time_ns, batch.bytes(packet)[0], cause(&batch.drops, at).map(ToString::to_string), ends)
        };
        batch.packets.iter().enumerate().map(one).collect()
    }

    proptest! {
        #[test]
        fn every_packet_keeps_its_bytes_and_its_reason(
            count in 0..30_u8, dropped in proptest::collection::btree_set(0..30_u8, 0..30), start in 0..30_usize, len in 0..30_usize,
            keep in proptest::collection::vec(any::<bool>(), 30),
        ) {
            let whole = batch(count, &dropped.iter().copied().collect::<Vec<_>>());
            let all = told(&whole);
            let start = start.min(all.len());
            let end = (start + len).min(all.len());
            prop_assert_eq!(told(&part(&whole, start..end)), &all[start..end]);
            let mut first = whole.clone();
            prop_assert_eq!(truncate(&mut first, end), (all.len() - end) as u64);
            prop_assert_eq!(told(&first), &all[..end]);
            let mut some = whole.clone();
            let mut flags = keep.iter();
            let mut seen = Vec::new();
            let gone = retain_packets(&mut some, |packet, bytes, cause| {
                let ends = (packet.ends < 3).then_some(u64::from(packet.ends));
                seen.push((packet.time_ns, bytes[0], cause.map(ToString::to_string), ends));
                *flags.next().unwrap()
            });
            prop_assert_eq!(&seen, &all);
            let expected: Vec<_> = all.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(one, _)| one.clone()).collect();
            prop_assert_eq!(gone as usize, all.len() - expected.len());
            prop_assert_eq!(told(&some), expected);
            prop_assert_eq!(some.drops.len(), told(&some).iter().filter(|one| one.2.is_some()).count());
        }
    }
}
