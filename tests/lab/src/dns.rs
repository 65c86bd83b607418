//! A DNS server whose answers follow from the name asked for, and messages to ask it with. Shares no code with the program.
//!
//! The first label decides: `nx` NXDOMAIN, `fail` SERVFAIL, `slow-80` an answer after 80 ms, `silent` none, any other one an
//! answer at once.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::netns::Netns;

/// Types that are asked for here.
pub const A: u16 = 1;
/// See [`A`].
pub const AAAA: u16 = 28;
/// See [`A`].
pub const SRV: u16 = 33;
/// See [`A`].
pub const HTTPS: u16 = 65;

const HEADER: usize = 12;
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// A server over UDP and TCP; ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Serves at `address` of a namespace.
    pub fn start(netns: &Netns, address: SocketAddr) -> Result<Self> {
        let (udp, tcp) = netns.run(|| Ok((UdpSocket::bind(address)?, TcpListener::bind(address)?)))?;
        let ended = Arc::new(AtomicBool::new(false));
        udp.set_read_timeout(Some(Duration::from_millis(50)))?;
        tcp.set_nonblocking(true)?;
        let (of_udp, of_tcp) = (ended.clone(), ended.clone());
        thread::spawn(move || serve_udp(&udp, &of_udp));
        thread::spawn(move || serve_tcp(&tcp, &of_tcp));
        Ok(Self { address, ended })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn serve_udp(socket: &UdpSocket, ended: &AtomicBool) {
    let mut buffer = [0; 4096];
    while !ended.load(Ordering::Relaxed) {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let (query, Ok(socket)) = (buffer[..len].to_vec(), socket.try_clone()) else { continue };
        thread::spawn(move || {
            if let Some(answer) = answer(&query) {
                let _ = socket.send_to(&answer, from);
            }
        });
    }
}

fn serve_tcp(listener: &TcpListener, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => drop(thread::spawn(move || serve_stream(stream))),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn serve_stream(mut stream: TcpStream) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    loop {
        let query = read_framed(&mut stream).ok()?;
        if let Some(answer) = answer(&query) {
            stream.write_all(&framed(&[answer])).ok()?;
        }
    }
}

/// Waits as long as the name says, and answers what it says.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let len = usize::from(*query.get(HEADER)?);
    let label = String::from_utf8_lossy(query.get(HEADER + 1..HEADER + 1 + len)?).into_owned();
    if let Some(ms) = label.strip_prefix("slow-").and_then(|ms| ms.parse().ok()) {
        thread::sleep(Duration::from_millis(ms));
    }
    let code = match label.as_str() {
        "silent" => return None,
        "nx" => NXDOMAIN,
        "fail" => SERVFAIL,
        _ => NOERROR,
    };
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | code;
    if code == NOERROR {
        answer[7] = 1;
        // The name of the question, type A, class IN, a minute, an address.
        answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    Some(answer)
}

/// A query with recursion desired.
pub fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes: Vec<u8> = [id, 0x0100, 1, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// Messages as they stand in a stream.
pub fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| [&(message.len() as u16).to_be_bytes()[..], message].concat()).collect()
}

fn read_framed(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; u16::from_be_bytes(len).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Sends queries from one socket and waits for as many answers; which ids came back.
pub fn ask(netns: &Netns, server: SocketAddr, queries: &[Vec<u8>]) -> Result<Vec<u16>> {
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = netns.run(|| Ok(UdpSocket::bind(any)?))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    for query in queries {
        socket.send_to(query, server)?;
    }
    let mut buffer = [0; 4096];
    let mut ids = Vec::new();
    for _ in queries {
        let len = socket.recv(&mut buffer)?;
        ensure!(len >= HEADER, "an answer of {len} bytes");
        ids.push(u16::from_be_bytes([buffer[0], buffer[1]]));
    }
    Ok(ids)
}

/// Sends queries over one connection, each piece of the stream as a segment, and reads all answers.
pub fn ask_stream(netns: &Netns, server: SocketAddr, queries: &[Vec<u8>], pieces: usize) -> Result<Vec<Vec<u8>>> {
    let mut stream = netns.run(|| Ok(TcpStream::connect_timeout(&server, Duration::from_secs(5))?))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let bytes = framed(queries);
    for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
        stream.write_all(piece)?;
        thread::sleep(Duration::from_millis(30));
    }
    queries.iter().map(|_| read_framed(&mut stream)).collect()
}
