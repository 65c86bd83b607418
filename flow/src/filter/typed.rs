//! What is being typed above the table: half of an expression is no mistake.

use super::{
    Filter, FilterError,
    names::Place,
    parse::parse,
    token::tokens,
    tree::{Expr, Test},
};
use crate::TextFilter;

pub(super) fn typed(text: &str) -> (Filter, Option<FilterError>) {
    let error = match parse(text) {
        Ok(expr) => return (Filter { expr }, None),
        Err(error) => error,
    };
    let begun = if error.is_incomplete() { longest_start(text) } else { None };
    let expr = begun.unwrap_or_else(|| words(text));
    (Filter { expr }, Some(error))
}

/// The longest start of it that is an expression, up to an `and` or `or`.
fn longest_start(text: &str) -> Option<Expr> {
    let starts: Vec<usize> = tokens(text).ok()?.iter().map(|token| token.span.start).collect();
    starts.iter().rev().find_map(|start| parse(&text[..*start]).ok())
}

/// The words, each somewhere in a text that is shown.
fn words(text: &str) -> Expr {
    let filter = TextFilter::parse(text);
    Expr::all(filter.words().map(|(word, field, excluded)| {
        let found = Expr::Test(match field {
            Some(field) => Test::Contains(Place::One(field), word.to_owned()),
            None => Test::Word(word.to_owned()),
        });
        if excluded { found.not() } else { found }
    }))
}
