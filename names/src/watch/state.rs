//! How each watch is doing.

use std::sync::Arc;

use tokio::sync::watch;

use super::trouble::Trouble;
use crate::world::relist::{WATCHES, Watch};

/// How one watch is doing.
#[derive(Clone, Debug, Default)]
struct State {
    /// It was listed completely at least once.
    listed: bool,
    /// What is wrong now.
    trouble: Option<Trouble>,
}

/// How all of them are doing.
#[derive(Clone, Debug, Default)]
struct All {
    watches: [State; WATCHES],
    /// What is wrong with finding subnets.
    subnets: Option<String>,
}

/// Shared by the watches and whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct States(Arc<watch::Sender<All>>);

impl States {
    /// Nothing has begun.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(All::default())))
    }

    /// The list of `watch` is complete.
    pub(super) fn listed(&self, watch: Watch) {
        self.0.send_modify(|all| all.watches[watch as usize] = State { listed: true, trouble: None });
    }

    /// Something came through.
    pub(super) fn works(&self, watch: Watch) {
        self.0.send_if_modified(|all| all.watches[watch as usize].trouble.take().is_some());
    }

    /// Something went wrong.
    pub(super) fn failed(&self, watch: Watch, trouble: Trouble) {
        self.0.send_modify(|all| all.watches[watch as usize].trouble = Some(trouble));
    }

    /// What is wrong with finding subnets, if anything.
    pub(crate) fn subnets(&self, problem: Option<String>) {
        self.0.send_modify(|all| all.subnets = problem);
    }

    /// Comes back when each watch has been listed or refused.
    pub(crate) async fn ready(&self) {
        // An error means that the sender is gone; it is in our hands.
        let _ = self.0.subscribe().wait_for(All::ready).await;
    }

    /// Whether all are ready, and what is wrong.
    pub(crate) fn report(&self) -> (bool, Vec<String>) {
        let all = self.0.borrow();
        let sentence = |watch: Watch| {
            let State { listed, trouble } = &all.watches[watch as usize];
            trouble.as_ref().map(|trouble| trouble.sentence(watch, *listed))
        };
        let errors = Watch::ALL.into_iter().filter_map(sentence).chain(all.subnets.clone()).collect();
        (all.ready(), errors)
    }
}

impl All {
    fn ready(&self) -> bool {
        self.watches.iter().all(|state| state.listed || state.trouble.as_ref().is_some_and(|trouble| trouble.refused))
    }
}
