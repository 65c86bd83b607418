//! The life of a collector: [`start`] opens files and threads, [`Collector::finish`] drains and closes them.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use flow::{
    Batch, Closed, Feature, Filter, Reason, Sink, Stop,
    config::{Limits, Mode},
    filter::Trigger,
};

use crate::{
    CollectorError, FileSummary, Hub, Options, Origin, Sieve, Status, Stdout, Summary,
    about::{About, now_ns, time_text},
    files::Files,
    hash,
    hub::Bounds,
    ingest::{Conversations, Dedup, Ingest, Outputs, Steps, UNNUMBERED},
    limits::{Allowance, Timer},
    lines::{self, Lines},
    merge::Merge,
    queue::{self, Sender},
    recorder::{Judge, Recorder},
    resume::{Earlier, Keeper, Saved},
    store::{self, Stores},
};

/// Most batches in a queue, however small.
const QUEUE_BATCHES: usize = 1024;

/// A collector at work.
#[derive(Debug)]
pub struct Started {
    /// Where agents deliver.
    pub input: Input,
    /// For tables and copies, any number of them.
    pub hub: Hub,
    /// The state at any moment.
    pub status: Status,
    /// What users ask for, and what agents are to be told of it.
    pub recorder: Recorder,
    /// To end it.
    pub collector: Collector,
}

/// Takes batches from an agent; cheap to clone, one per agent.
#[derive(Clone, Debug)]
pub struct Input(Sender<Batch>);

impl Input {
    /// Says something to whoever looks at the capture, and to its files' readers.
    pub fn notice(&self, text: impl Into<Arc<str>>) {
        let words = Batch {
            node: "".into(),
            sequence: UNNUMBERED,
            time_ns: now_ns(),
            notices: vec![text.into()],
            ..Batch::default()
        };
        // After the end there is nobody to hear it.
        let _ = self.0.send(words);
    }

    /// Hands over secrets of TLS that came beside the packets: lines as [`Batch::secrets`]. They open packets that come later.
    pub fn secrets(&self, secrets: Vec<Arc<str>>) {
        let batch = Batch { node: "".into(), sequence: UNNUMBERED, time_ns: now_ns(), secrets, ..Batch::default() };
        // After the end there are no packets to open.
        let _ = self.0.send(batch);
    }
}

impl Sink for Input {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        self.0.send(batch).map_err(|_| Closed)
    }
}

/// Ends a capture. Dropped without [`Collector::finish`], the threads drain and close by themselves, once every
/// [`Input`] is gone.
#[derive(Debug)]
pub struct Collector {
    input: Sender<Batch>,
    ingest: JoinHandle<Vec<String>>,
    store: Option<JoinHandle<store::Closing>>,
    lines: Option<JoinHandle<()>>,
    timer: Option<Timer>,
    about: Arc<About>,
    summary: Option<PathBuf>,
    earlier: Vec<FileSummary>,
    /// When the first life began, ns since the epoch.
    started_ns: u64,
    origin: Origin,
    status: Status,
    stop: Stop,
}

/// Creates the files, starts the threads and the clock of `--max-time`.
///
/// # Errors
/// A directory, a file or a thread cannot be made; nothing is left running.
pub fn start(mut options: Options, stop: Stop) -> Result<Started, CollectorError> {
    if options.stdout == Stdout::Pcapng && options.config.mode == Mode::Flows {
        return Err(CollectorError::PcapngOfFlows);
    }
    if options.origin == Origin::Relay {
        // They hold where the batches come from.
        Arc::make_mut(&mut options.config).limits = Limits { time: None, bytes: None, packets: None };
    }
    let after = after(&options)?;
    let about = Arc::new(About::new(&options));
    let mut status = Status::new(stop.clone());
    let earlier = earlier(&mut options, &about, &mut status);
    let trigger = trigger(&options)?;
    let (stores, summary) = open_stores(&options, &about, &earlier, &status, &stop)?;
    let store = stores.map(|stores| {
        let (sender, receiver) = queue::channel(QUEUE_BATCHES, options.queue_bytes);
        spawn("store", move || stores.run(&receiver)).map(|thread| (sender, thread))
    });
    let (store_sender, store) = store.transpose()?.unzip();
    let lines = if let Stdout::Lines(format) = options.stdout {
        let (sender, receiver) = queue::channel(QUEUE_BATCHES, options.queue_bytes);
        let (stop, several) = (stop.clone(), options.origin != Origin::Local);
        let lines = if several { Lines::of_nodes(format) } else { Lines::new(format) };
        Some((sender, spawn("lines", move || lines::run(&receiver, lines, &stop))?))
    } else {
        None
    };
    let (lines_sender, lines) = lines.unzip();
    let hub = hub(&options, earlier.saved.life);
    let outputs = Outputs { store: store_sender, lines: lines_sender, hub: hub.clone() };
    let limits = options.config.limits;
    let writes = options.output_dir.is_some() || options.stdout == Stdout::Pcapng;
    let recorder = Recorder::new(&options.config, writes, status.clone());
    let judge = trigger.and_then(|trigger| Judge::new(trigger, options.objects.clone()));
    let decides = (options.origin != Origin::Relay).then(|| recorder.clone());
    let steps = Steps { after, judge, recorder: decides, ..steps(&mut options, &earlier) };
    let (input, receiver) = queue::channel(QUEUE_BATCHES, options.queue_bytes);
    let ingest = Ingest::new(outputs, steps, status.clone(), stop.clone());
    let ingest = spawn("ingest", move || ingest.run(&receiver))?;
    let time = limits.time.filter(|_| options.origin == Origin::Local);
    if options.origin == Origin::Cluster {
        // Time begins when the first agent captures: whoever knows that ends it too.
        status.hold();
    }
    let timer = time.map(|limit| Timer::start(limit, stop.clone())).transpose();
    let collector = Collector {
        input: input.clone(),
        ingest,
        store,
        lines,
        timer: timer.map_err(CollectorError::Thread)?,
        about,
        summary,
        earlier: earlier.files,
        started_ns: earlier.saved.started_ns,
        origin: options.origin,
        status: status.clone(),
        stop,
    };
    let input = Input(input);
    earlier.notices.into_iter().for_each(|notice| input.notice(notice));
    Ok(Started { input, hub, status, recorder, collector })
}

