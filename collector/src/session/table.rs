//! The table over a session: batches and state come from the socket, and what the user chose is kept for the next time.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use flow::{Counters, Reason, Stop};

use super::{About, Client, Message, SessionError, State, Stream};
use crate::{
    Snapshot, Wish,
    files::create_new,
    tui::{self, Progress, Source, TableSetup},
    view::{Exported, Kept},
};

/// Writes packets into a file, and opens it if that is wanted; what is said of it.
type Write = dyn Fn(&Exported, bool) -> Result<String, String> + Send + Sync;

/// Who writes packets of the table into files, for all tables.
#[derive(Clone)]
pub struct Writes(pub Arc<Write>);

impl std::fmt::Debug for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writes")
    }
}

/// How the table looks and what its keys do.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// Whether colours may be used.
    pub colour: bool,
    /// `q` and Ctrl-C end the capture; else they leave the table only.
    pub stop_on_quit: bool,
    /// Filters in force from the start, if nothing was kept.
    pub filters: Vec<String>,
    /// Time without any sign of life from the terminal after which nobody looks any more; see [`TableSetup::pulse`].
    pub pulse: Option<Duration>,
    /// Where filters, display, columns and order are kept for the next table over this capture.
    pub keep: Option<PathBuf>,
    /// Who writes packets of the table into files.
    pub export: Option<Writes>,
}

/// Why the table ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The user left it (and asked for the end of the capture if [`TableOptions::stop_on_quit`]).
    Quit,
    /// The capture has ended: its state then, with the reason.
    Capture(Box<Snapshot>),
    /// The collector hung up or the connection failed, in words.
    Lost(String),
    /// This process got a signal; the capture goes on.
    Signal(i32),
    /// The terminal was silent for longer than [`TableOptions::pulse`]; the capture goes on.
    Abandoned,
}

/// What the thread that reads and the table share.
#[derive(Debug, Default)]
struct Shared {
    state: State,
    ended: Option<Ended>,
}

/// Shows the table of the capture whose collector listens at `path`, until the user leaves it or the capture ends.
///
/// # Errors
/// Nobody listens, or the terminal cannot be used.
pub fn table(path: &Path, options: TableOptions) -> Result<Ended, SessionError> {
    let mut client = Client::connect(path)?;
    let state = client.status()?;
    let about = client.about().clone();
    let stream = client.view()?;
    let hang_up = stream.hang_up()?;
    let shared = Arc::new(Mutex::new(Shared { state, ended: None }));
    let (stop, stop_on_quit) = (Stop::default(), options.stop_on_quit);
    // What waits, waits in the collector, which prefers the newest.
    let (sender, receiver) = mpsc::sync_channel(1);
    let socket = path.to_owned();
    let wish = move |wish: &Wish| {
        let told = Client::connect(&socket).and_then(|mut client| client.wish(wish));
        told.map_err(|error| error.to_string())
    };
    let setup = TableSetup { recorder: Some(Box::new(wish)), ..setup(about, options, &shared) };
    let shown = thread::scope(|scope| {
        scope.spawn(|| read(stream, sender, &shared));
        let shown = tui::run(receiver, setup, stop.clone());
        hang_up();
        shown
    });
    shown?;
    match stop.reason() {
        Some(Reason::Signal(number)) => return Ok(Ended::Signal(number)),
        Some(Reason::Lapsed) => return Ok(Ended::Abandoned),
        Some(_) if stop_on_quit => Client::connect(path)?.stop("ended by the user")?,
        Some(_) => {}
        None => return Ok(lock(&shared).ended.take().unwrap_or_else(|| Ended::Lost("it hung up".to_owned()))),
    }
    Ok(Ended::Quit)
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes messages until there are no more; then the table, whose channel closes, ends by itself.
fn read(mut stream: Stream, sender: mpsc::SyncSender<Arc<flow::Batch>>, shared: &Mutex<Shared>) {
    let ended = loop {
        match stream.receive() {
            Ok(Some(Message::Batch { batch, .. })) => {
                if sender.send(batch).is_err() {
                    return;
                }
            }
            Ok(Some(Message::State(state))) => lock(shared).state = *state,
            Ok(Some(Message::End)) => break Ended::Capture(Box::new(lock(shared).state.snapshot.clone())),
            Ok(Some(Message::Refused(why))) => break Ended::Lost(why),
            Ok(Some(_)) => {}
            Ok(None) => break Ended::Lost("the collector hung up".to_owned()),
            Err(error) => break Ended::Lost(error.to_string()),
        }
    };
    lock(shared).ended = Some(ended);
    drop(sender);
}

fn setup(about: About, options: TableOptions, shared: &Arc<Mutex<Shared>>) -> TableSetup {
    let kept = options.keep.as_deref().and_then(Kept::load);
    let shared = Arc::clone(shared);
    TableSetup {
        what: about.what,
        limits: about.limits,
        progress: Some(Box::new(move || progress(&lock(&shared).state))),
        filters: options.filters,
        pulse: options.pulse,
        export: options
            .export
            .map(|Writes(write)| Box::new(move |rows: &Exported, open: bool| write(rows, open)) as tui::Export),
        colour: options.colour,
        kept,
        keep: options.keep.map(|path| Box::new(move |kept: &Kept| drop(store(&path, kept))) as tui::Keep),
        stops: options.stop_on_quit,
        features: about.features,
        ..TableSetup::new(about.mode, Source::Live { interval: about.interval })
    }
}

fn progress(state: &State) -> Progress {
    let snapshot = &state.snapshot;
    let mut own = snapshot.own;
    // Batches of a cluster bear what was lost on the way here.
    own.lost_sequence = 0;
    Progress {
        file_bytes: snapshot.file_bytes(),
        packets: snapshot.packets,
        bytes: snapshot.bytes,
        counters: Counters { ..own },
        elapsed: Some(snapshot.elapsed),
        nodes: snapshot.nodes.clone(),
        recordings: snapshot.recordings.clone(),
        ring: snapshot.ring.clone(),
    }
}

/// Replaces the file as a whole; a table that cannot be kept is shown all the same.
fn store(path: &Path, kept: &Kept) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    create_new(&new)?.write_all(&serde_json::to_vec(kept)?)?;
    fs::rename(new, path)
}
