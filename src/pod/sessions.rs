//! Commands that a client runs in the collector's pod: the table, the batches, the state, the end.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use collector::session::{self, Client, Ended, SessionError, State, TableOptions};

use super::{CAPTURE_ENDED, COLLECTOR_LOST, paths};
use crate::{
    error::{Error, Outcome, exit},
    report,
};

/// Arguments of `pod view`.
#[derive(Args, Clone, Debug)]
pub struct ViewArgs {
    /// Name of the view: what it shows and how is kept under it
    #[arg(long)]
    session: String,
    /// `q` and Ctrl-C end the capture, not only the table
    #[arg(long)]
    owner: bool,
    /// What the terminal calls itself
    #[arg(long, default_value = "xterm-256color")]
    term: String,
    /// Colours of the terminal: none, 16, 256, true
    #[arg(long, default_value = "256")]
    colours: String,
    /// The terminal understands ASCII only
    #[arg(long)]
    ascii: bool,
    /// Columns and rows of the terminal
    #[arg(long)]
    size: Option<String>,
}

/// Arguments of `pod stream`.
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// Number of the first batch; else the first that there will be
    #[arg(long)]
    from: Option<u64>,
}

/// Arguments of `pod stop`.
#[derive(Args, Clone, Debug)]
pub struct StopArgs {
    /// Why
    #[arg(long, default_value = "ended by the user")]
    reason: String,
}

/// Longest wait for files to be closed.
const CLOSE: Duration = Duration::from_secs(50);

/// Time between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Draws the table until it is left or the capture has ended.
pub(super) fn view(args: &ViewArgs) -> Outcome {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if args.session.is_empty() || args.session.len() > 64 || !args.session.chars().all(known) {
        return Err(Error::usage(format!("--session {}: letters, digits and -", args.session)));
    }
    let options = TableOptions {
        colour: args.colours != "none",
        stop_on_quit: args.owner,
        filters: Vec::new(),
        keep: Some(PathBuf::from(paths::WORK).join(format!("view-{}.json", args.session))),
    };
    match session::table(Path::new(paths::SOCKET), options).map_err(Error::failed)? {
        Ended::Quit | Ended::Signal(_) => Ok(exit::DONE),
        Ended::Capture(_) => Ok(CAPTURE_ENDED),
        Ended::Lost(why) => {
            report::plain(&why);
            Ok(COLLECTOR_LOST)
        }
    }
}

/// Hands the collector's frames on to standard output.
pub(super) fn stream(args: &StreamArgs) -> Outcome {
    let mut out = io::stdout().lock();
    match session::relay(Path::new(paths::SOCKET), args.from, &mut out) {
        Ok(()) => Ok(exit::DONE),
        Err(error) => Err(Error::failed(error)),
    }
}

/// Prints the state.
pub(super) fn status() -> Outcome {
    let state = connect().and_then(|mut client| client.status()).map_err(Error::failed)?;
    print(&state)
}

/// Asks for the end, waits for it, prints the state.
pub(super) fn stop(args: &StopArgs) -> Outcome {
    let mut client = connect().map_err(Error::failed)?;
    let start = Instant::now();
    let mut state = client.status().map_err(Error::failed)?;
    if state.snapshot.summary.is_none() {
        client.stop(&args.reason).map_err(Error::failed)?;
    }
    while state.snapshot.summary.is_none() && start.elapsed() < CLOSE {
        thread::sleep(POLL);
        state = client.status().map_err(Error::failed)?;
    }
    if state.snapshot.summary.is_none() {
        return Err(Error::failed(format!("the files are not closed after {CLOSE:?}")));
    }
    print(&state)
}

fn connect() -> Result<Client, SessionError> {
    Client::connect(Path::new(paths::SOCKET))
}

fn print(state: &State) -> Outcome {
    let text = serde_json::to_vec(state).map_err(Error::failed)?;
    io::stdout().write_all(&text).map_err(Error::failed)?;
    Ok(exit::DONE)
}
