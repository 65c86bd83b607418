//! The life of a capture on a cluster: checked, deployed, shown, stopped, copied, removed. One way in and one way out.
//!
//! Owns the order of things and what the user is told of them. How each is done is in [`crate::cluster`].

use std::{collections::BTreeMap, time::Duration};

use collector::{Options, Origin, Stdout, Summary};
use flow::{CaptureConfig, Stop, config::Limits};
use log::debug;
use tokio::{runtime::Runtime, time};

use crate::{
    Context,
    cli::KubeArgs,
    cluster::{
        captures,
        cleanup::{self, Left},
        connect::{self, Connection},
        copy,
        deploy::{Deployment, Ready, Terms},
        facts,
        home::{self, Home, Stream},
        lease::Renewal,
        pods::Stage,
        progress::Progress,
        remote::Remote,
        rights,
        signals::{Interrupts, Level},
    },
    error::{Error, Outcome, exit},
    keylog, local,
    plan::{
        Show,
        cluster::Request,
        objects::{self, ClusterPlan},
    },
    report,
    stage::Packed,
    version::VERSION,
    wireshark,
};

mod attached;
mod dry;
mod identity;
mod save;
mod table;
mod words;

pub(crate) use attached::{attach, cleanup, copy, follow, stop};

/// Captures as asked, until the user, a limit or a failure ends it.
pub(crate) fn run(request: &Request, kube: &KubeArgs, context: &Context) -> Outcome {
    let runtime = runtime()?;
    if request.dry_run {
        return runtime.block_on(dry::print(request, kube, context));
    }
    let outcome = runtime.block_on(capture(request, kube, context));
    // A reader of a broken connection may still wait; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> Result<Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Error::failed(format!("cannot start threads: {error}")))
}

async fn capture(request: &Request, kube: &KubeArgs, context: &Context) -> Outcome {
    let interrupts = Interrupts::watch().map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    if let Some(dir) = &request.plan.output_dir {
        local::directory::check(dir)?;
    }
    if let Some(keylog) = &request.plan.keylog {
        keylog::check(keylog)?;
    }
    if request.plan.wireshark {
        wireshark::live::find()?;
    }
    let prepared = tokio::select! {
        prepared = prepare(request, kube, context) => prepared?,
        () = interrupts.reached(Level::Stop) => return Ok(exit::INTERRUPTED),
    };
    let (mut plan, packed, connection) = prepared;
    for note in request.plan.notices.iter().chain(&plan.notes) {
        context.report.notice(note);
    }
    if request.plan.wireshark {
        tokio::select! {
            opened = tokio::task::spawn_blocking(wireshark::live::open) => opened.map_err(Error::failed)??,
            () = interrupts.reached(Level::Stop) => return Ok(exit::INTERRUPTED),
        }
    }
    let remote = Remote::new(connection.client, &plan.namespace, request.image.is_some());
    let mut run = Run { request, context, interrupts, remote, plan: &mut plan, packed: &packed, renewal: None };
    run.whole_life().await
}

/// Everything that can be found out before anything is touched.
async fn prepare(
    request: &Request,
    kube: &KubeArgs,
    context: &Context,
) -> Result<(ClusterPlan, BTreeMap<String, Packed>, Connection), Error> {
    let connection = connect::connect(kube).await?;
    sweep(&connection, &[] as &[&str], context).await;
    let facts = facts::gather(&connection, request).await?;
    rights::check(&connection, request, &facts).await?;
    let (identity, packed) = identity::new(request, Some(&facts), &connection.user, context)?;
    let plan = objects::plan(request, &facts, &identity)?;
    Ok((plan, packed, connection))
}

