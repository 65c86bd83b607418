//! Blocks of pcapng in any order, with options, names, secrets and comments such as ours and such as nobody writes, and lengths
//! that lie: read, converted, merged with themselves, anonymised and aggregated. Neither a panic nor memory without end.
//!
//! With FUZZ_DUMP set to a directory each file that was made is left there: seeds for the target `file`.
#![no_main]

use std::{fs::File, sync::OnceLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|capture: Capture| {
    static OUT: OnceLock<File> = OnceLock::new();
    let out = OUT.get_or_init(|| File::options().write(true).open("/dev/null").unwrap());
    let bytes = capture.bytes();
    if let Ok(directory) = std::env::var("FUZZ_DUMP") {
        let sum = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        std::fs::write(format!("{directory}/{sum:016x}"), &bytes).unwrap();
    }
    collector::open::fuzz(&bytes);
    collector::convert::fuzz(&bytes, out);
});

/// A file.
#[derive(Arbitrary, Debug)]
struct Capture {
    big_endian: bool,
    ours: bool,
    blocks: Vec<Block>,
    /// Bytes cut off at the end.
    cut: u8,
}

/// A block with its body.
#[derive(Arbitrary, Debug)]
enum Block {
    Section { version: u16, length: u64, options: Vec<Opt> },
    Interface { link: Link, snaplen: u32, options: Vec<Opt> },
    Packet { interface: u8, time: u64, frame: Frame, len: u32, options: Vec<Opt> },
    Lie { interface: u32, caplen: u32, data: Vec<u8> },
    Simple { len: u32, data: Vec<u8> },
    Old { interface: u16, time: u64, data: Vec<u8> },
    Names { records: Vec<(u16, Vec<u8>)>, options: Vec<Opt> },
    Statistics { interface: u8, options: Vec<Opt> },
    Secrets { kind: u32, length: Option<u32>, lines: Vec<u8> },
    Any { kind: u32, body: Vec<u8>, length: Option<u32> },
}

#[derive(Arbitrary, Debug)]
enum Link {
    Ethernet,
    Raw,
    Cooked,
    Any(u16),
}

/// Bytes of a packet.
#[derive(Arbitrary, Debug)]
enum Frame {
    Any(Vec<u8>),
    Ip4 { options: u8, protocol: Protocol, fragment: u16, total: Option<u16>, rest: Vec<u8> },
    Ip6 { next: Protocol, length: Option<u16>, rest: Vec<u8> },
    Tagged { kind: u16, rest: Vec<u8> },
}

#[derive(Arbitrary, Debug)]
enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Icmp6,
    Sctp,
    Gre,
    Inner4,
    Inner6,
    Any(u8),
}

/// An option.
#[derive(Arbitrary, Debug)]
enum Opt {
    Comment(Vec<Word>),
    Id(u64),
    Flags(u32),
    Drops(u64),
    Resolution(u8),
    Name(Vec<Word>),
    Description(Vec<Word>),
    Any { code: u8, value: Vec<u8> },
    Lie { code: u8, length: u16 },
}

/// What texts of ours are made of.
#[derive(Arbitrary, Debug)]
enum Word {
    Key(u8),
    Name(u8),
    Number(u64),
    Mark(u8),
    Text(String),
}

const KEYS: [&str; 24] = [
    "k8s",
    " src=",
    " dst=",
    " svc=",
    " srcnode=",
    " dstnode=",
    " drop=",
    " pid=",
    " comm=",
    " container=",
    " dstpid=",
    " dstcomm=",
    " dstcontainer=",
    "dropped: ",
    "k8s.node=",
    ";k8s.ns=",
    ";k8s.pod=",
    ";k8s.uid=",
    ";k8s.workload=",
    ";k8s.labels=",
    ";node=",
    ";netns=",
    ";ifindex=",
    ";k8s.if=",
];
const NAMES: [&str; 8] =
    ["shop/web-7d9", ":Deployment/web", "Service/shop/web", "Node/n1", "10.0.0.1", "NETFILTER_DROP", "eth0", "%zz"];
const MARKS: [&str; 8] = [" ", "/", ":", "@", "%", "=", ";", "\n"];

