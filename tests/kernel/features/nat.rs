//! Translated addresses: what the sockets at both ends say they are connected to, against what records name.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{Capture, Netns, capture::Running, need, needs};
use serde_json::{Value, json};

use crate::flows;

/// A client, a router that translates, and a server: 10.(net).1.0/24 and 10.(net).2.0/24, fd(net):1::/64 and fd(net):2::/64.
struct Routed {
    client: Netns,
    router: Netns,
    server: Netns,
    net: u8,
}

/// The two ends of one direction.
type Ends = (SocketAddr, SocketAddr);

impl Routed {
    /// With rules of nftables; `VIP` stands for the Service-like address, `SERVER` for the server's, `ROUTER` for another of the
    /// router's.
    fn new(net: u8, family: &str, rules: &str) -> Result<Self> {
        let [client, router, server] = [Netns::new("client")?, Netns::new("router")?, Netns::new("server")?];
        let lan = Self { client, router, server, net };
        lan.join(&lan.client, "client", 1)?;
        lan.join(&lan.server, "server", 2)?;
        for name in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            lan.router.sysctl(name, "1")?;
        }
        let is_v4 = family == "ip";
        let words = [("VIP", lan.vip(is_v4)), ("SERVER", lan.server(is_v4)), ("ROUTER", lan.address(is_v4, 2, 9))];
        let rules =
            words.iter().fold(rules.to_owned(), |rules, (word, address)| rules.replace(word, &address.to_string()));
        let (prefix, length) = (lan.address(is_v4, 2, 9), if is_v4 { 24 } else { 64 });
        lan.router.ip(&format!("addr add {prefix}/{length} dev server {}", if is_v4 { "" } else { "nodad" }))?;
        lan.nft(&format!("table {family} nat {{ {rules} }}"))?;
        Ok(lan)
    }

    fn join(&self, end: &Netns, name: &str, subnet: u8) -> Result<()> {
        self.router.ip(&format!("link add {name} type veth peer name eth0 netns {}", end.name()))?;
        for (netns, interface, host) in [(&self.router, name, 1), (end, "eth0", 2)] {
            netns.ip(&format!("addr add {}/24 dev {interface}", self.address(true, subnet, host)))?;
            netns.ip(&format!("addr add {}/64 dev {interface} nodad", self.address(false, subnet, host)))?;
            netns.ip(&format!("link set {interface} up"))?;
        }
        for is_v4 in [true, false] {
            end.ip(&format!("route add default via {}", self.address(is_v4, subnet, 1)))?;
        }
        Ok(())
    }

    fn nft(&self, rules: &str) -> Result<()> {
        let mut child = self.router.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        // A block has to end its line.
        child.stdin.take().context("stdin")?.write_all(rules.replace('}', "}\n").as_bytes())?;
        ensure!(child.wait()?.success(), "nft refused {rules}");
        Ok(())
    }

    fn address(&self, is_v4: bool, subnet: u8, host: u8) -> IpAddr {
        let net = self.net;
        if is_v4 {
            return [10, net, subnet, host].into();
        }
        IpAddr::from([0xfd00 | u16::from(net), u16::from(subnet), 0, 0, 0, 0, 0, u16::from(host)])
    }

    fn server(&self, is_v4: bool) -> IpAddr {
        self.address(is_v4, 2, 2)
    }

    /// Nobody has this address: packets to it go to the router, by the default route.
    fn vip(&self, is_v4: bool) -> IpAddr {
        self.address(is_v4, 99, 1)
    }

    /// Looks at the router.
    fn capture(&self) -> Capture {
        let path = self.router.path().display().to_string();
        flows().args("--enable-pkt-translation --netns").arg(&path)
    }

    /// A connection with a few bytes both ways that stays: the sockets.
    fn connect(&self, to: SocketAddr, listen: SocketAddr) -> Result<(TcpStream, TcpStream)> {
        let listener = self.server.run(|| Ok(TcpListener::bind(listen)?))?;
        let client = self.client.run(|| Ok(TcpStream::connect_timeout(&to, Duration::from_secs(5))?))?;
        let (server, _) = listener.accept()?;
        exchange(&client, &server)?;
        Ok((client, server))
    }

    /// A datagram there and one back: ends as the client has them, ends as the server has them.
    fn ask(&self, to: SocketAddr, listen: SocketAddr) -> Result<(Ends, Ends)> {
        let any = SocketAddr::new(if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() }, 0);
        let server = self.server.run(|| Ok(UdpSocket::bind(listen)?))?;
        let client = self.client.run(|| {
            let socket = UdpSocket::bind(any)?;
            socket.connect(to)?;
            Ok(socket)
        })?;
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        }
        client.send(b"question")?;
        let (_, from) = server.recv_from(&mut [0; 64])?;
        server.send_to(b"answer", from)?;
        client.recv(&mut [0; 64])?;
        Ok(((client.local_addr()?, to), (from, listen)))
    }
}

