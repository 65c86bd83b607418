//! The parts of a batch in their order.

use std::{borrow::Borrow, sync::Arc};

use super::{Packed, Reader, WireError, Writer};
use crate::{
    Batch, Body, Drop, FlowBatch, FlowRecord, InterfaceCounts, Observation, Packet, PacketBatch, Recording, Unit,
};

/// A record takes hundreds of bytes in memory and may be one byte here: fewer bytes than this for each are filled up, so
/// that a few bytes cannot demand much memory. Records of real traffic have more.
const LEAST_RECORD: usize = 16;

/// A value with a method of its own for each direction.
macro_rules! list {
    ($put:ident, $take:ident, $type:ty, $least:literal, $put_one:ident, $take_one:ident) => {
        fn $put<'a>(list: &'a [$type], to: &mut Writer<'a>) -> Result<(), WireError> {
            to.put_count(list.len())?;
            list.iter().try_for_each(|item| $put_one(item, to))
        }

        fn $take(from: &mut Reader<'_>) -> Result<Vec<$type>, WireError> {
            (0..from.take_count($least)?).map(|_| $take_one(from)).collect()
        }
    };
}

list!(put_counts, take_counts, InterfaceCounts, 3, put_count, take_count);
list!(put_drops, take_drops, Drop, 2, put_drop, take_drop);
list!(put_observations, take_observations, Observation, 7, put_observation, take_observation);

pub(super) fn put_batch<'a>(batch: &'a Batch, to: &mut Writer<'a>) -> Result<(), WireError> {
    let Batch { node, sequence, time_ns, counters, interfaces, interface_counts, notices, .. } = batch;
    let Batch { secrets, clock, recording, ring, body, .. } = batch;
    to.put(time_ns)?;
    to.put(sequence)?;
    to.put_text(node)?;
    to.put(counters)?;
    to.put(interfaces)?;
    put_counts(interface_counts, to)?;
    to.put_count(notices.len())?;
    notices.iter().try_for_each(|notice| to.put_text(notice))?;
    to.put_count(secrets.len())?;
    secrets.iter().try_for_each(|secret| to.put_text(secret))?;
    to.put(clock)?;
    to.put(&recording.as_deref())?;
    to.put(ring)?;
    match body {
        Body::None => to.put(&0_u8),
        Body::Flows(flows) => {
            to.put(&1_u8)?;
            put_records(&flows.records, to)?;
            put_observations(&flows.observations, to)
        }
        Body::Packets(packets) => {
            to.put(&2_u8)?;
            put_packets(packets, batch.time_ns, to)
        }
    }
}

pub(super) fn take_batch(from: &mut Reader<'_>) -> Result<Batch, WireError> {
    let time_ns = from.take()?;
    from.base_ns = time_ns;
    Ok(Batch {
        time_ns,
        sequence: from.take()?,
        node: from.take_text()?,
        counters: from.take()?,
        interfaces: from.take()?,
        interface_counts: take_counts(from)?,
        notices: take_texts(from)?,
        secrets: take_texts(from)?,
        clock: from.take()?,
        recording: from.take::<Option<Recording>>()?.map(Arc::new),
        ring: from.take()?,
        body: take_body(time_ns, from)?,
    })
}

fn take_texts(from: &mut Reader<'_>) -> Result<Vec<Arc<str>>, WireError> {
    (0..from.take_count(1)?).map(|_| from.take_text()).collect()
}

fn take_body(time_ns: u64, from: &mut Reader<'_>) -> Result<Body, WireError> {
    match from.take()? {
        0_u8 => Ok(Body::None),
        1 => {
            let records: Vec<FlowRecord> = take_records(from)?;
            let observations = take_observations(from)?;
            if observations.iter().all(|observation| i64::from(observation.record) < records.len() as i64) {
                Ok(Body::Flows(FlowBatch { records, observations }))
            } else {
                Err(WireError::Invalid("an observation of a record that there is not"))
            }
        }
        2 => take_packets(time_ns, from).map(Body::Packets),
        _ => Err(WireError::Invalid("data of an unknown kind")),
    }
}

fn put_records<'a, R: Borrow<FlowRecord>>(records: &'a [R], to: &mut Writer<'a>) -> Result<(), WireError> {
    to.put_count(records.len())?;
    let begin = to.len();
    records.iter().try_for_each(|record| record.borrow().pack(Unit::None, to))?;
    to.pad_to(begin + records.len() * LEAST_RECORD);
    Ok(())
}

