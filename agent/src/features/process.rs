//! Which process is at the ends of a flow that are on this machine (`--enable-process`).
//!
//! Owns what is known of sockets and their processes: programs tell of new ones as they are used, a thread looks at
//! `/proc` for those that were there before, and again every half minute. A flow's end is a socket in the namespace where the
//! flow was counted; else, since packets of a pod are counted on their node too, the only socket anywhere that has these ends.

mod container;
mod look;
mod owner;
pub(super) mod proc_net;
mod sockets;

use std::{collections::HashMap, fs, io, os::linux::fs::MetadataExt as _, time::Instant};

use agent_common::process::{PROCESS_CONNECTS, ProcessEvent};
use aya::maps::{MapData, PerCpuArray, RingBuf};
use flow::{Counters, FlowRecord};

use self::{
    look::Looker,
    owner::{Owners, Process},
    sockets::{End, Sockets},
};
use super::{About, Begun, Feature, Start};
use crate::{
    netns::follow::{Follow, Moved},
    trace::Wanted,
};

/// Room for about 1,500 sockets between two looks, 50 ms apart.
const RING: u32 = 128 << 10;
/// Sockets that the programs remember to have told.
const TOLD: u32 = 65_536;
const STATE: (&str, &str) = ("process_state", "inet_sock_set_state");
const USES: [(&str, &str); 2] = [("process_sends", "sock_send_length"), ("process_receives", "sock_recv_length")];
/// Inode number of the first namespace of processes (`PROC_PID_INIT_INO` of include/linux/proc_ns.h).
const FIRST_PIDS: u64 = 0xefff_fffc;

/// State of the feature.
struct Processes {
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    sockets: Sockets,
    owners: Owners,
    looker: Looker,
    /// Inode numbers of the namespaces where flows are counted, by their keys.
    places: HashMap<u32, u32>,
    follow: Follow<u32>,
}

/// Begins to watch sockets.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let why = |reason: String| format!("processes cannot be seen: {reason}");
    let sizes = [("PROCESS_SOCKETS", TOLD), ("PROCESS_EVENTS", RING)];
    let wanted = |programs| Wanted { programs, sizes: &sizes, ..Wanted::default() };
    let all = [STATE, USES[0], USES[1]];
    let mut traced = if let Ok(traced) = start.tracer.begin(&wanted(&all)) {
        traced
    } else {
        let traced = start.tracer.begin(&wanted(&[STATE])).map_err(why)?;
        start.limits.push(
            "processes: this kernel does not tell who sends and receives (Linux 6.3 does): sockets of UDP, and accepted \
             connections, are looked for every half minute, shorter ones are not found"
                .to_owned(),
        );
        traced
    };
    let pids = fs::metadata("/proc/self/ns/pid").map_or(FIRST_PIDS, |metadata| metadata.st_ino());
    if pids != FIRST_PIDS {
        start.limits.push(
            "processes: only names of new sockets' processes are known, because this agent does not see the machine's processes \
             (hostPID)"
                .to_owned(),
        );
    }
    let (places, follow) = Follow::start(&start.config.netns, own_namespace).map_err(|error| why(error.to_string()))?;
    let looker = Looker::start(pids == FIRST_PIDS).map_err(|error| why(error.to_string()))?;
    Ok(Box::new(Processes {
        events: traced.take("PROCESS_EVENTS").map_err(why)?,
        lost: traced.take("PROCESS_LOST").map_err(why)?,
        sockets: Sockets::default(),
        owners: Owners::new(pids == FIRST_PIDS),
        looker,
        places: places.into_iter().collect(),
        follow,
    }))
}

/// The inode number of the namespace of the calling thread.
fn own_namespace() -> io::Result<u32> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.st_ino() as u32)
}

impl Processes {
    fn hear(&mut self) {
        let now = Instant::now();
        while let Some(item) = self.events.next() {
            let Some(event) = read(&item) else { continue };
            let process = self.owners.of(event.pid, &event.comm, now);
            if event.kind == PROCESS_CONNECTS {
                self.sockets.connects(&event, process, now);
            } else if self.sockets.uses(&event, process, now) {
                // A namespace of which nothing is known yet: its addresses are wanted.
                self.looker.soon();
            }
        }
    }

    fn look(&mut self) {
        for moved in self.follow.moved() {
            match moved {
                Moved::Came(key, inode) => drop(self.places.insert(key, inode)),
                Moved::Gone(key) => drop(self.places.remove(&key)),
            }
        }
        if let Some(seen) = self.looker.seen() {
            let now = Instant::now();
            self.sockets.replace(&seen, now, |pid, name| self.owners.of(pid, name, now));
            self.owners.forget(now);
        }
    }
}

/// A record of the ring, if it has the length of one.
fn read(bytes: &[u8]) -> Option<ProcessEvent> {
    // SAFETY: the length is that of the type, of which any bytes are a value.
    (bytes.len() == size_of::<ProcessEvent>())
        .then(|| unsafe { bytes.as_ptr().cast::<ProcessEvent>().read_unaligned() })
}

impl Feature for Processes {
    fn collect(&mut self) {
        self.look();
        self.hear();
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        let Some(here) = self.places.get(&about.netns).copied() else { return };
        if let Some(process) = self.sockets.find(about.tuple, here, End::Source) {
            let Process { pid, name, container } = &*process;
            (record.src_process, record.src_pid) = (Some(name.clone()), Some(*pid));
            record.src_container.clone_from(container);
        }
        if let Some(process) = self.sockets.find(about.tuple, here, End::Destination) {
            let Process { pid, name, container } = &*process;
            (record.dst_process, record.dst_pid) = (Some(name.clone()), Some(*pid));
            record.dst_container.clone_from(container);
        }
    }

    fn rest(&mut self, _: &mut dyn FnMut(FlowRecord)) {}

    fn count(&self, counters: &mut Counters) {
        let lost: u64 = self.lost.get(&0, 0).map_or(0, |values| values.iter().sum());
        counters.lost_processes += lost + self.sockets.refused();
    }
}
