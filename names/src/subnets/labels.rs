//! Which label an address gets: the user's subnets first, then the cluster's, then what kind of object has the address.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{MACHINES, PODS, SERVICES, SubnetLabel};
use crate::{prefixes::Prefixes, world::Kind};

/// Labels of subnets.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    user: Prefixes<Arc<str>>,
    automatic: Prefixes<Arc<str>>,
    of_kinds: Option<OfKinds>,
}

/// Labels of objects, for addresses outside of all known subnets.
#[derive(Debug)]
struct OfKinds {
    machines: Arc<str>,
    pods: Arc<str>,
    services: Arc<str>,
}

impl Labels {
    /// Takes the user's labels; `automatic` switches on those that the cluster gives.
    pub(crate) fn new(user: &[SubnetLabel], automatic: bool) -> Self {
        let mut labels = Self::default();
        for label in user {
            for subnet in &label.subnets {
                labels.user.entry(*subnet, || Arc::clone(&label.name));
            }
        }
        labels.of_kinds = automatic.then(|| OfKinds {
            machines: Arc::from(MACHINES),
            pods: Arc::from(PODS),
            services: Arc::from(SERVICES),
        });
        labels
    }

    /// Whether no address can get a label.
    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.of_kinds.is_none()
    }

    /// Adds a subnet of the cluster.
    pub(crate) fn add(&mut self, subnet: IpNet, label: &str) {
        self.automatic.entry(subnet, || Arc::from(label));
    }

    /// The label of `address`, which lies in a pods' subnet of a node if `pods`, and belongs to an object of `kind`.
    pub(crate) fn of(&self, address: IpAddr, pods: bool, kind: Option<Kind>) -> Option<&Arc<str>> {
        if let Some(label) = self.user.longest(address) {
            return Some(label);
        }
        let of_kinds = self.of_kinds.as_ref()?;
        if let Some(label) = self.automatic.longest(address) {
            return Some(label);
        }
        match kind {
            _ if pods => Some(&of_kinds.pods),
            Some(Kind::Node) => Some(&of_kinds.machines),
            Some(Kind::Pod) => Some(&of_kinds.pods),
            Some(Kind::Service) => Some(&of_kinds.services),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(labels: &Labels, address: &str, pods: bool, kind: Option<Kind>) -> Option<String> {
        labels.of(address.parse().unwrap(), pods, kind).map(ToString::to_string)
    }

    #[test]
    fn a_label_of_the_user_comes_before_a_longer_one_of_the_cluster() {
        let user = super::super::parse(&["mine=10.0.0.0/8".to_owned(), "rack=10.1.0.0/16".to_owned()]).unwrap();
        let mut labels = Labels::new(&user, true);
        labels.add("10.2.3.0/24".parse().unwrap(), SERVICES);
        labels.add("172.30.0.0/16".parse().unwrap(), SERVICES);
        assert_eq!(label(&labels, "10.2.3.4", false, None).as_deref(), Some("mine"));
        assert_eq!(label(&labels, "10.1.3.4", true, None).as_deref(), Some("rack"));
        assert_eq!(label(&labels, "172.30.0.1", false, None).as_deref(), Some("Services"));
    }

    #[test]
    fn outside_of_known_subnets_the_kind_of_object_decides() {
        let labels = Labels::new(&[], true);
        assert_eq!(label(&labels, "192.0.2.1", false, Some(Kind::Node)).as_deref(), Some("Machines"));
        assert_eq!(label(&labels, "192.0.2.1", false, Some(Kind::Pod)).as_deref(), Some("Pods"));
        assert_eq!(label(&labels, "192.0.2.1", false, Some(Kind::Service)).as_deref(), Some("Services"));
        assert_eq!(label(&labels, "192.0.2.1", true, None).as_deref(), Some("Pods"));
        assert_eq!(label(&labels, "192.0.2.1", false, None), None);
    }

    #[test]
    fn without_get_subnets_only_the_user_s_labels_count() {
        let user = super::super::parse(&["mine=10.0.0.0/8".to_owned()]).unwrap();
        let labels = Labels::new(&user, false);
        assert_eq!(label(&labels, "192.0.2.1", true, Some(Kind::Pod)), None);
        assert_eq!(label(&labels, "10.0.0.1", true, Some(Kind::Pod)).as_deref(), Some("mine"));
    }
}
