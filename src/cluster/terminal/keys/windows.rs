//! Keys from a console of Windows, which can be told to make the sequences that terminals elsewhere send.

use std::{
    char, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crossterm_winapi::{Console, ConsoleMode, Handle, HandleType, InputRecord};
use tokio::sync::oneshot;

use crate::cluster::exec::Input;

/// `ENABLE_VIRTUAL_TERMINAL_INPUT`, wincon.h.
const SEQUENCES: u32 = 0x0200;
/// Nothing tells when a key waits without taking it; a person does not notice this.
const PAUSE: Duration = Duration::from_millis(10);

/// The thread, and what ends it.
#[derive(Debug)]
pub(super) struct Reader {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub(super) fn is_possible() -> bool {
        Handle::new(HandleType::InputHandle).and_then(|handle| ConsoleMode::from(handle).mode()).is_ok()
    }

    pub(super) fn start(input: Input, ended: oneshot::Sender<()>) -> io::Result<Self> {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let thread = thread::Builder::new().name("keys".into()).spawn(move || {
            if forward(&told, &input).is_err() {
                let _ = ended.send(());
            }
        })?;
        Ok(Self { done, thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Switches sequences for arrows, function keys, mouse and paste on (both ways) or off.
pub(in super::super) fn sequences(on: bool) -> io::Result<()> {
    let mode = ConsoleMode::from(Handle::new(HandleType::InputHandle)?);
    let now = mode.mode()?;
    mode.set_mode(if on { now | SEQUENCES } else { now & !SEQUENCES })?;
    if on && !crossterm::ansi_support::supports_ansi() {
        return Err(io::Error::other(
            "this console does not understand escape sequences (Windows 10 1703 or later does)",
        ));
    }
    Ok(())
}

fn forward(done: &AtomicBool, input: &Input) -> io::Result<()> {
    let console = Console::from(Handle::new(HandleType::InputHandle)?);
    let mut units = Vec::new();
    while !done.load(Ordering::Relaxed) {
        if console.number_of_console_input_events()? == 0 {
            thread::sleep(PAUSE);
            continue;
        }
        for record in console.read_console_input()? {
            typed(&record, &mut units);
        }
        let bytes = text(&mut units);
        if !bytes.is_empty() && !input.blocking_data(bytes.as_bytes()) {
            break;
        }
    }
    Ok(())
}

/// The UTF-16 units that a record stands for. A character put together with Alt and digits comes with the release of Alt.
fn typed(record: &InputRecord, units: &mut Vec<u16>) {
    const ALT: u16 = 0x12;
    let InputRecord::KeyEvent(key) = record else { return };
    let counts = key.key_down || key.virtual_key_code == ALT;
    if counts && key.u_char != 0 {
        units.extend(std::iter::repeat_n(key.u_char, usize::from(key.repeat_count.max(1))));
    }
}

/// Takes whole characters out of `units`; the first half of one waits for the second.
fn text(units: &mut Vec<u16>) -> String {
    let rest = match units.last() {
        Some(last) if (0xd800..0xdc00).contains(last) => units.split_off(units.len() - 1),
        _ => Vec::new(),
    };
    let whole = std::mem::replace(units, rest);
    char::decode_utf16(whole).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
