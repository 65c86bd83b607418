//! Conditions on fields: whether the operator goes with the field, and what its values mean.

use super::comparison::Literal;
use crate::{
    Field, Mac,
    filter::{
        names::{Meaning, Place},
        token::Op,
        tree::{Check, Expr, Pattern, Test},
        values::{self, Domain, domain},
    },
    rules::Direction,
};

/// What is wrong with a value, and what may help.
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The number of the value that is wrong, and why.
pub(super) type Compared = Result<Expr, (usize, Problem)>;

pub(super) fn problem(message: String, hint: Option<&str>) -> Problem {
    Problem { message, hint: hint.map(str::to_owned) }
}

/// A condition on fields.
pub(super) fn compare(place: Place, exact: bool, word: &str, op: Op, values: &[Literal]) -> Compared {
    match op {
        Op::Equal => equal(place, exact, word, values),
        Op::NotEqual => equal(place, exact, word, values).map(Expr::not),
        Op::Match | Op::NotMatch => {
            let test = Expr::Test(Test::Match(place, pattern(&values[0].text).map_err(|problem| (0, problem))?));
            Ok(if op == Op::NotMatch { test.not() } else { test })
        }
        Op::Less | Op::AtMost | Op::More | Op::AtLeast => {
            ordered(place, exact, word, op, &values[0]).map_err(|p| (0, p))
        }
    }
}

pub(super) fn pattern(text: &str) -> Result<Pattern, Problem> {
    Pattern::new(text).map_err(|why| problem(format!("not a regular expression: {why}"), None))
}

fn ordered(place: Place, exact: bool, word: &str, op: Op, value: &Literal) -> Result<Expr, Problem> {
    let domain = domain(place);
    if !domain.is_ordered() {
        let takes = "it takes = != =~ !~ in : and with()";
        return Err(problem(format!("{word} is {} and has no order", domain_word(domain)), Some(takes)));
    }
    let number = values::number(domain, &value.text).ok_or_else(|| invalid(domain, word, value))?;
    needs_unit(domain, exact, word, value, number)?;
    let check = match op {
        Op::Less => Check::Below(number),
        Op::AtMost => Check::AtMost(number),
        Op::More => Check::Above(number),
        _ => Check::AtLeast(number),
    };
    if check.ranges(u64::MAX).is_empty() {
        return Err(problem(format!("no number is {} {number}", op.symbol()), None));
    }
    Ok(Expr::Test(Test::Number(place, check)))
}

const fn domain_word(domain: Domain) -> &'static str {
    match domain {
        Domain::Ip => "an address",
        Domain::Mac => "an Ethernet address",
        Domain::Direction => "a direction",
        _ => "a text",
    }
}

fn equal(place: Place, exact: bool, word: &str, values: &[Literal]) -> Compared {
    let domain = domain(place);
    let each = |read: &dyn Fn(&Literal) -> Option<Expr>| -> Compared {
        let parts = values.iter().enumerate().map(|(at, v)| read(v).ok_or_else(|| (at, invalid(domain, word, v))));
        Ok(Expr::any(parts.collect::<Result<Vec<_>, _>>()?))
    };
    match domain {
        Domain::Ip => {
            let nets = all(values, |v| values::net(&v.text).ok_or_else(|| invalid(domain, word, v)))?;
            Ok(Expr::Test(Test::Address(place, nets)))
        }
        Domain::Mac => {
            let macs = all(values, |v| v.text.parse::<Mac>().map_err(|_| invalid(domain, word, v)))?;
            Ok(Expr::Test(Test::Mac(place, macs)))
        }
        Domain::Text => texts(place, values),
        Domain::Direction => each(&|value| direction(&value.text)),
        Domain::Flags => each(&|value| flags(place, &value.text)),
        Domain::IcmpType => each(&|value| icmp_type(place, &value.text)),
        _ => {
            let ranges = all(values, |value| {
                let range = values::range(domain, &value.text).ok_or_else(|| invalid(domain, word, value))?;
                needs_unit(domain, exact, word, value, range.1).map(|()| range)
            })?;
            Ok(Expr::Test(Test::Number(place, Check::In(ranges))))
        }
    }
}

fn all<T>(values: &[Literal], read: impl Fn(&Literal) -> Result<T, Problem>) -> Result<Vec<T>, (usize, Problem)> {
    values.iter().enumerate().map(|(at, value)| read(value).map_err(|problem| (at, problem))).collect()
}

/// Texts; `*` without quotes stands for anything.
fn texts(place: Place, values: &[Literal]) -> Compared {
    let (globs, plain): (Vec<_>, Vec<_>) = values.iter().partition(|value| !value.quoted && value.text.contains('*'));
    let mut parts = Vec::new();
    if !plain.is_empty() {
        let texts = plain.iter().map(|value| value.text.clone()).collect();
        parts.push(Expr::Test(Test::Text(place, texts)));
    }
    for value in globs {
        parts.push(Expr::Test(Test::Match(place, pattern(&glob(&value.text)).map_err(|problem| (0, problem))?)));
    }
    Ok(Expr::any(parts))
}