fn exchange(mut client: &TcpStream, mut server: &TcpStream) -> Result<()> {
    client.write_all(b"question")?;
    server.read_exact(&mut [0; 8])?;
    server.write_all(b"answer")?;
    client.read_exact(&mut [0; 6])?;
    Ok(())
}

/// What the client's and the server's socket say.
fn truth((client, server): &(TcpStream, TcpStream)) -> Result<(Ends, Ends)> {
    Ok(((client.local_addr()?, client.peer_addr()?), (server.peer_addr()?, server.local_addr()?)))
}

const fn reversed((source, destination): Ends) -> Ends {
    (destination, source)
}

fn ends(record: &Value, prefix: &str) -> Option<Ends> {
    let end = |which: &str| {
        let address = record[format!("{prefix}{which}Addr")].as_str()?.parse().ok()?;
        Some(SocketAddr::new(address, record[format!("{prefix}{which}Port")].as_u64()? as u16))
    };
    Some((end("Src")?, end("Dst")?))
}

/// Every record of the four directions names the other side, and each direction was recorded.
fn check(records: &[Value], proto: u8, (before, after): (Ends, Ends)) {
    assert_ne!(before, after, "nothing was translated: the test itself fails");
    let pairs =
        [(before, after), (after, before), (reversed(before), reversed(after)), (reversed(after), reversed(before))];
    for (tuple, other) in pairs {
        let of_tuple = records.iter().filter(|record| record["Proto"] == proto && ends(record, "") == Some(tuple));
        let found: Vec<&Value> = of_tuple.collect();
        assert!(!found.is_empty(), "no record of {tuple:?}: {records:#?}");
        for record in found {
            assert_eq!(ends(record, "Xlat"), Some(other), "{record}");
            assert_eq!(record["ZoneId"], 0, "{record}");
        }
    }
}

/// At least one record of the first direction names the other side.
fn assert_named(records: &[Value], (before, after): (Ends, Ends)) {
    let mut named = records.iter().filter(|record| ends(record, "") == Some(before));
    assert!(named.any(|record| ends(record, "Xlat") == Some(after)), "{records:#?}");
}

fn records(capture: Running) -> Vec<Value> {
    let finished = capture.stop().unwrap();
    for name in ["lost_translations", "event_overflows"] {
        assert_eq!(finished.files.counter(name).unwrap_or(0), 0, "{name}");
    }
    finished.files.records().unwrap()
}

const DNAT: &str = "chain in { type nat hook prerouting priority -100; \
     meta l4proto tcp ip daddr VIP tcp dport 80 dnat to SERVER:8080; \
     meta l4proto udp ip daddr VIP udp dport 53 dnat to SERVER:5353; }";

