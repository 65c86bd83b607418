//! Transport layer: ports of TCP, UDP and SCTP, TCP flags, type and code of ICMP and ICMPv6.

use super::{FLAG_FIN_ACK, FLAG_RST_ACK, FLAG_SYN_ACK, Headers, ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::packet::{Header as _, Packet};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Reads selector and flags of the transport header at `headers.l4`.
#[inline(always)]
pub(super) fn read<P: Packet + ?Sized, A>(packet: &P, headers: &mut Headers<A>) {
    match headers.proto {
        TCP => tcp(packet, headers),
        UDP => {
            ports(packet, headers);
            headers.payload = headers.l4 + 8;
        }
        SCTP => ports(packet, headers),
        ICMP if headers.family == 4 => type_and_code(packet, headers),
        ICMPV6 if headers.family == 6 => type_and_code(packet, headers),
        _ => {}
    }
}

#[inline(always)]
fn tcp<P: Packet + ?Sized, A>(packet: &P, headers: &mut Headers<A>) {
    if let Some(header) = packet.header::<14>(headers.l4) {
        headers.selector = [header.be16::<0>(), header.be16::<2>()];
        headers.selector_known = true;
        headers.tcp_flags = flags(header.byte::<13>());
        headers.flags_known = true;
        headers.payload = headers.l4 + usize::from(header.byte::<12>() >> 4) * 4;
    } else {
        ports(packet, headers);
        headers.malformed = true;
    }
}

#[inline(always)]
fn ports<P: Packet + ?Sized, A>(packet: &P, headers: &mut Headers<A>) {
    if let Some(header) = packet.header::<4>(headers.l4) {
        headers.selector = [header.be16::<0>(), header.be16::<2>()];
        headers.selector_known = true;
    } else {
        headers.malformed = true;
    }
}

#[inline(always)]
fn type_and_code<P: Packet + ?Sized, A>(packet: &P, headers: &mut Headers<A>) {
    if let Some(header) = packet.header::<2>(headers.l4) {
        headers.selector = [u16::from(header.byte::<0>()), u16::from(header.byte::<1>())];
        headers.selector_known = true;
    } else {
        headers.malformed = true;
    }
}

/// Flags as on the wire plus the combinations that NetObserv counts. A plain ACK, the usual packet, takes one test.
#[inline(always)]
const fn flags(wire: u8) -> u16 {
    let mut flags = wire as u16;
    if wire & ACK != 0 && wire & (SYN | FIN | RST) != 0 {
        if wire & SYN != 0 {
            flags |= FLAG_SYN_ACK;
        }
        if wire & FIN != 0 {
            flags |= FLAG_FIN_ACK;
        }
        if wire & RST != 0 {
            flags |= FLAG_RST_ACK;
        }
    }
    flags
}
