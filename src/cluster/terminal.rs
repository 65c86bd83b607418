//! Our terminal, lent to a command in a container: bytes go both ways as they are.
//!
//! Owns raw mode and everything that gives the terminal back: the end of the command, a broken connection, a signal, a
//! panic. Must not know what is drawn.

use std::io;

use tokio::io::{AsyncWriteExt as _, stdout};

use super::{
    exec::{Event, ExecError, Input, Io, Session, Target},
    signals::{Interrupts, Level},
};

mod abilities;
mod keys;
mod modes;
mod pulse;
mod raw;
mod reconnect;
mod size;

pub(crate) use abilities::Abilities;
pub(crate) use raw::restore;
pub(crate) use reconnect::attend;

use keys::Keys;
use pulse::Pulse;
use raw::Raw;
use size::Sizes;

/// How a session in our terminal ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The command ended by itself, with this code.
    Exited(i32),
    /// The connection broke; the command may go on.
    Lost(ExecError),
    /// A signal, or the terminal itself, ended it here. The command may go on.
    Interrupted,
}

/// Whether [`attend`] can work: there is a terminal to draw on, and keys come from one.
pub(crate) fn is_there() -> bool {
    keys::are_there() && io::IsTerminal::is_terminal(&io::stdout())
}

/// Starts `command`; `None` if it was not to be.
async fn connect(target: &Target, command: &[String], interrupts: &Interrupts) -> Result<Option<Session>, ExecError> {
    tokio::select! {
        biased;
        () = interrupts.reached(Level::Stop) => Ok(None),
        session = target.open(command, Io::Terminal) => session.map(Some),
    }
}

/// Lends our terminal to what was started until that ends, the connection breaks, or `interrupts` say [`Level::Stop`]. The
/// terminal is as it was when this returns.
async fn lend(mut session: Session, interrupts: &Interrupts, mut pulse: Pulse) -> Result<Ended, ExecError> {
    let input = session.input();
    let raw = Raw::enter().map_err(ExecError::Local)?;
    let mut keys = Keys::forward(input.clone()).map_err(ExecError::Local)?;
    let mut sizes = Sizes::watch().map_err(ExecError::Local)?;
    tell_size(&input, &sizes).await;
    let mut has_drawn = false;
    loop {
        tokio::select! {
            event = session.next() => match event {
                Event::Stdout(bytes) | Event::Stderr(bytes) => {
                    has_drawn = true;
                    draw(&raw, &bytes).await.map_err(ExecError::Local)?;
                }
                Event::Ended(Ok(code)) => return Ok(Ended::Exited(code)),
                Event::Ended(Err(error @ ExecError::Lost { .. })) => return Ok(Ended::Lost(error)),
                Event::Ended(Err(error)) => return Err(error),
            },
            () = pulse.due() => if has_drawn { pulse.beat(&input) },
            () = sizes.changed() => tell_size(&input, &sizes).await,
            () = keys.ended() => return Ok(Ended::Interrupted),
            () = interrupts.reached(Level::Stop) => return Ok(Ended::Interrupted),
        }
    }
}

async fn tell_size(input: &Input, sizes: &Sizes) {
    if let Some((width, height)) = sizes.now() {
        input.resize(width, height).await;
    }
}

async fn draw(raw: &Raw, bytes: &[u8]) -> io::Result<()> {
    raw.seen(bytes);
    let mut out = stdout();
    out.write_all(bytes).await?;
    out.flush().await
}
