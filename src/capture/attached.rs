//! Commands for captures that run on the cluster already: `attach`, `follow`, `stop`, `copy`, `cleanup`.
//!
//! None of them ends a capture by leaving it. While they look after one, they renew its lease.

use std::{
    io::{Write as _, stderr, stdin},
    time::Duration,
};

use collector::{Format, Options, Origin, Stdout};
use flow::{CaptureConfig, Stop};
use tokio::time;

use super::{
    requested, runtime, sweep,
    table::{self, Over},
    words,
};
use crate::{
    Context,
    cli::{AttachArgs, CleanupArgs, Copy, CopyArgs, FollowArgs, KubeArgs, Output, StopArgs},
    cluster::{
        captures::{self, Capture},
        cleanup as removal,
        connect::{self, Connection},
        copy as files,
        home::Stream,
        lease::{self, Renewal},
        progress::Progress,
        remote::Remote,
        signals::{Interrupts, Level},
        terminal,
    },
    error::{Error, Outcome, exit},
    report,
    version::VERSION,
};

mod supply;

/// A capture that somebody looks after for a while.
struct Attached {
    capture: Capture,
    remote: Remote,
    _renewal: Renewal,
}

impl Attached {
    async fn to(wanted: Option<&str>, kube: &KubeArgs, context: &Context) -> Result<Self, Error> {
        let connection = connect::connect(kube).await?;
        sweep(&connection, wanted.as_slice(), context).await;
        let client = connection.client;
        let capture = captures::choose(&client, wanted).await?;
        let remote = Remote::find(client.clone(), &capture.namespace).await?;
        let renewal = lease::keep_alive(client, &capture.namespace, capture.lease);
        Ok(Self { capture, remote, _renewal: renewal })
    }
}

