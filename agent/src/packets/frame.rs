//! The frame as it is on the wire: a VLAN tag that the driver took out of it is put back, as libpcap does.

use agent_common::types::PacketHead;

/// Where the tag stands: behind both MAC addresses.
const TAG_AT: usize = 12;
const TAG: u32 = 4;

/// Appends the frame to `data`; its whole length and how much of it was appended, at most `snaplen`.
pub(super) fn append(data: &mut Vec<u8>, head: &PacketHead, bytes: &[u8], snaplen: usize) -> (u32, u32) {
    let before = data.len();
    let tagged = head.vlan_proto != 0 && head.l3 == 0;
    match bytes.split_at_checked(TAG_AT) {
        Some((addresses, rest)) if tagged => {
            data.extend_from_slice(addresses);
            data.extend_from_slice(&head.vlan_proto.to_be_bytes());
            data.extend_from_slice(&head.vlan_tci.to_be_bytes());
            data.extend_from_slice(rest);
        }
        _ => data.extend_from_slice(bytes),
    }
    data.truncate(before.saturating_add(snaplen));
    (head.len + if tagged { TAG } else { 0 }, (data.len() - before) as u32)
}

#[cfg(test)]
mod tests {
    use agent_common::types::PacketHead;

    use super::*;

    fn head(len: u32, vlan_proto: u16) -> PacketHead {
        PacketHead {
            time_ns: 0,
            netns: 0,
            ifindex: 1,
            len,
            caplen: len,
            vlan_tci: 0x2064,
            vlan_proto,
            kind: 0,
            l3: 0,
            pad: [0; 2],
        }
    }

    #[test]
    fn the_tag_comes_back_behind_the_addresses() {
        let frame: Vec<u8> = (0..20).collect();
        let mut data = vec![99];
        assert_eq!(append(&mut data, &head(20, 0x8100), &frame, usize::MAX), (24, 24));
        assert_eq!(data[1..17], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0x20, 0x64]);
        assert_eq!(data[17..], frame[12..]);
    }

    #[test]
    fn untagged_frames_and_those_too_short_for_a_tag_stay_as_they_are() {
        let mut data = Vec::new();
        assert_eq!(append(&mut data, &head(20, 0), &[7; 20], usize::MAX), (20, 20));
        assert_eq!(append(&mut data, &head(60, 0x88a8), &[7; 8], usize::MAX), (64, 8));
    }

    #[test]
    fn the_snaplen_holds_for_the_frame_with_its_tag() {
        let mut data = Vec::new();
        assert_eq!(append(&mut data, &head(96, 0x8100), &[7; 96], 96), (100, 96));
    }
}
