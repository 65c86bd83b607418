//! What in the cluster's objects would explain that a packet was dropped. Guesses, and worded as such: what a network plugin really did,
//! objects do not tell.

use std::net::IpAddr;

use flow::FlowRecord;

use super::{
    Kind, Thing, World,
    details::Details,
    find::When,
    policies::{Attempt, Party, Way},
    resolve::name_of,
};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// SYN without ACK among the flags of one packet, and the pair of both as a record adds it.
const SYN: u16 = 0x02;
const ACK: u16 = 0x10;
const SYN_ACK: u16 = 0x100;
/// First port that Linux gives to whoever asks for none (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32_768;
/// Parts of kernel reasons for drops that something made on purpose: packet filters, programs, virtual switches.
const ON_PURPOSE: [&str; 7] = ["NETFILTER", "TC_", "BPF", "XDP", "OVS", "NOT_SPECIFIED", "UNKNOWN"];
/// How many policies are named before the rest is counted.
const NAMED: usize = 2;

impl World {
    /// One sentence on the drop that `record` tells of, if the cluster's objects would explain it.
    pub(crate) fn likely_cause(&self, record: &FlowRecord, when: When) -> Option<String> {
        if record.pkt_drop_packets.is_none_or(|packets| packets == 0) || is_answer(record) {
            return None;
        }
        let source = self.party(record.src_addr?, when);
        let asked = self.party(record.dst_addr?, when);
        // The pod behind a Service, where that was chosen before the drop.
        let (destination, port) = match record.xlat_dst_addr {
            Some(address) => (self.party(address, when), record.xlat_dst_port.or(record.dst_port)),
            None => (asked, record.dst_port),
        };
        let attempt = Attempt { source, destination, protocol: record.proto?, port };
        let reason = record.pkt_drop_latest_drop_cause.as_deref().unwrap_or_default();
        if let Some(service) = destination.thing.filter(|thing| thing.kind == Kind::Service) {
            return self.no_endpoints(service);
        }
        if reason.contains("NO_SOCKET") {
            return undeclared(&attempt);
        }
        let on_purpose = reason.is_empty() || ON_PURPOSE.iter().any(|part| reason.contains(part));
        if on_purpose { self.policies_against(&attempt) } else { None }
    }

    fn party(&self, address: IpAddr, when: When) -> Party<'_> {
        Party { address, thing: self.find(address, None, when).map(|found| found.thing()) }
    }

    fn policies_against(&self, attempt: &Attempt<'_>) -> Option<String> {
        let say = |way: Way, word: &str| sentence(&self.forbidding(attempt, way), word);
        let both = [say(Way::Egress, "egress"), say(Way::Ingress, "ingress")];
        let both: Vec<String> = both.into_iter().flatten().collect();
        (!both.is_empty()).then(|| format!("likely: {}", both.join("; ")))
    }

    fn no_endpoints(&self, service: &Thing) -> Option<String> {
        let selector = service.details.as_deref().map(Details::selector).filter(|selector| !selector.is_empty())?;
        let behind = |pod: &&Thing| pod.namespace == service.namespace && pod.is_selected(&selector);
        let ready = self.there(Kind::Pod).filter(behind).any(|pod| pod.details.as_deref().is_some_and(|it| it.ready));
        (!ready).then(|| format!("likely: Service {} has no ready endpoints", name_of(service)))
    }
}

/// Whether the packets are answers: policies are about who begins.
fn is_answer(record: &FlowRecord) -> bool {
    match record.proto {
        Some(TCP) => {
            let flags = record.flags.unwrap_or_default() | record.pkt_drop_latest_flags.unwrap_or_default();
            let dropped =
                record.pkt_drop_latest_flags.is_some_and(|flags| flags & SYN != 0 && flags & (ACK | SYN_ACK) == 0);
            !dropped && (flags & SYN == 0 || flags & SYN_ACK != 0)
        }
        Some(UDP) => match (record.src_port, record.dst_port) {
            (Some(source), Some(destination)) => source < EPHEMERAL && destination >= EPHEMERAL,
            _ => false,
        },
        _ => false,
    }
}

fn sentence(policies: &[String], way: &str) -> Option<String> {
    let names = policies.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match policies.len() {
        0 => None,
        1 => Some(format!("NetworkPolicy {names} ({way}) does not allow it")),
        more if more <= NAMED => Some(format!("none of NetworkPolicies {names} ({way}) allows it")),
        more => Some(format!("none of NetworkPolicies {names} and {} more ({way}) allows it", more - NAMED)),
    }
}

fn undeclared(attempt: &Attempt<'_>) -> Option<String> {
    let pod = attempt.destination.thing.filter(|thing| thing.kind == Kind::Pod)?;
    let (details, port) = (pod.details.as_deref()?, attempt.port?);
    let declared = details.declares(port, attempt.protocol)?;
    (!declared).then(|| format!("likely: no container of {} declares port {port}", name_of(pod)))
}

#[cfg(test)]
mod tests;
