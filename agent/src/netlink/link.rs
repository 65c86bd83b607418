//! Interfaces as the kernel describes them (rtnetlink(7), RTM_NEWLINK).

use std::io;

use super::{
    Message, Requests,
    attributes::{Attributes, text, word},
};

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const GET_LINK: u16 = 18;
/// `struct ifinfomsg`.
const HEADER: usize = 16;
const IFNAME: u16 = 3;
const LINK: u16 = 5;
const LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const LINK_NETNSID: u16 = 37;
/// AF_BRIDGE messages describe a port of a bridge, not an interface.
const AF_BRIDGE: u8 = 7;

/// What is of interest in an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `ARPHRD_*`
    pub(crate) hardware: u16,
    /// veth, bridge...; empty for hardware.
    pub(crate) kind: String,
    /// The interface that this one stands on, or the other end of a veth.
    pub(crate) lower: Option<u32>,
    /// Where that is: an id of the namespace of this interface; absent when it is in the same one.
    pub(crate) lower_nsid: Option<i32>,
}

impl Link {
    /// Whether it is one end of a veth pair whose other end lies in another namespace.
    pub(crate) fn leads_out(&self) -> bool {
        self.kind == "veth" && self.lower_nsid.is_some()
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is there, with these properties.
    Is(Link),
    /// It is gone.
    Gone(u32),
}

impl Change {
    /// Reads a message; `None` when it is about something else.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let head = message.body.get(..HEADER)?;
        let index = word(head, 4)?;
        match message.kind {
            _ if head[0] == AF_BRIDGE => None,
            NEW_LINK => link(index, head, message.body.get(HEADER..)?).map(Self::Is),
            DEL_LINK => Some(Self::Gone(index)),
            _ => None,
        }
    }
}

fn link(index: u32, head: &[u8], attributes: &[u8]) -> Option<Link> {
    let mut link = Link {
        index,
        name: String::new(),
        hardware: u16::from_ne_bytes([head[2], head[3]]),
        kind: String::new(),
        lower: None,
        lower_nsid: None,
    };
    for (kind, value) in Attributes(attributes) {
        match kind {
            IFNAME => link.name = text(value),
            LINK => link.lower = word(value, 0),
            LINK_NETNSID => link.lower_nsid = word(value, 0).map(|id| id as i32),
            LINKINFO => link.kind = Attributes(value).find(INFO_KIND).map(text).unwrap_or_default(),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

/// All interfaces of the socket's namespace.
pub(crate) fn list(requests: &mut Requests) -> io::Result<Vec<Link>> {
    let messages = requests.dump(GET_LINK, &[0; HEADER])?;
    let links = messages.iter().filter_map(|message| match Change::of(message) {
        Some(Change::Is(link)) => Some(link),
        _ => None,
    });
    Ok(links.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::attributes::Body, *};

    #[test]
    fn a_veth_end_tells_its_peer() {
        let mut head = vec![0; HEADER];
        head[2] = 1;
        head[4] = 42;
        let body = Body(head)
            .text(IFNAME, "eth0")
            .attribute(LINK, &7u32.to_ne_bytes())
            .attribute(LINK_NETNSID, &3u32.to_ne_bytes())
            .nested(LINKINFO, &Body::default().text(INFO_KIND, "veth"));
        let link = Link {
            index: 42,
            name: "eth0".to_owned(),
            hardware: 1,
            kind: "veth".to_owned(),
            lower: Some(7),
            lower_nsid: Some(3),
        };
        assert_eq!(Change::of(&Message { kind: NEW_LINK, body: body.0.clone() }), Some(Change::Is(link)));
        assert_eq!(Change::of(&Message { kind: DEL_LINK, body: body.0 }), Some(Change::Gone(42)));
    }

    #[test]
    fn the_loopback_interface_is_in_every_namespace() {
        let links = list(&mut Requests::open().unwrap()).unwrap();
        assert!(links.iter().any(|link| link.index == 1 && link.name == "lo" && link.hardware == 772));
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_panic(kind in 16u16..18, body in proptest::collection::vec(any::<u8>(), 0..100)) {
            Change::of(&Message { kind, body });
        }
    }
}
