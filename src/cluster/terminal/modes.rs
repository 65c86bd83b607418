//! What a command has switched on in a terminal, read from its output, so that it can be switched off when the
//! command has no chance to: `CSI ? n h`, `CSI ? n l` (DEC private modes), `ESC =` and colours.

use std::fmt::Write as _;

/// Modes that differ from how a shell wants them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modes {
    state: State,
    changed: Vec<u16>,
    keypad: bool,
    drawn: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Sequence,
    Private(Vec<u16>),
}

/// Modes that are on in a terminal at rest: lines wrap (DECAWM), the cursor is shown (DECTCEM).
const ON: [u16; 2] = [7, 25];
/// A sequence that sets more than this is none.
const MOST: usize = 16;

impl Modes {
    /// Reads what the command writes; sequences may be cut anywhere.
    pub(super) fn seen(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
        self.drawn |= !bytes.is_empty();
    }

    fn step(&mut self, byte: u8) {
        self.state = match (std::mem::take(&mut self.state), byte) {
            (_, 0x1b) => State::Escape,
            (State::Escape, b'[') => State::Sequence,
            (State::Escape, b'=' | b'>') => {
                self.keypad = byte == b'=';
                State::Text
            }
            (State::Sequence, b'?') => State::Private(vec![0]),
            (State::Private(numbers), b'0'..=b'9') => State::Private(digit(numbers, byte)),
            (State::Private(mut numbers), b';') if numbers.len() < MOST => {
                numbers.push(0);
                State::Private(numbers)
            }
            (State::Private(numbers), b'h' | b'l') => {
                for mode in numbers {
                    self.set(mode, byte == b'h');
                }
                State::Text
            }
            _ => State::Text,
        };
    }

    fn set(&mut self, mode: u16, on: bool) {
        self.changed.retain(|known| *known != mode);
        if on != ON.contains(&mode) {
            self.changed.push(mode);
        }
    }

    /// What puts everything back, the last change first.
    pub(super) fn undo(&self) -> String {
        let mut text = String::new();
        for mode in self.changed.iter().rev() {
            let _ = write!(text, "\x1b[?{mode}{}", if ON.contains(mode) { 'h' } else { 'l' });
        }
        if self.keypad {
            text.push_str("\x1b>");
        }
        if self.drawn {
            text.push_str("\x1b[0m");
        }
        text
    }
}

fn digit(mut numbers: Vec<u16>, byte: u8) -> Vec<u16> {
    if let Some(last) = numbers.last_mut() {
        *last = last.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(parts: &[&str]) -> String {
        let mut modes = Modes::default();
        for part in parts {
            modes.seen(part.as_bytes());
        }
        modes.undo()
    }

    #[test]
    fn what_was_switched_on_is_switched_off_in_reverse() {
        let undo = after(&["\x1b[?1049h\x1b[?2004h\x1b[?25l", "text\x1b[31m"]);
        assert_eq!(undo, "\x1b[?25h\x1b[?2004l\x1b[?1049l\x1b[0m");
    }

    #[test]
    fn what_the_command_has_undone_itself_is_left_alone() {
        assert_eq!(after(&["\x1b[?1049h\x1b[?25lx\x1b[?25h\x1b[?1049l"]), "\x1b[0m");
        assert_eq!(after(&[]), "");
    }

    #[test]
    fn sequences_are_read_wherever_they_are_cut() {
        let whole = "a\x1b[?1000;1006h\x1b=b\x1b[1;5H";
        for cut in 0..whole.len() {
            assert_eq!(after(&[&whole[..cut], &whole[cut..]]), "\x1b[?1006l\x1b[?1000l\x1b>\x1b[0m", "cut at {cut}");
        }
    }
}
