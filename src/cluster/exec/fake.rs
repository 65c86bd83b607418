//! An API server for tests that knows one thing: `exec` over a WebSocket, v5. What the commands do is the test's.

use std::{net::Ipv4Addr, sync::Arc};

use futures::{SinkExt as _, StreamExt as _};
use kube::{Client, Config};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use super::Target;

/// What a command does.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) stdout: Vec<u8>,
    pub(crate) end: End,
}

/// How it ends.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself.
    Code(i32),
    /// With the connection.
    Cut,
    /// The server does not start it: HTTP status and message.
    Refused(u16, &'static str),
}

/// Plays a command, given its words and its input.
pub(crate) type Play = dyn Fn(&[String], &[u8]) -> Played + Send + Sync;

/// A pod whose commands are played.
pub(crate) async fn target(play: impl Fn(&[String], &[u8]) -> Played + Send + Sync + 'static) -> Target {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let play: Arc<Play> = Arc::new(play);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&play)));
        }
    });
    Target::new(Client::try_from(Config::new(url.parse().unwrap())).unwrap(), "space", "pod", None)
}

#[expect(clippy::result_large_err, reason = "the type is the library's")]
async fn serve(stream: TcpStream, play: Arc<Play>) {
    let mut words = Vec::new();
    let check = |request: &Request, mut response: Response| {
        words = command(request.uri().query().unwrap_or_default());
        if words.first().is_some_and(|word| word == "refused") {
            return Err(refusal(&play(&words, &[])));
        }
        response.headers_mut().insert("Sec-WebSocket-Protocol", "v5.channel.k8s.io".parse().unwrap());
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, check).await else { return };
    let input = if words.first().is_some_and(|word| word == "count") { input(&mut socket).await } else { Vec::new() };
    let Played { stdout, end } = play(&words, &input);
    for piece in stdout.chunks(32 * 1024) {
        socket.send(channel(1, piece)).await.unwrap();
    }
    let status = match end {
        End::Code(0) => r#"{"status":"Success"}"#.to_owned(),
        End::Code(code) => {
            format!(r#"{{"status":"Failure","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#)
        }
        End::Cut | End::Refused(..) => return,
    };
    socket.send(channel(3, status.as_bytes())).await.unwrap();
}

fn refusal(played: &Played) -> ErrorResponse {
    let End::Refused(code, message) = played.end else { panic!("{played:?}") };
    let body = format!(r#"{{"kind":"Status","status":"Failure","code":{code},"message":"{message}"}}"#);
    let mut response = ErrorResponse::new(Some(body));
    *response.status_mut() = code.try_into().unwrap();
    response
}

/// All of its standard input, until that is closed.
async fn input(socket: &mut WebSocketStream<TcpStream>) -> Vec<u8> {
    let mut input = Vec::new();
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) if bytes[..] == [255, 0] => return input,
            Some(Ok(Message::Binary(bytes))) if bytes[0] == 0 => input.extend_from_slice(&bytes[1..]),
            Some(Ok(_)) => {}
            ended => panic!("{ended:?}"),
        }
    }
}

fn channel(number: u8, bytes: &[u8]) -> Message {
    Message::Binary([&[number], bytes].concat().into())
}

/// The words of `command=pod&command=files`.
fn command(query: &str) -> Vec<String> {
    query.split('&').filter_map(|pair| pair.strip_prefix("command=")).map(|word| word.replace("%2F", "/")).collect()
}
