//! The terminal's events as keys of the view.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::view::{Code, Key};

#[cfg(unix)]
pub(super) use unix::Keyboard;
#[cfg(windows)]
pub(super) use windows::Keyboard;

/// The keys that `event` brings: one, none, or those of pasted text.
pub(super) fn keys(event: Event) -> Vec<Key> {
    match event {
        Event::Key(event) if event.kind != KeyEventKind::Release => {
            // Esc and a letter that come together look like Alt; nothing is bound to Alt.
            let is_alt = event.modifiers.contains(KeyModifiers::ALT);
            let esc = is_alt.then_some(Key::plain(Code::Esc));
            esc.into_iter().chain(key(event)).collect()
        }
        Event::Paste(text) => text.chars().filter(|c| !c.is_control()).map(|c| Key::plain(Code::Char(c))).collect(),
        _ => Vec::new(),
    }
}

fn key(event: KeyEvent) -> Option<Key> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let code = match event.code {
        KeyCode::Char(c) => Code::Char(if ctrl { c.to_ascii_lowercase() } else { c }),
        KeyCode::F(number) => Code::F(number),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        _ => return None,
    };
    // Terminals that do not know Ctrl-Space send Ctrl-@ or NUL.
    let code = if ctrl && matches!(code, Code::Char('@' | '\0')) { Code::Char(' ') } else { code };
    Some(Key { code, ctrl: ctrl && matches!(code, Code::Char(_)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_letters_come_in_lower_case_and_arrows_without_modifiers() {
        let event = |code, modifiers| keys(Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(event(KeyCode::Char('C'), KeyModifiers::CONTROL), [Key::ctrl('c')]);
        assert_eq!(event(KeyCode::Left, KeyModifiers::CONTROL), [Key::plain(Code::Left)]);
        assert_eq!(event(KeyCode::Char('S'), KeyModifiers::SHIFT), [Key::plain(Code::Char('S'))]);
        assert_eq!(event(KeyCode::Char('x'), KeyModifiers::ALT), [Key::plain(Code::Esc), Key::plain(Code::Char('x'))]);
        assert_eq!(keys(Event::Paste("a\nb".into())).len(), 2);
    }
}
