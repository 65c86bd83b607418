//! IPv4 and IPv6 headers with their extensions.

use std::net::IpAddr;

use etherparse::{Ipv6ExtensionSlice, LaxIpv4Slice, LaxIpv6Slice};

use super::{Fragment, Ip};

/// RFC 791.
pub(super) fn read_v4(slice: &LaxIpv4Slice<'_>) -> Ip {
    let header = slice.header();
    let offset = header.fragments_offset().byte_offset();
    let payload = slice.payload();
    let headers = distance(header.slice(), payload.payload);
    // A packet that the kernel has yet to segment may bear 0: then what was kept is all that is known.
    let declared = usize::from(header.total_len()).checked_sub(headers);
    Ip {
        src: IpAddr::V4(header.source_addr()),
        dst: IpAddr::V4(header.destination_addr()),
        proto: payload.ip_number.0,
        dscp: header.dcp().value(),
        ttl: header.ttl(),
        payload_len: declared.unwrap_or(payload.payload.len()),
        fragment: (header.more_fragments() || offset > 0).then(|| Fragment {
            id: header.identification().into(),
            offset,
            more: header.more_fragments(),
        }),
    }
}

/// RFC 8200.
pub(super) fn read_v6(slice: &LaxIpv6Slice<'_>) -> Ip {
    let header = slice.header();
    let payload = slice.payload();
    let extensions = distance(header.slice(), payload.payload).saturating_sub(header.slice().len());
    let declared = usize::from(header.payload_length()).checked_sub(extensions);
    Ip {
        src: IpAddr::V6(header.source_addr()),
        dst: IpAddr::V6(header.destination_addr()),
        proto: payload.ip_number.0,
        dscp: header.dscp().value(),
        ttl: header.hop_limit(),
        payload_len: declared.unwrap_or(payload.payload.len()),
        fragment: slice.extensions().clone().into_iter().find_map(|extension| fragment(&extension)),
    }
}

fn fragment(extension: &Ipv6ExtensionSlice<'_>) -> Option<Fragment> {
    let Ipv6ExtensionSlice::Fragment(header) = extension else { return None };
    Some(Fragment {
        id: header.identification(),
        offset: header.fragment_offset().byte_offset(),
        more: header.more_fragments(),
    })
}

// Both slices lie in the same packet, the second behind the first.
fn distance(first: &[u8], second: &[u8]) -> usize {
    (second.as_ptr() as usize).saturating_sub(first.as_ptr() as usize)
}
