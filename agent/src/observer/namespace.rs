//! One namespace: its sockets, its interfaces, and what of ours is on them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    os::{fd::AsFd as _, linux::fs::MetadataExt as _},
    sync::Arc,
};

use crate::{
    attach::{Attachment, clsact},
    loader::settings::NetnsSource,
    netlink::{
        Events, Message, Requests,
        link::{self, Change, Link},
        nsid, speed,
    },
    netns::{Found, NsId, enter},
};

/// What happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Gone(String),
    Renamed(String, String),
}

/// Sockets in a namespace keep it alive: this must be dropped when the namespace has no name and no process any more.
pub(super) struct Namespace {
    /// As programs see it.
    pub(super) key: u32,
    pub(super) name: Arc<str>,
    pub(super) requests: RefCell<Requests>,
    pub(super) events: Events,
    pub(super) links: BTreeMap<u32, Link>,
    pub(super) attached: BTreeMap<u32, Attachment>,
    /// Interfaces that could not be attached to, or cannot be by their kind; told once.
    pub(super) refused: BTreeSet<u32>,
}

impl Namespace {
    pub(super) fn open(id: NsId, found: &Found, source: NetnsSource) -> io::Result<Self> {
        // First the subscription, then the list, so that nothing is missed in between.
        let (events, requests) = enter::within_path(&found.path, || Ok((Events::open()?, Requests::open()?)))?;
        let file = std::fs::File::from(enter::of_socket(requests.as_fd())?);
        if file.metadata()?.st_ino() != id.0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another namespace took its place"));
        }
        let key = if source == NetnsSource::Single { 0 } else { enter::key(requests.as_fd())? };
        let mut namespace = Self {
            key,
            name: found.name.clone(),
            requests: RefCell::new(requests),
            events,
            links: BTreeMap::new(),
            attached: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        // An interface that has gone meanwhile, or a kernel without any of it: nothing is left there.
        let _ = clsact::sweep(namespace.requests.get_mut());
        namespace.list()?;
        Ok(namespace)
    }

    /// Reads all interfaces anew.
    pub(super) fn list(&mut self) -> io::Result<Vec<Happened>> {
        let links = link::list(self.requests.get_mut())?;
        let here: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
        let gone: Vec<u32> = self.links.keys().filter(|index| !here.contains(index)).copied().collect();
        let changes = gone.into_iter().map(Change::Gone).chain(links.into_iter().map(Change::Is));
        Ok(changes.filter_map(|change| self.apply(change)).collect())
    }

    /// Takes over what a message says.
    pub(super) fn hear(&mut self, message: &Message) -> Option<Happened> {
        Change::of(message).and_then(|change| self.apply(change))
    }

    fn apply(&mut self, change: Change) -> Option<Happened> {
        match change {
            Change::Is(link) => {
                let (index, name) = (link.index, link.name.clone());
                let before = self.links.insert(index, link)?;
                if before.name == name {
                    return None;
                }
                self.refused.remove(&index);
                Some(Happened::Renamed(before.name, name))
            }
            Change::Gone(index) => {
                self.attached.remove(&index);
                self.refused.remove(&index);
                self.links.remove(&index).map(|link| Happened::Gone(link.name))
            }
        }
    }

    /// The number that this namespace has for another.
    pub(super) fn number_of(&self, other: &Self) -> Option<i32> {
        let file = enter::of_socket(other.requests.borrow().as_fd()).ok()?;
        nsid::of(&mut self.requests.borrow_mut(), file.as_fd()).ok()?
    }

    /// How fast an interface is, bits per second; 0 where nothing tells.
    pub(super) fn speed(&self, name: &str) -> u64 {
        speed::of(self.requests.borrow().as_fd(), name)
    }

    /// Takes our programs off one interface.
    pub(super) fn detach(&mut self, index: u32) -> io::Result<()> {
        match self.attached.remove(&index) {
            Some(attachment) => attachment.remove(self.requests.get_mut(), index),
            None => Ok(()),
        }
    }

    /// Takes our programs off all interfaces; the first error, when there was one.
    pub(super) fn detach_all(&mut self) -> io::Result<()> {
        let attached: Vec<u32> = self.attached.keys().copied().collect();
        attached.into_iter().map(|index| self.detach(index)).fold(Ok(()), io::Result::and)
    }

    /// The name for messages.
    pub(super) fn place(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) }
    }
}
