//! Values without spaces, control characters and separators: those are `%XX`, byte by byte, as in URLs (RFC 3986, 2.1).

use std::{borrow::Cow, fmt::Write as _};

/// Longest value, bytes before it is escaped. The longest name of Kubernetes has 253.
const LONGEST: usize = 256;

/// Appends `text` without anything that `separators` or a single line forbid; cut to 256 bytes.
pub(super) fn push(out: &mut String, text: &str, separators: &[char]) {
    let text = &text[..text.floor_char_boundary(LONGEST)];
    for char in text.chars() {
        if is_plain(char) && !separators.contains(&char) {
            out.push(char);
        } else {
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Shown as it is, in one place, on one line: no white space, no control, nothing that turns the direction of writing.
fn is_plain(char: char) -> bool {
    !char.is_control()
        && !char.is_whitespace()
        && char != '%'
        && !matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The other way round. What is not well escaped stays as it is.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}
