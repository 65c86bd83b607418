//! The loop: what has come, what has gone, what is to be attached.

mod settle;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::PipeReader,
    os::fd::AsRawFd as _,
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant},
};

use flow::{Stop, config::NetNs};

use super::{
    Attached, AttachedNow,
    namespace::{Happened, Namespace},
};
use crate::{
    attach::Way,
    error::AgentError,
    interfaces::Selection,
    loader::{Programs, settings::NetnsSource},
    netns::{self, Found, NsId, watch::NameWatch},
    topology::{Shared, Topology},
};

/// Between looks for namespaces, at least; more when a look takes long.
const LOOK: Duration = Duration::from_millis(500);
/// A look may take this part of the time.
const SHARE: u32 = 25;
/// A name appears before its namespace is mounted there: so many looks follow, so close together.
const EAGER_LOOKS: u32 = 5;
const EAGER: Duration = Duration::from_millis(30);

pub(super) struct Watcher {
    netns: NetNs,
    selection: Selection,
    way: Way,
    source: NetnsSource,
    programs: Programs,
    namespaces: BTreeMap<NsId, Namespace>,
    topology: Topology,
    shared: Shared,
    attached: AttachedNow,
    notices: Sender<Arc<str>>,
    names: Option<NameWatch>,
    eager: u32,
    next_look: Instant,
    /// While the capture begins, what is attached is told as a number, not one by one.
    beginning: bool,
    /// Nothing was attached yet.
    is_first: bool,
    /// Not all that is wanted is attached yet.
    pending: bool,
    /// Namespaces that could not be entered; told once.
    closed: BTreeSet<NsId>,
    /// Namespaces without a name that were seen for the first time: a name may follow at once.
    fresh: BTreeSet<NsId>,
}

impl Watcher {
    #[expect(clippy::too_many_arguments, reason = "the parts of one private struct, passed once")]
    pub(super) fn new(
        netns: NetNs,
        selection: Selection,
        way: Way,
        source: NetnsSource,
        programs: Programs,
        shared: Shared,
        attached: AttachedNow,
        notices: Sender<Arc<str>>,
    ) -> Result<Self, AgentError> {
        let names = if netns == NetNs::All { Some(NameWatch::new()) } else { None };
        let names = names.transpose().map_err(|error| AgentError::os("cannot watch /run/netns", error))?;
        Ok(Self {
            netns,
            selection,
            way,
            source,
            programs,
            namespaces: BTreeMap::new(),
            topology: Topology::default(),
            shared,
            attached,
            notices,
            names,
            eager: 0,
            next_look: Instant::now(),
            beginning: true,
            is_first: true,
            pending: false,
            closed: BTreeSet::new(),
            fresh: BTreeSet::new(),
        })
    }

    /// Attaches to all there is, or to as much as a beginning may take; the rest follows in [`Watcher::run`].
    pub(super) fn begin(&mut self) -> Result<(), AgentError> {
        if self.netns == NetNs::All && self.source == NetnsSource::Single {
            self.tell("this kernel does not tell programs the namespace of a packet: only the current one is watched");
            self.netns = NetNs::Current;
        }
        let found = self.discover()?;
        self.take_over(found)?;
        self.check_names()?;
        self.settle();
        if self.namespaces.values().all(|namespace| namespace.attached.is_empty()) {
            self.tell("no interface is watched yet");
        }
        Ok(())
    }

    fn discover(&self) -> Result<BTreeMap<NsId, Found>, AgentError> {
        let error = |error| AgentError::os("cannot look for network namespaces", error);
        match &self.netns {
            NetNs::All => netns::all().map_err(error),
            NetNs::Current => netns::current().map_err(error),
            NetNs::Path(path) => {
                let reason =
                    |error: std::io::Error| AgentError::NoNetns { path: path.clone(), reason: error.to_string() };
                netns::at(path).map_err(reason)
            }
        }
    }

