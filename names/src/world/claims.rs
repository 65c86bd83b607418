//! Objects come, change their addresses, and go.

use std::sync::Arc;

use super::{Claim, Ended, Kind, NONE, Thing, World};
use crate::{
    history::{Holders, Role, Tenure},
    id::{Key, Uid},
};

/// When an object got the addresses it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    /// It cannot have had them before.
    pub(super) from: u64,
    /// It had them for certain.
    pub(super) settled: u64,
}

impl World {
    /// The object of that uid, from now on if it is new.
    pub(super) fn thing(&mut self, uid: Uid, kind: Kind, name: &str, namespace: &str) -> u32 {
        let listing = self.listing_of(kind);
        if let Some(number) = self.things_by_uid.get(&uid) {
            self.things[*number as usize].listing = listing;
            return *number;
        }
        let namespace = (!namespace.is_empty()).then(|| self.strings.get(namespace));
        let thing = Thing {
            uid,
            name: Arc::from(name),
            namespace,
            owner: NONE,
            host: NONE,
            kind,
            gone: false,
            on_node: false,
            listing,
            claims: Box::default(),
            interfaces: Box::default(),
            remembered: 0,
            details: None,
        };
        let number = self.things.insert(thing) as u32;
        self.things_by_uid.insert(uid, number);
        self.counts[kind as usize] += 1;
        number
    }

    /// Makes `wanted` the addresses of `thing`; what it had besides ends now.
    pub(super) fn hold(&mut self, thing: u32, wanted: Vec<Claim>, since: Since, now: u64) {
        let had = std::mem::take(&mut self.things[thing as usize].claims);
        for claim in had.iter().filter(|claim| !wanted.contains(claim)) {
            self.end_claim(thing, *claim, now);
        }
        for claim in wanted.iter().filter(|claim| !had.contains(claim)) {
            self.begin_claim(thing, *claim, since);
        }
        self.things[thing as usize].claims = wanted.into_boxed_slice();
    }

    /// `thing` has no address any more since `until`.
    pub(super) fn release(&mut self, thing: u32, until: u64) {
        let had = std::mem::take(&mut self.things[thing as usize].claims);
        for claim in &had {
            self.end_claim(thing, *claim, until);
        }
    }

    /// `thing` is gone from the cluster since `until`.
    pub(super) fn remove(&mut self, thing: u32, until: u64) {
        self.release(thing, until);
        let gone = &mut self.things[thing as usize];
        if gone.gone {
            return;
        }
        gone.gone = true;
        let (kind, uid) = (gone.kind, gone.uid);
        self.version += 1;
        self.counts[kind as usize] -= 1;
        self.things_by_uid.remove(&uid);
        self.set_subnets(thing, &[]);
        self.forget_if_unused(thing);
    }

    fn begin_claim(&mut self, thing: u32, claim: Claim, since: Since) {
        self.version += 1;
        let Claim { key, role, network } = claim;
        let tenure = Tenure { thing, network, role, from: since.from, settled: since.settled, until: u64::MAX };
        self.macs += usize::from(matches!(key, Key::Mac(_)));
        if let (Key::Ip(address), Role::Pod) = (key, role) {
            self.pods_elsewhere |= self.pod_subnets.longest(address).is_none() && self.knows_nodes();
        }
        match self.holders.get_mut(&key) {
            Some(holders) => holders.add(tenure),
            None => drop(self.holders.insert(key, Holders::One(tenure))),
        }
    }

    fn end_claim(&mut self, thing: u32, claim: Claim, until: u64) {
        self.version += 1;
        let Claim { key, role, network } = claim;
        let ended = self.holders.get_mut(&key).is_some_and(|holders| holders.end(thing, role, network, until));
        if ended {
            self.ended.push_back(Ended { until, key, thing });
            self.things[thing as usize].remembered += 1;
        }
    }

    /// Frees an object that is gone and of which nothing is remembered.
    pub(super) fn forget_if_unused(&mut self, thing: u32) {
        let unused = self.things.get(thing as usize).is_some_and(|thing| thing.gone && thing.remembered == 0);
        if unused {
            self.forget_details(thing);
            let owner = self.things.remove(thing as usize).owner;
            self.drop_owner(owner);
        }
    }
}
