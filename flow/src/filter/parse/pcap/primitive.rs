//! What a primitive means: a value with its qualifiers as a condition.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Protocol, Qualifiers, Type, Way};
use crate::{
    Field, Mac,
    filter::{
        names::Place,
        parse::value,
        tree::{Check, Expr, Test},
        values::{self, Domain},
    },
};

pub(super) const fn shown(kind: Type) -> &'static str {
    match kind {
        Type::Host => "host",
        Type::Net => "net",
        Type::Port => "port",
        Type::PortRange => "portrange",
        Type::Protocol => "proto",
    }
}

pub(super) const fn expected(qualifiers: Qualifiers) -> &'static str {
    match (qualifiers.kind, qualifiers.protocol) {
        (Type::Host, Some(Protocol::Ether)) => Domain::Mac.expected(),
        (Type::Protocol, Some(Protocol::Ether)) => Domain::EtherType.expected(),
        (Type::Host, _) => "an address: like 10.0.0.1 or fd00::1 (names: src.pod, dns.name)",
        (Type::Net, _) => "a network: like 10.0.0.0/8, 192.168 or fd00::/8",
        (Type::Port, _) => Domain::Port.expected(),
        (Type::PortRange, _) => "two ports: like 8000-8100",
        (Type::Protocol, _) => Domain::Protocol.expected(),
    }
}

/// The condition, and whether the value was a name.
pub(super) fn test(qualifiers: Qualifiers, word: &str) -> Result<(Expr, bool), value::Problem> {
    let wrong = || {
        let hint = format!("{} takes {}", shown(qualifiers.kind), expected(qualifiers));
        value::problem(format!("{word} is not what {} takes", shown(qualifiers.kind)), Some(&hint))
    };
    let without_backslash = word.strip_prefix('\\').unwrap_or(word);
    let named = !word.starts_with(|c: char| c.is_ascii_digit());
    let expr = match (qualifiers.kind, qualifiers.protocol) {
        (_, Some(Protocol::Arp | Protocol::Rarp)) => {
            let message = "the addresses within ARP messages are not kept".to_owned();
            return Err(value::problem(
                message,
                Some("arp alone takes all ARP messages; ether host takes an Ethernet address"),
            ));
        }
        (Type::Host, Some(Protocol::Ether)) => {
            let mac: Mac = word.parse().map_err(|_| wrong())?;
            return Ok((directed(qualifiers.direction, MACS, |place| Test::Mac(place, vec![mac])), false));
        }
        (Type::Protocol, Some(Protocol::Ether)) => ether_protocol(without_backslash).ok_or_else(wrong)?,
        (Type::Protocol, _) => {
            let number = values::number(Domain::Protocol, without_backslash).ok_or_else(wrong)?;
            value::protocol(number)
        }
        (Type::Host, _) => address(qualifiers.direction, word.parse::<IpAddr>().map_err(|_| wrong())?.into()),
        (Type::Net, _) => address(qualifiers.direction, values::short_net(word).ok_or_else(wrong)?),
        (Type::Port | Type::PortRange, _) => {
            let range = values::range(Domain::Port, word).ok_or_else(wrong)?;
            directed(qualifiers.direction, PORTS, |place| Test::Number(place, Check::In(vec![range])))
        }
    };
    let is_address = matches!(qualifiers.kind, Type::Host | Type::Net);
    let of_name = values::service_protocol(word).filter(|_| qualifiers.kind == Type::Port).map(Protocol::Upper);
    let protocol = qualifiers.protocol.or(of_name);
    let of = protocol.filter(|protocol| *protocol != Protocol::Ether).map(of_protocol);
    Ok((Expr::all(of.into_iter().chain([expr])), named && !is_address))
}

const MACS: (Field, Field) = (Field::SrcMac, Field::DstMac);
const PORTS: (Field, Field) = (Field::SrcPort, Field::DstPort);
const ADDRESSES: (Field, Field) = (Field::SrcAddr, Field::DstAddr);

fn address(way: Way, net: IpNet) -> Expr {
    directed(way, ADDRESSES, |place| Test::Address(place, vec![net]))
}

fn directed(way: Way, (src, dst): (Field, Field), test: impl Fn(Place) -> Test) -> Expr {
    match way {
        Way::Source => Expr::Test(test(Place::One(src))),
        Way::Destination => Expr::Test(test(Place::One(dst))),
        Way::Either => Expr::Test(test(Place::Either(src, dst))),
        Way::Both => Expr::And(vec![Expr::Test(test(Place::One(src))), Expr::Test(test(Place::One(dst)))]),
    }
}

pub(super) fn of_protocol(protocol: Protocol) -> Expr {
    match protocol {
        Protocol::Ip => Expr::Test(Test::Family { v4: true }),
        Protocol::Ip6 => Expr::Test(Test::Family { v4: false }),
        Protocol::Arp => ethertype(0x806),
        Protocol::Rarp => ethertype(0x8035),
        Protocol::Upper(number) => value::protocol(u64::from(number)),
        Protocol::Ether => Expr::default(),
    }
}

fn ethertype(number: u64) -> Expr {
    Expr::Test(Test::Number(Place::One(Field::Etype), Check::In(vec![(number, number)])))
}

fn ether_protocol(word: &str) -> Option<Expr> {
    match word.to_ascii_lowercase().as_str() {
        "ip" => Some(ethertype(0x800)),
        "ip6" => Some(ethertype(0x86dd)),
        _ => values::number(Domain::EtherType, word).map(ethertype),
    }
}
