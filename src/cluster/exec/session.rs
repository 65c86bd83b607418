//! One running command: the WebSocket, its channels, and whether anybody is still at the other end.
//!
//! Owns the `v4.channel.k8s.io` and `v5.channel.k8s.io` subprotocols: binary messages whose first byte is a channel.
//! Reading and writing are tasks of their own, so that neither waits for the other.

use std::{
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
    time::{self, Instant, MissedTickBehavior},
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

/// When a connection counts as lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    /// Pause between two pings.
    pub(super) ping: Duration,
    /// How long nothing may come, and nothing we send be taken.
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
        let writing = tokio::spawn(write(sink, receiver, liveness.ping, Arc::clone(&taken)));
        let reading = tokio::spawn(read(stream, events, liveness.silence, taken));
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

/// When the peer last took something from us: a full line is no silent one.
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
    ping: Duration,
    taken: Arc<Clock>,
) {
    let mut pings = time::interval(ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (message, is_data) = tokio::select! {
            message = messages.recv() => match message {
                Some(message) => (message, true),
                None => return,
            },
            _ = pings.tick() => (Message::Ping(Bytes::new()), false),
        };
        // The reader learns of a broken connection as well, and tells.
        if sink.send(message).await.is_err() {
            return;
        }
        // A ping vanishes into buffers also when nobody is there.
        if is_data {
            taken.now();
        }
    }
}

async fn read(
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    events: mpsc::Sender<Event>,
    silence: Duration,
    taken: Arc<Clock>,
) {
    loop {
        let event = match hear(&mut stream, silence, &taken).await {
            Ok(Some(message)) => event(message),
            Ok(None) => Some(lost("the server closed it")),
            Err(why) => Some(lost(why)),
        };
        let Some(event) = event else { continue };
        let is_end = matches!(event, Event::Ended(_));
        if events.send(event).await.is_err() || is_end {
            return;
        }
    }
}

/// The next message, unless it is silent for too long. Only waiting for the peer counts, not for our own reader.
async fn hear(
    stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    silence: Duration,
    taken: &Clock,
) -> Result<Option<Message>, String> {
    let since = Instant::now();
    loop {
        let deadline = since.max(taken.last()) + silence;
        match time::timeout_at(deadline, stream.next()).await {
            Ok(Some(Ok(message))) => return Ok(Some(message)),
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(None) => return Ok(None),
            Err(_) if taken.last() + silence > Instant::now() => {}
            Err(_) => return Err(format!("nothing was heard for {} s", silence.as_secs())),
        }
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