#[test]
fn a_service_like_address_and_the_server_behind_it_are_named_by_all_four_directions() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let lan = Routed::new(71, "ip", DNAT).unwrap();
    let capture = lan.capture().start().unwrap();
    let (vip, server) = (lan.vip(true), lan.server(true));
    let tcp = lan.connect((vip, 80).into(), (server, 8080).into()).unwrap();
    let udp = lan.ask((vip, 53).into(), (server, 5353).into()).unwrap();
    // Without translation there is no other side.
    let plain = lan.ask((server, 7000).into(), (server, 7000).into()).unwrap();
    let records = records(capture);
    check(&records, 6, truth(&tcp).unwrap());
    check(&records, 17, udp);
    let direct = records.iter().find(|record| ends(record, "") == Some(plain.0)).unwrap();
    assert_eq!(direct["XlatSrcAddr"], json!(null));
}

#[test]
fn source_translation_and_both_translations_name_the_client_as_the_server_sees_it() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let rules = format!(
        "{DNAT} chain out {{ type nat hook postrouting priority 100; \
         udp dport 7000 snat to ROUTER:9000; oifname \"server\" masquerade; }}"
    );
    let lan = Routed::new(72, "ip", &rules).unwrap();
    let capture = lan.capture().start().unwrap();
    let (vip, server) = (lan.vip(true), lan.server(true));
    let both = lan.connect((vip, 80).into(), (server, 8080).into()).unwrap();
    let masqueraded = lan.connect((server, 8081).into(), (server, 8081).into()).unwrap();
    let source = lan.ask((server, 7000).into(), (server, 7000).into()).unwrap();
    let records = records(capture);
    assert_eq!(source.1.0, (lan.address(true, 2, 9), 9000).into(), "the rule itself");
    check(&records, 6, truth(&both).unwrap());
    check(&records, 6, truth(&masqueraded).unwrap());
    check(&records, 17, source);
}

#[test]
fn ipv6_is_translated_and_named_like_ipv4() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let rules = "chain in { type nat hook prerouting priority -100; ip6 daddr VIP tcp dport 80 dnat to [SERVER]:8080; \
                 ip6 daddr VIP udp dport 53 dnat to [SERVER]:5353; } \
                 chain out { type nat hook postrouting priority 100; oifname \"server\" masquerade; }";
    let lan = Routed::new(73, "ip6", rules).unwrap();
    let capture = lan.capture().start().unwrap();
    let (vip, server) = (lan.vip(false), lan.server(false));
    let tcp = lan.connect((vip, 80).into(), (server, 8080).into()).unwrap();
    let udp = lan.ask((vip, 53).into(), (server, 5353).into()).unwrap();
    let records = records(capture);
    check(&records, 6, truth(&tcp).unwrap());
    check(&records, 17, udp);
}

#[test]
fn a_connection_from_before_the_capture_is_known() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let lan = Routed::new(74, "ip", DNAT).unwrap();
    let sockets = lan.connect((lan.vip(true), 80).into(), (lan.server(true), 8080).into()).unwrap();
    let capture = lan.capture().start().unwrap();
    exchange(&sockets.0, &sockets.1).unwrap();
    check(&records(capture), 6, truth(&sockets).unwrap());
}

#[test]
fn a_connection_is_named_when_the_kernel_has_forgotten_it() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let lan = Routed::new(75, "ip", DNAT).unwrap();
    for name in ["net/netfilter/nf_conntrack_udp_timeout", "net/netfilter/nf_conntrack_udp_timeout_stream"] {
        lan.router.sysctl(name, "1").unwrap();
    }
    let capture = lan.capture().args("--cache-active-timeout 4s").start().unwrap();
    // The first record is made early: the question comes after it.
    std::thread::sleep(Duration::from_millis(600));
    let question = lan.ask((lan.vip(true), 53).into(), (lan.server(true), 5353).into()).unwrap();
    std::thread::sleep(Duration::from_millis(2200));
    let table = need::output_of(lan.router.command("cat").arg("/proc/net/nf_conntrack")).unwrap();
    assert!(!table.contains("dport=53 "), "the kernel has not forgotten it: {table}");
    check(&records(capture), 17, question);
}

