//! Interfaces and namespaces that come and go while a capture runs, and interfaces without an Ethernet header.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    net::UdpSocket,
    os::fd::AsRawFd as _,
    time::Duration,
};

use anyhow::{Result, ensure};
use lab::{Netns, Pair, Tcpdump, files, need, needs, sockets, topology::offloads_off, truth::differences};
use serde_json::Value;

use super::traffic;
use crate::{flows, packets};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn an_interface_that_comes_later_is_watched_and_one_that_goes_is_not_forgotten() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let [a, b] = ["a", "b"].map(|label| Netns::new(label).unwrap());
    let mut capture = flows().args("--log-level info --netns").arg(&a.path().display().to_string()).start().unwrap();
    a.ip(&format!("link add late0 type veth peer name b0 netns {}", b.name())).unwrap();
    for (netns, interface, number) in [(&a, "late0", 1), (&b, "b0", 2)] {
        netns.ip(&format!("addr add 10.60.0.{number}/24 dev {interface}")).unwrap();
        netns.ip(&format!("link set {interface} up")).unwrap();
    }
    capture.wait_for("attached to late0", SOON).unwrap();
    sockets::ping(&a, "10.60.0.2".parse().unwrap(), 4).unwrap();
    a.ip("link del late0").unwrap();
    capture.wait_for("is gone", SOON).unwrap();
    let records = capture.stop().unwrap().files.records().unwrap();
    let of = |kind: u8| {
        records
            .iter()
            .filter(|r| r["IcmpType"] == kind && r["SrcAddr"].as_str().is_some_and(|a| a.starts_with("10.60.")))
            .collect::<Vec<&Value>>()
    };
    for kind in [8, 0] {
        let packets: u64 = of(kind).iter().filter_map(|record| record["Packets"].as_u64()).sum();
        assert_eq!(packets, 4, "{records:#?}");
        assert!(of(kind).iter().all(|record| record["Interfaces"] == serde_json::json!(["late0"])));
    }
}

#[test]
fn a_namespace_that_comes_later_is_watched() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let mut capture = flows().args("--log-level info --netns all").start().unwrap();
    let pair = Pair::new(61).unwrap();
    capture.wait_for(&format!("attached to a0 in {}", pair.a.name()), SOON).unwrap();
    sockets::ping(&pair.a, pair.v4(2), 4).unwrap();
    traffic::settle();
    let name = pair.a.name().to_owned();
    drop(pair);
    traffic::settle();
    let records = capture.stop().unwrap().files.records().unwrap();
    let requests: Vec<_> =
        records.iter().filter(|record| record["SrcAddr"] == "10.61.0.1" && record["IcmpType"] == 8).collect();
    assert_eq!(requests.iter().filter_map(|record| record["Packets"].as_u64()).sum::<u64>(), 4, "{records:#?}");
    assert!(
        requests
            .iter()
            .all(|record| record["NetNs"].as_str().is_some_and(|netns| netns.starts_with(&name[..name.len() - 1]))),
        "{requests:#?}"
    );
}

/// An open tun device; it goes with the file.
fn tun(netns: &Netns, name: &str) -> Result<File> {
    netns.run(|| {
        let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        // SAFETY: all zero is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
        // SAFETY: the request is filled in as TUNSETIFF wants it.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        ensure!(result == 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
        Ok(file)
    })
}

