//! What can be asked for, by name: the one table from which the language, its completion and its documentation come.

mod near;

use std::fmt;

use super::{End, ObjectKind};
use crate::{Field, Value};
pub(super) use near::near;

/// Fields that a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// One field.
    One(Field),
    /// A field of the source and the same of the destination: either will do.
    Either(Field, Field),
    /// Time from the first to the last packet, ms: two fields make it.
    Duration,
}

impl Place {
    /// A field that tells what the values are like.
    pub(super) fn field(self) -> Field {
        match self {
            Self::One(field) | Self::Either(field, _) => field,
            Self::Duration => Field::DnsLatencyMs,
        }
    }

    /// Which ends are looked at, where the fields belong to ends.
    pub(super) fn end(self) -> Option<End> {
        let of = |field: Field| {
            END_FIELDS.iter().find(|(src, dst)| *src == field || *dst == field).map(|(src, _)| *src == field)
        };
        match self {
            Self::Either(..) => Some(End::Either),
            Self::One(field) => of(field).map(|is_source| if is_source { End::Source } else { End::Destination }),
            Self::Duration => None,
        }
    }
}

const END_FIELDS: [(Field, Field); 2] = [(Field::SrcAddr, Field::DstAddr), (Field::SrcPort, Field::DstPort)];

/// A name that works; its first spelling is the one that is shown.
pub(super) struct Name {
    /// All spellings.
    pub(super) names: &'static [&'static str],
    /// What it stands for.
    pub(super) of: Of,
}

/// What a [`Name`] stands for.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// A field.
    One(Field),
    /// A field that each end has: `name`, `src.name`, `dst.name`.
    Ends(Field, Field),
    /// Objects that each end may belong to.
    Object(ObjectKind),
    /// See [`Place::Duration`].
    Duration,
}

/// What a name in an expression turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Fields; `exact` if it is the schema's own name.
    Fields { place: Place, exact: bool },
    /// Objects.
    Object(End, ObjectKind),
    /// `label.KEY`.
    Label(End, String),
}

const fn name(names: &'static [&'static str], of: Of) -> Name {
    Name { names, of }
}

use Field as F;
use Of::{Ends, Object, One};

