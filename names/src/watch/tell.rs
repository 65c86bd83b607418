//! What an event of each kind means to the world.

use crate::{
    decode::{
        Told,
        namespace::Namespace,
        node::Node,
        owner::{Job, ReplicaSet},
        pod::Pod,
        policy::Policy,
        service::Service,
    },
    world::{World, owners::Watched, relist::Watch},
};

/// A kind that is watched.
pub(super) trait Watchable: Told {
    /// Its watch.
    const WATCH: Watch;
    /// It is there; `listed`: it was before we looked.
    fn apply(&self, world: &mut World, now: u64, listed: bool);
    /// It is gone.
    fn remove(&self, world: &mut World, now: u64);
}

impl Watchable for Pod {
    const WATCH: Watch = Watch::Pods;
    fn apply(&self, world: &mut World, now: u64, listed: bool) {
        world.apply_pod(self, now, listed);
    }
    fn remove(&self, world: &mut World, now: u64) {
        world.remove_pod(self, now);
    }
}

impl Watchable for Node {
    const WATCH: Watch = Watch::Nodes;
    fn apply(&self, world: &mut World, now: u64, _: bool) {
        world.apply_node(self, now);
    }
    fn remove(&self, world: &mut World, now: u64) {
        world.remove_node(self, now);
    }
}

impl Watchable for Service {
    const WATCH: Watch = Watch::Services;
    fn apply(&self, world: &mut World, now: u64, listed: bool) {
        world.apply_service(self, now, listed);
    }
    fn remove(&self, world: &mut World, now: u64) {
        world.remove_service(self, now);
    }
}

impl Watchable for ReplicaSet {
    const WATCH: Watch = Watch::ReplicaSets;
    fn apply(&self, world: &mut World, _: u64, _: bool) {
        world.apply_workload(Watched::ReplicaSet, &self.0);
    }
    fn remove(&self, world: &mut World, _: u64) {
        world.remove_workload(&self.0);
    }
}

impl Watchable for Policy {
    const WATCH: Watch = Watch::Policies;
    fn apply(&self, world: &mut World, _: u64, _: bool) {
        world.apply_policy(self);
    }
    fn remove(&self, world: &mut World, _: u64) {
        world.remove_policy(self);
    }
}

impl Watchable for Namespace {
    const WATCH: Watch = Watch::Namespaces;
    fn apply(&self, world: &mut World, _: u64, _: bool) {
        world.apply_namespace(self);
    }
    fn remove(&self, world: &mut World, _: u64) {
        world.remove_namespace(self);
    }
}

impl Watchable for Job {
    const WATCH: Watch = Watch::Jobs;
    fn apply(&self, world: &mut World, _: u64, _: bool) {
        world.apply_workload(Watched::Job, &self.0);
    }
    fn remove(&self, world: &mut World, _: u64) {
        world.remove_workload(&self.0);
    }
}