fn text(words: &[Word]) -> Vec<u8> {
    let of = |list: &[&'static str], n: u8| list[usize::from(n) % list.len()].to_owned();
    let one = |word: &Word| match word {
        Word::Key(n) => of(&KEYS, *n),
        Word::Name(n) => of(&NAMES, *n),
        Word::Number(number) => number.to_string(),
        Word::Mark(n) => of(&MARKS, *n),
        Word::Text(text) => text.clone(),
    };
    words.iter().map(one).collect::<String>().into_bytes()
}

/// Bytes in the order of the section.
struct Writer {
    big_endian: bool,
    out: Vec<u8>,
}

impl Writer {
    fn u16(&mut self, value: u16) {
        self.out.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&mut self, value: u32) {
        self.out.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u64(&self, value: u64) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.out.resize(self.out.len().next_multiple_of(4), 0);
    }

    fn block(&mut self, kind: u32, length: Option<u32>, body: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.u32(kind);
        self.u32(0);
        body(self);
        self.out.resize(self.out.len().next_multiple_of(4), 0);
        let real = (self.out.len() - start + 4) as u32;
        let length = length.unwrap_or(real);
        self.u32(length);
        let bytes = if self.big_endian { length.to_be_bytes() } else { length.to_le_bytes() };
        self.out[start + 4..start + 8].copy_from_slice(&bytes);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = &value[..value.len().min(0xffff)];
        self.u16(code);
        self.u16(value.len() as u16);
        self.padded(value);
    }

    fn options(&mut self, options: &[Opt]) {
        for option in options {
            match option {
                Opt::Comment(words) => self.option(1, &text(words)),
                Opt::Id(id) => self.option(5, &self.u64(*id)),
                Opt::Flags(flags) => {
                    let flags = if self.big_endian { flags.to_be_bytes() } else { flags.to_le_bytes() };
                    self.option(2, &flags);
                }
                Opt::Drops(count) => self.option(4, &self.u64(*count)),
                Opt::Resolution(resolution) => self.option(9, &[*resolution]),
                Opt::Name(words) => self.option(2, &text(words)),
                Opt::Description(words) => self.option(3, &text(words)),
                Opt::Any { code, value } => self.option(u16::from(*code), value),
                Opt::Lie { code, length } => {
                    self.u16(u16::from(*code));
                    self.u16(*length);
                }
            }
        }
    }
}

impl Capture {
    fn bytes(&self) -> Vec<u8> {
        let mut to = Writer { big_endian: self.big_endian, out: Vec::new() };
        let application = [Opt::Any { code: 4, value: b"oc-netobserv 0.1.0".to_vec() }];
        section(&mut to, 1, u64::MAX, if self.ours { &application } else { &[] });
        self.blocks.iter().for_each(|block| block.write(&mut to));
        let end = to.out.len().saturating_sub(usize::from(self.cut) / 8);
        to.out.truncate(end);
        to.out
    }
}

fn section(to: &mut Writer, version: u16, length: u64, options: &[Opt]) {
    to.block(0x0A0D_0D0A, None, |to| {
        to.u32(0x1A2B_3C4D);
        to.u16(version);
        to.u16(0);
        to.out.extend(to.u64(length));
        to.options(options);
    });
}

impl Block {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Section { version, length, options } => section(to, *version, *length, options),
            Self::Interface { link, snaplen, options } => to.block(1, None, |to| {
                let link = match link {
                    Link::Ethernet => 1,
                    Link::Raw => 101,
                    Link::Cooked => 113,
                    Link::Any(number) => *number,
                };
                to.u16(link);
                to.u16(0);
                to.u32(*snaplen);
                to.options(options);
            }),
            Self::Packet { interface, time, frame, len, options } => to.block(6, None, |to| {
                let data = frame.bytes();
                to.u32(u32::from(interface % 4));
                to.u32((time >> 32) as u32);
                to.u32(*time as u32);
                to.u32(data.len() as u32);
                to.u32(*len);
                to.padded(&data);
                to.options(options);
            }),
            Self::Lie { interface, caplen, data } => to.block(6, None, |to| {
                to.u32(*interface);
                to.u32(0);
                to.u32(0);
                to.u32(*caplen);
                to.u32(*caplen);
                to.padded(data);
            }),
            Self::Simple { len, data } => to.block(3, None, |to| {
                to.u32(*len);
                to.padded(data);
            }),
            Self::Old { interface, time, data } => to.block(2, None, |to| {
                to.u16(*interface);
                to.u16(0);
                to.u32((time >> 32) as u32);
                to.u32(*time as u32);
                to.u32(data.len() as u32);
                to.u32(data.len() as u32);
                to.padded(data);
            }),
            Self::Names { records, options } => to.block(4, None, |to| {
                for (kind, value) in records {
                    to.option(*kind % 4, value);
                }
                to.u32(0);
                to.options(options);
            }),
            Self::Statistics { interface, options } => to.block(5, None, |to| {
                to.u32(u32::from(interface % 4));
                to.u32(0);
                to.u32(0);
                to.options(options);
            }),
            Self::Secrets { kind, length, lines } => to.block(10, None, |to| {
                to.u32(if kind % 2 == 0 { 0x544c_534b } else { *kind });
                to.u32(length.unwrap_or(lines.len() as u32));
                to.padded(lines);
            }),
            Self::Any { kind, body, length } => to.block(*kind, *length, |to| to.padded(body)),
        }
    }
}

impl Protocol {
    fn number(&self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
            Self::Icmp6 => 58,
            Self::Sctp => 132,
            Self::Gre => 47,
            Self::Inner4 => 4,
            Self::Inner6 => 41,
            Self::Any(number) => *number,
        }
    }
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Any(bytes) => bytes.clone(),
            Self::Ip4 { options, protocol, fragment, total, rest } => {
                let header = 5 + options % 11;
                let total = total.unwrap_or(u16::from(header) * 4 + rest.len().min(60_000) as u16).to_be_bytes();
                let fragment = if fragment % 4 == 0 { *fragment } else { 0 }.to_be_bytes();
                let fixed =
                    [0x40 | header, 0, total[0], total[1], 0, 0, fragment[0], fragment[1], 64, protocol.number()];
                [&[2; 12][..], &[8, 0], &fixed, &[0, 0, 10, 0, 0, 1, 10, 0, 0, 2], rest].concat()
            }
            Self::Ip6 { next, length, rest } => {
                let length = length.unwrap_or(rest.len().min(60_000) as u16).to_be_bytes();
                let fixed = [0x60, 0, 0, 0, length[0], length[1], next.number(), 64];
                [&[2; 12][..], &[0x86, 0xdd], &fixed, &[0xfd; 32], rest].concat()
            }
            Self::Tagged { kind, rest } => [&[2; 12][..], &[0x81, 0, 0, 7], &kind.to_be_bytes(), rest].concat(),
        }
    }
}
