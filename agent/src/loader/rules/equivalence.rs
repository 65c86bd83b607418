//! The kernel's function and the reference over records decide alike, whatever the rules and the packet.

use agent_common::parse::{Headers, Piece};
use flow::rules::{Directions, FlagsSeen, Subject, TcpFlags};
use proptest::{option, prelude::*, sample::select};

use agent_common::{
    rules::{RuleTable, verdict},
    types::ACTION_ACCEPT,
};
use flow::{
    CaptureConfig,
    config::Mode,
    rules::{Action, Direction, Ports, Sets},
};
use ipnet::IpNet;
use std::net::IpAddr;

use super::{TCP, table};
use crate::testing::config;

mod kernel;

// Few values each, so that conditions hold about as often as not.
const PORTS: [u16; 5] = [1, 53, 80, 443, 65_535];
const PROTOCOLS: [u8; 6] = [1, 6, 17, 58, 132, 47];
const NETS: [&str; 7] = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.1/32", "10.1.0.0/16", "::/0", "fd00::/8", "fd00::1/128"];

#[derive(Clone, Debug)]
struct Packet {
    v6: bool,
    ends: (u8, u8),
    proto: u8,
    ports: (u16, u16),
    flags: u8,
    icmp: (u8, u8),
    egress: bool,
    known: bool,
}

/// One of few addresses.
fn address(v6: bool, end: u8) -> IpAddr {
    if v6 { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(end)]) } else { IpAddr::from([10, end, 0, end]) }
}

impl Packet {
    fn address(&self, end: u8) -> IpAddr {
        address(self.v6, end)
    }

    fn selector(&self) -> [u16; 2] {
        match (self.known, self.proto) {
            (false, _) | (true, 47) => [0; 2],
            (true, 1 | 58) => [self.icmp.0.into(), self.icmp.1.into()],
            _ => [self.ports.0, self.ports.1],
        }
    }

    fn subject(&self) -> Subject {
        let is = |protocols: &[u8]| self.known && protocols.contains(&self.proto);
        Subject {
            protocol: Some(self.proto),
            src: Some(self.address(self.ends.0)),
            dst: Some(self.address(self.ends.1)),
            ports: is(&[6, 17, 132]).then_some(self.ports),
            flags: is(&[6]).then_some(FlagsSeen::Packet(self.flags)),
            icmp: is(&[1, 58]).then_some(self.icmp),
            directions: Directions { ingress: !self.egress, egress: self.egress },
        }
    }

    fn headers<A>(&self, family: u8, src: A, dst: A) -> Headers<A> {
        Headers {
            src,
            dst,
            selector: self.selector(),
            tcp_flags: if self.proto == TCP { self.flags.into() } else { 0 },
            family,
            proto: self.proto,
            selector_known: self.known && self.proto != 47,
            flags_known: self.known && self.proto == TCP,
            malformed: false,
            piece: Piece::Whole,
            id: 0,
            l4: 0,
            payload: 0,
        }
    }

    fn kernel(&self, table: &RuleTable, sets: &Sets) -> u8 {
        let direction = u8::from(self.egress);
        match (self.address(self.ends.0), self.address(self.ends.1)) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let headers = self.headers(4, src.octets(), dst.octets());
                verdict(table, &headers, direction, |address| sets.of((*address).into()))
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let headers = self.headers(6, src.octets(), dst.octets());
                verdict(table, &headers, direction, |address| sets.of((*address).into()))
            }
            _ => unreachable!("both ends are of one family"),
        }
    }
}

fn packet() -> impl Strategy<Value = Packet> {
    let port = || select(&PORTS[..]);
    (
        any::<bool>(),
        (0_u8..3, 0_u8..3),
        select(&PROTOCOLS[..]),
        (port(), port()),
        any::<u8>(),
        (0_u8..3, 0_u8..2),
        any::<bool>(),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(v6, ends, proto, ports, flags, icmp, egress, known)| Packet {
            v6,
            ends,
            proto,
            ports,
            flags,
            icmp,
            egress,
            known,
        })
}

fn ports() -> impl Strategy<Value = Option<Ports>> {
    let range = || (select(&PORTS[..]), select(&PORTS[..])).prop_map(|(a, b)| (a.min(b), a.max(b)));
    option::weighted(0.2, (range(), option::of(range())).prop_map(|(first, second)| Ports { first, second }))
}

/// Up to three sets of the addresses that packets have.
fn sets() -> impl Strategy<Value = Vec<Vec<IpAddr>>> {
    let address = (any::<bool>(), 0_u8..3).prop_map(|(v6, end)| address(v6, end));
    prop::collection::vec(prop::collection::vec(address, 0..5), 0..=3)
}

/// A rule with nothing but conditions on ends, also those that no packet can meet: networks of both families, sets that there are not.
fn ends() -> impl Strategy<Value = flow::Rule> {
    let net = || option::weighted(0.2, select(&NETS[..]).prop_map(|text| text.parse::<IpNet>().unwrap()));
    let set = || option::weighted(0.2, prop_oneof![9 => 0_u8..3, 1 => select(&[31_u8, 32, 255][..])]);
    ((net(), net(), net(), net()), (set(), set(), set(), set())).prop_map(
        |((net, peer, src, dst), (net_set, peer_set, src_set, dst_set))| flow::Rule {
            net,
            peer,
            src,
            dst,
            net_set,
            peer_set,
            src_set,
            dst_set,
            ..flow::Rule::default()
        },
    )
}

fn rule() -> impl Strategy<Value = flow::Rule> {
    let flags =
        (any::<u8>(), any::<u8>()).prop_map(|(mask, value)| TcpFlags { mask: mask & 3, value: value & mask & 3 });
    let direction = select(&[Direction::Ingress, Direction::Egress][..]);
    (
        select(&[Action::Accept, Action::Reject][..]),
        ends(),
        option::weighted(0.2, direction),
        option::weighted(0.3, select(&PROTOCOLS[..])),
        (ports(), ports(), ports()),
        option::weighted(0.2, flags),
        (option::weighted(0.2, 0_u8..3), option::weighted(0.2, 0_u8..2)),
    )
        .prop_map(
            |(action, ends, direction, protocol, (port, sport, dport), tcp_flags, (icmp_type, icmp_code))| flow::Rule {
                action,
                direction,
                protocol,
                port,
                sport,
                dport,
                tcp_flags,
                icmp_type,
                icmp_code,
                ..ends
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16_384))]
    #[test]
    fn kernel_and_reference_decide_alike(
        rules in prop::collection::vec(rule(), 0..6),
        sets in sets(),
        packet in packet(),
    ) {
        let config = CaptureConfig { rules: rules.clone(), ..config(Mode::Flows) };
        let sets = Sets::new(&sets);
        let kernel = packet.kernel(&table(&config).unwrap().0, &sets) == ACTION_ACCEPT;
        let reference = flow::rules::verdict(&rules, &sets, &packet.subject()) == Action::Accept;
        prop_assert_eq!(kernel, reference);
    }
}
