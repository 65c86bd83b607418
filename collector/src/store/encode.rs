//! Records as JSON text, made once for all who need text of them.
//!
//! Owns the text form of every kind of value. Addresses, lists and events have the same text in JSON and in SQLite,
//! so the places where they stand are noted and SQLite takes them from here.

use std::{io::Write as _, net::IpAddr, ops::Range, sync::LazyLock};

use flow::{Field, FlowRecord, Mac, NetworkEvent, Value};

/// Text of a number of records, `,\n{...},\n{...}\n]\n`: what is appended to a JSON array in place of its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    text: Vec<u8>,
    spans: Vec<(u32, u32)>,
}

/// What ends a JSON array of ours, and is overwritten when it grows.
pub(crate) const END: &[u8] = b"\n]\n";

impl Encoder {
    /// Replaces what is held by `records`.
    pub(crate) fn encode(&mut self, records: &[FlowRecord]) {
        self.text.clear();
        self.spans.clear();
        for record in records {
            self.text.extend_from_slice(b",\n");
            object(&mut self.text, record, |span| self.spans.push((span.start as u32, span.end as u32)));
        }
        self.text.extend_from_slice(END);
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The texts of all present values but numbers and plain texts, in the order of records and fields: addresses
    /// without quotes, lists as JSON.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|(start, end)| &self.text[*start as usize..*end as usize])
    }
}

/// `"Name":` of every field.
static KEYS: LazyLock<Vec<String>> =
    LazyLock::new(|| Field::ALL.iter().map(|field| format!("\"{}\":", field.name())).collect());

/// Appends a record as a JSON object, the same as serde would; tells where addresses and lists stand.
pub(crate) fn object(out: &mut Vec<u8>, record: &FlowRecord, mut span: impl FnMut(Range<usize>)) {
    out.push(b'{');
    let begin = out.len();
    for (field, key) in Field::ALL.iter().zip(&*KEYS) {
        let Some(value) = record.get(*field) else { continue };
        if out.len() > begin {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        if let Some(range) = append(out, value) {
            span(range);
        }
    }
    out.push(b'}');
}

/// Appends a value; returns where it stands, unless it is a number or a plain text.
fn append(out: &mut Vec<u8>, value: Value<'_>) -> Option<Range<usize>> {
    match value {
        Value::UInt(number) => uint(out, number),
        Value::Text(text) => string(out, text),
        Value::Ip(address) => return Some(quoted(out, |out| ip(out, address))),
        Value::Mac(address) => return Some(quoted(out, |out| mac(out, address))),
        Value::TextList(texts) => return Some(list(out, texts, |out, text| string(out, text))),
        Value::UIntList(numbers) => return Some(list(out, numbers, |out, number| uint(out, u64::from(*number)))),
        Value::Events(events) => return Some(list(out, events, event)),
    }
    None
}

fn quoted(out: &mut Vec<u8>, inner: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    out.push(b'"');
    let start = out.len();
    inner(out);
    let range = start..out.len();
    out.push(b'"');
    range
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) -> Range<usize> {
    let start = out.len();
    out.push(b'[');
    for (n, value) in items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
    start..out.len()
}

fn event(out: &mut Vec<u8>, event: &NetworkEvent) {
    let NetworkEvent { feature, r#type, namespace, name, action, direction } = event;
    let entries = [
        ("{\"Feature\":", feature),
        (",\"Type\":", r#type),
        (",\"Namespace\":", namespace),
        (",\"Name\":", name),
        (",\"Action\":", action),
        (",\"Direction\":", direction),
    ];
    for (key, text) in entries {
        out.extend_from_slice(key.as_bytes());
        string(out, text);
    }
    out.push(b'}');
}

pub(crate) fn uint(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn mac(out: &mut Vec<u8>, Mac(octets): Mac) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b':'; 17];
    for (n, octet) in octets.into_iter().enumerate() {
        text[3 * n] = HEX[usize::from(octet >> 4)];
        text[3 * n + 1] = HEX[usize::from(octet & 15)];
    }
    out.extend_from_slice(&text);
}

fn ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (n, octet) in address.octets().into_iter().enumerate() {
                if n > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        // A Vec takes everything.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// Appends a JSON string, RFC 8259 section 7.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    if has_special(rest) {
        while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
            out.extend_from_slice(&rest[..at]);
            escape(out, rest[at]);
            rest = &rest[at + 1..];
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether a byte cannot stand for itself in a JSON string.
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Whether any byte [`is_special`], eight at a time: nearly no text has one, and there are thirty texts in a record.
fn has_special(text: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The high bit of each byte of `word` that is below `limit` (at most 128) is set in the result; a byte above such
    // a one may be marked wrongly, which only makes the slow way be taken.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let dirty = |word: u64| {
        below(word, 32) | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1)
    };
    let (words, rest) = text.as_chunks::<8>();
    words.iter().any(|word| dirty(u64::from_ne_bytes(*word)) != 0) || rest.iter().any(|byte| is_special(*byte))
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        _ => return drop(write!(out, "\\u{byte:04x}")),
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_record;

    proptest! {
        #[test]
        fn the_text_is_what_serde_writes(record in any_record()) {
            let mut text = Vec::new();
            object(&mut text, &record, |_| {});
            prop_assert_eq!(String::from_utf8(text).unwrap(), serde_json::to_string(&record).unwrap());
        }
    }

    #[test]
    fn addresses_and_lists_are_noted_in_order() {
        let record = FlowRecord {
            interfaces: Some([std::sync::Arc::from("eth0")].into()),
            src_mac: Some(Mac([2, 0, 0, 0, 0, 0xab])),
            src_addr: "2001:db8::1".parse().ok(),
            bytes: Some(1),
            ..FlowRecord::default()
        };
        let mut encoder = Encoder::default();
        encoder.encode(&[record.clone(), record]);
        let texts: Vec<_> = encoder.texts().map(|text| std::str::from_utf8(text).unwrap()).collect();
        assert_eq!(texts[..3], [r#"["eth0"]"#, "02:00:00:00:00:ab", "2001:db8::1"]);
        assert_eq!(texts[3..], texts[..3]);
        assert!(encoder.text().starts_with(b",\n{\"Interfaces\"") && encoder.text().ends_with(b"}\n]\n"));
    }
}
