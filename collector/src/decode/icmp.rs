//! Names of ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861) messages.

use std::net::Ipv6Addr;

use etherparse::{Icmpv4Slice, Icmpv6Slice};

/// `echo request id 7 seq 1`, `port unreachable`...
pub(super) fn line_v4(icmp: &Icmpv4Slice<'_>) -> String {
    let (kind, code) = (icmp.type_u8(), icmp.code_u8());
    match (kind, code) {
        (0, _) => format!("echo reply {}", echo(icmp.bytes5to8())),
        (8, _) => format!("echo request {}", echo(icmp.bytes5to8())),
        (3, 4) => {
            let [_, _, a, b] = icmp.bytes5to8();
            format!("fragmentation needed, mtu {}", u16::from_be_bytes([a, b]))
        }
        _ => name_v4(kind, code).map_or_else(|| format!("type {kind} code {code}"), str::to_owned),
    }
}

fn name_v4(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (3, 0) => "net unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 9 | 10 | 13) => "prohibited by administrator",
        (3, _) => "destination unreachable",
        (5, _) => "redirect",
        (9, _) => "router advertisement",
        (10, _) => "router solicitation",
        (11, 0) => "time exceeded in transit",
        (11, _) => "reassembly time exceeded",
        (12, _) => "parameter problem",
        (13, _) => "timestamp request",
        (14, _) => "timestamp reply",
        _ => return None,
    })
}

/// `echo request id 7 seq 1`, `neighbor solicitation who-has fe80::1`...
pub(super) fn line_v6(icmp: &Icmpv6Slice<'_>) -> String {
    let (kind, code) = (icmp.type_u8(), icmp.code_u8());
    match kind {
        2 => format!("packet too big, mtu {}", u32::from_be_bytes(icmp.bytes5to8())),
        128 => format!("echo request {}", echo(icmp.bytes5to8())),
        129 => format!("echo reply {}", echo(icmp.bytes5to8())),
        135 => format!("neighbor solicitation who-has {}", target(icmp.payload())),
        136 => format!("neighbor advertisement {}", target(icmp.payload())),
        _ => name_v6(kind, code).map_or_else(|| format!("type {kind} code {code}"), str::to_owned),
    }
}

fn name_v6(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (1, 0) => "no route",
        (1, 1) => "prohibited by administrator",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, _) => "destination unreachable",
        (3, 0) => "hop limit exceeded in transit",
        (3, _) => "reassembly time exceeded",
        (4, _) => "parameter problem",
        (130, _) => "multicast listener query",
        (131, _) => "multicast listener report",
        (132, _) => "multicast listener done",
        (133, _) => "router solicitation",
        (134, _) => "router advertisement",
        (137, _) => "redirect",
        (143, _) => "multicast listener report v2",
        _ => return None,
    })
}

fn echo([a, b, c, d]: [u8; 4]) -> String {
    format!("id {} seq {}", u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn target(payload: &[u8]) -> String {
    payload.first_chunk::<16>().map_or_else(|| "?".to_owned(), |octets| Ipv6Addr::from(*octets).to_string())
}
