//! The proxy that tests cut, by itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use lab::proxy::Proxy;

/// A server that sends back what it is sent.
fn echo() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.try_clone().unwrap();
    thread::spawn(move || {
        for stream in server.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut &stream));
        }
    });
    listener
}

fn ask(stream: &mut TcpStream, size: usize) -> std::io::Result<()> {
    let mut back = vec![0; size];
    stream.write_all(&vec![7; size])?;
    stream.read_exact(&mut back)
}

#[test]
fn what_passes_is_counted_and_a_cut_is_felt() {
    let listener = echo();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    ask(&mut stream, 1000).unwrap();
    let passed = proxy.passed();
    assert_eq!((passed.connections, passed.up, passed.down), (1, 1000, 1000));
    proxy.cut();
    assert!(ask(&mut stream, 1000).is_err());
    ask(&mut TcpStream::connect(proxy.address()).unwrap(), 10).unwrap();
    proxy.refuse(true);
    assert!(TcpStream::connect(proxy.address()).and_then(|mut stream| ask(&mut stream, 10)).is_err());
}

#[test]
fn a_slow_line_is_slow_and_a_frozen_one_is_silent() {
    let listener = echo();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    proxy.throttle(Some(100_000));
    let started = Instant::now();
    ask(&mut stream, 50_000).unwrap();
    let took = started.elapsed();
    assert!(took > Duration::from_millis(450) && took < Duration::from_secs(3), "{took:?}");
    proxy.throttle(None);
    proxy.freeze(true);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(ask(&mut stream, 10).is_err());
    proxy.freeze(false);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.read_exact(&mut [0; 10]).unwrap();
}
