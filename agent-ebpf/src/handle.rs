//! What happens to one packet, step by step.

use agent_common::{
    parse::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, Layer, Link, Piece, UDP, segment_header_len},
    types::Counter,
    wire::wire_counts,
};
use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};

use crate::{
    counters, filter,
    flows::{self, Flows, Origin},
    packet::{Loaded, Skb},
    packets, samples,
    settings::{MODE, MODE_PACKETS, RULES_ROOM},
    work::{self, Parked},
};

/// TCX_NEXT, and TC_ACT_UNSPEC for clsact: go on as if we were not there.
const NEXT: i32 = -1;

/// Handles one packet; the result of every program.
#[inline(always)]
pub(crate) fn packet(ctx: &TcContext, layer: Layer, direction: u8) -> i32 {
    let skb = Skb(ctx.as_ptr().cast());
    counters::add(Counter::Seen, 1);
    if filter::sampled() {
        if MODE.load() == MODE_PACKETS && RULES_ROOM.load() == 0 {
            counters::add(Counter::Accepted, 1);
            packets::copy(skb, layer, direction);
        } else if !plain(skb, layer, direction) {
            any(skb, layer, direction);
        }
    }
    NEXT
}

/// The usual packet: read where it lies. False, and nothing done, when the packet is any other.
#[inline(always)]
fn plain(skb: Skb, layer: Layer, direction: u8) -> bool {
    let direct = skb.direct();
    let link = parse::link(&direct, layer);
    let origin = Origin { skb, layer, link, direction };
    // No closures: the compiler would not put them in line.
    match link.ethertype {
        ETHERTYPE_IPV4 => match parse::plain4(&direct, link.l3) {
            Some(headers) => take_plain(&origin, &headers),
            None => false,
        },
        ETHERTYPE_IPV6 => match parse::plain6(&direct, link.l3) {
            Some(headers) => take_plain(&origin, &headers),
            None => false,
        },
        _ => false,
    }
}

/// Tunnels under segmentation offload need a second look at the packet, so they are none of the usual ones.
#[inline(always)]
fn take_plain<A: Flows>(origin: &Origin, headers: &Headers<A>) -> bool {
    let gso_size = origin.skb.gso_size();
    if gso_size != 0 && headers.proto == UDP {
        return false;
    }
    if filter::accepted(headers, origin.direction) {
        accept::<A, false>(origin, headers, gso_size, headers.payload);
    }
    true
}

/// Any packet, whatever its headers are and wherever they lie.
#[inline(always)]
fn any(skb: Skb, layer: Layer, direction: u8) {
    let l3 = u32::from(layer == Layer::Ip);
    let direction = u32::from(direction);
    match parse_any(skb.0, l3) {
        4 => finish4(skb.0, l3, direction),
        6 => finish6(skb.0, l3, direction),
        _ => 0,
    };
}

/// Parses into work memory. Returns which headers were filled in, those with addresses of IPv4 (4) or the others (6).
///
/// This and what follows are functions of their own: seldom called, there once for all programs, and each with a stack that
/// the others can use after it.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn parse_any(skb: *mut __sk_buff, l3: u32) -> u32 {
    let packet = Loaded(Skb(skb));
    let layer = if l3 != 0 { Layer::Ip } else { Layer::Ethernet };
    let link = parse::link(&packet, layer);
    let (Some(place), Some(headers4), Some(headers6)) = (work::link(), <[u8; 4]>::headers(), <[u8; 16]>::headers())
    else {
        return 0;
    };
    *place = link;
    if link.ethertype == ETHERTYPE_IPV4 {
        if let Some(headers) = parse::ipv4(&packet, link.l3) {
            *headers4 = headers;
            return 4;
        }
    } else if link.ethertype == ETHERTYPE_IPV6 {
        if let Some(headers) = parse::ipv6(&packet, link.l3) {
            *headers6 = headers;
            return 6;
        }
    }
    *headers6 = parse::other(&packet, layer, link, is_cut(link));
    6
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn finish4(skb: *mut __sk_buff, l3: u32, direction: u32) -> u32 {
    finish::<[u8; 4]>(skb, l3, direction)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn finish6(skb: *mut __sk_buff, l3: u32, direction: u32) -> u32 {
    finish::<[u8; 16]>(skb, l3, direction)
}

/// Whether a frame that was not parsed as IP should have been.
#[inline(always)]
fn is_cut(link: Link) -> bool {
    matches!(link.ethertype, 0 | ETHERTYPE_IPV4 | ETHERTYPE_IPV6)
}

/// Handles the packet whose headers are in work memory.
#[inline(always)]
fn finish<A: Flows>(skb: *mut __sk_buff, l3: u32, direction: u32) -> u32 {
    let (Some(link), Some(headers)) = (work::link(), A::headers()) else { return 0 };
    let layer = if l3 != 0 { Layer::Ip } else { Layer::Ethernet };
    let origin = Origin { skb: Skb(skb), layer, link: *link, direction: direction as u8 };
    if headers.malformed {
        counters::add(Counter::Malformed, 1);
    }
    if headers.piece != Piece::Whole {
        A::resolve(origin.skb);
    }
    if RULES_ROOM.load() == 0 || filter::by_rules::<A>(direction as u8) {
        let gso_size = origin.skb.gso_size();
        let header_len = match (gso_size, headers.proto) {
            (0, _) => 0,
            (_, UDP) => tunnel(skb, headers.l4 as u32, u32::from(headers.selector[1])) as usize,
            _ => headers.payload,
        };
        accept::<A, true>(&origin, headers, gso_size, header_len);
    }
    1
}

/// Counts or copies a packet that the filter let through; `PARKED` as in [`flows::count`].
#[inline(always)]
fn accept<A: Flows, const PARKED: bool>(origin: &Origin, headers: &Headers<A>, gso_size: u32, header_len: usize) {
    counters::add(Counter::Accepted, 1);
    if MODE.load() == MODE_PACKETS {
        packets::copy(origin.skb, origin.layer, origin.direction);
    } else {
        let skb = origin.skb;
        let wire = wire_counts(skb.len(), gso_size, header_len as u32, skb.tag_len());
        let so_far = flows::count::<A, PARKED>(origin, headers, wire);
        samples::look(origin, headers, so_far);
    }
}

/// End of the headers of a segment of a UDP packet.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn tunnel(skb: *mut __sk_buff, l4: u32, port: u32) -> u32 {
    segment_header_len(&Loaded(Skb(skb)), l4 as usize, port as u16) as u32
}
