//! One end of a packet as text: `shop/web-7d9:Deployment/web`, `Node/n1`, `Service/db/pg`.

use std::{net::IpAddr, sync::Arc};

use flow::FlowRecord;

use super::escape::{plain, push};

type Text = Option<Arc<str>>;

const POD: &str = "Pod";
const NODE: &str = "Node";
const SERVICE: &str = "Service";

/// What may not stand within a name.
const SEPARATORS: &[char] = &['/', ':'];

/// Who is at one end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) kind: Text,
    pub(super) namespace: Text,
    pub(super) name: Text,
    pub(super) owner_kind: Text,
    pub(super) owner: Text,
    pub(super) node: Text,
    /// Name and namespace on the other side of address translation.
    pub(super) other: (Text, Text),
}

impl End {
    pub(super) fn source(record: &FlowRecord) -> Self {
        Self {
            kind: record.src_k8s_type.clone(),
            namespace: record.src_k8s_namespace.clone(),
            name: record.src_k8s_name.clone(),
            owner_kind: record.src_k8s_owner_type.clone(),
            owner: record.src_k8s_owner_name.clone(),
            node: record.src_k8s_host_name.clone(),
            other: (record.xlat_src_k8s_name.clone(), record.xlat_src_k8s_namespace.clone()),
        }
    }

    pub(super) fn destination(record: &FlowRecord) -> Self {
        Self {
            kind: record.dst_k8s_type.clone(),
            namespace: record.dst_k8s_namespace.clone(),
            name: record.dst_k8s_name.clone(),
            owner_kind: record.dst_k8s_owner_type.clone(),
            owner: record.dst_k8s_owner_name.clone(),
            node: record.dst_k8s_host_name.clone(),
            other: (record.xlat_dst_k8s_name.clone(), record.xlat_dst_k8s_namespace.clone()),
        }
    }

    pub(super) fn into_source(self, record: &mut FlowRecord) {
        record.src_k8s_type = self.kind;
        record.src_k8s_namespace = self.namespace;
        record.src_k8s_name = self.name;
        record.src_k8s_owner_type = self.owner_kind;
        record.src_k8s_owner_name = self.owner;
        record.src_k8s_host_name = self.node;
        (record.xlat_src_k8s_name, record.xlat_src_k8s_namespace) = self.other;
    }

    pub(super) fn into_destination(self, record: &mut FlowRecord) {
        record.dst_k8s_type = self.kind;
        record.dst_k8s_namespace = self.namespace;
        record.dst_k8s_name = self.name;
        record.dst_k8s_owner_type = self.owner_kind;
        record.dst_k8s_owner_name = self.owner;
        record.dst_k8s_host_name = self.node;
        (record.xlat_dst_k8s_name, record.xlat_dst_k8s_namespace) = self.other;
    }

    /// Appends who it is; false if nobody knows.
    pub(super) fn write(&self, out: &mut String) -> bool {
        let Some(name) = self.name.as_deref().filter(|name| !name.is_empty()) else { return false };
        let namespace = self.namespace.as_deref().filter(|text| !text.is_empty());
        let kind = self.kind.as_deref().filter(|text| !text.is_empty());
        // A pod in a namespace needs no kind; those of Kubernetes are in lower case, kinds are not.
        let is_pod = kind.is_none_or(|kind| kind == POD) && namespace.is_some_and(|text| !begins_as_kind(text));
        let parts = [kind.filter(|_| !is_pod), namespace, Some(name)];
        for (n, part) in parts.into_iter().flatten().enumerate() {
            if n > 0 {
                out.push('/');
            }
            push(out, part, SEPARATORS);
        }
        let owner = self.owner_kind.as_deref().zip(self.owner.as_deref());
        let itself = (kind.unwrap_or(POD), name);
        if let Some((owner_kind, owner)) = owner.filter(|owner| *owner != itself && !owner.1.is_empty()) {
            out.push(':');
            push(out, owner_kind, SEPARATORS);
            out.push('/');
            push(out, owner, SEPARATORS);
        }
        true
    }

