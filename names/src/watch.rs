//! Watches: what the API server tells becomes what the world knows.

use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;

use crate::{
    decode::{
        namespace::Namespace,
        node::Node,
        owner::{Job, ReplicaSet},
        pod::Pod,
        policy::Policy,
        service::Service,
    },
    names::{Names, Options, now_ms},
    subnets::discover,
    world::relist::Watch,
};

mod delay;
mod follow;
pub(crate) mod state;
mod tell;
pub(crate) mod trouble;

/// How often what has ended long ago is forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// The running watches; they end when this is dropped.
#[derive(Debug)]
pub struct Watches {
    _tasks: JoinSet<()>,
}

/// Starts all of them.
pub(crate) fn start(names: &Names, client: &Client, options: &Options) -> Watches {
    let mut tasks = JoinSet::new();
    tasks.spawn(follow::follow::<Pod>(names.clone(), client.clone()));
    tasks.spawn(follow::follow::<Node>(names.clone(), client.clone()));
    tasks.spawn(follow::follow::<Service>(names.clone(), client.clone()));
    tasks.spawn(follow::follow::<ReplicaSet>(names.clone(), client.clone()));
    tasks.spawn(follow::follow::<Job>(names.clone(), client.clone()));
    if options.policies {
        tasks.spawn(follow::follow::<Policy>(names.clone(), client.clone()));
        tasks.spawn(follow::follow::<Namespace>(names.clone(), client.clone()));
    } else {
        names.states.listed(Watch::Policies);
        names.states.listed(Watch::Namespaces);
    }
    tasks.spawn(sweep(names.clone()));
    if options.get_subnets {
        tasks.spawn(discover::subnets(names.clone(), client.clone()));
    }
    Watches { _tasks: tasks }
}

async fn sweep(names: Names) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        names.write(|world| world.sweep(now_ms()));
    }
}
