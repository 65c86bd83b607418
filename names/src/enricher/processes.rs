//! Containers of processes: their names instead of the runtime's ids, and the pods that they tell where addresses cannot.

use std::sync::Arc;

use crate::{
    id::{ContainerId, Uid},
    world::{Kind, World, find::Found},
};

/// What an agent writes where it knows the pod of a process and not the container.
const POD: &str = "pod:";

/// What a container field said.
#[derive(Clone, Copy)]
pub(super) enum Told<'w> {
    /// Nothing, or what is not known here.
    Nothing,
    /// This pod, and the name of the container if it was one.
    Pod(Found<'w>, Option<&'w Arc<str>>),
    /// A name, put there when the record was named before.
    Name,
}

/// What `text`, the field of an agent or what became of it, tells.
pub(super) fn read<'w>(world: &'w World, text: Option<&str>) -> Told<'w> {
    let Some(text) = text else { return Told::Nothing };
    if let Some(id) = ContainerId::parse(text) {
        let pod = |(pod, name)| Some(Told::Pod(world.told(pod)?, Some(name)));
        return world.container(id).and_then(pod).unwrap_or(Told::Nothing);
    }
    if let Some(uid) = text.strip_prefix(POD) {
        let pod = world.pod_by_uid(Uid::of(uid)).and_then(|pod| world.told(pod));
        return pod.map_or(Told::Nothing, |pod| Told::Pod(pod, None));
    }
    Told::Name
}

impl<'w> Told<'w> {
    /// The end of a flow whose address is that of `found`: where that is a node's, of many pods, or nobody's (loopback), the process decides.
    pub(super) fn end(self, found: Option<Found<'w>>) -> Option<Found<'w>> {
        match self {
            Self::Pod(pod, _) if found.is_none_or(|found| found.kind() == Kind::Node) => Some(pod),
            _ => found,
        }
    }

    /// Whether a name that the end has already came from its process, and stays.
    pub(super) fn keeps(self, kind: Option<&str>, found: Option<Found<'_>>) -> bool {
        let shared = found.is_none_or(|found| found.kind() == Kind::Node);
        matches!(self, Self::Name) && shared && kind == Some("Pod")
    }

    /// Puts the container's name in the place of its id.
    pub(super) fn write(self, field: &mut Option<Arc<str>>) {
        if let Self::Pod(_, Some(name)) = self {
            *field = Some(Arc::clone(name));
        }
    }
}
