//! Every kind of block, byte by byte, as draft-ietf-opsawg-pcapng lays it out.

use super::*;

/// The block that `write` writes, as hexadecimal words of 32 bits as they lie in the file; of a little-endian machine.
fn words(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(out.len() % 4, 0, "blocks end on 32 bits");
    let length = u32::from_ne_bytes(*out[4..].first_chunk().unwrap());
    assert_eq!((length as usize, length), (out.len(), u32::from_ne_bytes(*out.last_chunk().unwrap())));
    let hex = |word: &[u8]| word.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    out.chunks(4).map(hex).collect::<Vec<_>>().join(" ")
}

#[test]
fn section_header() {
    let section = Section { hardware: "cpu", system: "Linux", application: "oc", comment: "a\nb" };
    assert_eq!(
        words(|out| shb(out, &section)),
        "0a0d0d0a 44000000 4d3c2b1a 01000000 ffffffff ffffffff 01000300 610a6200 02000300 63707500 03000500 4c696e75 78000000 \
        04000200 6f630000 00000000 44000000"
    );
}

#[test]
fn interface_description() {
    let interface = Described {
        link_type: 1,
        snaplen: 96,
        name: "a/b:eth0@n",
        description: "k8s.node=n",
        speed: 10_000_000_000,
        filter: "f",
        system: "Linux",
    };
    assert_eq!(
        words(|out| idb(out, &interface)),
        "01000000 60000000 01000000 60000000 02000a00 612f623a 65746830 406e0000 03000a00 6b38732e 6e6f6465 3d6e0000 \
        08000800 00e40b54 02000000 09000100 09000000 0b000200 00660000 0c000500 4c696e75 78000000 00000000 60000000"
    );
}

#[test]
fn enhanced_packet() {
    let packet = Packet {
        time_ns: 0x1_0000_0002,
        len: 9,
        caplen: 5,
        direction: 1,
        id: 0x0102_0304_0506_0708,
        ..Packet::default()
    };
    let remarks = Remarks { lost: 3, comment: "k8s drop=X" };
    assert_eq!(
        words(|out| epb(out, 7, &packet, b"abcde", remarks)),
        "06000000 5c000000 07000000 01000000 02000000 05000000 09000000 61626364 65000000 02000400 02000000 04000800 03000000 \
        00000000 05000800 08070605 04030201 01000a00 6b387320 64726f70 3d580000 00000000 \
        5c000000"
    );
    let bare = Packet { time_ns: 1, len: 1, caplen: 1, ..Packet::default() };
    assert_eq!(
        words(|out| epb(out, 0, &bare, b"a", Remarks::default())),
        "06000000 30000000 00000000 00000000 01000000 01000000 01000000 61000000 02000400 01000000 00000000 30000000"
    );
}

#[test]
fn name_resolution() {
    let names = [("10.0.0.1".parse().unwrap(), "web.shop".into()), ("2001:db8::1".parse().unwrap(), "n1".into())];
    assert_eq!(
        words(|out| nrb(out, &names)),
        "04000000 40000000 01000d00 0a000001 7765622e 73686f70 00000000 02001300 20010db8 00000000 00000000 00000001 6e310000 \
        00000000 00000000 40000000"
    );
}

#[test]
fn decryption_secrets() {
    assert_eq!(
        words(|out| dsb(out, &["A b", "C"])),
        "0a000000 20000000 4b534c54 06000000 4120620a 430a0000 00000000 20000000"
    );
}

#[test]
fn interface_statistics() {
    let statistics = Statistics { span: (1, 0x2_0000_0000), accepted: 5, lost: 2, written: 3 };
    assert_eq!(
        words(|out| isb(out, 1, statistics)),
        "05000000 70000000 01000000 02000000 00000000 02000800 00000000 01000000 03000800 02000000 00000000 04000800 05000000 \
        00000000 05000800 02000000 00000000 06000800 05000000 00000000 07000800 02000000 00000000 08000800 03000000 00000000 \
        00000000 70000000"
    );
}
