//! Text from the network or the kernel must not move the cursor, change colours or reverse what stands beside it.

use std::borrow::Cow;

/// `text` with control characters, escape sequences and characters that change the direction of writing shown as
/// `\u{1b}`, others untouched.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// C0, C1 and DEL; the bidirectional controls (UAX 9); line separators; what takes no room (ZWSP..., BOM, tags).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(escape("pod-ä-東京"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_moves_a_terminal_is_spelt_out() {
        assert_eq!(escape("a\x1b[31mb\r\n\t"), r"a\u{1b}[31mb\r\n\t");
        assert_eq!(escape("x\u{202e}y\u{9b}z\u{7f}"), r"x\u{202e}y\u{9b}z\u{7f}");
        assert_eq!(escape("a\u{2066}b\u{200b}"), r"a\u{2066}b\u{200b}");
    }
}
