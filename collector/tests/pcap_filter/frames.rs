//! Frames of many kinds, and a file of them as tcpdump reads it: frame `n` was seen at second `n`.

/// Packets without VLAN tags. Addresses in ARP messages are none that any expression names, because records do not have them.
pub(crate) fn plain() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let v4 = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 1, 0, 1], [192, 168, 1, 1], [8, 8, 8, 8]];
    let v6 = [address6(0xfd00, 1), address6(0xfd00, 2), address6(0xfe80, 1)];
    let ports = [(40000, 443), (443, 40000), (40000, 80), (53, 53), (53, 40001), (22, 50000), (50000, 8050), (80, 81)];
    let flags = [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0xc2];
    for (number, src) in v4.iter().enumerate() {
        let dst = v4[(number + 1) % v4.len()];
        for (index, (sport, dport)) in ports.iter().enumerate() {
            let tcp = tcp(*sport, *dport, flags[(index + number) % flags.len()]);
            frames.push(ethernet(0x800, &ipv4(*src, dst, 6, 0, &tcp)));
            frames.push(ethernet(0x800, &ipv4(*src, dst, 17, 0, &udp(*sport, *dport, index * 20))));
            frames.push(ethernet(0x800, &ipv4(dst, *src, 132, 0, &sctp(*sport, *dport))));
        }
        for (kind, code) in [(8, 0), (0, 0), (3, 1), (3, 3), (11, 0), (5, 1)] {
            frames.push(ethernet(0x800, &ipv4(*src, dst, 1, 0, &[kind, code, 0, 0, 0, 1, 0, 1])));
        }
        for proto in [2, 47, 50, 51, 89] {
            frames.push(ethernet(0x800, &ipv4(*src, dst, proto, 0, &[0; 24])));
        }
        // First and later fragments, of UDP, TCP and ICMP.
        for (proto, payload) in [(17, udp(53, 80, 40)), (6, tcp(80, 443, 2)), (1, vec![8, 0, 0, 0, 0, 1, 0, 1])] {
            frames.push(ethernet(0x800, &ipv4(*src, dst, proto, 0x2000, &payload)));
            frames.push(ethernet(0x800, &ipv4(*src, dst, proto, 0x2064, &payload)));
            frames.push(ethernet(0x800, &ipv4(*src, dst, proto, 200, &payload)));
        }
    }
    for (number, src) in v6.iter().enumerate() {
        let dst = v6[(number + 1) % v6.len()];
        for (index, (sport, dport)) in ports.iter().enumerate() {
            frames.push(ethernet(0x86dd, &ipv6(*src, dst, 6, &tcp(*sport, *dport, flags[index]))));
            frames.push(ethernet(0x86dd, &ipv6(*src, dst, 17, &udp(*sport, *dport, index * 20))));
        }
        for (kind, code) in [(128, 0), (129, 0), (135, 0), (1, 4)] {
            frames.push(ethernet(0x86dd, &ipv6(*src, dst, 58, &[kind, code, 0, 0, 0, 1, 0, 1])));
        }
    }
    frames.push(ethernet(0x86dd, &ipv6(v6[0], address6(0xff02, 1), 17, &udp(5353, 5353, 4))));
    frames.push(ethernet(0x800, &ipv4(v4[0], [224, 0, 0, 251], 17, 0, &udp(5353, 5353, 4))));
    frames.push(ethernet(0x800, &ipv4(v4[0], [255; 4], 17, 0, &udp(68, 67, 200))));
    frames.push(addressed([0xff; 6], [2, 0, 0, 0, 0, 2], 0x806, &arp()));
    frames.push(addressed([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1], 0x806, &arp()));
    frames.push(addressed([0xff; 6], [2, 0, 0, 0, 0, 2], 0x8035, &arp()));
    frames.push(addressed([1, 0x80, 0xc2, 0, 0, 0xe], [2, 0, 0, 0, 0, 2], 0x88cc, &[0; 46]));
    frames
}

