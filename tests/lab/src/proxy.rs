//! A line that can fail: a TCP proxy that is cut, frozen, slowed down or refuses, and counts what passes.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cluster::kubectl;

/// A proxy on loopback, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
}

/// What has passed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Connections that were made.
    pub connections: u64,
    /// Bytes from clients to the server.
    pub up: u64,
    /// Bytes from the server to clients.
    pub down: u64,
}

#[derive(Debug)]
struct Line {
    server: SocketAddr,
    /// Bytes a second, each way of each connection; 0 is as fast as it goes.
    rate: AtomicU64,
    frozen: AtomicBool,
    refuses: AtomicBool,
    over: AtomicBool,
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// How often a frozen or slow connection looks whether things have changed.
const TICK: Duration = Duration::from_millis(20);

impl Proxy {
    /// Forwards to `server`.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line {
            server,
            rate: AtomicU64::new(0),
            frozen: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            over: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&line);
        thread::spawn(move || shared.accept(&listener));
        Ok(Self { address, line })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections; new ones work.
    pub fn cut(&self) {
        let mut open = self.line.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Bytes a second that pass each way of each connection; `None` for all there are.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.line.rate.store(bytes_per_second.unwrap_or(0), Relaxed);
    }

    /// Nothing passes any more and nobody is told, as when a cable is pulled; `false` lets it pass again.
    pub fn freeze(&self, frozen: bool) {
        self.line.frozen.store(frozen, Relaxed);
    }

    /// New connections are closed at once, as by a server that restarts.
    pub fn refuse(&self, refuses: bool) {
        self.line.refuses.store(refuses, Relaxed);
    }

    /// What has passed.
    pub fn passed(&self) -> Passed {
        let Line { connections, up, down, .. } = &*self.line;
        Passed { connections: connections.load(Relaxed), up: up.load(Relaxed), down: down.load(Relaxed) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.over.store(true, Relaxed);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        self.cut();
    }
}

/// A proxy before the API server of the current kubeconfig, and in `path` a kubeconfig that goes through it.
pub fn before_api_server(path: &Path) -> Result<Proxy> {
    let text = kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"])?;
    let mut config: Value = serde_json::from_str(&text)?;
    let cluster = &mut config["clusters"][0]["cluster"];
    let server = cluster["server"].as_str().context("no server")?.trim_start_matches("https://").to_owned();
    let server: SocketAddr = server.trim_end_matches('/').parse().with_context(|| format!("{server}: no address"))?;
    let proxy = Proxy::start(server)?;
    cluster["server"] = json!(format!("https://{}", proxy.address()));
    cluster["tls-server-name"] = json!(server.ip().to_string());
    fs::write(path, config.to_string())?;
    Ok(proxy)
}

impl Line {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.over.load(Relaxed) {
                return;
            }
            let Ok(client) = client else { continue };
            if !self.refuses.load(Relaxed) {
                let _ = self.join(&client);
            }
        }
    }

    fn join(self: &Arc<Self>, client: &TcpStream) -> Result<()> {
        let server = TcpStream::connect(self.server)?;
        self.connections.fetch_add(1, Relaxed);
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend([client.try_clone()?, server.try_clone()?]);
        drop(open);
        self.pump(client.try_clone()?, server.try_clone()?, |line| &line.up);
        self.pump(server, client.try_clone()?, |line| &line.down);
        Ok(())
    }

    fn pump(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, counter: fn(&Self) -> &AtomicU64) {
        let line = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(size @ 1..) = from.read(&mut buffer[..line.piece()]) {
                line.thaw();
                line.wait(size);
                // Before the bytes go on: who has them back may ask for the counts at once.
                counter(&line).fetch_add(size as u64, Relaxed);
                if to.write_all(&buffer[..size]).is_err() {
                    break;
                }
            }
            let _ = from.shutdown(Shutdown::Read);
            let _ = to.shutdown(Shutdown::Write);
        });
    }

    /// What passes at once: a slow line does not move megabytes in one go.
    fn piece(&self) -> usize {
        match self.rate.load(Relaxed) {
            0 => 64 * 1024,
            rate => (rate as usize / 50).clamp(256, 64 * 1024),
        }
    }

    fn thaw(&self) {
        while self.frozen.load(Relaxed) && !self.over.load(Relaxed) {
            thread::sleep(TICK);
        }
    }

    fn wait(&self, size: usize) {
        if let Some(time) = (size as u64 * 1_000_000).checked_div(self.rate.load(Relaxed)) {
            thread::sleep(Duration::from_micros(time));
        }
    }
}
