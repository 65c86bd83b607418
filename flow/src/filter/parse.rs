//! From text to a tree. `and` binds tighter than `or`; what stands side by side is joined by `and`.

use std::ops::Range;

use super::{
    FilterError, names,
    token::{Kind, Token, tokens},
    tree::{Expr, Test},
};
use crate::show;

mod bytes;
mod comparison;
mod mixed;
mod object;
mod pcap;
mod value;

pub(super) use pcap::KEYWORDS as PCAP_KEYWORDS;

/// Longest expression that is read, bytes.
const MAX_TEXT: usize = 64 << 10;
/// Deepest nesting of parentheses and `not` that is looked into.
const MAX_DEPTH: usize = 160;
/// Deepest tree. Its own text, with a parenthesis for each level and one for each `not`, stays within what can be read.
const MAX_TREE: usize = 64;

/// Words that join and are never text.
pub(super) const JOINING: [&str; 6] = ["and", "or", "not", "in", "with", "without"];

type Parsed<T> = Result<T, FilterError>;

/// The tree of an expression; that of an empty one takes everything.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn parse(text: &str) -> Parsed<Expr> {
    let mut parser = Parser { text, tokens: Vec::new(), at: 0, depth: 0, last: None, vlans: 0 };
    if text.len() > MAX_TEXT {
        return Err(parser.error(0..0, &format!("the expression is longer than {} KiB", MAX_TEXT >> 10)));
    }
    parser.tokens = tokens(text)?;
    if parser.tokens.is_empty() {
        return Ok(Expr::default());
    }
    let whole = parser.chain()?;
    match parser.peek() {
        None if whole.expr.depth() > MAX_TREE => Err(parser.too_deep(whole.span)),
        None => Ok(whole.expr),
        Some(_) => Err(parser.error(parser.here(), "this ) closes nothing")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// What a bare value after `and` or `or` is a value of, in pcap's spelling.
    last: Option<pcap::Qualifiers>,
    /// How many `vlan` stood before in this conjunction.
    vlans: u8,
}

/// What stands between joining words.
struct Operand {
    expr: Expr,
    spelling: Spelling,
    span: Range<usize>,
}

/// In whose way an operand is written: it decides how a mixture of `and` and `or` may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// As in this language.
    Own,
    /// As pcap-filter has it.
    Pcap,
    /// One word that both have: `tcp`.
    Both,
    /// Text to search.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

impl Parser<'_> {
    fn error(&self, span: Range<usize>, message: &str) -> FilterError {
        FilterError { message: show::escape(message).into_owned(), text: self.text.to_owned(), span, hint: None }
    }

    fn too_deep(&self, span: Range<usize>) -> FilterError {
        self.error(span, &format!("parentheses and `not` are nested deeper than {MAX_TREE}"))
    }

    fn peek(&self) -> Option<&Kind> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    /// Where the next token stands; the end of the text where there is none.
    fn here(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    /// From `start` to the end of the token before the next.
    fn since(&self, start: usize) -> Range<usize> {
        let end = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(start, |token| token.span.end);
        start..end.max(start)
    }

    fn word_at(&self, ahead: usize) -> Option<&str> {
        match self.peek_at(ahead) {
            Some(Kind::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn is_word(&self, ahead: usize, asked: &str) -> bool {
        self.word_at(ahead).is_some_and(|word| word.eq_ignore_ascii_case(asked))
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let is_next = self.peek() == Some(kind);
        self.at += usize::from(is_next);
        is_next
    }

    fn take_word(&mut self, asked: &str) -> bool {
        let is_next = self.is_word(0, asked);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, kind: &Kind, shown: &str) -> Parsed<()> {
        if self.take(kind) {
            return Ok(());
        }
        Err(self.error(self.here(), &format!("a {shown} is missing here")))
    }

    /// Operands joined by `and`, `or` or nothing, up to the end or a closing parenthesis.
    fn chain(&mut self) -> Parsed<Operand> {
        let mut operands = vec![self.operand()?];
        let mut joins = Vec::new();
        while let Some(join) = self.join()? {
            joins.push(join);
            operands.push(self.operand()?);
        }
        self.last = None;
        mixed::check(self, &operands, &joins)?;
        Ok(grouped(operands, &joins))
    }

    fn join(&mut self) -> Parsed<Option<Join>> {
        let join = if self.take(&Kind::And) || self.take_word("and") {
            Join::And
        } else if self.take(&Kind::Or) || self.take_word("or") {
            Join::Or
        } else {
            return match self.peek() {
                None | Some(Kind::Close) => Ok(None),
                Some(Kind::Word(_) | Kind::Quoted(_) | Kind::Open | Kind::Bang) => {
                    self.last = None;
                    Ok(Some(Join::And))
                }
                Some(_) => Err(self.unexpected()),
            };
        };
        if join == Join::Or {
            self.vlans = 0;
        }
        Ok(Some(join))
    }

    fn unexpected(&self) -> FilterError {
        let here = self.here();
        let shown = self.text.get(here.clone()).unwrap_or_default();
        let mut error = self.error(here, &format!("{shown} does not belong here"));
        error.hint = match self.peek() {
            Some(Kind::Bar) => Some("alternatives are joined by `or` or ||".to_owned()),
            Some(Kind::Mask) => Some("conditions are joined by `and` or &&".to_owned()),
            Some(Kind::Op(_)) => {
                Some("a condition begins with a name: port = 443; text with signs goes in quotes".to_owned())
            }
            _ => Some("text with signs goes in quotes".to_owned()),
        };
        error
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let start = self.here().start;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.too_deep(self.here()));
        }
        let (expr, spelling) = self.unary()?;
        self.depth -= 1;
        Ok(Operand { expr, spelling, span: self.since(start) })
    }

    fn unary(&mut self) -> Parsed<(Expr, Spelling)> {
        if self.take(&Kind::Bang) || (self.is_word(0, "not") && !self.is_word(1, "in") && self.take_word("not")) {
            let inner = self.operand()?;
            return Ok((inner.expr.not(), inner.spelling));
        }
        if self.take(&Kind::Open) {
            let vlans = self.vlans;
            self.last = None;
            let inner = self.chain()?;
            self.vlans = vlans;
            self.expect(&Kind::Close, ")")?;
            return Ok((inner.expr, inner.spelling));
        }
        match self.peek().cloned() {
            Some(Kind::Quoted(text)) => {
                self.last = None;
                self.at += 1;
                self.text_test(&text)
            }
            Some(Kind::Word(word)) => self.word(&word),
            None => Err(self.error(self.here(), "a condition has to follow here")),
            Some(_) => Err(self.unexpected()),
        }
    }

    fn text_test(&self, text: &str) -> Parsed<(Expr, Spelling)> {
        if text.is_empty() {
            return Err(self.error(self.since(self.text.len()), "there is nothing between these quotes"));
        }
        Ok((Expr::Test(Test::Word(text.to_lowercase())), Spelling::Text))
    }

    /// What begins with a word: a comparison, `with`, a primitive of pcap-filter, text.
    fn word(&mut self, word: &str) -> Parsed<(Expr, Spelling)> {
        if self.is_comparison() {
            self.last = None;
            return self.comparison(word).map(|expr| (expr, Spelling::Own));
        }
        if let Some(expr) = self.presence()? {
            self.last = None;
            return Ok((expr, Spelling::Own));
        }
        if let Some(found) = self.pcap(word)? {
            return Ok(found);
        }
        self.last = None;
        if let Some(expr) = self.colon(word)? {
            return Ok((expr, Spelling::Own));
        }
        if word.eq_ignore_ascii_case("drops") {
            self.at += 1;
            return Ok((Expr::Test(drops()), Spelling::Own));
        }
        self.search(word)
    }

    /// `with(field)` and `without(field)`.
    fn presence(&mut self) -> Parsed<Option<Expr>> {
        let without = self.is_word(0, "without");
        if !(without || self.is_word(0, "with")) {
            return Ok(None);
        }
        self.at += 1;
        self.expect(&Kind::Open, "(")?;
        let Some(word) = self.word_at(0).map(str::to_owned) else {
            return Err(self.error(self.here(), "the name of a field has to follow here"));
        };
        let meaning = names::find(&word).ok_or_else(|| self.unknown(&word))?;
        self.at += 1;
        self.expect(&Kind::Close, ")")?;
        let test = object::presence(meaning);
        Ok(Some(if without { test.not() } else { test }))
    }

    /// A word to search, or one that must not be found.
    fn search(&mut self, word: &str) -> Parsed<(Expr, Spelling)> {
        if let Some(rest) = word.strip_prefix('-') {
            return self.exclusion(rest);
        }
        if JOINING.iter().any(|reserved| reserved.eq_ignore_ascii_case(word)) {
            let mut error = self.error(self.here(), &format!("a condition has to stand before and after `{word}`"));
            error.hint = Some(format!("to search the text, write \"{word}\""));
            return Err(error);
        }
        if let Some(meaning) = names::find(word) {
            let mut error =
                self.error(self.here(), &format!("{word} is a field: an operator and a value have to follow"));
            error.hint = Some(format!("{}; to search the text, write \"{word}\"", value::example(word, &meaning)));
            return Err(error);
        }
        self.at += 1;
        self.text_test(word)
    }

    fn exclusion(&mut self, rest: &str) -> Parsed<(Expr, Spelling)> {
        if let Some(expr) = self.colon(rest)? {
            return Ok((expr.not(), Spelling::Own));
        }
        let place = self.here();
        self.at += 1;
        let text = if rest.is_empty() { self.adjacent_quoted(place.end) } else { Some(rest.to_owned()) };
        match text.filter(|text| !text.is_empty()) {
            Some(text) => Ok((Expr::Test(Test::Word(text.to_lowercase())).not(), Spelling::Text)),
            None => Err(self.error(place, "the word that must not be found has to follow -")),
        }
    }

    /// Quoted text without space after the token that ends at `end`.
    fn adjacent_quoted(&mut self, end: usize) -> Option<String> {
        let text = match self.tokens.get(self.at) {
            Some(Token { kind: Kind::Quoted(text), span }) if span.start == end => text.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(text)
    }

    fn unknown(&self, word: &str) -> FilterError {
        let mut error = self.error(self.here(), &format!("there is no field {word}"));
        let near = names::near(word);
        error.hint = Some(match near.as_slice() {
            [] => "docs/filter.md has all names; text goes in quotes".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        });
        error
    }
}

/// `drops`: what the kernel dropped.
pub(super) fn drops() -> Test {
    let place = names::Place::One(crate::Field::PktDropPackets);
    Test::Number(place, super::tree::Check::Above(0))
}

/// `or` between what `and` joins.
fn grouped(operands: Vec<Operand>, joins: &[Join]) -> Operand {
    let span = operands.first().map_or(0, |first| first.span.start)..operands.last().map_or(0, |last| last.span.end);
    let spellings: Vec<_> = operands.iter().map(|operand| operand.spelling).collect();
    let mut alternatives: Vec<Vec<Expr>> = vec![Vec::new()];
    for (index, operand) in operands.into_iter().enumerate() {
        if index > 0 && joins.get(index - 1) == Some(&Join::Or) {
            alternatives.push(Vec::new());
        }
        if let Some(last) = alternatives.last_mut() {
            last.push(operand.expr);
        }
    }
    let expr = Expr::any(alternatives.into_iter().map(Expr::all));
    let first = |asked: &[Spelling]| asked.iter().find(|asked| spellings.contains(asked)).copied();
    let order = [Spelling::Pcap, Spelling::Own, Spelling::Both, Spelling::Text];
    Operand { expr, spelling: first(&order).unwrap_or(Spelling::Text), span }
}
