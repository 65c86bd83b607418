//! Which key does what, in which mode: one table. Knows no terminal library.

use super::Command::{
    self, Bottom, Choose, ClearLine, Close, ColumnMenu, Complete, Conversations, Details, Down, Export, FocusFilter,
    FocusTable, Help, KeepFilter, NextDisplay, NextEnrichment, OpenExport, PageDown, PageUp, Pause, Preset,
    PreviousDisplay, PreviousEnrichment, Quit, Record, Redraw, Release, Reverse, Rub, RubWord, Save, SortMenu, Suspend,
    Toggle, Top, Type, Up,
};

/// A key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A printable character.
    Char(char),
    /// Function key.
    F(u8),
    #[expect(missing_docs, reason = "keys bear their names")]
    Enter,
    #[expect(missing_docs, reason = "keys bear their names")]
    Esc,
    #[expect(missing_docs, reason = "keys bear their names")]
    Tab,
    /// Shift-Tab.
    BackTab,
    #[expect(missing_docs, reason = "keys bear their names")]
    Backspace,
    #[expect(missing_docs, reason = "keys bear their names")]
    Left,
    #[expect(missing_docs, reason = "keys bear their names")]
    Right,
    #[expect(missing_docs, reason = "keys bear their names")]
    Up,
    #[expect(missing_docs, reason = "keys bear their names")]
    Down,
    #[expect(missing_docs, reason = "keys bear their names")]
    Home,
    #[expect(missing_docs, reason = "keys bear their names")]
    End,
    #[expect(missing_docs, reason = "keys bear their names")]
    PageUp,
    #[expect(missing_docs, reason = "keys bear their names")]
    PageDown,
}

/// A key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// With Ctrl held.
    pub ctrl: bool,
}

impl Key {
    /// A key alone.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false }
    }

    /// A letter with Ctrl held.
    pub const fn ctrl(letter: char) -> Self {
        Self { code: Code::Char(letter), ctrl: true }
    }

    /// As written in help: `Ctrl-F`, `PgUp`, `q`.
    pub fn name(self) -> String {
        let name = match self.code {
            Code::Char(' ') => "Space".to_owned(),
            Code::Char(c) if self.ctrl => c.to_ascii_uppercase().to_string(),
            Code::Char(c) => c.to_string(),
            Code::F(number) => format!("F{number}"),
            Code::PageUp => "PgUp".to_owned(),
            Code::PageDown => "PgDn".to_owned(),
            Code::BackTab => "Shift-Tab".to_owned(),
            other => format!("{other:?}"),
        };
        if self.ctrl { format!("Ctrl-{name}") } else { name }
    }
}

/// What has the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The filter line takes letters.
    Filter,
    /// Letters are commands.
    Table,
    /// The help page.
    Help,
    /// All fields of one row.
    Details,
    /// Choosing the column to sort by, or the columns to show.
    Menu,
    /// Choosing what to put into the filter line, which still takes letters.
    Complete,
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    /// In every mode.
    All,
    /// In the filter line and in the table.
    Main,
    Only(Mode),
}

impl In {
    fn holds(self, mode: Mode) -> bool {
        match self {
            Self::All => true,
            Self::Main => matches!(mode, Mode::Filter | Mode::Table),
            Self::Only(only) => only == mode,
        }
    }
}

struct Binding(In, Key, Command);

const fn bind(place: In, code: Code, command: Command) -> Binding {
    Binding(place, Key::plain(code), command)
}

const fn letter(letter: char, command: Command) -> Binding {
    Binding(In::Only(Mode::Table), Key::plain(Code::Char(letter)), command)
}

const fn ctrl(place: In, letter: char, command: Command) -> Binding {
    Binding(place, Key::ctrl(letter), command)
}

