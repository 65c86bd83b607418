//! Primitives as pcap-filter(7) has them: `host 10.0.0.1`, `tcp dst port 443`, `icmp6`, `vlan 5`.

mod primitive;

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Parsed, Parser, Spelling, value};
use crate::{
    Field, Mac,
    filter::{
        names::Place,
        token::Kind,
        tree::{Check, Expr, Test},
        values::{self, Domain},
    },
    rules::Direction,
};
use primitive::{expected, of_protocol, shown, test};

/// Words that begin a primitive, with what they ask for.
pub(in crate::filter) const KEYWORDS: &[(&str, &str)] = &[
    ("host", "Address of either end: host 10.0.0.1."),
    ("net", "Network of either end: net 10.0.0.0/8."),
    ("port", "Port of either end: port 443."),
    ("portrange", "Ports of either end: portrange 8000-8100."),
    ("src", "Of the source: src host, src net, src port."),
    ("dst", "Of the destination: dst host, dst net, dst port."),
    ("tcp", "TCP; also before port."),
    ("udp", "UDP; also before port."),
    ("sctp", "SCTP; also before port."),
    ("icmp", "ICMP."),
    ("icmp6", "ICMPv6."),
    ("igmp", "IGMP."),
    ("esp", "ESP."),
    ("ah", "AH."),
    ("ip", "IPv4; also before host, net and proto."),
    ("ip6", "IPv6; also before host, net and proto."),
    ("arp", "ARP."),
    ("rarp", "RARP."),
    ("ether", "Ethernet: ether host, ether src, ether dst, ether proto, ether broadcast."),
    ("vlan", "In a VLAN: vlan, vlan 5."),
    ("proto", "IP protocol by number or name: proto 47."),
    ("less", "At most that many bytes."),
    ("greater", "At least that many bytes."),
    ("broadcast", "To the Ethernet broadcast address."),
    ("multicast", "To an Ethernet group address."),
    ("inbound", "Seen entering an interface."),
    ("outbound", "Seen leaving an interface."),
    ("gateway", ""),
];

/// What a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filter) struct Qualifiers {
    protocol: Option<Protocol>,
    direction: Way,
    kind: Type,
    /// Whether the value was a name: only then a name may follow without its qualifiers.
    named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Ether,
    Ip,
    Ip6,
    Arp,
    Rarp,
    /// By its number in IP.
    Upper(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
}

fn protocol(word: &str) -> Option<Protocol> {
    Some(match word {
        "ether" | "link" => Protocol::Ether,
        "ip" => Protocol::Ip,
        "ip6" => Protocol::Ip6,
        "arp" => Protocol::Arp,
        "rarp" => Protocol::Rarp,
        "tcp" | "udp" | "sctp" | "icmp" | "icmp6" | "igmp" | "esp" | "ah" => Protocol::Upper(values::protocol(word)?),
        _ => return None,
    })
}

fn kind(word: &str) -> Option<Type> {
    Some(match word {
        "host" => Type::Host,
        "net" => Type::Net,
        "port" => Type::Port,
        "portrange" => Type::PortRange,
        "proto" => Type::Protocol,
        _ => return None,
    })
}

