//! What runs where, in words.

use std::fmt::Write as _;

use super::{
    ObjectKind, SetSource, Split,
    kernel::{self, Parts},
    names::{Place, of_object},
    tree::{Expr, Test},
};
use crate::{Field, config::Mode, show};

/// Most characters of a line.
const WIDE: usize = 160;

pub(super) fn explain(expr: &Expr, mode: Mode) -> String {
    let parts = kernel::split(expr, mode);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "in the kernel:");
    for line in in_kernel(&parts.split) {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "after it, in the collector:");
    match &parts.split.after {
        Some(after) => after.expr.conjuncts().iter().for_each(|conjunct| {
            let _ = writeln!(text, "  {}", cut(&conjunct.to_string()));
        }),
        None => text.push_str("  nothing\n"),
    }
    let notes = notes(expr, &parts, mode);
    if !notes.is_empty() {
        let _ = writeln!(text, "notes:");
    }
    for note in notes {
        let _ = writeln!(text, "  {note}");
    }
    text
}

fn in_kernel(split: &Split) -> Vec<String> {
    let dropped = if split.drops_only { "what the kernel drops" } else { "everything" };
    let rules = &split.rules;
    let Some(last) = rules.last() else { return vec![format!("take {dropped}")] };
    let mut lines: Vec<String> = Vec::new();
    if split.drops_only {
        lines.push("look at what the kernel drops only".to_owned());
    }
    if rules.len() > 1 {
        lines.push("the first that matches decides:".to_owned());
    }
    lines.extend(rules.iter().map(|rule| {
        let action = if rule.accepts() { "take" } else { "leave out" };
        let conditions =
            if rule.is_unconditional() { "everything else".to_owned() } else { rule.expr(&split.sets).to_string() };
        format!("{action} {}", cut(&conditions))
    }));
    if !last.is_unconditional() {
        let rest = if rules.iter().any(crate::Rule::accepts) { "leave out" } else { "take" };
        lines.push(format!("{rest} everything else"));
    }
    lines
}

fn notes(expr: &Expr, parts: &Parts, mode: Mode) -> Vec<String> {
    let mut notes = Vec::new();
    for source in &parts.split.sets {
        if let SetSource::Object(object) = source {
            let kind = if object.kind == ObjectKind::Selector { "selector" } else { of_object(object.kind) };
            notes.push(format!("{kind} {object}: the kernel has its addresses and follows them as pods come and go"));
        }
    }
    let addresses = parts.split.sets.iter().filter(|source| matches!(source, SetSource::Addresses(_))).count();
    if addresses > 0 {
        notes.push("many addresses: the kernel finds them in a set, whatever their number".to_owned());
    }
    if parts.split.drops_only && mode == Mode::Flows {
        notes.push("only dropped packets are counted, not the flows that they belong to".to_owned());
    }
    if parts.split.rules.is_empty() && parts.split.after.is_some() && !parts.split.drops_only {
        notes.push("the kernel can judge none of it: every packet is looked at".to_owned());
    }
    for narrowed in &parts.narrowed {
        notes.push(format!(
            "{}: the kernel leaves out what cannot match, the collector judges the rest",
            cut(&narrowed.to_string())
        ));
    }
    for wide in &parts.too_many {
        notes.push(format!("{}: needs more rules than the kernel has room for", cut(&wide.to_string())));
    }
    let mut seen = Seen::default();
    expr.each(&mut |test| seen.look(test));
    if mode == Mode::Flows && seen.flags {
        notes.push("flags of a flow are those of all its packets: the collector judges them".to_owned());
    }
    if mode == Mode::Flows && seen.length {
        notes.push("bytes and packets are those of a record: one flow in one interval".to_owned());
    }
    if seen.words {
        notes
            .push("words are searched in the texts that are shown, names included: the collector has those".to_owned());
    }
    notes
}

/// What is worth a note.
#[derive(Default)]
struct Seen {
    flags: bool,
    length: bool,
    words: bool,
}

impl Seen {
    fn look(&mut self, test: &Test) {
        match test {
            Test::Flags(Field::Flags, _) | Test::Bits(Field::Flags, _) => self.flags = true,
            Test::Number(Place::One(Field::Bytes | Field::Packets), _) => self.length = true,
            Test::Word(_) => self.words = true,
            _ => {}
        }
    }
}

fn cut(text: &str) -> String {
    let safe = show::escape(text);
    if safe.chars().count() <= WIDE {
        return safe.into_owned();
    }
    safe.chars().take(WIDE - 3).chain("...".chars()).collect()
}
