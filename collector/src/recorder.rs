//! Recordings: what a flight recorder saves, and packets of single flows beside a capture of flows.
//!
//! Owns when one begins and ends, why, and what it is called; what agents are to be told ([`Recorder::orders`]) and what users are.
//! Must not know how agents are told, nor how a file is written.

mod judge;
mod target;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use flow::{
    CaptureConfig, Fired, FlowRecord, Recording, Ring,
    config::Mode,
    control::{Beside, ToAgent},
    show::{duration, stamp},
};
use serde::{Deserialize, Serialize};

use crate::{Status, about::now_ns};
pub(crate) use judge::Judge;
use target::Target;

/// Most captures of packets beside one of flows at a time: each has programs and rings of its own on every node.
const MOST: usize = 8;

/// After agents were told to end, what they still have comes within this time.
const REST: Duration = Duration::from_secs(4);

/// A node that said nothing of its ring for so long is not asked any more how far it is.
const SILENT: Duration = Duration::from_secs(5);

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Save the flight recorder; while it is being saved: that is enough.
    Save(Cause),
    /// Record the packets of this flow, both ways; while they are recorded: that is enough.
    Packets(Box<FlowRecord>),
}

/// Who wants the flight recorder saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A key in the table.
    Key,
    /// SIGUSR1.
    Signal,
}

/// The flight recorder at one moment, all nodes together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RingStatus {
    /// `--ring`
    pub asked: Duration,
    /// What all nodes hold.
    pub held: Duration,
    /// It is being saved.
    pub saving: bool,
    /// How often it was saved.
    pub saves: u32,
    /// How often the trigger held while it was being saved: that is in the file anyway.
    pub again: u64,
}

/// A recording and its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordingStatus {
    /// Later ones have larger numbers.
    pub number: u32,
    /// What it is, in one line.
    pub why: String,
    /// Its file.
    pub path: PathBuf,
    /// Packets in it.
    pub packets: u64,
    /// Nothing more will come.
    pub over: bool,
}

/// Decides on recordings; cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<CaptureConfig>,
    /// Recordings have somewhere to go.
    writes: bool,
    status: Status,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What to save, and the moment around which it lies, ns since the epoch.
    save: Option<(Recording, u64)>,
    release: Option<u32>,
    /// Those in `beside` are others than agents were told.
    changed: bool,
    beside: Vec<Running>,
    saving: Option<Saving>,
    ending: Vec<(Recording, Instant)>,
    last: u32,
    nodes: BTreeMap<Arc<str>, (Ring, Instant)>,
    /// What users have to be told.
    news: Vec<String>,
    saves: u32,
    again: u64,
}

#[derive(Debug)]
struct Running {
    recording: Recording,
    target: Target,
}

#[derive(Debug)]
struct Saving {
    recording: Recording,
    /// When agents have delivered it.
    until: Instant,
}

impl Recorder {
    /// Of a capture with these settings; `writes` says whether there are files.
    pub(crate) fn new(config: &Arc<CaptureConfig>, writes: bool, status: Status) -> Self {
        let recorder = Self(Arc::new(Shared { config: Arc::clone(config), writes, status, state: Mutex::default() }));
        recorder.tell(&recorder.lock());
        recorder
    }

    /// Does what a user asks for; what he is told.
    ///
    /// # Errors
    /// Why it cannot be, in one sentence.
    pub fn wish(&self, wish: &Wish) -> Result<String, String> {
        match wish {
            Wish::Save(Cause::Key) => self.save("key", "a key in the table", now_ns(), true),
            Wish::Save(Cause::Signal) => self.save("signal", "SIGUSR1", now_ns(), false),
            Wish::Packets(record) => self.packets(record),
        }
    }

    /// The trigger holds.
    pub(crate) fn fire(&self, Fired { time_ns, what }: &Fired) {
        let Some(trigger) = &self.0.config.trigger else { return };
        // A clock that is wrong must not ask for what nobody has any more.
        let moment_ns = (*time_ns).clamp(now_ns().saturating_sub(10_000_000_000), now_ns());
        if let Ok(words) = self.save("trigger", &format!("trigger {trigger}: {what}"), moment_ns, false) {
            self.lock().news.push(format!("{what}: {words}"));
        }
    }

    fn save(&self, cause: &str, why: &str, moment_ns: u64, may_end: bool) -> Result<String, String> {
        let Shared { config, writes, .. } = &*self.0;
        let Some(time) = config.ring else {
            return Err("there is no flight recorder to save: packets --ring 30s keeps the last 30 s".to_owned());
        };
        if !writes {
            return Err("the flight recorder has no file to go to: --copy=false, and no -w".to_owned());
        }
        let mut state = self.lock();
        if let Some(saving) = &state.saving {
            let (number, name) = (saving.recording.number, Arc::clone(&saving.recording.name));
            if !may_end {
                state.again += 1;
                self.tell(&state);
                return Err("it is being saved".to_owned());
            }
            state.release = Some(number);
            return Ok(format!("{name}.pcapng ends here"));
        }
        let recording = state.recording(cause, why);
        let name = Arc::clone(&recording.name);
        state.saving = Some(Saving { recording: recording.clone(), until: Instant::now() + time });
        state.save = Some((recording, moment_ns));
        state.saves += 1;
        self.tell(&state);
        Ok(format!("saving {0} before and {0} after into {name}.pcapng", duration(time)))
    }

