//! Workloads: who owns a pod in the end.

use std::sync::Arc;

use super::{NONE, Owner, World, relist::Watch};
use crate::decode::owner::{Reference, Workload};

/// Workloads that are watched because others own them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Owned by Deployments, Rollouts...
    ReplicaSet,
    /// Owned by CronJobs...
    Job,
}

impl Watched {
    fn kind(self) -> &'static str {
        match self {
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
        }
    }

    fn watch(self) -> Watch {
        match self {
            Self::ReplicaSet => Watch::ReplicaSets,
            Self::Job => Watch::Jobs,
        }
    }
}

/// Most steps from a pod to its workload: pod, ReplicaSet, Deployment; longer chains are a mistake or a circle.
const STEPS: usize = 4;

impl World {
    /// A ReplicaSet or Job is there.
    pub(crate) fn apply_workload(&mut self, watched: Watched, workload: &Workload) {
        let number = self.owner(workload.uid, watched.kind(), &workload.name);
        self.owners[number as usize].listing = Some((watched, self.listing(watched.watch())));
        let parent = workload.owner.as_ref().map_or(NONE, |reference| self.refer(reference));
        let before = std::mem::replace(&mut self.owners[number as usize].parent, parent);
        self.version += u64::from(before != parent);
        self.drop_owner(before);
    }

    /// A ReplicaSet or Job is gone.
    pub(crate) fn remove_workload(&mut self, workload: &Workload) {
        if let Some(number) = self.owners_by_uid.get(&workload.uid).copied() {
            self.unlist(number);
        }
    }

    /// Removes the workloads of `watched` that were not seen in the current listing.
    pub(super) fn remove_unlisted_workloads(&mut self, watched: Watched) {
        let current = self.listing(watched.watch());
        let old = |owner: &Owner| owner.listing.is_some_and(|(kind, listing)| kind == watched && listing != current);
        let gone: Vec<u32> =
            self.owners.iter().filter(|(_, owner)| old(owner)).map(|(number, _)| number as u32).collect();
        for number in gone {
            self.unlist(number);
        }
    }

    /// Makes `reference` the owner of object `thing`.
    pub(super) fn set_owner(&mut self, thing: u32, reference: Option<&Reference>) {
        let owner = reference.map_or(NONE, |reference| self.refer(reference));
        let before = std::mem::replace(&mut self.things[thing as usize].owner, owner);
        self.version += u64::from(before != owner);
        self.drop_owner(before);
    }

    /// The workloads above `owner`, nearest first.
    pub(super) fn chain(&self, owner: u32) -> impl Iterator<Item = &Owner> {
        let next = |owner: &&Owner| self.owners.get(owner.parent as usize);
        std::iter::successors(self.owners.get(owner as usize), next).take(STEPS + 1)
    }

    /// The workload at the top of the chain that begins with `owner`.
    pub(super) fn top(&self, owner: u32) -> Option<&Owner> {
        self.chain(owner).last()
    }

    /// One that referred to `owner` does so no more.
    pub(super) fn drop_owner(&mut self, owner: u32) {
        if let Some(known) = self.owners.get_mut(owner as usize) {
            known.children -= 1;
            self.forget_owner_if_unused(owner);
        }
    }

    fn refer(&mut self, reference: &Reference) -> u32 {
        let number = self.owner(reference.uid, &reference.kind, &reference.name);
        self.owners[number as usize].children += 1;
        number
    }

    fn owner(&mut self, uid: crate::id::Uid, kind: &str, name: &str) -> u32 {
        if let Some(number) = self.owners_by_uid.get(&uid) {
            return *number;
        }
        let owner = Owner {
            uid,
            kind: self.strings.get(kind),
            name: Arc::from(name),
            parent: NONE,
            children: 0,
            listing: None,
        };
        let number = self.owners.insert(owner) as u32;
        self.owners_by_uid.insert(uid, number);
        number
    }

    fn unlist(&mut self, number: u32) {
        self.owners[number as usize].listing = None;
        self.forget_owner_if_unused(number);
    }

    fn forget_owner_if_unused(&mut self, number: u32) {
        let unused =
            self.owners.get(number as usize).is_some_and(|owner| owner.children == 0 && owner.listing.is_none());
        if unused {
            let owner = self.owners.remove(number as usize);
            self.owners_by_uid.remove(&owner.uid);
            self.drop_owner(owner.parent);
        }
    }
}
