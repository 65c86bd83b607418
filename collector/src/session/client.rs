//! The other end: what the commands of a capture ask of its collector.

use std::{
    io::{self, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
};

use flow::Rules;

use super::{
    About, Message, Request, SessionError, State,
    frame::{self, MAX},
    message,
};
use crate::{FileSummary, Wish};

/// A connection to the collector.
#[derive(Debug)]
pub struct Client {
    about: About,
    from: BufReader<UnixStream>,
    to: UnixStream,
}

/// Messages of a connection on which [`Request::View`] or [`Request::Follow`] was asked.
#[derive(Debug)]
pub struct Stream(BufReader<UnixStream>);

impl Client {
    /// Connects to the collector that listens at `path`.
    ///
    /// # Errors
    /// Nobody listens, or it is no collector.
    pub fn connect(path: &Path) -> Result<Self, SessionError> {
        let connect = |source| SessionError::Connect { path: path.to_owned(), source };
        let to = UnixStream::connect(path).map_err(connect)?;
        let mut from = BufReader::with_capacity(256 << 10, to.try_clone()?);
        match next(&mut from)? {
            Message::About(about) => Ok(Self { about: *about, from, to }),
            Message::Refused(why) => Err(SessionError::Refused(why)),
            other => Err(unexpected(&other)),
        }
    }

    /// What the session is about.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How the capture stands.
    pub fn status(&mut self) -> Result<State, SessionError> {
        match self.ask(&Request::Status)? {
            Message::State(state) => Ok(*state),
            other => Err(unexpected(&other)),
        }
    }

    /// Output files; once closed with SHA-256, the summary among them.
    pub fn files(&mut self) -> Result<Vec<FileSummary>, SessionError> {
        match self.ask(&Request::Files)? {
            Message::Files(files) => Ok(files),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks for the end of the capture.
    pub fn stop(&mut self, reason: &str) -> Result<(), SessionError> {
        self.done(&Request::Stop { reason: reason.to_owned() })
    }

    /// Asks for a recording; what is said of it.
    pub fn wish(&mut self, wish: &Wish) -> Result<String, SessionError> {
        match self.ask(&Request::Wish(wish.clone()))? {
            Message::Told(words) => Ok(words),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks for other rules.
    pub fn set_filter(&mut self, rules: Rules) -> Result<(), SessionError> {
        self.done(&Request::SetFilter { rules })
    }

    /// Recent batches and those that come.
    pub fn view(mut self) -> Result<Stream, SessionError> {
        message::ask(&mut self.to, &Request::View)?;
        Ok(Stream(self.from))
    }

    /// Every batch from number `from` on.
    pub fn follow(mut self, from: Option<u64>) -> Result<Stream, SessionError> {
        message::ask(&mut self.to, &Request::Follow { from })?;
        Ok(Stream(self.from))
    }

    fn done(&mut self, request: &Request) -> Result<(), SessionError> {
        match self.ask(request)? {
            Message::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Message, SessionError> {
        message::ask(&mut self.to, request)?;
        match next(&mut self.from)? {
            Message::Refused(why) => Err(SessionError::Refused(why)),
            message => Ok(message),
        }
    }
}

impl Stream {
    /// The next message; `None` when the collector has hung up.
    ///
    /// # Errors
    /// The connection is lost, or what comes is no message.
    pub fn receive(&mut self) -> Result<Option<Message>, SessionError> {
        message::read(&mut self.0)
    }

    /// Something with which another thread ends the connection, so that [`Stream::receive`] returns.
    pub(super) fn hang_up(&self) -> io::Result<impl Fn() + use<>> {
        let stream = self.0.get_ref().try_clone()?;
        Ok(move || drop(stream.shutdown(Shutdown::Both)))
    }
}

/// Copies the frames of a follower to `out`, byte for byte: what `pod stream` does. `About` comes first, then batches,
/// gaps and states; [`Message::End`] is the last. Read them with [`message::read`](super::read).
///
/// # Errors
/// The connection is lost, or `out` cannot be written to.
pub fn relay(path: &Path, from: Option<u64>, out: &mut impl Write) -> Result<(), SessionError> {
    let client = Client::connect(path)?;
    message::write(out, &Message::About(Box::new(client.about().clone())))?;
    let mut stream = client.follow(from)?;
    while let Some((kind, body)) = frame::read(&mut stream.0, MAX)? {
        frame::write(out, kind, &body)?;
        if message::is_end(kind) {
            return Ok(());
        }
    }
    Err(SessionError::Lost(io::ErrorKind::UnexpectedEof.into()))
}

fn next(from: &mut BufReader<UnixStream>) -> Result<Message, SessionError> {
    message::read(from)?.ok_or_else(|| SessionError::Lost(io::ErrorKind::UnexpectedEof.into()))
}

fn unexpected(message: &Message) -> SessionError {
    let text: String = format!("{message:?}").chars().take(60).collect();
    SessionError::Protocol(format!("an answer to something else: {text}"))
}
