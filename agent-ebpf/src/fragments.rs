//! Fragments: the first one leaves its ports for the later ones, which do not carry any.

use agent_common::{
    fragment::FragmentKey,
    parse::{Address, Piece},
};

use crate::{
    maps::FRAGMENTS,
    packet::Skb,
    work::{self, Parked},
};

/// Notes the selector of a first fragment, fills in that of a later one. The headers are in work memory.
#[inline(always)]
pub(crate) fn resolve<A: Parked>(skb: Skb) -> Option<()> {
    let (headers, key) = (A::headers()?, work::fragment()?);
    *key = FragmentKey {
        src: bytes(headers.src),
        dst: bytes(headers.dst),
        id: headers.id,
        netns: skb.netns(),
        proto: headers.proto,
        family: headers.family,
        pad: [0; 2],
    };
    if headers.piece == Piece::First {
        if headers.selector_known {
            // When it fails the later fragments stay without ports; their packets and bytes are counted all the same.
            let _ = FRAGMENTS.insert(&*key, &headers.selector, 0);
        }
    } else if let Some(selector) = FRAGMENTS.get_ptr(&*key) {
        // SAFETY: an entry is written once, before it can be found; at worst it was reused for another datagram.
        headers.selector = unsafe { *selector };
        headers.selector_known = true;
    }
    Some(())
}

/// The address in 16 bytes.
#[inline(always)]
pub(crate) fn bytes<A: Address>(address: A) -> [u8; 16] {
    let [a, b, c, d] = address.words();
    // SAFETY: same size, any bit pattern is valid.
    unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>([a, b, c, d]) }
}