/// What an earlier life of this collector left; limits and totals go on from there.
fn earlier(options: &mut Options, about: &About, status: &mut Status) -> Earlier {
    let (Origin::Cluster, Some(dir)) = (options.origin, &options.output_dir) else {
        return Earlier { saved: Saved::first(about.started_ns), ..Earlier::default() };
    };
    let earlier = Earlier::find(dir, options.config.mode, about.started_ns);
    let elapsed = Duration::from_nanos(about.started_ns.saturating_sub(earlier.saved.started_ns));
    status.resume(elapsed, &earlier);
    if earlier.saved.life > 0 {
        let limits = &mut Arc::make_mut(&mut options.config).limits;
        limits.time = limits.time.map(|limit| limit.saturating_sub(elapsed));
        limits.packets = limits.packets.map(|limit| limit.saturating_sub(earlier.packets));
    }
    earlier
}

fn hub(options: &Options, life: u64) -> Hub {
    let bounds = Bounds { history: options.history_bytes, follow: options.follow_bytes, view: options.queue_bytes };
    Hub::new(bounds, life)
}

/// The part of the filter that runs after the kernel. A relay gets what has passed it already.
fn after(options: &Options) -> Result<Option<Sieve>, CollectorError> {
    let text = options.config.after.as_deref().filter(|_| options.origin != Origin::Relay);
    let filter = text.map(Filter::parse).transpose()?;
    Ok(filter.map(|filter| Sieve::new(filter, options.objects.clone())))
}

/// What saves the flight recorder. Whom it is relayed to does not decide on it.
fn trigger(options: &Options) -> Result<Option<Trigger>, CollectorError> {
    let text = options.config.trigger.as_deref().filter(|_| options.origin != Origin::Relay);
    Ok(text.map(Trigger::parse).transpose()?)
}

/// Conversations in place of flows, if they are asked for. One agent delivers both directions together.
fn conversations(options: &Options, interval_ns: u64) -> Option<Conversations> {
    let config = &options.config;
    let asked = config.mode == Mode::Flows && config.features.contains(&Feature::Conversations);
    let hold = match options.origin {
        Origin::Local => 0,
        Origin::Cluster => interval_ns,
        Origin::Relay => return None,
    };
    asked.then(|| Conversations::new(hold))
}

/// Copies are left out once: what a relay gets has none.
fn dedup(options: &Options) -> Option<Dedup> {
    let files = &options.config.files;
    (files.dedup && options.origin != Origin::Relay).then(|| Dedup::new(files.merge))
}

fn steps(options: &mut Options, earlier: &Earlier) -> Steps {
    let config = Arc::clone(&options.config);
    let interval = config.cache_active_timeout.as_nanos() as u64;
    let several = options.origin == Origin::Cluster;
    Steps {
        recorder: None,
        judge: None,
        mode: config.mode,
        beside: if several && config.mode == Mode::Flows {
            Merge::several(Mode::Packets, interval)
        } else {
            Merge::None
        },
        origin: options.origin,
        enrich: options.enrich.take(),
        merge: match options.origin {
            Origin::Cluster => Merge::several(config.mode, interval),
            Origin::Local | Origin::Relay => Merge::None,
        },
        after: None,
        dedup: dedup(options),
        conversations: conversations(options, interval),
        allowance: Allowance::new(config.limits.packets),
        life: earlier.saved.life,
        nodes: earlier.saved.nodes.iter().map(|(name, node)| (Arc::from(name.as_str()), node.clone())).collect(),
    }
}

