//! Wireshark's programs over a capture that runs: as its source, through a pipe, started by us.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{Pair, capture::program, need, needs, sockets};

use crate::packets;

/// Longest wait for anything here.
const END: Duration = Duration::from_mins(1);

/// Sends pings until `done`.
fn ping_until(pair: &Pair, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < END, "it did not end");
        sockets::ping(&pair.a, pair.v4(2), 1).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_some()
}

/// What it wrote to standard output.
fn said(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text
}

/// Whether a capture of ours still writes into a pipe of Wireshark's.
fn captures_over(needle: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let line = |path: &Path| fs::read(path.join("cmdline")).unwrap_or_default();
    entries.map(|entry| line(&entry.path())).any(|line| {
        let line = String::from_utf8_lossy(&line);
        line.contains("--write=-") && line.contains(needle)
    })
}

#[test]
fn wireshark_captures_from_this_machine_as_from_an_interface() {
    needs!("tshark", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(150).unwrap();
    let home = tempfile::tempdir().unwrap();
    let built = program(env!("CARGO_BIN_EXE_oc-netobserv"));
    let installed = Command::new(&built).args(["wireshark", "install"]).env("HOME", home.path()).output().unwrap();
    assert!(installed.status.success(), "{installed:?}");
    // The filter goes on as a capture filter; it is also what this capture is found by.
    let filter = format!("icmp and host {}", pair.v4(2));
    let mut tshark = Command::new("tshark");
    tshark.args(["-i", "netobserv-local", "-f", &filter, "-c", "8", "-T", "fields", "-e", "ip.dst"]);
    let mut tshark = tshark.env("HOME", home.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    ping_until(&pair, || has_ended(&mut tshark));
    let lines = said(tshark);
    let ours = [pair.v4(1).to_string(), pair.v4(2).to_string()];
    assert!(lines.lines().count() == 8 && lines.lines().all(|line| ours.iter().any(|end| end == line)), "{lines}");
    let start = Instant::now();
    while captures_over(&filter) {
        assert!(start.elapsed() < END, "the capture goes on without Wireshark");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn tshark_reads_the_stream_while_it_grows() {
    needs!("tshark", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(151).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let capture = packets().of(&pair.a, "a0").args("-w - --protocol ICMP");
    let mut command = capture.command(directory.path());
    let mut ours = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut tshark = {
        // The command holds the end that it reads until it goes.
        let mut command = Command::new("tshark");
        command.args(["-l", "-i", "-", "-c", "6", "-T", "fields", "-e", "frame.interface_name"]);
        command.stdin(ours.stdout.take().unwrap()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    ping_until(&pair, || has_ended(&mut tshark));
    let lines = said(tshark);
    assert!(lines.lines().count() == 6 && lines.lines().all(|line| line.starts_with("a0")), "{lines}");
    // Nothing is sent any more: that nobody reads has to be seen without a packet.
    let start = Instant::now();
    while !has_ended(&mut ours) {
        assert!(start.elapsed() < END, "the capture goes on without a reader");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(ours.wait().unwrap().success());
}

#[test]
fn wireshark_is_started_over_the_capture_and_its_end_is_the_end() {
    needs!("tshark", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(152).unwrap();
    let directory = tempfile::tempdir().unwrap();
    // In place of a window: whatever reads the interface that Wireshark would be given, for four packets.
    let stand_in = directory.path().join("wireshark");
    let seen = directory.path().join("seen");
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2\" = '-k -i' ] || exit 9\nexec tshark -i \"$3\" -c 4 -T fields -e ip.dst > '{}' 2>/dev/null\n",
        seen.display()
    );
    fs::write(&stand_in, script).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let capture = packets().of(&pair.a, "a0").args("--wireshark --protocol ICMP");
    let mut command = capture.command(directory.path());
    command.env("NETOBSERV_WIRESHARK", &stand_in).env("HOME", directory.path());
    let mut ours = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    ping_until(&pair, || has_ended(&mut ours));
    assert!(ours.wait().unwrap().success());
    // What it captures with ends first, what it prints with a moment later.
    let start = Instant::now();
    while fs::read_to_string(&seen).unwrap().lines().count() < 4 {
        assert!(start.elapsed() < END, "{:?}", fs::read_to_string(&seen));
        thread::sleep(Duration::from_millis(50));
    }
    // Files are written as without it.
    let file = lab::files::Files::find(directory.path()).unwrap();
    assert!(file.packets().unwrap().packets.len() >= 4);
}

#[test]
fn without_a_wireshark_nothing_is_begun() {
    needs!("tshark");
    let directory = tempfile::tempdir().unwrap();
    let capture = packets().args("--wireshark");
    let run = |name: &str, value: &str| {
        let mut command = capture.command(directory.path());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("NETOBSERV_WIRESHARK");
        let output = command.env(name, value).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr)
                .lines()
                .filter(|line| line.starts_with("error: "))
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    let (code, said) = run("NETOBSERV_WIRESHARK", "/nowhere/wireshark");
    assert_eq!(code, Some(1));
    assert_eq!(said, ["error: --wireshark: there is no program /nowhere/wireshark, which $NETOBSERV_WIRESHARK names"]);
    let (code, said) = run("DISPLAY", "");
    assert!(code == Some(1) && said.len() == 1 && said[0].starts_with("error: --wireshark: there is no "), "{said:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was begun");
}
