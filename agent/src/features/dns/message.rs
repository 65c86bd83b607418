//! What is read of a message: header, first question, response code (RFC 1035 section 4.1, RFC 6891 section 6.1.3).
//!
//! Owns NetObserv's names of response codes. Reads with `domain`, lazily: of a message that was cut, the question is enough.

use std::sync::Arc;

use domain::base::{Message as Wire, ParsedName, Rtype, header::Header, wire::ParseError};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// In full, dots between labels and none at the end (the root is a dot), RFC 4343 escapes.
    pub(crate) name: Arc<str>,
    /// By name: A, AAAA, TYPE65280...
    pub(crate) kind: Arc<str>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u16,
    /// Second word of the header, as on the wire.
    pub(crate) flags: u16,
    pub(crate) is_response: bool,
    pub(crate) question: Option<Question>,
    /// With the upper bits that EDNS adds.
    pub(crate) rcode: u16,
}

/// Reads a message that may be cut after its question; `None` when it is none.
pub(crate) fn read(bytes: &[u8]) -> Option<Message> {
    let wire = Wire::from_octets(bytes).ok()?;
    let header = wire.header();
    let flags = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let question = question(&wire).ok()?;
    Some(Message { id: header.id(), flags, is_response: header.qr(), question, rcode: rcode(&wire, header) })
}

/// The first question, or what the first answer is about (responses of mDNS have no question).
fn question(wire: &Wire<&[u8]>) -> Result<Option<Question>, ParseError> {
    if let Some(question) = wire.question().next() {
        let question = question?;
        return Ok(Some(words(question.qname(), question.qtype())));
    }
    let Some(record) = wire.answer()?.next() else { return Ok(None) };
    let record = record?;
    Ok(Some(words(&record.owner(), record.rtype())))
}

fn words<Octets: AsRef<[u8]>>(name: &ParsedName<Octets>, kind: Rtype) -> Question {
    let name = if name.is_root() { Arc::from(".") } else { name.to_string().into() };
    Question { name, kind: kind.to_string().into() }
}

fn rcode(wire: &Wire<&[u8]>, header: Header) -> u16 {
    if header.qr() && wire.header_counts().arcount() > 0 {
        wire.opt_rcode().to_int()
    } else {
        u16::from(header.rcode().to_int())
    }
}

impl Question {
    /// The same, without regard to case (RFC 4343).
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// NetObserv's name of a response code.
pub(crate) fn rcode_name(code: u16) -> Arc<str> {
    let name = match code {
        0 => "NoError",
        1 => "FormErr",
        2 => "ServFail",
        3 => "NXDomain",
        4 => "NotImp",
        5 => "Refused",
        6 => "YXDomain",
        7 => "YXRRSet",
        8 => "NXRRSet",
        9 => "NotAuth",
        10 => "NotZone",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        other => return format!("Code{other}").into(),
    };
    Arc::from(name)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Length of the header.
    const HEADER: usize = 12;

    /// A message with one question.
    pub(crate) fn message(id: u16, flags: u16, labels: &[&[u8]], kind: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [id, flags, 1, 0, 0, 0] {
            bytes.extend(word.to_be_bytes());
        }
        for label in labels {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label);
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes
    }

    fn name(labels: &[&[u8]]) -> String {
        read(&message(1, 0, labels, 1)).unwrap().question.unwrap().name.to_string()
    }

    #[test]
    fn names_are_in_presentation_format_without_the_last_dot() {
        assert_eq!(name(&[b"www", b"example", b"org"]), "www.example.org");
        assert_eq!(name(&[]), ".");
        assert_eq!(name(&[b"a.b\\c", b"\x07\xff"]), r"a\.b\\c.\007\255");
    }

    #[test]
    fn types_have_names_and_unknown_ones_a_number() {
        let kind = |kind| read(&message(1, 0, &[b"x"], kind)).unwrap().question.unwrap().kind.to_string();
        assert_eq!(
            [1, 28, 33, 12, 65, 255, 64_000].map(kind),
            ["A", "AAAA", "SRV", "PTR", "HTTPS", "ANY", "TYPE64000"]
        );
    }

    #[test]
    fn flags_id_and_code_are_those_on_the_wire() {
        let read = read(&message(0x1234, 0x8583, &[b"x"], 1)).unwrap();
        assert_eq!((read.id, read.flags, read.is_response, read.rcode), (0x1234, 0x8583, true, 3));
        assert_eq!(&*rcode_name(read.rcode), "NXDomain");
    }

    #[test]
    fn the_code_of_edns_has_twelve_bits() {
        let mut bytes = message(1, 0x8000, &[b"x"], 1);
        bytes[11] = 1;
        bytes.extend([0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(read(&bytes).unwrap().rcode, 16);
    }

    #[test]
    fn what_is_cut_after_the_question_is_read_and_what_is_cut_before_is_not() {
        let mut whole = message(1, 0x8180, &[b"example"], 1);
        whole[7] = 9;
        assert!(read(&whole).is_some());
        assert!(read(&whole[..whole.len() - 3]).is_none());
        assert!(read(&whole[..HEADER - 1]).is_none());
    }

    #[test]
    fn a_name_that_points_to_itself_is_refused() {
        let mut bytes = message(1, 0, &[], 1);
        bytes.splice(HEADER..=HEADER, [0xc0, 12]);
        assert!(read(&bytes).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(Message { question: Some(question), .. }) = read(&bytes) {
                prop_assert!(question.name.len() <= 1024);
            }
        }

        #[test]
        fn any_bytes_after_a_header_of_records_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut message = vec![0, 1, 0x80, 0, 0, 0, 0, 3, 0, 3, 0, 3];
            message.extend(bytes);
            let _ = read(&message);
        }
    }
}
