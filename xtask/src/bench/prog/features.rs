//! What features and filters add to a packet of a known flow: each way of loading the programs beside all others, in turns, so
//! that what else the machine does meanwhile falls on all alike.
#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

use std::{net::Ipv4Addr, time::Duration};

use agent_common::{
    rules::RuleTable,
    types::{ACTION_ACCEPT, COND_DIRECTED, COND_PROTO, Rule, SetMasks},
};
use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, RingBuf},
    programs::SchedClassifier,
};

use super::{
    Args, median,
    shape::{dns_query, shapes},
    subject::Table,
    sys::{Program, processor_time},
};

/// Packets in one turn; as many samples fit into a ring.
const TURN: u32 = 20_000;
/// How often each way is loaded; the shortest time is told.
const LOADS: u32 = 5;
/// Bytes of a ring of samples.
const RING: u32 = 32 << 20;
/// Rings of samples, where the object has them.
const RINGS: [&str; 2] = ["SAMPLES_DNS", "SAMPLES_HELLOS"];
/// Values of the constant SAMPLES.
const DNS: u32 = 1;
const HELLOS: u32 = 2;

/// A way of loading the programs.
#[derive(Clone, Copy, Default)]
struct Way {
    label: &'static str,
    /// Before there were features.
    old: bool,
    samples: u32,
    /// Protocol that the only rule takes.
    proto: Option<u8>,
    /// Addresses in the set that the rule takes; 0 is a rule without a set.
    addresses: u32,
    mode: u32,
}

const WAYS: [Way; 9] = [
    Way { label: "object before", old: true, ..NONE },
    Way { label: "everything off", ..NONE },
    Way { label: "DNS on", samples: DNS, ..NONE },
    Way { label: "TLS on", samples: HELLOS, ..NONE },
    Way { label: "DNS and TLS on", samples: DNS | HELLOS, ..NONE },
    Way { label: "one rule", proto: Some(0), ..NONE },
    Way { label: "set of 1", proto: Some(0), addresses: 1, ..NONE },
    Way { label: "set of 100", proto: Some(0), addresses: 100, ..NONE },
    Way { label: "set of 10,000", proto: Some(0), addresses: 10_000, ..NONE },
];
const NONE: Way = Way { label: "", old: false, samples: 0, proto: None, addresses: 0, mode: 0 };

/// Programs loaded in one way.
struct Loaded {
    way: Way,
    program: Program,
    rings: Vec<RingBuf<MapData>>,
    /// Processor time of loading.
    load: Duration,
    _ebpf: Ebpf,
}

/// Measures and prints.
pub(super) fn run(args: &Args, object: &[u8], before: Option<&[u8]>) -> Result<()> {
    let mut loaded = Vec::new();
    for way in WAYS {
        let object = if way.old { before } else { Some(object) };
        if let Some(object) = object {
            loaded.push(Loaded::best(object, way)?);
        }
    }
    let frames = frames();
    print!("\n{:16} {:>9}", "known flow", "load ms");
    for (label, _) in &frames {
        print!(" {label:>16}");
    }
    println!();
    let columns: Vec<Vec<u64>> =
        frames.iter().map(|(_, frame)| column(args, &mut loaded, frame)).collect::<Result<_>>()?;
    let base = loaded.iter().position(|loaded| loaded.way.label == "everything off").context("no base")?;
    for (row, loaded) in loaded.iter().enumerate() {
        print!("{:16} {:>9.1}", loaded.way.label, loaded.load.as_secs_f64() * 1000.0);
        for column in &columns {
            let ratio = column[row] as f64 / column[base].max(1) as f64;
            print!(" {:>9}", column[row]);
            print!(" {ratio:>6.2}");
        }
        println!();
    }
    println!(
        "ns a packet, and the ratio to everything off; medians of runs in turns; load: processor time for ingress_l2"
    );
    cold(args, object)
}

/// The medians of all ways, which take turns.
fn column(args: &Args, loaded: &mut [Loaded], frame: &[u8]) -> Result<Vec<u64>> {
    let turns = args.runs.max(1) * (args.repeat / TURN).clamp(1, 10) as usize;
    let mut times = vec![Vec::new(); loaded.len()];
    for _ in 0..turns {
        for (way, times) in loaded.iter_mut().zip(&mut times) {
            way.rings.iter_mut().for_each(|ring| while ring.next().is_some() {});
            times.push(way.program.test_run(frame, TURN)?);
        }
    }
    Ok(times.into_iter().map(middle).collect())
}

