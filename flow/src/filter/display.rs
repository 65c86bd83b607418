//! An expression as text: one way of writing for each meaning, which reads back as the same.

use std::{borrow::Cow, fmt};

use ipnet::IpNet;

use super::{
    Object,
    names::{Place, of_object, with_end},
    parse::JOINING,
    tree::{Check, Expr, Test},
    values::{self, Domain, FLAG_NAMES, domain},
};
use crate::{Field, rules::TcpFlags, show};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and "),
            Self::Or(parts) if parts.is_empty() => f.write_str("(with(proto) and without(proto))"),
            Self::Or(parts) => joined(f, parts, " or "),
            Self::Not(inner) => match &**inner {
                Self::Test(test) => test.write(f, true),
                other => write!(f, "not ({other})"),
            },
            Self::Test(test) => test.write(f, false),
        }
    }
}

/// What is joined within is in parentheses, so that nobody has to know what binds tighter.
fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], by: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(by)?;
        }
        match part {
            Expr::And(_) | Expr::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

impl Test {
    fn write(&self, f: &mut fmt::Formatter<'_>, negated: bool) -> fmt::Result {
        let (equal, matches, not) = if negated { ("!=", "!~", "not ") } else { ("=", "=~", "") };
        match self {
            Self::Word(word) => write!(f, "{not}{}", Quoted(word)),
            Self::Number(place, check) => number(f, *place, check, negated),
            Self::Address(place, nets) => addresses(f, *place, nets, negated),
            Self::Mac(place, macs) => list(f, &place.to_string(), negated, macs, |mac| Cow::Owned(mac.to_string())),
            Self::Text(place, texts) => list(f, &place.to_string(), negated, texts, |text| bare_or_quoted(text)),
            Self::Match(place, pattern) => write!(f, "{place} {matches} {}", Quoted(pattern.text())),
            Self::Contains(place, text) => write!(f, "{not}{place}:{}", Quoted(text)),
            Self::Flags(field, flags) => write!(f, "{} {equal} {}", Place::One(*field), flag_name(*flags)),
            Self::Bits(field, flags) => bits(f, *field, *flags, not),
            Self::Direction(direction) => write!(f, "{} {equal} {}", Place::One(Field::IfDirections), direction.name()),
            Self::Family { v4 } => write!(f, "{not}{}", if *v4 { "ip" } else { "ip6" }),
            Self::With(place) => write!(f, "{}({place})", if negated { "without" } else { "with" }),
            Self::Object(end, object) => {
                write!(f, "{} {equal} {object}", with_end(of_object(object.kind), *end))
            }
            Self::ObjectMatch(end, kind, pattern) => {
                write!(f, "{} {matches} {}", with_end(of_object(*kind), *end), Quoted(pattern.text()))
            }
            Self::WithObject(end, kind) => {
                let with = if negated { "without" } else { "with" };
                write!(f, "{with}({})", with_end(of_object(*kind), *end))
            }
        }
    }
}

/// `in` before a network, also where there is one only.
fn addresses(f: &mut fmt::Formatter<'_>, place: Place, nets: &[IpNet], negated: bool) -> fmt::Result {
    let is_single = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
    match nets {
        [net] if !is_single(net) => write!(f, "{place} {}in {net}", if negated { "not " } else { "" }),
        nets => list(f, &place.to_string(), negated, nets, |net| {
            Cow::Owned(if is_single(net) { net.addr().to_string() } else { net.to_string() })
        }),
    }
}

/// The value of a condition on objects: `shop/web`, `deploy/web`, `"app=web"`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        };
        f.write_str(&bare_or_quoted(&full))
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// Without quotes where it is read as one value without them.
pub(super) fn bare_or_quoted(text: &str) -> Cow<'_, str> {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/:-".contains(c));
    let reserved = JOINING.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_plain && !reserved { Cow::Borrowed(text) } else { Cow::Owned(Quoted(text).to_string()) }
}