fn take_records<R: From<FlowRecord>>(from: &mut Reader<'_>) -> Result<Vec<R>, WireError> {
    let count = from.take_count(LEAST_RECORD)?;
    let before = from.left();
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        records.push(FlowRecord::unpack(Unit::None, from)?.into());
    }
    let filled = (count * LEAST_RECORD).saturating_sub(before - from.left());
    from.take_raw(filled)?;
    Ok(records)
}

fn put_count(counts: &InterfaceCounts, to: &mut Writer<'_>) -> Result<(), WireError> {
    let InterfaceCounts { interface, delivered, lost } = counts;
    to.put(&(interface, delivered, lost))
}

fn take_count(from: &mut Reader<'_>) -> Result<InterfaceCounts, WireError> {
    let (interface, delivered, lost) = from.take()?;
    Ok(InterfaceCounts { interface, delivered, lost })
}

fn put_drop<'a>(drop: &'a Drop, to: &mut Writer<'a>) -> Result<(), WireError> {
    to.put(&drop.packet)?;
    to.put_text(&drop.cause)
}

fn take_drop(from: &mut Reader<'_>) -> Result<Drop, WireError> {
    Ok(Drop { packet: from.take()?, cause: from.take_text()? })
}

fn put_observation<'a>(observation: &'a Observation, to: &mut Writer<'a>) -> Result<(), WireError> {
    let Observation { record, node, netns, interface, direction, bytes, packets } = observation;
    to.put(&node.is_some())?;
    node.iter().try_for_each(|node| to.put_text(node))?;
    to.put_text(netns)?;
    to.put_text(interface)?;
    to.put(&(record, direction, bytes, packets))
}

fn take_observation(from: &mut Reader<'_>) -> Result<Observation, WireError> {
    let node = if from.take()? { Some(from.take_text()?) } else { None };
    let (netns, interface) = (from.take_text()?, from.take_text()?);
    let (record, direction, bytes, packets) = from.take()?;
    Ok(Observation { record, node, netns, interface, direction, bytes, packets })
}

/// What is known of each packet, with the difference of its time to the one before, then the bytes of all.
fn put_packets<'a>(batch: &'a PacketBatch, mut time_ns: u64, to: &mut Writer<'a>) -> Result<(), WireError> {
    to.put_count(batch.packets.len())?;
    let mut total = 0;
    for packet in &batch.packets {
        let caplen = batch.bytes(packet).len();
        let later = packet.time_ns.wrapping_sub(time_ns) as i64;
        to.put(&(
            later,
            packet.interface,
            packet.len,
            caplen as u32,
            packet.direction,
            packet.id,
            packet.ends.wrapping_add(1),
        ))?;
        time_ns = packet.time_ns;
        total += caplen;
    }
    to.put_count(total)?;
    batch.packets.iter().for_each(|packet| to.put_raw(batch.bytes(packet)));
    put_drops(&batch.drops, to)?;
    put_records(&batch.ends, to)
}

fn take_packets(mut time_ns: u64, from: &mut Reader<'_>) -> Result<PacketBatch, WireError> {
    let count = from.take_count(7)?;
    let (mut packets, mut offset) = (Vec::with_capacity(count), 0_u32);
    for _ in 0..count {
        let (later, interface, len, caplen, direction, id, ends) = from.take::<(i64, u32, u32, u32, u8, u64, u32)>()?;
        time_ns = time_ns.wrapping_add(later as u64);
        // 0 for none, which is shorter than the largest number.
        let ends = ends.wrapping_sub(1);
        packets.push(Packet { time_ns, interface, len, caplen, offset, direction, id, ends });
        offset = offset.checked_add(caplen).ok_or(WireError::CutOff)?;
    }
    let total = from.take_count(1)?;
    if total != offset as usize {
        return Err(WireError::Invalid("packets that do not fill their bytes"));
    }
    let data = from.take_raw(total)?.to_vec();
    let drops = take_drops(from)?;
    if drops.iter().any(|drop| drop.packet as usize >= packets.len()) {
        return Err(WireError::Invalid("a drop of a packet that there is not"));
    }
    let ends: Vec<Arc<FlowRecord>> = take_records(from)?;
    if packets.iter().any(|packet| packet.ends != Packet::NO_ENDS && packet.ends as usize >= ends.len()) {
        return Err(WireError::Invalid("ends of a packet that there are not"));
    }
    Ok(PacketBatch { data, packets, drops, ends })
}
