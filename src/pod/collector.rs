//! The collector's process: takes what agents deliver, names it, stores it, serves those who look, and stays until the
//! whole capture is removed.

use std::{
    env,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use channel::server::{self, AgentInfo, Server};
use collector::{Hub, Options, Origin, Started, Status, Stdout, session};
use flow::{CaptureConfig, Feature, Own, Reason, Stop, config::Mode};
use log::{info, warn};
use names::{Names, Watches};
use tokio::runtime::Runtime;

use super::{
    CHANNEL_PORT, EXECUTABLES_PORT,
    objects::belonging,
    paths,
    selection::Selected,
    settings::Settings,
    supervisor::{Parts, Supervisor, Visits},
};
use crate::{
    cluster::guardian::{self, Terms},
    error::{Error, Outcome, exit},
    local::Signals,
    plan::objects::explains_drops,
    version::VERSION,
};

/// Longest wait for the names that there are already.
const NAMES: Duration = Duration::from_secs(5);

/// Longest wait for agents to deliver what they still have: they detach first, 25 to 30 ms an interface, so 8 s on a node
/// with 250 pods, and then deliver. The time that their pods are given to end (manifests/daemonset-agent.yaml) is the same.
const LAST_BATCHES: Duration = Duration::from_secs(15);

/// Longest wait for agents that have no connection: it breaks and is made anew within this time.
const OUT_OF_REACH: Duration = Duration::from_secs(5);

/// Where the pod is, as the manifest tells it.
struct Place {
    node: String,
    address: Option<IpAddr>,
}

pub(crate) fn run() -> Outcome {
    let settings = Settings::load(Path::new(paths::SETTINGS))?;
    let place = Place { node: env::var("NODE_NAME").unwrap_or_default(), address: variable("POD_IP") };
    let terminate = Stop::default();
    Signals::watch(terminate.clone()).map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let runtime = runtime()?;
    let client = runtime.block_on(kube::Client::try_default());
    let client = client.map_err(|error| Error::failed(format!("cannot use the pod's account: {error}")))?;
    let stop = Stop::default();
    let terms = Terms { lease: settings.lease, keep: settings.keep, background: settings.background };
    runtime.spawn(guardian::run(client.clone(), settings.namespace.clone(), terms, stop.clone()));
    let executables = channel::executables::serve(anywhere(EXECUTABLES_PORT), Box::new(paths::sent));
    let _executables = executables.map_err(|error| warn!("agents cannot fetch the executable: {error}"));
    let _session = match collector::resume::finished(Path::new(paths::OUTPUT)) {
        // The container was started again after the end: only files and the summary are left to serve.
        Some(summary) => {
            stop.request(Reason::User);
            let handler = Visits::new(0).handler(stop.clone(), None);
            serve(&settings, Hub::ended(), Status::ended(summary), Box::new(handler))?
        }
        None => capture(&settings, &place, &client, &runtime, &stop, &terminate)?,
    };
    while !terminate.wait_timeout(Duration::from_mins(1)) {}
    Ok(exit::DONE)
}

/// Captures until the end is asked for, closes the files, and goes on to serve them.
fn capture(
    settings: &Settings,
    place: &Place,
    client: &kube::Client,
    runtime: &Runtime,
    stop: &Stop,
    terminate: &Stop,
) -> Result<session::Server, Error> {
    let (names, _watches) = names(settings, client, runtime)?;
    let started = collector::start(options(settings, &names), stop.clone()).map_err(Error::failed)?;
    let Started { input, hub, status, recorder, collector } = started;
    let rules = settings.config.rules.clone();
    let selected = Selected::new(rules, settings.sets.clone(), &settings.default_namespace, names.clone());
    let server = listen(settings, place, &selected, input.clone())?;
    let visits = Visits::new(settings.sets.len());
    let handler = visits.handler(stop.clone(), Some(recorder.clone()));
    let session = serve(settings, hub, status.clone(), Box::new(handler))?;
    info!("capturing {}", settings.what);
    let (server_of, status_of) = (server.clone(), status.clone());
    let parts =
        Parts { server: server_of, input, status: status_of, visits, names, selected, recorder, stop: stop.clone() };
    let mut supervisor = Supervisor::new(settings, &place.node, place.address, parts);
    while !stop.requested() && !terminate.requested() {
        supervisor.step();
    }
    // A pod that is told to go has a second: what is in memory is written, nothing more is waited for.
    let patience = if terminate.requested() { Duration::ZERO } else { LAST_BATCHES };
    stop.request(Reason::Signal(15));
    let words = status.snapshot().reason.unwrap_or_default();
    info!("the capture ends: {words}");
    for agent in last_batches(&server, &words, patience) {
        warn!("the agent on {} has not delivered its last batch", agent.node);
    }
    server.close();
    supervisor.last();
    collector.finish();
    Ok(session)
}

/// Tells the agents to end and waits for what they still have; returns those that did not deliver it. Who is out of reach
/// has less time than who is busy.
fn last_batches(server: &Server, reason: &str, patience: Duration) -> Vec<AgentInfo> {
    let missing = server.stop_and_wait(reason, patience.min(OUT_OF_REACH));
    if !missing.iter().any(|agent| agent.connected) {
        return missing;
    }
    server.stop_and_wait(reason, patience.saturating_sub(OUT_OF_REACH))
}

fn runtime() -> Result<Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Error::failed(format!("cannot start threads: {error}")))
}