/// The stores that `options` ask for, and where the summary goes.
fn open_stores(
    options: &Options,
    about: &Arc<About>,
    earlier: &Earlier,
    status: &Status,
    stop: &Stop,
) -> Result<(Option<Stores>, Option<PathBuf>), CollectorError> {
    let stamp = about.stamp();
    let create = |dir| Files::create(dir, options.config.mode, &options.config.files, &stamp);
    let files = options.output_dir.as_deref().map(create).transpose()?;
    let mut stores = Stores::new(Arc::clone(about), status.clone(), stop.clone());
    if options.stdout == Stdout::Pcapng {
        stores.add_stdout()?;
    }
    let mut summary = None;
    let keeps_ring = options.config.ring.is_some() && options.config.mode == Mode::Packets;
    if options.output_dir.is_some() && (keeps_ring || options.config.mode == Mode::Flows) {
        stores.add_recordings(options.output_dir.as_deref());
    }
    if let Some(files) = files {
        for (path, file) in files.data {
            if keeps_ring {
                // What is saved has files of its own; this one has kept the name free for the summary.
                drop(file);
                let _ = std::fs::remove_file(path);
            } else {
                stores.add_file(path, file)?;
            }
        }
        if let Some(place) = files.series {
            stores.add_series(place)?;
        }
        summary = Some(files.summary);
    }
    if let (Origin::Cluster, Some(dir)) = (options.origin, &options.output_dir) {
        stores.resume(&earlier.files, Keeper::new(dir, earlier.saved.clone(), options.config.mode));
    }
    Ok(((!stores.is_empty()).then_some(stores), summary))
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, CollectorError> {
    thread::Builder::new().name(name.into()).spawn(body).map_err(CollectorError::Thread)
}

impl Collector {
    /// Ends the capture: takes what has been delivered (later deliveries are refused), writes it, closes the files,
    /// builds the indexes, writes the summary. Call it when the agents have delivered their last batch.
    pub fn finish(self) -> Summary {
        let Self {
            input,
            ingest,
            store,
            lines,
            timer,
            about,
            summary: path,
            earlier,
            started_ns,
            origin,
            status,
            stop,
        } = self;
        let capture = status.elapsed();
        drop(timer);
        input.close();
        let closing = Instant::now();
        let nodes = join(ingest, &stop).unwrap_or_default();
        if let Some(lines) = lines {
            join(lines, &stop);
        }
        let mut stores = store.and_then(|store| join(store, &stop)).unwrap_or_default();
        let close = closing.elapsed().saturating_sub(stores.index);
        if origin == Origin::Cluster {
            stores.files.iter_mut().for_each(|file| file.sha256 = hash::of_file(&file.path).unwrap_or_default());
        }
        let files = earlier.into_iter().chain(stores.files).collect();
        let mut summary = sum_up(&about, &status, &stop, nodes, files);
        summary.started = time_text(started_ns);
        (summary.capture, summary.close, summary.index) = (capture, close, stores.index);
        if let Some(path) = path {
            match summary.write(&path) {
                Ok(file) => (summary.path, summary.file) = (Some(path), Some(file)),
                Err(error) => {
                    stop.request(Reason::Failed(format!("cannot write {}: {error}", path.display())));
                    summary.summary_error = Some(error.to_string());
                }
            }
        }
        if let Some(keeper) = stores.keeper {
            // Without it a collector that is started again goes on capturing, and everything is there still.
            let _ = keeper.finish(&status, &summary);
        }
        status.lock().snapshot.summary = Some(summary.clone());
        summary
    }
}

/// What the thread returned; a thread that panicked makes the capture a failed one.
fn join<T>(thread: JoinHandle<T>, stop: &Stop) -> Option<T> {
    let name = thread.thread().name().unwrap_or("a").to_owned();
    let result = thread.join().ok();
    if result.is_none() {
        stop.request(Reason::Failed(format!("the {name} thread has ended by a fault in this program")));
    }
    result
}

fn sum_up(about: &About, status: &Status, stop: &Stop, nodes: Vec<String>, files: Vec<FileSummary>) -> Summary {
    let snapshot = status.snapshot();
    Summary {
        version: about.version.clone(),
        command: about.command.clone(),
        nodes,
        started: time_text(about.started_ns),
        reason: stop.reason().map(|reason| reason_text(&reason)),
        capture: Duration::ZERO,
        close: Duration::ZERO,
        index: Duration::ZERO,
        records: snapshot.records,
        packets: snapshot.packets,
        bytes: snapshot.bytes,
        counters: snapshot.counters,
        files,
        path: None,
        file: None,
        summary_error: None,
    }
}

/// Why a capture ended, in words for files.
pub(crate) fn reason_text(reason: &Reason) -> String {
    match reason {
        Reason::Time => "--max-time is over".into(),
        Reason::Bytes => "--max-bytes are written".into(),
        Reason::Packets => "--max-packets are written".into(),
        Reason::User => "ended by the user".into(),
        Reason::Signal(number) => format!("ended by signal {number}"),
        Reason::Lapsed => "the client was silent for longer than its lease".into(),
        Reason::BrokenPipe => "the reader of standard output has gone".into(),
        Reason::Failed(what) => what.clone(),
    }
}

/// Standard output as a file of its own, so that nothing of the standard library buffers it.
pub(crate) fn stdout() -> io::Result<std::fs::File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?;
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned()?;
    Ok(owned.into())
}
