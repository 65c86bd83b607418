//! Completion of the filter line: what may stand where the typing is, from the schema and from what is in the rows.

use std::{borrow::Cow, collections::HashMap};

use flow::{
    Field, Value,
    filter::{Candidate, complete},
    show,
};

use super::{row::Row, rows::Rows};

/// Rows looked at for values: a keystroke must not wait for all of them.
const LOOKED_AT: u32 = 20_000;

/// An open list of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What there is to choose from; never empty.
    pub candidates: Vec<Candidate>,
    /// The one that Enter takes.
    pub at: usize,
    /// Byte of the line from which on it is put in place.
    pub start: usize,
}

impl Completion {
    /// What may stand at the end of `line`; `None` if nothing is known to.
    pub(super) fn of(line: &str, rows: &Rows) -> Option<Self> {
        let found = complete(line, line.len(), &|field| seen(field, rows));
        let (start, candidates) = (found.start, found.candidates);
        let typed = line.get(start..)?;
        let is_done = matches!(candidates.as_slice(), [only] if only.text == typed);
        (!candidates.is_empty() && !is_done).then_some(Self { candidates, at: 0, start })
    }

    /// Moves the choice, round the ends.
    pub(super) fn step(&mut self, by: isize) {
        let count = self.candidates.len().max(1) as isize;
        self.at = (self.at as isize).saturating_add(by).rem_euclid(count) as usize;
    }

    /// The chosen text, after which the next word may be typed.
    pub(super) fn chosen(&self) -> Option<String> {
        let text = &self.candidates.get(self.at)?.text;
        Some(if text.ends_with('(') { text.clone() } else { format!("{text} ") })
    }
}

/// The values of `field` in the rows, the most frequent first. What has characters that a terminal must not get is no value to
/// put into a line.
fn seen(field: Field, rows: &Rows) -> Vec<String> {
    let mut counts = HashMap::<String, u64>::new();
    for slot in 0..rows.capacity().min(LOOKED_AT) {
        let packet;
        let record = match rows.get(slot).map(AsRef::as_ref) {
            None => continue,
            Some(Row::Flow(flow)) => &flow.record,
            Some(Row::Packet(row)) => {
                packet = row.record();
                &packet
            }
        };
        for text in record.get(field).into_iter().flat_map(texts) {
            match counts.get_mut(&*text) {
                Some(count) => *count += 1,
                None => drop(counts.insert(text.into_owned(), 1)),
            }
        }
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(text, _)| show::escape(text) == *text).collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.into_iter().map(|(text, _)| text).collect()
}

/// A value as it may be typed.
fn texts(value: Value<'_>) -> Vec<Cow<'_, str>> {
    match value {
        Value::UInt(number) => vec![number.to_string().into()],
        Value::Ip(address) => vec![address.to_string().into()],
        Value::Mac(mac) => vec![mac.to_string().into()],
        Value::Text(text) => vec![text.into()],
        Value::TextList(list) => list.iter().map(|text| Cow::Borrowed(&**text)).collect(),
        Value::Events(list) => list.iter().map(|event| Cow::Borrowed(&*event.name)).collect(),
        Value::UIntList(_) => Vec::new(),
    }
}
