//! Rules applied to what is in a file: the records, or the headers of the packets.

use std::collections::HashMap;

use collector::decode::decode;
use flow::{
    Batch, Body, FlowBatch, LinkType, PacketBatch, Rules,
    rules::{Action, Directions, FlagsSeen, Sets, Subject, verdict},
};

/// Takes from batches what the rules reject; remembers what earlier batches said of interfaces.
#[derive(Debug)]
pub(super) struct Filter {
    rules: Rules,
    links: HashMap<u32, LinkType>,
}

impl Filter {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, links: HashMap::new() }
    }

    pub(super) fn apply(&mut self, mut batch: Batch) -> Batch {
        self.links.extend(batch.interfaces.iter().map(|interface| (interface.id, interface.link_type)));
        if !self.rules.is_empty() {
            match &mut batch.body {
                Body::Flows(flows) => self.flows(flows),
                Body::Packets(packets) => self.packets(packets),
                Body::None => {}
            }
        }
        batch
    }

    fn flows(&self, batch: &mut FlowBatch) {
        // New place of each record that stays.
        let mut places = Vec::with_capacity(batch.records.len());
        let mut kept = 0;
        for record in &batch.records {
            let takes = verdict(&self.rules, &Sets::default(), &Subject::from(record)) == Action::Accept;
            places.push(takes.then_some(kept));
            kept += i32::from(takes);
        }
        let place = |record: i32| usize::try_from(record).ok().and_then(|at| places.get(at).copied()).flatten();
        batch.observations.retain_mut(|observation| {
            let place = place(observation.record);
            observation.record = place.unwrap_or_default();
            place.is_some()
        });
        let mut place = places.iter();
        batch.records.retain(|_| place.next().is_some_and(Option::is_some));
    }

    fn packets(&self, batch: &mut PacketBatch) {
        let PacketBatch { data, packets, .. } = batch;
        packets.retain(|packet| {
            let start = packet.offset as usize;
            let bytes = data.get(start..start + packet.caplen as usize).unwrap_or_default();
            let link = self.links.get(&packet.interface).copied().unwrap_or(LinkType::Ethernet);
            let subject = subject(bytes, link, packet.direction);
            verdict(&self.rules, &Sets::default(), &subject) == Action::Accept
        });
    }
}

fn subject(bytes: &[u8], link: LinkType, direction: u8) -> Subject {
    let decoded = decode(bytes, link);
    Subject {
        flags: decoded.flags().map(|flags| FlagsSeen::Packet(flags as u8)),
        directions: Directions::of(direction),
        ..Subject::from(&decoded.record())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flow::{FlowRecord, Observation, Packet};

    use super::*;

    fn filter(option: &str, value: &str) -> Filter {
        Filter::new(flow::rules::parse(&[vec![(option.to_owned(), value.to_owned())]], 0).unwrap())
    }

    fn batch(body: Body) -> Batch {
        Batch {
            node: "n".into(),
            sequence: 0,
            time_ns: 0,
            counters: flow::Counters::default(),
            interfaces: Vec::new(),
            interface_counts: Vec::new(),
            notices: Vec::new(),
            body,
            ..Batch::default()
        }
    }

    #[test]
    fn observations_follow_their_records() {
        let record = |proto| FlowRecord { proto: Some(proto), ..FlowRecord::default() };
        let observation = |record| Observation {
            record,
            node: None,
            netns: "".into(),
            interface: Arc::from(format!("if{record}")),
            direction: 0,
            bytes: 0,
            packets: 0,
        };
        let flows = FlowBatch {
            records: vec![record(17), record(6), record(17), record(6)],
            observations: (0..4).map(observation).collect(),
        };
        let Body::Flows(kept) = filter("protocol", "TCP").apply(batch(Body::Flows(flows))).body else { unreachable!() };
        assert_eq!(kept.records, [record(6), record(6)]);
        let places: Vec<_> = kept.observations.iter().map(|seen| (seen.record, &*seen.interface)).collect();
        assert_eq!(places, [(0, "if1"), (1, "if3")]);
    }

    #[test]
    fn packets_are_judged_by_their_headers_and_direction() {
        // IPv4, UDP, 10.0.0.1:53 to 10.0.0.2:1024, nothing else; after an Ethernet header.
        let ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 4, 0, 0, 8, 0, 0];
        let frame = [&[2; 12][..], &[8, 0], &ip].concat();
        let taken = |option, value| {
            let len = frame.len() as u32;
            let packet =
                Packet { time_ns: 0, interface: 0, len, caplen: len, offset: 0, direction: 1, ..Packet::default() };
            let packets =
                PacketBatch { data: frame.clone(), packets: vec![packet], drops: Vec::new(), ..PacketBatch::default() };
            let Body::Packets(kept) = filter(option, value).apply(batch(Body::Packets(packets))).body else {
                unreachable!()
            };
            kept.packets.len()
        };
        assert_eq!((taken("sport", "53"), taken("dport", "53")), (1, 0));
        assert_eq!((taken("direction", "Egress"), taken("direction", "Ingress")), (1, 0));
        assert_eq!((taken("cidr", "10.0.0.2/32"), taken("protocol", "TCP")), (1, 0));
    }
}
