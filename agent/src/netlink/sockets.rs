//! TCP sockets of this namespace (sock_diag(7), include/uapi/linux/inet_diag.h).

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use flow::control::Connection;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::{Message, Requests, attributes::Attributes};

/// `SOCK_DIAG_BY_FAMILY`, kind of requests and answers.
const BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
/// Asks for attribute [`INFO`].
const WITH_INFO: u8 = 1 << (INFO - 1);
/// `INET_DIAG_INFO`: `struct tcp_info`.
const INFO: u16 = 2;
/// `1 << TCP_ESTABLISHED`.
const ESTABLISHED: u32 = 1 << 1;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
/// Where in it, and in `struct inet_diag_msg`, the ends of the socket are: ports, then addresses, network byte order.
const REQUEST_ENDS: usize = 8;
const ENDS: usize = 4;
/// `struct inet_diag_msg`.
const HEADER: usize = 72;
/// `tcp_info.tcpi_bytes_acked` (Linux 4.1).
const BYTES_ACKED: usize = 120;

/// Established TCP connections with this local port in the network namespace of the calling thread. Addresses of IPv4 in IPv6
/// sockets are told as IPv4. Needs no rights.
///
/// # Errors
/// The kernel does not answer (it has no sock_diag for TCP).
pub fn connections(port: u16) -> io::Result<Vec<Connection>> {
    let mut requests = Requests::of(NETLINK_SOCK_DIAG)?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let messages = requests.dump(BY_FAMILY, &request(family as u8, port))?;
        // An old kernel without the filter by port tells all sockets.
        found.extend(messages.iter().filter_map(connection).filter(|found| found.local.port() == port));
    }
    Ok(found)
}

fn request(family: u8, port: u16) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    request[..4].copy_from_slice(&[family, TCP, WITH_INFO, 0]);
    request[4..8].copy_from_slice(&ESTABLISHED.to_ne_bytes());
    request[REQUEST_ENDS..REQUEST_ENDS + 2].copy_from_slice(&port.to_be_bytes());
    request
}

fn connection(message: &Message) -> Option<Connection> {
    let body = message.body.as_slice();
    let (ends, attributes) = (body.get(ENDS..)?, Attributes(body.get(HEADER..)?));
    let family = *body.first()?;
    let end = |port: usize, ip: usize| Some(SocketAddr::new(address(family, ends.get(ip..)?)?, be16(ends, port)?));
    let acked = attributes.find(INFO).and_then(|info| info.get(BYTES_ACKED..BYTES_ACKED + 8));
    Some(Connection {
        local: end(0, 4)?,
        remote: end(2, 20)?,
        acked: acked.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes),
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    if i32::from(family) == libc::AF_INET {
        let octets: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        return Some(octets.into());
    }
    let octets: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
    Some(IpAddr::from(octets).to_canonical())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use proptest::prelude::*;

    use super::*;

    /// A connection from the second address to a listener at the first, with what is told of it.
    fn told(listen: &str, connect: &str) -> (Vec<Connection>, SocketAddr) {
        let listener = TcpListener::bind((listen, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect((connect, port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(&[7; 1000]).unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
        (connections(port).unwrap(), client.local_addr().unwrap())
    }

    #[test]
    fn connections_of_a_port_are_told_with_what_the_other_end_acknowledged() {
        let (found, remote) = told("127.0.0.1", "127.0.0.1");
        let [Connection { local, remote: other, acked }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((local.ip(), *other, *acked), ("127.0.0.1".parse().unwrap(), remote, 1000));
    }

    #[test]
    fn addresses_of_ipv4_in_ipv6_sockets_are_told_as_ipv4() {
        if TcpListener::bind("[::1]:0").is_err() {
            println!("SKIP addresses_of_ipv4_in_ipv6_sockets_are_told_as_ipv4: no IPv6");
            return;
        }
        let (found, remote) = told("::", "127.0.0.1");
        assert_eq!(found.iter().map(|found| found.remote).collect::<Vec<_>>(), [remote]);
        let (found, remote) = told("::", "::1");
        assert_eq!(found.iter().map(|found| found.remote).collect::<Vec<_>>(), [remote]);
    }

    #[test]
    fn a_port_that_nobody_is_connected_to_has_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(connections(listener.local_addr().unwrap().port()).unwrap(), []);
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            connection(&Message { kind: BY_FAMILY, body });
        }
    }
}
