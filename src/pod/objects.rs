//! Which addresses the cluster's objects have, for the part of the filter that runs after the kernel.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use collector::Objects;
use flow::{
    config::Mode,
    filter::{Object, ObjectKind},
};
use names::Names;

/// Addresses of an object, and the state of the cluster that they are of.
type Known = HashMap<Object, (u64, HashSet<IpAddr>)>;

/// What objects have which address. Flows bear the names that their ends had when the packets passed: those decide, and only what
/// no field tells is looked up. Packets bear none.
pub(super) fn belonging(names: Names, default_namespace: String, mode: Mode) -> Objects {
    let known = Mutex::new(Known::new());
    Arc::new(move |object, address| {
        if mode == Mode::Flows && is_told_by_fields(object.kind) {
            return None;
        }
        let version = names.version();
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(object).is_none_or(|(of, _)| *of != version) {
            let addresses = names.resolve(object, &default_namespace).ok()?.addresses.into_iter().collect();
            known.insert(object.clone(), (version, addresses));
        }
        known.get(object).map(|(_, addresses)| addresses.contains(&address))
    })
}

const fn is_told_by_fields(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Pod | ObjectKind::Workload | ObjectKind::Namespace | ObjectKind::Node)
}
