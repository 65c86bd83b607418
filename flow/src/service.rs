//! The Service of the cluster through which two ends speak, as the names in a record tell it.

use std::sync::Arc;

use crate::schema::FlowRecord;

/// A Service: its namespace and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'r> {
    /// Kubernetes namespace.
    pub namespace: &'r Arc<str>,
    /// Name.
    pub name: &'r Arc<str>,
}

impl FlowRecord {
    /// The Service that the ends speak through, wherever the record was made on its way: before the translation of addresses an end
    /// is the Service (`DstK8S_Type` = `Service`, of replies `SrcK8S_Type`); after it that end is a pod, and the address on the other
    /// side of the translation is the Service's (`XlatDstK8S_*`, of replies `XlatSrcK8S_*`). `None` where nothing says it.
    ///
    /// An end that is a node tells none: what is on the other side there may be a pod behind a node port.
    pub fn service(&self) -> Option<Service<'_>> {
        let own = Names(&self.dst_k8s_namespace, &self.dst_k8s_name);
        let other = Names(&self.xlat_dst_k8s_namespace, &self.xlat_dst_k8s_name);
        service(self.dst_k8s_type.as_deref(), own, other).or_else(|| {
            let own = Names(&self.src_k8s_namespace, &self.src_k8s_name);
            let other = Names(&self.xlat_src_k8s_namespace, &self.xlat_src_k8s_name);
            service(self.src_k8s_type.as_deref(), own, other)
        })
    }
}

/// Namespace and name of something. Nodes have no namespace.
#[derive(Clone, Copy)]
struct Names<'r>(&'r Option<Arc<str>>, &'r Option<Arc<str>>);

/// Of an end of that kind, with its own names and those on the other side of its translation.
fn service<'r>(kind: Option<&str>, own: Names<'r>, other: Names<'r>) -> Option<Service<'r>> {
    let Names(namespace, name) = match kind? {
        "Service" => own,
        "Pod" => other,
        _ => return None,
    };
    Some(Service { namespace: namespace.as_ref()?, name: name.as_ref()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as the fields are")]
    fn text(text: &str) -> Option<Arc<str>> {
        Some(text.into())
    }

    fn said(record: &FlowRecord) -> Option<String> {
        record.service().map(|service| format!("{}/{}", service.namespace, service.name))
    }

    #[test]
    fn before_and_after_translation_and_on_the_way_back_it_is_the_same() {
        let pod = FlowRecord { src_k8s_type: text("Pod"), src_k8s_name: text("curl"), ..FlowRecord::default() };
        let before = FlowRecord {
            dst_k8s_type: text("Service"),
            dst_k8s_namespace: text("shop"),
            dst_k8s_name: text("web"),
            xlat_dst_k8s_namespace: text("shop"),
            xlat_dst_k8s_name: text("web-1"),
            ..pod.clone()
        };
        let after = FlowRecord {
            dst_k8s_type: text("Pod"),
            dst_k8s_namespace: text("shop"),
            dst_k8s_name: text("web-1"),
            xlat_dst_k8s_namespace: text("shop"),
            xlat_dst_k8s_name: text("web"),
            ..pod
        };
        let reply = FlowRecord {
            src_k8s_type: text("Pod"),
            dst_k8s_type: text("Pod"),
            xlat_src_k8s_namespace: text("shop"),
            xlat_src_k8s_name: text("web"),
            ..FlowRecord::default()
        };
        assert_eq!([&before, &after, &reply].map(said), [(); 3].map(|()| Some("shop/web".to_owned())));
    }

    #[test]
    fn a_masqueraded_pod_and_a_node_port_are_no_service() {
        let masqueraded = FlowRecord {
            src_k8s_type: text("Node"),
            xlat_src_k8s_namespace: text("shop"),
            xlat_src_k8s_name: text("curl"),
            ..FlowRecord::default()
        };
        let behind_a_node =
            FlowRecord { src_k8s_type: text("Pod"), xlat_src_k8s_name: text("n1"), ..FlowRecord::default() };
        assert_eq!([&masqueraded, &behind_a_node].map(said), [None, None]);
    }
}
