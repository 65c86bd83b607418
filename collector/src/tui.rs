//! The live table in a terminal: ratatui and crossterm live here and nowhere else.
//!
//! Owns the terminal from [`run`] to its return, and how things look; what is shown is decided in [`crate::view`].

mod bars;
mod board;
mod header;
mod help;
mod keyboard;
mod offscreen;
mod over;
mod page;
mod screen;
mod setup;
mod signals;
mod table;
mod terminal;
mod text;
mod theme;

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant, SystemTime},
};

use crossterm::event;
use flow::{Batch, Reason, Stop};
use ratatui::layout::Size;

pub use offscreen::Offscreen;
pub use setup::{Ask, Export, Keep, Ordered, Progress, Source, TableSetup};

use crate::view::Effect;
use board::Board;
use keyboard::Keyboard;
use signals::Signals;
use terminal::Screen;

/// Frames come at this distance at least when data came, and sooner after a key.
const FRAME: Duration = Duration::from_millis(66);
const FRAME_AFTER_KEY: Duration = Duration::from_millis(15);
/// Longest wait for a key, so that data and signals are looked at.
const WAIT: Duration = Duration::from_millis(30);
/// For what has come already: crossterm reads nothing when given no time at all.
const GLANCE: Duration = Duration::from_millis(1);
/// Longest work on data between two looks at the keyboard.
const SLICE: Duration = Duration::from_millis(6);

/// Why the table could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is no terminal, or the terminal failed.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
}

/// Shows the table until the user quits (then `stop` is requested with [`flow::Reason::User`]) or `stop` is requested.
///
/// A capture that ends (`input` disconnected) ends the table too; a file stays on the screen until the user quits.
/// SIGTERM, SIGHUP and SIGINT request `stop`. The terminal is restored in every case, also on panic.
///
/// # Errors
/// The terminal cannot be set up, read or written to, and nobody requested `stop`.
pub fn run(input: Receiver<Arc<Batch>>, setup: TableSetup, stop: Stop) -> Result<(), TuiError> {
    let signals = Signals::catch()?;
    let screen = Screen::open()?;
    let pulse = setup.pulse;
    let board = Board::new(setup, now_ns());
    let keyboard = Keyboard::open()?;
    let mut table = Loop {
        board,
        screen,
        size: Size::ZERO,
        keyboard,
        signals,
        input,
        stop,
        drawn: None,
        typed: true,
        heard: Instant::now(),
        pulse,
    };
    let result = table.run();
    // A terminal that hangs up fails before or after its signal is seen; either way it is the signal that ends us.
    table.signals.forward(&table.stop);
    if table.stop.requested() { Ok(()) } else { Ok(result?) }
}

struct Loop {
    board: Board,
    screen: Screen,
    /// Of the terminal, as it was last seen.
    size: Size,
    keyboard: Keyboard,
    signals: Signals,
    input: Receiver<Arc<Batch>>,
    stop: Stop,
    /// When the last frame was drawn.
    drawn: Option<Instant>,
    /// A key or another size came since then.
    typed: bool,
    /// When the terminal last said anything.
    heard: Instant,
    pulse: Option<Duration>,
}

impl Loop {
    fn run(&mut self) -> io::Result<()> {
        while !self.stop.requested() {
            self.signals.forward(&self.stop);
            self.job_control()?;
            self.keys()?;
            if !self.data() {
                break;
            }
            self.frame()?;
        }
        Ok(())
    }

    /// Waits for a key, or a little while.
    fn keys(&mut self) -> io::Result<()> {
        let size = self.screen.terminal.size()?;
        self.typed |= std::mem::replace(&mut self.size, size) != size;
        let wait = if self.board.view.has_work() { Duration::ZERO } else { WAIT };
        if !self.keyboard.wait(wait)? {
            if self.pulse.is_some_and(|pulse| self.heard.elapsed() > pulse) {
                self.stop.request(Reason::Lapsed);
            }
            return Ok(());
        }
        while event::poll(GLANCE)? {
            self.heard = Instant::now();
            for key in keyboard::keys(event::read()?) {
                self.typed = true;
                let effect = self.board.key(key, now_ns());
                self.effect(effect)?;
            }
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            // What is written and recorded the board has seen to.
            Effect::None | Effect::Record | Effect::Save | Effect::Export { .. } => {}
            Effect::Quit => self.stop.request(Reason::User),
            Effect::Suspend => self.suspend()?,
            Effect::Redraw => self.screen.paint_anew()?,
        }
        Ok(())
    }

    /// Stopped and continued by others, as by the shell.
    fn job_control(&mut self) -> io::Result<()> {
        if self.signals.take_suspend() {
            self.suspend()?;
        }
        if self.signals.take_continued() {
            self.typed = true;
            self.screen.enter_again()?;
        }
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.screen.leave()?;
        let suspended = self.signals.suspend();
        self.screen.enter_again()?;
        self.typed = true;
        if !suspended {
            self.board.view.notice("There is no shell to go back to.".into(), now_ns());
        }
        Ok(())
    }

    /// Takes in what has come; false when the capture is over.
    fn data(&mut self) -> bool {
        let now = now_ns();
        while self.board.view.wants_more() {
            match self.input.try_recv() {
                Ok(batch) => self.board.receive(batch, now),
                Err(TryRecvError::Disconnected) if self.board.view.is_live() && !self.board.view.has_work() => {
                    return false;
                }
                Err(_) => break,
            }
        }
        let start = Instant::now();
        self.board.work(now, || start.elapsed() > SLICE);
        true
    }

    fn frame(&mut self) -> io::Result<()> {
        let distance = if self.typed { FRAME_AFTER_KEY } else { FRAME };
        let is_time = self.drawn.is_none_or(|drawn| drawn.elapsed() >= distance);
        let now = now_ns();
        if is_time && (self.board.is_due(now) || self.typed) {
            let board = &mut self.board;
            self.screen.terminal.draw(|frame| board.draw(frame, now))?;
            self.drawn = Some(Instant::now());
            self.typed = false;
        }
        Ok(())
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
