//! Whether an expression takes a subject. A condition on what is absent does not hold.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    End, Object, ObjectKind, Subject,
    names::any_value,
    tree::{Expr, Test},
};
use crate::{
    Field, Unit, Value,
    rules::{Direction, Directions, FlagsSeen, TcpFlags},
    show,
};

impl Expr {
    pub(super) fn takes(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.takes(subject)),
            Self::Or(parts) => parts.iter().any(|part| part.takes(subject)),
            Self::Not(inner) => !inner.takes(subject),
            Self::Test(test) => test.holds(subject),
        }
    }
}

impl Test {
    fn holds(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::Word(word) => subject.any_text(&mut |text| contains(text, word)),
            Self::Number(place, check) => {
                any_value(*place, subject, |_, value| matches!(value, Value::UInt(number) if check.takes(number)))
            }
            Self::Address(place, nets) => {
                any_value(*place, subject, |_, value| matches!(value, Value::Ip(address) if is_within(nets, address)))
            }
            Self::Mac(place, macs) => {
                any_value(*place, subject, |_, value| matches!(value, Value::Mac(mac) if macs.contains(&mac)))
            }
            Self::Text(place, texts) => any_value(*place, subject, |_, value| {
                any_item(value, &mut |item| texts.iter().any(|text| text.eq_ignore_ascii_case(item)))
            }),
            Self::Match(place, pattern) => {
                any_value(*place, subject, |field, value| any_shown(field, value, &mut |text| pattern.is_in(text)))
            }
            Self::Contains(place, lower) => {
                any_value(*place, subject, |field, value| any_shown(field, value, &mut |text| contains(text, lower)))
            }
            Self::Flags(field, asked) => flags(subject, *field).is_some_and(|seen| asked.holds_of(seen)),
            Self::Bits(field, asked) => {
                bits(subject, *field).is_some_and(|seen| seen as u8 & asked.mask == asked.value)
            }
            Self::Direction(direction) => directions(subject).contain(*direction),
            Self::Family { v4 } => {
                matches!(subject.field(Field::SrcAddr), Some(Value::Ip(address)) if address.is_ipv4() == *v4)
            }
            Self::With(place) => any_value(*place, subject, |_, _| true),
            Self::Object(end, object) => ends(*end).any(|end| belongs(subject, object, end)),
            Self::ObjectMatch(end, kind, pattern) => {
                ends(*end).any(|end| any_name(subject, *kind, end, &mut |name| pattern.is_in(name)))
            }
            Self::WithObject(end, kind) => ends(*end).any(|end| any_name(subject, *kind, end, &mut |_| true)),
        }
    }
}

fn is_within(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

/// Whether `text` contains `needle`, which is in lower case, in any case.
fn contains(text: &str, needle: &str) -> bool {
    crate::text::contains(text, needle)
}

/// Each text of a text, a list of texts or of events.
fn any_item(value: Value<'_>, look: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Text(text) => look(text),
        Value::TextList(list) => list.iter().any(|text| look(text)),
        Value::Events(list) => list.iter().any(|event| {
            [&event.feature, &event.r#type, &event.namespace, &event.name, &event.action, &event.direction]
                .into_iter()
                .any(|text| look(text))
        }),
        _ => false,
    }
}

/// Every text that a value is known by: as it is and as it is shown.
fn any_shown(field: Field, value: Value<'_>, look: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::UInt(number) => look(&number.to_string()) || number_name(field, number).is_some_and(|name| look(&name)),
        Value::Ip(address) => look(&address.to_string()),
        Value::Mac(address) => look(&address.to_string()),
        Value::Text(_) | Value::TextList(_) => any_item(value, look),
        Value::UIntList(list) => list
            .iter()
            .any(|number| show::interface_direction(*number).is_some_and(&mut *look) || look(&number.to_string())),
        Value::Events(list) => look(&show::events(list)),
    }
}

fn number_name(field: Field, number: u64) -> Option<String> {
    let small = u8::try_from(number).ok();
    let name = match field.unit() {
        Unit::Protocol => small.and_then(show::protocol),
        Unit::Dscp => small.and_then(show::dscp),
        Unit::EtherType => u16::try_from(number).ok().and_then(show::ethertype),
        Unit::FlowDirection => small.and_then(show::flow_direction),
        Unit::TcpFlags => return Some(show::tcp_flags(number as u16)),
        Unit::Bytes => return Some(show::bytes(number)),
        _ => None,
    };
    name.map(str::to_owned)
}

fn number(subject: &dyn Subject, field: Field) -> Option<u64> {
    match subject.field(field) {
        Some(Value::UInt(number)) => Some(number),
        _ => None,
    }
}

fn bits(subject: &dyn Subject, field: Field) -> Option<u16> {
    number(subject, field).map(|bits| bits as u16)
}

/// Flags of one packet are known exactly; those of several only as far as their OR tells.
fn flags(subject: &dyn Subject, field: Field) -> Option<FlagsSeen> {
    let seen = bits(subject, field)?;
    let one = field != Field::Flags || number(subject, Field::Packets).is_none_or(|packets| packets == 1);
    Some(if one { FlagsSeen::Packet(seen as u8) } else { FlagsSeen::Flow(seen) })
}