impl Parser<'_> {
    /// The primitive that begins here; `None` where none does.
    pub(super) fn pcap(&mut self, word: &str) -> Parsed<Option<(Expr, Spelling)>> {
        let lower = word.to_ascii_lowercase();
        if !KEYWORDS.iter().any(|(keyword, _)| *keyword == lower) && lower != "link" {
            return Ok(self.elided(word).map(|expr| (expr, Spelling::Pcap)));
        }
        let start = self.here().start;
        self.last = None;
        let found = match lower.as_str() {
            "vlan" => self.vlan()?,
            "less" | "greater" => self.length(lower == "less")?,
            "broadcast" | "multicast" => self.group(None)?,
            "inbound" => self.direction(Direction::Ingress),
            "outbound" => self.direction(Direction::Egress),
            "gateway" => {
                return Err(self.error(self.here(), "gateway is not supported: names of gateways are not looked up"));
            }
            _ => return self.qualified(start).map(Some),
        };
        Ok(Some((found, Spelling::Pcap)))
    }

    /// A value after `and` or `or` that belongs to the qualifiers before: `port 80 or 443`.
    fn elided(&mut self, word: &str) -> Option<Expr> {
        let mut last = self.last?;
        let begins_as_value = word.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':');
        if !(begins_as_value || last.named) {
            return None;
        }
        let (expr, named) = test(last, word).ok()?;
        if named && !last.named {
            return None;
        }
        self.at += 1;
        last.named = named;
        self.last = Some(last);
        Some(expr)
    }

    fn direction(&mut self, direction: Direction) -> Expr {
        self.at += 1;
        Expr::Test(Test::Direction(direction))
    }

    fn vlan(&mut self) -> Parsed<Expr> {
        self.at += 1;
        let place = Place::One(if self.vlans == 0 { Field::VlanId } else { Field::VlanInnerId });
        self.vlans += 1;
        let Some(id) = self.word_at(0).and_then(values::digits) else { return Ok(Expr::Test(Test::With(place))) };
        if id > 4095 {
            return Err(self.error(self.here(), &format!("{id} is not {}", Domain::Plain(4095).expected())));
        }
        self.at += 1;
        Ok(Expr::Test(Test::Number(place, Check::In(vec![(id, id)]))))
    }

    fn length(&mut self, less: bool) -> Parsed<Expr> {
        self.at += 1;
        let Some(bytes) = self.word_at(0).and_then(|word| values::number(Domain::Bytes, word)) else {
            return Err(self.error(self.here(), "a number of bytes has to follow here"));
        };
        self.at += 1;
        let check = if less { Check::AtMost(bytes) } else { Check::AtLeast(bytes) };
        Ok(Expr::Test(Test::Number(Place::One(Field::Bytes), check)))
    }

    /// `broadcast`, `multicast`, of Ethernet unless IP is asked for.
    fn group(&mut self, protocol: Option<Protocol>) -> Parsed<Expr> {
        let broadcast = self.is_word(0, "broadcast");
        let to = |net: &str| {
            net.parse().ok().map(|net: IpNet| Expr::Test(Test::Address(Place::One(Field::DstAddr), vec![net])))
        };
        let found = match (protocol, broadcast) {
            (None | Some(Protocol::Ether), true) => {
                Some(Expr::Test(Test::Mac(Place::One(Field::DstMac), vec![Mac([255; 6])])))
            }
            // The lowest bit of the first octet (IEEE 802).
            (None | Some(Protocol::Ether), false) => {
                value::pattern("^.[13579bdf]").ok().map(|odd| Expr::Test(Test::Match(Place::One(Field::DstMac), odd)))
            }
            // As libpcap does it: from 224.0.0.0 on.
            (Some(Protocol::Ip), false) => to("224.0.0.0/3"),
            (Some(Protocol::Ip6), false) => to("ff00::/8"),
            _ => None,
        };
        let Some(found) = found else {
            return Err(self.error(self.here(), "broadcast and multicast go with ether, multicast with ip and ip6 too"));
        };
        self.at += 1;
        Ok(found)
    }

    /// `[protocol] [direction] [type] value`, or a protocol alone.
    fn qualified(&mut self, start: usize) -> Parsed<(Expr, Spelling)> {
        let protocol = self.word_at(0).and_then(|word| protocol(&word.to_ascii_lowercase()));
        self.at += usize::from(protocol.is_some());
        if protocol.is_some() && (self.is_word(0, "broadcast") || self.is_word(0, "multicast")) {
            return Ok((self.group(protocol)?, Spelling::Pcap));
        }
        let direction = self.way();
        let kind = self.type_word();
        let Some(qualified) = protocol else { return self.valued(start, protocol, direction, kind) };
        if direction.is_some() || kind.is_some() {
            return self.valued(start, protocol, direction, kind);
        }
        match qualified {
            Protocol::Ether => {
                let mut error = self.error(self.since(start), "ether needs what to look at");
                error.hint = Some("ether host, ether src, ether dst, ether proto or ether broadcast".to_owned());
                Err(error)
            }
            other => Ok((of_protocol(other), Spelling::Both)),
        }
    }

    fn type_word(&mut self) -> Option<Type> {
        let is_name = matches!(self.peek_at(1), Some(Kind::Op(_)));
        let kind = self.word_at(0).filter(|_| !is_name).and_then(|word| kind(&word.to_ascii_lowercase()));
        self.at += usize::from(kind.is_some());
        kind
    }

    /// `src`, `dst`, `src or dst`, `src and dst`.
    fn way(&mut self) -> Option<Way> {
        let side = |parser: &Self, ahead| match parser.word_at(ahead).map(str::to_ascii_lowercase).as_deref() {
            Some("src") => Some(Way::Source),
            Some("dst") => Some(Way::Destination),
            _ => None,
        };
        let first = side(self, 0)?;
        let joined = side(self, 2).filter(|second| *second != first && !matches!(self.peek_at(3), Some(Kind::Op(_))));
        let both = match joined {
            Some(_) if self.is_word(1, "or") || self.peek_at(1) == Some(&Kind::Or) => Some(Way::Either),
            Some(_) if self.is_word(1, "and") || self.peek_at(1) == Some(&Kind::And) => Some(Way::Both),
            _ => None,
        };
        self.at += if both.is_some() { 3 } else { 1 };
        Some(both.unwrap_or(first))
    }

    fn valued(
        &mut self,
        start: usize,
        protocol: Option<Protocol>,
        direction: Option<Way>,
        kind: Option<Type>,
    ) -> Parsed<(Expr, Spelling)> {
        let kind = kind.unwrap_or(Type::Host);
        let qualifiers = Qualifiers { protocol, direction: direction.unwrap_or(Way::Either), kind, named: false };
        if self.take(&Kind::Open) {
            return self.list_of(qualifiers);
        }
        let place = self.here();
        let Some(word) = self.word_at(0).map(str::to_owned) else {
            let typed = &self.text[self.since(start)];
            let mut error = self.error(place, &format!("a value has to follow {typed}"));
            error.hint = Some(format!("{} takes {}", shown(kind), expected(qualifiers)));
            return Err(error);
        };
        self.at += 1;
        let word = self.with_mask(kind, word);
        let (expr, named) = test(qualifiers, &word).map_err(|problem| {
            let mut error = self.error(self.since(place.start), &problem.message);
            error.hint = problem.hint;
            error
        })?;
        self.last = Some(Qualifiers { named, ..qualifiers });
        Ok((expr, Spelling::Pcap))
    }

    /// `port (80 or 443)`.
    fn list_of(&mut self, qualifiers: Qualifiers) -> Parsed<(Expr, Spelling)> {
        self.last = Some(Qualifiers { named: true, ..qualifiers });
        let inner = self.chain()?;
        self.expect(&Kind::Close, ")")?;
        Ok((inner.expr, Spelling::Pcap))
    }

    /// `net 10.0.0.0 mask 255.0.0.0` as `10.0.0.0/8`.
    fn with_mask(&mut self, kind: Type, word: String) -> String {
        if kind != Type::Net || !self.is_word(0, "mask") {
            return word;
        }
        let mask = self.word_at(1).and_then(|mask| mask.parse::<std::net::Ipv4Addr>().ok());
        let Some(length) = mask.and_then(|mask| ipnet::ip_mask_to_prefix(IpAddr::V4(mask)).ok()) else { return word };
        self.at += 2;
        format!("{word}/{length}")
    }
}
