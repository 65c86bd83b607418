//! The client is killed with SIGKILL: nothing of its capture stays for longer than was agreed on.

use std::{path::Path, time::Duration};

use lab::{cluster, proxy};

use super::{Foreign, Knocks, SOON, capture, lapse, measured, ours, running, said, trace};
use crate::{packets, shop};

/// Lease, one look of the guardian, the last batches, the end of a process.
const AGENTS: Duration = Duration::from_secs(10 + 8);
/// Then `--keep`, and the namespace's removal.
const ALL: Duration = Duration::from_secs(5 + 20);

#[test]
fn while_it_runs() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("running");
    let client = running(&capture(&trace));
    let knocks = Knocks::at(&shop);
    knocks.knock(3);
    knocks.wait_for(&client, 3, SOON);
    assert_eq!(trace.agents().unwrap().len(), 2);
    drop(client);
    measured("agents gone after", trace.wait_without_agents(AGENTS).unwrap());
    measured("all gone after that in", trace.wait_until_gone(ALL).unwrap());
}

#[test]
fn while_it_copies() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("copying");
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("kubeconfig");
    let line = proxy::before_api_server(&config).unwrap();
    let capture = packets().args("--stream-home=false --lease 10s --keep 5s -o wide --kubeconfig");
    let capture = capture.arg(&config.display().to_string()).arg("--capture-namespace").arg(trace.namespace());
    let client = running(&capture);
    shop.requests(150).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    line.throttle(Some(20_000));
    client.signal(libc::SIGINT);
    let part = || {
        let files = walk(client.directory());
        Ok(files.iter().any(|name| Path::new(name).extension().is_some_and(|extension| extension == "part")))
    };
    cluster::wait("a file on its way", Duration::from_secs(30), part).unwrap();
    drop(client);
    measured("agents gone after", trace.wait_without_agents(AGENTS).unwrap());
    assert!(trace.is_there().unwrap(), "the files wait for somebody");
    line.throttle(None);
    measured("all gone after that in", trace.wait_until_gone(Duration::from_secs(10) + ALL).unwrap());
}

fn walk(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Nobody in the cluster looks after these captures yet, or any more: the next command does.
#[test]
fn before_and_after_there_is_a_guardian() {
    needs_cluster!();
    let directory = tempfile::tempdir().unwrap();
    let foreign = Foreign::make();
    let alive = trace("alive");
    let going_on = running(&capture(&alive));

    let early = trace("early");
    let config = directory.path().join("kubeconfig");
    let line = proxy::before_api_server(&config).unwrap();
    // The next objects are too large for this line.
    line.throttle(Some(20_000));
    let client = capture(&early).arg("--kubeconfig").arg(&config.display().to_string()).spawn().unwrap();
    early.wait_for_object(&format!("ns/{}", early.namespace())).unwrap();
    drop(client);
    assert!(cluster::items(&format!("-n {} pods", early.namespace())).unwrap().is_empty());

    // At once, if that is asked for.
    let output = ours(&format!("cleanup {}", early.namespace()), directory.path());
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("removed "), "{}", said(&output));
    assert_eq!(early.left().unwrap(), [] as [&str; 0]);

    let starting = trace("starting");
    let client = capture(&starting).spawn().unwrap();
    starting.wait_for_object("pod/collector").unwrap();
    drop(client);
    assert!(!starting.has_guardian().unwrap());
    ours("flows --node-selector nowhere=here", directory.path());
    assert!(starting.is_there().unwrap(), "its lease has not lapsed");

    let cleaning = trace("cleaning");
    let client = running(&capture(&cleaning));
    client.signal(libc::SIGINT);
    cluster::wait("the removal of agents", Duration::from_secs(30), || {
        Ok(cluster::items(&format!("-n {} daemonsets", cleaning.namespace()))?.is_empty())
    })
    .unwrap();
    drop(client);
    measured("agents gone after", cleaning.wait_without_agents(AGENTS).unwrap());

    // Without being asked for it, any command waits for the lease.
    lapse();
    // On a cluster that others use too, a command of theirs may have been the first.
    let is_ours = starting.is_there().unwrap() && cleaning.is_there().unwrap();
    let output = ours("flows --node-selector nowhere=here", directory.path());
    let is_named = |trace: &cluster::Trace| {
        said(&output)
            .lines()
            .any(|line| line.contains("removed an abandoned capture") && line.contains(trace.namespace()))
    };
    assert!(!measured("we are the first", is_ours) || is_named(&starting), "{}", said(&output));
    assert_eq!(starting.left().unwrap(), [] as [&str; 0]);
    assert_eq!(cleaning.left().unwrap(), [] as [&str; 0]);

    foreign.assert_untouched();
    assert_eq!(alive.agents().unwrap().len(), 2, "somebody looks after this one");
    going_on.stop().unwrap();
    assert_eq!(alive.left().unwrap(), [] as [&str; 0]);
}
