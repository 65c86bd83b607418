//! What the commands do: they talk to the collector over its unix socket.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use collector::{
    Cause, Exporter, Wish,
    session::{self, Client, Ended, SessionError, State, TableOptions},
};

use super::{StopArgs, StreamArgs, ViewArgs};
use crate::{
    error::{Error, Outcome, exit},
    pod::{CAPTURE_ENDED, COLLECTOR_LOST, paths, settings::Settings},
    report,
    version::VERSION,
};

/// Longest wait for files to be closed.
const CLOSE: Duration = Duration::from_secs(50);

/// A client's terminal that gives no sign of life for so long is gone ([`crate::cluster::terminal`] gives one every 5 s).
const PULSE: Duration = Duration::from_secs(20);

/// Time between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Draws the table until it is left or the capture has ended.
pub(in crate::pod) fn view(args: &ViewArgs) -> Outcome {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if args.session.is_empty() || args.session.len() > 64 || !args.session.chars().all(known) {
        return Err(Error::usage(format!("--session {}: letters, digits and -", args.session)));
    }
    let options = TableOptions {
        colour: args.colours != "none",
        stop_on_quit: args.owner,
        filters: Vec::new(),
        pulse: Some(PULSE),
        export: exporter(),
        keep: Some(PathBuf::from(paths::WORK).join(format!("view-{}.json", args.session))),
    };
    match session::table(Path::new(paths::SOCKET), options).map_err(Error::failed)? {
        Ended::Quit | Ended::Signal(_) => Ok(exit::DONE),
        Ended::Capture(_) => Ok(CAPTURE_ENDED),
        // Should somebody look all the same, the line to him was frozen: he comes again.
        Ended::Abandoned => Ok(COLLECTOR_LOST),
        Ended::Lost(why) => {
            report::plain(&why);
            Ok(COLLECTOR_LOST)
        }
    }
}

/// Hands the collector's frames on to standard output.
pub(in crate::pod) fn stream(args: &StreamArgs) -> Outcome {
    end_with_reader()?;
    let mut out = io::stdout().lock();
    match session::relay(Path::new(paths::SOCKET), args.from, &mut out) {
        Ok(()) => Ok(exit::DONE),
        Err(error) => Err(Error::failed(error)),
    }
}

/// Ends this process when standard input ends. The container runtime neither ends a command whose connection is gone nor
/// tells it, and takes its output for ever; but it closes its input.
fn end_with_reader() -> Result<(), Error> {
    let wait = || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(i32::from(exit::DONE));
    };
    thread::Builder::new().name("reader".into()).spawn(wait).map(drop).map_err(Error::failed)
}

/// Prints the state.
pub(in crate::pod) fn status() -> Outcome {
    let state = connect().and_then(|mut client| client.status()).map_err(Error::failed)?;
    print(&state)
}

/// Asks for the end, waits for it, prints the state.
pub(in crate::pod) fn stop(args: &StopArgs) -> Outcome {
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

/// Saves the flight recorder; what is said of it.
pub(in crate::pod) fn save() -> Outcome {
    let said = connect().and_then(|mut client| client.wish(&Wish::Save(Cause::Signal))).map_err(Error::failed)?;
    writeln!(io::stdout(), "{said}").map_err(Error::failed)?;
    Ok(exit::DONE)
}

/// Packets of the table go beside the files of the capture and come home with them; nobody can open them here.
fn exporter() -> Option<session::Writes> {
    let config = Settings::load(Path::new(paths::SETTINGS)).ok()?.config;
    let exporter = Exporter::of_capture(&config, VERSION, Path::new(paths::OUTPUT), true);
    Some(session::Writes(Arc::new(move |rows, is_opened| {
        let (path, count) = exporter.write(rows)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = format!("{} packets written to {name}, which comes home at the end", flow::show::count(count));
        let unopened = "; it cannot be opened before: packets -w - | wireshark -k -i - shows packets as they come";
        Ok(if is_opened { written + unopened } else { written })
    })))
}

fn connect() -> Result<Client, SessionError> {
    Client::connect(Path::new(paths::SOCKET))
}

fn print(state: &State) -> Outcome {
    let text = serde_json::to_vec(state).map_err(Error::failed)?;
    io::stdout().write_all(&text).map_err(Error::failed)?;
    Ok(exit::DONE)
}
