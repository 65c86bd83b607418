//! What the user is told at the turns of a capture's life.

use std::time::Duration;

use collector::{Summary, session::State};
use flow::show::escape;

use super::{Home, copy::Copied};
use crate::{
    Context,
    cluster::{captures::Capture, deploy::Ready},
    local,
    plan::cluster::Request,
    report,
};

/// Which nodes capture; scripts wait for this line.
pub(super) fn ready(ready: &Ready, request: &Request, context: &Context) {
    for (node, why) in &ready.failed {
        context.report.notice(&format!("node {node} cannot capture: {why}"));
    }
    if !ready.late.is_empty() {
        context.report.notice(&format!("not there yet, they join when they are: {}", ready.late.join(", ")));
    }
    for (limit, nodes) in &ready.limits {
        // The words of agents, whose processes are on nodes of others.
        context.report.notice(&format!("{}: {}", nodes.join(", "), escape(limit)));
    }
    let interfaces: u32 = ready.capturing.iter().map(|(_, interfaces)| interfaces).sum();
    let (interfaces, nodes) = (number(interfaces as usize, "interface"), number(ready.capturing.len(), "node"));
    let end = if request.background { "" } else { "; Ctrl-C ends it" };
    report::plain(&format!("attached to {interfaces} on {nodes}, capturing {}{end}", request.plan.what));
}

fn number(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How to come back to a capture in the background.
pub(super) fn background(id: &str, request: &Request) -> String {
    let end = request.plan.config.limits.time.map_or_else(
        || "it runs until it is stopped".to_owned(),
        |time| format!("it ends by itself after {}, and its files stay for {}", minutes(time), minutes(request.keep)),
    );
    format!(
        "capture {id} runs in the background; {end}\n\
         watch:  oc-netobserv attach {id}, or follow {id} for text\n\
         end:    oc-netobserv stop {id}\n\
         files:  oc-netobserv copy {id}\n\
         remove: oc-netobserv cleanup {id}"
    )
}

/// A time as it is typed.
pub(super) fn minutes(time: Duration) -> String {
    flow::show::duration(time)
}

/// What is left, and how to remove it.
pub(super) fn left(left: &[String], id: &str) -> String {
    format!("left on the cluster: {}; oc-netobserv cleanup {id} tries again", left.join("; "))
}

/// The last words: how much, what was lost, where it is.
pub(super) fn summary(summary: Option<&Summary>, home: Option<&Home>, copied: Option<&Copied>, request: &Request) {
    let Some(summary) = summary else {
        if let Some(home) = home {
            report::plain("the collector of the capture is gone; this is what came home before:");
            report::plain(&local::summary::text(&home.summary, &request.plan, true));
        }
        return;
    };
    let mut here = summary.clone();
    match copied {
        Some(copied) => {
            local::summary::relocate(&mut here, &copied.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>());
        }
        None if home.is_none_or(|home| home.summary.files.is_empty()) => here.files.clear(),
        None => {}
    }
    report::plain(&local::summary::text(&here, &request.plan, true));
}

/// The capture that was looked at has ended.
pub(super) fn ended(id: &str) -> String {
    format!("capture {id} has ended; its files: oc-netobserv copy {id}")
}

/// What a stopped capture came to.
pub(super) fn stopped(capture: &Capture, state: &State) -> String {
    let id = &capture.id;
    let packets = flow::show::count(state.snapshot.packets);
    format!(
        "capture {id} has ended with {packets} packets; its files stay for {}: oc-netobserv copy {id}",
        minutes(capture.keep)
    )
}

/// What came home.
pub(super) fn copied(copied: &Copied, id: &str) -> String {
    let mut lines: Vec<String> = copied
        .files
        .iter()
        .map(|file| {
            let known = if file.was_here { ", here already" } else { "" };
            format!("file: {} ({}B{known})", file.path.display(), flow::show::bytes(file.size))
        })
        .collect();
    if !copied.is_all() {
        lines
            .push(format!("still being written there: {}; oc-netobserv stop {id} closes them", copied.open.join(", ")));
    }
    if lines.is_empty() {
        lines.push(format!("capture {id} has no files"));
    }
    lines.join("\n")
}