/// Every name, in the order of the table of fields.
pub(super) const NAMES: &[Name] = &[
    name(&["addr", "ip", "address", "host", "net"], Ends(F::SrcAddr, F::DstAddr)),
    name(&["port"], Ends(F::SrcPort, F::DstPort)),
    name(&["proto", "protocol"], One(F::Proto)),
    name(&["flags", "tcp.flags"], One(F::Flags)),
    name(&["icmp.type"], One(F::IcmpType)),
    name(&["icmp.code"], One(F::IcmpCode)),
    name(&["bytes", "len"], One(F::Bytes)),
    name(&["packets"], One(F::Packets)),
    name(&["duration"], Of::Duration),
    name(&["pod"], Object(ObjectKind::Pod)),
    name(&["namespace", "ns"], Object(ObjectKind::Namespace)),
    name(&["workload", "owner"], Object(ObjectKind::Workload)),
    name(&["service", "svc"], Object(ObjectKind::Service)),
    name(&["node"], Object(ObjectKind::Node)),
    name(&["container"], Object(ObjectKind::Container)),
    name(&["selector"], Object(ObjectKind::Selector)),
    name(&["name"], Ends(F::SrcK8S_Name, F::DstK8S_Name)),
    name(&["kind"], Ends(F::SrcK8S_Type, F::DstK8S_Type)),
    name(&["namespace.name"], Ends(F::SrcK8S_Namespace, F::DstK8S_Namespace)),
    name(&["owner.name"], Ends(F::SrcK8S_OwnerName, F::DstK8S_OwnerName)),
    name(&["owner.kind"], Ends(F::SrcK8S_OwnerType, F::DstK8S_OwnerType)),
    name(&["node.name"], Ends(F::SrcK8S_HostName, F::DstK8S_HostName)),
    name(&["node.ip", "node.addr"], Ends(F::SrcK8S_HostIP, F::DstK8S_HostIP)),
    name(&["zone"], Ends(F::SrcK8S_Zone, F::DstK8S_Zone)),
    name(&["network"], Ends(F::SrcK8S_NetworkName, F::DstK8S_NetworkName)),
    name(&["subnet"], Ends(F::SrcSubnetLabel, F::DstSubnetLabel)),
    name(&["process"], Ends(F::SrcProcess, F::DstProcess)),
    name(&["pid"], Ends(F::SrcPid, F::DstPid)),
    name(&["container.name"], Ends(F::SrcContainer, F::DstContainer)),
    name(&["drop.cause"], One(F::PktDropLatestDropCause)),
    name(&["drop.packets"], One(F::PktDropPackets)),
    name(&["drop.bytes"], One(F::PktDropBytes)),
    name(&["drop.flags"], One(F::PktDropLatestFlags)),
    name(&["drop.state"], One(F::PktDropLatestState)),
    name(&["drop.likely"], One(F::PktDropLikelyCause)),
    name(&["dns.name"], One(F::DnsName)),
    name(&["dns.rcode", "dns.response"], One(F::DnsFlagsResponseCode)),
    name(&["dns.type"], One(F::DnsType)),
    name(&["dns.latency"], One(F::DnsLatencyMs)),
    name(&["dns.id"], One(F::DnsId)),
    name(&["dns.flags"], One(F::DnsFlags)),
    name(&["dns.error", "dns.errno"], One(F::DnsErrno)),
    name(&["rtt", "tcp.rtt", "rtt.max"], One(F::TimeFlowRttNs)),
    name(&["rtt.min"], One(F::TcpRttMinNs)),
    name(&["rtt.last"], One(F::TcpRttLastNs)),
    name(&["tcp.handshake", "handshake"], One(F::TcpHandshakeNs)),
    name(&["tcp.retransmits", "retransmits"], One(F::TcpRetransmits)),
    name(&["tcp.out_of_order"], One(F::TcpOutOfOrder)),
    name(&["tcp.zero_windows"], One(F::TcpZeroWindows)),
    name(&["tcp.state"], One(F::TcpState)),
    name(&["tcp.result", "result"], One(F::TcpResult)),
    name(&["tls.sni", "sni", "tls.name"], One(F::TLSServerName)),
    name(&["tls.version"], One(F::TLSVersion)),
    name(&["tls.alpn", "alpn"], One(F::TLSAlpn)),
    name(&["tls.cipher"], One(F::TLSCipherSuite)),
    name(&["tls.group"], One(F::TLSGroup)),
    name(&["tls.types"], One(F::TLSTypes)),
    name(&["quic.version"], One(F::QuicVersion)),
    name(&["quic.long"], One(F::QuicSeenLongHdr)),
    name(&["quic.short"], One(F::QuicSeenShortHdr)),
    name(&["xlat.addr", "xlat.ip"], Ends(F::XlatSrcAddr, F::XlatDstAddr)),
    name(&["xlat.port"], Ends(F::XlatSrcPort, F::XlatDstPort)),
    name(&["xlat.name"], Ends(F::XlatSrcK8S_Name, F::XlatDstK8S_Name)),
    name(&["xlat.namespace"], Ends(F::XlatSrcK8S_Namespace, F::XlatDstK8S_Namespace)),
    name(&["xlat.zone"], One(F::ZoneId)),
    name(&["events", "network.events"], One(F::NetworkEvents)),
    name(&["ipsec.status"], One(F::IPSecStatus)),
    name(&["ipsec.code"], One(F::IPSecRetCode)),
    name(&["interface", "interfaces", "if"], One(F::Interfaces)),
    name(&["direction"], One(F::IfDirections)),
    name(&["node.direction", "flow.direction"], One(F::FlowDirection)),
    name(&["netns"], One(F::NetNs)),
    name(&["udn", "udns"], One(F::Udns)),
    name(&["agent", "agent.ip"], One(F::AgentIP)),
    name(&["etype", "ethertype"], One(F::Etype)),
    name(&["mac"], Ends(F::SrcMac, F::DstMac)),
    name(&["vlan", "vlan.id"], One(F::VlanId)),
    name(&["vlan.inner"], One(F::VlanInnerId)),
    name(&["dscp"], One(F::Dscp)),
    name(&["time.start", "start"], One(F::TimeFlowStartMs)),
    name(&["time.end", "end"], One(F::TimeFlowEndMs)),
    name(&["time.received"], One(F::TimeReceived)),
    name(&["sampling"], One(F::Sampling)),
    name(&["conversation"], One(F::_HashId)),
    name(&["bytes.sent"], One(F::Bytes_AB)),
    name(&["bytes.received"], One(F::Bytes_BA)),
    name(&["packets.sent"], One(F::Packets_AB)),
    name(&["packets.received"], One(F::Packets_BA)),
];

/// What `word` names, in any case; `_` and `-` are the same.
pub(super) fn find(word: &str) -> Option<Meaning> {
    if let Some(field) = Field::ALL.iter().find(|field| field.name().eq_ignore_ascii_case(word)) {
        return Some(Meaning::Fields { place: Place::One(*field), exact: true });
    }
    let (end, base) = split_end(word);
    let label = base.get(..6).filter(|start| start.eq_ignore_ascii_case("label.")).and_then(|_| base.get(6..));
    if let Some(key) = label.filter(|key| !key.is_empty()) {
        return Some(Meaning::Label(end, key.to_owned()));
    }
    let known = NAMES.iter().find(|name| name.names.iter().any(|known| is_same(known, &base)));
    known.and_then(|name| name.of.at(end)).or_else(|| by_heading(word))
}

