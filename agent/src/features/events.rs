//! Network events (`--enable-network-events`): what Open vSwitch says of packets that it samples, for OVN's policies.
//!
//! A sample is a packet with a cookie. The packet leads to its flow, the cookie to the object that allowed or dropped it, by
//! OVN's own database where its socket is there. A cookie that leads to nothing is shown as the numbers it is made of.
//!
//! Owns the matching of samples to flows. Samples without a cookie are somebody else's (sFlow) and no events.

mod names;
mod ovsdb;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    io, mem,
    path::Path,
    sync::Arc,
    time::Instant,
};

use agent_common::parse::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, Layer};
use flow::{Counters, FlowRecord, NetworkEvent};

use self::{
    names::{Names, SOCKET},
    ovsdb::Cookie,
};
use super::{About, Begun, Feature, Start, neighbours::Neighbours};
use crate::{
    account::tuple::Tuple,
    netlink::{
        psample::{self, Sample},
        stream::{Groups, Scratch},
    },
    netns::follow::{Follow, Moved},
};

/// Most different events of a flow in one interval.
const MOST_OF_FLOW: usize = 8;
/// Most flows with events in one interval.
const MOST_FLOWS: usize = 65_536;
/// Longest cookie that is kept, bytes: the kernel's own limit (`TC_COOKIE_MAX_SIZE`).
const LONGEST_COOKIE: usize = 16;

/// State of the feature.
struct Events {
    namespaces: BTreeMap<u32, Namespace>,
    follow: Follow<Opened>,
    neighbours: Neighbours,
    scratch: Scratch,
    names: Names,
    /// Of this interval, and of the one before what no record has told.
    found: HashMap<Key, Found>,
    earlier: HashMap<Key, Found>,
    overflows: u64,
    lost: u64,
}

/// Namespace and flow.
type Key = (u32, Tuple);

#[derive(Debug, Default)]
struct Found {
    marks: Vec<Mark>,
    is_told: bool,
}

/// What a sample bears.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    group: u32,
    cookie: Box<[u8]>,
}

/// A socket in a namespace.
struct Opened {
    samples: Groups,
    /// Kind of its messages.
    family: u16,
}

struct Namespace {
    opened: Opened,
    /// The next number of each group.
    next: HashMap<u32, u32>,
}

/// Begins to listen.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let why = |error: io::Error| format!("network events cannot be seen: {}", reason(&error));
    let open = || psample::hear().map(|(samples, family)| Opened { samples, family });
    let (opened, follow) = Follow::start(&start.config.netns, open).map_err(why)?;
    if !Path::new(SOCKET).exists() {
        let text = format!("network events are shown as numbers: OVN's database is not here ({SOCKET})");
        start.limits.push(text);
    }
    let names = Names::start(Path::new(SOCKET)).map_err(why)?;
    Ok(Box::new(Events {
        namespaces: opened.into_iter().map(|(key, opened)| (key, Namespace::new(opened))).collect(),
        follow,
        neighbours: Neighbours::new(start.topology.clone()),
        scratch: Scratch::default(),
        names,
        found: HashMap::new(),
        earlier: HashMap::new(),
        overflows: 0,
        lost: 0,
    }))
}

fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return "this kernel samples no packets (module psample, which Open vSwitch loads)".to_owned();
    }
    match error.raw_os_error() {
        Some(libc::EPERM) => "CAP_NET_ADMIN is missing".to_owned(),
        _ => error.to_string(),
    }
}

impl Namespace {
    fn new(opened: Opened) -> Self {
        Self { opened, next: HashMap::new() }
    }
}

/// How many samples of the group are missing before this one.
fn missing(next: &mut HashMap<u32, u32>, sample: &Sample<'_>) -> u64 {
    let next = next.insert(sample.group, sample.sequence.wrapping_add(1));
    // A group that was made anew counts from zero.
    next.filter(|next| *next <= sample.sequence).map_or(0, |next| u64::from(sample.sequence - next))
}

