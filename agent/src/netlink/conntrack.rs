//! Connection tracking: its entries, and those that come and go (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
//!
//! Must not know what is done with translated connections.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use flow::Own;
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::{
    Message, Requests,
    attributes::Attributes,
    stream::{Groups, Lister},
};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW`, kind of answers and of what has come.
const NEW: u16 = 0x100;
/// `IPCTNL_MSG_CT_GET`.
const GET: u16 = 0x101;
/// `IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 0x102;
/// Groups of what has come and what has gone. Addresses never change in between, so changes of state are not asked for.
const GROUPS: [u32; 2] = [1, 3];
/// `struct nfgenmsg`.
const HEADER: usize = 4;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ZONE: u16 = 18;
/// The zone of one direction, within a tuple.
const TUPLE_ZONE: u16 = 3;
const TUPLE_IP: u16 = 1;
const IP_V4_SOURCE: u16 = 1;
const IP_V4_DESTINATION: u16 = 2;
const IP_V6_SOURCE: u16 = 3;
const IP_V6_DESTINATION: u16 = 4;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_SOURCE_PORT: u16 = 2;
const PROTOCOL_DESTINATION_PORT: u16 = 3;
const PROTOCOL_INFO: u16 = 4;
const INFO_TCP: u16 = 1;
const INFO_TCP_STATE: u16 = 1;
const TCP: u8 = 6;
/// `TCP_CONNTRACK_TIME_WAIT`: this and what follows are connections that have ended.
const TIME_WAIT: u8 = 7;

/// TCP connections that an address opened or was called by, under the names that they bear after translation, in the network
/// namespace of the calling thread: those that bear the address no more, so that [`Own::Address`] does not cover them. That is
/// the way of a pod's connections that leave its node masqueraded. Needs CAP_NET_ADMIN.
///
/// # Errors
/// The kernel does not answer: the right is missing, or it has no ctnetlink (then it may translate all the same).
pub fn translated(address: IpAddr) -> io::Result<Vec<Own>> {
    let address = address.to_canonical();
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let messages = Requests::of(NETLINK_NETFILTER)?.dump(GET, &[family as u8, 0, 0, 0])?;
    let mut found: Vec<Own> = messages.iter().filter_map(|message| other_name(message, address)).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The two ends of one direction. Ports are 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// IP protocol number.
    pub(crate) protocol: u8,
}

/// What an entry says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As its first packet was when it came.
    pub(crate) original: Tuple,
    /// As replies are when they come.
    pub(crate) reply: Tuple,
    /// Zone of the first packet's direction; 0 is the usual one.
    pub(crate) zone: u16,
    /// It has just been removed.
    pub(crate) gone: bool,
}

impl Entry {
    /// Reads a message; `None` when it is about something else.
    pub(crate) fn parse(kind: u16, body: &[u8]) -> Option<Self> {
        if !matches!(kind, NEW | DELETE) {
            return None;
        }
        let attributes = Attributes(body.get(HEADER..)?);
        let original = attributes.clone().find(TUPLE_ORIGINAL)?;
        let zone = attributes.clone().find(ZONE).or_else(|| Attributes(original).find(TUPLE_ZONE));
        Some(Self {
            original: Tuple::parse(original)?,
            reply: Tuple::parse(attributes.find(TUPLE_REPLY)?)?,
            zone: zone.and_then(be16).unwrap_or(0),
            gone: kind == DELETE,
        })
    }

    /// Replies do not come from where, and go to where, the first packet said.
    pub(crate) fn is_translated(&self) -> bool {
        (self.original.source, self.original.destination) != (self.reply.destination, self.reply.source)
    }
}

/// Hears of entries that come and go in the namespace of the calling thread. Needs CAP_NET_ADMIN.
pub(crate) fn hear() -> io::Result<Groups> {
    Groups::join(NETLINK_NETFILTER, &GROUPS)
}

/// Reads the entries of the namespace of the calling thread. Needs CAP_NET_ADMIN.
pub(crate) fn lister() -> io::Result<Lister> {
    Lister::open(NETLINK_NETFILTER)
}

/// Asks for all entries, of both families.
pub(crate) fn begin(lister: &mut Lister) -> io::Result<()> {
    lister.begin(GET, &[libc::AF_UNSPEC as u8, 0, 0, 0])
}

impl Tuple {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (ip, protocol) = (Attributes(bytes).find(TUPLE_IP)?, Attributes(bytes).find(TUPLE_PROTOCOL)?);
        let port = |kind| Attributes(protocol).find(kind).and_then(be16).unwrap_or(0);
        let end = |v4, v6, kind| Some(SocketAddr::new(address(ip, v4, v6)?, port(kind)));
        Some(Self {
            source: end(IP_V4_SOURCE, IP_V6_SOURCE, PROTOCOL_SOURCE_PORT)?,
            destination: end(IP_V4_DESTINATION, IP_V6_DESTINATION, PROTOCOL_DESTINATION_PORT)?,
            protocol: *Attributes(protocol).find(PROTOCOL_NUMBER)?.first()?,
        })
    }

    fn has(&self, address: IpAddr) -> bool {
        self.source.ip() == address || self.destination.ip() == address
    }
}

