//! `name operator value`, `name in (values)`, `name:text`, `flags & bits`.

use super::{Parsed, Parser, bytes, object, value};
use crate::{
    Field,
    filter::{
        FilterError,
        names::{self, Meaning},
        token::{Kind, Op},
        tree::{Expr, Test},
    },
};

/// A value as it was typed.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) span: std::ops::Range<usize>,
}

impl Parser<'_> {
    /// Whether an operator follows the word here.
    pub(super) fn is_comparison(&self) -> bool {
        match self.peek_at(1) {
            Some(Kind::Op(_) | Kind::Mask | Kind::Left) => true,
            Some(Kind::Word(_)) => self.is_word(1, "in") || (self.is_word(1, "not") && self.is_word(2, "in")),
            _ => false,
        }
    }

    pub(super) fn comparison(&mut self, word: &str) -> Parsed<Expr> {
        if self.peek_at(1) == Some(&Kind::Left) {
            return self.accessor(word);
        }
        let meaning = names::find(word).ok_or_else(|| self.unknown(word))?;
        self.at += 1;
        if self.take(&Kind::Mask) {
            return self.masked(word, &meaning);
        }
        let (negated, op, shown) = self.operator();
        let values = match op {
            Op::Equal | Op::NotEqual => self.list(shown, &meaning)?,
            _ => vec![self.value(shown, &meaning)?],
        };
        let expr = self.compare(word, meaning, op, &values)?;
        Ok(if negated { expr.not() } else { expr })
    }

    /// Whether it is negated, the operator here, and how to name it; `in` is `=`.
    fn operator(&mut self) -> (bool, Op, &'static str) {
        if let Some(Kind::Op(op)) = self.peek() {
            let op = *op;
            self.at += 1;
            return (false, op, op.symbol());
        }
        let negated = self.take_word("not");
        self.take_word("in");
        (negated, Op::Equal, if negated { "not in" } else { "in" })
    }

    fn compare(&self, word: &str, meaning: Meaning, op: Op, values: &[Literal]) -> Parsed<Expr> {
        let wrong = |literal: &Literal, problem: value::Problem| self.wrong(literal, problem);
        match meaning {
            Meaning::Fields { place, exact } => {
                value::compare(place, exact, word, op, values).map_err(|(at, problem)| wrong(&values[at], problem))
            }
            Meaning::Object(end, kind) => {
                object::compare(end, kind, word, op, values).map_err(|(at, problem)| wrong(&values[at], problem))
            }
            Meaning::Label(end, key) => {
                object::label(end, &key, op, values).map_err(|(at, problem)| wrong(&values[at], problem))
            }
        }
    }

    pub(super) fn wrong(&self, literal: &Literal, problem: value::Problem) -> FilterError {
        let mut error = self.error(literal.span.clone(), &problem.message);
        error.hint = problem.hint;
        error
    }

    /// `(a, b)`, `a, b` or `a`.
    fn list(&mut self, op: &str, meaning: &Meaning) -> Parsed<Vec<Literal>> {
        let parenthesised = self.take(&Kind::Open);
        let mut values = vec![self.value(op, meaning)?];
        while self.take(&Kind::Comma) {
            values.push(self.value(",", meaning)?);
        }
        if parenthesised {
            self.expect(&Kind::Close, ")")?;
        }
        Ok(values)
    }

    fn value(&mut self, after: &str, meaning: &Meaning) -> Parsed<Literal> {
        let span = self.here();
        let (text, quoted) = match self.peek() {
            Some(Kind::Quoted(text)) => (text.clone(), true),
            Some(Kind::Word(word)) if value::is_value(meaning, word) => (word.clone(), false),
            _ => {
                let mut error = self.error(span, &format!("a value has to follow {after}"));
                error.hint = Some(value::expected(meaning));
                return Err(error);
            }
        };
        self.at += 1;
        let unit = if quoted { None } else { self.unit(meaning, &text) };
        let text = unit.map_or(text.clone(), |unit| text + &unit);
        Ok(Literal { text, quoted, span: self.since(span.start) })
    }

    /// A unit that stands apart from its number.
    fn unit(&mut self, meaning: &Meaning, number: &str) -> Option<String> {
        let unit = self.word_at(0).filter(|word| value::is_unit(meaning, number, word))?.to_owned();
        self.at += 1;
        Some(unit)
    }

    /// `flags & syn`, `flags & (syn|ack) = syn`.
    fn masked(&mut self, word: &str, meaning: &Meaning) -> Parsed<Expr> {
        let Meaning::Fields { place: names::Place::One(field @ (Field::Flags | Field::PktDropLatestFlags)), .. } =
            meaning
        else {
            let mut error = self.error(self.since(self.here().start), &format!("{word} has no bits to look at with &"));
            error.hint = Some("conditions are joined by `and`; & goes with flags: flags & syn".to_owned());
            return Err(error);
        };
        let place = self.here();
        let mask = self.bits()?;
        if mask == 0 {
            return Err(self.error(place, "0 is no TCP flag"));
        }
        let Some(Kind::Op(op @ (Op::Equal | Op::NotEqual))) = self.peek().cloned() else {
            return Ok(bytes::any_of(*field, mask));
        };
        self.at += 1;
        let value = self.bits()?;
        Ok(bytes::masked(*field, mask, value, op == Op::Equal))
    }

    /// `name:text`, text that the field shows; `None` where the word is none of that.
    pub(super) fn colon(&mut self, word: &str) -> Parsed<Option<Expr>> {
        let Some((name, rest)) = word.split_once(':') else { return Ok(None) };
        let Some(meaning) = names::find(name) else { return Ok(None) };
        let here = self.here();
        self.at += 1;
        let text = if rest.is_empty() { self.adjacent_quoted(here.end) } else { Some(rest.to_owned()) };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Err(self.error(here.end..here.end, &format!("text has to follow {name}:")));
        };
        let lower = text.to_lowercase();
        match meaning {
            Meaning::Fields { place, .. } => Ok(Some(Expr::Test(Test::Contains(place, lower)))),
            Meaning::Object(end, kind) => object::contains(end, kind, &text)
                .map(Some)
                .ok_or_else(|| self.error(here, &format!("{name} takes = and !=, not :"))),
            Meaning::Label(..) => Err(self.error(here, &format!("{name} takes = and !=, not :"))),
        }
    }
}
