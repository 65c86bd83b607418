//! From buffers to the wire: how many packets and bytes a segmentation offload buffer becomes. Pure arithmetic.

/// What a buffer counts for on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Packets.
    pub packets: u32,
    /// Bytes, from the Ethernet header (IP header on L3 devices), no FCS.
    pub bytes: u64,
}

/// `gso_size` of a buffer whose segments are its fragments (`GSO_BY_FRAGS`, include/linux/skbuff.h; SCTP only).
const GSO_BY_FRAGS: u32 = 0xffff;

/// Packets and bytes that a buffer of `len` bytes becomes when each segment carries at most `gso_size` bytes of payload and
/// repeats the first `header_len` bytes. `tag_len` is what an accelerated VLAN tag adds to each segment (0 or 4).
///
/// `gso_segs` of the buffer is not used: it may be 0 (kernel documentation, networking/segmentation-offloads).
#[inline(always)]
pub const fn wire_counts(len: u32, gso_size: u32, header_len: u32, tag_len: u32) -> Wire {
    if gso_size == 0 || gso_size == GSO_BY_FRAGS || len <= header_len {
        return Wire { packets: 1, bytes: len as u64 + tag_len as u64 };
    }
    // A frame is far below 4 GiB, so the sum cannot wrap in 32 bits; a 32-bit division is also the cheaper one.
    let payload = len - header_len;
    let segments = (payload - 1) / gso_size + 1;
    Wire {
        packets: segments,
        bytes: len as u64 + (segments as u64 - 1) * header_len as u64 + segments as u64 * tag_len as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_without_offload_is_one_packet() {
        assert_eq!(wire_counts(1514, 0, 0, 0), Wire { packets: 1, bytes: 1514 });
        assert_eq!(wire_counts(60, 0, 0, 4), Wire { packets: 1, bytes: 64 });
    }

    #[test]
    fn each_segment_has_headers_of_its_own() {
        // 66 bytes of headers before 3 full segments and one of 52 bytes.
        let wire = wire_counts(66 + 3 * 1448 + 52, 1448, 66, 0);
        assert_eq!(wire, Wire { packets: 4, bytes: 4 * 66 + 3 * 1448 + 52 });
        assert_eq!(wire_counts(66 + 2 * 1448, 1448, 66, 0).packets, 2, "no empty segment follows a full one");
        assert_eq!(wire_counts(66 + 2 * 1448, 1448, 66, 4).bytes, 2 * (66 + 1448 + 4), "and a tag of its own");
    }

    #[test]
    fn sizes_that_cannot_be_are_one_packet() {
        assert_eq!(wire_counts(60, 1448, 66, 0).packets, 1);
        assert_eq!(wire_counts(66, 1448, 66, 0).packets, 1, "headers only");
        assert_eq!(wire_counts(9000, GSO_BY_FRAGS, 54, 0).packets, 1);
    }
}
