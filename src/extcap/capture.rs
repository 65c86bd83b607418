//! The capture itself: `packets` in a process of its own, which writes into Wireshark's pipe.
//!
//! Of its own because Wireshark is impatient: what it kills is only this one here, and the other removes what it has on the
//! cluster. It ends when it is told to, and when nobody reads the pipe.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{call::Call, interfaces::Source, options};
use crate::error::{Error, Outcome, exit};

/// Captures until Wireshark has enough.
pub(super) fn run(source: &Source, call: &Call, fifo: &Path) -> Outcome {
    let words = words(source, call)?;
    // It waits for the reader; so does whoever reads for us.
    let pipe = OpenOptions::new().write(true).open(fifo);
    let pipe =
        pipe.map_err(|error| Error::failed(format!("cannot write to Wireshark's pipe {}: {error}", fifo.display())))?;
    let mut child = start(&words, pipe)?;
    forward_signals(&child)?;
    let said = said(&mut child);
    let status = child.wait().map_err(|error| Error::failed(format!("the capture is out of sight: {error}")))?;
    match status.code().map(|code| u8::try_from(code).unwrap_or(exit::FAILED)) {
        // Stopped before there was anything: no failure to Wireshark's users.
        Some(exit::DONE | exit::INTERRUPTED) => Ok(exit::DONE),
        code => Err(Error { kind: crate::error::Kind::Failed, message: failure(&said, code), hint: None }),
    }
}

/// What our command line makes of the dialog.
pub(super) fn words(source: &Source, call: &Call) -> Result<Vec<String>, Error> {
    let mut words = vec!["packets".to_owned(), "--write=-".to_owned(), "--color=never".to_owned()];
    words.push(match source {
        Source::Local => "--local".to_owned(),
        Source::Cluster(context) => format!("--context={context}"),
    });
    let is_timed = call.values("--max-time").next().is_some();
    if !is_timed {
        // Wireshark has a button for the end, and shows how long it takes. Files on the cluster keep their limit.
        words.push("--max-time=0".to_owned());
    }
    if *source == Source::Local {
        words.push("--max-bytes=0".to_owned());
    }
    for (key, value) in &call.options {
        match value {
            None => words.push(key.clone()),
            Some(value) if value.is_empty() => {}
            Some(value) => words.push(format!("{key}={value}")),
        }
    }
    if let Some(filter) = call.filter.as_deref().filter(|filter| !filter.trim().is_empty()) {
        flow::Filter::parse(filter).map_err(|error| Error::usage(format!("capture filter: {error}")))?;
        words.push(format!("--filter={filter}"));
    }
    debug_assert!(call.options.iter().all(|(key, _)| options::find(key).is_some()), "only options that are offered");
    Ok(words)
}

fn start(words: &[String], pipe: File) -> Result<Child, Error> {
    let failed = |error| Error::failed(format!("cannot start the capture: {error}"));
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command.args(words).stdin(Stdio::null()).stdout(pipe).stderr(Stdio::piped());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        // Ctrl-C in tshark's terminal reaches all of its group, and tells twice what is meant once.
        command.process_group(0);
    }
    command.spawn().map_err(failed)
}

/// One request for the end goes on to the capture, however often it comes: it is not patience that Wireshark lacks.
#[cfg(unix)]
fn forward_signals(child: &Child) -> Result<(), Error> {
    use rustix::process::{Pid, Signal, kill_process};
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let failed = |error| Error::failed(format!("cannot watch signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let forward = move || {
        if let (Some(_), Some(pid)) = (signals.forever().next(), pid) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        // Later ones are taken, and nothing follows from them.
        signals.forever().for_each(drop);
    };
    std::thread::Builder::new().name("signals".into()).spawn(forward).map(drop).map_err(failed)
}

/// Wireshark ends what it has started there, and the pipe with it.
#[cfg(not(unix))]
fn forward_signals(_: &Child) -> Result<(), Error> {
    Ok(())
}

/// Last lines that are kept of what the capture says.
const LINES: usize = 50;

/// What it says until it ends: kept here, because Wireshark would take it for failures.
fn said(child: &mut Child) -> Vec<String> {
    let mut lines = std::collections::VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.push_back(line);
            if lines.len() > LINES {
                lines.pop_front();
            }
        }
    }
    lines.into()
}

/// One sentence out of what was said.
pub(super) fn failure(said: &[String], code: Option<u8>) -> String {
    let last = |label: &str| said.iter().rev().find_map(|line| line.strip_prefix(label));
    let message = last("error: ").or_else(|| last("note: ").filter(|_| code == Some(exit::LEFT)));
    let message = message.or_else(|| said.iter().rev().map(String::as_str).find(|line| !line.trim().is_empty()));
    let message = message.unwrap_or("the capture ended, and did not say why");
    let hint = last("hint: ").map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{message}{hint}")
}
