//! A way between two namespaces on which packets are late, lost or overtaken, as the test wants: tun devices and a thread that
//! carries packets from one to the other. Needs no netem. Devices have no offloads: a packet is a segment.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::IpAddr,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::OpenOptionsExt as _,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::netns::Netns;

/// Longest packet.
const LONGEST: usize = 65_536;
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after so long.
    After(Duration),
    /// It is lost.
    Lost,
}

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// It comes from `a`.
    pub from_a: bool,
    /// From its IP header on.
    pub packet: &'a [u8],
}

impl Passing<'_> {
    /// Bytes behind the headers, if it is TCP over IPv4.
    pub fn tcp_payload(&self) -> Option<usize> {
        let ip = usize::from(*self.packet.first()? & 15) * 4;
        let is_tcp = self.packet.first()? >> 4 == 4 && *self.packet.get(9)? == 6;
        let tcp = usize::from(self.packet.get(ip + 12)? >> 4) * 4;
        is_tcp.then(|| self.packet.len().saturating_sub(ip + tcp))
    }
}

/// Two namespaces: `a` with 10.(net).0.1 on `a0`, `b` with 10.(net).0.2 on `b0`, and what carries packets between them.
#[derive(Debug)]
pub struct Relay {
    /// Left side.
    pub a: Netns,
    /// Right side.
    pub b: Netns,
    net: u8,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Relay {
    /// Makes both and asks `judge` what becomes of each packet, in the order in which they were sent.
    pub fn new(net: u8, judge: impl FnMut(Passing<'_>) -> Fate + Send + 'static) -> Result<Self> {
        let (a, b) = (Netns::new("a")?, Netns::new("b")?);
        let devices = [device(&a, "a0", net, 1)?, device(&b, "b0", net, 2)?];
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = thread::Builder::new().name("relay".into()).spawn(move || carry(devices, judge, &ended))?;
        Ok(Self { a, b, net, end, thread: Some(thread) })
    }

    /// Every packet arrives after `delay`.
    pub fn late(net: u8, delay: Duration) -> Result<Self> {
        Self::new(net, move |_| Fate::After(delay))
    }

    /// Address of side `a` (1) or `b` (2).
    pub fn v4(&self, side: u8) -> IpAddr {
        IpAddr::from([10, self.net, 0, side])
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What went wrong there was seen by whoever waited for packets.
            let _ = thread.join();
        }
    }
}

/// `struct ifreq` as TUNSETIFF wants it (include/uapi/linux/if.h).
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Makes a tun device in a namespace, with address 10.(net).0.(side)/24.
fn device(netns: &Netns, name: &str, net: u8, side: u8) -> Result<File> {
    let file = netns.run(|| open(name))?;
    netns.sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1")?;
    netns.ip(&format!("addr add 10.{net}.0.{side}/24 dev {name}"))?;
    netns.ip(&format!("link set {name} up txqueuelen 5000"))?;
    Ok(file)
}

/// The device stays where it was made, whichever thread reads it.
fn open(name: &str) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    let mut request = Request { name: [0; 16], flags, rest: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the kernel reads and writes no more than a `struct ifreq`, which this is.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    ensure!(made == 0, "{name}: {}", io::Error::last_os_error());
    Ok(file)
}

/// What is on its way: when it arrives, in which order it was sent, at which device, and what it is.
type Late = Reverse<(Instant, u64, usize, Vec<u8>)>;

fn carry(mut devices: [File; 2], mut judge: impl FnMut(Passing<'_>) -> Fate, end: &AtomicBool) -> Result<()> {
    let mut way: BinaryHeap<Late> = BinaryHeap::new();
    let mut buffer = vec![0; LONGEST];
    let mut sent = 0;
    while !end.load(Ordering::Relaxed) {
        wait(devices.each_ref().map(File::as_raw_fd), way.peek().map(|Reverse(next)| next.0))?;
        for from in [0, 1] {
            while let Some(packet) = read(&mut devices[from], &mut buffer)? {
                if let Fate::After(delay) = judge(Passing { from_a: from == 0, packet }) {
                    sent += 1;
                    way.push(Reverse((Instant::now() + delay, sent, 1 - from, packet.to_vec())));
                }
            }
        }
        while way.peek().is_some_and(|Reverse(next)| next.0 <= Instant::now()) {
            let Some(Reverse((_, _, to, packet))) = way.pop() else { break };
            // A device that is down, or has no room: lost, as on any other way.
            let _ = devices[to].write(&packet);
        }
    }
    Ok(())
}

/// Until there is something to read, or the next packet is to arrive.
fn wait(devices: [RawFd; 2], next: Option<Instant>) -> Result<()> {
    let longest = next.map_or(LOOK, |next| next.saturating_duration_since(Instant::now()).min(LOOK));
    let timeout = libc::timespec { tv_sec: 0, tv_nsec: longest.as_nanos() as i64 };
    let mut polled = devices.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: two entries, and a timeout that outlives the call.
    let result = unsafe { libc::ppoll(polled.as_mut_ptr(), 2, &raw const timeout, std::ptr::null()) };
    let interrupted = result < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
    ensure!(result >= 0 || interrupted, "ppoll: {}", io::Error::last_os_error());
    Ok(())
}

fn read<'a>(device: &mut File, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
    match device.read(buffer) {
        Ok(size) => Ok(Some(&buffer[..size])),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("cannot read a tun device"),
    }
}
