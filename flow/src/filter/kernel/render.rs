//! A rule as an expression: for explanations, and for rules that find no room in the kernel.

use ipnet::IpNet;

use crate::{
    Field, Rule,
    filter::{
        End, SetSource,
        display::flag_name,
        names::Place,
        tree::{Check, Expr, Test},
    },
    rules::{Ports, TcpFlags},
};

impl Rule {
    /// Its conditions; what it does with packets that meet them is another thing.
    pub(in crate::filter) fn expr(&self, sets: &[SetSource]) -> Expr {
        let number = |field, number: u8| one_of(Place::One(field), vec![(u64::from(number), u64::from(number))]);
        let parts = [
            self.protocol.map(|protocol| number(Field::Proto, protocol)),
            self.direction.map(|direction| Expr::Test(Test::Direction(direction))),
            self.src.map(|net| family_or_net(End::Source, net)),
            self.dst.map(|net| family_or_net(End::Destination, net)),
            self.src_set.map(|set| in_set(End::Source, set, sets)),
            self.dst_set.map(|set| in_set(End::Destination, set, sets)),
            self.either(sets),
            self.sport.map(|ports| of_ports(Place::One(Field::SrcPort), ports)),
            self.dport.map(|ports| of_ports(Place::One(Field::DstPort), ports)),
            self.port.map(|ports| of_ports(Place::Either(Field::SrcPort, Field::DstPort), ports)),
            self.tcp_flags.map(of_flags),
            self.icmp_type.map(|kind| number(Field::IcmpType, kind)),
            self.icmp_code.map(|code| number(Field::IcmpCode, code)),
        ];
        Expr::all(parts.into_iter().flatten())
    }

    /// One end in the one and the other in the other, either way round.
    fn either(&self, sets: &[SetSource]) -> Option<Expr> {
        let side = |end, net: Option<IpNet>, set: Option<u8>| {
            Expr::all(net.map(|net| in_net(end, net)).into_iter().chain(set.map(|set| in_set(end, set, sets))))
        };
        let (net, peer) = ((self.net, self.net_set), (self.peer, self.peer_set));
        let alone = match (net, peer) {
            ((None, None), (None, None)) => return None,
            ((Some(net), None), (None, None)) | ((None, None), (Some(net), None)) => Some(in_net(End::Either, net)),
            ((None, Some(set)), (None, None)) | ((None, None), (None, Some(set))) => {
                Some(in_set(End::Either, set, sets))
            }
            _ => None,
        };
        let way = |one, other| Expr::all([side(one, net.0, net.1), side(other, peer.0, peer.1)]);
        Some(
            alone
                .unwrap_or_else(|| Expr::any([way(End::Source, End::Destination), way(End::Destination, End::Source)])),
        )
    }
}

/// By name where there is one that means these bits.
fn of_flags(flags: TcpFlags) -> Expr {
    let is_named = TcpFlags::by_name(&flag_name(flags)) == Some(flags);
    Expr::Test(if is_named { Test::Flags(Field::Flags, flags) } else { Test::Bits(Field::Flags, flags) })
}

fn one_of(place: Place, ranges: Vec<(u64, u64)>) -> Expr {
    Expr::Test(Test::Number(place, Check::In(ranges)))
}

fn of_ports(place: Place, ports: Ports) -> Expr {
    if ports == (Ports { first: (0, u16::MAX), second: None }) {
        return Expr::Test(Test::With(place));
    }
    one_of(place, ports.ranges().map(|(low, high)| (u64::from(low), u64::from(high))).collect())
}

fn place(end: End) -> Place {
    match end {
        End::Source => Place::One(Field::SrcAddr),
        End::Destination => Place::One(Field::DstAddr),
        End::Either => Place::Either(Field::SrcAddr, Field::DstAddr),
    }
}

fn in_net(end: End, net: IpNet) -> Expr {
    Expr::Test(Test::Address(place(end), vec![net]))
}

fn family_or_net(end: End, net: IpNet) -> Expr {
    if net.prefix_len() == 0 { Expr::Test(Test::Family { v4: net.addr().is_ipv4() }) } else { in_net(end, net) }
}

fn in_set(end: End, set: u8, sets: &[SetSource]) -> Expr {
    match sets.get(usize::from(set)) {
        Some(SetSource::Object(object)) => Expr::Test(Test::Object(end, object.clone())),
        Some(SetSource::Addresses(addresses)) => {
            let nets = addresses.iter().map(|address| IpNet::from(*address)).collect();
            Expr::Test(Test::Address(place(end), nets))
        }
        None => Expr::Or(Vec::new()),
    }
}
