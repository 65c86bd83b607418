//! What runs beside a capture in the same agent: the flight recorder of packets, flows over which its trigger is judged, and
//! packets of single flows.
//!
//! Owns the one way out that they all share, and who begins and ends them. Must not know what is in a packet, but for the trigger.

mod joint;
mod ring;
mod seen;
mod window;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use flow::{
    CaptureConfig, Recording, Selection, Sink, Stop,
    config::Mode,
    control::{Beside, ToAgent},
    filter::Trigger,
};

use self::{
    joint::Joint,
    ring::{Control, Memory, Ring},
};
use crate::{
    agent::{self, Agent},
    error::AgentError,
    time::{Anchor, monotonic},
};

/// Everything beside one capture.
pub(crate) struct Recorder {
    joint: Joint,
    anchor: Anchor,
    ring: Option<Control>,
    /// Delivers flows to be judged.
    judged: Mutex<Option<Agent>>,
    beside: Mutex<BTreeMap<u32, Agent>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("ring", &self.ring).finish_non_exhaustive()
    }
}

impl Recorder {
    /// For a capture with these settings; and where that capture delivers.
    ///
    /// # Errors
    /// The trigger is no expression.
    pub(crate) fn new(config: &CaptureConfig, sink: Box<dyn Sink>) -> Result<(Self, Box<dyn Sink>), AgentError> {
        let (joint, anchor) = (Joint::new(sink, Arc::clone(&config.node)), Anchor::of_process());
        let main = Box::new(joint.main());
        let Some(time) = config.ring.filter(|_| config.mode == Mode::Packets) else {
            return Ok((Self { joint, anchor, ring: None, judged: Mutex::default(), beside: Mutex::default() }, main));
        };
        let filter = trigger(config)?.and_then(|trigger| trigger.on_packets);
        let memory = Memory { time, bytes: config.buffer_size as usize };
        let (ring, control) = Ring::new(memory, filter, anchor.wall(monotonic()), main);
        let recorder = Self { joint, anchor, ring: Some(control), judged: Mutex::default(), beside: Mutex::default() };
        Ok((recorder, Box::new(ring)))
    }

    /// Begins to count flows where the trigger needs that; what of the features it cannot have, in sentences.
    ///
    /// # Errors
    /// They cannot be counted.
    pub(crate) fn judge(&self, config: &CaptureConfig) -> Result<Vec<String>, AgentError> {
        let Some(flows) = trigger(config)?.filter(|_| self.ring.is_some()).and_then(|trigger| trigger.flows(config))
        else {
            return Ok(Vec::new());
        };
        let agent = agent::alone(flows, Box::new(self.joint.judged()), Stop::default())?;
        let limits = agent.limits().to_vec();
        *lock(&self.judged) = Some(agent);
        Ok(limits)
    }

    /// Flows that are judged are those of the packets that are taken.
    ///
    /// # Errors
    /// As [`Agent::set_filter`].
    pub(crate) fn set_filter(&self, selection: &Selection) -> Result<(), AgentError> {
        lock(&self.judged).as_ref().map_or(Ok(()), |agent| agent.set_filter(selection))
    }

    /// Does what the collector says.
    pub(crate) fn obey(&self, order: &ToAgent) {
        match order {
            ToAgent::Save { recording, ago_ns } => {
                let moment = self.anchor.wall(monotonic()).saturating_sub(*ago_ns);
                if let Some(ring) = &self.ring {
                    ring.save(Arc::new(recording.clone()), moment);
                }
            }
            ToAgent::Release { number } => {
                if let Some(ring) = &self.ring {
                    ring.release(*number);
                }
            }
            ToAgent::Record(all) => self.record(all),
            ToAgent::Begin(_) | ToAgent::Filter(_) | ToAgent::Watch { .. } | ToAgent::Stop { .. } => {}
        }
    }

    /// Those captures run, and no others.
    fn record(&self, wanted: &[Beside]) {
        let mut running = lock(&self.beside);
        let over: Vec<u32> =
            running.keys().copied().filter(|number| wanted.iter().all(|w| w.recording.number != *number)).collect();
        for agent in over.iter().filter_map(|number| running.remove(number)) {
            self.end(agent);
        }
        for Beside { recording, config } in wanted {
            if !running.contains_key(&recording.number)
                && let Some(agent) = self.begin(recording, config)
            {
                running.insert(recording.number, agent);
            }
        }
    }

    fn begin(&self, recording: &Recording, config: &CaptureConfig) -> Option<Agent> {
        let sink = self.joint.recording(Arc::new(recording.clone()));
        let config = CaptureConfig { node: self.joint.node(), ..config.clone() };
        let begun = agent::alone(config, Box::new(sink), Stop::default());
        begun.map_err(|error| self.joint.notice(&format!("no packets are recorded beside: {error}"))).ok()
    }

    fn end(&self, agent: Agent) {
        if let Err(error) = agent.finish() {
            self.joint.notice(&format!("recording packets beside: {error}"));
        }
    }

    /// Ends everything beside the capture, which goes on; what it still had is delivered.
    pub(crate) fn finish(&self) {
        let beside = std::mem::take(&mut *lock(&self.beside));
        let judged = lock(&self.judged).take();
        beside.into_values().chain(judged).for_each(|agent| self.end(agent));
    }
}

/// Longest time by which news of a trigger comes late: flows are told every second, and wait for names for three.
pub(crate) const LATENESS: Duration = Duration::from_secs(5);

fn trigger(config: &CaptureConfig) -> Result<Option<Trigger>, AgentError> {
    let parsed = config.trigger.as_deref().map(Trigger::parse).transpose();
    parsed.map_err(|error| AgentError::Trigger(error.to_string()))
}

// Every change is complete before the lock is released.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
