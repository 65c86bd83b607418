//! What has to be known of a cluster before anything is planned for it. Pure data; `crate::cluster::facts` gathers it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// A look at the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Version of the API server, as `(1, 36)`.
    pub version: (u32, u32),
    /// The same as the server writes it, `v1.36.2`.
    pub version_text: String,
    /// API groups that are served.
    pub groups: BTreeSet<String>,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Why there are none, where the user may not list them: the rights that are asked next say all that is missing.
    pub nodes_refused: Option<String>,
    /// Port under which the API server is reached from here; most listen on it themselves.
    pub server_port: Option<u16>,
    /// Namespace of objects that are named without one: that of the connection.
    pub default_namespace: String,
    /// Whether the namespace that was asked for exists already.
    pub namespace_exists: bool,
}

impl Facts {
    /// Whether the API group is served.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// Whether this is OpenShift, where security context constraints decide what a pod may do.
    pub fn is_openshift(&self) -> bool {
        self.has_group("security.openshift.io")
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// As Kubernetes spells it: `amd64`, `arm64`.
    pub arch: String,
    /// `linux`, `windows`.
    pub os: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Ready, as its kubelet last said.
    pub ready: bool,
    /// Something other than a kubelet on a machine stands behind it: no pod of ours could run there.
    pub is_virtual: bool,
    /// Cordoned, or with a taint that keeps ordinary pods away.
    pub reserved: bool,
    /// Its address within the cluster.
    pub internal_ip: Option<IpAddr>,
    /// Port of its kubelet; 10250 if it does not say.
    pub kubelet_port: u16,
    /// Images that it says it has (at most 50, the largest), the names of each.
    pub images: Vec<Vec<String>>,
    /// Images of DaemonSet pods running there, by digest; filled only where `images` has nothing that serves.
    pub daemon_images: Vec<String>,
}