/// Captures whose clients died before a guardian was there, or after it was gone; not those that are
/// `wanted`, by id or namespace: somebody has come for them.
async fn sweep(connection: &Connection, wanted: &[impl AsRef<str>], context: &Context) {
    let mut abandoned = captures::abandoned(&connection.client).await;
    abandoned.retain(|capture| !wanted.iter().any(|name| [&*capture.id, &*capture.namespace].contains(&name.as_ref())));
    for capture in abandoned {
        match cleanup::remove(&connection.client, &capture.namespace, &|words| debug!("{words}")).await {
            Ok(_) => context.report.notice(&format!("removed an abandoned capture: {}", capture.words(None))),
            Err(error) => debug!("an abandoned capture stays: {}", error.message),
        }
    }
}

/// A capture that has begun to exist.
struct Run<'a> {
    request: &'a Request,
    context: &'a Context,
    interrupts: Interrupts,
    remote: Remote,
    plan: &'a mut ClusterPlan,
    packed: &'a BTreeMap<String, Packed>,
    renewal: Option<Renewal>,
}

/// How the live part ended.
enum Live {
    /// The capture runs on in the background.
    Background,
    /// It never captured anything.
    Failed(Error),
    /// Somebody interrupted while it was being deployed.
    Interrupted,
    /// It captured, and may still do so.
    Captured {
        /// What came home as it ran.
        home: Option<Box<Home>>,
        /// What went wrong meanwhile.
        error: Option<Error>,
    },
}

