use std::{fs, path::Path, process::Command, sync::Arc};

use clap::FromArgMatches as _;
use collector::{Options, Started};
use flow::{Batch, Body, Drop, FlowRecord, Interface, Packet, PacketBatch, Place, Sink as _, Stop};
use lab::need;

use super::*;
use crate::{cli, plan};

fn folders(home: &Path) -> Folders {
    Folders {
        config: home.join("config"),
        lua: home.join("plugins"),
        extcap: home.join("extcap"),
        told_by: None,
        separates_interfaces: false,
    }
}

fn installation(home: &Path) -> Installation {
    Installation::read(folders(home)).unwrap()
}

fn words(done: &[Done]) -> Vec<&'static str> {
    done.iter().map(|done| done.what).collect()
}

#[test]
fn what_is_installed_is_taken_out_again_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let mut first = installation(home.path());
    assert_eq!(words(&first.status()), ["not there"; 5]);
    assert_eq!(words(&first.install(false).unwrap()), ["installed"; 5]);
    let mut again = installation(home.path());
    assert_eq!(words(&again.install(false).unwrap()), ["is there"; 5]);
    // Wireshark's own memory of the profile, and a friend's script.
    fs::write(again.folders.profile().join("recent"), "x").unwrap();
    fs::write(again.folders.lua.join("friend.lua"), "x").unwrap();
    assert_eq!(words(&again.uninstall(false).unwrap()), ["removed"; 5]);
    assert!(!again.folders.profile().exists() && !again.folders.extcap.exists());
    assert!(again.folders.lua.join("friend.lua").exists());
    assert_eq!(fs::read_dir(&again.folders.config).unwrap().count(), 1, "profiles, and no memory of ours");
}

#[test]
fn what_others_made_or_changed_stays_unless_told() {
    let home = tempfile::tempdir().unwrap();
    let lua = folders(home.path()).lua.join("k8s.lua");
    fs::create_dir_all(lua.parent().unwrap()).unwrap();
    fs::write(&lua, "-- mine").unwrap();
    let done = installation(home.path()).install(false).unwrap();
    assert_eq!(words(&done), ["left alone", "installed", "installed", "installed", "installed"]);
    assert_eq!(words(&installation(home.path()).uninstall(false).unwrap())[0], "left alone");
    assert_eq!(fs::read_to_string(&lua).unwrap(), "-- mine");
    assert_eq!(words(&installation(home.path()).install(true).unwrap())[0], "installed");
    // Changed after it was installed: Wireshark writes preferences anew when somebody moves a column.
    let preferences = folders(home.path()).profile().join("preferences");
    fs::write(&preferences, "gui.column.format: x").unwrap();
    assert_eq!(words(&installation(home.path()).status())[1], "not ours");
    assert_eq!(words(&installation(home.path()).uninstall(false).unwrap())[1], "left alone");
    assert!(preferences.exists());
    assert_eq!(words(&installation(home.path()).uninstall(true).unwrap())[1], "removed");
}

#[test]
fn an_earlier_version_is_replaced_and_its_places_are_remembered() {
    let home = tempfile::tempdir().unwrap();
    installation(home.path()).install(false).unwrap();
    let mut newer = installation(home.path());
    newer.folders.separates_interfaces = true;
    assert_eq!(words(&newer.status())[1], "is old");
    assert_eq!(words(&newer.install(false).unwrap())[1], "installed");
    let moved = Folders { extcap: home.path().join("elsewhere"), ..folders(home.path()) };
    let mut moved = Installation::read(moved).unwrap();
    let done = moved.uninstall(false).unwrap();
    assert_eq!(done.iter().filter(|done| done.what == "removed").count(), 5, "{done:?}");
    assert!(
        fs::read_dir(home.path().join("extcap")).is_err()
            || fs::read_dir(home.path().join("extcap")).unwrap().count() == 0
    );
}