    /// Opens what is new. What cannot be opened is told, but an error only when it is the one that was asked for.
    fn take_over(&mut self, found: BTreeMap<NsId, Found>) -> Result<(), AgentError> {
        for (id, found) in found {
            if self.namespaces.contains_key(&id) {
                continue;
            }
            match Namespace::open(id, &found, self.source) {
                Ok(namespace) => {
                    self.closed.remove(&id);
                    self.namespaces.insert(id, namespace);
                }
                Err(error) if self.netns == NetNs::All && !found.name.is_empty() => {
                    // One that has just ended is nothing to speak of.
                    let told = error.kind() == std::io::ErrorKind::NotFound || !self.closed.insert(id);
                    if !told {
                        self.tell(&format!("cannot enter {}: {error}", found.name));
                    }
                }
                Err(error) => return Err(AgentError::os("cannot enter the network namespace", error)),
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), AgentError> {
        let links = self.namespaces.values().flat_map(|namespace| namespace.links.values());
        let mut present: Vec<&str> = links.map(|link| link.name.as_str()).collect();
        present.sort_unstable();
        present.dedup();
        match self.selection.missing(&present) {
            Some(name) => Err(AgentError::NoInterface { name: name.to_owned(), present: present.join(", ") }),
            None => Ok(()),
        }
    }

    /// Runs until the other end of the pipe is closed or the capture ends, then detaches everything. The worker, which hears of
    /// the end too, may be waiting for its sink: programs do not wait for that.
    pub(super) fn run(mut self, wake: &PipeReader, stop: &Stop) {
        loop {
            let pause = self.next_look.saturating_duration_since(Instant::now()).min(LOOK);
            let pause = if self.pending { Duration::ZERO } else { pause };
            if self.poll(wake, pause) || stop.requested() {
                break;
            }
            let mut changed = self.hear() | self.pending;
            self.look_for_names();
            if Instant::now() >= self.next_look {
                changed |= self.look();
            }
            if changed {
                self.settle();
            }
        }
        for namespace in self.namespaces.values_mut() {
            // The process ends; filters that could not be removed are removed by the next run.
            let _ = namespace.detach_all();
        }
        self.attached.set(Attached::default());
    }

    /// Waits for something to happen; true when it is the end.
    fn poll(&self, wake: &PipeReader, pause: Duration) -> bool {
        let of = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let events = self.namespaces.values().map(|namespace| namespace.events.raw_fd());
        let names = self.names.iter().map(NameWatch::raw_fd);
        let mut fds: Vec<_> = std::iter::once(wake.as_raw_fd()).chain(names).chain(events).map(of).collect();
        // SAFETY: the array has the length that is given.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, pause.as_millis() as i32 + 1) };
        fds[0].revents != 0
    }

    /// Reads what the kernel says about interfaces; true when something changed.
    fn hear(&mut self) -> bool {
        let mut happened = Vec::new();
        let mut changed = false;
        for namespace in self.namespaces.values_mut() {
            let mut messages = Vec::new();
            let missed = namespace.events.read(&mut messages);
            changed |= missed || !messages.is_empty();
            let place = namespace.place();
            let mut note = |what| happened.push((what, place.clone()));
            messages.iter().filter_map(|message| namespace.hear(message)).for_each(&mut note);
            if missed {
                namespace.list().into_iter().flatten().for_each(&mut note);
            }
        }
        for (what, place) in happened {
            self.tell_of(&what, &place);
        }
        changed
    }

    fn tell_of(&self, what: &Happened, place: &str) {
        match what {
            Happened::Gone(name) if self.selection.takes(name) => self.tell(&format!("{name}{place} is gone")),
            Happened::Renamed(old, new) => self.tell(&format!("{old}{place} is now called {new}")),
            Happened::Gone(_) => {}
        }
    }

    /// A change under /run/netns makes looks for namespaces due.
    fn look_for_names(&mut self) {
        if self.names.as_ref().is_some_and(NameWatch::clear) {
            self.eager = EAGER_LOOKS;
            self.next_look = Instant::now();
        }
    }

    /// Looks for namespaces; true when one has come or gone.
    fn look(&mut self) -> bool {
        let begun = Instant::now();
        if let Some(names) = &self.names {
            names.renew();
        }
        let changed = self.compare();
        self.eager = self.eager.saturating_sub(1);
        let pause = if self.eager > 0 { EAGER } else { LOOK };
        self.next_look = Instant::now() + pause.max(begun.elapsed() * SHARE);
        changed
    }

    fn compare(&mut self) -> bool {
        // The path given by the user leads nowhere any more: its namespace is gone.
        let found = self.discover().unwrap_or_default();
        let known = self.namespaces.len();
        let gone: Vec<NsId> = self.namespaces.keys().filter(|id| !found.contains_key(id)).copied().collect();
        for id in &gone {
            if let Some(mut namespace) = self.namespaces.remove(id) {
                let _ = namespace.detach_all();
                self.tell(&format!("namespace {} is gone", namespace.name));
            }
        }
        self.closed.retain(|id| found.contains_key(id));
        let before = known - gone.len();
        let renamed = self.rename(&found);
        let ripe = self.ripe(found);
        // Errors were told; our own namespace was entered at the beginning.
        let _ = self.take_over(ripe);
        renamed || !gone.is_empty() || self.namespaces.len() != before
    }

    /// A namespace that a process made may get a name later.
    fn rename(&mut self, found: &BTreeMap<NsId, Found>) -> bool {
        let mut renamed = false;
        for (id, namespace) in &mut self.namespaces {
            if let Some(found) = found.get(id).filter(|found| found.is_named() && found.name != namespace.name) {
                namespace.name = found.name.clone();
                renamed = true;
            }
        }
        renamed
    }

    /// Leaves out new namespaces without a name until the next look, which then follows soon.
    fn ripe(&mut self, mut found: BTreeMap<NsId, Found>) -> BTreeMap<NsId, Found> {
        let unnamed = found.iter().filter(|(id, found)| !found.is_named() && !self.namespaces.contains_key(id));
        let unnamed: BTreeSet<NsId> = unnamed.map(|(id, _)| *id).collect();
        let young: Vec<NsId> = unnamed.difference(&self.fresh).copied().collect();
        for id in &young {
            found.remove(id);
            self.eager = self.eager.max(2);
        }
        self.fresh = unnamed;
        found
    }

    fn tell(&self, text: &str) {
        // Nobody listens any more once the worker has ended.
        let _ = self.notices.send(text.into());
    }
}