impl Events {
    fn hear(&mut self) {
        let Self { namespaces, scratch, found, names, overflows, lost, .. } = self;
        let now = Instant::now();
        for (key, Namespace { opened, next }) in namespaces {
            *overflows += opened.samples.read(scratch, &mut |kind, body| {
                let Some(sample) = Sample::parse(body).filter(|_| kind == opened.family) else { return };
                *lost += missing(next, &sample) + note(found, *key, &sample);
                if let Some(cookie) = Cookie::parse(sample.cookie) {
                    names.ask(cookie, now);
                }
            });
        }
    }

    /// What a mark stands for.
    fn event(&self, mark: &Mark) -> NetworkEvent {
        let cookie = Cookie::parse(&mark.cookie);
        cookie.and_then(|cookie| self.names.get(cookie)).cloned().unwrap_or_else(|| number(mark, cookie))
    }
}

/// Notes what a sample bears for its flow; 1 when there is no room for it.
fn note(found: &mut HashMap<Key, Found>, netns: u32, sample: &Sample<'_>) -> u64 {
    if sample.cookie.is_empty() || sample.cookie.len() > LONGEST_COOKIE {
        return 0;
    }
    let Some(tuple) = flow_of(sample) else { return 0 };
    if found.len() >= MOST_FLOWS && !found.contains_key(&(netns, tuple)) {
        return 1;
    }
    let marks = &mut found.entry((netns, tuple)).or_default().marks;
    let mark = Mark { group: sample.group, cookie: sample.cookie.into() };
    if marks.contains(&mark) {
        return 0;
    }
    if marks.len() >= MOST_OF_FLOW {
        return 1;
    }
    marks.push(mark);
    0
}

/// The flow of a sampled packet: with an Ethernet header, or, from an interface without one, by what the kernel calls it.
fn flow_of(sample: &Sample<'_>) -> Option<Tuple> {
    let is_ip = |protocol| matches!(protocol, Some(ETHERTYPE_IPV4 | ETHERTYPE_IPV6));
    let of = |layer| {
        let link = parse::link(sample.frame, layer);
        match link.ethertype {
            ETHERTYPE_IPV4 => parse::ipv4(sample.frame, link.l3).map(|headers| tuple(&headers, wide)),
            ETHERTYPE_IPV6 => parse::ipv6(sample.frame, link.l3).map(|headers| tuple(&headers, |address| address)),
            _ => None,
        }
    };
    of(Layer::Ethernet).or_else(|| if is_ip(sample.protocol) { of(Layer::Ip) } else { None })
}

fn tuple<A: Copy>(headers: &Headers<A>, wide: impl Fn(A) -> [u8; 16]) -> Tuple {
    let Headers { src, dst, selector, proto, family, .. } = *headers;
    Tuple { src: wide(src), dst: wide(dst), selector, proto, family }
}

fn wide(address: [u8; 4]) -> [u8; 16] {
    std::array::from_fn(|at| address.get(at).copied().unwrap_or(0))
}

