//! The two ends of a record, filled by the same code.

use std::{net::IpAddr, sync::Arc};

use flow::FlowRecord;

use crate::world::find::Found;

type Text<'r> = &'r mut Option<Arc<str>>;

/// The fields of one end of a record.
pub(super) struct End<'r> {
    name: Text<'r>,
    kind: Text<'r>,
    namespace: Text<'r>,
    owner_name: Text<'r>,
    owner_kind: Text<'r>,
    host_address: &'r mut Option<IpAddr>,
    host_name: Text<'r>,
    zone: Text<'r>,
    network: Text<'r>,
    label: Text<'r>,
}

impl<'r> End<'r> {
    /// The end that sent.
    pub(super) fn source(record: &'r mut FlowRecord) -> Self {
        Self {
            name: &mut record.src_k8s_name,
            kind: &mut record.src_k8s_type,
            namespace: &mut record.src_k8s_namespace,
            owner_name: &mut record.src_k8s_owner_name,
            owner_kind: &mut record.src_k8s_owner_type,
            host_address: &mut record.src_k8s_host_ip,
            host_name: &mut record.src_k8s_host_name,
            zone: &mut record.src_k8s_zone,
            network: &mut record.src_k8s_network_name,
            label: &mut record.src_subnet_label,
        }
    }

    /// The end that was sent to.
    pub(super) fn destination(record: &'r mut FlowRecord) -> Self {
        Self {
            name: &mut record.dst_k8s_name,
            kind: &mut record.dst_k8s_type,
            namespace: &mut record.dst_k8s_namespace,
            owner_name: &mut record.dst_k8s_owner_name,
            owner_kind: &mut record.dst_k8s_owner_type,
            host_address: &mut record.dst_k8s_host_ip,
            host_name: &mut record.dst_k8s_host_name,
            zone: &mut record.dst_k8s_zone,
            network: &mut record.dst_k8s_network_name,
            label: &mut record.dst_subnet_label,
        }
    }

    /// Sets every field, also to nothing: a record may be named again when more is known.
    pub(super) fn fill(self, found: Option<Found<'_>>, label: Option<Arc<str>>) {
        let (owner_kind, owner_name) = found.map(|found| found.owner()).unzip();
        *self.name = found.map(|found| Arc::clone(found.name()));
        *self.kind = found.map(|found| Arc::clone(found.kind_name()));
        *self.namespace = found.and_then(|found| found.namespace()).cloned();
        *self.owner_name = owner_name.cloned();
        *self.owner_kind = owner_kind.cloned();
        *self.host_address = found.and_then(|found| found.host_address());
        *self.host_name = found.and_then(|found| found.host_name()).cloned();
        *self.zone = found.and_then(|found| found.zone()).cloned();
        *self.network = found.and_then(|found| found.network()).cloned();
        *self.label = label;
    }
}
