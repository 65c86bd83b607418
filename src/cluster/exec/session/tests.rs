use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::channel::mpsc as channel;

use super::*;

/// A socket whose other end the test holds.
struct Socket {
    heard: channel::UnboundedReceiver<Result<Message, Error>>,
    said: channel::UnboundedSender<Message>,
}

impl Stream for Socket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.heard.poll_next_unpin(context)
    }
}

impl Sink<Message> for Socket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.said.unbounded_send(message).map_err(|_| Error::ConnectionClosed)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

const LIVENESS: Liveness = Liveness { ping: Duration::from_millis(300), silence: Duration::from_secs(1) };

type Peer = (channel::UnboundedSender<Result<Message, Error>>, channel::UnboundedReceiver<Message>);

fn session() -> (Session, Peer) {
    let (say, heard) = channel::unbounded();
    let (said, hear) = channel::unbounded();
    (Session::start(Socket { heard, said }, true, LIVENESS), (say, hear))
}

#[expect(clippy::unnecessary_wraps, reason = "what a stream gives")]
fn output(bytes: &[u8]) -> Result<Message, Error> {
    Ok(message(STDOUT, bytes))
}

#[tokio::test]
async fn a_silent_peer_is_asked_and_then_given_up() {
    let (mut session, (_say, mut hear)) = session();
    let started = Instant::now();
    let Event::Ended(Err(ExecError::Lost { why })) = session.next().await else { panic!() };
    assert_eq!(why, "nothing was heard for 1 s");
    assert!(started.elapsed() >= LIVENESS.silence);
    assert!(matches!(hear.next().await, Some(Message::Ping(_))));
}

#[tokio::test]
async fn a_peer_that_answers_is_there() {
    let (mut session, (say, mut hear)) = session();
    let answering = tokio::spawn(async move {
        for _ in 0..5 {
            assert!(matches!(hear.next().await, Some(Message::Ping(_))));
            say.unbounded_send(Ok(Message::Pong(Bytes::new()))).unwrap();
        }
        say.unbounded_send(output(b"still here")).unwrap();
    });
    let Event::Stdout(bytes) = session.next().await else { panic!() };
    assert_eq!(bytes.as_ref(), b"still here");
    answering.await.unwrap();
}

/// Kubelet would take its own answer, stuck behind output, for a broken connection.
#[tokio::test]
async fn nobody_is_asked_while_our_own_reader_is_slow() {
    let (mut session, (say, mut hear)) = session();
    for _ in 0..100 {
        say.unbounded_send(output(b"much")).unwrap();
    }
    time::sleep(LIVENESS.silence * 2).await;
    assert!(hear.try_recv().is_err(), "asked");
    for _ in 0..100 {
        assert!(matches!(session.next().await, Event::Stdout(_)));
    }
}

#[tokio::test]
async fn channels_are_told_apart() {
    let (mut session, (say, mut hear)) = session();
    let input = session.input();
    input.data(b"in").await;
    input.resize(80, 24).await;
    input.close().await;
    let said: Vec<_> = (&mut hear).take(3).map(Message::into_data).collect().await;
    assert_eq!(said, [&b"\0in"[..], b"\x04{\"Width\":80,\"Height\":24}", &[255, 0]]);
    for empty in [&[1][..], &[2], &[9, 9]] {
        say.unbounded_send(Ok(Message::Binary(empty.to_vec().into()))).unwrap();
    }
    say.unbounded_send(Ok(message(STDERR, b"err"))).unwrap();
    say.unbounded_send(Ok(message(STATUS, br#"{"status":"Success"}"#))).unwrap();
    assert!(matches!(session.next().await, Event::Stderr(bytes) if bytes == "err"));
    assert!(matches!(session.next().await, Event::Ended(Ok(0))));
    assert!(matches!(session.next().await, Event::Ended(Err(_))));
}
