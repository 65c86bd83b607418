//! Translated addresses (`--enable-pkt-translation`): what connection tracking says of a flow's other side.
//!
//! A record bears the tuple that the same packets have on the other side of the translation: after it where the record is
//! before it (a client and a Service, then that client and the pod behind it), before it where the record is after it. So
//! both rows of a translated connection name both sides, and both directions do.
//!
//! Owns the reading of events and lists in each namespace. The kernel tells of a connection when its first packet has passed,
//! so short ones are known too.

mod table;

use std::{
    collections::BTreeMap,
    fs, io,
    time::{Duration, Instant},
};

use flow::{Counters, FlowRecord};

use self::table::{Other, Table, has_ports};
use super::{About, Begun, Feature, Start, neighbours::Neighbours};
use crate::{
    netlink::{
        conntrack::{self, Entry},
        stream::{Groups, Lister, Progress, Scratch},
    },
    netns::follow::{Follow, Moved},
};

/// Most sides of connections remembered in all namespaces, which take 32 MB then ([`flow::CaptureConfig::agent_memory`]).
const MOST: usize = 229_376;
/// An ended connection is remembered at least so long.
const REMEMBER: Duration = Duration::from_secs(30);
/// The kernel has its lists at hand: after one look too many the rest is left for later, so that no bug hangs the beginning.
const LOOKS: usize = 100;
/// Datagrams of a list read in one call: about 3,000 connections, 3 ms.
const PIECES: usize = 32;
/// The kernel may tell no end of a connection that was there before us: lists are compared so often.
const COMPARE: Duration = Duration::from_mins(1);
/// So often where events are switched off.
const POLL: Duration = Duration::from_secs(1);
/// 0 is off (nf_conntrack-sysctl, Linux documentation).
const EVENTS: &str = "/proc/sys/net/netfilter/nf_conntrack_events";

/// State of the feature.
struct Nat {
    tracked: BTreeMap<u32, Tracked>,
    follow: Follow<Opened>,
    neighbours: Neighbours,
    scratch: Scratch,
    remember: Duration,
    /// Of namespaces that have gone.
    before: Missed,
}

/// What was missed in a namespace.
#[derive(Clone, Copy, Debug, Default)]
struct Missed {
    overflows: u64,
    refused: u64,
}

/// Sockets in a namespace.
struct Opened {
    events: Groups,
    lister: Lister,
    /// Whether the kernel tells events here.
    tells: bool,
}

/// One namespace.
struct Tracked {
    sockets: Opened,
    table: Table,
    is_listing: bool,
    /// What a list said is no more than a moment: events were missed since it began.
    again: bool,
    next_list: Instant,
    overflows: u64,
}

/// Begins to listen.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let why = |error: io::Error| format!("translated addresses cannot be seen: {}", reason(&error));
    let (opened, follow) = Follow::start(&start.config.netns, open).map_err(why)?;
    let remember = REMEMBER.max(start.config.cache_active_timeout * 2);
    let mut nat = Nat {
        tracked: BTreeMap::new(),
        follow,
        neighbours: Neighbours::new(start.topology.clone()),
        scratch: Scratch::default(),
        remember,
        before: Missed::default(),
    };
    if opened.values().any(|opened| !opened.tells) {
        start.limits.push(format!(
            "connection tracking tells no events here ({EVENTS} is 0): translations are read every second, those of shorter \
             connections are missed"
        ));
    }
    for (key, opened) in opened {
        let mut tracked = Tracked::new(opened, remember);
        tracked.list_whole(&mut nat.scratch).map_err(why)?;
        nat.tracked.insert(key, tracked);
    }
    Ok(Box::new(nat))
}

/// First the subscription, then the list, so that nothing is missed in between.
fn open() -> io::Result<Opened> {
    let (events, lister) = (conntrack::hear()?, conntrack::lister()?);
    // Without the file there is no tracking here yet; it may begin with the first rule that needs it.
    let tells = fs::read_to_string(EVENTS).is_ok_and(|text| text.trim() == "0");
    Ok(Opened { events, lister, tells: !tells })
}

fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "CAP_NET_ADMIN is missing".to_owned(),
        Some(libc::EPROTONOSUPPORT | libc::EINVAL | libc::EOPNOTSUPP) => {
            "this kernel does not tell tracked connections by netlink (module nf_conntrack_netlink)".to_owned()
        }
        _ => error.to_string(),
    }
}