#[test]
fn folders_are_where_wireshark_says() {
    let told = "Temp:\t/tmp\nPersonal configuration:\t/h/.config/wireshark\nPersonal Plugins:\t/h/x\n\
        Personal Lua Plugins:\t/h/lua\nPersonal Extcap path:\t/h/extcap/wireshark\nGlobal Extcap path:\t/usr/x\n";
    let new = folders(Path::new("/default")).told(told);
    let found = [&new.config, &new.lua, &new.extcap].map(|path| path.to_str().unwrap());
    assert_eq!(found, ["/h/.config/wireshark", "/h/lua", "/h/extcap/wireshark"]);
    // 4.0 does not tell of the personal folder of sources, and looks below the configuration.
    let old = folders(Path::new("/default")).told("Personal configuration:\t/h/c\nExtcap path:\t/usr/x\n");
    assert_eq!((old.extcap.as_path(), old.lua.as_path()), (Path::new("/h/c/extcap"), Path::new("/default/plugins")));
}

#[expect(clippy::unnecessary_wraps, reason = "fields of a record may be absent")]
fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

/// A pod's process speaks to another's through a service, as it is seen behind translation.
fn ends() -> FlowRecord {
    FlowRecord {
        src_k8s_type: text("Pod"),
        src_k8s_namespace: text("shop"),
        src_k8s_name: text("web-7d9"),
        src_k8s_owner_type: text("Deployment"),
        src_k8s_owner_name: text("web"),
        src_k8s_host_name: text("n1"),
        dst_k8s_type: text("Pod"),
        dst_k8s_namespace: text("db"),
        dst_k8s_name: text("pg-0"),
        dst_k8s_owner_type: text("StatefulSet"),
        dst_k8s_owner_name: text("pg"),
        dst_k8s_host_name: text("n2"),
        xlat_dst_k8s_name: text("pg"),
        xlat_dst_k8s_namespace: text("db"),
        src_pid: Some(41),
        src_process: text("my app"),
        src_container: text("c1"),
        dst_pid: Some(42),
        dst_process: text("postgres"),
        dst_container: text("c2"),
        ..FlowRecord::default()
    }
}

fn node_to_service() -> FlowRecord {
    FlowRecord {
        src_k8s_type: text("Node"),
        src_k8s_name: text("n3"),
        dst_k8s_type: text("Service"),
        dst_k8s_namespace: text("db"),
        dst_k8s_name: text("pg"),
        ..FlowRecord::default()
    }
}

/// Two packets of the first ends, of which the second was dropped, and one of the second.
fn batch() -> Batch {
    let place = Place {
        namespace: "shop".into(),
        pod: "web-7d9".into(),
        uid: "0a-1".into(),
        interface: "eth0".into(),
        workload: "Deployment/web".into(),
        labels: "app=web,tier=front".into(),
    };
    let interface =
        Interface { id: 1, index: 7, name: "veth1".into(), place: Some(place.into()), ..Interface::default() };
    let packet = |n: u64, ends: u32| Packet {
        time_ns: 1_750_000_000_000_000_000 + n,
        interface: 1,
        len: 60,
        caplen: 60,
        ends,
        ..Packet::default()
    };
    let packets = PacketBatch {
        data: vec![0; 60],
        packets: vec![packet(0, 0), packet(1, 0), packet(2, 1)],
        drops: vec![Drop { packet: 1, cause: "NETFILTER_DROP".into() }],
        ends: vec![ends().into(), node_to_service().into()],
    };
    Batch {
        node: "n1".into(),
        sequence: 1,
        time_ns: 1_750_000_000_000_000_003,
        interfaces: vec![interface],
        body: Body::Packets(packets),
        ..Batch::default()
    }
}

/// A file of them, written as a capture writes it.
fn annotated(dir: &Path) -> std::path::PathBuf {
    let matches = cli::command().try_get_matches_from(["oc-netobserv", "packets", "--local", "-o", "json"]).unwrap();
    let cli::Command::Packets(args) = cli::Cli::from_arg_matches(&matches).unwrap().command else { unreachable!() };
    let around = plan::Surroundings {
        stdout_is_terminal: false,
        stdout_is_file: true,
        can_ask: false,
        ssh: None,
        node: "n1".into(),
        address: None,
        capture_namespace: None,
    };
    let config = plan::packets(&args, &[], &around).unwrap().config;
    let options =
        Options { output_dir: Some(dir.to_owned()), ..Options::local(config.into(), Vec::new(), "0".to_owned()) };
    let Started { mut input, collector, .. } = collector::start(options, Stop::default()).unwrap();
    input.deliver(batch()).unwrap();
    drop(input);
    collector.finish().files[0].path.clone()
}

