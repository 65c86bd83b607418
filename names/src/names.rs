//! The names of a cluster: one of these per collector.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    enricher::Enricher,
    subnets::{SubnetLabel, labels::Labels},
    watch::{self, Watches, state::States},
    world::{Kind, World, list::Listed},
};

/// What to find out besides names.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--get-subnets`: label the cluster's own subnets.
    pub get_subnets: bool,
    /// `--subnet-label`, parsed.
    pub subnet_labels: Vec<SubnetLabel>,
}

/// What is known, and what stands in the way of knowing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pods there now.
    pub pods: usize,
    /// Nodes there now.
    pub nodes: usize,
    /// Services there now.
    pub services: usize,
    /// Workloads known.
    pub owners: usize,
    /// Memory of the look-up tables, bytes.
    pub bytes: usize,
    /// Whether every kind has been listed, or will not be.
    pub ready: bool,
    /// What does not work now, a sentence each: what, why, and what is missing then.
    pub errors: Vec<String>,
}

/// Who has which address in a cluster. Clones are the same names.
#[derive(Clone, Debug)]
pub struct Names {
    pub(crate) world: Arc<RwLock<World>>,
    pub(crate) states: States,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Names of which none is known yet.
    pub fn new() -> Self {
        Self { world: Arc::new(RwLock::new(World::new())), states: States::new() }
    }

    /// Watches the cluster until the handle that comes back is dropped; must be called within a tokio runtime, once. One watch per kind: pods,
    /// nodes, services, and the metadata of ReplicaSets and Jobs. Whatever fails is tried again.
    pub fn watch(&self, client: &kube::Client, options: &Options) -> Watches {
        self.write(|world| world.labels = Labels::new(&options.subnet_labels, options.get_subnets));
        watch::start(self, client, options)
    }

    /// Comes back when every kind has been listed once, or has been refused.
    pub async fn ready(&self) {
        self.states.ready().await;
    }

    /// Something that names the ends of flows.
    pub fn enricher(&self) -> Enricher {
        Enricher::new(Arc::clone(&self.world))
    }

    /// Numbers and errors of this moment.
    pub fn summary(&self) -> Summary {
        let (ready, errors) = self.states.report();
        self.read(|world| Summary {
            pods: world.count(Kind::Pod),
            nodes: world.count(Kind::Node),
            services: world.count(Kind::Service),
            owners: world.owner_count(),
            bytes: world.bytes(),
            ready,
            errors,
        })
    }

    /// The addresses that an object has now; `None` where there is none such. `namespace` is empty for nodes.
    pub fn addresses(&self, kind: Kind, namespace: &str, name: &str) -> Option<Vec<IpAddr>> {
        self.read(|world| world.addresses(kind, namespace, name))
    }

    /// All objects of a kind, with their owners and addresses.
    pub fn list(&self, kind: Kind) -> Vec<Listed> {
        self.read(|world| world.list(kind).collect())
    }

    pub(crate) fn read<T>(&self, ask: impl FnOnce(&World) -> T) -> T {
        ask(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn write<T>(&self, tell: impl FnOnce(&mut World) -> T) -> T {
        tell(&mut self.world.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Now, ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
