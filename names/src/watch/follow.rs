//! One watch, from its first list until the capture ends.

use std::{pin::pin, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Client,
    api::ListParams,
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
/// While a list comes, there must be something new within this time.
const LIST: Duration = Duration::from_secs(30);
/// A watch that failed and then is quiet for this long may work again; it says nothing while nothing happens.
const QUIET: Duration = Duration::from_secs(1);
/// An answer to a single question must be there by then.
const ANSWER: Duration = Duration::from_secs(5);

/// A list came to nothing: the server cannot list by watching (Kubernetes before 1.32, or switched off), or it fell silent.
struct NoList;

/// Watches all objects of a kind.
pub(super) async fn follow<T: Watchable>(names: Names, client: Client) {
    let api: Api<Object<T>> = Api::all(client);
    let config = watcher::Config::default().timeout(WATCH_S);
    let NoList = run(&names, api.clone(), config.clone().streaming_lists(), true).await;
    log::debug!("{:?}: the server does not list by watching; listing in pages", T::WATCH);
    loop {
        let NoList = run(&names, api.clone(), config.clone(), false).await;
    }
}

async fn run<T: Watchable>(names: &Names, api: Api<Object<T>>, config: watcher::Config, streaming: bool) -> NoList {
    let mut events = pin!(watcher::watcher(api.clone(), config));
    let mut delay = Delay::new();
    let (mut listing, mut troubled) = (true, false);
    loop {
        let patience = match (troubled, listing) {
            (true, _) => QUIET,
            (false, true) => LIST,
            (false, false) => Duration::MAX,
        };
        match tokio::time::timeout(patience, events.next()).await {
            Ok(Some(Ok(event))) => {
                listing = is_listing(&event, listing);
                // That a list begins is no success yet.
                let success = !matches!(event, Event::Init);
                tell(names, event);
                if success {
                    (troubled, delay) = (false, Delay::new());
                    names.states.works(T::WATCH);
                }
            }
            Ok(Some(Err(error))) if streaming && listing && is_unsupported(&error) => return NoList,
            Ok(Some(Err(error))) => {
                troubled = true;
                fail(names, T::WATCH, &error, &mut delay).await;
            }
            Err(_) if troubled => troubled = !works_again(names, &api).await,
            Ok(None) | Err(_) => return NoList,
        }
    }
}

/// Asks for one object: whoever answers that will tell of changes too.
async fn works_again<T: Watchable>(names: &Names, api: &Api<Object<T>>) -> bool {
    let one = ListParams::default().limit(1);
    let works = matches!(tokio::time::timeout(ANSWER, api.list(&one)).await, Ok(Ok(_)));
    if works {
        names.states.works(T::WATCH);
    }
    works
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
    let (Error::WatchStartFailed(kube::Error::Api(status))
    | Error::WatchFailed(kube::Error::Api(status))
    | Error::WatchError(status)) = error
    else {
        return false;
    };
    matches!(status.code, 400 | 405 | 406 | 422)
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
}
