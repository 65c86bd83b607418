//! Watches namespaces and interfaces and keeps our programs on those that are wanted.
//!
//! Owns everything that is attached. Must not know what the programs count.

mod namespace;
mod watcher;

use std::{
    io::PipeWriter,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use flow::{CaptureConfig, Stop, config::TcAttach};

use self::watcher::Watcher;
use crate::{
    attach::Way,
    bpf::link::has_tcx,
    error::AgentError,
    interfaces::Selection,
    loader::{Programs, settings::NetnsSource},
    topology::Shared,
    trace::Links,
};

/// How many interfaces and namespaces are watched at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Interfaces with our programs on them.
    pub interfaces: usize,
    /// Namespaces that these are in.
    pub namespaces: usize,
}

/// Shared between the observer and whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttachedNow(Arc<Mutex<Attached>>);

impl AttachedNow {
    pub(crate) fn get(&self) -> Attached {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, attached: Attached) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = attached;
    }
}

/// What the rest of the agent gets of the observer.
pub(crate) struct Observer {
    pub(crate) running: Running,
    pub(crate) topology: Shared,
    pub(crate) notices: Receiver<Arc<str>>,
    pub(crate) attached: AttachedNow,
}

/// The thread of the observer, for everybody who may end it.
#[derive(Clone, Debug)]
pub(crate) struct Running(Arc<Mutex<Thread>>);

#[derive(Debug)]
struct Thread {
    thread: Option<JoinHandle<()>>,
    /// Closing it ends the thread.
    wake: Option<PipeWriter>,
}

impl Running {
    /// Detaches everything; returns when that is done, whoever asked first.
    pub(crate) fn detach(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

impl Thread {
    fn end(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed; links detach by themselves.
            let _ = thread.join();
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end();
    }
}

/// Attaches to everything there is, then goes on on a thread of its own, until it is ended or `stop` is requested. What is
/// attached to tracepoints ends with it.
pub(crate) fn start(
    config: &CaptureConfig,
    source: NetnsSource,
    programs: Programs,
    traces: Links,
    stop: Stop,
) -> Result<Observer, AgentError> {
    let (sender, notices) = channel();
    let way = if config.drops_only { Way::Nothing } else { choose_way(config.tc_attach, &sender)? };
    let selection = Selection::new(&config.interfaces, &config.exclude_interfaces)?;
    let (topology, attached) = (Shared::default(), AttachedNow::default());
    let netns = config.netns.clone();
    let mut watcher =
        Watcher::new(netns, selection, way, source, programs, topology.clone(), attached.clone(), sender)?;
    watcher.begin()?;
    let (reader, writer) = std::io::pipe().map_err(|error| AgentError::os("cannot make a pipe", error))?;
    let run = move || {
        watcher.run(&reader, &stop);
        traces.close();
    };
    let thread = thread::Builder::new().name("observer".to_owned()).spawn(run);
    let thread = thread.map_err(|error| AgentError::os("cannot start a thread", error))?;
    let running = Running(Arc::new(Mutex::new(Thread { thread: Some(thread), wake: Some(writer) })));
    Ok(Observer { running, topology, notices, attached })
}

fn choose_way(asked: TcAttach, notices: &Sender<Arc<str>>) -> Result<Way, AgentError> {
    match (asked, has_tcx()) {
        (TcAttach::Tc, _) => Ok(Way::Clsact),
        (_, true) => Ok(Way::Tcx),
        (TcAttach::Tcx, false) => Err(AgentError::NoTcx),
        (TcAttach::Any, false) => {
            // The receiver is in our hands: this cannot fail yet.
            let _ = notices.send("this kernel has no TCX (Linux 6.6): using clsact filters".into());
            Ok(Way::Clsact)
        }
    }
}
