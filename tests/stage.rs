//! The stage, as committed: what it receives and fetches, what it refuses, what it becomes. The other architecture runs
//! under QEMU's user emulation, where that is installed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was skipped, for whoever reads the log")]

#[path = "stage/server.rs"]
mod server;
#[path = "stage/subject.rs"]
mod subject;

use std::{fs, time::Duration};

use server::{Answer, Server};
use subject::{Subject, each};

/// What a container's process is told by the kubelet.
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

#[test]
fn what_is_received_is_run_with_arguments_and_environment() {
    each(|subject| {
        let mut waiting = subject.run();
        assert!(waiting.says(&format!("waiting for {}", subject.packed().display())));
        let received = subject.receive(&subject.executable.packed, subject.executable.packed.len());
        assert_eq!((received.code, received.out.as_str()), (Some(0), "ok\n"), "{}", received.err);
        assert_eq!(waiting.end().out, "pod collector --x= mark=here\n");
        assert_eq!(waiting.end().code, Some(7));
        assert_eq!(subject.files(), ["oc-netobserv", "oc-netobserv-test.z"]);
    });
}

#[test]
fn bytes_behind_the_announced_size_are_left_alone() {
    each(|subject| {
        let more = [&subject.executable.packed[..], b"more"].concat();
        assert_eq!(subject.receive(&more, more.len() - 4).out, "ok\n");
        assert_eq!(fs::read(subject.packed()).unwrap(), subject.executable.packed);
    });
}

#[test]
fn another_executable_is_refused_and_both_checksums_are_named() {
    each(|subject| {
        let other = oc_netobserv::stage::compress(b"#!/bin/sh\necho wrong\n");
        let received = subject.receive(&other, other.len());
        assert_eq!(received.code, Some(1));
        assert_eq!(received.out, "");
        for digest in [&subject.executable.digest, &oc_netobserv::stage::digest(b"#!/bin/sh\necho wrong\n")] {
            assert!(received.err.contains(digest), "{}", received.err);
        }
        assert_eq!(received.err.lines().count(), 1);
        assert_eq!(subject.files(), [""; 0]);
    });
}

#[test]
fn a_stream_that_ends_early_leaves_nothing() {
    each(|subject| {
        let packed = &subject.executable.packed;
        let received = subject.receive(&packed[..1000], packed.len());
        assert_eq!(received.code, Some(1));
        let expected = format!("oc-netobserv stage: the data ended after 1000 of {} bytes\n", packed.len());
        assert_eq!(received.err, expected);
        // The same with a size that agrees: the stream itself tells.
        assert!(subject.receive(&packed[..1000], 1000).err.contains("it ends within the stream"));
        assert!(subject.receive(&[0x55; 5000], 5000).err.contains("not a zlib stream"));
        assert_eq!(subject.files(), [""; 0]);
    });
}

#[test]
fn a_damaged_file_is_removed_and_the_next_one_taken() {
    each(|subject| {
        fs::write(subject.packed(), b"not zlib at all").unwrap();
        let mut waiting = subject.run();
        assert!(waiting.says("damaged data: not a zlib stream"));
        assert_eq!(subject.receive(&subject.executable.packed, subject.executable.packed.len()).out, "ok\n");
        assert_eq!(waiting.end().code, Some(7));
    });
}

#[test]
fn a_restarted_container_runs_what_is_there_but_only_if_it_is_the_right_one() {
    each(|subject| {
        subject.receive(&subject.executable.packed, subject.executable.packed.len());
        assert_eq!(subject.run().end().code, Some(7));
        fs::remove_file(subject.packed()).unwrap();
        let mut again = subject.run();
        assert_eq!(again.end().code, Some(7));
        assert_eq!(again.end().err, "");
        fs::write(subject.program(), "#!/bin/sh\nexit 9\n").unwrap();
        let mut changed = subject.run();
        assert!(changed.says("waiting for"));
        assert_eq!(subject.files(), [""; 0]);
        changed.signal(SIGTERM);
        assert_eq!(changed.end().code, Some(0));
    });
}

#[test]
fn termination_ends_the_wait_even_of_the_first_process() {
    each(|subject| {
        let mut waiting = subject.run();
        assert!(waiting.says("waiting for"));
        waiting.signal(SIGTERM);
        assert_eq!(waiting.end().code, Some(0));
        // A first process that takes no notice of a signal would wait on.
        let Some(mut first) = subject.run_first() else { return };
        assert!(first.says("waiting for"));
        first.signal_child(SIGTERM);
        assert_eq!(first.end().code, Some(0));
    });
}