impl Of {
    /// What it means at `end`; `None` where it has no ends and one was given.
    pub(super) fn at(self, end: End) -> Option<Meaning> {
        let place = match (self, end) {
            (One(field), End::Either) | (Ends(field, _), End::Source) | (Ends(_, field), End::Destination) => {
                Place::One(field)
            }
            (Ends(src, dst), End::Either) => Place::Either(src, dst),
            (Object(kind), end) => return Some(Meaning::Object(end, kind)),
            (Self::Duration, End::Either) => Place::Duration,
            (One(_) | Self::Duration, _) => return None,
        };
        Some(Meaning::Fields { place, exact: false })
    }
}

/// A field by the heading of its column without spaces, as the filter line has always taken them.
fn by_heading(word: &str) -> Option<Meaning> {
    let is_heading = |field: &&Field| field.label().replace(' ', "").eq_ignore_ascii_case(word);
    Field::ALL.iter().find(is_heading).map(|field| Meaning::Fields { place: Place::One(*field), exact: true })
}

/// The end that a dotted name speaks of, and the name without it.
fn split_end(word: &str) -> (End, String) {
    let mut parts: Vec<&str> = word.split('.').collect();
    let label = parts.iter().position(|part| part.eq_ignore_ascii_case("label")).unwrap_or(parts.len());
    let found = parts.iter().take(label).position(|part| end_by_name(part).is_some()).filter(|_| parts.len() > 1);
    let end = found.and_then(|at| end_by_name(parts.remove(at)));
    (end.unwrap_or(End::Either), parts.join("."))
}

fn end_by_name(part: &str) -> Option<End> {
    match part.to_ascii_lowercase().as_str() {
        "src" => Some(End::Source),
        "dst" => Some(End::Destination),
        _ => None,
    }
}

fn is_same(known: &str, typed: &str) -> bool {
    known.len() == typed.len()
        && known.bytes().zip(typed.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-'))
}

/// A name with its end: `src.port`, `xlat.dst.addr`.
pub(super) fn with_end(base: &str, end: End) -> String {
    let end = match end {
        End::Either => return base.to_owned(),
        End::Source => "src",
        End::Destination => "dst",
    };
    base.strip_prefix("xlat.").map_or_else(|| format!("{end}.{base}"), |rest| format!("xlat.{end}.{rest}"))
}

/// The name that is shown for what each end has or belongs to.
pub(super) fn of_object(kind: ObjectKind) -> &'static str {
    let known = NAMES.iter().find(|name| matches!(name.of, Object(of) if of == kind));
    known.map_or("", |name| name.names[0])
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in NAMES {
            let end = match (name.of, *self) {
                (One(of), Self::One(field)) if of == field => End::Either,
                (Ends(src, _), Self::One(field)) if src == field => End::Source,
                (Ends(_, dst), Self::One(field)) if dst == field => End::Destination,
                (Ends(src, _), Self::Either(one, _)) if src == one => End::Either,
                (Of::Duration, Self::Duration) => End::Either,
                _ => continue,
            };
            return f.write_str(&with_end(name.names[0], end));
        }
        f.write_str(self.field().name())
    }
}

/// Every name that works, as it is shown, with what it means and a sentence for users.
pub(super) fn all() -> impl Iterator<Item = (String, Meaning, &'static str)> {
    NAMES.iter().flat_map(|name| {
        let ends: &[End] = match name.of {
            One(_) | Of::Duration => &[End::Either],
            Ends(..) | Object(_) => &[End::Either, End::Source, End::Destination],
        };
        ends.iter().filter_map(|end| Some((with_end(name.names[0], *end), name.of.at(*end)?, doc(name.of, *end))))
    })
}

fn doc(of: Of, end: End) -> &'static str {
    match (of, end) {
        (One(field), _) | (Ends(field, _), End::Source) | (Ends(_, field), End::Destination) => field.doc().trim(),
        (Ends(src, _), End::Either) => either(src),
        (Object(kind), _) => object(kind),
        (Of::Duration, _) => "Time from the first to the last packet of the record.",
    }
}

fn either(src: Field) -> &'static str {
    match src {
        Field::SrcAddr => "Address of either end.",
        Field::SrcPort => "Port of either end.",
        _ => "The same of either end.",
    }
}

