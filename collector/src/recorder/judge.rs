//! The part of a trigger that flows decide: what DNS, TCP and the other features find out, and names.

use std::borrow::Cow;

use flow::{Body, Feature, Field, Fired, FlowBatch, FlowRecord, Value, filter::Trigger, show};

use crate::{Objects, Sieve};

/// Fields of features that are told of a record that was waited for.
const TOLD: usize = 6;

/// Judges records of flows that nobody else gets.
#[derive(Debug)]
pub(crate) struct Judge {
    sieve: Sieve,
    features: Vec<Feature>,
}

impl Judge {
    /// Of a trigger; `None` where packets decide it alone.
    pub(crate) fn new(trigger: Trigger, objects: Option<Objects>) -> Option<Self> {
        let Trigger { on_flows, features, .. } = trigger;
        on_flows.map(|filter| Self { sieve: Sieve::new(filter, objects), features })
    }

    /// Takes records out of a batch; the first that the trigger holds for.
    pub(crate) fn take(&self, body: &mut Body) -> Option<Fired> {
        let Body::Flows(FlowBatch { records, .. }) = std::mem::take(body) else { return None };
        let record = records.iter().find(|record| self.sieve.takes(record))?;
        let time_ms = record.time_flow_end_ms.or(record.time_flow_start_ms).unwrap_or_default();
        Some(Fired { time_ns: time_ms.saturating_mul(1_000_000), what: self.words(record).into() })
    }

    fn words(&self, record: &FlowRecord) -> String {
        let cell = |field| show::cell(record, field).map(Cow::into_owned);
        let end = |name, address, port| {
            let who = cell(name).or_else(|| cell(address)).unwrap_or_else(|| "?".to_owned());
            cell(port).map_or(who.clone(), |port| format!("{who}:{port}"))
        };
        let from = end(Field::SrcK8S_Name, Field::SrcAddr, Field::SrcPort);
        let to = end(Field::DstK8S_Name, Field::DstAddr, Field::DstPort);
        let told = Field::ALL.iter().filter(|field| self.features.contains(&field.feature()));
        let told = told.filter(|field| !matches!(record.get(**field), None | Some(Value::UInt(0))));
        let told = told.filter_map(|field| Some(format!(", {} {}", field.label(), cell(*field)?))).take(TOLD);
        format!("{} {from} > {to}{}", cell(Field::Proto).unwrap_or_default(), told.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_judged_and_go_no_further() {
        let judge = Judge::new(Trigger::parse("dns.rcode = ServFail").unwrap(), None).unwrap();
        let record = |code: &str| FlowRecord {
            src_addr: "10.0.0.1".parse().ok(),
            dst_addr: "10.0.0.53".parse().ok(),
            dst_port: Some(53),
            proto: Some(17),
            time_flow_end_ms: Some(5),
            dns_flags_response_code: Some(code.into()),
            dns_name: Some("web.shop.example".into()),
            ..FlowRecord::default()
        };
        let mut body = Body::Flows(FlowBatch { records: vec![record("NoError")], observations: Vec::new() });
        assert_eq!(judge.take(&mut body), None);
        assert!(matches!(body, Body::None));
        let records = vec![record("NoError"), record("ServFail")];
        let fired = judge.take(&mut Body::Flows(FlowBatch { records, observations: Vec::new() })).unwrap();
        assert_eq!(fired.time_ns, 5_000_000);
        assert!(fired.what.contains("10.0.0.53:53") && fired.what.contains("ServFail"), "{}", fired.what);
        assert!(Judge::new(Trigger::parse("drop").unwrap(), None).is_none());
    }
}