#[test]
fn a_device_without_ethernet_counts_from_the_ip_header() {
    needs!("tcpdump", "tshark");
    let _turn = need::beside_others().unwrap();
    let netns = Netns::new("tun").unwrap();
    let Ok(mut device) = tun(&netns, "tun0") else {
        need::skip("no tun devices here");
        return;
    };
    netns.ip("addr add 10.62.0.1/24 dev tun0").unwrap();
    netns.ip("addr add fd00:62::1/64 dev tun0 nodad").unwrap();
    netns.ip("link set tun0 up").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tcpdump = Tcpdump::start(&netns, "tun0", &directory.path().join("tun.pcap"), &[]).unwrap();
    let counting = flows().of(&netns, "tun0").start().unwrap();
    let taking = packets().of(&netns, "tun0").start().unwrap();
    for target in ["10.62.0.2:6200", "[fd00:62::2]:6200"] {
        let any = if target.starts_with('[') { "[::]:6201" } else { "0.0.0.0:6201" };
        let socket = netns.run(|| Ok(UdpSocket::bind(any)?)).unwrap();
        for size in [10, 1000, 4000] {
            socket.send_to(&vec![b't'; size], target).unwrap();
        }
    }
    // From the other side: the frame without its first 14 bytes.
    let ends = lab::Ends {
        source_mac: [0; 6],
        target_mac: [0; 6],
        source: "10.62.0.2".parse().unwrap(),
        target: "10.62.0.1".parse().unwrap(),
    };
    device.write_all(&ends.udp((6200, 6201), b"back")[14..]).unwrap();
    traffic::settle();
    let ours = counting.stop().unwrap().files.table().unwrap();
    let taken = taking.stop().unwrap().files;
    let dumped = tcpdump.stop().unwrap();
    let truth = dumped.table().unwrap();
    assert!(truth.len() >= 3, "{truth:#?}");
    let differences = differences(&ours, &truth);
    assert!(differences.is_empty(), "{differences:#?}");
    let pcapng = taken.packets().unwrap();
    assert!(
        pcapng.interfaces.iter().all(|interface| interface.link == lab::truth::Link::Raw),
        "{:?}",
        pcapng.interfaces
    );
    let frames: Vec<_> = pcapng.packets.iter().map(|(packet, _)| (packet.len, &packet.data)).collect();
    let theirs = dumped.packets().unwrap();
    assert!(
        theirs
            .iter()
            .filter(|packet| packet.data[0] >> 4 == 4)
            .all(|packet| frames.contains(&(packet.len, &packet.data)))
    );
}

#[test]
fn tunnels_of_modules_are_watched_too() {
    needs!("tcpdump", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    if !need::has_link_kind("ipip") {
        need::skip("this kernel has no ipip devices");
        return;
    }
    if need::kernel() < (5, 14) {
        // Its ipip_rcv leaves the link header at the outer packet, so that is what programs see (mended in Linux 5.14).
        need::skip("this kernel shows programs the outer packet of ipip");
        return;
    }
    let pair = Pair::new(63).unwrap();
    for (netns, own, other) in [(&pair.a, 1, 2), (&pair.b, 2, 1)] {
        netns.ip(&format!("link add tnl0 type ipip local 10.63.0.{own} remote 10.63.0.{other}")).unwrap();
        netns.ip(&format!("addr add 10.64.0.{own}/24 dev tnl0")).unwrap();
        netns.ip("link set tnl0 up").unwrap();
        // A tunnel joins what it receives; tcpdump would see fewer packets than there were.
        lab::netns::run(netns.command("ethtool").args(["-K", "tnl0", "gro", "off", "tso", "off", "gso", "off"]))
            .unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let tcpdump = Tcpdump::start(&pair.a, "tnl0", &directory.path().join("t.pcap"), &[]).unwrap();
    let capture = flows().of(&pair.a, "tnl0").start().unwrap();
    sockets::ping(&pair.a, "10.64.0.2".parse().unwrap(), 4).unwrap();
    sockets::http(&pair.a, &pair.b, "10.64.0.2:8080".parse().unwrap(), 10_000).unwrap();
    traffic::settle();
    let ours = capture.stop().unwrap().files.table().unwrap();
    let truth = tcpdump.stop().unwrap().table().unwrap();
    let differences = differences(&ours, &truth);
    assert!(differences.is_empty() && truth.len() == 4, "{differences:#?} {truth:#?}");
}

#[test]
fn vlan_devices_and_the_device_below_count_once() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    if !need::has_link_kind("vlan") {
        need::skip("this kernel has no VLAN devices");
        return;
    }
    let pair = Pair::new(65).unwrap();
    for (netns, interface, own) in [(&pair.a, "a0", 1), (&pair.b, "b0", 2)] {
        netns.ip(&format!("link add link {interface} name v9 type vlan id 9")).unwrap();
        netns.ip(&format!("addr add 10.66.0.{own}/24 dev v9")).unwrap();
        netns.ip("link set v9 up").unwrap();
        offloads_off(netns, interface).unwrap();
    }
    sockets::ping(&pair.a, "10.66.0.2".parse().unwrap(), 1).unwrap();
    let capture = flows().args("--netns").arg(&pair.a.path().display().to_string()).start().unwrap();
    sockets::ping(&pair.a, "10.66.0.2".parse().unwrap(), 4).unwrap();
    traffic::settle();
    let records = capture.stop().unwrap().files.records().unwrap();
    let requests: Vec<_> =
        records.iter().filter(|record| record["SrcAddr"] == "10.66.0.1" && record["IcmpType"] == 8).cloned().collect();
    let table = files::table(&requests).unwrap();
    let totals: Vec<_> = table.values().collect();
    assert_eq!(totals.iter().map(|totals| totals.packets).collect::<Vec<_>>(), [4], "{requests:#?}");
}
