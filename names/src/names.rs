//! The names of a cluster: one of these per collector.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use flow::filter::Object;
use tokio::sync::watch as watch_channel;

use crate::{
    enricher::Enricher,
    subnets::{SubnetLabel, labels::Labels},
    watch::{self, Watches, state::States},
    world::{Kind, World, list::Listed},
};

/// What to find out besides names.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct Options {
    /// `--get-subnets`: label the cluster's own subnets.
    pub get_subnets: bool,
    /// `--subnet-label`, parsed.
    pub subnet_labels: Vec<SubnetLabel>,
    /// Keep labels and containers of pods and selectors of services: for [`Names::resolve`] by them, and for names of containers. About
    /// 300 bytes a pod.
    pub objects: bool,
    /// Watch NetworkPolicies and namespaces, to say in `PktDropLikelyCause` which would explain a drop. Labels and containers are kept for that.
    pub policies: bool,
    /// `--enable-udn-mapping`: tell the networks of interfaces in `Udns`.
    pub udns: bool,
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
    version: Arc<watch_channel::Sender<u64>>,
}

/// The addresses of objects at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// All of them. None where there is no such object now: it may come.
    pub addresses: BTreeSet<IpAddr>,
    /// How many objects they belong to.
    pub objects: usize,
    /// What a user has to know of them, a sentence each: that there are none, or that some share their node's address.
    pub remarks: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Names of which none is known yet.
    pub fn new() -> Self {
        let version = Arc::new(watch_channel::Sender::new(0));
        Self { world: Arc::new(RwLock::new(World::new())), states: States::new(), version }
    }

    /// Watches the cluster until the handle that comes back is dropped; must be called within a tokio runtime, once. One watch per kind: pods,
    /// nodes, services, and the metadata of ReplicaSets and Jobs. Whatever fails is tried again.
    pub fn watch(&self, client: &kube::Client, options: &Options) -> Watches {
        self.write(|world| {
            world.labels = Labels::new(&options.subnet_labels, options.get_subnets);
            world.with_details = options.objects || options.policies;
            world.with_policies = options.policies;
            world.with_udns = options.udns;
        });
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

    /// The addresses that `object` has now, pods that are not ready included, so that a new pod's first packet is known. `default_namespace`
    /// counts where the object says none; the namespace `*` means all. Ask again when [`Names::version`] has changed.
    ///
    /// # Errors
    /// One sentence: a selector or a kind of workload that cannot be read, or names were begun without [`Options::objects`].
    pub fn resolve(&self, object: &Object, default_namespace: &str) -> Result<Resolved, String> {
        self.read(|world| world.resolve(object, default_namespace))
    }

    /// A number that changes whenever addresses, labels or owners of objects may have changed.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Tells of every change of [`Names::version`], within a millisecond.
    pub fn changes(&self) -> watch_channel::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn read<T>(&self, ask: impl FnOnce(&World) -> T) -> T {
        ask(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn write<T>(&self, tell: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let result = tell(&mut world);
        let version = world.version();
        drop(world);
        let newer = |known: &mut u64| {
            let newer = version > *known;
            *known = version.max(*known);
            newer
        };
        self.version.send_if_modified(newer);
        result
    }
}

/// Now, ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
