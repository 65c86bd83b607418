//! The agent's end: finds the collector, keeps what it has not confirmed, connects again by itself.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use flow::{
    Batch, Closed, Sink,
    control::{AgentState, FromAgent, Hello, ToAgent},
    wire,
};

use self::outbox::{End, Outbox};
use crate::{
    message,
    tls::{Identity, TlsError},
};

mod connection;
mod orders;
mod outbox;
mod reconnect;

/// What a client needs.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of the collector; IPv6 addresses in brackets.
    pub address: String,
    /// [`crate::certs::Issued::agent`] and its CA.
    pub identity: Identity,
    /// Who we are.
    pub hello: Hello,
    /// Batches that the collector has not confirmed may take so much, bytes; then the sink blocks. A larger batch passes
    /// alone.
    pub buffer_bytes: usize,
    /// A collector that says nothing for so long is gone for good.
    pub silence: Duration,
    /// The clock by which batches are stamped, ns since the epoch: the collector compares it with its own.
    pub clock: fn() -> u64,
}

/// There is no connection, and there will be none.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered in time.
    #[error("no collector answers at {address} for {} s: {last}", .silence.as_secs())]
    Silent {
        /// Where.
        address: String,
        /// How long.
        silence: Duration,
        /// Why the last attempt failed.
        last: String,
    },
    /// The collector does not want this agent.
    #[error("the collector refuses this agent: {0}")]
    Refused(String),
    /// The thread or its means could not be had.
    #[error("cannot start the thread of the channel: {0}")]
    Thread(std::io::Error),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Not everything was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{batches} batches were not delivered to the collector")]
pub struct Unsent {
    /// Batches that the collector has not confirmed.
    pub batches: usize,
}

/// The connection to the collector, whatever becomes of the TCP connections it takes; cheap to clone. It ends by
/// [`Client::finish`], or when the last clone goes.
#[derive(Clone, Debug)]
pub struct Client {
    outbox: Arc<Outbox>,
    _running: Arc<Running>,
}

#[derive(Debug)]
struct Running(Arc<Outbox>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.finish(End::Ended);
    }
}

/// Connects, for as long as [`Options::silence`] allows.
///
/// The receiver gives what the collector orders: `Begin` once, first (unless the end is asked for at once); when rules or
/// own traffic have changed while there was no connection, `Filter`. It is closed when the collector is gone for good.
///
/// # Errors
/// Nobody answers, or somebody who refuses this agent.
pub fn connect(options: Options) -> Result<(Client, Receiver<ToAgent>), ConnectError> {
    let tls = Arc::new(options.identity.client()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ConnectError::Thread)?;
    let greeting = message::hello(&options.hello).map_err(|error| ConnectError::Refused(error.to_string()))?;
    let outbox = Arc::new(Outbox::new(options.buffer_bytes));
    let (orders, received) = mpsc::channel();
    let client = Client { outbox: Arc::clone(&outbox), _running: Arc::new(Running(Arc::clone(&outbox))) };
    let (address, silence) = (options.address.clone(), options.silence);
    let reconnect =
        reconnect::Reconnect::new(options.address, options.silence, options.clock, tls, greeting, outbox, orders);
    let thread = thread::Builder::new().name("channel".to_owned());
    thread.spawn(move || runtime.block_on(reconnect.run())).map_err(ConnectError::Thread)?;
    match client.outbox.wait_for_welcome() {
        Ok(()) => Ok((client, received)),
        Err(End::Refused(why)) => Err(ConnectError::Refused(why)),
        Err(End::Silent(last)) => Err(ConnectError::Silent { address, silence, last }),
        // Nobody else has this client yet.
        Err(End::Ended) => Err(ConnectError::Refused(End::Ended.to_string())),
    }
}

impl Client {
    /// Where batches go.
    pub fn sink(&self) -> ClientSink {
        ClientSink(self.clone())
    }

    /// Says something besides batches, in order with them. Does not wait; the state of an agent whose collector is gone is
    /// of no interest any more.
    pub fn report(&self, report: &FromAgent) {
        let frame = message::numbered(message::REPORT, |bytes| {
            bytes.extend(postcard::to_stdvec(report)?);
            Ok::<_, postcard::Error>(())
        });
        match frame {
            Ok(frame) => self.outbox.push_report(frame),
            Err(error) => log::error!("cannot report {report:?}: {error}"),
        }
    }

    /// How long the collector has said nothing. It says something every 2 s.
    pub fn silent_for(&self) -> Duration {
        self.outbox.heard.silent_for()
    }

    /// Why the collector is gone for good, if it is.
    pub fn gone(&self) -> Option<String> {
        self.outbox.end().map(|end| end.to_string())
    }

    /// How often a connection was lost.
    pub fn reconnects(&self) -> u64 {
        self.outbox.reconnects()
    }

    /// Says that this agent has ended, waits until everything is delivered, `timeout` at most, and closes the connection.
    /// What a sink is given afterwards is refused.
    ///
    /// # Errors
    /// How many batches were not delivered.
    pub fn finish(&self, timeout: Duration) -> Result<(), Unsent> {
        self.report(&FromAgent::State(AgentState::Ended));
        let left = self.outbox.wait_until_empty(timeout);
        self.outbox.finish(End::Ended);
        if left == 0 { Ok(()) } else { Err(Unsent { batches: left }) }
    }
}

/// Takes an agent's batches.
#[derive(Clone, Debug)]
pub struct ClientSink(Client);

impl Sink for ClientSink {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        let frame = message::numbered(message::BATCH, |bytes| wire::encode(&batch, bytes));
        match frame {
            Ok(frame) => self.0.outbox.push_batch(frame),
            // Its number will be missing, and be counted as such.
            Err(error) => {
                log::error!("batch {} is lost: {error}", batch.sequence);
                Ok(())
            }
        }
    }
}
