//! `bench loss`: numbered packets over a veth pair at rising rates; what is missing in the file against what the
//! capture admits to have lost, and tcpdump beside it, each alone with the sender.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use lab::{
    Capture, Pair, RawSocket, Tcpdump, files,
    raw::{self, Sent},
    topology::MAC_NOBODY,
};

use super::program;

/// Where the number stands: behind Ethernet, IPv4 and UDP headers.
const NUMBER: std::ops::Range<usize> = 42..50;

/// What to send.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Packets a second; 0 is as fast as the sender can
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 50_000, 100_000, 200_000, 300_000, 0])]
    rates: Vec<u32>,
    /// Seconds at each rate
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Bytes of a frame
    #[arg(long, default_value_t = 512)]
    length: usize,
    /// Bytes kept of each packet
    #[arg(long, default_value_t = 256)]
    snaplen: u32,
    /// More options of the capture, for example `--buffer-size 1MiB`
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    options: String,
    /// Executable to measure, else a release build
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the files are written, and removed again
    #[arg(long, default_value = "target")]
    dir: PathBuf,
}

/// One run of one program at one rate.
struct Run {
    sent: Sent,
    /// Packets of ours in the file.
    kept: u64,
    /// Packets that the program says it lost.
    admitted: u64,
    /// Packets in the file twice or out of order.
    wrong: u64,
}

impl Run {
    fn lost(&self) -> u64 {
        self.sent.frames - self.kept
    }
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = program::get(args.program.as_ref())?;
    std::fs::create_dir_all(&args.dir)?;
    let dir = args.dir.canonicalize()?;
    let _turn = lab::need::alone()?;
    println!(
        "{} B frames, {} s each, snaplen {}, one sender, sendmmsg through AF_PACKET",
        args.length, args.seconds, args.snaplen
    );
    println!(
        "{:>8} | {:>9} {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} {:>9} | {:>5}",
        "asked/s", "ours: /s", "sent", "lost", "admitted", "tcpdump:/s", "sent", "lost", "admitted", "rate"
    );
    let mut honest = true;
    for rate in args.rates.iter().map(|rate| (*rate > 0).then_some(*rate)) {
        let ours = ours(args, &program, rate)?;
        let theirs = tcpdump(args, &dir, rate)?;
        line(rate, &ours, &theirs);
        honest &= ours.lost() == ours.admitted && ours.wrong == 0;
    }
    ensure!(honest, "true loss and admitted loss differ, or packets are out of order");
    Ok(())
}

fn line(rate: Option<u32>, ours: &Run, theirs: &Run) {
    let asked = rate.map_or_else(|| "most".to_owned(), |rate| rate.to_string());
    let side =
        |run: &Run| format!("{:>9.0} {:>9} {:>9} {:>9}", run.sent.rate(), run.sent.frames, run.lost(), run.admitted);
    println!("{asked:>8} | {} | {} | {:>5.2}", side(ours), side(theirs), ours.sent.rate() / theirs.sent.rate());
}

/// A fresh pair of namespaces, so that nothing of an earlier run is on its way.
fn pair() -> Result<Pair> {
    let pair = Pair::new(90)?;
    pair.silence()?;
    Ok(pair)
}

fn send(args: &Args, pair: &Pair, rate: Option<u32>) -> Result<Sent> {
    let socket = RawSocket::open(&pair.a, "a0")?;
    let ends = lab::Ends { target_mac: MAC_NOBODY, ..pair.ends4() };
    let frame = ends.udp((9000, 9001), &vec![0; args.length.saturating_sub(42)]);
    let total = u64::from(rate.unwrap_or(400_000)) * args.seconds;
    raw::paced(&socket, &frame, total, rate, |number, frame| frame[NUMBER].copy_from_slice(&number.to_be_bytes()))
}

fn ours(args: &Args, program: &Path, rate: Option<u32>) -> Result<Run> {
    let pair = pair()?;
    let snaplen = args.snaplen.to_string();
    let capture = Capture::new(&program.display().to_string(), "packets").of(&pair.a, "a0");
    let capture = capture
        .args("--protocol=UDP --port=9001 --max-bytes 20GB --max-time 0 --snaplen")
        .arg(&snaplen)
        .args(&args.options);
    let running = capture.start()?;
    let sent = send(args, &pair, rate)?;
    let finished = running.stop()?;
    let mut count = Count::default();
    files::each_packet(finished.files.pcapng()?, &mut Vec::new(), &mut Vec::new(), |_, packet, _| {
        count.add(&packet.data);
    })?;
    let admitted =
        ["lost_packets", "lost_unreadable", "lost_queue", "lost_store"].map(|name| finished.files.counter(name));
    let admitted = admitted.into_iter().sum::<Result<u64>>()?;
    Ok(Run { sent, kept: count.kept, admitted, wrong: count.wrong })
}

fn tcpdump(args: &Args, dir: &Path, rate: Option<u32>) -> Result<Run> {
    let pair = pair()?;
    let file = tempfile::Builder::new().suffix(".pcap").tempfile_in(dir)?;
    let snaplen = args.snaplen.to_string();
    let tcpdump = Tcpdump::start(&pair.a, "a0", file.path(), &["-s", &snaplen, "udp", "port", "9001"])?;
    let sent = send(args, &pair, rate)?;
    let dumped = tcpdump.stop()?;
    let mut count = Count::default();
    dumped.each(|_, packet| count.add(&packet.data))?;
    Ok(Run { sent, kept: count.kept, admitted: dumped.dropped, wrong: count.wrong })
}

/// Packets of a file, by their numbers.
#[derive(Default)]
struct Count {
    kept: u64,
    wrong: u64,
    next: u64,
}

impl Count {
    fn add(&mut self, frame: &[u8]) {
        let number = frame.get(NUMBER).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        match number {
            Some(number) if number >= self.next => {
                self.kept += 1;
                self.next = number + 1;
            }
            _ => self.wrong += 1,
        }
    }
}