impl Tracked {
    fn new(sockets: Opened, remember: Duration) -> Self {
        let next_list = Instant::now();
        let table = Table::new(MOST, remember);
        Self { sockets, table, is_listing: false, again: false, next_list, overflows: 0 }
    }

    /// Reads all connections there are, at once.
    fn list_whole(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        self.begin_list()?;
        for _ in 0..LOOKS {
            if self.is_listing {
                self.list(usize::MAX, scratch)?;
            }
        }
        Ok(())
    }

    fn begin_list(&mut self) -> io::Result<()> {
        let pause = if self.sockets.tells { COMPARE } else { POLL };
        self.next_list = Instant::now() + pause;
        conntrack::begin(&mut self.sockets.lister)?;
        self.table.begin_list();
        (self.is_listing, self.again) = (true, false);
        Ok(())
    }

    /// Reads on in the list that was begun.
    fn list(&mut self, pieces: usize, scratch: &mut Scratch) -> io::Result<()> {
        let (table, now) = (&mut self.table, Instant::now());
        let mut note = |kind, body: &[u8]| {
            if let Some(entry) = Entry::parse(kind, body) {
                table.note(&entry, now);
            }
        };
        let progress = self.sockets.lister.read(pieces, scratch, &mut note);
        self.is_listing = matches!(progress, Ok(Progress::Going));
        if let Progress::Done(_) = progress? {
            // Of a list that the kernel calls interrupted each entry is right, but some may be missing in it: they are taken for
            // ended, and are remembered until the next one names them.
            self.table.end_list(now);
        }
        Ok(())
    }

    fn hear(&mut self, scratch: &mut Scratch) {
        let (table, now) = (&mut self.table, Instant::now());
        let overflows = self.sockets.events.read(scratch, &mut |kind, body| {
            if let Some(entry) = Entry::parse(kind, body) {
                table.note(&entry, now);
            }
        });
        self.overflows += overflows;
        self.again |= overflows > 0;
    }

    fn step(&mut self, scratch: &mut Scratch) {
        self.hear(scratch);
        let now = Instant::now();
        // Refusals would be repeated at once; the next look tries again.
        if self.is_listing {
            let _ = self.list(PIECES, scratch);
        } else if self.again || now >= self.next_list {
            let _ = self.begin_list();
        }
        self.table.expire(now);
    }

    fn missed(&self) -> Missed {
        Missed { overflows: self.overflows, refused: self.table.refused }
    }
}

impl Missed {
    const fn add(&mut self, other: Self) {
        self.overflows += other.overflows;
        self.refused += other.refused;
    }
}

impl Nat {
    fn find(&self, about: &About<'_>) -> Option<Other> {
        // A packet from a pod is translated in its node's namespace, at the other end of its veth pair.
        self.neighbours.find(about.netns, |key| self.tracked.get(&key)?.table.other(about.tuple))
    }
}

impl Feature for Nat {
    fn collect(&mut self) {
        for moved in self.follow.moved() {
            match moved {
                Moved::Came(key, opened) => drop(self.tracked.insert(key, Tracked::new(opened, self.remember))),
                Moved::Gone(key) => {
                    let gone = self.tracked.remove(&key);
                    self.before.add(gone.map(|gone| gone.missed()).unwrap_or_default());
                }
            }
        }
        self.neighbours.refresh();
        let mut room = MOST.saturating_sub(self.tracked.values().map(|tracked| tracked.table.len()).sum());
        for tracked in self.tracked.values_mut() {
            let before = tracked.table.len();
            tracked.table.most = before + room;
            tracked.step(&mut self.scratch);
            room = (before + room).saturating_sub(tracked.table.len());
        }
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        let Some(other) = self.find(about) else { return };
        let Some((source, destination)) = other.tuple.addresses() else { return };
        (record.xlat_src_addr, record.xlat_dst_addr) = (Some(source), Some(destination));
        if has_ports(&other.tuple) {
            let [source, destination] = other.tuple.selector;
            (record.xlat_src_port, record.xlat_dst_port) = (Some(source), Some(destination));
        }
        record.zone_id = Some(other.zone);
    }

    fn rest(&mut self, _: &mut dyn FnMut(FlowRecord)) {}

    fn count(&self, counters: &mut Counters) {
        let mut missed = self.before;
        self.tracked.values().for_each(|tracked| missed.add(tracked.missed()));
        counters.event_overflows += missed.overflows;
        counters.lost_translations += missed.refused;
    }
}
