//! One watch, from its first list until the capture ends.

use std::{pin::pin, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Client,
    runtime::watcher::{self, Error, Event},
};

use super::{delay::Delay, tell::Watchable, trouble::Trouble};
use crate::{
    decode::Object,
    names::{Names, now_ms},
    world::relist::Watch,
};

/// The server ends a watch after this time, s, and we go on from where it was. A connection that has died without a word is noticed
/// as long after as the watch would have lasted.
const WATCH_S: u32 = 60;
/// A list that comes as a stream must be complete by then.
const LIST: Duration = Duration::from_secs(30);

/// Why a way of listing is given up.
enum End {
    /// The server cannot list by watching (Kubernetes before 1.32, or switched off).
    NoStreaming,
}

/// Watches all objects of a kind.
pub(super) async fn follow<T: Watchable>(names: Names, client: Client) {
    let api: Api<Object<T>> = Api::all(client);
    let streaming = watcher::Config::default().timeout(WATCH_S).streaming_lists();
    let End::NoStreaming = run(&names, api.clone(), streaming, true).await;
    log::debug!("{:?}: the server does not list by watching; listing in pages", T::WATCH);
    let paged = watcher::Config::default().timeout(WATCH_S);
    run(&names, api, paged, false).await;
}

async fn run<T: Watchable>(names: &Names, api: Api<Object<T>>, config: watcher::Config, streaming: bool) -> End {
    let mut events = pin!(watcher::watcher(api, config));
    let mut delay = Delay::new();
    let mut listing = true;
    loop {
        let next = tokio::time::timeout(if streaming && listing { LIST } else { Duration::MAX }, events.next()).await;
        match next {
            Ok(Some(Ok(event))) => {
                delay.reset();
                listing = is_listing(&event, listing);
                tell(names, event);
            }
            Ok(Some(Err(error))) => {
                if streaming && listing && is_unsupported(&error) {
                    return End::NoStreaming;
                }
                fail(names, T::WATCH, &error, &mut delay).await;
            }
            Ok(None) | Err(_) => return End::NoStreaming,
        }
    }
}

fn is_listing<K>(event: &Event<K>, listing: bool) -> bool {
    match event {
        Event::Init => true,
        Event::InitDone => false,
        _ => listing,
    }
}

/// What servers say to a watch that asks for initial events and cannot have them.
fn is_unsupported(error: &Error) -> bool {
    let code = match error {
        Error::WatchStartFailed(kube::Error::Api(status)) | Error::WatchFailed(kube::Error::Api(status)) => status.code,
        Error::WatchError(status) => status.code,
        _ => return false,
    };
    matches!(code, 400 | 405 | 406 | 422)
}

async fn fail(names: &Names, watch: Watch, error: &Error, delay: &mut Delay) {
    let trouble = Trouble::of_watch(error);
    log::debug!("{watch:?}: {error}");
    let wait = delay.next(trouble.refused, now_ms());
    names.states.failed(watch, trouble);
    tokio::time::sleep(wait).await;
}

fn tell<T: Watchable>(names: &Names, event: Event<Object<T>>) {
    let now = now_ms();
    match event {
        Event::Init => names.write(|world| world.begin_list(T::WATCH)),
        Event::InitApply(object) => names.write(|world| object.told.apply(world, now, true)),
        Event::Apply(object) => names.write(|world| object.told.apply(world, now, false)),
        Event::Delete(object) => names.write(|world| object.told.remove(world, now)),
        Event::InitDone => {
            names.write(|world| world.end_list(T::WATCH, now));
            names.states.listed(T::WATCH);
        }
    }
    names.states.works(T::WATCH);
}