fn block<F: Future<Output = Outcome>>(work: F) -> Outcome {
    let runtime = runtime()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

fn interrupts() -> Result<Interrupts, Error> {
    Interrupts::watch().map_err(|error| Error::failed(format!("cannot watch signals: {error}")))
}

/// Opens the table of a capture; leaving it leaves the capture alone.
pub(crate) fn attach(args: &AttachArgs, context: &Context) -> Outcome {
    if !terminal::is_there() {
        return Err(Error::usage("attach: needs a terminal").hint("oc-netobserv follow writes lines"));
    }
    block(async {
        let interrupts = interrupts()?;
        let attached = Attached::to(args.capture.as_deref(), &args.kube, context).await?;
        supply::ready(&attached.remote, context.colour.on(true)).await?;
        if table::show(&attached.remote, &["--session", "attached"], &interrupts, context).await? == Over::Ended {
            report::plain(&words::ended(&attached.capture.id));
        }
        Ok(exit::DONE)
    })
}

/// Writes the lines of a capture until it ends or the reader has enough.
pub(crate) fn follow(args: &FollowArgs, context: &Context) -> Outcome {
    block(async {
        let interrupts = interrupts()?;
        let attached = Attached::to(args.capture.as_deref(), &args.kube, context).await?;
        let state = attached.remote.settings().await?;
        let stop = Stop::default();
        let limits = flow::config::Limits { time: None, bytes: None, packets: None };
        let options = Options {
            config: CaptureConfig { limits, ..state.config }.into(),
            command: context.typed.clone(),
            version: VERSION.to_owned(),
            output_dir: None,
            stdout: Stdout::Lines(format(args.output)),
            origin: Origin::Relay,
            enrich: None,
            objects: None,
            queue_bytes: Options::QUEUE_BYTES,
            history_bytes: 0,
            follow_bytes: 0,
        };
        let stream = Stream::open(options, None, stop.clone(), Some(context.report))?;
        let ended = tokio::select! {
            ended = stream.follow(&attached.remote) => ended.map(|()| true),
            () = interrupts.reached(Level::Stop) => Ok(false),
            () = requested(&stop) => Ok(false),
        };
        stream.finish();
        if ended? {
            report::plain(&words::ended(&attached.capture.id));
        }
        Ok(exit::DONE)
    })
}

fn format(output: Output) -> Format {
    match output {
        Output::Json => Format::Json,
        Output::Wide => Format::Wide,
    }
}

/// Ends a capture; its files stay for `copy`.
pub(crate) fn stop(args: &StopArgs, context: &Context) -> Outcome {
    block(async {
        let attached = Attached::to(args.capture.as_deref(), &args.kube, context).await?;
        let state = attached.remote.stop("stopped by oc-netobserv stop").await?;
        report::plain(&words::stopped(&attached.capture, &state));
        Ok(exit::DONE)
    })
}

/// Brings the files of a capture home.
pub(crate) fn copy(args: &CopyArgs, context: &Context) -> Outcome {
    block(async {
        let interrupts = interrupts()?;
        let attached = Attached::to(args.capture.as_deref(), &args.kube, context).await?;
        let source = attached.remote.files();
        let copied = tokio::select! {
            copied = files::copy(&source, &args.output_dir) => copied.map_err(Error::failed)?,
            () = interrupts.reached(Level::Stop) => return Ok(exit::INTERRUPTED),
        };
        report::plain(&words::copied(&copied, &attached.capture.id));
        Ok(if copied.is_all() { exit::DONE } else { exit::FAILED })
    })
}

/// Removes captures.
pub(crate) fn cleanup(args: &CleanupArgs, context: &Context) -> Outcome {
    block(async {
        let connection = connect::connect(&args.kube).await?;
        sweep(&connection, &args.captures, context).await;
        let chosen = chosen(args, &connection).await?;
        if chosen.is_empty() {
            if args.captures.is_empty() {
                report::plain("no capture of yours is on this cluster");
            }
            return Ok(exit::DONE);
        }
        let now = captures::server_time(&connection.client).await;
        for capture in &chosen {
            report::plain(&format!("capture {}", capture.words(now)));
        }
        let foreign = chosen.iter().any(|capture| capture.user != connection.user);
        if foreign && !args.yes && !confirm() {
            return Ok(exit::DONE);
        }
        let mut code = exit::DONE;
        for capture in &chosen {
            if args.copy == Some(Copy::True) {
                bring_home(&connection, capture, context).await;
            }
            code = code.max(remove(&connection, capture, args.timeout, context).await?);
        }
        Ok(code)
    })
}

async fn chosen(args: &CleanupArgs, connection: &Connection) -> Result<Vec<Capture>, Error> {
    if args.captures.is_empty() {
        let mut all = captures::list(&connection.client).await?;
        all.retain(|capture| args.all || capture.user == connection.user);
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for wanted in &args.captures {
        match captures::find(&connection.client, wanted).await? {
            Some(capture) => chosen.push(capture),
            None => report::plain(&format!("no capture {wanted} is on this cluster: nothing to remove")),
        }
    }
    Ok(chosen)
}

/// Best effort: who cleans up wants it clean.
async fn bring_home(connection: &Connection, capture: &Capture, context: &Context) {
    let copied = async {
        let remote = Remote::find(connection.client.clone(), &capture.namespace).await?;
        remote.stop("cleaned up").await?;
        files::copy(&remote.files(), std::path::Path::new("./output")).await.map_err(Error::failed)
    };
    match copied.await {
        Ok(copied) => report::plain(&words::copied(&copied, &capture.id)),
        Err(error) => context.report.notice(&format!("the files of {} stay there: {}", capture.id, error.message)),
    }
}

async fn remove(connection: &Connection, capture: &Capture, patience: Duration, context: &Context) -> Outcome {
    let progress = Progress::new(0, context.colour.on(true));
    let tell = |words: &str| progress.step(words);
    let removed = time::timeout(patience, removal::remove(&connection.client, &capture.namespace, &tell)).await;
    drop(progress);
    let left = match removed {
        Ok(removed) => removed?.0,
        Err(_) => vec![format!("namespace {}: it still goes after {}", capture.namespace, words::minutes(patience))],
    };
    if left.is_empty() {
        report::plain(&format!("removed {}", capture.id));
        return Ok(exit::DONE);
    }
    context.report.notice(&words::left(&left, &capture.id));
    Ok(exit::LEFT)
}

/// Other people's captures go only if somebody says so.
fn confirm() -> bool {
    let _ =
        write!(stderr(), "Some of these were begun by others. Remove them? [yes/no] ").and_then(|()| stderr().flush());
    let mut line = String::new();
    let answered = stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0);
    answered && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
