//! What hellos of TLS and QUIC say.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{Pair, need, needs, netns::run};
use serde_json::{Value, json};

use crate::flows;

/// A server of openssl, which ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(pair: &Pair, address: SocketAddr, directory: &Path) -> Self {
        let [key, certificate] = ["key", "cert"].map(|name| format!("{name}-{}.pem", address.port()));
        let mut request = Command::new("openssl");
        request.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=x",
        ]);
        run(request.args(["-keyout", &key, "-out", &certificate]).current_dir(directory)).unwrap();
        let mut command = pair.b.command("openssl");
        command.args(["s_server", "-accept", &address.to_string(), "-cert", &certificate, "-key", &key, "-quiet"]);
        command.args(["-alpn", "h2,http/1.1"]).current_dir(directory);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self(child)
    }
}

/// What `openssl s_client` says of one connection; waits for the server to be there.
fn client(pair: &Pair, address: SocketAddr, arguments: &str) -> String {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let mut command = pair.a.command("openssl");
        command.args(["s_client", "-connect", &address.to_string()]).args(arguments.split_whitespace());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains("Cipher is") || Instant::now() > until {
            return said;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What follows `label` on its line.
fn word<'a>(said: &'a str, label: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.split_once(label)).unwrap_or_else(|| panic!("{label}: {said}"));
    line.1.trim()
}