fn middle(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn frames() -> Vec<(String, Vec<u8>)> {
    let shapes = shapes();
    let wanted = [0, 3, 7].into_iter().filter_map(|index| shapes.get(index));
    let shapes = wanted.map(|shape| (shape.to_string(), shape.frame(0)));
    shapes.chain([("DNS query IPv4".to_owned(), dns_query())]).collect()
}

/// One packet after another, each of another address, against the same address again and again: what a large set costs that
/// is in no cache. The rule looks at the set and then takes nothing, so that no flow is sought.
fn cold(args: &Args, object: &[u8]) -> Result<()> {
    let ways = [1, 10_000].map(|addresses| Way { proto: Some(132), addresses, ..NONE });
    let shape = shapes().into_iter().next().context("no shape")?;
    let mut medians = Vec::new();
    for way in ways {
        let loaded = Loaded::new(object, way)?;
        let mut number = 0;
        medians.push(median(args.runs * 3000, || {
            number = (number + 1) % way.addresses;
            let mut frame = shape.frame(0);
            frame[30..34].copy_from_slice(&address(number).octets());
            loaded.program.test_run(&frame, 1)
        })?);
    }
    println!(
        "runs of one packet, all addresses of the set in turn: {} ns with 1, {} ns with 10,000",
        medians[0], medians[1]
    );
    Ok(())
}

/// The address with this number: 10.0.0.2, where the frames go, and others.
fn address(number: u32) -> Ipv4Addr {
    if number == 0 { Ipv4Addr::new(10, 0, 0, 2) } else { Ipv4Addr::from((172 << 24) + number.wrapping_mul(0x9e37)) }
}

/// Where frames of IPv6 go, and others.
fn address6(number: u32) -> [u8; 16] {
    (0xfd00_u128 << 112 | u128::from(number) << 32 | 2).to_be_bytes()
}

impl Loaded {
    /// The one of several that was loaded in the shortest time.
    fn best(object: &[u8], way: Way) -> Result<Self> {
        let mut best = Self::new(object, way)?;
        for _ in 1..LOADS {
            let load = Self::new(object, way)?.load;
            best.load = best.load.min(load);
        }
        Ok(best)
    }

    fn new(object: &[u8], way: Way) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        let (rules, sets) = (if way.proto.is_some() { 64 } else { 0 }, u32::from(way.addresses > 0));
        let globals = [("MODE", way.mode), ("RULES_ROOM", rules), ("SETS_ROOM", sets), ("SAMPLES", way.samples)];
        for (name, value) in &globals {
            loader.override_global(name, value, false);
        }
        let mut ports = [0_u64; 1024];
        ports[0] = 1 << 53;
        loader.override_global("DNS_PORTS", ports.as_slice(), false);
        for name in ["FLOWS4_0", "FLOWS4_1", "FLOWS6_0", "FLOWS6_1"] {
            loader.map_max_entries(name, 1 << 17);
        }
        loader.map_max_entries("SETS4", 1 << 17).map_max_entries("SETS6", 1 << 17);
        for ring in RINGS {
            loader.map_max_entries(ring, RING);
        }
        let cpus = std::thread::available_parallelism()?.get() as u32;
        loader.map_max_entries("SAMPLE_SCRATCH", cpus);
        let mut ebpf = loader.load(object).with_context(|| format!("cannot load the object for {}", way.label))?;
        way.fill(&mut ebpf)?;
        let before = processor_time()?;
        let program: &mut SchedClassifier = ebpf.program_mut("ingress_l2").context("ingress_l2")?.try_into()?;
        program.load().with_context(|| format!("the kernel refuses the program for {}", way.label))?;
        let load = processor_time()?.saturating_sub(before);
        let program = Program::of(program)?;
        let rings = RINGS.iter().filter_map(|name| ebpf.take_map(name)).map(RingBuf::try_from);
        let rings = rings.collect::<Result<_, _>>()?;
        Ok(Self { way, program, rings, load, _ebpf: ebpf })
    }
}

impl Way {
    /// Writes rule and set.
    fn fill(self, ebpf: &mut Ebpf) -> Result<()> {
        let Some(proto) = self.proto else { return Ok(()) };
        let mut rule = Rule { action: ACTION_ACCEPT, proto, ..Rule::ANY };
        if proto != 0 {
            rule.conditions |= COND_PROTO;
        }
        if self.addresses > 0 {
            rule.conditions |= COND_DIRECTED;
            rule.dst_set = 1;
            let mut v4: HashMap<_, [u8; 4], SetMasks> = HashMap::try_from(ebpf.map_mut("SETS4").context("SETS4")?)?;
            for number in 0..self.addresses {
                v4.insert(address(number).octets(), [1, 0], 0)?;
            }
            let mut v6: HashMap<_, [u8; 16], SetMasks> = HashMap::try_from(ebpf.map_mut("SETS6").context("SETS6")?)?;
            for number in 0..self.addresses {
                v6.insert(address6(number), [1, 0], 0)?;
            }
        }
        let table = RuleTable::new(&[rule]).context("the table holds no rule")?;
        Array::try_from(ebpf.map_mut("RULES").context("RULES")?)?.set(0, Table(table), 0)?;
        Ok(())
    }
}