/// The regular expression that a text with `*` stands for.
pub(super) fn glob(text: &str) -> String {
    let parts: Vec<_> = text.split('*').map(regex::escape).collect();
    format!("(?i)^{}$", parts.join(".*"))
}

fn direction(text: &str) -> Option<Expr> {
    if text.eq_ignore_ascii_case("both") || text == "3" {
        let both = [Direction::Ingress, Direction::Egress].map(|direction| Expr::Test(Test::Direction(direction)));
        return Some(Expr::And(both.into()));
    }
    values::direction(text).map(|direction| Expr::Test(Test::Direction(direction)))
}

fn flags(place: Place, text: &str) -> Option<Expr> {
    if let Some(number) = values::number(Domain::Flags, text) {
        return Some(Expr::Test(Test::Number(place, Check::In(vec![(number, number)]))));
    }
    let flags = values::flags(text)?;
    Some(Expr::Test(if text.contains([',', '+']) {
        Test::Bits(place.field(), flags)
    } else {
        Test::Flags(place.field(), flags)
    }))
}

/// A name means one type of ICMP and another of ICMPv6.
fn icmp_type(place: Place, text: &str) -> Option<Expr> {
    let of = |number: u64| Expr::Test(Test::Number(place, Check::In(vec![(number, number)])));
    if let Some(range) = values::range(Domain::IcmpType, text) {
        return Some(Expr::Test(Test::Number(place, Check::In(vec![range]))));
    }
    let (v4, v6) = values::icmp_types(text);
    let with = |proto: u64, kind: u8| Expr::all([protocol(proto), of(u64::from(kind))]);
    let parts: Vec<_> = v4.map(|kind| with(1, kind)).into_iter().chain(v6.map(|kind| with(58, kind))).collect();
    (!parts.is_empty()).then(|| Expr::any(parts))
}

pub(super) fn protocol(number: u64) -> Expr {
    Expr::Test(Test::Number(Place::One(Field::Proto), Check::In(vec![(number, number)])))
}

fn invalid(domain: Domain, word: &str, value: &Literal) -> Problem {
    let text = if value.text.is_empty() { "\"\"" } else { &value.text };
    problem(format!("{text} is not what {word} takes"), Some(&format!("{word} takes {}", domain.expected())))
}

/// By its own name a field takes its raw number; by a friendly one nobody knows what 5 would be.
fn needs_unit(domain: Domain, exact: bool, word: &str, value: &Literal, number: u64) -> Result<(), Problem> {
    let is_time = matches!(domain, Domain::Nanoseconds | Domain::Milliseconds);
    if exact || !is_time || number == 0 || !value.text.ends_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    let text = &value.text;
    Err(problem(
        format!("{text} has no unit"),
        Some(&format!("{word} takes a duration: {text}ms, {text}us or {text}s")),
    ))
}

/// Whether `word` is the unit of the number before it.
pub(super) fn is_unit(meaning: &Meaning, number: &str, word: &str) -> bool {
    let Meaning::Fields { place, .. } = meaning else { return false };
    let domain = domain(*place);
    let has_units = matches!(domain, Domain::Bytes | Domain::Count | Domain::Nanoseconds | Domain::Milliseconds);
    has_units
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && word.starts_with(char::is_alphabetic)
        && values::number(domain, &format!("{number}{word}")).is_some()
}

/// Whether a word without quotes can be a value: joining words are none, but `in` is how the table shows a direction.
pub(super) fn is_value(meaning: &Meaning, word: &str) -> bool {
    let joins = super::JOINING.iter().any(|joining| joining.eq_ignore_ascii_case(word));
    let is_direction = matches!(meaning, Meaning::Fields { place, .. } if domain(*place) == Domain::Direction);
    !joins || (is_direction && values::direction(word).is_some())
}

/// What a value of `meaning` looks like, a phrase.
pub(super) fn expected(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Fields { place, .. } => format!("it takes {}", domain(*place).expected()),
        Meaning::Object(_, kind) => format!("it takes {}", crate::filter::names::object_value(*kind)),
        Meaning::Label(..) => "it takes the value of the label".to_owned(),
    }
}

/// A condition that could be meant by a name alone.
pub(super) fn example(word: &str, meaning: &Meaning) -> String {
    let rest = match meaning {
        Meaning::Object(..) | Meaning::Label(..) => "= NAME",
        Meaning::Fields { place, .. } => match domain(*place) {
            Domain::Port => "= 443",
            Domain::Plain(_) | Domain::Count | Domain::Dscp => "> 0",
            Domain::Bytes => "> 1MB",
            Domain::Nanoseconds | Domain::Milliseconds => "> 5ms",
            Domain::EtherType => "= IPv6",
            Domain::Protocol => "= TCP",
            Domain::NodeDirection | Domain::Direction => "= ingress",
            Domain::Flags => "= SYN",
            Domain::IcmpType => "= EchoRequest",
            Domain::Ip => "in 10.0.0.0/8",
            Domain::Mac => "= 02:42:ac:11:00:02",
            Domain::Text => "=~ \"...\"",
        },
    };
    format!("{word} {rest}")
}