#[test]
fn the_dissector_reads_what_the_store_writes() {
    let dir = tempfile::tempdir().unwrap();
    let file = annotated(dir.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("wireshark/k8s.lua");
    let tshark = |filter: &str, fields: &[&str]| {
        let mut command = Command::new("tshark");
        command.arg("-X").arg(format!("lua_script:{}", script.display())).arg("-n").arg("-r").arg(&file);
        command.args(["-Y", filter, "-T", "fields", "-E", "separator=|"]);
        command.args(fields.iter().flat_map(|field| ["-e", field]));
        command.env("HOME", dir.path()).output()
    };
    let Ok(output) = tshark("frame", &["frame.number"]) else { return need::skip("needs tshark") };
    assert!(output.status.success(), "{output:?}");
    if !tshark("k8s.pod", &["frame.number"]).unwrap().status.success() {
        // Releases from 4.4 on run no scripts as root.
        return need::skip("this tshark runs no Lua here");
    }
    let lines = |filter: &str, fields: &[&str]| {
        let output = tshark(filter, fields).unwrap();
        assert!(output.status.success(), "{filter}: {output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let both = lines(
        "frame.number == 1",
        &["k8s.src.name", "k8s.src.pod", "k8s.src.ns", "k8s.src.workload", "k8s.src.workload_kind"],
    );
    assert_eq!(both, ["shop/web-7d9|web-7d9|shop|web|Deployment"]);
    let both = lines(
        "frame.number == 1",
        &["k8s.dst.name", "k8s.dst.pod", "k8s.dst.ns", "k8s.dst.workload", "k8s.dst.workload_kind"],
    );
    assert_eq!(both, ["db/pg-0|pg-0|db|pg|StatefulSet"]);
    let process =
        ["k8s.src.process", "k8s.src.pid", "k8s.src.container", "k8s.dst.process", "k8s.dst.pid", "k8s.dst.container"];
    assert_eq!(lines("frame.number == 1", &process), ["my app|41|c1|postgres|42|c2"]);
    let rest = ["k8s.svc", "k8s.dst.svc", "k8s.src.node", "k8s.dst.node", "k8s.drop_reason"];
    assert_eq!(lines("frame.number == 2", &rest), ["db/pg|db/pg|n1|n2|NETFILTER_DROP"]);
    let seen = ["k8s.node", "k8s.ns", "k8s.pod", "k8s.uid", "k8s.workload", "k8s.workload_kind", "k8s.labels"];
    assert_eq!(lines("frame.number == 1", &seen), ["n1|shop|web-7d9|0a-1|web|Deployment|app=web,tier=front"]);
    let service = ["k8s.src.name", "k8s.src.node", "k8s.dst.name", "k8s.dst.kind", "k8s.dst.svc"];
    assert_eq!(lines("frame.number == 3", &service), ["n3|n3|db/pg|Service|db/pg"]);
    for (filter, frames) in [
        ("k8s.dst.workload == \"pg\"", vec!["1", "2"]),
        ("k8s.any.pod == \"web-7d9\" && k8s.any.process == \"postgres\"", vec!["1", "2"]),
        ("k8s.label == \"tier=front\" && k8s.pid == 42", vec!["1", "2"]),
        ("k8s.drop_reason && k8s.dropped", vec!["2"]),
        ("k8s.svc.name == \"pg\" && k8s.src.kind == \"Node\"", vec!["3"]),
        // A key that the store writes and the dissector does not know ends up there.
        ("k8s.other", vec![]),
    ] {
        assert_eq!(lines(filter, &["frame.number"]), frames, "{filter}");
    }
}
