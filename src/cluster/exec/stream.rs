//! The standard output of a running command as a reader.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Event, ExecError, Output, Session, keep, text};

/// What a command writes, as it comes. A broken connection is an error of kind `ConnectionAborted`, never an end.
#[derive(Debug)]
pub(crate) struct Stream {
    session: Session,
    pending: Bytes,
    stderr: Vec<u8>,
    ended: Option<Result<i32, ExecError>>,
}

impl Stream {
    pub(super) fn new(session: Session) -> Self {
        Self { session, pending: Bytes::new(), stderr: Vec::new(), ended: None }
    }

    /// How the command ended, once all is read; what was not read is dropped. `stdout` is empty.
    pub(crate) async fn finish(mut self) -> Result<Output, ExecError> {
        while self.ended.is_none() {
            let event = self.session.next().await;
            self.take(event);
        }
        let code = self.ended.take().unwrap_or(Ok(0))?;
        Ok(Output { code, stdout: Vec::new(), stderr: text(&self.stderr) })
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Stdout(bytes) => self.pending = bytes,
            Event::Stderr(bytes) => keep(&mut self.stderr, &bytes),
            Event::Ended(ended) => self.ended = Some(ended),
        }
    }

    fn end(&self) -> io::Result<()> {
        match &self.ended {
            Some(Err(error)) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string())),
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.pending.is_empty() {
            if self.ended.is_some() {
                return Poll::Ready(self.end());
            }
            let event = ready!(self.session.poll_next(context));
            self.take(event);
        }
        let size = self.pending.len().min(buffer.remaining());
        buffer.put_slice(&self.pending[..size]);
        self.pending.advance(size);
        Poll::Ready(Ok(()))
    }
}