/// Watches the cluster's objects as long as the second value is held; waits for what there is, a little.
fn names(settings: &Settings, client: &kube::Client, runtime: &Runtime) -> Result<(Names, Watches), Error> {
    let subnet_labels = names::subnets::parse(&settings.subnets).map_err(Error::failed)?;
    let names = Names::new();
    let _context = runtime.enter();
    let options = names::Options {
        get_subnets: settings.get_subnets,
        subnet_labels,
        objects: looks_for_objects(settings),
        policies: explains_drops(&settings.config.features),
        udns: settings.config.features.contains(&Feature::UdnMapping),
    };
    let watches = names.watch(client, &options);
    if runtime.block_on(tokio::time::timeout(NAMES, names.ready())).is_err() {
        warn!("not all names are known after {NAMES:?}: the first records may bear none");
    }
    Ok((names, watches))
}

/// Whether anything is asked of labels and containers: by the kernel's sets, by the rest of the filter, by records of processes, or by
/// the interfaces of packets, which bear the labels of their pods.
fn looks_for_objects(settings: &Settings) -> bool {
    let CaptureConfig { after, features, mode, .. } = &settings.config;
    let is_asked = !settings.sets.is_empty() || after.is_some();
    is_asked || features.contains(&Feature::Process) || *mode == Mode::Packets
}

fn options(settings: &Settings, names: &Names) -> Options {
    Options {
        config: Arc::new(settings.config.clone()),
        command: settings.command.clone(),
        version: VERSION.to_owned(),
        output_dir: Some(paths::OUTPUT.into()),
        stdout: Stdout::Nothing,
        origin: Origin::Cluster,
        enrich: Some(Box::new(names.enricher())),
        objects: Some(belonging(names.clone(), settings.default_namespace.clone(), settings.config.mode)),
        queue_bytes: Options::QUEUE_BYTES,
        history_bytes: Options::HISTORY_BYTES,
        follow_bytes: Options::FOLLOW_BYTES,
    }
}

fn listen(
    settings: &Settings,
    place: &Place,
    selected: &Selected<Names>,
    input: collector::Input,
) -> Result<Server, Error> {
    let own = place.address.filter(|_| !settings.include_self).map(Own::Address);
    let begin = settings.config.clone().with(selected.selection(own.into_iter().collect()));
    let options = server::Options {
        listen: anywhere(CHANNEL_PORT),
        identity: super::identity()?,
        begin,
        version: VERSION.to_owned(),
        make_sink: Box::new(move |_| Box::new(input.clone())),
    };
    server::start(options).map_err(Error::failed)
}

fn serve(
    settings: &Settings,
    hub: Hub,
    status: Status,
    handler: Box<dyn session::Handler>,
) -> Result<session::Server, Error> {
    let about = session::About {
        capture: settings.id.clone(),
        version: VERSION.to_owned(),
        mode: settings.config.mode,
        what: settings.what.clone(),
        limits: settings.config.limits,
        interval: settings.config.cache_active_timeout,
        features: settings.config.features.clone(),
    };
    let server = session::Server::start(Path::new(paths::SOCKET), about, hub, status, handler);
    server.map_err(|error| Error::failed(format!("cannot listen at {}: {error}", paths::SOCKET)))
}

/// Both families, where the pod has both.
fn anywhere(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
