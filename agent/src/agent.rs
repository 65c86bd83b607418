//! A running capture: made by [`start`], ended by [`Agent::finish`], by its `Stop`, or by being dropped.

use std::{
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsFd as _,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use flow::{
    CaptureConfig, Counters, Selection, Sink, Stop,
    config::{Mode, NetNs},
    control::ToAgent,
};

use crate::{
    attach::clsact,
    decode::Decoder,
    drain::Drainer,
    error::AgentError,
    features::{
        Features, Start,
        drops::judge::Judge,
        keys::{Keys, owners::Pods},
    },
    flows::Flows,
    loader::{self, filter::Filter, settings::NetnsSource},
    netlink::Requests,
    netns::enter,
    observer::{self, Attached, AttachedNow, Observer, Running},
    outbox::Outbox,
    packets::{Packets, drops::Copies},
    preflight::preflight,
    recorder::Recorder,
    time::Anchor,
    trace::{Links, Places, Tracer},
    worker::{self, Finish},
};

/// A capture that is running.
#[derive(Debug)]
pub struct Agent {
    thread: Option<JoinHandle<Result<Counters, AgentError>>>,
    finish: Finish,
    attached: AttachedNow,
    running: Running,
    filter: Mutex<Filter>,
    judge: Judge,
    keys: Pods,
    limits: Vec<String>,
    /// What may run beside it; nothing beside what runs beside.
    recorder: Option<Box<Recorder>>,
}

/// Begins a capture. When this returns, rules are in force and programs are on everything that was there, or, where that takes
/// longer than two seconds (more than about a hundred interfaces), on as much; the rest follows, and a notice says when.
///
/// # Errors
/// What [`preflight`] finds, or what the kernel refuses. Nothing stays attached then.
#[expect(clippy::needless_pass_by_value, reason = "a capture is begun once, by whoever made its settings")]
pub fn start(config: CaptureConfig, sink: Box<dyn Sink>, stop: Stop) -> Result<Agent, AgentError> {
    let (recorder, sink) = Recorder::new(&config, sink)?;
    let mut agent = alone(config.clone(), sink, stop)?;
    // Those are limits of features that the trigger names.
    agent.limits.extend(recorder.judge(&config)?);
    agent.recorder = Some(Box::new(recorder));
    Ok(agent)
}

/// The same without anything beside it.
#[expect(clippy::needless_pass_by_value, reason = "a capture is begun once, by whoever made its settings")]
pub(crate) fn alone(config: CaptureConfig, sink: Box<dyn Sink>, stop: Stop) -> Result<Agent, AgentError> {
    preflight(&config)?;
    let source = NetnsSource::choose(&config.netns);
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| AgentError::os("cannot count the CPUs", error))?;
    let loaded = loader::load(&config, source, cpus as u32)?;
    let links = Links::default();
    let Observer { running, topology, notices, attached } =
        observer::start(&config, source, loaded.programs, links.clone(), stop.clone())?;
    let anchor = Anchor::of_process();
    let tracer = Tracer::new(links, places(&config, source));
    let (topology_too, limits) = (topology.clone(), Vec::new());
    let judge = Judge::new(&config.selection())?;
    let keys_of = Pods::new(&config);
    let mut begin = Start {
        config: &config,
        tracer,
        judge: judge.clone(),
        topology: topology_too,
        anchor,
        cpus: cpus as u32,
        keys: keys_of.clone(),
        samples: loaded.samples,
        limits,
    };
    let keys = keys(&mut begin);
    let (features, copies, limits) = begun(&mut begin);
    drop(begin);
    let outbox = Outbox::new(sink, config.node.clone(), anchor, notices);
    let finish = Finish::default();
    let (kernel, asked, observer) = (loaded.counters, finish.clone(), running.clone());
    let thread = match config.mode {
        Mode::Flows => {
            let decoder = Decoder { anchor, agent_ip: config.agent_ip, sampling: config.sampling };
            let work = Flows::new(&config, Drainer::new(loaded.flows), kernel, topology, decoder, features, outbox);
            thread::Builder::new().name("flows".to_owned()).spawn(move || worker::run(work, &observer, &stop, &asked))
        }
        Mode::Packets => {
            let work = Packets::new(&config, loaded.packets, copies, kernel, topology, anchor, outbox);
            let work = work.with_keys(keys).with_features(features);
            thread::Builder::new().name("packets".to_owned()).spawn(move || worker::run(work, &observer, &stop, &asked))
        }
    };
    let thread = thread.map_err(|error| AgentError::os("cannot start a thread", error))?;
    give_back_memory();
    let (filter, keys, recorder) = (Mutex::new(loaded.filter), keys_of, None);
    Ok(Agent { thread: Some(thread), finish, attached, running, filter, judge, keys, limits, recorder })
}

