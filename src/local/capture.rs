//! The capture itself, from the last check to the last message: agent and collector in this process.

use std::{path::Path, sync::Arc, thread, time::Duration};

use agent::{Agent, AgentError};
use collector::{Collector, Feed, Options, Started, Status, Stdout, Summary};
use flow::{Reason, Stop};
use log::info;

use super::{Signals, directory, files, recorder::Recording, summary, table};
use crate::{
    Context,
    error::{Error, Outcome, exit},
    keylog::Keylog,
    plan::{Plan, Show},
    report,
    version::VERSION,
    wireshark,
};

/// Captures as planned, until a limit, the user or a failure ends it.
pub(crate) fn run(plan: &Plan, context: &Context) -> Outcome {
    for notice in &plan.notices {
        context.report.notice(notice);
    }
    for limit in check(plan)? {
        context.report.notice(&limit);
    }
    if plan.wireshark {
        wireshark::live::open()?;
    }
    let stop = Stop::default();
    if plan.show == Show::Pcapng {
        wireshark::live::end_with_reader(stop.clone());
    }
    let signals =
        Signals::watch(stop.clone()).map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let capture = Capture::start(plan, context, &stop)?;
    for limit in capture.agent.limits() {
        context.report.notice(limit);
    }
    let shown = capture.show(plan, context, &stop);
    let (summary, failed) = capture.finish();
    signals.finished();
    close(plan, &summary)?;
    shown?;
    if let Some(error) = failed {
        return Err(failure(&error));
    }
    end(&stop, &signals, &summary)
}

/// Everything that can be known before anything is touched; what is limited here, in sentences.
fn check(plan: &Plan) -> Result<Vec<String>, Error> {
    if let Some(dir) = &plan.output_dir {
        directory::check(dir)?;
    }
    if plan.wireshark {
        wireshark::live::find()?;
    }
    let support = agent::preflight(&plan.config).map_err(|error| failure(&error))?;
    info!("kernel {}, {}", support.kernel, if support.tcx { "TCX" } else { "clsact" });
    Ok(support.limits)
}

/// Both ends at work.
struct Capture {
    agent: Agent,
    collector: Collector,
    feed: Option<Feed>,
    status: Status,
    keylog: Option<Keylog>,
    recording: Recording,
}

impl Capture {
    fn start(plan: &Plan, context: &Context, stop: &Stop) -> Result<Self, Error> {
        let options = options(plan, context);
        let started = collector::start(options, stop.clone()).map_err(Error::failed)?;
        let Started { input, hub, status, recorder, collector } = started;
        let recording =
            Recording::of(plan, recorder).map_err(|error| Error::failed(format!("cannot watch SIGUSR1: {error}")))?;
        // From the start, so that the table misses nothing.
        let feed = (plan.show == Show::Table).then(|| hub.view());
        // What it holds already comes before the first packet.
        let keylog = plan.keylog.as_deref().map(|path| Keylog::follow(path, input.clone())).transpose();
        let begun = keylog.and_then(|keylog| {
            let agent = agent::start(plan.config.clone(), Box::new(input), stop.clone());
            agent.map(|agent| (agent, keylog)).map_err(|error| failure(&error))
        });
        match begun {
            Ok((agent, keylog)) => Ok(Self { agent, collector, feed, status, keylog, recording }),
            Err(error) => {
                // The files hold nothing: a command that did not work leaves nothing behind.
                files::remove(&collector.finish(), plan.output_dir.as_deref());
                Err(error)
            }
        }
    }

    /// Shows what was asked for until the end is requested, and sees to recordings.
    fn show(&self, plan: &Plan, context: &Context, stop: &Stop) -> Result<(), Error> {
        let say = |words: &str| match self.feed {
            Some(_) => self.status.notice(words.into()),
            None => context.report.notice(words),
        };
        thread::scope(|scope| {
            scope.spawn(|| self.recording.run(&self.agent, stop, &say));
            self.look_on(plan, context, stop)
        })
    }

    fn look_on(&self, plan: &Plan, context: &Context, stop: &Stop) -> Result<(), Error> {
        let Some(feed) = &self.feed else {
            context.report.notice(&attached(&self.agent, plan));
            self.wait(stop);
            return Ok(());
        };
        let watch = || self.watch(stop);
        let (status, recorder) = (&self.status, self.recording.recorder());
        let sources = table::Sources { feed, status, recorder, watch: &watch };
        let shown = table::run(plan, context, &sources, stop);
        // Nobody looks any more, whatever the reason.
        stop.request(Reason::User);
        shown
    }

    /// Sleeps until the end; what happens meanwhile is logged.
    fn wait(&self, stop: &Stop) {
        let mut logged = None;
        let mut done = false;
        while !done {
            done = stop.wait_timeout(Duration::from_millis(250));
            self.watch(stop);
            let notices = self.status.snapshot().notices;
            for (_, notice) in notices.iter().filter(|(time, _)| Some(*time) > logged) {
                info!("{notice}");
            }
            logged = notices.back().map(|(time, _)| *time).or(logged);
        }
    }

    /// An agent that ends by a fault cannot say so itself.
    fn watch(&self, stop: &Stop) {
        if self.agent.has_ended() {
            stop.request(Reason::Failed("the agent has ended by itself".to_owned()));
        }
    }

    /// Keys first, then the agent, so that what it still has reaches the files behind them.
    fn finish(self) -> (Summary, Option<AgentError>) {
        let Self { agent, collector, feed, status: _, keylog, recording: _ } = self;
        drop(feed);
        if let Some(keylog) = keylog {
            keylog.finish();
        }
        let failed = agent.finish().err();
        (collector.finish(), failed)
    }
}

/// What is watched, once it is: scripts wait for this line.
fn attached(agent: &Agent, plan: &Plan) -> String {
    let agent::Attached { interfaces, namespaces } = agent.attached();
    let (interfaces, namespaces) = (number(interfaces, "interface"), number(namespaces, "network namespace"));
    format!("attached to {interfaces} in {namespaces}, capturing {}; Ctrl-C ends it", plan.what)
}

fn number(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn options(plan: &Plan, context: &Context) -> Options {
    Options {
        output_dir: plan.output_dir.clone(),
        stdout: match plan.show {
            Show::Table => Stdout::Nothing,
            Show::Lines(format) => Stdout::Lines(format),
            Show::Pcapng => Stdout::Pcapng,
        },
        ..Options::local(Arc::new(plan.config.clone()), context.typed.clone(), VERSION.to_owned())
    }
}

/// Keeps or removes the files, and says how it went.
fn close(plan: &Plan, summary: &Summary) -> Result<(), Error> {
    let keep = !plan.ask || summary.files.is_empty() || files::ask();
    if !keep {
        files::remove(summary, plan.output_dir.as_deref());
    }
    report::plain(&summary::text(summary, plan, keep));
    match summary.files.iter().find_map(|file| file.error.as_ref().map(|error| (&file.path, error))) {
        Some((path, error)) if keep => Err(Error::failed(format!("{}: {error}", Path::display(path)))),
        _ => Ok(()),
    }
}

fn end(stop: &Stop, signals: &Signals, summary: &Summary) -> Outcome {
    match stop.reason() {
        Some(Reason::Failed(what)) => Err(Error::failed(what)),
        _ if signals.interrupted() && summary.packets == 0 && summary.records == 0 => Ok(exit::INTERRUPTED),
        _ => Ok(exit::DONE),
    }
}

fn failure(error: &AgentError) -> Error {
    let failure = Error::failed(error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
