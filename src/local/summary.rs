//! The last words of a capture: how much, what was lost, where it is, how to look at it.

use std::{fmt::Write as _, path::PathBuf};

use collector::{FileSummary, Summary};
use flow::{
    config::Mode,
    show::{bytes, count, duration},
};

use crate::plan::Plan;

/// Several lines, without a newline at the end.
pub(crate) fn text(summary: &Summary, plan: &Plan, kept: bool) -> String {
    let mut text = total(summary, plan.config.mode);
    // Writing to a String cannot fail.
    if let Some(reason) = &summary.reason {
        let _ = write!(text, "\nend: {reason}");
    }
    let counters = summary.counters;
    if counters.own > 0 {
        let _ = write!(text, "\nleft out: own traffic, seen {} times (--include-self)", counters.own);
    }
    if counters.copies > 0 {
        let _ = write!(text, "\nleft out: {} copies of packets seen elsewhere before (--dedup)", counters.copies);
    }
    for loss in counters.losses() {
        let _ = write!(text, "\n{}: {}", loss.label, loss.value);
    }
    if counters.losses().next().is_none() {
        text.push_str("\nlost: nothing");
    }
    text.push_str(&files(summary, kept));
    text
}

/// Puts the paths of files here in place of those where they were written.
pub(crate) fn relocate(summary: &mut Summary, here: &[PathBuf]) {
    for file in &mut summary.files {
        if let Some(path) = here.iter().find(|path| path.file_name() == file.path.file_name()) {
            file.path.clone_from(path);
        }
    }
}

fn total(summary: &Summary, mode: Mode) -> String {
    let time = duration(summary.capture);
    let volume = format!("{} packets, {} bytes", count(summary.packets), bytes(summary.bytes));
    match mode {
        Mode::Flows => format!("captured {volume} in {} flow records, {time}", count(summary.records)),
        Mode::Packets => format!("captured {volume}, {time}"),
    }
}

fn files(summary: &Summary, kept: bool) -> String {
    if summary.files.is_empty() {
        return String::new();
    }
    if !kept {
        return "\nfiles: removed, as you said".to_owned();
    }
    let line = |file: &FileSummary| format!("\nfile: {} ({}B)", file.path.display(), bytes(file.bytes));
    let mut text: String = summary.files.iter().map(line).collect();
    if let Some(file) = summary.files.last() {
        let _ = write!(text, "\nlook at it: oc-netobserv view {}", file.path.display());
    }
    text
}