const BINDINGS: &[Binding] = &[
    ctrl(In::All, 'c', Quit),
    ctrl(In::All, 'z', Suspend),
    ctrl(In::All, 'l', Redraw),
    bind(In::All, Code::F(1), Help),
    ctrl(In::All, ' ', Pause),
    ctrl(In::Main, 'd', NextDisplay),
    ctrl(In::Main, 'e', NextEnrichment),
    ctrl(In::Main, 'f', PageDown),
    ctrl(In::Main, 'b', PageUp),
    bind(In::Main, Code::Left, PreviousDisplay),
    bind(In::Main, Code::Right, NextDisplay),
    bind(In::Main, Code::PageUp, PreviousEnrichment),
    bind(In::Main, Code::PageDown, NextEnrichment),
    bind(In::Main, Code::Up, Up),
    bind(In::Main, Code::Down, Down),
    bind(In::Main, Code::Home, Top),
    bind(In::Main, Code::End, Bottom),
    bind(In::Only(Mode::Filter), Code::Enter, KeepFilter),
    bind(In::Only(Mode::Filter), Code::Backspace, Rub),
    bind(In::Only(Mode::Filter), Code::Esc, FocusTable),
    bind(In::Only(Mode::Filter), Code::Tab, Complete),
    bind(In::Only(Mode::Filter), Code::BackTab, FocusTable),
    ctrl(In::Only(Mode::Filter), 'u', ClearLine),
    ctrl(In::Only(Mode::Filter), 'w', RubWord),
    bind(In::Only(Mode::Complete), Code::Tab, Down),
    bind(In::Only(Mode::Complete), Code::Down, Down),
    bind(In::Only(Mode::Complete), Code::BackTab, Up),
    bind(In::Only(Mode::Complete), Code::Up, Up),
    bind(In::Only(Mode::Complete), Code::Enter, Choose),
    bind(In::Only(Mode::Complete), Code::Right, Choose),
    bind(In::Only(Mode::Complete), Code::Esc, Close),
    bind(In::Only(Mode::Complete), Code::Backspace, Rub),
    ctrl(In::Only(Mode::Complete), 'u', ClearLine),
    ctrl(In::Only(Mode::Complete), 'w', RubWord),
    bind(In::Only(Mode::Table), Code::Tab, FocusFilter),
    bind(In::Only(Mode::Table), Code::BackTab, FocusFilter),
    bind(In::Only(Mode::Table), Code::Enter, Details),
    bind(In::Only(Mode::Table), Code::Backspace, Rub),
    bind(In::Only(Mode::Table), Code::Esc, Release),
    letter('/', FocusFilter),
    letter('q', Quit),
    letter('?', Help),
    letter('p', Pause),
    letter(' ', Pause),
    letter('s', SortMenu),
    letter('S', Reverse),
    letter('c', Conversations),
    letter('C', ColumnMenu),
    letter('f', Record),
    letter('w', Save),
    letter('e', Export),
    letter('o', OpenExport),
    letter('j', Down),
    letter('k', Up),
    letter('g', Top),
    letter('G', Bottom),
    bind(In::Only(Mode::Help), Code::Esc, Close),
    bind(In::Only(Mode::Help), Code::Enter, Close),
    bind(In::Only(Mode::Help), Code::Char('q'), Close),
    bind(In::Only(Mode::Help), Code::Char('?'), Close),
    bind(In::Only(Mode::Help), Code::Up, Up),
    bind(In::Only(Mode::Help), Code::Down, Down),
    bind(In::Only(Mode::Help), Code::PageUp, PageUp),
    bind(In::Only(Mode::Help), Code::PageDown, PageDown),
    bind(In::Only(Mode::Details), Code::Esc, Close),
    bind(In::Only(Mode::Details), Code::Enter, Close),
    bind(In::Only(Mode::Details), Code::Char('q'), Close),
    bind(In::Only(Mode::Details), Code::Char('p'), Pause),
    bind(In::Only(Mode::Details), Code::Up, Up),
    bind(In::Only(Mode::Details), Code::Down, Down),
    bind(In::Only(Mode::Details), Code::PageUp, PageUp),
    bind(In::Only(Mode::Details), Code::PageDown, PageDown),
    bind(In::Only(Mode::Menu), Code::Esc, Close),
    bind(In::Only(Mode::Menu), Code::Char('q'), Close),
    bind(In::Only(Mode::Menu), Code::Enter, Choose),
    bind(In::Only(Mode::Menu), Code::Char(' '), Toggle),
    bind(In::Only(Mode::Menu), Code::Char('d'), Preset),
    bind(In::Only(Mode::Menu), Code::Up, Up),
    bind(In::Only(Mode::Menu), Code::Down, Down),
    bind(In::Only(Mode::Menu), Code::PageUp, PageUp),
    bind(In::Only(Mode::Menu), Code::PageDown, PageDown),
    bind(In::Only(Mode::Menu), Code::Home, Top),
    bind(In::Only(Mode::Menu), Code::End, Bottom),
];

/// Whether the filter line takes letters.
fn takes_letters(mode: Mode) -> bool {
    matches!(mode, Mode::Filter | Mode::Complete)
}

/// What `key` means while `mode` has the keyboard.
pub fn command(mode: Mode, key: Key) -> Option<Command> {
    let bound = BINDINGS.iter().find(|Binding(place, bound, _)| *bound == key && place.holds(mode));
    match (bound, key) {
        (Some(Binding(_, _, command)), _) => Some(*command),
        (None, Key { code: Code::Char(c), ctrl: false }) if takes_letters(mode) && !c.is_control() => Some(Type(c)),
        _ => None,
    }
}

/// The keys that lead to `command` in `mode`, as written in help.
pub fn names(mode: Mode, command: Command) -> Vec<String> {
    let leads = |Binding(place, _, bound): &&Binding| *bound == command && place.holds(mode);
    BINDINGS.iter().filter(leads).map(|Binding(_, key, _)| key.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice_in_a_mode() {
        for mode in [Mode::Filter, Mode::Table, Mode::Help, Mode::Details, Mode::Menu, Mode::Complete] {
            let mut seen = std::collections::HashSet::new();
            for Binding(place, key, _) in BINDINGS.iter().filter(|binding| binding.0.holds(mode)) {
                assert!(seen.insert(*key), "{place:?} {} in {mode:?}", key.name());
            }
        }
    }

    #[test]
    fn letters_are_text_in_the_filter_line_and_commands_in_the_table() {
        let q = Key::plain(Code::Char('q'));
        assert_eq!(command(Mode::Filter, q), Some(Type('q')));
        assert_eq!(command(Mode::Table, q), Some(Quit));
        assert_eq!(command(Mode::Filter, Key::ctrl('c')), Some(Quit));
        assert_eq!(command(Mode::Table, Key::plain(Code::Char('x'))), None);
    }
}
