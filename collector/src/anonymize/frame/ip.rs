//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use super::{
    Place,
    checksum::{self, Sum},
    transport, u16_at, v4_at, v6_at, zero_from,
};
use crate::anonymize::Anonymizer;

/// What transport protocols sum up besides their own bytes, before and after, and how much of them is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) old: Sum,
    pub(super) new: Sum,
    /// All of it was kept.
    pub(super) whole: bool,
    pub(super) place: Place,
}

/// An IPv4 packet.
pub(super) fn v4(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    let header = data.first().map_or(0, |first| usize::from(first & 15) * 4);
    if data.len() < 20 || data[0] >> 4 != 4 || header < 20 {
        return data.fill(0);
    }
    let total = match u16_at(data, 2) {
        // The kernel has yet to segment it.
        None | Some(0) => data.len(),
        Some(total) => usize::from(total),
    };
    // More fragments follow, and where this one belongs.
    let fragment = u16_at(data, 6).unwrap_or(0);
    let (is_last, offset) = (fragment & 0x2000 == 0, fragment & 0x1fff);
    zero_from(data, total.max(header));
    let noted = checksum::before(&data[..header.min(data.len())], 10, Sum::default());
    let old = Sum::default().add(&data[12..20]);
    v4_at(to, data, 12);
    v4_at(to, data, 16);
    let new = Sum::default().add(&data[12..20]);
    // Options name routers; zeros are the end of their list.
    let end = header.min(data.len());
    data[20..end].fill(0);
    if let Some(noted) = noted {
        noted.mend(&mut data[..end], Sum::default(), header <= end);
    }
    let (protocol, kept) = (data[9], data.len());
    let Some(payload) = data.get_mut(header..total.min(kept)) else { return };
    let segment = Segment { old, new, whole: total <= kept && is_last && offset == 0 && !place.quoted, place };
    if offset == 0 {
        transport::rewrite(to, protocol, payload, segment);
    } else {
        transport::payload(to, payload, place);
    }
}

/// An IPv6 packet.
pub(super) fn v6(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    if data.len() < 40 || data[0] >> 4 != 6 {
        return data.fill(0);
    }
    let total = match u16_at(data, 4) {
        // A jumbogram, or one that the kernel has yet to segment.
        None | Some(0) => data.len(),
        Some(length) => 40 + usize::from(length),
    };
    zero_from(data, total);
    let old = Sum::default().add(&data[8..40]);
    v6_at(to, data, 8);
    v6_at(to, data, 24);
    let new = Sum::default().add(&data[8..40]);
    let (next, kept) = (data[6], data.len());
    let Some(rest) = data.get_mut(40..total.min(kept)) else { return };
    let segment = Segment { old, new, whole: total <= kept && !place.quoted, place };
    extensions(to, next, rest, segment);
}

/// Extension headers, of which only where they end and what follows stays, and what they announce.
fn extensions(to: &mut Anonymizer, mut next: u8, mut data: &mut [u8], mut segment: Segment) {
    loop {
        let length = match (next, data.get(1)) {
            (0 | 43 | 60, Some(units)) => (usize::from(*units) + 1) * 8,
            (44, Some(_)) => 8,
            (51, Some(units)) => (usize::from(*units) + 2) * 4,
            (0 | 43 | 44 | 51 | 60, None) | (59, _) => return data.fill(0),
            _ => return transport::rewrite(to, next, data, segment),
        };
        if length > data.len() {
            return zero_from(data, 2);
        }
        let (header, rest) = data.split_at_mut(length);
        match next {
            44 => {
                let fragment = u16_at(header, 2).unwrap_or(0);
                segment.whole &= fragment & !6 == 0;
                if fragment >> 3 != 0 {
                    return transport::payload(to, rest, segment.place);
                }
            }
            // Who it went through, and who is meant in the end: the destination above is who it is now.
            43 => zero_from(header, 3),
            // Padding: options may name addresses.
            0 | 60 => zero_from(header, 2),
            _ => zero_from(header, 12),
        }
        next = header[0];
        data = rest;
    }
}
