//! IPsec as the kernel has it: security associations and policies (include/uapi/linux/xfrm.h).
//!
//! Must not know flows. Messages about associations carry their keys, which are passed over: nothing here looks at them.

use std::{io, net::IpAddr};

use ipnet::IpNet;
use netlink_sys::protocols::NETLINK_XFRM;

use super::{
    attributes::{Attributes, word},
    stream::{Groups, Lister},
};

const NEW_SA: u16 = 0x10;
const GET_SA: u16 = 0x12;
const NEW_POLICY: u16 = 0x13;
const GET_POLICY: u16 = 0x15;
/// Expiries, associations, policies, moves. Never `XFRMNLGRP_ACQUIRE` (1): where somebody listens to that the kernel waits for an
/// association instead of refusing at once, and whoever looks must change nothing.
const GROUPS: [u32; 4] = [2, 3, 4, 7];
const ENCAPSULATION: u16 = 4;
const TEMPLATES: u16 = 5;
const MARK: u16 = 21;
const INTERFACE: u16 = 31;
/// `struct xfrm_usersa_info`, `struct xfrm_userpolicy_info`, `struct xfrm_user_tmpl`.
const SA_SIZE: usize = 224;
const POLICY_SIZE: usize = 168;
const TEMPLATE_SIZE: usize = 64;
/// `XFRM_MODE_TRANSPORT`.
const TRANSPORT: u8 = 0;

/// Which packets a policy is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) source: IpNet,
    pub(crate) destination: IpNet,
    /// Port and mask.
    pub(crate) source_port: (u16, u16),
    pub(crate) destination_port: (u16, u16),
    /// 0 is any.
    pub(crate) protocol: u8,
    ifindex: u32,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// To this machine.
    In,
    /// From it, also when they only pass.
    Out,
    /// Passing.
    Forward,
}

/// What a policy demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Ends of the tunnel; unspecified in transport mode, where they may be those of the packet.
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// ESP, AH...
    pub(crate) protocol: u8,
    /// 0 is any.
    pub(crate) reqid: u32,
    pub(crate) is_transport: bool,
    /// Packets may do without.
    pub(crate) is_optional: bool,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) selector: Selector,
    pub(crate) direction: Direction,
    /// The smallest wins.
    pub(crate) priority: u32,
    pub(crate) blocks: bool,
    pub(crate) templates: Vec<Template>,
    /// It is for packets with a mark or on an interface only, which flows do not tell.
    pub(crate) is_bound: bool,
}

/// What went wrong in an association: packets since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Too old for the replay window, or seen before.
    pub(crate) replayed: u64,
    /// Not authentic.
    pub(crate) forged: u64,
}

/// A security association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Association {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) spi: u32,
    pub(crate) protocol: u8,
    pub(crate) reqid: u32,
    pub(crate) is_transport: bool,
    /// UDP ports, if it goes through UDP (RFC 3948).
    pub(crate) ports: Option<[u16; 2]>,
    pub(crate) failures: Failures,
}

/// One object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Association(Association),
    Policy(Policy),
}

/// Hears of changes in the namespace of the calling thread. Needs CAP_NET_ADMIN.
pub(crate) fn hear() -> io::Result<Groups> {
    Groups::join(NETLINK_XFRM, &GROUPS)
}

/// Reads what there is in the namespace of the calling thread. Needs CAP_NET_ADMIN.
pub(crate) fn lister() -> io::Result<Lister> {
    Lister::open(NETLINK_XFRM)
}

/// Asks for all associations.
pub(crate) fn begin_associations(lister: &mut Lister) -> io::Result<()> {
    lister.begin(GET_SA, &[])
}

/// Asks for all policies.
pub(crate) fn begin_policies(lister: &mut Lister) -> io::Result<()> {
    lister.begin(GET_POLICY, &[])
}

impl Object {
    /// Reads a message; `None` when it is about something else, or an association that is still being negotiated.
    pub(crate) fn parse(kind: u16, body: &[u8]) -> Option<Self> {
        match kind {
            NEW_SA => association(body).map(Self::Association),
            NEW_POLICY => policy(body).map(Self::Policy),
            _ => None,
        }
    }
}

fn association(body: &[u8]) -> Option<Association> {
    let family = half(body, 212)?;
    let attributes = Attributes(body.get(SA_SIZE..)?);
    let spi = u32::from_be_bytes(body.get(72..76)?.try_into().ok()?);
    // `struct xfrm_stats`: replay_window, replay, integrity_failed.
    let failed = |at| word(body, at).map(u64::from);
    let ports = attributes.find(ENCAPSULATION).and_then(|udp| Some([port(udp, 2)?, port(udp, 4)?]));
    (spi != 0).then_some(Association {
        source: address(body, 80, family)?,
        destination: address(body, 56, family)?,
        spi,
        protocol: *body.get(76)?,
        reqid: word(body, 208)?,
        is_transport: *body.get(214)? == TRANSPORT,
        ports,
        failures: Failures { replayed: failed(192)? + failed(196)?, forged: failed(200)? },
    })
}

fn policy(body: &[u8]) -> Option<Policy> {
    let attributes = Attributes(body.get(POLICY_SIZE..)?);
    let selector = selector(body)?;
    let bound = [MARK, INTERFACE].into_iter().any(|kind| {
        let value = attributes.clone().find(kind).unwrap_or_default();
        value.iter().any(|byte| *byte != 0)
    });
    let direction = match body.get(160)? {
        0 => Direction::In,
        1 => Direction::Out,
        2 => Direction::Forward,
        // Of a socket.
        _ => return None,
    };
    Some(Policy {
        is_bound: bound || selector.ifindex != 0,
        selector,
        direction,
        priority: word(body, 152)?,
        blocks: *body.get(161)? != 0,
        templates: attributes.find(TEMPLATES).map(templates).unwrap_or_default(),
    })
}

