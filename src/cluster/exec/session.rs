//! One running command: the WebSocket, its channels, and whether anybody is still at the other end.
//!
//! Owns the `v4.channel.k8s.io` and `v5.channel.k8s.io` subprotocols: binary messages whose first byte is a channel.
//! Reading and writing are tasks of their own, so that neither waits for the other.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{self, Instant},
};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{error::ExecError, status};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// Followed by the channel that ends; v5 only.
const CLOSE: u8 = 255;

/// Messages of at most 32 KiB that wait for their reader, each way.
const QUEUE: usize = 16;

/// A message that took longer than this to send found the buffers full.
const WAITED: Duration = Duration::from_millis(10);

/// When a connection counts as lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    /// How long nothing may come before we ask; a multiple of it is [`Self::silence`].
    pub(super) ping: Duration,
    /// How long nothing may come, nor anything of ours be taken.
    pub(super) silence: Duration,
}

/// What a running command says.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes of its standard output, or of its terminal.
    Stdout(Bytes),
    /// Bytes of its standard error.
    Stderr(Bytes),
    /// It has ended by itself with this code, or we shall never know.
    Ended(Result<i32, ExecError>),
}

/// A running command. Dropped, it is left to itself and the connection closes.
#[derive(Debug)]
pub(crate) struct Session {
    input: Input,
    events: mpsc::Receiver<Event>,
    tasks: [AbortHandle; 2],
}

/// The way to a running command; whoever holds one keeps nothing alive.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    sender: mpsc::Sender<Message>,
    can_close: bool,
}

impl Session {
    /// Speaks over `socket`; `can_close` tells whether it is v5.
    pub(super) fn start<S>(socket: S, can_close: bool, liveness: Liveness) -> Self
    where
        S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Send + 'static,
    {
        let (sink, stream) = socket.split();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (events, happened) = mpsc::channel(QUEUE);
        let taken = Arc::new(Clock::start());
        let writing = tokio::spawn(write(sink, receiver, Arc::clone(&taken)));
        let reader = Reader { stream, events, pings: sender.clone(), taken, liveness };
        let reading = tokio::spawn(reader.run());
        let tasks = [writing.abort_handle(), reading.abort_handle()];
        Self { input: Input { sender, can_close }, events: happened, tasks }
    }

    /// What comes next; after [`Event::Ended`] nothing does. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap_or_else(gone)
    }

    /// The same for a hand-written future.
    pub(super) fn poll_next(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Event> {
        self.events.poll_recv(context).map(|event| event.unwrap_or_else(gone))
    }

    /// The way in.
    pub(crate) fn input(&self) -> Input {
        self.input.clone()
    }
}

fn gone() -> Event {
    Event::Ended(Err(ExecError::Lost { why: "it was closed".into() }))
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Input {
    /// Bytes for its standard input; false if nobody takes them any more.
    pub(crate) async fn data(&self, bytes: &[u8]) -> bool {
        self.sender.send(message(STDIN, bytes)).await.is_ok()
    }

    /// The same where it does not matter: nothing happens if it would have to wait.
    pub(crate) fn try_data(&self, bytes: &[u8]) {
        let _ = self.sender.try_send(message(STDIN, bytes));
    }

    /// The same from a thread, which waits.
    pub(crate) fn blocking_data(&self, bytes: &[u8]) -> bool {
        self.sender.blocking_send(message(STDIN, bytes)).is_ok()
    }

    /// The end of its standard input; older servers cannot be told.
    pub(crate) async fn close(&self) {
        if self.can_close {
            let _ = self.sender.send(message(CLOSE, &[STDIN])).await;
        }
    }

    /// The size of its terminal, in cells.
    pub(crate) async fn resize(&self, width: u16, height: u16) -> bool {
        let size = format!(r#"{{"Width":{width},"Height":{height}}}"#);
        self.sender.send(message(RESIZE, size.as_bytes())).await.is_ok()
    }
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(channel);
    message.extend_from_slice(bytes);
    Message::Binary(message.into())
}

/// When the peer last made room for something of ours: a full line is no silent one.
#[derive(Debug)]
struct Clock {
    start: Instant,
    last: AtomicU64,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    fn now(&self) {
        self.last.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

async fn write(
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    mut messages: mpsc::Receiver<Message>,
    taken: Arc<Clock>,
) {
    while let Some(message) = messages.recv().await {
        let started = Instant::now();
        // The reader learns of a broken connection as well, and tells.
        if sink.send(message).await.is_err() {
            return;
        }
        // What goes at once has gone into a buffer, also when nobody is there; what had to wait was waited for.
        if started.elapsed() > WAITED {
            taken.now();
        }
    }
}

struct Reader<S> {
    stream: S,
    events: mpsc::Sender<Event>,
    pings: mpsc::Sender<Message>,
    taken: Arc<Clock>,
    liveness: Liveness,
}

impl<S: Stream<Item = Result<Message, Error>> + Unpin> Reader<S> {
    async fn run(mut self) {
        loop {
            let event = match self.hear().await {
                Ok(Some(message)) => event(message),
                Ok(None) => Some(lost("the server closed it")),
                Err(why) => Some(lost(why)),
            };
            let Some(event) = event else { continue };
            let is_end = matches!(event, Event::Ended(_));
            if self.events.send(event).await.is_err() || is_end {
                return;
            }
        }
    }

    /// The next message, unless it is silent for too long. Only while we wait for the peer is it asked whether it is
    /// there: kubelet gives its answer one second to leave, and where output is still in the way, on a slow line or
    /// because nobody reads here, it takes that for a broken connection and ends it. (kubectl's exec suffers from it.)
    async fn hear(&mut self) -> Result<Option<Message>, String> {
        let Liveness { ping, silence } = self.liveness;
        let since = Instant::now();
        loop {
            match time::timeout(ping, self.stream.next()).await {
                Ok(Some(Ok(message))) => return Ok(Some(message)),
                Ok(Some(Err(error))) => return Err(sentence(&error)),
                Ok(None) => return Ok(None),
                Err(_) if since.max(self.taken.last()).elapsed() >= silence => {
                    return Err(format!("nothing was heard for {} s", silence.as_secs()));
                }
                // With a full queue something is on its way anyway.
                Err(_) => drop(self.pings.try_send(Message::Ping(Bytes::new()))),
            }
        }
    }
}

/// What happened, without links and layers.
fn sentence(error: &Error) -> String {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => "the server closed it".into(),
        Error::Io(error) => error.to_string(),
        Error::Protocol(_) => "it was reset".into(),
        other => other.to_string(),
    }
}

fn lost(why: impl Into<String>) -> Event {
    Event::Ended(Err(ExecError::Lost { why: why.into() }))
}

/// Pongs, empty messages (one opens each channel) and channels of later protocols are nothing.
fn event(message: Message) -> Option<Event> {
    let Message::Binary(bytes) = message else { return None };
    if bytes.len() < 2 {
        return None;
    }
    let rest = bytes.slice(1..);
    match bytes[0] {
        STDOUT => Some(Event::Stdout(rest)),
        STDERR => Some(Event::Stderr(rest)),
        STATUS => Some(Event::Ended(status::judge(&rest))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
