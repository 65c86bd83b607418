//! The plain server for the bootstrap stage.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{any_port, eventually};

fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn a_file_goes_out_whole_and_what_is_not_there_is_zero_bytes_long() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x86_64");
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| ((n * 7) >> 3) as u8).collect();
    std::fs::write(&path, &content).unwrap();
    let lookup = move |arch: &str| (arch == "x86_64").then(|| path.clone());
    let server = channel::executables::serve(any_port(), Box::new(lookup)).unwrap();
    let expected = [b"3000000\n", &*content].concat();
    let both: Vec<_> = (0..40)
        .map(|_| {
            let address = server.address();
            std::thread::spawn(move || ask(address, b"GET x86_64\n"))
        })
        .collect();
    for one in both {
        assert!(one.join().unwrap() == expected);
    }
    assert_eq!(ask(server.address(), b"GET aarch64\n"), b"0\n");
    for request in [&b"GET ../../etc/passwd\n"[..], b"GET \n", b"POST x\n", b"\xff\xff\n", &[b'a'; 200]] {
        assert_eq!(ask(server.address(), request), b"", "{request:?}");
    }
    eventually("40 are counted", || server.served() == 40);
}

#[test]
fn whoever_asks_nothing_is_put_out() {
    let server = channel::executables::serve(any_port(), Box::new(|_: &str| None)).unwrap();
    let begun = Instant::now();
    assert_eq!(ask(server.address(), b"GET x86"), b"");
    assert!(begun.elapsed() > Duration::from_secs(4) && begun.elapsed() < Duration::from_secs(9));
}
