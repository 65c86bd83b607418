//! One connection of an agent, from the greeting to its end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use flow::control::{Hello, ToAgent};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::server::TlsStream;

use super::{
    clock::{NodeClock, Stamps},
    registry::{Joined, Registry},
    steady::Steady,
};
use crate::{
    frame,
    heard::{HEARTBEAT, Heard, Listening},
    message,
};

/// A message that came, and the room that it takes.
pub(super) struct Arrived {
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
    pub(super) _room: tokio::sync::OwnedSemaphorePermit,
}

/// Unit of the room for messages that are not delivered yet, bytes.
const ROOM_UNIT: usize = 1024;

/// Room for messages of all agents that are not delivered yet, in units: the largest has to fit.
pub(super) const ROOM: usize = frame::MAX / ROOM_UNIT;

/// Serves one agent until its connection ends.
pub(super) async fn run(stream: TlsStream<TcpStream>, hello: Hello, address: SocketAddr, registry: Arc<Registry>) {
    let (node, life) = (Arc::from(&*hello.node), hello.life);
    let Some(joined) = registry.join(&hello, address) else { return };
    let id = joined.id;
    let why = serve(stream, joined, &registry).await;
    registry.leave(&node, life, id, why);
}

async fn serve(stream: TlsStream<TcpStream>, joined: Joined, registry: &Registry) -> String {
    let Joined { heard, clock, inbox, outbox, mut delivered, cut, .. } = joined;
    let (reader, mut writer) = tokio::io::split(stream);
    let next = *delivered.borrow_and_update();
    let welcome = [next, registry.steady.now_ns()].map(u64::to_le_bytes);
    if let Err(error) = frame::write_async(&mut writer, message::WELCOME, welcome.as_flattened()).await {
        return error.to_string();
    }
    heard.note();
    let reader = BufReader::with_capacity(1 << 16, Listening { inner: reader, heard: heard.clone() });
    tokio::select! {
        result = receive(reader, &inbox, &heard, &clock, registry) => ended(&result),
        result = transmit(writer, outbox, delivered, &registry.steady) => ended(&result),
        () = heard.dead() => "it is silent".to_owned(),
        _ = cut => "it has connected anew".to_owned(),
    }
}

fn ended(result: &io::Result<()>) -> String {
    match result {
        Ok(()) => "it has closed the connection".to_owned(),
        // A process that was killed says no goodbye; what rustls says of that is for programmers.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => "its connection ended without a word".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Takes messages as long as there is room for them; without, the agent waits.
async fn receive(
    mut reader: impl AsyncRead + Unpin,
    inbox: &mpsc::Sender<Arrived>,
    heard: &Heard,
    clock: &NodeClock,
    registry: &Registry,
) -> io::Result<()> {
    let room = registry.room();
    while let Some((len, kind)) = frame::read_head(&mut reader).await? {
        let here = registry.steady.now_ns();
        if kind == message::CLOCK && len <= message::ANSWER {
            let answer = frame::read_body(&mut reader, len).await?;
            if let Some([asked, heard, answered]) = message::read_answer(&answer) {
                clock.measured(Stamps { asked, heard, answered, here });
            }
            continue;
        }
        let units = len.div_ceil(ROOM_UNIT).clamp(1, ROOM) as u32;
        let deaf = heard.deafen();
        let permit = Arc::clone(&room).acquire_many_owned(units).await;
        drop(deaf);
        let Ok(permit) = permit else { return Ok(()) };
        let body = frame::read_body(&mut reader, len).await?;
        if matches!(kind, message::BATCH | message::REPORT) {
            let _deaf = heard.deafen();
            if inbox.send(Arrived { kind, body, _room: permit }).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The first questions for the other clock follow each other more closely, so many of them: one of them will have been quick.
const EAGER: (u32, Duration) = (32, Duration::from_millis(50));

/// Says what there is to say, and asks for the other clock at least every [`HEARTBEAT`].
async fn transmit(
    mut writer: impl AsyncWrite + Unpin,
    mut outbox: mpsc::UnboundedReceiver<ToAgent>,
    mut delivered: watch::Receiver<u64>,
    steady: &Steady,
) -> io::Result<()> {
    let (mut questions, mut next_question) = (0, Instant::now() + EAGER.1);
    loop {
        tokio::select! {
            biased;
            // First: confirmations without end must not put it off.
            () = sleep_until(next_question) => {
                frame::write_async(&mut writer, message::CLOCK, &steady.now_ns().to_le_bytes()).await?;
                questions += 1;
                next_question = Instant::now() + if questions < EAGER.0 { EAGER.1 } else { HEARTBEAT };
            }
            Some(order) = outbox.recv() => {
                let body = postcard::to_stdvec(&order).map_err(io::Error::other)?;
                frame::write_async(&mut writer, message::CONTROL, &body).await?;
            }
            Ok(()) = delivered.changed() => {
                let next = *delivered.borrow_and_update();
                frame::write_async(&mut writer, message::ACK, &next.to_le_bytes()).await?;
            }
            else => return Ok(()),
        }
    }
}

/// Tells why, and gives the other end a moment to read it.
pub(super) async fn turn_away(stream: &mut TlsStream<TcpStream>, why: &str) {
    let said = async {
        frame::write_async(stream, message::REFUSED, why.as_bytes()).await?;
        stream.shutdown().await?;
        frame::read_async(stream).await
    };
    let _ = timeout(Duration::from_secs(1), said).await;
}