fn directions(subject: &dyn Subject) -> Directions {
    match subject.field(Field::IfDirections) {
        Some(Value::UIntList(list)) => {
            list.iter().fold(Directions::default(), |sum, number| sum.or(Directions::of(*number)))
        }
        _ => Directions::default(),
    }
}

/// The two ends of a flow as fields.
struct EndFields {
    addr: Field,
    name: Field,
    kind: Field,
    namespace: Field,
    owner: Field,
    owner_kind: Field,
    node: Field,
    container: Field,
}

const SOURCE: EndFields = EndFields {
    addr: Field::SrcAddr,
    name: Field::SrcK8S_Name,
    kind: Field::SrcK8S_Type,
    namespace: Field::SrcK8S_Namespace,
    owner: Field::SrcK8S_OwnerName,
    owner_kind: Field::SrcK8S_OwnerType,
    node: Field::SrcK8S_HostName,
    container: Field::SrcContainer,
};

const DESTINATION: EndFields = EndFields {
    addr: Field::DstAddr,
    name: Field::DstK8S_Name,
    kind: Field::DstK8S_Type,
    namespace: Field::DstK8S_Namespace,
    owner: Field::DstK8S_OwnerName,
    owner_kind: Field::DstK8S_OwnerType,
    node: Field::DstK8S_HostName,
    container: Field::DstContainer,
};

fn ends(end: End) -> impl Iterator<Item = &'static EndFields> {
    let (source, destination) = match end {
        End::Source => (true, false),
        End::Destination => (false, true),
        End::Either => (true, true),
    };
    source.then_some(&SOURCE).into_iter().chain(destination.then_some(&DESTINATION))
}

fn belongs(subject: &dyn Subject, object: &Object, end: &EndFields) -> bool {
    let known = match subject.field(end.addr) {
        Some(Value::Ip(address)) => subject.belongs(object, address),
        _ => None,
    };
    known.unwrap_or_else(|| is_named(subject, object, end))
}

/// What the names in the fields say.
fn is_named(subject: &dyn Subject, object: &Object, end: &EndFields) -> bool {
    let is = |field, asked: &str| text(subject, field).is_some_and(|text| text == asked);
    let in_namespace =
        || object.namespace.as_deref().is_none_or(|namespace| namespace == "*" || is(end.namespace, namespace));
    match object.kind {
        ObjectKind::Pod => is(end.kind, "Pod") && is(end.name, &object.name) && in_namespace(),
        ObjectKind::Service => is(end.kind, "Service") && is(end.name, &object.name) && in_namespace(),
        ObjectKind::Workload => {
            let (kind, name) = object.name.split_once('/').map_or((None, object.name.as_str()), |(k, n)| (Some(k), n));
            let kind = kind.is_none_or(|kind| text(subject, end.owner_kind).is_some_and(|known| is_kind(known, kind)));
            kind && is(end.owner, name) && in_namespace()
        }
        ObjectKind::Namespace => is(end.namespace, &object.name),
        ObjectKind::Node => is(end.node, &object.name) || (is(end.kind, "Node") && is(end.name, &object.name)),
        ObjectKind::Container => is(end.container, &object.name),
        // Labels do not stand in the fields.
        ObjectKind::Selector => false,
    }
}

/// Whether a kind is what people call so: `deploy`, `deployments.apps`.
fn is_kind(kind: &str, asked: &str) -> bool {
    let lower = asked.to_ascii_lowercase();
    let full = match lower.split('.').next().unwrap_or_default() {
        "deploy" => "deployment",
        "ds" => "daemonset",
        "sts" => "statefulset",
        "rs" => "replicaset",
        "cj" => "cronjob",
        "rc" => "replicationcontroller",
        "dc" => "deploymentconfig",
        "po" => "pod",
        other => other.strip_suffix('s').unwrap_or(other),
    };
    kind.eq_ignore_ascii_case(full)
}

fn text(subject: &dyn Subject, field: Field) -> Option<&str> {
    match subject.field(field) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The names of the object of that kind at an end: with its namespace, and alone.
fn any_name(subject: &dyn Subject, kind: ObjectKind, end: &EndFields, look: &mut dyn FnMut(&str) -> bool) -> bool {
    let of_kind = |asked: &str| text(subject, end.kind).is_some_and(|kind| kind == asked);
    let field = match kind {
        ObjectKind::Pod if of_kind("Pod") => end.name,
        ObjectKind::Service if of_kind("Service") => end.name,
        ObjectKind::Workload => end.owner,
        ObjectKind::Namespace => end.namespace,
        ObjectKind::Node => end.node,
        ObjectKind::Container => end.container,
        ObjectKind::Pod | ObjectKind::Service | ObjectKind::Selector => return false,
    };
    let Some(name) = text(subject, field) else { return false };
    let is_namespaced = matches!(kind, ObjectKind::Pod | ObjectKind::Service | ObjectKind::Workload);
    let namespace = text(subject, end.namespace).filter(|_| is_namespaced);
    look(name) || namespace.is_some_and(|namespace| look(&format!("{namespace}/{name}")))
}

impl TcpFlags {
    fn holds_of(self, seen: FlagsSeen) -> bool {
        match seen {
            FlagsSeen::Packet(flags) => flags & self.mask == self.value,
            FlagsSeen::Flow(seen) => self.may_be_in(seen),
        }
    }
}

impl Direction {
    /// As a name of the language.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}