    /// Appends the service that this end is, or stands for: a pod's address is behind the service's on the other side of translation.
    pub(super) fn write_service(&self, out: &mut String) -> bool {
        let (name, namespace) = if self.kind.as_deref() == Some(SERVICE) {
            (&self.name, &self.namespace)
        } else if (&self.other.0, &self.other.1) == (&self.name, &self.namespace) {
            // Translation of the other end only: this one is itself on both sides.
            return false;
        } else {
            (&self.other.0, &self.other.1)
        };
        // Nodes have no namespace: translation to a node's address is no service's.
        let (Some(name), Some(namespace)) = (name, namespace) else { return false };
        push(out, namespace, SEPARATORS);
        out.push('/');
        push(out, name, SEPARATORS);
        true
    }

    /// The node that it is on, where that says more than its name.
    pub(super) fn other_node(&self) -> Option<&str> {
        self.node.as_deref().filter(|_| self.kind.as_deref() != Some(NODE))
    }

    /// What [`End::write`] wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (itself, owner) = text.split_once(':').map_or((text, None), |(itself, owner)| (itself, Some(owner)));
        let parts: Vec<&str> = itself.split('/').collect();
        let (kind, namespace, name) = match *parts {
            [name] => (None, None, name),
            [kind, name] if begins_as_kind(kind) => (Some(kind), None, name),
            [namespace, name] => (Some(POD), Some(namespace), name),
            [kind, namespace, name] => (Some(kind), Some(namespace), name),
            _ => return None,
        };
        let text = |part: &str| -> Arc<str> { plain(part).into() };
        let (kind, name) = (kind.map(text), Some(text(name)).filter(|name| !name.is_empty())?);
        let owner = owner.and_then(|owner| owner.split_once('/')).map(|(kind, name)| (text(kind), text(name)));
        let owner = owner.or_else(|| Some((kind.clone()?, Arc::clone(&name))));
        let (owner_kind, owner) = owner.unzip();
        let node = Some(&name).filter(|_| kind.as_deref() == Some(NODE)).cloned();
        Some(Self {
            kind,
            namespace: namespace.map(text),
            name: Some(name),
            owner_kind,
            owner,
            node,
            other: (None, None),
        })
    }

    /// What [`End::write_service`] wrote; nothing new where the end is the service.
    pub(super) fn read_service(&mut self, text: &str) {
        if self.kind.as_deref() != Some(SERVICE)
            && let Some((namespace, name)) = text.split_once('/')
        {
            self.other = (Some(plain(name).into()), Some(plain(namespace).into()));
        }
    }
}

fn begins_as_kind(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_uppercase())
}

/// A name for an address, as Wireshark resolves addresses: `web-7d9.shop`, `pg.db.svc`, the name of a node. A pod on its node's network
/// has the node's address, so that the name is the node's. `None` for addresses that are another machine's elsewhere.
pub(super) fn host_name(end: &End, address: IpAddr, host: Option<IpAddr>) -> Option<String> {
    let is_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if is_local || address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        return None;
    }
    if let Some(node) = end.node.as_deref().filter(|_| host == Some(address)) {
        return Some(one_word(node));
    }
    let name = one_word(end.name.as_deref()?);
    let Some(namespace) = end.namespace.as_deref().filter(|text| !text.is_empty()).map(one_word) else {
        return Some(name);
    };
    let suffix = if end.kind.as_deref() == Some(SERVICE) { ".svc" } else { "" };
    Some(format!("{name}.{namespace}{suffix}"))
}

/// Printable ASCII without spaces, as hosts files have it.
fn one_word(text: &str) -> String {
    let word = |char: char| if char.is_ascii_graphic() { char } else { '_' };
    text.chars().map(word).collect()
}
