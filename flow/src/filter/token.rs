//! An expression as tokens.

use std::ops::Range;

use super::FilterError;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything without quotes that is none of the others.
    Word(String),
    /// What stood in quotes.
    Quoted(String),
    /// `=`, `!=`...
    Op(Op),
    Open,
    Close,
    Comma,
    /// `[`
    Left,
    /// `]`
    Right,
    /// `&`
    Mask,
    /// `|`
    Bar,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Bang,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    Match,
    NotMatch,
}

impl Op {
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
        }
    }
}

/// A token and where it stands, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

/// Longer symbols first.
const SYMBOLS: &[(&str, Kind)] = &[
    ("==", Kind::Op(Op::Equal)),
    ("=~", Kind::Op(Op::Match)),
    ("!=", Kind::Op(Op::NotEqual)),
    ("!~", Kind::Op(Op::NotMatch)),
    ("<=", Kind::Op(Op::AtMost)),
    (">=", Kind::Op(Op::AtLeast)),
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("=", Kind::Op(Op::Equal)),
    ("<", Kind::Op(Op::Less)),
    (">", Kind::Op(Op::More)),
    ("(", Kind::Open),
    (")", Kind::Close),
    (",", Kind::Comma),
    ("[", Kind::Left),
    ("]", Kind::Right),
    ("&", Kind::Mask),
    ("|", Kind::Bar),
    ("!", Kind::Bang),
];

/// The tokens of `text`.
///
/// # Errors
/// A quote that is not closed.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let symbol = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol));
        let (kind, len) = match (c, symbol) {
            (c, _) if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            ('"' | '\'', _) => quoted(text, at, c)?,
            (_, Some((symbol, kind))) => (kind.clone(), symbol.len()),
            _ => word(rest),
        };
        tokens.push(Token { kind, span: at..at + len });
        at += len;
    }
    Ok(tokens)
}

/// Up to white space or a symbol; `!` is one only before `=` and `~`, `'` in a word is a letter.
fn word(rest: &str) -> (Kind, usize) {
    let ends = |(at, c): &(usize, char)| match c {
        '(' | ')' | ',' | '"' | '=' | '<' | '>' | '&' | '|' | '[' | ']' => true,
        '!' => rest[at + 1..].starts_with(['=', '~']),
        c => c.is_whitespace(),
    };
    let len = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
    (Kind::Word(rest[..len].to_owned()), len)
}

/// `\"` is a quote and `\\` a backslash; before any other letter a backslash is itself, as regular expressions need it.
fn quoted(text: &str, start: usize, quote: char) -> Result<(Kind, usize), FilterError> {
    let mut content = String::new();
    let mut chars = text[start + 1..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some((_, next))) if *next == quote || *next == '\\' => {
                content.push(*next);
                chars.next();
            }
            (c, _) if c == quote => return Ok((Kind::Quoted(content), at + 2)),
            (c, _) => content.push(c),
        }
    }
    Err(FilterError {
        message: "this quote is not closed".to_owned(),
        text: text.to_owned(),
        span: start..start + 1,
        hint: Some(format!("put a {quote} where the text ends")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn word(text: &str) -> Kind {
        Kind::Word(text.to_owned())
    }

    #[test]
    fn symbols_need_no_space() {
        assert_eq!(kinds("a!=b"), [word("a"), Kind::Op(Op::NotEqual), word("b")]);
        assert_eq!(kinds("!a&&b||c"), [Kind::Bang, word("a"), Kind::And, word("b"), Kind::Or, word("c")]);
        let bytes = [word("tcp"), Kind::Left, word("13"), Kind::Right, Kind::Mask, word("2"), Kind::Op(Op::NotEqual)];
        assert_eq!(kinds("tcp[13]&2!="), bytes);
        assert_eq!(kinds("x in(1,8000-8100)").len(), 7);
    }

    #[test]
    fn addresses_names_and_signs_are_words() {
        for text in ["fe80::1", "10.0.0.0/8", "shop/web-1", "-word", "it's", "label.a/b", "a!b", "東京"] {
            assert_eq!(kinds(text), [word(text)]);
        }
    }

    #[test]
    fn quotes_keep_what_is_in_them() {
        assert_eq!(kinds(r#""a \"b\" \d \\ or""#), [Kind::Quoted(r#"a "b" \d \ or"#.to_owned())]);
        assert_eq!(kinds("'a \"b'"), [Kind::Quoted("a \"b".to_owned())]);
        assert_eq!(kinds("a:\"b\""), [word("a:"), Kind::Quoted("b".to_owned())]);
        assert_eq!(tokens("a \"b").unwrap_err().span, 2..3);
    }
}
