//! A laptop that sleeps for longer than its lease: the files wait for it.

use std::time::Duration;

use lab::{Capture, Finished, cluster::Trace};

use super::{Knocks, end, measured, ours, running, said, trace};
use crate::{flows, shop};

fn sleeper(trace: &Trace, more: &str) -> Capture {
    flows().args("-o json --lease 10s --keep 60s").args(more).arg("--capture-namespace").arg(trace.namespace())
}

/// Sleeps until the guardian has ended the capture, and while `meanwhile`.
fn sleeps(capture: &Capture, trace: &Trace, knocks: &Knocks<'_>, meanwhile: impl FnOnce()) -> (Finished, Duration) {
    let client = running(capture);
    knocks.knock(3);
    std::thread::sleep(Duration::from_secs(3));
    client.signal(libc::SIGSTOP);
    measured("agents gone after", trace.wait_without_agents(Duration::from_secs(30)).unwrap());
    meanwhile();
    client.signal(libc::SIGCONT);
    end(client)
}

#[test]
fn it_finds_its_files_when_it_wakes() {
    needs_cluster!();
    let shop = shop();
    for more in ["", "--stream-home=false"] {
        let trace = trace("asleep");
        let knocks = Knocks::at(&shop);
        let (finished, time) = sleeps(&sleeper(&trace, more), &trace, &knocks, || {});
        measured("ended after", time);
        assert!(finished.status.success(), "{more}: {:?}", finished.stderr);
        assert_eq!(knocks.stored(&finished.files), 3, "{more}");
        assert!(lab::capture::says(&finished.stderr, "lease"), "it says why: {:?}", finished.stderr);
        assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
    }
}

#[test]
fn somebody_else_copies_its_files() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("copied");
    let knocks = Knocks::at(&shop);
    let directory = tempfile::tempdir().unwrap();
    let (finished, _) = sleeps(&sleeper(&trace, "--stream-home=false"), &trace, &knocks, || {
        let output = ours(&format!("copy {} --output-dir .", trace.namespace()), directory.path());
        assert!(output.status.success(), "{}", said(&output));
    });
    let files = lab::files::Files::keep(&std::sync::Arc::new(directory)).unwrap();
    assert_eq!(knocks.stored(&files), 3);
    assert!(finished.status.success(), "{:?}", finished.stderr);
    assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
}
