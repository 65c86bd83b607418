//! Recordings on this machine: hands orders to the agent, and SIGUSR1 to whoever decides.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use agent::Agent;
use collector::{Cause, Recorder, Wish, view::Exported};
use flow::Stop;

use crate::{plan::Plan, version::VERSION};

/// Time between two looks.
const TICK: Duration = Duration::from_millis(50);

/// What the capture's part of it needs.
pub(super) struct Recording {
    recorder: Recorder,
    /// SIGUSR1 came.
    signal: Arc<AtomicBool>,
}

impl Recording {
    /// SIGUSR1 saves from now on, where there is a flight recorder; else it does what it does to any process.
    pub(super) fn of(plan: &Plan, recorder: Recorder) -> io::Result<Self> {
        let signal = Arc::new(AtomicBool::new(false));
        if plan.config.ring.is_some() {
            signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&signal))?;
        }
        Ok(Self { recorder, signal })
    }

    /// What a table asks.
    pub(super) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Looks after recordings until `stop`. Beginning one takes the time that loading programs takes.
    pub(super) fn run(&self, agent: &Agent, stop: &Stop, say: &(dyn Fn(&str) + Sync)) {
        loop {
            let is_last = stop.wait_timeout(TICK);
            if self.signal.swap(false, Ordering::Relaxed) {
                let said = self.recorder.wish(&Wish::Save(Cause::Signal));
                say(&said.unwrap_or_else(|why| why));
            }
            self.recorder.news().iter().for_each(|news| say(news));
            self.recorder.orders().iter().for_each(|order| agent.record(order));
            if is_last {
                return;
            }
        }
    }
}

/// Opens a file in Wireshark, which goes on by itself.
///
/// # Errors
/// There is none, or it cannot be started.
pub(crate) fn open(file: &Path) -> Result<(), String> {
    let program = crate::wireshark::live::program()?;
    let mut command = Command::new(&program);
    command.arg("-r").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    // Whoever is not waited for stays a zombie.
    let wait = move || drop(child.wait());
    thread::Builder::new().name("wireshark".into()).spawn(wait).map(drop).map_err(|error| error.to_string())
}

/// Writes packets of a table, and opens them if that is asked for; what is said of it.
pub(crate) fn write(exporter: &collector::Exporter, packets: &Exported, is_opened: bool) -> Result<String, String> {
    let (path, count) = exporter.write(packets)?;
    let packets = flow::show::count(count);
    let written = format!("{packets} packets written to {}", path.display());
    if !is_opened {
        return Ok(written);
    }
    match open(&path) {
        Ok(()) => Ok(format!("{written}, opened in Wireshark")),
        Err(why) => Ok(format!("{written}; not opened: {why}")),
    }
}

/// Of the packets of a capture as planned.
pub(super) fn exporter(plan: &Plan) -> Option<collector::Exporter> {
    plan.output_dir.as_deref().map(|dir| collector::Exporter::of_capture(&plan.config, VERSION, dir, false))
}
