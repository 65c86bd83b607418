//! What is kept of objects beyond names and addresses, only where somebody asks for it: labels, containers, readiness.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Kind, Thing, World};
use crate::{
    decode::pod::{Container, Labels, Pod},
    id::{ContainerId, Uid},
    strings::Strings,
};

/// Of a container that starts again and again, this many former ids are known: records come later than news.
const FORMER: usize = 8;

/// Of a pod, or of a service whose labels are those that it selects.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) labels: Box<[(Arc<str>, Arc<str>)]>,
    /// Of each container of the specification: its name and ports.
    pub(super) containers: Box<[Declared]>,
    /// Ids and names of containers, the newest last.
    ran: Vec<(ContainerId, Arc<str>)>,
    pub(super) ready: bool,
}

/// A container as its specification declares it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: Arc<str>,
    /// Name (mostly empty), number, IP protocol.
    pub(super) ports: Box<[(Arc<str>, u16, u8)]>,
}

impl Details {
    /// The value of a label.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        let place = self.labels.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        Some(&self.labels[place].1)
    }

    /// Memory on the heap, bytes; texts are shared and counted elsewhere.
    pub(super) fn bytes(&self) -> usize {
        let ports: usize = self.containers.iter().map(|container| size_of_val(&*container.ports)).sum();
        size_of::<Self>()
            + size_of_val(&*self.labels)
            + size_of_val(&*self.containers)
            + ports
            + self.ran.capacity() * size_of::<(ContainerId, Arc<str>)>()
    }
}

fn shared_labels(strings: &mut Strings, labels: &Labels) -> Box<[(Arc<str>, Arc<str>)]> {
    labels.iter().map(|(key, value)| (strings.get(key), strings.get(value))).collect()
}

fn declared(strings: &mut Strings, containers: &[Container]) -> Box<[Declared]> {
    let one = |container: &Container| Declared {
        name: strings.get(&container.name),
        ports: container.ports.iter().map(|port| (strings.get(&port.name), port.number, port.protocol)).collect(),
    };
    containers.iter().map(one).collect()
}

impl World {
    /// Keeps the details of a pod.
    pub(super) fn set_details(&mut self, thing: u32, pod: &Pod) {
        if !self.with_details {
            return;
        }
        let labels = shared_labels(&mut self.strings, &pod.labels);
        let containers = declared(&mut self.strings, &pod.containers);
        let details = self.things[thing as usize].details.get_or_insert_default();
        if (&labels, &containers, pod.ready) != (&details.labels, &details.containers, details.ready) {
            (details.labels, details.containers, details.ready) = (labels, containers, pod.ready);
            self.version += 1;
        }
        for container in &pod.containers {
            let Some(id) = container.id.filter(|id| details.ran.iter().all(|(known, _)| known != id)) else { continue };
            details.ran.push((id, self.strings.get(&container.name)));
            self.containers.insert(id, thing);
        }
        let most = pod.containers.len() + FORMER;
        for (old, _) in details.ran.drain(..details.ran.len().saturating_sub(most)) {
            self.containers.remove(&old);
        }
    }

    /// Keeps the labels of pods that a service sends to.
    pub(super) fn set_selector(&mut self, thing: u32, selector: &Labels) {
        if !self.with_details {
            return;
        }
        let labels = shared_labels(&mut self.strings, selector);
        let details = self.things[thing as usize].details.get_or_insert_default();
        if labels != details.labels {
            details.labels = labels;
            self.version += 1;
        }
    }

    /// The object is forgotten, and its containers with it.
    pub(super) fn forget_details(&mut self, thing: u32) {
        let details = self.things.get_mut(thing as usize).and_then(|thing| thing.details.take());
        forget_all(&mut self.containers, details.as_deref());
    }

    /// The pod in which the container runs or ran, and the container's name.
    pub(crate) fn container(&self, id: ContainerId) -> Option<(u32, &Arc<str>)> {
        let number = *self.containers.get(&id)?;
        let details = self.things.get(number as usize)?.details.as_ref()?;
        details.ran.iter().find(|(known, _)| *known == id).map(|(_, name)| (number, name))
    }

    /// The pod of that uid that is there now.
    pub(crate) fn pod_by_uid(&self, uid: Uid) -> Option<u32> {
        let number = *self.things_by_uid.get(&uid)?;
        self.things.get(number as usize).filter(|thing: &&Thing| thing.kind == Kind::Pod).map(|_| number)
    }
}

fn forget_all(containers: &mut HashMap<ContainerId, u32>, details: Option<&Details>) {
    for (id, _) in details.iter().flat_map(|details| &details.ran) {
        containers.remove(id);
    }
}
