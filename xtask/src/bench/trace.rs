//! `bench trace`: what the programs of a real capture cost under traffic, by the kernel's own account of their run time: how often
//! each ran, for how long, and which part of a processor that is. Whatever programs the capture loads are in the table.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};
use lab::{Capture, Pair};

use super::program;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds of each kind of traffic
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Options of the capture
    #[arg(long, default_value = "--enable-all", allow_hyphen_values = true)]
    options: String,
    /// Executable to measure, else a release build
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Port that takes all it is sent.
const SINK: u16 = 5001;
/// Port on which nobody listens.
const CLOSED: u16 = 5002;
/// Bytes of one write.
const CHUNK: usize = 1 << 16;

/// Of one program: name, runs, time.
type Account = BTreeMap<u32, (String, u64, Duration)>;

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = program::get(args.program.as_ref())?.display().to_string();
    let _turn = lab::need::alone()?;
    let _stats = enable_stats(Stats::RunTime)?;
    let pair = Pair::with_offloads(92)?;
    // The namespace that is looked at sends to the other one, and drops what comes to its closed port.
    let addresses = [SocketAddr::new(pair.v4(1), SINK), SocketAddr::new(pair.v4(2), CLOSED)];
    pair.a.run(move || sink(addresses[0]))?;
    let others: Vec<u32> = account().into_keys().collect();
    let capture = Capture::new(&program, "flows").of(&pair.b, "b0").args("--max-time 0").args(&args.options);
    let running = capture.start()?;
    println!("options {:?}, {} s of each kind of traffic over a veth pair", args.options, args.seconds);
    for kind in [Kind::Bulk, Kind::Short, Kind::Refused] {
        let before = account();
        let begun = Instant::now();
        let from = if kind == Kind::Refused { &pair.a } else { &pair.b };
        let done = from.run(|| kind.send(addresses, Duration::from_secs(args.seconds)))?;
        let took = begun.elapsed();
        println!("\n{}: {done:.0} a second", kind.what());
        print(&before, &account(), &others, took);
    }
    running.stop()?;
    Ok(())
}

/// All programs that are loaded, by number.
fn account() -> Account {
    let mut account = Account::new();
    for program in loaded_programs() {
        // A program may go between being listed and being asked.
        let Ok(program) = program else { continue };
        let name = program.name_as_str().unwrap_or("?").to_owned();
        account.insert(program.id(), (name, program.run_count(), program.run_time()));
    }
    account
}

fn print(before: &Account, after: &Account, others: &[u32], took: Duration) {
    println!("{:18} {:>12} {:>10} {:>12}", "program", "runs/s", "ns a run", "% of a CPU");
    for (id, (name, runs, time)) in after.iter().filter(|(id, _)| !others.contains(id)) {
        let (_, old_runs, old_time) = before.get(id).cloned().unwrap_or_default();
        let (runs, time) = (runs - old_runs, time.saturating_sub(old_time));
        if runs > 0 {
            let each = time.as_nanos() as f64 / runs as f64;
            let part = time.as_secs_f64() * 100.0 / took.as_secs_f64();
            println!("{name:18} {:>12.0} {each:>10.0} {part:>12.3}", runs as f64 / took.as_secs_f64());
        }
    }
}

/// Takes connections and all that comes, for the life of this process.
fn sink(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || take(stream));
        }
    });
    Ok(())
}

fn take(mut stream: TcpStream) {
    let mut buffer = vec![0; CHUNK];
    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
}

/// Traffic that different programs see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bulk,
    Short,
    Refused,
}

impl Kind {
    fn what(self) -> &'static str {
        match self {
            Self::Bulk => "one TCP connection, bytes",
            Self::Short => "short TCP connections",
            Self::Refused => "UDP datagrams to a closed port, dropped by the receiver",
        }
    }

    /// How much a second was done.
    fn send(self, [open, closed]: [SocketAddr; 2], time: Duration) -> Result<f64> {
        let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clock = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                thread::sleep(time);
                over.store(true, Ordering::Relaxed);
            }
        });
        match self {
            Self::Bulk => {
                let mut stream = TcpStream::connect(open)?;
                let chunk = vec![0; CHUNK];
                while !over.load(Ordering::Relaxed) {
                    stream.write_all(&chunk)?;
                    done.fetch_add(CHUNK as u64, Ordering::Relaxed);
                }
            }
            Self::Short => {
                while !over.load(Ordering::Relaxed) {
                    TcpStream::connect(open)?.write_all(b"hello")?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
            Self::Refused => {
                let socket = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
                while !over.load(Ordering::Relaxed) {
                    // The answer that nobody listens comes as an error of a later call.
                    let _ = socket.send_to(&[0; 64], closed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let _ = clock.join();
        Ok(done.load(Ordering::Relaxed) as f64 / time.as_secs_f64())
    }
}
