//! An expression as a trigger: judged while it happens, each part of it where what it asks for is known.
//!
//! Owns which alternatives (parts joined by `or` at the top) the headers of one packet decide, which take records of flows, and
//! which features those need. Must not know who judges, nor what follows from it.

use super::{
    Filter, FilterError,
    names::Place,
    parse::drops,
    tree::{Expr, Test},
};
use crate::{
    CaptureConfig, Feature, Field,
    config::{Mode, PacketFiles},
};

/// What has to be seen.
///
/// ```
/// let trigger = flow::filter::Trigger::parse("drop or dns.rcode = ServFail")?;
/// assert_eq!(trigger.on_packets.map(|filter| filter.to_string()).as_deref(), Some("drop.packets > 0"));
/// assert_eq!(trigger.on_flows.map(|filter| filter.to_string()).as_deref(), Some("dns.rcode = ServFail"));
/// assert_eq!(trigger.features, [flow::Feature::PktDrop, flow::Feature::Dns]);
/// # Ok::<(), flow::FilterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trigger {
    /// Alternatives that headers, length, place and the kernel's reason of one packet decide.
    pub on_packets: Option<Filter>,
    /// Alternatives that take what features or names tell: judged over records of flows.
    pub on_flows: Option<Filter>,
    /// Features that it names, each once.
    pub features: Vec<Feature>,
}

impl Trigger {
    /// Reads an expression; `drop` alone is `drops` here.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let expr = with_drops(Filter::parse(text)?.expr);
        let mut trigger = Self::default();
        expr.each(&mut |test| {
            let feature = place(test).map(|place| place.field().feature());
            trigger.features.extend(feature.filter(|feature| needs_switching(*feature)));
        });
        let mut seen = Vec::new();
        trigger.features.retain(|feature| {
            !seen.contains(feature) && {
                seen.push(*feature);
                true
            }
        });
        let alternatives = match expr {
            Expr::Or(parts) if !parts.is_empty() => parts,
            other => vec![other],
        };
        let (packets, flows): (Vec<_>, Vec<_>) = alternatives.into_iter().partition(is_of_packets);
        (trigger.on_packets, trigger.on_flows) = (any(packets), any(flows));
        Ok(trigger)
    }

    /// The capture of flows beside one of packets over which [`Self::on_flows`] is judged: the same traffic, with the features
    /// that the trigger names.
    pub fn flows(&self, config: &CaptureConfig) -> Option<CaptureConfig> {
        self.on_flows.as_ref()?;
        Some(CaptureConfig {
            mode: Mode::Flows,
            features: self.features.clone(),
            after: None,
            drops_only: false,
            observations: false,
            ring: None,
            trigger: None,
            tls_keys: false,
            key_owners: crate::config::KeyOwners::default(),
            files: PacketFiles::default(),
            ..config.clone()
        })
    }
}

fn any(mut parts: Vec<Expr>) -> Option<Filter> {
    let expr = if parts.len() > 1 { Expr::Or(parts) } else { parts.pop()? };
    Some(Filter { expr })
}

/// `drop` is what people write for `drops`; as a word to search for it would find nothing in a packet.
fn with_drops(expr: Expr) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(with_drops).collect();
    match expr {
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(inner) => Expr::Not(Box::new(with_drops(*inner))),
        Expr::Test(Test::Word(word)) if word == "drop" => Expr::Test(drops()),
        test @ Expr::Test(_) => test,
    }
}

/// What has to be asked for, or nobody finds it out.
const fn needs_switching(feature: Feature) -> bool {
    !matches!(feature, Feature::Core | Feature::Kubernetes | Feature::Subnets | Feature::Conversations)
}

/// Whether one packet decides it.
fn is_of_packets(expr: &Expr) -> bool {
    let mut decided = true;
    expr.each(&mut |test| {
        decided &= match test {
            Test::Direction(_) | Test::Family { .. } => true,
            Test::Word(_) | Test::Object(..) | Test::ObjectMatch(..) | Test::WithObject(..) => false,
            _ => place(test).is_some_and(|place| place != Place::Duration && is_in_packets(place.field())),
        };
    });
    decided
}

/// Fields that a packet at an interface has; [`is_of_packets`] and whoever makes a subject of a packet go by them.
const fn is_in_packets(field: Field) -> bool {
    matches!(
        field,
        Field::SrcAddr
            | Field::DstAddr
            | Field::SrcPort
            | Field::DstPort
            | Field::Proto
            | Field::Flags
            | Field::IcmpType
            | Field::IcmpCode
            | Field::Bytes
            | Field::Packets
            | Field::PktDropPackets
            | Field::PktDropBytes
            | Field::PktDropLatestDropCause
    )
}

fn place(test: &Test) -> Option<Place> {
    match test {
        Test::Number(place, _)
        | Test::Address(place, _)
        | Test::Mac(place, _)
        | Test::Text(place, _)
        | Test::Match(place, _)
        | Test::Contains(place, _)
        | Test::With(place) => Some(*place),
        Test::Flags(field, _) | Test::Bits(field, _) => Some(Place::One(*field)),
        Test::Word(_)
        | Test::Direction(_)
        | Test::Family { .. }
        | Test::Object(..)
        | Test::ObjectMatch(..)
        | Test::WithObject(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Group;

    fn parts(text: &str) -> (String, String, Vec<Feature>) {
        let trigger = Trigger::parse(text).unwrap();
        let words = |filter: Option<Filter>| filter.map(|filter| filter.to_string()).unwrap_or_default();
        (words(trigger.on_packets), words(trigger.on_flows), trigger.features)
    }

    #[test]
    fn each_alternative_is_judged_where_all_of_it_is_known() {
        let headers = "src.addr = 10.0.0.1 and dst.port = 80 and bytes > 1000";
        assert_eq!(parts(headers).1, "");
        assert_eq!(parts("drop.cause =~ NO_SOCKET").1, "");
        let (packets, flows, features) =
            parts("dst.port = 80 or (rtt > 100ms and dst.port = 443) or src.pod = shop/web");
        assert!(packets.contains("80") && !packets.contains("443"), "{packets}");
        assert!(flows.contains("rtt") && flows.contains("443") && flows.contains("pod"), "{flows}");
        assert_eq!(features, [Feature::Rtt]);
    }

    #[test]
    fn a_denial_of_what_packets_do_not_have_is_not_judged_over_packets() {
        let (packets, flows, _) = parts("not dns.rcode = NoError");
        assert_eq!((packets.as_str(), flows.is_empty()), ("", false));
        assert_eq!(parts("not tcp").1, "");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let error = Trigger::parse("drop or dns.rcod = ServFail").unwrap_err();
        assert!(error.pointed().contains('^'), "{}", error.pointed());
    }

    #[test]
    fn every_field_of_packets_is_one_that_needs_no_more_than_drops() {
        for field in Field::ALL.iter().filter(|field| is_in_packets(**field)) {
            assert!(matches!(field.feature(), Feature::Core | Feature::PktDrop), "{field:?}");
            assert_ne!(field.group(), Group::Time);
        }
    }
}
