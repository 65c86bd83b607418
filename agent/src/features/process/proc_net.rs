//! The tables of sockets and addresses of one network namespace, as `/proc/PID/net` shows them of any process in it
//! (proc_pid_net(5)): without entering it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket as a table tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) local: (IpAddr, u16),
    pub(super) remote: (IpAddr, u16),
    /// By which descriptors refer to it; 0 where no process has it any more.
    pub(super) inode: u64,
}

/// A line of `tcp`, `tcp6`, `udp` or `udp6`; addresses of IPv4 in IPv6 sockets are told as IPv4.
pub(super) fn socket(line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let local = end(words.nth(1)?)?;
    let remote = end(words.next()?)?;
    // state, queues, timer, retransmissions, user, timeout
    let inode = words.nth(6)?.parse().ok()?;
    Some(Socket { local, remote, inode })
}

/// `0100007F:0016`: words of four bytes as they lie in memory, then the port.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    Some((words(address)?, u16::from_str_radix(port, 16).ok()?))
}

fn words(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (place, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(8 * place)?);
            }
            Some(IpAddr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// Local addresses in `fib_trie`: a leaf, then a line that says so.
pub(in crate::features) fn addresses_v4(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    table.lines().filter_map(move |line| {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.trim().parse().ok();
            return None;
        }
        line.ends_with("host LOCAL").then_some(leaf).flatten()
    })
}

/// Local addresses in `if_inet6`.
pub(in crate::features) fn addresses_v6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    let address = |line: &str| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok();
    table.lines().filter_map(address).map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_both_families_are_read() {
        let v4 = "   1: 0100007F:0016 0200000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0";
        let read = socket(v4).unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(read.local, ("127.0.0.1".parse().unwrap(), 22));
            assert_eq!(read.remote, ("10.0.0.2".parse().unwrap(), 49_153));
        }
        assert_eq!(read.inode, 4711);
        let v6 = "  0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 12 2 x 0";
        assert_eq!(socket(v6).unwrap().local, ("::".parse().unwrap(), 53));
        assert_eq!(
            socket("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"),
            None
        );
    }

    #[test]
    fn the_kernel_s_own_table_has_our_socket() {
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = ours.local_addr().unwrap().port();
        let table = std::fs::read_to_string("/proc/self/net/udp").unwrap();
        let found = table.lines().filter_map(socket).find(|socket| socket.local.1 == port).unwrap();
        assert_eq!(found.local.0, ours.local_addr().unwrap().ip());
        assert!(found.inode > 0);
        let trie = std::fs::read_to_string("/proc/self/net/fib_trie").unwrap();
        assert!(addresses_v4(&trie).any(|address| address.is_loopback()));
    }

    #[test]
    fn addresses_that_are_not_local_are_left_out() {
        let trie = "Local:\n  +-- 10.0.0.0/24 2 0 2\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n";
        assert_eq!(addresses_v4(trie).collect::<Vec<_>>(), [Ipv4Addr::new(10, 0, 0, 7)]);
        let v6 = "fe80000000000000000000fffe000001 02 40 20 80 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
        assert_eq!(addresses_v6(v6).count(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", words in "[0-9A-F: ]{0,80}") {
            let _ = (socket(&text), socket(&words));
            let _ = (addresses_v4(&text).count(), addresses_v6(&text).count());
        }
    }
}