#[test]
fn without_events_lists_are_read_and_that_is_said() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let lan = Routed::new(78, "ip", DNAT).unwrap();
    lan.router.sysctl("net/netfilter/nf_conntrack_events", "0").unwrap();
    let capture = lan.capture().start().unwrap();
    let sockets = lan.connect((lan.vip(true), 80).into(), (lan.server(true), 8080).into()).unwrap();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(250));
        exchange(&sockets.0, &sockets.1).unwrap();
    }
    let finished = capture.stop().unwrap();
    assert!(finished.stderr.iter().any(|line| line.contains("nf_conntrack_events is 0")), "{:?}", finished.stderr);
    assert_named(&finished.files.records().unwrap(), truth(&sockets).unwrap());
}

#[test]
fn what_the_kernel_had_no_room_to_tell_is_read_anew_and_said() {
    needs!("nft", "ip");
    if need::is_short() {
        return need::skip("a flood of 60,000 connections takes too long here");
    }
    let _turn = need::beside_others().unwrap();
    let lan = Routed::new(79, "ip", DNAT).unwrap();
    let (vip, server) = (lan.vip(true), lan.server(true));
    let capture = lan.capture().args("--protocol TCP").start().unwrap();
    capture.signal(libc::SIGSTOP);
    let flood = lan.client.run(|| {
        for port in 2000..62_000 {
            UdpSocket::bind((lan.address(true, 1, 2), port))?.send_to(b"question", (vip, 53))?;
        }
        Ok(())
    });
    flood.unwrap();
    let sockets = lan.connect((vip, 80).into(), (server, 8080).into()).unwrap();
    capture.signal(libc::SIGCONT);
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(250));
        exchange(&sockets.0, &sockets.1).unwrap();
    }
    let finished = capture.stop().unwrap();
    assert!(finished.files.counter("event_overflows").unwrap() >= 1, "the flood was too small");
    assert_named(&finished.files.records().unwrap(), truth(&sockets).unwrap());
}

#[test]
fn echoes_are_matched_by_their_addresses() {
    needs!("nft", "ip", "ping");
    let _turn = need::beside_others().unwrap();
    let rules = "chain out { type nat hook postrouting priority 100; oifname \"server\" masquerade; }";
    let lan = Routed::new(76, "ip", rules).unwrap();
    let capture = lan.capture().start().unwrap();
    lab::sockets::ping(&lan.client, lan.server(true), 2).unwrap();
    let records = records(capture);
    let [client, server, router] = [(1, 2), (2, 2), (2, 1)].map(|(net, host)| lan.address(true, net, host).to_string());
    for (source, destination, other) in [(&client, &server, [&router, &server]), (&server, &router, [&server, &client])]
    {
        let found = records.iter().find(|record| record["SrcAddr"] == **source && record["DstAddr"] == **destination);
        let found = found.unwrap_or_else(|| panic!("no record of {source} to {destination}: {records:#?}"));
        let named = ["XlatSrcAddr", "XlatDstAddr"].map(|key| found[key].as_str().unwrap_or_default());
        assert_eq!(named, other.map(String::as_str), "{found}");
        assert_eq!(found["XlatSrcPort"], json!(null));
    }
}

#[test]
fn a_row_of_a_namespace_behind_a_veth_pair_names_what_its_node_translates() {
    needs!("nft", "ip");
    let _turn = need::beside_others().unwrap();
    let lan = Routed::new(77, "ip", DNAT).unwrap();
    let capture = flows().args("--enable-pkt-translation --netns all --interfaces eth0").start().unwrap();
    let sockets = lan.connect((lan.vip(true), 80).into(), (lan.server(true), 8080).into()).unwrap();
    // Only the ends of the veth pairs in the client's and in the server's namespace are looked at.
    check(&records(capture), 6, truth(&sockets).unwrap());
}