/// IANA's name of a cipher suite of openssl.
fn standard_name(name: &str) -> String {
    let output = Command::new("openssl").args(["ciphers", "-stdname", "ALL"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.split_whitespace().nth(2) == Some(name)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// Records to and from a port that say something of TLS: a connection of before the capture has nothing to say.
fn of_server(records: &[Value], port: u16) -> [Vec<&Value>; 2] {
    let says = |record: &&Value| !record["TLSTypes"].is_null();
    ["DstPort", "SrcPort"].map(|key| records.iter().filter(says).filter(|record| record[key] == port).collect())
}

/// The same, once both hellos were there.
fn agreed(records: &[Value], port: u16) -> [Vec<&Value>; 2] {
    of_server(records, port).map(|of_direction| {
        let both = |record: &&Value| !record["TLSCipherSuite"].is_null();
        let agreed: Vec<_> = of_direction.into_iter().filter(both).collect();
        assert!(!agreed.is_empty(), "{port}: {records:#?}");
        agreed
    })
}

#[test]
fn both_directions_say_what_openssl_says() {
    needs!("openssl", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(55).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (three, two) = (SocketAddr::new(pair.v4(2), 443), SocketAddr::new(pair.v6(2), 4430));
    let _servers = [three, two].map(|address| Server::start(&pair, address, directory.path()));
    // Once beforehand: the servers are there.
    client(&pair, three, "");
    client(&pair, two, "");
    let capture = flows().of(&pair.a, "a0").args("--enable-tls").start().unwrap();
    let said3 = client(&pair, three, "-tls1_3 -servername web.example.org -alpn h2,http/1.1");
    let said2 = client(&pair, two, "-tls1_2 -servername old.example.org -alpn http/1.1");
    let records = capture.stop().unwrap().files.records().unwrap();

    for record in agreed(&records, 443).into_iter().flatten() {
        assert_eq!(record["TLSVersion"], "TLS 1.3");
        assert_eq!(record["TLSServerName"], "web.example.org");
        assert_eq!(record["TLSAlpn"], "h2,http/1.1");
        assert_eq!(record["TLSCipherSuite"], word(&said3, "Cipher is"));
        assert_eq!(record["TLSGroup"], word(&said3, "Server Temp Key:").split(',').next().unwrap());
        assert_eq!(record["TLSTypes"], json!(["ClientHello", "ServerHello"]));
    }
    for record in agreed(&records, 4430).into_iter().flatten() {
        assert_eq!(record["TLSVersion"], "TLS 1.2");
        assert_eq!(record["TLSServerName"], "old.example.org");
        assert_eq!(record["TLSAlpn"], word(&said2, "ALPN protocol:"));
        assert_eq!(record["TLSCipherSuite"], standard_name(word(&said2, "Cipher is")));
    }
}

#[test]
fn a_handshake_that_fails_says_so() {
    needs!("openssl", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(56).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let address = SocketAddr::new(pair.v4(2), 8443);
    let _server = Server::start(&pair, address, directory.path());
    client(&pair, address, "");
    let capture = flows().of(&pair.a, "a0").args("--enable-tls").start().unwrap();
    let mut command = pair.a.command("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-servername", "no.example.org", "-alpn", "smtp"]);
    assert!(!command.stdin(Stdio::null()).output().unwrap().status.success());
    let records = capture.stop().unwrap().files.records().unwrap();
    let record = of_server(&records, 8443)[1].last().copied().unwrap();
    assert_eq!(record["TLSServerName"], "no.example.org");
    assert_eq!(record["TLSTypes"], json!(["ClientHello", "Alert NoApplicationProtocol"]));
}

/// A ClientHello as long as one with a post-quantum key: a record of two segments.
fn long_hello(name: &str) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let extension = |kind: u16, data: &[u8]| [&kind.to_be_bytes()[..], &sized(data)].concat();
    let names = sized(&[&[0][..], &sized(name.as_bytes())].concat());
    let key_share = sized(&[&[0x11, 0xec][..], &sized(&[5; 1216])].concat());
    // The name comes last, in the second segment.
    let extensions = [extension(43, &[2, 3, 4]), extension(51, &key_share), extension(0, &names)].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &sized(&[0x13, 1]), &[1, 0], &sized(&extensions)].concat();
    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

#[test]
fn a_hello_over_two_segments_is_one() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(57).unwrap();
    let address = SocketAddr::new(pair.v4(2), 443);
    let listener = pair.b.run(|| Ok(TcpListener::bind(address)?)).unwrap();
    let capture = flows().of(&pair.a, "a0").args("--enable-tls").start().unwrap();
    let reader = thread::spawn(move || {
        for _ in 0..2 {
            let _ = listener.accept().unwrap().0.read_to_end(&mut Vec::new());
        }
    });
    // In the middle, and within the header of the record.
    for (name, cut) in [("split.example.org", 900), ("early.example.org", 3)] {
        let hello = long_hello(name);
        let mut stream = pair.a.run(|| Ok(TcpStream::connect(address)?)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&hello[..cut]).unwrap();
        thread::sleep(Duration::from_millis(60));
        stream.write_all(&hello[cut..]).unwrap();
    }
    reader.join().unwrap();
    let records = capture.stop().unwrap().files.records().unwrap();
    for name in ["split.example.org", "early.example.org"] {
        let of_name: Vec<_> = records.iter().filter(|record| record["TLSServerName"] == name).collect();
        assert!(of_name.iter().any(|record| record["TLSVersion"] == "TLS 1.3"), "{name}: {records:#?}");
    }
}

/// The client's Initial of RFC 9001 appendix A.2.
const INITIAL: &str = include_str!("../../../agent/src/features/tls/quic/client.hex");

#[test]
fn a_quic_initial_names_its_server() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(58).unwrap();
    let address = SocketAddr::new(pair.v4(2), 443);
    let server = pair.b.run(|| Ok(UdpSocket::bind(address)?)).unwrap();
    let digits: Vec<u8> = INITIAL.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, _) = digits.as_chunks::<2>();
    let datagram: Vec<u8> =
        pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    let capture = flows().of(&pair.a, "a0").args("--enable-tls").start().unwrap();
    let client = pair.a.run(|| Ok(UdpSocket::bind(("0.0.0.0", 0))?)).unwrap();
    client.send_to(&datagram, address).unwrap();
    // A short header, and one of a flow that never had a long one.
    client.send_to(&[0x41; 40], address).unwrap();
    let other = pair.a.run(|| Ok(UdpSocket::bind(("0.0.0.0", 0))?)).unwrap();
    other.send_to(&[0x41; 40], address).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let received: Vec<_> = (0..3).map(|_| server.recv(&mut [0; 2048]).unwrap()).collect();
    assert_eq!(received, [1200, 40, 40]);
    let records = capture.stop().unwrap().files.records().unwrap();
    let from = |socket: &UdpSocket| {
        let port = socket.local_addr().unwrap().port();
        records.iter().find(|record| record["SrcPort"] == port).unwrap()
    };
    let record = from(&client);
    assert_eq!((&record["TLSServerName"], &record["QuicVersion"]), (&json!("example.com"), &json!("1")));
    assert_eq!((&record["TLSAlpn"], &record["TLSVersion"]), (&json!("alpn"), &json!("TLS 1.3")));
    assert_eq!((&record["QuicSeenLongHdr"], &record["QuicSeenShortHdr"]), (&json!(1), &json!(1)));
    assert_eq!((&from(&other)["QuicVersion"], &from(&other)["QuicSeenShortHdr"]), (&Value::Null, &Value::Null));
}