    /// Begins or ends a recording of a flow's packets.
    fn packets(&self, record: &FlowRecord) -> Result<String, String> {
        if self.0.config.mode != Mode::Flows {
            return Err("packets are captured already".to_owned());
        }
        if !self.0.writes {
            return Err("packets have no file to go to: --copy=false".to_owned());
        }
        let target =
            Target::of(record).ok_or("this row has no addresses: packets are recorded between two addresses of IP")?;
        let mut state = self.lock();
        state.changed = true;
        if let Some(at) = state.beside.iter().position(|running| running.target.is(&target)) {
            let Running { recording, .. } = state.beside.remove(at);
            let words = format!("{}.pcapng ends here", recording.name);
            state.ending.push((recording, Instant::now() + REST));
            return Ok(words);
        }
        if state.beside.len() >= MOST {
            return Err(format!("{MOST} flows are recorded: end one of them with the same key on its row"));
        }
        let recording = state.recording(&target.name(), &format!("packets of {target}"));
        let words = format!("recording packets of {target} into {}.pcapng", recording.name);
        state.beside.push(Running { recording, target });
        Ok(words)
    }

    /// What agents are to be told, once.
    pub fn orders(&self) -> Vec<ToAgent> {
        let mut state = self.lock();
        let save = state
            .save
            .take()
            .map(|(recording, moment_ns)| ToAgent::Save { recording, ago_ns: now_ns().saturating_sub(moment_ns) });
        let release = state.release.take().map(|number| ToAgent::Release { number });
        let record = std::mem::take(&mut state.changed).then(|| {
            let beside = |Running { recording, target }: &Running| Beside {
                recording: recording.clone(),
                config: Box::new(target.config(&self.0.config)),
            };
            ToAgent::Record(state.beside.iter().map(beside).collect())
        });
        save.into_iter().chain(release).chain(record).collect()
    }

    /// What users are to be told, once.
    pub fn news(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().news)
    }

    /// A node says how its ring stands.
    pub(crate) fn hear(&self, node: &Arc<str>, ring: Ring) {
        if let Some(fired) = &ring.fired {
            self.fire(fired);
        }
        let mut state = self.lock();
        state.nodes.insert(Arc::clone(node), (ring, Instant::now()));
        let number = state.saving.as_ref().map(|saving| saving.recording.number);
        let all = || state.nodes.values().filter(|(_, heard)| heard.elapsed() < SILENT);
        if number.is_some_and(|number| all().all(|(ring, _)| ring.ended >= number)) {
            state.end_save();
        }
        self.tell(&state);
    }

    /// Recordings of which nothing more will come.
    pub(crate) fn take_over(&self) -> Vec<Recording> {
        let mut state = self.lock();
        // A node that is gone says no end.
        if state.saving.as_ref().is_some_and(|saving| saving.until + SILENT < Instant::now()) {
            state.end_save();
            self.tell(&state);
        }
        let now = Instant::now();
        let over = state.ending.extract_if(.., |(_, due)| *due <= now);
        over.map(|(recording, _)| Recording { over: true, ..recording }).collect()
    }

    fn tell(&self, state: &State) {
        let Some(asked) = self.0.config.ring.filter(|_| self.0.config.mode == Mode::Packets) else { return };
        let heard = state.nodes.values().filter(|(_, heard)| heard.elapsed() < SILENT);
        let held = heard.map(|(ring, _)| Duration::from_nanos(ring.held_ns)).min().unwrap_or_default();
        let State { saves, again, .. } = *state;
        let ring = RingStatus { asked, held, saving: state.saving.is_some(), saves, again };
        self.0.status.lock().snapshot.ring = Some(ring);
    }

    // Every change is complete before the lock is released.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn recording(&mut self, what: &str, why: &str) -> Recording {
        let now_s = now_ns() / 1_000_000_000;
        // Seconds, so that a collector that was started again goes on with larger numbers.
        self.last = (now_s as u32).max(self.last + 1);
        let why = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        Recording { number: self.last, name: format!("{}-{what}", stamp(now_s)).into(), why: why.into(), over: false }
    }

    fn end_save(&mut self) {
        if let Some(Saving { recording, .. }) = self.saving.take() {
            self.ending.push((recording, Instant::now() + REST));
        }
    }
}

#[cfg(test)]
mod tests;
