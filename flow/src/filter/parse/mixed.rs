//! `and` and `or` side by side: pcap-filter reads them from left to right, this language binds `and` tighter. Where an
//! expression is in pcap's spelling, nobody can know which was meant.

use super::{Join, Operand, Parsed, Parser, Spelling};

pub(super) fn check(parser: &Parser<'_>, operands: &[Operand], joins: &[Join]) -> Parsed<()> {
    let mixes = joins.contains(&Join::And) && joins.contains(&Join::Or);
    if !mixes || !is_pcap(operands) {
        return Ok(());
    }
    let span = operands[0].span.start..operands[operands.len() - 1].span.end;
    let mut error = parser.error(span, "`and` and `or` side by side can be read in two ways");
    let texts: Vec<&str> = operands.iter().map(|operand| &parser.text[operand.span.clone()]).collect();
    let [one, other] = readings(&texts, joins);
    error.hint = Some(crate::show::escape(&format!("write {one}, as tcpdump reads it, or {other}")).into_owned());
    Err(error)
}

/// One word that both languages have does not make an expression pcap's, unless there is nothing else.
fn is_pcap(operands: &[Operand]) -> bool {
    let has = |spelling| operands.iter().any(|operand| operand.spelling == spelling);
    has(Spelling::Pcap) || (has(Spelling::Both) && !has(Spelling::Own))
}

/// From left to right, and the other way of setting parentheses.
fn readings(texts: &[&str], joins: &[Join]) -> [String; 2] {
    let first_and = joins.iter().position(|join| *join == Join::And);
    let last_or = joins.iter().rposition(|join| *join == Join::Or);
    // Where `and` never follows `or`, binding `and` tighter is what reading from the left gives.
    let other = if first_and > joins.iter().position(|join| *join == Join::Or) || first_and > last_or {
        tighter(texts, joins, Join::And)
    } else {
        tighter(texts, joins, Join::Or)
    };
    let left = from_left(texts, joins);
    if left == other { [left, tighter(texts, joins, Join::Or)] } else { [left, other] }
}

const fn shown(join: Join) -> &'static str {
    match join {
        Join::And => "and",
        Join::Or => "or",
    }
}

/// Parentheses only where the joining word changes.
fn from_left(texts: &[&str], joins: &[Join]) -> String {
    let mut text = texts[0].to_owned();
    for (index, join) in joins.iter().enumerate() {
        if index > 0 && joins[index - 1] != *join {
            text = format!("({text})");
        }
        text = format!("{text} {} {}", shown(*join), texts[index + 1]);
    }
    text
}

/// Parentheses around what `inner` joins.
fn tighter(texts: &[&str], joins: &[Join], inner: Join) -> String {
    let mut groups: Vec<Vec<&str>> = vec![vec![texts[0]]];
    for (text, join) in texts[1..].iter().zip(joins) {
        match groups.last_mut() {
            Some(group) if *join == inner => group.push(text),
            _ => groups.push(vec![text]),
        }
    }
    let outer = if inner == Join::And { Join::Or } else { Join::And };
    let join = |words: &[String], by| words.join(&format!(" {} ", shown(by)));
    let group = |words: Vec<&str>| match words.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("({})", several.join(&format!(" {} ", shown(inner)))),
    };
    join(&groups.into_iter().map(group).collect::<Vec<_>>(), outer)
}
