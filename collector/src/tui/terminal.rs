//! The terminal is ours from `open` to drop, and given back whatever happens.

use std::{
    io::{self, IsTerminal as _, Stdout, Write as _},
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crossterm::{
    cursor, event, execute,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

/// Whether the screen is ours now.
static OURS: AtomicBool = AtomicBool::new(false);
/// What other threads said when they panicked while the screen was ours.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

type Hook = Box<dyn Fn(&panic::PanicHookInfo<'_>) + Sync + Send + 'static>;

/// The terminal in raw mode, on its other screen.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other("standard output is not a terminal"));
        }
        install_hook();
        // From here on a failure drops the screen, which gives back what was taken so far.
        let screen = Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? };
        enter()?;
        Ok(screen)
    }

    /// Gives the terminal back for a while, until [`Screen::enter_again`].
    pub(super) fn leave(&mut self) -> io::Result<()> {
        self.terminal.show_cursor()?;
        leave()
    }

    /// Takes it again and paints everything anew.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        // A shell sets its own modes while a job is stopped (SIGSTOP lets us do nothing before it); crossterm would still
        // think that they are those of raw mode.
        disable_raw_mode()?;
        enter()?;
        self.paint_anew()
    }

    /// The next frame is painted whole. (`Terminal::clear` would ask the terminal where the cursor is, and fail if the
    /// answer takes long.)
    pub(super) fn paint_anew(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = leave();
        for said in SAID.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = writeln!(io::stderr(), "{said}");
        }
    }
}

fn enter() -> io::Result<()> {
    OURS.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)
}

fn leave() -> io::Result<()> {
    if !OURS.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    // Cleared first: a terminal that has grown meanwhile may keep rows of it (tmux does).
    let shown = execute!(
        io::stdout(),
        event::DisableBracketedPaste,
        Clear(ClearType::All),
        cursor::MoveTo(0, 0),
        LeaveAlternateScreen,
        cursor::Show
    );
    disable_raw_mode().and(shown)
}

/// A panic of this thread first gives the terminal back, then is reported as always. One of another thread, which the
/// table may well survive, is reported when the terminal is given back: its words would be lost on our screen.
fn install_hook() {
    let before: Hook = panic::take_hook();
    let owner = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() != owner && OURS.load(Ordering::SeqCst) {
            SAID.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            return;
        }
        let _ = leave();
        before(info);
    }));
}
