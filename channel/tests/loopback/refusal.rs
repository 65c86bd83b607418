//! Whoever is none of ours stays outside, and is counted.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use channel::{Identity, Server, certs, client};
use flow::control::Hello;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use crate::support::{CERTS, agent, collector, eventually, hello, options};

fn last(server: &Server, total: u64) -> String {
    eventually("it is refused", || server.refused().total == total);
    server.refused().last.last().unwrap().why.clone()
}

/// Connects as TLS 1.3 client that trusts our CA and shows no certificate.
fn without_certificate(address: SocketAddr) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTS.ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(certs::COLLECTOR).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let _ = stream.write_all(&[1, 0, 0, 0, 1]);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn no_certificate_a_foreign_one_and_no_tls_at_all_are_refused_and_counted() {
    let (server, arrivals) = collector();
    assert_eq!(without_certificate(server.address()), b"");
    assert_eq!(last(&server, 1), "it showed no certificate");

    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(last(&server, 2), "what it sent is not TLS");

    drop(TcpStream::connect(server.address()).unwrap());
    assert_eq!(last(&server, 3), "it hung up within the TLS handshake");
    assert!(server.agents().is_empty() && arrivals.sinks() == 0);

    // Afterwards one of ours comes in.
    let _agent = agent(server.address(), "n1", 1);
    assert_eq!(server.refused().total, 3);
}

#[test]
fn certificates_of_another_capture_are_refused_by_both_ends() {
    let (server, _arrivals) = collector();
    let foreign = certs::issue("another").unwrap();
    // It trusts our collector but is not one of ours.
    let identity = Identity { ca_pem: CERTS.ca_pem.clone(), own: foreign.agent.clone() };
    let silence = Duration::from_millis(900);
    let options = client::Options { identity, silence, ..options(server.address(), "n1", 1) };
    let error = client::connect(options.clone()).unwrap_err().to_string();
    assert!(error.contains(": it does not trust our certificate"), "{error}");
    let attempts = server.refused().total;
    assert!(attempts >= 2 && last(&server, attempts).contains("is not one of this capture"), "{:?}", server.refused());
    // It does not trust our collector.
    let identity = Identity { ca_pem: foreign.ca_pem.clone(), own: foreign.agent };
    let error = client::connect(client::Options { identity, ..options.clone() }).unwrap_err().to_string();
    assert!(error.contains(": its certificate is not one of this capture"), "{error}");
    assert!(server.refused().last.last().unwrap().why.starts_with("it does not trust our certificate"));
    // An agent's certificate is none for a collector.
    let identity = Identity { ca_pem: CERTS.ca_pem.clone(), own: CERTS.collector.clone() };
    assert!(client::connect(client::Options { identity, ..options }).is_err());
    assert!(server.agents().is_empty());
}

#[test]
fn whoever_is_slow_is_put_out_and_holds_up_nobody() {
    let (server, _arrivals) = collector();
    let begun = Instant::now();
    let mut slow: Vec<_> = (0..20).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let _agent = agent(server.address(), "n1", 1);
    assert!(begun.elapsed() < Duration::from_secs(3), "others do not wait");
    assert_eq!(slow[0].read(&mut [0; 9]).unwrap(), 0, "hung up");
    assert!(begun.elapsed() > Duration::from_secs(9));
    assert_eq!(last(&server, 20), "it said nothing of sense within 10 s");
    assert_eq!(server.refused().last.len(), 16, "the last few");
}

#[test]
fn another_version_is_told_why() {
    let (server, _arrivals) = collector();
    let hello = Hello { version: "0.0.9".to_owned(), ..hello("n1", 1) };
    let error =
        client::connect(client::Options { hello, ..options(server.address(), "n1", 1) }).unwrap_err().to_string();
    assert!(error.starts_with("the collector refuses this agent: agent 0.0.9 (wire 1."), "{error}");
    assert!(error.ends_with("are not of one build; both have to run the same executable"), "{error}");
    assert!(last(&server, 1).contains("0.0.9"));
}
