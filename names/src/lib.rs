//! Who had which address when, on a Kubernetes cluster: watches and look-ups.
//!
//! Owns the names of flow ends: which pod, node or service is behind an address at the time a packet passed, its workload, node, zone and
//! network, and the labels of subnets. Reads the cluster, never writes to it; must not know stores, tables or the kernel.
//!
//! Rights that the watcher needs: `list` and `watch` on pods, nodes, services, replicasets (apps), jobs (batch); for [`Options::policies`] also on
//! networkpolicies (networking.k8s.io) and namespaces; for
//! [`Options::get_subnets`] also `list` on servicecidrs (networking.k8s.io), and on OpenShift `get` on networks (config.openshift.io) and on
//! the ConfigMap cluster-config-v1 in kube-system. What is refused is missing and said in [`Summary::errors`]; the rest works.
//!
//! Times of records are those of their nodes' clocks, times of the cluster those of the kubelets and of this machine: they are taken to agree within
//! a few seconds.

mod decode;
mod enricher;
mod history;
mod id;
mod names;
mod prefixes;
mod selector;
mod strings;
pub mod subnets;
mod watch;
mod world;

pub use enricher::{Enricher, HOLD_MS};
pub use names::{Names, Options, Resolved, Summary};
pub use subnets::SubnetLabel;
pub use watch::Watches;
pub use world::{Kind, list::Listed};
