//! Connections one after the other, until the agent has ended or the collector is silent for too long.

use std::{sync::Arc, sync::mpsc::Sender, time::Duration};

use flow::control::ToAgent;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    connection::{self, Greeting},
    orders::Orders,
    outbox::{End, Outbox},
};
use crate::{certs::COLLECTOR, tls::reason};

/// Between attempts: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Longest time for one attempt, up to the collector's welcome.
const ATTEMPT: Duration = Duration::from_secs(10);

pub(super) struct Reconnect {
    address: String,
    silence: Duration,
    clock: fn() -> u64,
    connector: TlsConnector,
    greeting: Vec<u8>,
    outbox: Arc<Outbox>,
    orders: Orders,
    last: String,
}

/// However the thread ends, nobody waits for it.
impl Drop for Reconnect {
    fn drop(&mut self) {
        self.outbox.finish(End::Silent(std::mem::take(&mut self.last)));
    }
}

impl Reconnect {
    pub(super) fn new(
        address: String,
        silence: Duration,
        clock: fn() -> u64,
        tls: Arc<ClientConfig>,
        greeting: Vec<u8>,
        outbox: Arc<Outbox>,
        orders: Sender<ToAgent>,
    ) -> Self {
        let (connector, orders) = (TlsConnector::from(tls), Orders::new(orders));
        Self { address, silence, clock, connector, greeting, outbox, orders, last: "not tried yet".to_owned() }
    }

    /// Returns when all is over.
    pub(super) async fn run(mut self) {
        let mut pause = BACKOFF.0;
        while self.outbox.end().is_none() {
            let Some(left) = self.silence.checked_sub(self.outbox.heard.silent_for()) else {
                break;
            };
            if self.connection(left).await {
                pause = BACKOFF.0;
            }
            tokio::select! {
                () = sleep(pause.min(left)) => pause = (pause * 2).min(BACKOFF.1),
                () = self.until_end() => {}
            }
        }
    }

    async fn until_end(&self) {
        while self.outbox.end().is_none() {
            self.outbox.work.notified().await;
        }
    }

    /// One connection from its beginning to its end; whether the collector had answered.
    async fn connection(&mut self, left: Duration) -> bool {
        let greeted = tokio::select! {
            greeted = timeout(ATTEMPT.min(left), self.greet()) => greeted,
            () = self.until_end() => return false,
        };
        match greeted.unwrap_or_else(|_| Err("it does not answer in time".to_owned())) {
            Ok((stream, Greeting::Welcome(next))) => {
                self.outbox.confirm(next);
                self.outbox.welcome();
                self.last = connection::run(stream, &self.outbox, &mut self.orders, self.clock).await;
                if self.outbox.end().is_none() {
                    log::warn!("the connection to the collector is lost: {}", self.last);
                }
                true
            }
            Ok((_, Greeting::Refused(why))) => {
                self.outbox.finish(End::Refused(why));
                false
            }
            Err(why) => {
                log::debug!("no connection to the collector at {}: {why}", self.address);
                self.last = why;
                false
            }
        }
    }

    async fn greet(&self) -> Result<(TlsStream<TcpStream>, Greeting), String> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(COLLECTOR).map_err(|error| error.to_string())?;
        let mut stream = self.connector.connect(name, stream).await.map_err(|error| reason(&error))?;
        let greeting =
            connection::greet(&mut stream, &self.greeting, self.clock).await.map_err(|error| reason(&error))?;
        Ok((stream, greeting))
    }
}