/// `name = value` or `name in (values)`.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    negated: bool,
    items: &[T],
    shown: impl Fn(&T) -> Cow<'_, str>,
) -> fmt::Result {
    if let [one] = items {
        return write!(f, "{name} {} {}", if negated { "!=" } else { "=" }, shown(one));
    }
    let items: Vec<_> = items.iter().map(shown).collect();
    write!(f, "{name} {}in ({})", if negated { "not " } else { "" }, items.join(", "))
}

fn number(f: &mut fmt::Formatter<'_>, place: Place, check: &Check, negated: bool) -> fmt::Result {
    let domain = domain(place);
    let (op, limit) = match check {
        Check::In(ranges) => {
            return list(f, &place.to_string(), negated, ranges, |range| Cow::Owned(span(domain, *range)));
        }
        Check::Below(limit) => ("<", *limit),
        Check::AtMost(limit) => ("<=", *limit),
        Check::Above(limit) => (">", *limit),
        Check::AtLeast(limit) => (">=", *limit),
    };
    write!(f, "{}{place} {op} {}", if negated { "not " } else { "" }, amount(domain, limit))
}

fn span(domain: Domain, (low, high): (u64, u64)) -> String {
    if low == high {
        return named(domain, low).map_or_else(|| amount(domain, low), str::to_owned);
    }
    format!("{}-{}", amount(domain, low), amount(domain, high))
}

fn named(domain: Domain, number: u64) -> Option<&'static str> {
    let small = u8::try_from(number).ok();
    let name = match domain {
        Domain::Protocol => small.and_then(show::protocol),
        Domain::EtherType => u16::try_from(number).ok().and_then(show::ethertype),
        Domain::Dscp => small.and_then(show::dscp),
        Domain::NodeDirection => small.and_then(show::flow_direction),
        _ => None,
    };
    name.filter(|name| values::number(domain, name) == Some(number))
}

/// A number with its unit, exactly.
pub(super) fn amount(domain: Domain, number: u64) -> String {
    match domain {
        Domain::Nanoseconds => time(u128::from(number)),
        Domain::Milliseconds => time(u128::from(number) * 1_000_000),
        Domain::Bytes => size(number),
        _ => number.to_string(),
    }
}

/// In the largest unit that leaves no fraction.
fn time(nanoseconds: u128) -> String {
    const UNITS: [(u128, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let unit = UNITS.iter().find(|(scale, _)| nanoseconds > 0 && nanoseconds.is_multiple_of(*scale));
    let (scale, name) = unit.copied().unwrap_or((1, "ns"));
    format!("{}{name}", nanoseconds / scale)
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 6] =
        [(1_000_000_000, "GB"), (1 << 30, "GiB"), (1_000_000, "MB"), (1 << 20, "MiB"), (1_000, "kB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(scale, _)| bytes > 0 && bytes.is_multiple_of(*scale));
    unit.map_or_else(|| bytes.to_string(), |(scale, name)| format!("{}{name}", bytes / scale))
}

/// The name that means these flags.
pub(super) fn flag_name(flags: TcpFlags) -> String {
    let names = FLAG_NAMES.iter().flat_map(|name| [(*name).to_owned(), format!("{name}-ACK")]);
    let mut known = names.filter(|name| TcpFlags::by_name(name) == Some(flags));
    known.next().unwrap_or_else(|| bit_names(flags.value).join(","))
}

pub(super) fn bit_names(bits: u8) -> Vec<String> {
    let set = FLAG_NAMES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    set.map(|(_, name)| name.to_ascii_lowercase()).collect()
}

/// `flags & syn`, `flags & (syn|ack) = syn`.
fn bits(f: &mut fmt::Formatter<'_>, field: Field, TcpFlags { mask, value }: TcpFlags, not: &str) -> fmt::Result {
    let shown = |bits: u8| match bit_names(bits).as_slice() {
        [] => "0".to_owned(),
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    };
    write!(f, "{not}{} & {}", Place::One(field), shown(mask))?;
    if mask == value && mask.is_power_of_two() { Ok(()) } else { write!(f, " = {}", shown(value)) }
}
