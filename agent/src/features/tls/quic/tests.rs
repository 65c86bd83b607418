use proptest::prelude::*;
use rustls::quic::Keys;

use super::*;
use crate::features::tls::hello::{Said, handshake_message, tests::client_hello};

/// The client's Initial of RFC 9001 appendix A.2, and the server's of A.3.
const CLIENT: &str = include_str!("client.hex");
const SERVER: &str = include_str!("server.hex");
/// Destination id of the former.
const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hello(frames: &[u8]) -> Said {
    let mut handshake = Vec::new();
    crypto(frames, |position, bytes| {
        assert_eq!(position, handshake.len() as u64);
        handshake.extend_from_slice(bytes);
    })
    .unwrap();
    handshake_message(&handshake).unwrap().remove(0)
}

#[test]
fn the_example_of_the_standard_is_opened() {
    let datagram = bytes(CLIENT);
    assert_eq!((datagram.len(), is_long(&datagram), version(&datagram)), (1200, true, Some(1)));
    let initial = initials(&datagram).next().unwrap();
    assert_eq!(initial.destination, ID);
    let Said::Client(said) = hello(&initial.open(&ID, Sender::Client).unwrap()) else { panic!("no client") };
    assert_eq!((said.server_name.as_deref(), said.alpn.as_deref()), (Some("example.com"), Some("alpn")));
    assert_eq!(initial.open(&ID, Sender::Server), None);
    assert_eq!(initial.open(&[0; 8], Sender::Client), None);

    let answer = bytes(SERVER);
    let initial = initials(&answer).next().unwrap();
    let Said::Server(said) = hello(&initial.open(&ID, Sender::Server).unwrap()) else { panic!("no server") };
    assert_eq!((said.version, said.cipher_suite, said.group), (0x0304, 0x1301, Some(0x1d)));
}

/// An Initial of a client, as rustls protects it.
fn initial(wire: u32, version: Version, first: u8, frames: &[u8]) -> Vec<u8> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap().quic_suite().unwrap();
    let keys: Keys = suite.keys(&ID, Side::Client, version);
    let mut payload = frames.to_vec();
    payload.resize(frames.len().max(64), 0);
    let length = (payload.len() + 16 + 2) as u16 | 0x4000;
    let mut packet =
        [&[first | 1][..], &wire.to_be_bytes(), &[8], &ID, &[0, 0], &length.to_be_bytes(), &[0, 3]].concat();
    let number = packet.len() - 2;
    let tag = keys.local.packet.encrypt_in_place(3, &packet, &mut payload).unwrap();
    packet.extend(payload);
    packet.extend(tag.as_ref());
    let (head, sampled) = packet.split_at_mut(number + TO_SAMPLE);
    let (first, rest) = head.split_first_mut().unwrap();
    keys.local.header.encrypt_in_place(&sampled[..SAMPLE], first, &mut rest[number - 1..]).unwrap();
    packet
}

fn frame(position: u8, bytes: &[u8]) -> Vec<u8> {
    [&[6, position][..], &(bytes.len() as u16 | 0x4000).to_be_bytes(), bytes].concat()
}

#[test]
fn versions_two_and_the_last_drafts_are_opened_and_packets_that_share_a_datagram() {
    let message = client_hello("quic.example.org", &["h3"], &[0x0304]);
    for (wire, version, first) in [(VERSION_2, Version::V2, 0xd0), (0xff00_001d, Version::V1Draft, 0xc0)] {
        // Acknowledgement, ping and padding before it.
        let frames = [&[2, 1, 0, 0, 1, 1, 0, 0][..], &frame(0, &message)].concat();
        let datagram = initial(wire, version, first, &frames).repeat(2);
        let all: Vec<_> = initials(&datagram).collect();
        assert_eq!(all.len(), 2);
        let Said::Client(said) = hello(&all[1].open(&ID, Sender::Client).unwrap()) else { panic!("no client") };
        assert_eq!(said.server_name.as_deref(), Some("quic.example.org"));
    }
}

#[test]
fn versions_have_names() {
    let names = [1, VERSION_2, 0xff00_001d, 5].map(version_name);
    assert_eq!(names.map(|name| name.to_string()), ["1", "2", "draft-29", "0x00000005"]);
}

proptest! {
    #[test]
    fn any_datagram_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for start in [vec![], vec![0xc3, 0, 0, 0, 1], vec![0xd3, 0x6b, 0x33, 0x43, 0xcf]] {
            let datagram = [start, bytes.clone()].concat();
            for initial in initials(&datagram) {
                let _ = initial.open(initial.destination, Sender::Client);
            }
        }
        let _ = crypto(&bytes, |_, _| {});
    }

    #[test]
    fn a_packet_with_any_byte_changed_is_refused(at in 0_usize..1200, by in 1_u8..) {
        let mut datagram = bytes(CLIENT);
        datagram[at] ^= by;
        prop_assert!(initials(&datagram).all(|initial| initial.open(initial.destination, Sender::Client).is_none()));
    }
}
