//! The collector's end: listens, answers, hands out batches. A thread a client; a slow one is nobody's business but its
//! own.

use std::{
    collections::HashMap,
    fs, io,
    net::Shutdown,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{About, Handler, Message, Request, SessionError, State, message};
use crate::{FileSummary, Followed, Hub, Received, Snapshot, Status};

/// Most clients at once.
const CLIENTS: usize = 64;

/// How often a viewer or follower is told the state.
const STATE_EVERY: Duration = Duration::from_millis(500);

/// A client that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    about: About,
    hub: Hub,
    status: Status,
    handler: Box<dyn Handler>,
    clients: Mutex<HashMap<u64, UnixStream>>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).field("about", &self.about).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens at `path`, readable by the owner only; a socket that a killed collector left there is replaced.
    ///
    /// # Errors
    /// The socket cannot be made, or a thread cannot be started.
    pub fn start(path: &Path, about: About, hub: Hub, status: Status, handler: Box<dyn Handler>) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let (clients, closed) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { path: path.to_owned(), about, hub, status, handler, clients, closed });
        let inner = Arc::clone(&shared);
        let listener = thread::Builder::new().name("session".into()).spawn(move || inner.listen(&listener))?;
        Ok(Self { shared, listener: Some(listener) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes the thread that listens; then nobody needs the name any more.
        let woken = UnixStream::connect(&self.shared.path).is_ok();
        let _ = fs::remove_file(&self.shared.path);
        if let Some(listener) = self.listener.take().filter(|_| woken) {
            let _ = listener.join();
        }
        for client in self.shared.clients().values() {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, HashMap<u64, UnixStream>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(self: &Arc<Self>, listener: &UnixListener) {
        let mut id = 0;
        while !self.closed.load(Ordering::Acquire) {
            match listener.accept() {
                Ok((client, _)) => {
                    id += 1;
                    self.welcome(id, client);
                }
                // Out of descriptors, for example: not for ever.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Whatever goes wrong here is the client's loss: it sees the connection end.
    fn welcome(self: &Arc<Self>, id: u64, client: UnixStream) {
        let Ok(kept) = client.try_clone() else { return };
        if self.clients().len() >= CLIENTS {
            let _ = message::write(&mut &client, &Message::Refused(format!("{CLIENTS} others look at this capture")));
            return;
        }
        self.clients().insert(id, kept);
        let shared = Arc::clone(self);
        let serve = move || {
            if let Err(SessionError::Protocol(why)) = shared.serve(&client) {
                let _ = message::write(&mut &client, &Message::Refused(why));
            }
            let _ = client.shutdown(Shutdown::Both);
            shared.clients().remove(&id);
        };
        if thread::Builder::new().name("session client".into()).spawn(serve).is_err() {
            self.clients().remove(&id);
        }
    }

    fn serve(self: &Arc<Self>, mut client: &UnixStream) -> Result<(), SessionError> {
        self.handler.arrived();
        client.set_write_timeout(Some(PATIENCE))?;
        let writer = Arc::new(Mutex::new(client.try_clone()?));
        send(&writer, &Message::About(Box::new(self.about.clone())))?;
        while let Some(request) = message::asked(&mut client)? {
            let answer = match request {
                Request::View => {
                    let feed = self.hub.view();
                    self.pump(&writer, move |wait| viewed(feed.recv_timeout(wait)))?
                }
                Request::Follow { from } => {
                    let mut follow = self.hub.follow(from);
                    self.pump(&writer, move |wait| followed(follow.recv_timeout(wait)))?
                }
                Request::Status => Message::State(Box::new(self.state())),
                Request::Files => Message::Files(files(&self.status.snapshot())),
                Request::Stop { reason } => {
                    self.handler.stop(&reason);
                    Message::Done
                }
                Request::Wish(wish) => self.handler.wish(&wish).map_or_else(Message::Refused, Message::Told),
                Request::SetFilter { rules } => {
                    self.handler.set_filter(rules).map_or_else(Message::Refused, |()| Message::Done)
                }
            };
            send(&writer, &answer)?;
        }
        Ok(())
    }

    /// Sends what `next` gives from a thread of its own, so that requests are answered meanwhile.
    fn pump(
        self: &Arc<Self>,
        writer: &Arc<Mutex<UnixStream>>,
        mut next: impl FnMut(Duration) -> Received<Message> + Send + 'static,
    ) -> io::Result<Message> {
        let (shared, writer) = (Arc::clone(self), Arc::clone(writer));
        let state = self.state();
        let pump = move || {
            // At the end the client may still ask; a connection that fails fails for the thread that reads requests too.
            if shared.send_all(&writer, &mut next).is_err() {
                let _ = lock(&writer).shutdown(Shutdown::Both);
            }
        };
        thread::Builder::new().name("session data".into()).spawn(pump)?;
        Ok(Message::State(Box::new(state)))
    }

    fn send_all(
        &self,
        writer: &Mutex<UnixStream>,
        next: &mut impl FnMut(Duration) -> Received<Message>,
    ) -> Result<(), SessionError> {
        let mut told = Instant::now();
        loop {
            let left = STATE_EVERY.saturating_sub(told.elapsed());
            match next(left) {
                Received::Item(message) => send(writer, &message)?,
                Received::Timeout => {}
                Received::Closed => break,
            }
            if told.elapsed() >= STATE_EVERY {
                send(writer, &Message::State(Box::new(self.state())))?;
                told = Instant::now();
            }
        }
        send(writer, &Message::State(Box::new(self.state())))?;
        send(writer, &Message::End)
    }

    fn state(&self) -> State {
        State { snapshot: self.status.snapshot(), memory: memory() }
    }
}

fn lock(writer: &Mutex<UnixStream>) -> MutexGuard<'_, UnixStream> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(writer: &Mutex<UnixStream>, message: &Message) -> Result<(), SessionError> {
    let mut frame = Vec::new();
    message::write(&mut frame, message)?;
    Ok(io::Write::write_all(&mut *lock(writer), &frame)?)
}

fn viewed(received: Received<Arc<flow::Batch>>) -> Received<Message> {
    match received {
        Received::Item(batch) => Received::Item(Message::Batch { number: None, batch }),
        Received::Timeout => Received::Timeout,
        Received::Closed => Received::Closed,
    }
}

fn followed(received: Received<Followed>) -> Received<Message> {
    match received {
        Received::Item(Followed::Batch { number, batch }) => {
            Received::Item(Message::Batch { number: Some(number), batch })
        }
        Received::Item(Followed::Gap(count)) => Received::Item(Message::Gap(count)),
        Received::Timeout => Received::Timeout,
        Received::Closed => Received::Closed,
    }
}

/// The closed files, else those that are being written, of which no hash can be known.
fn files(snapshot: &Snapshot) -> Vec<FileSummary> {
    if let Some(summary) = &snapshot.summary {
        return summary.all_files();
    }
    let file = |file: &crate::FileStatus| FileSummary {
        path: file.path.clone(),
        bytes: file.bytes,
        written: file.written,
        error: file.error.clone(),
        ..FileSummary::default()
    };
    snapshot.files.iter().map(file).collect()
}

/// Resident memory of this process, bytes (proc_pid_statm(5)); 0 if it cannot be known.
fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
    pages.unwrap_or(0_u64) * rustix::param::page_size() as u64
}
