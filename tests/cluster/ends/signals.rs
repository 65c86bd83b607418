//! Signals in each phase of a capture's life.

use std::time::Duration;

use lab::{cluster, proxy};

use super::{Knocks, SOON, capture, end, measured, running, trace};
use crate::{flows, shop};

/// Nothing is left of it, whatever came and whenever.
fn interrupted(name: &str, signals: &[i32], object: &str) {
    let trace = trace(name);
    let client = capture(&trace).spawn().unwrap();
    trace.wait_for_object(object).unwrap();
    for signal in signals {
        client.signal(*signal);
        std::thread::sleep(Duration::from_millis(300));
    }
    let (finished, time) = end(client);
    measured(&format!("{name}: ended after"), time);
    assert_eq!(finished.status.code(), Some(130), "{name}: {:?}", finished.stderr);
    assert_eq!(trace.left().unwrap(), [] as [&str; 0], "{name}");
}

#[test]
fn before_it_runs() {
    needs_cluster!();
    interrupted("int-early", &[libc::SIGINT], "configmap/capture");
    interrupted("term-starting", &[libc::SIGTERM], "pod/collector");
    interrupted("hup-starting", &[libc::SIGHUP, libc::SIGHUP], "pod/collector");
    interrupted("int-int-starting", &[libc::SIGINT, libc::SIGINT], "pod/collector");
}

#[test]
fn while_it_runs() {
    needs_cluster!();
    let shop = shop();
    for (name, signal) in [("sigint", libc::SIGINT), ("sigterm", libc::SIGTERM), ("sighup", libc::SIGHUP)] {
        let trace = trace(name);
        let client = running(&capture(&trace));
        let knocks = Knocks::at(&shop);
        knocks.knock(2);
        knocks.wait_for(&client, 1, SOON);
        client.signal(signal);
        let (finished, time) = end(client);
        measured(&format!("{name}: ended after"), time);
        assert_eq!(finished.status.code(), Some(0), "{name}: {:?}", finished.stderr);
        assert_eq!(knocks.stored(&finished.files), 2, "{name}");
        assert_eq!(trace.left().unwrap(), [] as [&str; 0], "{name}");
    }
}

/// The second one does not wait for files; the third not for anything.
#[test]
fn while_it_copies() {
    needs_cluster!();
    let shop = shop();
    for (name, count, code) in [("twice", 2, 0), ("thrice", 3, 130)] {
        let trace = trace(name);
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("kubeconfig");
        let line = proxy::before_api_server(&config).unwrap();
        let capture = flows().args("--stream-home=false -o json --lease 10s --keep 5s --kubeconfig");
        let capture = capture.arg(&config.display().to_string()).arg("--capture-namespace").arg(trace.namespace());
        let client = running(&capture);
        shop.requests(300).unwrap();
        std::thread::sleep(Duration::from_secs(3));
        line.throttle(Some(20_000));
        client.signal(libc::SIGINT);
        cluster::wait("the end of the capture", Duration::from_secs(30), || {
            Ok(client.directory().join("flow").exists())
        })
        .unwrap();
        line.throttle(None);
        for _ in 1..count {
            client.signal(libc::SIGINT);
            std::thread::sleep(Duration::from_millis(50));
        }
        let (finished, time) = end(client);
        measured(&format!("{name}: ended after"), time);
        assert_eq!(finished.status.code(), Some(code), "{name}: {:?}", finished.stderr);
        if count == 3 {
            assert!(lab::capture::says(
                &finished.stderr,
                format!("left on the cluster: namespace {}", trace.namespace())
            ));
        }
        measured("all gone after that in", trace.wait_until_gone(Duration::from_secs(45)).unwrap());
    }
}
