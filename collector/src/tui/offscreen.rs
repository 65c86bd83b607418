//! The table without a terminal: what it would draw, as text and as bytes. For tests, benchmarks and pictures.

use std::{cell::RefCell, io, rc::Rc, sync::Arc};

use flow::Batch;
use ratatui::{
    Terminal, TerminalOptions, Viewport,
    backend::CrosstermBackend,
    buffer::{Buffer, Cell},
    layout::{Position, Rect},
};

use super::{board::Board, setup::TableSetup};
use crate::view::{Effect, Key};

/// A table on a screen that is nowhere.
pub struct Offscreen {
    board: Board,
    terminal: Terminal<CrosstermBackend<Sent>>,
    sent: Sent,
    last: Buffer,
    now_ns: u64,
}

impl Offscreen {
    /// A table of `width` by `height` cells, opened at `now_ns` (ns since the epoch).
    ///
    /// # Errors
    /// Never in practice: it writes to memory.
    pub fn new(setup: TableSetup, (width, height): (u16, u16), now_ns: u64) -> io::Result<Self> {
        let sent = Sent::default();
        let terminal = screen(&sent, width, height)?;
        Ok(Self { board: Board::new(setup, now_ns), terminal, sent, last: Buffer::empty(Rect::ZERO), now_ns })
    }

    /// Another size, as when a window is dragged.
    ///
    /// # Errors
    /// As [`Offscreen::new`].
    pub fn resize(&mut self, width: u16, height: u16) -> io::Result<()> {
        self.terminal = screen(&self.sent, width, height)?;
        Ok(())
    }

    /// Time goes on to `now_ns`.
    pub fn at(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Gives a batch to the table.
    pub fn receive(&mut self, batch: Arc<Batch>) {
        self.board.receive(batch, self.now_ns);
    }

    /// Works on what waits until it is done or `is_late` says so, as between two frames.
    pub fn work(&mut self, is_late: impl Fn() -> bool) {
        self.board.work(self.now_ns, is_late);
    }

    /// Whether a frame would differ from the last one.
    pub fn is_due(&mut self) -> bool {
        self.board.is_due(self.now_ns)
    }

    /// Presses a key.
    pub fn key(&mut self, key: Key) -> Effect {
        self.board.key(key, self.now_ns)
    }

    /// Draws a frame; the bytes a terminal would have been sent.
    ///
    /// # Errors
    /// As [`Offscreen::new`].
    pub fn frame(&mut self) -> io::Result<Vec<u8>> {
        let (board, now_ns) = (&mut self.board, self.now_ns);
        let done = self.terminal.draw(|frame| board.draw(frame, now_ns))?;
        self.last = done.buffer.clone();
        Ok(self.sent.0.take())
    }

    /// The last frame as text, a line each, without spaces at the ends.
    pub fn text(&self) -> String {
        let area = self.last.area;
        let line = |y| (0..area.width).filter_map(move |x| self.last.cell(Position { x, y })).map(Cell::symbol);
        let lines = (0..area.height).map(|y| line(y).collect::<String>().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Where the bytes go instead of to a terminal.
#[derive(Clone, Default)]
struct Sent(Rc<RefCell<Vec<u8>>>);

impl io::Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn screen(sent: &Sent, width: u16, height: u16) -> io::Result<Terminal<CrosstermBackend<Sent>>> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(CrosstermBackend::new(sent.clone()), TerminalOptions { viewport })
}