/// Packets with one tag, two and none.
pub(crate) fn tagged() -> Vec<Vec<u8>> {
    let inner: Vec<Vec<u8>> = vec![
        with_type(0x800, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, 0, &tcp(40000, 80, 2))),
        with_type(0x800, &ipv4([10, 0, 0, 3], [10, 0, 0, 1], 17, 0, &udp(53, 40000, 8))),
        with_type(0x800, &ipv4([10, 0, 0, 3], [10, 0, 0, 4], 1, 0, &[8, 0, 0, 0, 0, 1, 0, 1])),
        with_type(0x86dd, &ipv6(address6(0xfd00, 1), address6(0xfd00, 2), 6, &tcp(1, 2, 0x10))),
    ];
    let tags: [&[u8]; 5] = [
        &[],
        &[0x81, 0, 0, 5],
        &[0x81, 0, 0xa0, 6],
        &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8],
        &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9],
    ];
    let macs = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    tags.iter().flat_map(|tag| inner.iter().map(move |inner| [&macs, *tag, inner].concat())).collect()
}

fn with_type(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&ethertype.to_be_bytes(), payload].concat()
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    addressed([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1], ethertype, payload)
}

fn addressed(dst: [u8; 6], src: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&dst, &src, with_type(ethertype, payload).as_slice()].concat()
}

/// `place` is the word of flags and offset.
fn ipv4(src: [u8; 4], dst: [u8; 4], proto: u8, place: u16, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let [high, low] = length.to_be_bytes();
    let [flags, offset] = place.to_be_bytes();
    let header = [0x45, 0, high, low, 0, 7, flags, offset, 64, proto, 0, 0];
    [&header, &src[..], &dst, payload].concat()
}

fn ipv6(src: [u8; 16], dst: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0, high, low, next, 64], &src[..], &dst, payload].concat()
}

fn address6(first: u16, last: u16) -> [u8; 16] {
    let mut address = [0; 16];
    address[..2].copy_from_slice(&first.to_be_bytes());
    address[14..].copy_from_slice(&last.to_be_bytes());
    address
}

fn ports(src: u16, dst: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (src.to_be_bytes(), dst.to_be_bytes());
    [a, b, c, d]
}

fn tcp(src: u16, dst: u16, flags: u8) -> Vec<u8> {
    [&ports(src, dst)[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]].concat()
}

fn udp(src: u16, dst: u16, data: usize) -> Vec<u8> {
    let [high, low] = (8 + data as u16).to_be_bytes();
    [&ports(src, dst)[..], &[high, low, 0, 0], &vec![0; data]].concat()
}

fn sctp(src: u16, dst: u16) -> Vec<u8> {
    [&ports(src, dst)[..], &[0; 8]].concat()
}

fn arp() -> Vec<u8> {
    let begin = [0, 1, 8, 0, 6, 4, 0, 1];
    [&begin, &[2, 0, 0, 0, 0, 2][..], &[172, 30, 0, 1], &[0; 6], &[172, 30, 0, 2]].concat()
}

/// A pcap file: LINKTYPE_ETHERNET, microseconds, this machine's order of bytes.
pub(crate) fn file(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_ne_bytes());
    file.extend([2_u16, 4].map(u16::to_ne_bytes).concat());
    file.extend([0_u32, 0, 65535, 1].map(u32::to_ne_bytes).concat());
    for (number, frame) in frames.iter().enumerate() {
        let length = frame.len() as u32;
        file.extend([number as u32, 0, length, length].map(u32::to_ne_bytes).concat());
        file.extend(frame);
    }
    file
}

/// The numbers of the frames in such a file.
pub(crate) fn numbers(file: &[u8]) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut rest = file.get(24..).unwrap_or_default();
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let word =
            |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        numbers.push(word(0));
        rest = after.get(word(8)..).unwrap_or_default();
    }
    numbers
}
