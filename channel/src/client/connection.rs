//! One connection to the collector.

use std::{cell::Cell, io};

use flow::control::ToAgent;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tokio_rustls::client::TlsStream;

use super::{orders::Orders, outbox::Outbox};
use crate::{
    frame,
    heard::{HEARTBEAT, Listening},
    message,
};

/// What the collector answers.
pub(super) enum Greeting {
    /// It has everything below this number.
    Welcome(u64),
    /// It wants nothing of us.
    Refused(String),
}

pub(super) async fn greet(stream: &mut TlsStream<TcpStream>, hello: &[u8], clock: fn() -> u64) -> io::Result<Greeting> {
    let said = frame::write_async(stream, message::HELLO, hello).await;
    // A collector that has hung up has said why before.
    let answer = match (frame::read_async(stream).await, said) {
        (Ok(answer), _) => answer.ok_or(io::ErrorKind::UnexpectedEof)?,
        (Err(error), Err(_)) if error.get_ref().is_some() => return Err(error),
        (Err(error), said) => return Err(said.err().unwrap_or(error)),
    };
    match (answer.kind, message::number(&answer.body)) {
        (message::WELCOME, Some((next, asked))) => {
            let asked = Asked::now(asked, clock).ok_or_else(no_answer)?;
            asked.answer(stream, clock).await?;
            Ok(Greeting::Welcome(next))
        }
        (message::REFUSED, _) => Ok(Greeting::Refused(String::from_utf8_lossy(&answer.body).into_owned())),
        _ => Err(no_answer()),
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what answers is no collector of ours")
}

/// The collector asks for our time.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// When, by its clock.
    at: u64,
    /// When we heard it, by ours.
    heard: u64,
}

impl Asked {
    fn now(body: &[u8], clock: fn() -> u64) -> Option<Self> {
        let heard = clock();
        message::number(body).map(|(at, _)| Self { at, heard })
    }

    async fn answer(self, to: &mut (impl AsyncWrite + Unpin), clock: fn() -> u64) -> io::Result<()> {
        frame::write_async(to, message::CLOCK, &message::answer([self.at, self.heard, clock()])).await
    }
}

/// Sends and receives until the connection or the agent ends; why it did.
pub(super) async fn run(
    stream: TlsStream<TcpStream>,
    outbox: &Outbox,
    orders: &mut Orders,
    clock: fn() -> u64,
) -> String {
    let (reader, writer) = tokio::io::split(stream);
    let reader = BufReader::new(Listening { inner: reader, heard: outbox.heard.clone() });
    // Of several questions the last one is worth an answer.
    let asked = Cell::new(None);
    let result = tokio::select! {
        result = receive(reader, outbox, orders, |body| asked.set(Asked::now(body, clock))) => result,
        result = transmit(writer, outbox, &asked, clock) => result,
        () = outbox.heard.dead() => return "it is silent".to_owned(),
    };
    result.map_or_else(|error| error.to_string(), |()| "it was closed".to_owned())
}

async fn receive(
    mut reader: impl AsyncRead + Unpin,
    outbox: &Outbox,
    orders: &mut Orders,
    asks: impl Fn(&[u8]),
) -> io::Result<()> {
    while let Some(frame) = frame::read_async(&mut reader).await? {
        match frame.kind {
            message::ACK => {
                let (next, _) = message::number(&frame.body).ok_or_else(no_answer)?;
                outbox.confirm(next);
            }
            message::CONTROL => {
                let order = postcard::from_bytes::<ToAgent>(&frame.body).map_err(io::Error::other)?;
                orders.take(order);
            }
            message::CLOCK => {
                asks(&frame.body);
                outbox.work.notify_one();
            }
            _ => {}
        }
    }
    Ok(())
}

/// Sends what is not confirmed, from the first on, then what comes.
async fn transmit(
    mut writer: impl AsyncWrite + Unpin,
    outbox: &Outbox,
    asked: &Cell<Option<Asked>>,
    clock: fn() -> u64,
) -> io::Result<()> {
    let mut next = 0;
    let mut silent_since = Instant::now();
    loop {
        if outbox.end().is_some() {
            return writer.shutdown().await;
        }
        if let Some(asked) = asked.take() {
            asked.answer(&mut writer, clock).await?;
            silent_since = Instant::now();
        }
        if let Some((number, frame)) = outbox.get(next) {
            writer.write_all(&frame).await?;
            (next, silent_since) = (number + 1, Instant::now());
            continue;
        }
        writer.flush().await?;
        tokio::select! {
            () = outbox.work.notified() => {}
            () = sleep_until(silent_since + HEARTBEAT) => {
                frame::write_async(&mut writer, message::PING, &[]).await?;
                silent_since = Instant::now();
            }
        }
    }
}