/// Secrets of TLS, if they are asked for and can be had.
fn keys(start: &mut Start<'_>) -> Option<Keys> {
    let wanted = start.config.tls_keys && start.config.mode == Mode::Packets;
    wanted.then(|| Keys::begin(start)).and_then(|begun| begun.map_err(|why| start.limits.push(why)).ok())
}

/// What of the features belongs to this kind of capture, and what cannot be had.
fn begun(start: &mut Start<'_>) -> (Features, Option<Copies>, Vec<String>) {
    let drops = start.config.mode == Mode::Packets && start.config.features.contains(&flow::Feature::PktDrop);
    let copies = drops.then(|| Copies::begin(start)).and_then(|begun| begun.map_err(|why| start.limits.push(why)).ok());
    let (features, limits) = Features::begin(start);
    (features, copies, limits)
}

/// Where programs at tracepoints look, which do so in all namespaces unless they are told otherwise.
fn places(config: &CaptureConfig, source: NetnsSource) -> Places {
    if source != NetnsSource::Single {
        return Places::All;
    }
    let own = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| enter::key(socket.as_fd()));
    let key = match &config.netns {
        NetNs::Path(path) => enter::within_path(path, own),
        NetNs::All | NetNs::Current => own(),
    };
    // One that has gone since: a key that no namespace has.
    let key = key.unwrap_or(0);
    if config.pods { Places::Home(key) } else { Places::One(key) }
}

/// Removes filters of tc that agents which were killed left in this network namespace. [`start`] does so too, where it looks.
///
/// # Errors
/// Netlink fails, or CAP_NET_ADMIN is missing.
pub fn sweep() -> std::io::Result<()> {
    clsact::sweep(&mut Requests::open()?)
}

/// What only loading needed (the kernel's types are several MB) goes back to the system.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

impl Agent {
    /// How much is watched at this moment.
    pub fn attached(&self) -> Attached {
        self.attached.get()
    }

    /// What of the features that were asked for this kernel or these rights do not give, in sentences.
    pub fn limits(&self) -> &[String] {
        &self.limits
    }

    /// Replaces rules, sets of addresses and own traffic while packets flow: each packet is judged by the old ones or by the new ones. What
    /// [`CaptureConfig::own`] said counts no more. Returns when the new ones are in force everywhere (about 20 ms).
    ///
    /// # Errors
    /// More than 64 rules (a connection of [`Own`] takes two, an address one), or any where the capture was begun without rules and
    /// without [`CaptureConfig::spare_rules`]; the old ones stay in force then.
    pub fn set_filter(&self, selection: &Selection) -> Result<(), AgentError> {
        // Whatever happened under the lock, which table is in force is known.
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).replace(selection)?;
        self.keys.replace(selection);
        self.judge.replace(selection)?;
        self.recorder.as_ref().map_or(Ok(()), |recorder| recorder.set_filter(selection))
    }

    /// Saves the flight recorder, or begins and ends captures of packets beside this one. What goes wrong is a notice in a batch.
    pub fn record(&self, order: &ToAgent) {
        if let Some(recorder) = &self.recorder {
            recorder.obey(order);
        }
    }

    /// Whether the capture has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the capture: detaches at once, delivers everything that was in flight, and tells the last counters. Returns when the
    /// sink has taken the last batch, or has refused one: a sink that takes nothing for long has to answer `Closed` some time.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub fn finish(mut self) -> Result<Counters, AgentError> {
        self.end()
    }

    fn end(&mut self) -> Result<Counters, AgentError> {
        if let Some(recorder) = &self.recorder {
            recorder.finish();
        }
        self.finish.request();
        self.running.detach();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(AgentError::Panicked(words(panic.as_ref()))),
            None => Ok(Counters::default()),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Whoever wants to know the result calls `finish`.
        let _ = self.end();
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