/// A cookie that leads nowhere, as the numbers it is made of.
fn number(mark: &Mark, cookie: Option<Cookie>) -> NetworkEvent {
    let name = if let Some(Cookie { domain, point }) = cookie {
        format!("group {} domain {domain:#010x} point {point}", mark.group)
    } else {
        let mut name = format!("group {} cookie ", mark.group);
        for byte in &mark.cookie {
            // Writing to a text cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    };
    NetworkEvent { feature: Arc::from("psample"), name: name.into(), ..NetworkEvent::default() }
}

impl Feature for Events {
    fn collect(&mut self) {
        for moved in self.follow.moved() {
            match moved {
                Moved::Came(key, opened) => drop(self.namespaces.insert(key, Namespace::new(opened))),
                Moved::Gone(key) => drop(self.namespaces.remove(&key)),
            }
        }
        self.neighbours.refresh();
        self.hear();
        self.names.collect();
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        if self.found.is_empty() && self.earlier.is_empty() {
            return;
        }
        // Open vSwitch samples in its own namespace, at the other end of a pod's veth pair.
        let place = self.neighbours.find(about.netns, |netns| {
            let key = (netns, *about.tuple);
            (self.found.contains_key(&key) || self.earlier.contains_key(&key)).then_some(key)
        });
        let Some(key) = place else { return };
        let mut marks: Vec<Mark> = Vec::new();
        for found in [self.earlier.get_mut(&key), self.found.get_mut(&key)].into_iter().flatten() {
            found.is_told = true;
            marks.extend(found.marks.iter().cloned());
        }
        let mut events: Vec<NetworkEvent> = Vec::new();
        for event in marks.iter().map(|mark| self.event(mark)) {
            if !events.contains(&event) {
                events.push(event);
            }
        }
        record.network_events = Some(events.into());
    }

    fn rest(&mut self, _: &mut dyn FnMut(FlowRecord)) {
        // The record of a sampled packet is made in this interval or the next. What no record tells by then is of a flow that is
        // filtered out, or on an interface that is not watched.
        self.earlier = mem::take(&mut self.found);
        self.earlier.retain(|_, found| !found.is_told);
    }

    fn count(&self, counters: &mut Counters) {
        counters.event_overflows += self.overflows;
        counters.lost_events += self.lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP from 10.0.0.1:4000 to 10.0.0.2:53, cut behind the ports.
    fn frame() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0x0f, 0xa0, 0, 53, 0, 20, 0, 0]);
        frame
    }

    fn sample<'a>(frame: &'a [u8], cookie: &'a [u8]) -> Sample<'a> {
        Sample { group: 10, sequence: 0, cookie, frame, protocol: Some(ETHERTYPE_IPV4) }
    }

    #[test]
    fn a_sample_leads_to_its_flow_with_and_without_an_ethernet_header() {
        let frame = frame();
        let tuple = flow_of(&sample(&frame, &[])).unwrap();
        let (source, destination) = tuple.addresses().unwrap();
        assert_eq!((source.to_string(), destination.to_string()), ("10.0.0.1".into(), "10.0.0.2".into()));
        assert_eq!((tuple.selector, tuple.proto, tuple.family), ([4000, 53], 17, 4));
        assert_eq!(flow_of(&sample(&frame[14..], &[])), Some(tuple));
        assert_eq!(flow_of(&sample(&frame[..20], &[])), None);
    }

    #[test]
    fn gaps_in_the_numbers_of_a_group_are_samples_that_were_missed() {
        let (frame, mut next) = (frame(), HashMap::new());
        let numbered = |sequence| Sample { sequence, ..sample(&frame, &[]) };
        let missed = [5, 6, 9, 0, 1].map(|sequence| missing(&mut next, &numbered(sequence)));
        assert_eq!(missed, [0, 0, 2, 0, 0]);
    }

    #[test]
    fn each_event_of_a_flow_is_kept_once_and_only_so_many() {
        let (frame, mut found) = (frame(), HashMap::new());
        for _ in 0..3 {
            assert_eq!(note(&mut found, 1, &sample(&frame, &[2, 0, 0, 5, 0, 0, 4, 210])), 0);
        }
        assert_eq!(note(&mut found, 1, &sample(&frame, &[])), 0, "no event");
        assert_eq!(found.values().map(|found| found.marks.len()).sum::<usize>(), 1);
        let lost: u64 = (0..MOST_OF_FLOW as u8).map(|number| note(&mut found, 1, &sample(&frame, &[number]))).sum();
        assert_eq!(lost, 1);
    }

    #[test]
    fn a_cookie_that_leads_nowhere_is_shown_as_its_numbers() {
        let mark = |cookie: &[u8]| Mark { group: 10, cookie: cookie.into() };
        let named = |cookie: &[u8]| number(&mark(cookie), Cookie::parse(cookie)).name.to_string();
        assert_eq!(named(&[2, 0, 0, 5, 0, 0, 4, 210]), "group 10 domain 0x02000005 point 1234");
        assert_eq!(named(&[0xca, 0xfe]), "group 10 cookie cafe");
    }
}
