//! Which traffic is wanted, in the filter language or by the objects of the cluster. What that means is `flow::filter`'s
//! business; how both become one filter, the plan's.

use clap::Args;
use flow::filter::ObjectKind;

/// Filters in the language that kernel, table and saved files share.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filter language (see docs/filter.md)")]
pub struct LanguageArgs {
    /// As 'dst.port = 443 and rtt > 5ms' or 'host 10.0.0.1 and tcp port 443'; several must all hold
    #[arg(long, value_name = "EXPR")]
    pub filter: Vec<String>,
    /// NetObserv's name for it; of several one must hold
    #[arg(long, value_name = "EXPR")]
    pub query: Vec<String>,
}

/// Traffic of objects of the cluster.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Traffic by object (repeatable; --peer-... is the other end)")]
pub struct ObjectArgs {
    /// Print what of it runs in the kernel and what after it; touch nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, help_heading = "Filter language (see docs/filter.md)")]
    pub explain: Option<bool>,
    /// Pod, as shop/web-0
    #[arg(long, value_name = "POD")]
    pod: Vec<String>,
    /// Pods of a workload, as deploy/web
    #[arg(long, value_name = "KIND/NAME")]
    workload: Vec<String>,
    /// A Service and the pods behind it
    #[arg(long, value_name = "SERVICE")]
    service: Vec<String>,
    /// All pods of a namespace
    #[arg(long, value_name = "NAMESPACE")]
    namespace_of: Vec<String>,
    /// Pods with labels, as app=web
    #[arg(long, value_name = "LABELS")]
    selector: Vec<String>,
    /// A node and the pods on it
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// Pods with a container of this name
    #[arg(long, value_name = "NAME")]
    container: Vec<String>,
    /// The other end is this pod
    #[arg(long, value_name = "POD", hide = true)]
    peer_pod: Vec<String>,
    /// The other end is one of these
    #[arg(long, value_name = "KIND/NAME", hide = true)]
    peer_workload: Vec<String>,
    /// The other end is this
    #[arg(long, value_name = "SERVICE", hide = true)]
    peer_service: Vec<String>,
    /// The other end is in this namespace
    #[arg(long, value_name = "NAMESPACE", hide = true)]
    peer_namespace_of: Vec<String>,
    /// The other end bears these labels
    #[arg(long, value_name = "LABELS", hide = true)]
    peer_selector: Vec<String>,
    /// The other end is on this node
    #[arg(long, value_name = "NODE", hide = true)]
    peer_node: Vec<String>,
    /// The other end has this container
    #[arg(long, value_name = "NAME", hide = true)]
    peer_container: Vec<String>,
}

/// An option, the kind of object it names, and what was typed.
pub type Typed<'a> = (&'static str, ObjectKind, &'a [String]);

impl ObjectArgs {
    /// Objects at one end.
    pub fn ends(&self) -> [Typed<'_>; 7] {
        [
            ("pod", ObjectKind::Pod, &self.pod),
            ("workload", ObjectKind::Workload, &self.workload),
            ("service", ObjectKind::Service, &self.service),
            ("namespace-of", ObjectKind::Namespace, &self.namespace_of),
            ("selector", ObjectKind::Selector, &self.selector),
            ("node", ObjectKind::Node, &self.node),
            ("container", ObjectKind::Container, &self.container),
        ]
    }

    /// Objects at the other end.
    pub fn peers(&self) -> [Typed<'_>; 7] {
        [
            ("peer-pod", ObjectKind::Pod, &self.peer_pod),
            ("peer-workload", ObjectKind::Workload, &self.peer_workload),
            ("peer-service", ObjectKind::Service, &self.peer_service),
            ("peer-namespace-of", ObjectKind::Namespace, &self.peer_namespace_of),
            ("peer-selector", ObjectKind::Selector, &self.peer_selector),
            ("peer-node", ObjectKind::Node, &self.peer_node),
            ("peer-container", ObjectKind::Container, &self.peer_container),
        ]
    }

    /// The first option that was typed, where none of them means anything.
    pub fn typed(&self) -> Option<&'static str> {
        let all = self.ends().into_iter().chain(self.peers());
        all.into_iter().find(|(.., values)| !values.is_empty()).map(|(name, ..)| name)
    }
}
