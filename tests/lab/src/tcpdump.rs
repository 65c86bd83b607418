//! tcpdump beside the program under test, and what its file says.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use pcap_file::{DataLink, TsResolution, pcap::PcapReader};

use crate::{
    netns::Netns,
    truth::{Link, Table, Truth},
};

/// A running tcpdump.
#[derive(Debug)]
pub struct Tcpdump {
    child: Child,
    stderr: BufReader<ChildStderr>,
    file: PathBuf,
}

/// What tcpdump says at its end.
#[derive(Clone, Debug)]
pub struct Dumped {
    /// Its file.
    pub file: PathBuf,
    /// "packets captured".
    pub captured: u64,
    /// "packets dropped by kernel".
    pub dropped: u64,
}

/// One packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Since the epoch.
    pub time: Duration,
    /// Length of the frame.
    pub len: u32,
    /// What was kept of it.
    pub data: Vec<u8>,
}

impl Tcpdump {
    /// Starts on an interface and waits until it listens; `more` are further options, for example `-s 96`.
    pub fn start(netns: &Netns, interface: &str, file: &Path, more: &[&str]) -> Result<Self> {
        let mut child = netns
            .command("tcpdump")
            .args(["-Z", "root", "-n", "-i", interface, "-B", "32768", "--time-stamp-precision=nano", "-w"])
            .arg(file)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("tcpdump")?;
        let mut stderr = BufReader::new(child.stderr.take().context("stderr")?);
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            ensure!(stderr.read_line(&mut line)? > 0, "tcpdump ended at once");
        }
        Ok(Self { child, stderr, file: file.to_owned() })
    }

    /// Stops it once everything sent so far has reached it.
    pub fn stop(mut self) -> Result<Dumped> {
        // The ring of AF_PACKET hands over a block at the latest after a second (pcap's buffer timeout in tcpdump).
        thread::sleep(Duration::from_millis(1200));
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        let lines: Vec<String> = self.stderr.by_ref().lines().collect::<Result<_, _>>()?;
        self.child.wait()?;
        let number = |words: &str| {
            lines.iter().find(|line| line.contains(words)).and_then(|line| line.split(' ').next()?.parse().ok())
        };
        let captured = number("captured").with_context(|| format!("tcpdump said {lines:?}"))?;
        Ok(Dumped { file: self.file.clone(), captured, dropped: number("dropped by kernel").unwrap_or(0) })
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dumped {
    /// Every packet, in order.
    pub fn each(&self, mut f: impl FnMut(Link, &Taken)) -> Result<()> {
        let mut reader = PcapReader::new(BufReader::new(File::open(&self.file)?))?;
        let link = match reader.header().datalink {
            DataLink::ETHERNET => Link::Ethernet,
            _ => Link::Raw,
        };
        let scale = match reader.header().ts_resolution {
            TsResolution::NanoSecond => 1,
            TsResolution::MicroSecond => 1000,
        };
        // Raw, because the crate takes a packet longer than the file's snaplen for an error.
        while let Some(packet) = reader.next_raw_packet() {
            let packet = packet?;
            let time = Duration::new(packet.ts_sec.into(), packet.ts_frac * scale);
            f(link, &Taken { time, len: packet.orig_len, data: packet.data.into_owned() });
        }
        Ok(())
    }

    /// Every packet, in order.
    pub fn packets(&self) -> Result<Vec<Taken>> {
        let mut packets = Vec::new();
        self.each(|_, packet| packets.push(packet.clone()))?;
        Ok(packets)
    }

    /// Totals per flow; an error if the file is not whole.
    pub fn table(&self) -> Result<Table> {
        ensure!(self.dropped == 0, "tcpdump lost {} packets: no ground truth", self.dropped);
        let mut truth = Truth::default();
        self.each(|link, packet| _ = truth.add(link, &packet.data, packet.len as usize))?;
        Ok(truth.table())
    }
}