fn address(ip: &[u8], v4: u16, v6: u16) -> Option<IpAddr> {
    if let Some(bytes) = Attributes(ip).find(v4) {
        let octets: [u8; 4] = bytes.try_into().ok()?;
        return Some(octets.into());
    }
    let octets: [u8; 16] = Attributes(ip).find(v6)?.try_into().ok()?;
    Some(octets.into())
}

fn be16(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}

/// How the packets of an entry are called after translation, if the entry is of the address and that is another name.
fn other_name(message: &Message, of: IpAddr) -> Option<Own> {
    let attributes = Attributes(message.body.get(HEADER..)?);
    let original = Tuple::parse(attributes.clone().find(TUPLE_ORIGINAL)?)?;
    let reply = Tuple::parse(attributes.clone().find(TUPLE_REPLY)?)?;
    if original.protocol != TCP {
        return None;
    }
    let lives = state(attributes).is_none_or(|state| state < TIME_WAIT);
    // A reply goes back the way: its source is where the connection really leads.
    (lives && original.has(of) && !reply.has(of)).then_some(Own::Connection(reply.destination, reply.source))
}

fn state(attributes: Attributes<'_>) -> Option<u8> {
    let tcp = Attributes(attributes.find(PROTOCOL_INFO)?).find(INFO_TCP)?;
    Attributes(tcp).find(INFO_TCP_STATE)?.first().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::attributes::Body;

    fn tuple(source: &str, destination: &str) -> Body {
        let [source, destination]: [SocketAddr; 2] = [source, destination].map(|end| end.parse().unwrap());
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let first = if source.is_ipv4() { IP_V4_SOURCE } else { IP_V6_SOURCE };
        let ip = Body::default().attribute(first, &octets(source.ip())).attribute(first + 1, &octets(destination.ip()));
        let protocol = Body::default()
            .attribute(PROTOCOL_NUMBER, &[TCP])
            .attribute(PROTOCOL_SOURCE_PORT, &source.port().to_be_bytes())
            .attribute(PROTOCOL_DESTINATION_PORT, &destination.port().to_be_bytes());
        Body::default().nested(TUPLE_IP, &ip).nested(TUPLE_PROTOCOL, &protocol)
    }

    fn entry(original: [&str; 2], reply: [&str; 2], state: u8) -> Message {
        let info = Body::default().nested(INFO_TCP, &Body::default().attribute(INFO_TCP_STATE, &[state]));
        let body = Body(vec![0; HEADER])
            .nested(TUPLE_ORIGINAL, &tuple(original[0], original[1]))
            .nested(TUPLE_REPLY, &tuple(reply[0], reply[1]))
            .nested(PROTOCOL_INFO, &info);
        Message { kind: 0x100, body: body.0 }
    }

    #[test]
    fn only_live_connections_that_lose_the_address_have_another_name() {
        let pod = "10.244.1.5".parse().unwrap();
        let original = ["10.244.1.5:40000", "10.96.0.1:443"];
        let masqueraded = entry(original, ["192.0.2.1:6443", "192.0.2.11:51000"], 3);
        let name = |end: &str| end.parse::<SocketAddr>().unwrap();
        let expected = Own::Connection(name("192.0.2.11:51000"), name("192.0.2.1:6443"));
        assert_eq!(other_name(&masqueraded, pod), Some(expected));
        assert_eq!(other_name(&masqueraded, "10.244.1.6".parse().unwrap()), None);
        let only_its_service = entry(original, ["192.0.2.1:6443", "10.244.1.5:40000"], 3);
        assert_eq!(other_name(&only_its_service, pod), None);
        let ended = entry(original, ["192.0.2.1:6443", "192.0.2.11:51000"], TIME_WAIT);
        assert_eq!(other_name(&ended, pod), None);
    }

    #[test]
    fn entries_tell_both_directions_their_zone_and_whether_they_are_translated() {
        let direct = entry(["10.0.0.1:40000", "10.0.0.2:80"], ["10.0.0.2:80", "10.0.0.1:40000"], 3);
        assert!(!Entry::parse(NEW, &direct.body).unwrap().is_translated());
        let service = entry(["10.0.0.1:40000", "10.96.0.1:80"], ["10.0.0.2:8080", "10.0.0.1:40000"], 3);
        let zoned = Body(service.body).attribute(ZONE, &7u16.to_be_bytes());
        let entry = Entry::parse(DELETE, &zoned.0).unwrap();
        assert!(entry.is_translated() && entry.gone);
        assert_eq!((entry.zone, entry.original.protocol), (7, TCP));
        assert_eq!(entry.reply.source, "10.0.0.2:8080".parse().unwrap());
        assert_eq!(Entry::parse(GET, &zoned.0), None);
    }

    #[test]
    fn ipv6_has_other_names_too() {
        let entry = entry(["[fd00::5]:4000", "[fd00:96::1]:443"], ["[2001:db8::1]:6443", "[2001:db8::b]:5100"], 3);
        assert!(other_name(&entry, "fd00::5".parse().unwrap()).is_some());
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            Entry::parse(NEW, &body);
            other_name(&Message { kind: 0x100, body }, IpAddr::from([10, 0, 0, 1]));
        }
    }
}
