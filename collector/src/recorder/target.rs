//! The packets of one flow: both ways, and on both sides of a translation where that is known.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use flow::{
    CaptureConfig, FlowRecord, Rule,
    config::{Mode, PacketFiles},
    rules::Ports,
    show,
};

/// Memory of the rings of packets beside flows, bytes.
const BUFFER: u32 = 16 << 20;

/// Protocols with ports: TCP, UDP, SCTP.
const WITH_PORTS: [u8; 3] = [6, 17, 132];

/// An address, with its port where the protocol has ports.
type End = (IpAddr, Option<u16>);

/// Two ends that speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    proto: u8,
    ends: [End; 2],
    /// The same before or after translation.
    translated: Option<[End; 2]>,
}

impl Target {
    /// Of a flow; `None` where it is not of IP.
    pub(super) fn of(record: &FlowRecord) -> Option<Self> {
        let proto = record.proto?;
        let end = |address: Option<IpAddr>, port: Option<u16>| {
            address.map(|address| (address, port.filter(|_| WITH_PORTS.contains(&proto))))
        };
        let src = end(record.src_addr, record.src_port)?;
        let dst = end(record.dst_addr, record.dst_port)?;
        let other_src = end(record.xlat_src_addr, record.xlat_src_port).unwrap_or(src);
        let other_dst = end(record.xlat_dst_addr, record.xlat_dst_port).unwrap_or(dst);
        let translated = [other_src, other_dst];
        Some(Self { proto, ends: [src, dst], translated: (translated != [src, dst]).then_some(translated) })
    }

    /// Whether another flow is this one, or its other direction.
    pub(super) fn is(&self, other: &Self) -> bool {
        let [a, b] = other.ends;
        self.proto == other.proto && (self.ends == [a, b] || self.ends == [b, a])
    }

    fn rules(&self) -> Vec<Rule> {
        let pairs = [Some(self.ends), self.translated].into_iter().flatten();
        pairs.flat_map(|[a, b]| [self.rule(a, b), self.rule(b, a)]).collect()
    }

    fn rule(&self, (src, sport): End, (dst, dport): End) -> Rule {
        let ports = |port: Option<u16>| port.map(|port| Ports { first: (port, port), second: None });
        Rule {
            src: Some(src.into()),
            dst: Some(dst.into()),
            protocol: Some(self.proto),
            sport: ports(sport),
            dport: ports(dport),
            ..Rule::default()
        }
    }

    /// A capture of these packets beside that of flows.
    pub(super) fn config(&self, flows: &CaptureConfig) -> CaptureConfig {
        CaptureConfig {
            mode: Mode::Packets,
            rules: self.rules(),
            sets: Vec::new(),
            spare_sets: 0,
            spare_rules: 0,
            after: None,
            features: flows.features.iter().copied().filter(|feature| feature.is_of_packets()).collect(),
            drops_only: false,
            sampling: 1,
            snaplen: 0,
            buffer_size: BUFFER,
            files: PacketFiles::default(),
            ring: None,
            trigger: None,
            tls_keys: false,
            observations: false,
            ..flows.clone()
        }
    }

    /// As a part of a file's name.
    pub(super) fn name(&self) -> String {
        let end = |(address, port): End| {
            let address = address.to_string().replace(':', "_");
            port.map_or(address.clone(), |port| format!("{address}.{port}"))
        };
        let [a, b] = self.ends;
        format!("{}-{}-{}", self.protocol().to_ascii_lowercase(), end(a), end(b))
    }

    fn protocol(&self) -> String {
        show::protocol(self.proto).map_or_else(|| format!("proto{}", self.proto), str::to_owned)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |(address, port): End| {
            port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string())
        };
        let [a, b] = self.ends;
        write!(f, "{} {} - {}", self.protocol(), end(a), end(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> FlowRecord {
        FlowRecord {
            src_addr: "10.0.0.1".parse().ok(),
            dst_addr: "10.96.0.1".parse().ok(),
            src_port: Some(40_000),
            dst_port: Some(443),
            proto: Some(6),
            xlat_dst_addr: "10.0.0.9".parse().ok(),
            xlat_dst_port: Some(6443),
            ..FlowRecord::default()
        }
    }

    fn back(record: &FlowRecord) -> FlowRecord {
        FlowRecord {
            src_addr: record.dst_addr,
            dst_addr: record.src_addr,
            src_port: record.dst_port,
            dst_port: record.src_port,
            proto: record.proto,
            ..FlowRecord::default()
        }
    }

    #[test]
    fn both_ways_and_both_sides_of_a_translation_are_taken_and_nothing_else() {
        let target = Target::of(&record()).unwrap();
        let ends = |rule: &Rule| {
            let port = |ports: Option<Ports>| ports.unwrap().first.0;
            (
                rule.src.unwrap().addr().to_string(),
                port(rule.sport),
                rule.dst.unwrap().addr().to_string(),
                port(rule.dport),
            )
        };
        let told: Vec<_> = target.rules().iter().map(ends).collect();
        let (a, b, c) = ("10.0.0.1".to_owned(), "10.96.0.1".to_owned(), "10.0.0.9".to_owned());
        let forth = [(a.clone(), 40_000, b.clone(), 443), (b, 443, a.clone(), 40_000)];
        let translated = [(a.clone(), 40_000, c.clone(), 6443), (c, 6443, a, 40_000)];
        assert_eq!(told, [forth, translated].concat());
        assert!(target.is(&Target::of(&back(&record())).unwrap()), "the other direction is the same recording");
        assert_eq!(target.name(), "tcp-10.0.0.1.40000-10.96.0.1.443");
        assert_eq!(target.to_string(), "TCP 10.0.0.1:40000 - 10.96.0.1:443");
    }

    #[test]
    fn without_ports_the_protocol_decides_and_without_addresses_nothing_can_be_taken() {
        let ping = FlowRecord { proto: Some(1), src_port: None, dst_port: None, ..back(&record()) };
        let target = Target::of(&ping).unwrap();
        assert!(target.rules().iter().all(|rule| rule.protocol == Some(1) && rule.sport.is_none()));
        assert_eq!(target.rules().len(), 2);
        assert_eq!(Target::of(&FlowRecord { proto: Some(6), ..FlowRecord::default() }), None);
    }
}
