//! One condition as a kernel's rules.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Bound, Compiled, Compiler, SetSource, list::List, unknown};
use crate::{
    Field, Rule,
    config::Mode,
    filter::{
        End,
        names::Place,
        tree::{Check, Test},
    },
    rules::{Ports, TcpFlags},
};

/// Most single addresses that become a rule each; more become a set.
const FEW: usize = 3;
/// Most numbers (protocols, ICMP types) that become a rule each.
const FEW_NUMBERS: u64 = 16;
/// Most ranges of ports; two go into one rule.
const RANGES: usize = 64;

const TCP: u8 = 6;

impl Compiler {
    pub(super) fn test(&mut self, test: &Test, bound: Bound) -> Compiled {
        if let Some(list) = self.exactly(test) {
            return Compiled { list, exact: true };
        }
        match at_least(test) {
            Some(list) if bound == Bound::Over => Compiled { list, exact: false },
            _ => unknown(bound),
        }
    }

    fn exactly(&mut self, test: &Test) -> Option<List> {
        match test {
            Test::Number(place, check) => number(*place, check),
            Test::Address(place, nets) => self.addresses(place.end().filter(|_| is_address(*place))?, nets),
            Test::Flags(Field::Flags, flags) | Test::Bits(Field::Flags, flags) if self.mode == Mode::Packets => {
                Some(bits(*flags))
            }
            Test::Direction(direction) => Some(List::any([Rule { direction: Some(*direction), ..Rule::default() }])),
            Test::Family { v4 } => Some(List::any([of_family(*v4)])),
            Test::With(place) => self.presence(*place),
            Test::Object(end, object) => {
                let set = self.set(SetSource::Object(object.clone()))?;
                Some(List::any([in_set(*end, set)]))
            }
            _ => None,
        }
    }

    fn presence(&self, place: Place) -> Option<List> {
        match place {
            Place::One(Field::SrcAddr | Field::DstAddr | Field::Proto) | Place::Either(Field::SrcAddr, _) => {
                Some(List::any([of_family(true), of_family(false)]))
            }
            Place::One(Field::SrcPort | Field::DstPort) | Place::Either(Field::SrcPort, _) => {
                Some(List::any([with_ports(End::Source, Ports { first: (0, u16::MAX), second: None })]))
            }
            Place::One(Field::Flags) if self.mode == Mode::Packets => Some(bits(TcpFlags { mask: 0, value: 0 })),
            _ => None,
        }
    }

    fn addresses(&mut self, end: End, nets: &[IpNet]) -> Option<List> {
        let is_single = |net: &&IpNet| net.prefix_len() == net.max_prefix_len();
        let singles: Vec<IpAddr> = nets.iter().filter(is_single).map(IpNet::addr).collect();
        if singles.len() <= FEW {
            return Some(List::any(nets.iter().map(|net| in_net(end, *net))));
        }
        let set = self.set(SetSource::Addresses(singles))?;
        let wide = nets.iter().filter(|net| !is_single(net)).map(|net| in_net(end, *net));
        Some(List::any([in_set(end, set)].into_iter().chain(wide)))
    }
}

/// What a packet has to be, so that the condition can hold.
fn at_least(test: &Test) -> Option<List> {
    let (Test::Number(Place::One(field), _)
    | Test::Text(Place::One(field), _)
    | Test::Match(Place::One(field), _)
    | Test::Contains(Place::One(field), _)
    | Test::With(Place::One(field))
    | Test::Flags(field, _)
    | Test::Bits(field, _)) = test
    else {
        return None;
    };
    let of = |protocol| Rule { protocol: Some(protocol), ..Rule::default() };
    match (field, test) {
        (Field::Flags, _) => Some(List::any([of(TCP)])),
        (field, _) if is_tcp_only(*field) => Some(List::any([of(TCP)])),
        (Field::IcmpType | Field::IcmpCode, _) => Some(List::any([of(1), of(58)])),
        // Frames that are not IP.
        (Field::Etype, Test::Number(_, check)) if !check.takes(0x800) && !check.takes(0x86dd) => {
            Some(List::any([of_family(true), of_family(false)]).not())
        }
        _ => None,
    }
}

const fn is_address(place: Place) -> bool {
    matches!(place, Place::One(Field::SrcAddr | Field::DstAddr) | Place::Either(Field::SrcAddr, _))
}

/// What the kernel's TCP tells; nothing else has it.
const fn is_tcp_only(field: Field) -> bool {
    matches!(
        field,
        Field::TimeFlowRttNs
            | Field::TcpRttMinNs
            | Field::TcpRttLastNs
            | Field::TcpHandshakeNs
            | Field::TcpRetransmits
            | Field::TcpOutOfOrder
            | Field::TcpZeroWindows
            | Field::TcpState
            | Field::TcpResult
    )
}

fn number(place: Place, check: &Check) -> Option<List> {
    match place {
        Place::One(Field::SrcPort) => ports(End::Source, check),
        Place::One(Field::DstPort) => ports(End::Destination, check),
        Place::Either(Field::SrcPort, _) => ports(End::Either, check),
        Place::One(Field::Proto) => numbers(check, |number| Rule { protocol: Some(number), ..Rule::default() }),
        Place::One(Field::IcmpType) => numbers(check, |number| Rule { icmp_type: Some(number), ..Rule::default() }),
        Place::One(Field::IcmpCode) => numbers(check, |number| Rule { icmp_code: Some(number), ..Rule::default() }),
        _ => None,
    }
}

fn numbers(check: &Check, rule: impl Fn(u8) -> Rule) -> Option<List> {
    let ranges = check.ranges(255);
    let count: u64 = ranges.iter().map(|(low, high)| high - low + 1).sum();
    let each = ranges.iter().flat_map(|(low, high)| *low..=*high);
    (count <= FEW_NUMBERS).then(|| List::any(each.map(|number| rule(number as u8))))
}

fn ports(end: End, check: &Check) -> Option<List> {
    let ranges: Vec<(u16, u16)> =
        check.ranges(u64::from(u16::MAX)).iter().map(|(low, high)| (*low as u16, *high as u16)).collect();
    let pairs = ranges.chunks(2).filter_map(|pair| Some(Ports { first: *pair.first()?, second: pair.get(1).copied() }));
    (ranges.len() <= RANGES).then(|| List::any(pairs.map(|ports| with_ports(end, ports))))
}

fn with_ports(end: End, ports: Ports) -> Rule {
    match end {
        End::Source => Rule { sport: Some(ports), ..Rule::default() },
        End::Destination => Rule { dport: Some(ports), ..Rule::default() },
        End::Either => Rule { port: Some(ports), ..Rule::default() },
    }
}

fn in_net(end: End, net: IpNet) -> Rule {
    match end {
        End::Source => Rule { src: Some(net), ..Rule::default() },
        End::Destination => Rule { dst: Some(net), ..Rule::default() },
        End::Either => Rule { net: Some(net), ..Rule::default() },
    }
}

fn in_set(end: End, set: u8) -> Rule {
    match end {
        End::Source => Rule { src_set: Some(set), ..Rule::default() },
        End::Destination => Rule { dst_set: Some(set), ..Rule::default() },
        End::Either => Rule { net_set: Some(set), ..Rule::default() },
    }
}

fn of_family(v4: bool) -> Rule {
    in_net(End::Source, if v4 { IpNet::V4(Ipv4Net::default()) } else { IpNet::V6(Ipv6Net::default()) })
}

fn bits(flags: TcpFlags) -> List {
    List::any([Rule { tcp_flags: Some(flags), ..Rule::default() }])
}
