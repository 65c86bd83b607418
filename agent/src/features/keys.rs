//! Secrets of TLS connections, taken from the OpenSSL of chosen processes (`--enable-tls-keys`).
//!
//! Owns what programs in libraries tell, as lines of a key log; which libraries there are ([`finder`]) and whose secrets are
//! taken ([`owners`]). Secrets are in memory only as long as it takes to hand them on, and in no message. Must not know what
//! becomes of them.

mod finder;
mod library;
mod line;
mod maps;
pub(crate) mod owners;

use std::{collections::HashSet, sync::Arc};

use agent_common::keys::{KeyEvent, RANDOM};
use aya::maps::{HashMap, MapData, PerCpuArray, RingBuf};
use flow::Counters;

use self::{finder::Finder, owners::Owners};
use super::Start;
use crate::trace::Wanted;

/// Room for about 2,000 secrets, of 500 connections, between two looks.
const RING: u32 = 256 << 10;
/// Handshakes whose random number is remembered.
const HELLOS: u32 = 8192;
/// Threads that have derived secrets.
const THREADS: u32 = 8192;
/// Namespaces, processes and names that can be selected.
const SELECTED: u32 = 1024;
/// Secrets that are remembered to have been handed on.
const TOLD: usize = 65_536;
/// Programs at functions of libraries.
const PROGRAMS: [(&str, &str); 6] = [
    ("keys_digest", ""),
    ("keys_copy", ""),
    ("keys_kdf", ""),
    ("keys_ctrl", ""),
    ("keys_pkey", ""),
    ("keys_derived", ""),
];

/// Secrets as they are derived.
pub(crate) struct Keys {
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    finder: Finder,
    /// Connections and kinds of secrets that were handed on: where both ends are here, both derive them.
    told: HashSet<([u8; RANDOM], u8)>,
    /// Derived before the packets that were delivered last.
    late: u64,
}

impl Keys {
    /// Begins to take secrets.
    ///
    /// # Errors
    /// One sentence why this kernel or these rights do not give them.
    pub(crate) fn begin(start: &mut Start<'_>) -> Result<Self, String> {
        Self::watch(start).map_err(|reason| format!("keys of TLS cannot be taken from processes: {reason}"))
    }

    fn watch(start: &mut Start<'_>) -> Result<Self, String> {
        let owners = Owners::of(start.config)?;
        let globals = [
            ("KEYS_AARCH64", u32::from(cfg!(target_arch = "aarch64"))),
            ("KEYS_PLACED", u32::from(owners.is_placed())),
            ("KEYS_NAMED", u32::from(owners.is_named())),
        ];
        let sizes = [
            ("KEYS_EVENTS", RING),
            ("KEYS_HELLOS", HELLOS),
            ("KEYS_THREADS", THREADS),
            ("KEYS_NETNS", SELECTED),
            ("KEYS_PIDS", SELECTED),
            ("KEYS_NAMES", SELECTED),
        ];
        let wanted = Wanted { programs: &PROGRAMS, sizes: &sizes, globals: &globals };
        let (mut traced, probes) = start.tracer.probes(&wanted)?;
        let (mut pids, mut names) = (traced.take("KEYS_PIDS")?, traced.take("KEYS_NAMES")?);
        select(&mut pids, owners.pids())?;
        select(&mut names, owners.names())?;
        let namespaces: HashMap<MapData, u32, u8> = traced.take("KEYS_NETNS")?;
        let finder = Finder::start(probes, namespaces, owners, start.keys.clone())?;
        start.limits.extend(finder.said());
        Ok(Self {
            events: traced.take("KEYS_EVENTS")?,
            lost: traced.take("KEYS_LOST")?,
            finder,
            told: HashSet::new(),
            late: 0,
        })
    }

    /// Hands on what was derived since the last call; `settled` is the time up to which packets were delivered, monotonic ns.
    pub(crate) fn take(&mut self, settled: u64, to: &mut Vec<Arc<str>>) {
        while let Some(item) = self.events.next() {
            let Some(event) = read(&item) else { continue };
            if self.told.len() == TOLD {
                self.told.clear();
            }
            if self.told.insert((event.random, event.kind)) {
                self.late += u64::from(event.time_ns <= settled);
                to.extend(line::of(&event));
            }
        }
    }

    /// What the user has not been told yet.
    pub(crate) fn notices(&self) -> Vec<Arc<str>> {
        self.finder.said().into_iter().map(Arc::from).collect()
    }

    /// Adds what was lost or came late to the counters of the capture.
    pub(crate) fn count(&self, counters: &mut Counters) {
        counters.lost_keys += self.lost.get(&0, 0).map_or(0, |values| values.iter().sum());
        counters.late_keys += self.late;
    }
}

/// Puts `keys` into a map of what is selected.
fn select<K: aya::Pod>(map: &mut HashMap<MapData, K, u8>, keys: impl IntoIterator<Item = K>) -> Result<(), String> {
    keys.into_iter().try_for_each(|key| map.insert(key, 1, 0)).map_err(|error| format!("cannot select: {error}"))
}

/// A record of the ring, if it has the length of one.
fn read(bytes: &[u8]) -> Option<KeyEvent> {
    // SAFETY: the length is that of the type, of which any bytes are a value.
    (bytes.len() == size_of::<KeyEvent>()).then(|| unsafe { bytes.as_ptr().cast::<KeyEvent>().read_unaligned() })
}