impl Run<'_> {
    async fn whole_life(&mut self) -> Outcome {
        let id = &self.plan.id;
        self.interrupts
            .left(format!("left on the cluster: namespace {}; oc-netobserv cleanup {id}", self.plan.namespace));
        let live = self.live().await;
        match live {
            Live::Background => Ok(exit::DONE),
            Live::Failed(error) => {
                self.clear_away().await?;
                Err(error)
            }
            Live::Interrupted => {
                self.clear_away().await.map(|code| if code == exit::DONE { exit::INTERRUPTED } else { code })
            }
            Live::Captured { home, error } => self.end(home.map(|home| *home), error).await,
        }
    }

    async fn live(&mut self) -> Live {
        let interrupts = self.interrupts.clone();
        let ready = tokio::select! {
            ready = self.deploy() => ready,
            () = interrupts.reached(Level::Stop) => return Live::Interrupted,
        };
        match ready {
            Err(error) => return Live::Failed(error),
            Ok(ready) => words::ready(&ready, self.request, self.context),
        }
        if self.request.background {
            self.renewal = None;
            report::plain(&words::background(&self.plan.id, self.request));
            return Live::Background;
        }
        let stop = Stop::default();
        if self.request.plan.show == Show::Pcapng {
            wireshark::live::end_with_reader(stop.clone());
        }
        let stream = match self.stream(&stop) {
            Ok(stream) => stream,
            Err(error) => return Live::Captured { home: None, error: Some(error) },
        };
        let shown = self.show(stream.as_ref(), &stop).await;
        let (home, lost) = self.bring_in(stream).await;
        Live::Captured { home: home.map(Box::new), error: shown.err().or(lost) }
    }

    async fn deploy(&mut self) -> Result<Ready, Error> {
        let colour = self.context.colour.on(true);
        let mut progress = Progress::new(self.plan.nodes().count(), colour);
        let request = self.request;
        let mut deployment = Deployment {
            plan: self.plan,
            remote: &self.remote,
            packed: self.packed,
            terms: Terms { lease: request.lease, timeout: request.ready_timeout, all_nodes: request.require_all_nodes },
            progress: &mut progress,
            renewal: &mut self.renewal,
        };
        deployment.run().await
    }

    /// A second collector here, where files or lines are wanted as it runs.
    fn stream(&self, stop: &Stop) -> Result<Option<Stream>, Error> {
        let plan = &self.request.plan;
        let stdout = match plan.show {
            Show::Table => Stdout::Nothing,
            Show::Lines(format) => Stdout::Lines(format),
            Show::Pcapng => Stdout::Pcapng,
        };
        if !self.request.stream_home && stdout == Stdout::Nothing {
            return Ok(None);
        }
        let limits = Limits { time: None, bytes: None, packets: None };
        let options = Options {
            config: CaptureConfig { limits, ..plan.config.clone() }.into(),
            command: self.context.typed.clone(),
            version: VERSION.to_owned(),
            output_dir: self.request.stream_home.then(|| plan.output_dir.clone()).flatten(),
            stdout,
            origin: Origin::Relay,
            enrich: None,
            objects: None,
            queue_bytes: Options::QUEUE_BYTES,
            history_bytes: 0,
            follow_bytes: 0,
        };
        let news = (plan.show != Show::Table).then_some(self.context.report);
        Stream::open(options, plan.keylog.as_deref(), stop.clone(), news).map(Some)
    }

    /// Until the end is asked for, here or there.
    async fn show(&self, stream: Option<&Stream>, stop: &Stop) -> Result<(), Error> {
        let follow = async {
            match stream {
                Some(stream) => stream.follow(&self.remote).await,
                None => std::future::pending().await,
            }
        };
        let saves = save::on_signals(&self.remote, self.request.plan.config.ring.is_some());
        if self.request.plan.show == Show::Table {
            // A stream that fails leaves the table alone: what did not come as it ran is copied at the end.
            let beside = async {
                if let Err(error) = follow.await {
                    debug!("the stream home has failed: {}", error.message);
                }
                std::future::pending::<()>().await;
            };
            return tokio::select! {
                () = saves => Ok(()),
                shown = table::show(&self.remote, &["--session", "home", "--owner"], &self.interrupts, self.context) => shown.map(drop),
                () = beside => Ok(()),
            };
        }
        tokio::select! {
            ended = follow => ended,
            () = saves => Ok(()),
            () = self.interrupts.reached(Level::Stop) => Ok(()),
            () = requested(stop) => Ok(()),
        }
    }

    /// Ends the capture so that what is on its way comes home, and closes the files here.
    async fn bring_in(&self, stream: Option<Stream>) -> (Option<Home>, Option<Error>) {
        let Some(stream) = stream else { return (None, None) };
        let (stopped, followed) = tokio::join!(self.stop(), time::timeout(home::LAST, stream.follow(&self.remote)));
        let error = stopped.err().or_else(|| followed.ok().and_then(Result::err));
        (Some(stream.finish()), error)
    }

    /// Ends the capture on the cluster; nothing where there is nobody to ask.
    async fn stop(&self) -> Result<Option<Summary>, Error> {
        tokio::select! {
            state = self.remote.stop("ended by the user") => state.map(|state| state.snapshot.summary),
            () = self.interrupts.reached(Level::SkipCopy) => Ok(None),
        }
    }

    /// From a capture that ran to nothing left: stop, copy, remove, say.
    async fn end(&mut self, home: Option<Home>, error: Option<Error>) -> Outcome {
        let stopped = self.stop().await;
        let (there, lost) = match stopped {
            Ok(summary) => (summary, error),
            Err(stop) if self.has_files(home.as_ref()).await => return Ok(self.leave(&stop)),
            Err(stop) => (None, Some(error.unwrap_or(stop))),
        };
        // What is here counts, why it ended is known there.
        let reason = there.as_ref().and_then(|there| there.reason.clone());
        let whole = home.as_ref().filter(|home| home.is_whole).map(|home| home.summary.clone());
        let counted = there.as_ref().map(|there| there.counters).unwrap_or_default();
        let mut summary = whole.map(|home| Summary { reason: reason.or(home.reason.clone()), ..home }).or(there);
        if let Some(summary) = &mut summary {
            // What was lost or late on the way to the collector there is not seen here.
            summary.counters.raise(&counted);
        }
        let copied = self.copy(home.as_ref(), summary.as_ref()).await;
        if let Err(error) = copied {
            return Ok(self.leave(&error));
        }
        self.drop_partial(home.as_ref(), copied.as_ref().ok().and_then(Option::as_ref));
        // Drops, and what features say, are records without packets.
        let is_empty = summary.as_ref().is_none_or(|summary| summary.packets == 0 && summary.records == 0);
        let interrupted = is_empty && self.interrupts.first().is_some();
        let code = self.clear_away().await?;
        words::summary(summary.as_ref(), home.as_ref(), copied.ok().flatten().as_ref(), self.request);
        match lost {
            Some(error) => Err(error),
            None if interrupted && code == exit::DONE => Ok(exit::INTERRUPTED),
            None => Ok(code),
        }
    }

    /// Whether something would be lost if everything were removed now: the collector cannot be asked, but its pod is there.
    async fn has_files(&self, home: Option<&Home>) -> bool {
        let is_wanted = self.request.plan.output_dir.is_some() && home.is_none_or(|home| !home.is_whole);
        if !is_wanted || self.interrupts.level() >= Level::SkipCopy {
            return false;
        }
        match self.remote.collector().await {
            Ok(pod) => pod.is_some_and(|pod| pod.stage != Stage::Ending),
            Err(_) => true,
        }
    }

    /// Brings the files home, unless they are there or nobody wants them.
    async fn copy(&self, home: Option<&Home>, summary: Option<&Summary>) -> Result<Option<copy::Copied>, Error> {
        let is_home = home.is_some_and(|home| home.is_whole && !home.summary.files.is_empty());
        let Some(dir) = self.request.plan.output_dir.clone().filter(|_| !is_home && summary.is_some()) else {
            return Ok(None);
        };
        if self.request.plan.ask && !ask().await {
            return Ok(None);
        }
        if self.request.plan.keylog.is_some() {
            self.context.report.notice(
                "not everything came home as it ran, so the file is copied, without the keys of --tls-keylog; \
                 editcap --inject-secrets tls,KEYLOG FILE NEW puts them in",
            );
        }
        let source = self.remote.files();
        let copied = tokio::select! {
            copied = copy::copy(&source, &dir) => copied,
            () = self.interrupts.reached(Level::SkipCopy) => {
                report::plain("the files were not copied, as you wanted");
                return Ok(None);
            }
        };
        copied.map(Some).map_err(Error::failed)
    }

    /// What came home with gaps is of no use beside the files that were copied whole.
    fn drop_partial(&self, home: Option<&Home>, copied: Option<&copy::Copied>) {
        if let Some(home) = home.filter(|home| !home.is_whole)
            && copied.is_some_and(|copied| copied.is_all() && !copied.files.is_empty())
        {
            local::files::remove(&home.summary, self.request.plan.output_dir.as_deref());
        }
    }

    /// The files could not be brought home: they stay for a while, everything else goes.
    fn leave(&self, error: &Error) -> u8 {
        let keep = words::minutes(self.request.keep);
        let id = &self.plan.id;
        let text = format!("the files could not be copied: {}; they stay on the cluster for {keep}", error.message);
        self.context
            .report
            .error(&Error::failed(text).hint(format!("oc-netobserv copy {id}; oc-netobserv cleanup {id}")));
        exit::LEFT
    }

    /// Removes everything and says what could not be removed.
    async fn clear_away(&mut self) -> Outcome {
        let progress = Progress::new(0, self.context.colour.on(true));
        let tell = |words: &str| progress.step(words);
        let removed = cleanup::remove(&self.remote.client, &self.plan.namespace, &tell).await;
        self.renewal = None;
        drop(progress);
        match removed {
            Ok(Left(left)) if left.is_empty() => Ok(exit::DONE),
            Ok(Left(left)) => {
                self.context.report.notice(&words::left(&left, &self.plan.id));
                Ok(exit::LEFT)
            }
            Err(error) => {
                self.context.report.error(&error);
                self.context
                    .report
                    .notice(&words::left(&[format!("namespace {}", self.plan.namespace)], &self.plan.id));
                Ok(exit::LEFT)
            }
        }
    }
}

/// The question, on a thread that may wait for an answer.
async fn ask() -> bool {
    tokio::task::spawn_blocking(local::files::ask).await.unwrap_or(true)
}

/// Until somebody here has asked for the end: a reader that has gone, a disk that is full.
async fn requested(stop: &Stop) {
    while !stop.requested() {
        time::sleep(Duration::from_millis(50)).await;
    }
}
