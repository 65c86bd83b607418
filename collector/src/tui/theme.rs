//! How things look. Meaning never hangs on colour alone: symbols, bold and reverse say the same, and the colours are
//! blue, yellow and orange, which colour-blind eyes tell apart.

use ratatui::style::{Color, Modifier, Style};

use crate::view::mark::Mark;

const BLUE: Color = Color::Indexed(75);
const YELLOW: Color = Color::Indexed(220);
const ORANGE: Color = Color::Indexed(208);
const GREY: Color = Color::Indexed(245);
const BAR: Color = Color::Indexed(24);
const POPUP: Color = Color::Indexed(238);

/// With colours or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    colour: bool,
}

impl Theme {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn plain() -> Style {
        Style::new()
    }

    pub(super) fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn dim(self) -> Style {
        if self.colour { Style::new().fg(GREY) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    /// Numbers and names that the eye should find.
    pub(super) fn accent(self) -> Style {
        self.fg(BLUE).add_modifier(Modifier::BOLD)
    }

    /// The first line and the headings of the table.
    pub(super) fn bar(self) -> Style {
        if self.colour {
            return Style::new().fg(Color::White).bg(BAR).add_modifier(Modifier::BOLD);
        }
        Style::new().add_modifier(Modifier::REVERSED.union(Modifier::BOLD))
    }

    /// What must not be overlooked: something was lost.
    pub(super) fn alarm(self) -> Style {
        if self.colour {
            return Style::new().fg(Color::Black).bg(ORANGE).add_modifier(Modifier::BOLD);
        }
        Style::new().add_modifier(Modifier::REVERSED.union(Modifier::BOLD))
    }

    /// A list over the table.
    pub(super) fn popup(self) -> Style {
        if self.colour { Style::new().bg(POPUP) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    /// What has the keyboard.
    pub(super) fn focus() -> Style {
        Style::new().add_modifier(Modifier::REVERSED.union(Modifier::BOLD))
    }

    /// Over the other styles of the selected row, whose colours would become its background in patches.
    pub(super) fn selected() -> Style {
        Style::new().fg(Color::Reset).add_modifier(Modifier::REVERSED)
    }

    pub(super) fn mark(self, mark: Mark) -> Style {
        match mark {
            Mark::Quiet => self.dim(),
            Mark::Plain => Self::plain(),
            Mark::Notable => self.accent(),
            Mark::Warning => self.fg(YELLOW).add_modifier(Modifier::BOLD),
            Mark::Bad => self.fg(ORANGE).add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
        }
    }
}
