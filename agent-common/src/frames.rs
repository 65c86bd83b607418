//! Frames for tests, put together byte by byte as the RFCs print them.

/// Addresses that the builders below use.
pub(crate) const SRC4: [u8; 4] = [10, 9, 9, 1];
pub(crate) const DST4: [u8; 4] = [10, 9, 9, 2];
pub(crate) const SRC6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1];
pub(crate) const DST6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 2];
pub(crate) const SRC_MAC: [u8; 6] = [2, 0, 0, 0, 0xaa, 1];
pub(crate) const DST_MAC: [u8; 6] = [2, 0, 0, 0, 0xaa, 2];

/// An Ethernet header (tags and EtherType as given) before `payload`.
pub(crate) fn ethernet(types: &[u16], payload: &[u8]) -> Vec<u8> {
    let types: Vec<u8> = types.iter().flat_map(|word| word.to_be_bytes()).collect();
    [&DST_MAC[..], &SRC_MAC, &types, payload].concat()
}

/// An IPv4 packet: `fragment` is the word with flags and offset, `options` a multiple of four bytes.
pub(crate) fn ipv4(proto: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = 5 + options.len() / 4;
    let total = ((words * 4 + payload.len()) as u16).to_be_bytes();
    let place = fragment.to_be_bytes();
    let head = [0x40 | words as u8, 46 << 2, total[0], total[1], 0, 77, place[0], place[1], 64, proto, 0, 0];
    [&head[..], &SRC4, &DST4, options, payload].concat()
}

/// An IPv6 packet with DSCP 34.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let class = 34_u32 << 2;
    let first = (0x6000_0000 | class << 20).to_be_bytes();
    [&first[..], &length, &[next, 64], &SRC6, &DST6, payload].concat()
}

/// A TCP header with `data` bytes of payload.
pub(crate) fn tcp(src: u16, dst: u16, flags: u8, data: usize) -> Vec<u8> {
    let ports = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 4, 0, 0, 0, 0, 0], &vec![b'x'; data]].concat()
}

/// A UDP header with `data` as payload.
pub(crate) fn udp(src: u16, dst: u16, data: &[u8]) -> Vec<u8> {
    let length = 8 + data.len() as u16;
    let head: Vec<u8> = [src, dst, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    [&head[..], data].concat()
}

/// TCP over IPv4 in Ethernet.
pub(crate) fn tcp4(src: u16, dst: u16, flags: u8) -> Vec<u8> {
    ethernet(&[0x0800], &ipv4(6, 0, &[], &tcp(src, dst, flags, 0)))
}
