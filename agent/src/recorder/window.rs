//! Batches of packets cut at a moment.

use flow::{Drop, Packet, PacketBatch};

/// What was seen before `moment_ns`, and the rest. Packets are in the order of their times.
pub(super) fn split(body: PacketBatch, moment_ns: u64) -> (PacketBatch, PacketBatch) {
    let at = body.packets.partition_point(|packet| packet.time_ns < moment_ns);
    if at == body.packets.len() {
        return (body, PacketBatch::default());
    }
    if at == 0 {
        return (PacketBatch::default(), body);
    }
    (part(&body, 0, at), part(&body, at, body.packets.len()))
}

fn part(body: &PacketBatch, start: usize, end: usize) -> PacketBatch {
    let drops = body.drops.iter().filter(|drop| (start..end).contains(&(drop.packet as usize)));
    let mut part = PacketBatch {
        drops: drops.map(|drop| Drop { packet: drop.packet - start as u32, cause: drop.cause.clone() }).collect(),
        ends: body.ends.clone(),
        ..PacketBatch::default()
    };
    for packet in &body.packets[start..end] {
        let bytes = body.bytes(packet);
        part.packets.push(Packet { offset: part.data.len() as u32, caplen: bytes.len() as u32, ..*packet });
        part.data.extend_from_slice(bytes);
    }
    part
}

/// Memory that packets take, bytes.
pub(super) fn weight(body: &PacketBatch) -> usize {
    /// A batch itself, and what the allocator takes.
    const BATCH: usize = 512;
    BATCH
        + body.data.capacity()
        + body.packets.capacity() * size_of::<Packet>()
        + body.drops.capacity() * size_of::<Drop>()
        + body.ends.len() * 64
}

/// Gives back what was set aside for more packets than came.
pub(super) fn shrink(body: &mut PacketBatch) {
    if body.data.capacity() > 2 * body.data.len() + 4096 {
        body.data.shrink_to_fit();
    }
    if body.packets.capacity() > 2 * body.packets.len() + 16 {
        body.packets.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(times: &[u64]) -> PacketBatch {
        let mut batch = PacketBatch::default();
        for (at, time_ns) in times.iter().enumerate() {
            let offset = batch.data.len() as u32;
            batch.data.extend_from_slice(&[at as u8; 3]);
            batch.packets.push(Packet { time_ns: *time_ns, len: 3, caplen: 3, offset, ..Packet::default() });
            batch.drops.push(Drop { packet: at as u32, cause: at.to_string().into() });
        }
        batch
    }

    fn told(batch: &PacketBatch) -> Vec<(u64, Vec<u8>, String)> {
        let drop = |at: usize| batch.drops.iter().find(|drop| drop.packet as usize == at).unwrap().cause.to_string();
        let packets = batch.packets.iter().enumerate();
        packets.map(|(at, packet)| (packet.time_ns, batch.bytes(packet).to_vec(), drop(at))).collect()
    }

    #[test]
    fn each_packet_is_on_one_side_with_its_bytes_and_its_reason() {
        let whole = told(&batch(&[10, 20, 20, 30]));
        for (moment, expected) in [(0, 0), (10, 0), (11, 1), (20, 1), (21, 3), (30, 3), (31, 4)] {
            let (before, after) = split(batch(&[10, 20, 20, 30]), moment);
            assert_eq!(told(&before), whole[..expected], "{moment}");
            assert_eq!(told(&after), whole[expected..], "{moment}");
        }
    }
}
