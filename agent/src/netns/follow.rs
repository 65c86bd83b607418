//! Something in each namespace that is looked at, opened where one comes and told where one goes.
//!
//! Owns a thread where namespaces can come and go. Must not know what is opened.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsFd as _,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use flow::config::NetNs;

use super::{Found, NsId, enter};
use crate::loader::settings::NetnsSource;

/// Between looks, at least; more when a look takes long.
const LOOK: Duration = Duration::from_secs(1);
/// A look may take this part of the time.
const SHARE: u32 = 25;
/// What waits to be taken over.
const WAITING: usize = 16;

/// What happened to a namespace, by its key as programs see it.
#[derive(Debug)]
pub(crate) enum Moved<T> {
    /// It came, and this was opened in it.
    Came(u32, T),
    /// It has gone: what was opened keeps it alive until it is dropped.
    Gone(u32),
}

/// The namespaces of a capture.
pub(crate) struct Follow<T> {
    moved: Option<Receiver<Moved<T>>>,
    /// Dropping it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Follow<T> {
    /// Opens in all namespaces there are, then in those that come.
    ///
    /// # Errors
    /// What `open` says in the namespace that was asked for, or in our own where all were.
    pub(crate) fn start(
        netns: &NetNs,
        open: impl Fn() -> io::Result<T> + Send + Sync + 'static,
    ) -> io::Result<(BTreeMap<u32, T>, Self)> {
        let source = NetnsSource::choose(netns);
        // As the observer does: without telling them apart there is only our own.
        let netns = if source == NetnsSource::Single && *netns == NetNs::All { NetNs::Current } else { netns.clone() };
        let (mut known, mut opened) = (BTreeMap::new(), BTreeMap::new());
        for (id, found) in discover(&netns)? {
            match open_in(&found, source, &open) {
                Ok((key, value)) => {
                    known.insert(id, key);
                    opened.insert(key, value);
                }
                Err(error) if netns != NetNs::All || found.name.is_empty() => return Err(error),
                // It has ended meanwhile, or is looked at again later.
                Err(_) => {}
            }
        }
        let (moved, receiver) = sync_channel(WAITING);
        let mut follow = Self { moved: Some(receiver), end: None, thread: None };
        if netns != NetNs::Current {
            let (end, ended) = channel();
            let look = move || run(&netns, source, known, &open, &moved, &ended);
            follow.thread = Some(thread::Builder::new().name("namespaces".to_owned()).spawn(look)?);
            follow.end = Some(end);
        }
        Ok((opened, follow))
    }

    /// What has happened since the last call.
    pub(crate) fn moved(&self) -> impl Iterator<Item = Moved<T>> + '_ {
        self.moved.iter().flat_map(Receiver::try_iter)
    }
}

impl<T> Drop for Follow<T> {
    fn drop(&mut self) {
        // The thread may be waiting for room.
        self.moved = None;
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed.
            let _ = thread.join();
        }
    }
}

fn discover(netns: &NetNs) -> io::Result<BTreeMap<NsId, Found>> {
    match netns {
        NetNs::All => super::all(),
        NetNs::Current => super::current(),
        NetNs::Path(path) => super::at(path),
    }
}

/// Opens, and tells the key of the namespace.
fn open_in<T: Send>(
    found: &Found,
    source: NetnsSource,
    open: &(impl Fn() -> io::Result<T> + Sync),
) -> io::Result<(u32, T)> {
    enter::within_path(&found.path, || {
        let key = match source {
            NetnsSource::Single => 0,
            // Any socket tells it.
            NetnsSource::Members(_) => enter::key(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.as_fd())?,
        };
        Ok((key, open()?))
    })
}

fn run<T: Send>(
    netns: &NetNs,
    source: NetnsSource,
    mut known: BTreeMap<NsId, u32>,
    open: &(impl Fn() -> io::Result<T> + Sync),
    moved: &SyncSender<Moved<T>>,
    ended: &Receiver<()>,
) {
    let mut pause = LOOK;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let begun = Instant::now();
        // A path that leads nowhere any more: its namespace has gone.
        let found = discover(netns).unwrap_or_default();
        let gone: Vec<NsId> = known.keys().filter(|id| !found.contains_key(id)).copied().collect();
        let gone = gone.into_iter().filter_map(|id| known.remove(&id)).map(Moved::Gone);
        if !gone.into_iter().all(|gone| moved.send(gone).is_ok()) {
            return;
        }
        for (id, found) in found {
            if known.contains_key(&id) {
                continue;
            }
            // One that could not be entered is tried again at the next look: the observer tells of it.
            let Ok((key, value)) = open_in(&found, source, open) else { continue };
            known.insert(id, key);
            if moved.send(Moved::Came(key, value)).is_err() {
                return;
            }
        }
        pause = LOOK.max(begun.elapsed() * SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_opened_at_once_and_an_error_in_it_is_told() {
        let (opened, follow) = Follow::start(&NetNs::Current, || Ok(7)).unwrap();
        assert_eq!(opened.into_iter().collect::<Vec<_>>(), [(0, 7)]);
        assert_eq!(follow.moved().count(), 0);
        let refused = || Err::<(), _>(io::Error::from_raw_os_error(libc::EPERM));
        assert!(Follow::start(&NetNs::Current, refused).is_err());
    }
}
