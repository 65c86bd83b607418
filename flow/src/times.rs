//! The absolute times in a batch, all of them: what is put right where a node's clock differs.

use crate::{Batch, Body, FlowRecord};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

impl Batch {
    /// Replaces each time in the batch, ns since the epoch, by what `right` makes of it: of the batch, its packets and
    /// records. One that never goes backwards keeps everything in its order.
    pub fn map_times(&mut self, right: impl Fn(u64) -> u64) {
        self.time_ns = right(self.time_ns);
        if let Some(fired) = self.ring.as_mut().and_then(|ring| ring.fired.as_mut()) {
            fired.time_ns = right(fired.time_ns);
        }
        match &mut self.body {
            Body::None => {}
            Body::Flows(flows) => flows.records.iter_mut().for_each(|record| map_record(record, &right)),
            Body::Packets(packets) => {
                packets.packets.iter_mut().for_each(|packet| packet.time_ns = right(packet.time_ns));
            }
        }
    }
}

fn map_record(record: &mut FlowRecord, right: impl Fn(u64) -> u64) {
    let map = |time: &mut Option<u64>, unit: u64| {
        *time = time.map(|time| right(time.saturating_mul(unit)) / unit);
    };
    map(&mut record.time_flow_start_ms, MS);
    map(&mut record.time_flow_end_ms, MS);
    map(&mut record.time_received, SECOND);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, FlowBatch, Packet, PacketBatch, Unit, Value};

    #[test]
    fn every_field_that_is_a_time_is_replaced_and_no_other() {
        let mut record = FlowRecord { bytes: Some(7), time_flow_rtt_ns: Some(8), ..FlowRecord::default() };
        let of_time = |unit| matches!(unit, Unit::EpochMs | Unit::EpochS);
        (record.time_flow_start_ms, record.time_flow_end_ms, record.time_received) =
            (Some(5_000), Some(6_000), Some(7));
        let before = record.clone();
        let times = Field::ALL.iter().filter(|field| of_time(field.unit())).count();
        let body = Body::Flows(FlowBatch { records: vec![record], observations: Vec::new() });
        let mut batch = Batch::bare("n".into(), 9 * SECOND, body);
        batch.map_times(|time| time - 2 * SECOND);
        let Body::Flows(FlowBatch { records, .. }) = &batch.body else { panic!("flows stay flows") };
        let changed = Field::ALL.iter().filter(|field| records[0].get(**field) != before.get(**field));
        let changed: Vec<_> = changed.collect();
        assert!(changed.len() == times && changed.iter().all(|field| of_time(field.unit())), "{changed:?}");
        assert_eq!(records[0].time_flow_start_ms, Some(3_000));
        assert_eq!((batch.time_ns, records[0].time_received), (7 * SECOND, Some(5)));
        assert!(matches!(records[0].get(Field::Bytes), Some(Value::UInt(7))));
    }

    #[test]
    fn packets_are_moved_to_the_nanosecond() {
        let packets = vec![Packet { time_ns: 1_000_000_123, ..Packet::default() }];
        let body = Body::Packets(PacketBatch { packets, ..PacketBatch::default() });
        let mut batch = Batch::bare("n".into(), 1_000_000_200, body);
        batch.map_times(|time| time + 77);
        let Body::Packets(PacketBatch { packets, .. }) = &batch.body else { panic!("packets stay packets") };
        assert_eq!((packets[0].time_ns, batch.time_ns), (1_000_000_200, 1_000_000_277));
    }
}
