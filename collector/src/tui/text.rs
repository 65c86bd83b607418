//! Text cut and placed to the cell.

use std::borrow::Cow;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cells that `text` takes.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// `text` in `room` cells at most, its end replaced by `…` if there is more.
pub(super) fn cut(text: &str, room: u16) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let mut left = usize::from(room.saturating_sub(1));
    let kept: String = text
        .chars()
        .take_while(|c| {
            let fits = c.width().unwrap_or_default() <= left;
            left = left.saturating_sub(c.width().unwrap_or_default());
            fits
        })
        .collect();
    Cow::Owned(if room == 0 { String::new() } else { kept + "…" })
}

/// `text` in `room` cells at most, its middle replaced by `…`: both ends of an address tell something.
pub(super) fn cut_middle(text: &str, room: u16) -> Cow<'_, str> {
    if width(text) <= room || room < 8 || !text.is_ascii() {
        return cut(text, room);
    }
    let (head, tail) = (usize::from(room - 1).div_ceil(2), usize::from(room - 1) / 2);
    Cow::Owned(format!("{}…{}", &text[..head], &text[text.len() - tail..]))
}

/// Writes `text` at the left of `area`'s first line, cut to fit; the cells it took.
pub(super) fn put(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    if area.is_empty() {
        return 0;
    }
    let text = cut(text, area.width);
    let (end, _) = buffer.set_stringn(area.x, area.y, &text, usize::from(area.width), style);
    end - area.x
}

/// Writes `text` at the right of `area`'s first line if it fits; the cells it took.
pub(super) fn put_right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let needed = width(text);
    if area.is_empty() || needed > area.width {
        return 0;
    }
    put(buffer, Rect { x: area.right() - needed, width: needed, ..area }, text, style)
}

/// Writes styled pieces one after the other, as many as fit whole, the first one cut if need be.
pub(super) fn put_pieces(buffer: &mut Buffer, area: Rect, pieces: &[(String, Style)]) {
    let mut left = area;
    for (at, (text, style)) in pieces.iter().enumerate() {
        if at > 0 && width(text) > left.width {
            break;
        }
        left = skip(left, put(buffer, left, text, *style));
    }
}

/// What is left of `area` after its first `cells`.
pub(super) fn skip(area: Rect, cells: u16) -> Rect {
    let cells = cells.min(area.width);
    Rect { x: area.x + cells, width: area.width - cells, ..area }
}

/// Line `at` of `area`, empty if there is none.
pub(super) fn line(area: Rect, at: u16) -> Rect {
    if at >= area.height {
        return Rect { height: 0, ..area };
    }
    Rect { y: area.y + at, height: 1, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_text_says_so_and_never_exceeds_its_room() {
        assert_eq!(cut("eth0", 4), "eth0");
        assert_eq!(cut("enp0s31f6", 4), "enp…");
        assert_eq!(cut("東京都庁", 5), "東京…");
        assert_eq!(cut("東京都庁", 4), "東…");
        assert_eq!((cut("abc", 1), cut("abc", 0)), ("…".into(), "".into()));
        assert_eq!(cut_middle("2001:db8:85a3::8a2e:370:7334", 15), "2001:db…70:7334");
    }
}
