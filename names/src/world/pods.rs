//! Pods in the world.

use std::sync::Arc;

use super::{Claim, Kind, World, claims::Since};
use crate::{decode::pod::Pod, history::Role, id::Key};

/// Times that Kubernetes tells are cut to seconds: what ended in a second ended before the next one.
const SECOND_MS: u64 = 1000;
/// Addresses that a pod got after its first ones, with no time told, may be this old when they are told, ms.
const TOLD_LATE_MS: u64 = 5_000;

impl World {
    /// A pod is there. `listed`: it was there before we looked.
    pub(crate) fn apply_pod(&mut self, pod: &Pod, now: u64, listed: bool) {
        let thing = self.thing(pod.uid, Kind::Pod, &pod.name, &pod.namespace);
        self.set_owner(thing, pod.owner.as_ref());
        self.set_host(thing, pod);
        self.set_details(thing, pod);
        let on_node = pod.host_network && !pod.over;
        self.version += u64::from(std::mem::replace(&mut self.things[thing as usize].on_node, on_node) != on_node);
        if pod.over {
            self.finish_pod(thing, pod, now, listed);
        } else {
            let claims = self.claims_of(pod);
            let since = self.since(thing, pod, now, listed);
            self.hold(thing, claims, since, now);
            self.things[thing as usize].interfaces = self.interfaces_of(pod);
        }
    }

    /// A pod is gone; `pod` is what it was at the end.
    pub(crate) fn remove_pod(&mut self, pod: &Pod, now: u64) {
        if !self.things_by_uid.contains_key(&pod.uid) {
            return;
        }
        self.apply_pod(pod, now, false);
        let thing = self.things_by_uid.get(&pod.uid).copied();
        if let Some(thing) = thing {
            self.remove(thing, end(pod, now));
        }
    }

    /// A pod that will not run again keeps its address in its status, but its network has gone.
    fn finish_pod(&mut self, thing: u32, pod: &Pod, now: u64, listed: bool) {
        let until = end(pod, now);
        let known = !self.things[thing as usize].claims.is_empty();
        let recent = until + super::KEEP_MS > now && (pod.stopped_ms.is_some() || !listed);
        if !known && recent && self.things[thing as usize].remembered == 0 {
            let claims = self.claims_of(pod);
            let since = self.since(thing, pod, now, listed);
            self.hold(thing, claims, since, now);
        }
        self.release(thing, until);
    }

    fn set_host(&mut self, thing: u32, pod: &Pod) {
        let Some(name) = &pod.node else { return };
        let host = self.host(name);
        let before = std::mem::replace(&mut self.things[thing as usize].host, host);
        self.version += u64::from(before != host);
        if self.hosts[host as usize].address.is_none() {
            self.hosts[host as usize].address = pod.host_ip;
        }
    }

    fn since(&self, thing: u32, pod: &Pod, now: u64, listed: bool) -> Since {
        let thing = &self.things[thing as usize];
        let first = thing.claims.is_empty() && thing.remembered == 0;
        let from = if first { pod.started_ms.unwrap_or(now) } else { now.saturating_sub(TOLD_LATE_MS) };
        let settled = pod.connected_ms.filter(|connected| *connected >= from);
        let told = if listed { from } else { now };
        Since { from: from.min(now), settled: settled.unwrap_or(told.max(from)) }
    }

    fn interfaces_of(&mut self, pod: &Pod) -> Box<[(Arc<str>, u32)]> {
        let named = pod.attachments.iter().filter_map(|attachment| Some((attachment, attachment.interface.as_ref()?)));
        named.map(|(attachment, name)| (self.strings.get(name), self.network(&attachment.network))).collect()
    }

    fn claims_of(&mut self, pod: &Pod) -> Vec<Claim> {
        let own = pod.addresses.iter().map(|address| Claim { key: Key::ip(*address), role: Role::Pod, network: 0 });
        let mut claims: Vec<Claim> = own.collect();
        for attachment in &pod.attachments {
            let network = self.network(&attachment.network);
            let addresses = attachment.addresses.iter().map(|address| Key::ip(*address));
            let keys = addresses.chain(attachment.mac.map(Key::Mac));
            claims.extend(keys.map(|key| Claim { key, role: Role::Secondary, network }));
        }
        claims
    }
}

/// When the pod had its network no more.
fn end(pod: &Pod, now: u64) -> u64 {
    pod.stopped_ms.map_or(now, |stopped| (stopped + SECOND_MS).min(now))
}
