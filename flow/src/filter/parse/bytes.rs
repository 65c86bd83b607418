//! Bytes of headers as pcap-filter reaches for them, as far as fields tell the same: TCP flags, ICMP types and codes.

use super::{Parsed, Parser, value};
use crate::{
    Field,
    filter::{
        names::Place,
        token::{Kind, Op},
        tree::{Check, Expr, Test},
        values,
    },
    rules::TcpFlags,
};

/// What `protocol[offset]` reaches.
enum Reached {
    /// TCP flags of IPv4, as in libpcap.
    Flags,
    /// A field of a message of this protocol.
    Icmp(Field, u64),
}

fn reached(protocol: &str, offset: &str) -> Option<Reached> {
    let offset = offset.strip_suffix(":1").unwrap_or(offset);
    Some(match (protocol, offset) {
        ("tcp", "tcpflags" | "13") => Reached::Flags,
        ("icmp", "icmptype" | "0") => Reached::Icmp(Field::IcmpType, 1),
        ("icmp", "icmpcode" | "1") => Reached::Icmp(Field::IcmpCode, 1),
        ("icmp6", "icmp6type" | "icmptype" | "0") => Reached::Icmp(Field::IcmpType, 58),
        ("icmp6", "icmp6code" | "icmpcode" | "1") => Reached::Icmp(Field::IcmpCode, 58),
        _ => return None,
    })
}

/// Names of ICMP types that pcap-filter knows; ICMPv6 is the second list.
const ICMP_TYPES: &[(&str, u64)] = &[
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
];

impl Parser<'_> {
    /// `tcp[tcpflags] & tcp-syn != 0`, `icmp[icmptype] = icmp-echo`.
    pub(super) fn accessor(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.here().start;
        let protocol = word.to_ascii_lowercase();
        self.at += 2;
        let offset = self.word_at(0).map(str::to_ascii_lowercase).unwrap_or_default();
        self.at += 1;
        self.expect(&Kind::Right, "]")?;
        let Some(reached) = reached(&protocol, &offset) else {
            let mut error = self.error(self.since(start), &format!("{word}[{offset}] is not kept of a packet"));
            error.hint = Some(
                "tcp[tcpflags], icmp[icmptype], icmp[icmpcode], icmp6[icmp6type], icmp6[icmp6code] are".to_owned(),
            );
            return Err(error);
        };
        match reached {
            Reached::Flags => self.flag_bits(),
            Reached::Icmp(field, protocol) => self.icmp_number(field, protocol),
        }
    }

    fn flag_bits(&mut self) -> Parsed<Expr> {
        let mask = if self.take(&Kind::Mask) { self.bits()? } else { 0xff };
        let op = self.relation()?;
        let place = self.here();
        let value = self.bits()?;
        let expr = match op {
            Op::Equal => masked(Field::Flags, mask, value, true),
            Op::NotEqual => masked(Field::Flags, mask, value, false),
            Op::More if value == 0 => masked(Field::Flags, mask, 0, false),
            _ => return Err(self.error(place, "TCP flags are compared with = and !=")),
        };
        Ok(Expr::all([Expr::Test(Test::Family { v4: true }), expr]))
    }

    fn icmp_number(&mut self, field: Field, protocol: u64) -> Parsed<Expr> {
        let op = self.relation()?;
        let place = self.here();
        let word = self.word_at(0).unwrap_or_default().to_owned();
        let named = ICMP_TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word)).map(|(_, number)| *number);
        let Some(number) = values::digits(&word).or(named).filter(|number| *number < 256) else {
            return Err(self.error(place, "a number from 0 to 255 or a name like icmp-echo has to follow"));
        };
        self.at += 1;
        let (check, negated) = match op {
            Op::Less => (Check::Below(number), false),
            Op::AtMost => (Check::AtMost(number), false),
            Op::More => (Check::Above(number), false),
            Op::AtLeast => (Check::AtLeast(number), false),
            _ => (Check::In(vec![(number, number)]), op == Op::NotEqual),
        };
        let test = Expr::Test(Test::Number(Place::One(field), check));
        let present = Expr::Test(Test::With(Place::One(field)));
        let condition = if negated { Expr::all([present, test.not()]) } else { test };
        Ok(Expr::all([value::protocol(protocol), condition]))
    }

    fn relation(&mut self) -> Parsed<Op> {
        match self.peek() {
            Some(Kind::Op(op)) if !matches!(op, Op::Match | Op::NotMatch) => {
                let op = *op;
                self.at += 1;
                Ok(op)
            }
            _ => Err(self.error(self.here(), "a comparison has to follow here: = != < > <= >=")),
        }
    }

    /// `tcp-syn`, `syn|ack`, `0x12`, also in parentheses.
    pub(super) fn bits(&mut self) -> Parsed<u8> {
        if self.take(&Kind::Open) {
            let mut all = self.bits()?;
            while self.take(&Kind::Bar) {
                all |= self.bits()?;
            }
            self.expect(&Kind::Close, ")")?;
            return Ok(all);
        }
        let word = self.word_at(0).unwrap_or_default();
        let number = values::digits(word).and_then(|number| u8::try_from(number).ok());
        let Some(bits) = values::flag_bit(word).or(number) else {
            let mut error = self.error(self.here(), "TCP flags have to follow here");
            error.hint = Some("names like syn or tcp-syn, (syn|ack), or a number up to 255".to_owned());
            return Err(error);
        };
        self.at += 1;
        Ok(bits)
    }
}

/// One of these bits is set.
pub(super) fn any_of(field: Field, mask: u8) -> Expr {
    let set = (0..8).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
    Expr::any(set.map(|bit| Expr::Test(Test::Bits(field, TcpFlags { mask: bit, value: bit }))))
}

/// `field & mask = value`, or `!=`; either wants the field to be there.
pub(super) fn masked(field: Field, mask: u8, value: u8, equal: bool) -> Expr {
    let present = Expr::Test(Test::With(Place::One(field)));
    let test = Expr::Test(Test::Bits(field, TcpFlags { mask, value }));
    match (equal, value) {
        (true, _) => test,
        (false, 0) if mask != 0 => any_of(field, mask),
        (false, _) => Expr::all([present, test.not()]),
    }
}
