//! Names, values and explanations set in three columns, the explanations broken at words.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    text::{put, skip, width},
    theme::Theme,
};
use crate::view::details::Line;

/// Fewest cells in which an explanation is worth its place.
const LEAST: u16 = 16;

/// A line as it is on the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Set<'a> {
    heading: &'a str,
    /// Each with the cell it begins in.
    name: (u16, &'a str),
    value: (u16, &'a str),
    doc: (u16, String),
}

impl<'a> Set<'a> {
    fn heading(heading: &'a str) -> Self {
        Self { heading, name: (0, ""), value: (0, ""), doc: (0, String::new()) }
    }
}

/// Sets `lines` in `room` cells.
pub(super) fn set(lines: &[Line], room: u16) -> Vec<Set<'_>> {
    let widest = |text: fn(&Line) -> u16| lines.iter().map(text).max().unwrap_or_default();
    let names = widest(|line| if let Line::Field { name, .. } = line { width(name) } else { 0 });
    let values = widest(|line| if let Line::Field { value, .. } = line { width(value) } else { 0 });
    let value_at = if names == 0 { 1 } else { names.min(room / 3) + 2 };
    let doc_at = value_at + values.min(room / 3) + 2;
    lines.iter().flat_map(|line| set_line(line, (value_at, doc_at, room))).collect()
}

fn set_line(line: &Line, (value_at, doc_at, room): (u16, u16, u16)) -> Vec<Set<'_>> {
    let Line::Field { name, value, doc } = line else {
        return vec![match line {
            Line::Hex(hex) => Set { value: (1, hex), ..Set::heading("") },
            Line::Heading(heading) => Set::heading(heading),
            Line::Field { .. } => Set::heading(""),
        }];
    };
    let doc_room = room.saturating_sub(doc_at);
    let mut docs = if doc_room < LEAST { Vec::new() } else { broken(doc, doc_room) };
    // A value that runs into the column of the explanations pushes them down.
    if value_at + width(value) + 1 > doc_at && !docs.is_empty() {
        docs.insert(0, String::new());
    }
    let mut docs = docs.into_iter();
    let doc = (doc_at, docs.next().unwrap_or_default());
    let mut set = vec![Set { heading: "", name: (1, name), value: (value_at, value), doc }];
    set.extend(docs.map(|doc| Set { doc: (doc_at, doc), ..Set::heading("") }));
    set
}

/// `text` in lines of `room` cells at most, broken at spaces; a longer word is left to be cut.
fn broken(text: &str, room: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| width(line) + 1 + width(word) <= room) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Draws one line.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, set: &Set<'_>, theme: Theme) {
    put(buffer, area, set.heading, theme.accent());
    let (at, name) = set.name;
    // A long name ends where the value begins.
    let room = set.value.0.saturating_sub(at + 1).min(area.width.saturating_sub(at));
    put(buffer, Rect { width: room, ..skip(area, at) }, name, Theme::plain());
    put(buffer, skip(area, set.value.0), set.value.1, Theme::strong());
    put(buffer, skip(area, set.doc.0), &set.doc.1, theme.dim());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_broken_at_words_and_go_below_a_long_value() {
        let line =
            |value: &str| Line::Field { name: "Flags", value: value.to_owned(), doc: "OR of the TCP flags seen" };
        let lines = [line("SYN"), line("SYN,ACK,FIN,RST,PSH")];
        let docs: Vec<_> = set(&lines, 40).into_iter().map(|set| set.doc.1).collect();
        assert_eq!(docs, ["OR of the TCP", "flags seen", "", "OR of the TCP", "flags seen"]);
    }
}
