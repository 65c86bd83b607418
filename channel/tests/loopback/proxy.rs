//! A wire between agent and collector that can be cut, frozen and made slow.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

#[derive(Clone)]
pub(crate) struct Proxy(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    ends: Mutex<Vec<TcpStream>>,
    /// Nothing passes, nothing breaks.
    frozen: AtomicBool,
    passed: AtomicU64,
    /// What passes takes so long to the collector and back, ms.
    delays: [AtomicU64; 2],
}

impl Proxy {
    pub(crate) fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Inner {
            address,
            ends: Mutex::default(),
            frozen: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            delays: [AtomicU64::new(0), AtomicU64::new(0)],
        };
        let proxy = Self(Arc::new(inner));
        let us = proxy.clone();
        thread::spawn(move || {
            for agent in listener.incoming() {
                let agent = agent.unwrap();
                let Ok(collector) = TcpStream::connect(to) else { continue };
                us.0.ends.lock().unwrap().extend([agent.try_clone().unwrap(), collector.try_clone().unwrap()]);
                us.pump(agent.try_clone().unwrap(), collector.try_clone().unwrap(), 0);
                us.pump(collector, agent, 1);
            }
        });
        proxy
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, way: usize) {
        let us = self.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                while us.0.frozen.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
                thread::sleep(Duration::from_millis(us.0.delays[way].load(Ordering::Relaxed)));
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
                us.0.passed.fetch_add(count as u64, Ordering::Relaxed);
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Bytes that passed in both directions.
    pub(crate) fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::Relaxed)
    }

    /// From now on what passes takes so long to the collector and back.
    pub(crate) fn slow(&self, there: Duration, back: Duration) {
        for (delay, to) in self.0.delays.iter().zip([there, back]) {
            delay.store(to.as_millis() as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.0.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Breaks all connections; whoever connects again gets through.
    pub(crate) fn cut(&self) {
        for end in self.0.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
