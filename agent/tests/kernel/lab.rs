//! Namespaces, links and senders, removed again when they are dropped.

use std::{
    fs::File,
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Whether the test can run; says so when not.
pub(crate) fn can_run(name: &str) -> bool {
    // SAFETY: takes no arguments.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        println!("SKIP {name}: needs root");
    }
    root
}

pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Namespaces of one test. Names of its interfaces begin with `prefix`, so that a capture can be limited to them.
pub(crate) struct Lab {
    pub(crate) prefix: String,
    namespaces: Vec<String>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { prefix: format!("ag{:x}{number:x}", std::process::id() % 0xffff), namespaces: Vec::new() }
    }

    /// Makes a namespace; without IPv6, so that only what the test sends is on its links.
    pub(crate) fn namespace(&mut self, name: &str) -> String {
        let name = format!("{}{name}", self.prefix);
        run(&format!("ip netns add {name}"));
        self.namespaces.push(name.clone());
        run(&format!(
            "ip netns exec {name} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"
        ));
        run(&format!("ip -n {name} link set lo up"));
        name
    }

    /// Joins two namespaces by a veth pair with these last octets of 10.9.0.0/24, with neighbours known beforehand.
    /// Names of both ends.
    pub(crate) fn join(&self, a: (&str, &str), b: (&str, &str)) -> (String, String) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let ends = [a, b].map(|(_, address)| format!("{}{number:x}x{address}", self.prefix));
        let (one, other) = (&ends[0], &ends[1]);
        run(&format!("ip link add {one} netns {} type veth peer name {other} netns {}", a.0, b.0));
        let macs = [a, b].map(|(_, address)| format!("02:00:00:00:00:{:02x}", address.parse::<u8>().unwrap()));
        for (index, (namespace, address)) in [a, b].into_iter().enumerate() {
            let (end, peer) = (&ends[index], [a, b][1 - index].1);
            run(&format!(
                "ip -n {namespace} link set {end} address {} && ip -n {namespace} address add 10.9.0.{address}/24 dev {end} && \
                 ip -n {namespace} link set {end} up && \
                 ip -n {namespace} neigh replace 10.9.0.{peer} lladdr {} dev {end} nud permanent",
                macs[index],
                macs[1 - index],
            ));
        }
        (ends[0].clone(), ends[1].clone())
    }

    /// Two namespaces `a` (10.9.0.1) and `b` (10.9.0.2), joined. Their names and those of the interfaces.
    pub(crate) fn pair(&mut self) -> [String; 4] {
        let (a, b) = (self.namespace("a"), self.namespace("b"));
        let (one, other) = self.join((&a, "1"), (&b, "2"));
        [a, b, one, other]
    }

    pub(crate) fn delete(&mut self, namespace: &str) {
        run(&format!("ip netns del {namespace}"));
        self.namespaces.retain(|name| name != namespace);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

pub(crate) fn path(namespace: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(namespace)
}

/// Runs something inside a namespace, on a thread of its own.
pub(crate) fn inside<T: Send + 'static>(
    namespace: &str,
    what: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let file = File::open(path(namespace)).unwrap();
    thread::spawn(move || {
        // SAFETY: changes this thread only.
        assert_eq!(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }, 0);
        what()
    })
}

/// A socket of this port. The one before may live a moment longer, in a process that another test is just starting.
pub(crate) fn bind(port: u16) -> UdpSocket {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match UdpSocket::bind(("0.0.0.0", port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => thread::yield_now(),
            socket => return socket.unwrap(),
        }
    }
}

/// Sends UDP packets of `size` bytes of payload, numbered, as fast as the socket takes them. How many were sent.
pub(crate) fn send(namespace: &str, to: &str, from_port: u16, count: u64, size: usize) -> u64 {
    let to: SocketAddr = to.parse().unwrap();
    let sender = inside(namespace, move || {
        let socket = bind(from_port);
        let mut payload = vec![0; size.max(8)];
        let mut sent = 0;
        for number in 0..count {
            payload[..8].copy_from_slice(&number.to_be_bytes());
            sent += u64::from(socket.send_to(&payload, to).is_ok());
        }
        sent
    });
    sender.join().unwrap()
}
