//! The ground truth itself: what the senders claim to have sent is what tcpdump took. Needs root.

#![cfg(target_os = "linux")]

mod kernel_ground {
    use lab::{Pair, RawSocket, Tcpdump, frame::Shape, need, needs, raw};

    #[test]
    fn tcpdump_takes_exactly_the_frames_that_the_sender_counts() {
        needs!("tcpdump", "ethtool");
        let _turn = need::beside_others().unwrap();
        let pair = Pair::new(101).unwrap();
        pair.silence().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), &[]).unwrap();
        let socket = RawSocket::open(&pair.a, "a0").unwrap();
        let template = pair.ends4().udp((1000, 2000), &[0; 64]);
        let sent = raw::paced(&socket, &template, 20_000, None, |n, frame| {
            let at = frame.len() - 8;
            frame[at..].copy_from_slice(&n.to_be_bytes());
        })
        .unwrap();
        let dumped = tcpdump.stop().unwrap();
        let mut expected = 0;
        dumped
            .each(|_, packet| {
                // What IPv6 still had to say when it was switched off is shorter.
                if packet.data.len() == template.len() {
                    let number = u64::from_be_bytes(packet.data[template.len() - 8..].try_into().unwrap());
                    assert_eq!(number, expected);
                    expected += 1;
                }
            })
            .unwrap();
        assert_eq!(expected, sent.frames);
        let passed = ["tx_packets", "tx_dropped"].map(|name| pair.a.statistic("a0", name).unwrap());
        assert!((sent.frames..sent.frames + 10).contains(&(passed[0] + passed[1])), "{passed:?} {sent:?}");
    }

    #[test]
    fn later_fragments_are_counted_with_the_first() {
        needs!("tcpdump", "ethtool");
        let _turn = need::beside_others().unwrap();
        let pair = Pair::new(102).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), &[]).unwrap();
        for address in [pair.v4(2), pair.v6(2)] {
            lab::sockets::datagrams(&pair.a, &pair.b, (address, 5000).into(), &[4000, 100, 9000]).unwrap();
            lab::sockets::ping(&pair.a, address, 2).unwrap();
            lab::sockets::http(&pair.a, &pair.b, (address, 8080).into(), 50_000).unwrap();
            lab::sockets::closed_port(&pair.a, (address, 81).into()).unwrap();
        }
        let socket = RawSocket::open(&pair.a, "a0").unwrap();
        let qinq = Shape { tags: vec![(0x88a8, 7), (0x8100, 9)], ..Shape::default() };
        socket.send(&pair.ends4().udp_in(&qinq, (7, 7), b"tagged twice")).unwrap();
        let table = tcpdump.stop().unwrap().table().unwrap();
        let large: Vec<_> = table.iter().filter(|(t, _)| t.selector.is_some_and(|s| s.1 == 5000)).collect();
        assert_eq!(large.len(), 2, "{table:#?}");
        // 4000 bytes are 3 fragments, 9000 are 7 (1480 or 1448 a fragment).
        assert!(large.iter().all(|(_, totals)| totals.packets == 3 + 1 + 7), "{large:?}");
        assert!(table.keys().any(|t| t.selector == Some((7, 7))));
        assert!(table.keys().all(|t| t.selector.is_some()), "{table:#?}");
    }
}