/// What a condition on an object asks for.
pub(super) const fn object(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "A pod: namespace/name.",
        ObjectKind::Namespace => "All pods and services of a namespace.",
        ObjectKind::Workload => "All pods of a workload: kind/name, namespace/kind/name or a name.",
        ObjectKind::Service => "A Service and the pods behind it: namespace/name.",
        ObjectKind::Node => "A node and all pods on it.",
        ObjectKind::Container => "Pods that have a container of that name.",
        ObjectKind::Selector => "Pods with labels, as kubectl's -l takes them.",
    }
}

/// What stands after the operator of a condition on an object.
pub(super) const fn object_value(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "namespace/name or the name of a pod",
        ObjectKind::Namespace => "the name of a namespace",
        ObjectKind::Workload => "kind/name, namespace/kind/name or the name of a workload",
        ObjectKind::Service => "namespace/name or the name of a Service",
        ObjectKind::Node => "the name of a node",
        ObjectKind::Container => "the name of a container",
        ObjectKind::Selector => "labels in quotes, like \"app=web,tier!=db\"",
    }
}

/// The table of names for the documentation, in Markdown.
#[cfg(test)]
pub(super) fn table() -> String {
    let rows = NAMES.iter().map(|name| {
        let spellings: Vec<_> = name.names.iter().map(|name| format!("`{name}`")).collect();
        let (ends, field) = match name.of {
            One(field) => ("", format!("`{}`", field.name())),
            Ends(src, dst) => ("both", format!("`{}`, `{}`", src.name(), dst.name())),
            Object(_) => ("both", "an object of the cluster".to_owned()),
            Of::Duration => ("", "`TimeFlowEndMs` less `TimeFlowStartMs`".to_owned()),
        };
        let what = match name.of {
            Ends(src, _) => src.doc().trim(),
            of => doc(of, End::Either),
        };
        format!("| {} | {ends} | {field} | {} |\n", spellings.join(", "), what.replace('|', "\\|"))
    });
    format!("| name | ends | field | meaning |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

/// Calls `look` with the values of the fields until it says true; whether it did.
pub(super) fn any_value(
    place: Place,
    subject: &dyn super::Subject,
    mut look: impl FnMut(Field, Value<'_>) -> bool,
) -> bool {
    let mut at = |field| subject.field(field).is_some_and(|value| look(field, value));
    match place {
        Place::One(field) => at(field),
        Place::Either(src, dst) => at(src) || at(dst),
        Place::Duration => {
            let time = |field| match subject.field(field) {
                Some(Value::UInt(time)) => Some(time),
                _ => None,
            };
            let both = time(Field::TimeFlowStartMs).zip(time(Field::TimeFlowEndMs));
            both.is_some_and(|(start, end)| look(Field::DnsLatencyMs, Value::UInt(end.saturating_sub(start))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_friendly_name_that_reads_back() {
        for field in Field::ALL {
            let shown = Place::One(*field).to_string();
            assert_ne!(shown, field.name(), "{shown} needs a line in NAMES");
            let place = Place::One(*field);
            assert!(matches!(find(&shown), Some(Meaning::Fields { place: found, .. }) if found == place), "{shown}");
        }
    }

    #[test]
    fn no_spelling_stands_twice() {
        let mut spellings: Vec<_> = NAMES.iter().flat_map(|name| name.names).collect();
        let count = spellings.len();
        spellings.sort_unstable();
        spellings.dedup();
        assert_eq!(spellings.len(), count);
    }

    #[test]
    fn names_are_found_in_any_case_at_either_end_and_at_one() {
        let place = |word: &str| match find(word) {
            Some(Meaning::Fields { place, .. }) => place,
            other => panic!("{word}: {other:?}"),
        };
        assert_eq!(place("srcaddr"), Place::One(F::SrcAddr));
        assert_eq!(place("SRC.IP"), Place::One(F::SrcAddr));
        assert_eq!(place("port"), Place::Either(F::SrcPort, F::DstPort));
        assert_eq!(place("xlat.dst.addr"), Place::One(F::XlatDstAddr));
        assert_eq!(place("tcp.out-of-order"), Place::One(F::TcpOutOfOrder));
        assert_eq!(place("SrcIP"), Place::One(F::SrcAddr));
        assert_eq!(find("dst.pod"), Some(Meaning::Object(End::Destination, ObjectKind::Pod)));
        assert_eq!(
            find("label.app.example.com/src.x"),
            Some(Meaning::Label(End::Either, "app.example.com/src.x".into()))
        );
        assert_eq!(find("src.label.app"), Some(Meaning::Label(End::Source, "app".into())));
        assert_eq!([find("src.bytes"), find("src"), find("nonsense")], [None, None, None]);
    }
}