fn selector(body: &[u8]) -> Option<Selector> {
    let family = half(body, 40)?;
    let net = |at, length: usize| IpNet::new(address(body, at, family)?, *body.get(length)?).ok();
    Some(Selector {
        destination: net(0, 42)?,
        source: net(16, 43)?,
        destination_port: (port(body, 32)?, port(body, 34)?),
        source_port: (port(body, 36)?, port(body, 38)?),
        protocol: *body.get(44)?,
        ifindex: word(body, 48)?,
    })
}

fn templates(bytes: &[u8]) -> Vec<Template> {
    bytes.chunks_exact(TEMPLATE_SIZE).filter_map(template).collect()
}

fn template(bytes: &[u8]) -> Option<Template> {
    let family = half(bytes, 24)?;
    Some(Template {
        destination: address(bytes, 0, family)?,
        protocol: *bytes.get(20)?,
        source: address(bytes, 28, family)?,
        reqid: word(bytes, 44)?,
        is_transport: *bytes.get(48)? == TRANSPORT,
        is_optional: *bytes.get(50)? != 0,
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn port(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// `xfrm_address_t`: IPv4 in its first four bytes.
fn address(bytes: &[u8], at: usize, family: u16) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok().map(IpAddr::from),
        libc::AF_INET6 => <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::attributes::Body;

    const ESP: u8 = 50;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// As a kernel would tell it: 192.0.2.1 to 192.0.2.2, SPI 0x100, reqid 7, tunnel.
    fn sa() -> Vec<u8> {
        let mut body = vec![0; SA_SIZE];
        put(&mut body, 56, &[192, 0, 2, 2]);
        put(&mut body, 72, &0x100_u32.to_be_bytes());
        body[76] = ESP;
        put(&mut body, 80, &[192, 0, 2, 1]);
        put(&mut body, 192, &1_u32.to_ne_bytes());
        put(&mut body, 196, &2_u32.to_ne_bytes());
        put(&mut body, 200, &5_u32.to_ne_bytes());
        put(&mut body, 208, &7_u32.to_ne_bytes());
        put(&mut body, 212, &2_u16.to_ne_bytes());
        body[214] = 1;
        body
    }

    #[test]
    fn an_association_tells_its_ends_its_ports_and_its_failures() {
        let encapsulation = [2, 0, 0x11, 0x94, 0x11, 0x95, 0, 0];
        let body = Body(sa()).attribute(2, &[0xaa; 90]).attribute(ENCAPSULATION, &encapsulation);
        let Some(Object::Association(association)) = Object::parse(NEW_SA, &body.0) else { panic!() };
        assert_eq!(association.source, IpAddr::from([192, 0, 2, 1]));
        assert_eq!(association.destination, IpAddr::from([192, 0, 2, 2]));
        assert_eq!((association.spi, association.protocol, association.reqid), (0x100, ESP, 7));
        assert_eq!((association.is_transport, association.ports), (false, Some([4500, 4501])));
        assert_eq!(association.failures, Failures { replayed: 3, forged: 5 });
    }

    #[test]
    fn an_association_that_is_being_negotiated_is_none_yet() {
        let mut body = sa();
        put(&mut body, 72, &[0; 4]);
        assert_eq!(Object::parse(NEW_SA, &body), None);
    }

    #[test]
    fn a_policy_tells_its_selector_and_what_it_demands() {
        let mut body = vec![0; POLICY_SIZE];
        put(&mut body, 0, &[10, 1, 0, 0]);
        put(&mut body, 16, &[10, 0, 0, 0]);
        put(&mut body, 32, &[0, 80, 0xff, 0xff]);
        put(&mut body, 40, &2_u16.to_ne_bytes());
        (body[42], body[43], body[44]) = (16, 8, 6);
        put(&mut body, 152, &9_u32.to_ne_bytes());
        (body[160], body[161]) = (1, 0);
        let mut template = [0; TEMPLATE_SIZE];
        put(&mut template, 0, &[192, 0, 2, 2]);
        template[20] = ESP;
        put(&mut template, 24, &2_u16.to_ne_bytes());
        put(&mut template, 28, &[192, 0, 2, 1]);
        put(&mut template, 44, &7_u32.to_ne_bytes());
        template[48] = 1;
        let message = Body(body.clone()).attribute(TEMPLATES, &template).attribute(INTERFACE, &[0; 4]);
        let Some(Object::Policy(policy)) = Object::parse(NEW_POLICY, &message.0) else { panic!() };
        assert_eq!(policy.selector.source, "10.0.0.0/8".parse().unwrap());
        assert_eq!(policy.selector.destination, "10.1.0.0/16".parse().unwrap());
        assert_eq!((policy.selector.destination_port, policy.selector.protocol), ((80, 0xffff), 6));
        assert_eq!((policy.direction, policy.priority, policy.blocks), (Direction::Out, 9, false));
        let [template] = policy.templates.as_slice() else { panic!() };
        assert_eq!((template.source, template.reqid), (IpAddr::from([192, 0, 2, 1]), 7));
        assert!(!policy.is_bound && !template.is_transport && !template.is_optional);
        let bound = Body(body).attribute(INTERFACE, &3_u32.to_ne_bytes());
        assert!(matches!(Object::parse(NEW_POLICY, &bound.0), Some(Object::Policy(policy)) if policy.is_bound));
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_panic(kind in 0x10_u16..0x16, body in proptest::collection::vec(any::<u8>(), 0..400)) {
            Object::parse(kind, &body);
        }
    }
}