#[test]
fn an_agent_asks_until_it_gets_the_right_executable() {
    each(|subject| {
        let packed = subject.executable.packed.clone();
        let server = Server::start(
            "127.0.0.1:0",
            vec![
                Answer::NotYet,
                Answer::NotYet,
                Answer::Close,
                Answer::Text("no number\n"),
                Answer::Cut(packed.clone(), 2000),
                Answer::Whole(packed),
            ],
        );
        let mut agent = subject.fetch(&server.address);
        assert_eq!(agent.end().code, Some(7), "{}", agent.end().err);
        assert_eq!(agent.end().out, "pod agent mark=here\n");
        let expected = [
            "no executable for test there yet; trying again".to_owned(),
            "damaged data: the answer has no length; trying again".to_owned(),
            "damaged data: the answer does not begin with a length; trying again".to_owned(),
            format!("the data ended after 2000 of {} bytes; trying again", subject.executable.packed.len()),
        ];
        let expected = expected.map(|text| format!("oc-netobserv stage: {}: {text}", server.address));
        assert_eq!(agent.end().err.lines().collect::<Vec<_>>(), expected);
        assert_eq!(server.requests(), ["GET test\n"; 6]);
        assert_eq!(subject.files(), ["oc-netobserv"]);
        // A restarted container needs no server.
        assert_eq!(subject.fetch(&server.address).end().code, Some(7));
    });
}

#[test]
fn an_agent_never_runs_another_executable() {
    each(|subject| {
        let other = oc_netobserv::stage::compress(b"#!/bin/sh\necho wrong\n");
        let server = Server::start("[::1]:0", vec![Answer::Whole(other)]);
        let mut agent = subject.fetch(&server.address);
        assert!(agent.says("wrong executable: its SHA-256 is"));
        assert!(agent.says(&subject.executable.digest));
        assert_eq!(subject.files(), [""; 0]);
        agent.signal(SIGTERM);
        assert_eq!(agent.end().code, Some(0));
        assert_eq!(agent.end().out, "");
    });
}

#[test]
fn an_agent_waits_for_a_server_that_is_not_there_and_says_so_once() {
    each(|subject| {
        let mut agent = subject.fetch("127.0.0.1:1");
        assert!(agent.says("127.0.0.1:1: cannot connect: connection refused; trying again"));
        std::thread::sleep(Duration::from_millis(500));
        agent.signal(SIGKILL);
        assert_eq!(agent.end().err.lines().count(), 1);
    });
}

#[test]
fn a_folder_that_cannot_be_written_to_is_a_failure_that_is_named() {
    each(|subject| {
        let folder = subject.folder("missing");
        let failed = subject.stage(&["receive", &folder, "test", &subject.executable.digest, "5"], b"12345");
        let expected =
            format!("oc-netobserv stage: cannot create {folder}/oc-netobserv-test.z.part: no such file or directory\n");
        assert_eq!((failed.code, failed.err), (Some(1), expected));
    });
}

#[test]
fn a_wrong_command_line_is_refused_before_anything_is_touched() {
    each(|subject| {
        let (folder, digest) = (subject.folder(""), subject.executable.digest.clone());
        for (words, problem) in [
            (vec![], "usage: stage receive DIR ARCH SHA256 SIZE"),
            (vec!["run", &folder, "test", &digest], "usage:"),
            (vec!["run", &folder, "test", &digest[1..], "--"], "SHA256 is not 64 hexadecimal digits"),
            (vec!["run", &folder, "../x", &digest, "--"], "ARCH is not 1 to 32 letters"),
            (vec!["fetch", "localhost:1", &folder, "test", &digest, "--"], "the server is not ADDRESS:PORT"),
            (vec!["receive", &folder, "test", &digest, "many"], "SIZE is not a number of bytes"),
        ] {
            let failed = subject.stage(&words, b"");
            assert_eq!(failed.code, Some(2), "{words:?}");
            assert!(failed.err.starts_with(&format!("oc-netobserv stage: {problem}")), "{words:?}: {}", failed.err);
        }
        assert_eq!(subject.files(), [""; 0]);
    });
}

/// Runs what the tests run for each architecture, so that a test can say of which one it speaks.
#[test]
fn both_architectures_are_tried_or_skipped_by_name() {
    assert_eq!(Subject::all().len() + subject::skipped().len(), 2);
}
