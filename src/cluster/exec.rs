//! Commands run inside a container, through the `exec` subresource of its pod over a WebSocket.
//!
//! Owns how a command is started, fed, read and judged. kube's own `AttachedProcess` is not used: it notices neither
//! a peer that has gone silent (a laptop that slept, a cable pulled) nor sends while it waits for a reader, and a
//! connection that breaks looks to it like an end. Must not know what the commands mean. Dropping a future or a stream
//! closes its connection.

use std::time::Duration;

use futures::future::{self, Either};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client, Resource as _,
    api::{AttachParams, Request},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

mod error;
#[cfg(test)]
pub(crate) mod fake;
mod session;
mod status;
mod stream;

pub(crate) use error::ExecError;
pub(crate) use session::{Event, Input, Session};
pub(crate) use stream::Stream;

use session::Liveness;

/// How long a connection may take until the command has been started.
const CONNECT: Duration = Duration::from_secs(20);
/// What is kept of the output of a command that should say little, in bytes; the rest is dropped.
const KEEP: usize = 1 << 20;
/// Bytes of standard input in one message: what kubectl sends.
const CHUNK: usize = 32 * 1024;

/// A container that commands run in.
#[derive(Clone)]
pub(crate) struct Target {
    client: Client,
    namespace: String,
    pod: String,
    container: Option<String>,
}

/// What a command left behind that ran to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its exit code; 128 plus the signal's number if one ended it.
    pub(crate) code: i32,
    /// The first MiB of its standard output; empty where that went elsewhere.
    pub(crate) stdout: Vec<u8>,
    /// The first MiB of its standard error.
    pub(crate) stderr: String,
}

/// What a command is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Io {
    /// Output only; its standard input is empty.
    Output,
    /// Standard input as well. What it is given may be much at once.
    Input,
    /// Standard input that stays open and silent: a command that reads it learns that we have gone.
    Held,
    /// A terminal: input, and output with errors mixed in.
    Terminal,
}

impl Target {
    /// The container `container` of a pod; `None` where it has only one.
    pub(crate) fn new(client: Client, namespace: &str, pod: &str, container: Option<&str>) -> Self {
        Self { client, namespace: namespace.into(), pod: pod.into(), container: container.map(Into::into) }
    }

    /// Runs `command` to its end, without input.
    pub(crate) async fn run(&self, command: &[String], limit: Duration) -> Result<Output, ExecError> {
        let run = async { collect(&mut self.open(command, Io::Output).await?).await };
        timeout(limit, run).await.unwrap_or_else(|_| Err(ExecError::TimedOut { command: shown(command), limit }))
    }

    /// Runs `command` to its end and gives it all of `reader` as standard input; `progress` is told the bytes sent so
    /// far. A server before Kubernetes 1.30 cannot tell the command that its input has ended: it has to know how much comes.
    pub(crate) async fn send(
        &self,
        command: &[String],
        reader: impl AsyncRead + Unpin,
        progress: impl FnMut(u64),
    ) -> Result<Output, ExecError> {
        let mut session = self.open(command, Io::Input).await?;
        let input = session.input();
        let feeding = Box::pin(feed(&input, reader, progress));
        let ending = Box::pin(collect(&mut session));
        match future::select(ending, feeding).await {
            Either::Left((output, _)) => output,
            Either::Right((Ok(()), ending)) => ending.await,
            Either::Right((Err(error), _)) => Err(error),
        }
    }

    /// Starts `command` and reads its standard output as it comes. Its standard input stays open as long as the
    /// stream is held, and ends when the stream is dropped or the connection is lost.
    pub(crate) async fn stream(&self, command: &[String]) -> Result<Stream, ExecError> {
        Ok(Stream::new(self.open(command, Io::Held).await?))
    }

    /// Starts `command`.
    pub(crate) async fn open(&self, command: &[String], io: Io) -> Result<Session, ExecError> {
        let path = Pod::url_path(&(), Some(&self.namespace));
        let request = Request::new(path)
            .exec(&self.pod, command, &self.streams(io))
            .map_err(|error| ExecError::Start { message: format!("{}: {error}", shown(command)) })?;
        let Ok(connected) = timeout(CONNECT, self.client.connect(request)).await else {
            return Err(ExecError::Unreachable { why: format!("no answer within {} s", CONNECT.as_secs()) });
        };
        let connection = connected.map_err(|error| ExecError::from_connect(error, &self.namespace, &self.pod))?;
        let can_close = connection.supports_stream_close();
        Ok(Session::start(connection.into_stream(), can_close, liveness(io)))
    }

    fn streams(&self, io: Io) -> AttachParams {
        let tty = io == Io::Terminal;
        let container = self.container.clone();
        AttachParams { container, stdin: io != Io::Output, stderr: !tty, tty, ..AttachParams::default() }
    }
}

/// How long a connection may say nothing: someone who looks at a screen should know soon, megabytes on their way
/// through a slow line have to pass first.
fn liveness(io: Io) -> Liveness {
    let seconds = match io {
        Io::Terminal => 12,
        Io::Output | Io::Held => 20,
        Io::Input => 120,
    };
    Liveness { ping: Duration::from_secs(4), silence: Duration::from_secs(seconds) }
}

/// Gives the command its input, then the end of it.
async fn feed(
    input: &Input,
    mut reader: impl AsyncRead + Unpin,
    mut progress: impl FnMut(u64),
) -> Result<(), ExecError> {
    let mut buffer = vec![0; CHUNK];
    let mut sent = 0;
    loop {
        let size = reader.read(&mut buffer).await.map_err(ExecError::Local)?;
        // A command that has ended takes no more; its exit code says why.
        if size == 0 || !input.data(&buffer[..size]).await {
            break;
        }
        sent += size as u64;
        progress(sent);
    }
    input.close().await;
    Ok(())
}

/// Reads until the command ends.
async fn collect(session: &mut Session) -> Result<Output, ExecError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match session.next().await {
            Event::Stdout(bytes) => keep(&mut stdout, &bytes),
            Event::Stderr(bytes) => keep(&mut stderr, &bytes),
            Event::Ended(ended) => return Ok(Output { code: ended?, stdout, stderr: text(&stderr) }),
        }
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEEP.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn shown(command: &[String]) -> String {
    command.join(" ")
}

#[cfg(test)]
mod tests;
