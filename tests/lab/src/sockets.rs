//! Traffic of ordinary sockets: HTTP, bulk, UDP large and small, closed ports.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::netns::{Netns, run};

/// One HTTP request from `client` to `address` in `server`, answered with `size` bytes.
pub fn http(client: &Netns, server: &Netns, address: SocketAddr, size: usize) -> Result<()> {
    let listener = server.run(|| Ok(TcpListener::bind(address)?))?;
    thread::scope(|scope| {
        let serving = scope.spawn(|| answer(&listener, size));
        let received = client.run(|| ask(address))?;
        serving.join().ok().context("the server panicked")??;
        ensure!(received >= size, "received {received} of {size} bytes");
        Ok(())
    })
}

fn answer(listener: &TcpListener, size: usize) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut request = [0; 1024];
    let _ = stream.read(&mut request)?;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&vec![b'x'; size])?;
    Ok(())
}

fn ask(address: SocketAddr) -> Result<usize> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    Ok(response.len())
}

/// Tries to connect where nobody listens.
pub fn closed_port(client: &Netns, address: SocketAddr) -> Result<()> {
    let refused = client.run(|| Ok(TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_err()))?;
    ensure!(refused, "{address} is not closed");
    Ok(())
}

/// Sends datagrams of the given sizes to a socket that takes them; larger ones than the MTU are sent in fragments.
pub fn datagrams(client: &Netns, server: &Netns, address: SocketAddr, sizes: &[usize]) -> Result<()> {
    let receiver = server.run(|| Ok(UdpSocket::bind(address)?))?;
    receiver.set_read_timeout(Some(Duration::from_secs(5)))?;
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let sender = client.run(|| Ok(UdpSocket::bind((any, 0))?))?;
    let mut buffer = vec![0; 65536];
    for size in sizes {
        sender.send_to(&vec![b'u'; *size], address)?;
        let size_received = receiver.recv(&mut buffer)?;
        ensure!(size_received == *size, "{size_received} of {size} bytes");
    }
    Ok(())
}

/// `count` echo requests, 50 ms apart.
pub fn ping(client: &Netns, target: IpAddr, count: u32) -> Result<()> {
    let target = target.to_string();
    run(client.command("ping").args(["-c", &count.to_string(), "-i", "0.05", "-W", "5", "-q", &target]))
}
