//! `convert`, and what `view` shows of annotated files: the real binary on files made here, looked at by tshark, capinfos and
//! sqlite3 where those are installed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::run::{Ran, command, run};

mod made;

use made::{Capture, ORIGINALS};

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[track_caller]
fn right(dir: &Path, line: &str) -> Ran {
    let ran = run(dir, line);
    assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
    ran
}

/// What a tool prints; `None`, and a line that says so, where it is not installed.
#[expect(clippy::print_stdout, reason = "who counts skips reads them there")]
fn tool(dir: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).current_dir(dir).output() else {
        println!("SKIP convert: {program} is not here");
        return None;
    };
    assert!(output.status.success(), "{program} {arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn annotated(dir: &Path, name: &str) {
    fs::write(dir.join(name), Capture::annotated().bytes()).expect("a file");
}

fn view(dir: &Path, file: &str) -> Vec<serde_json::Value> {
    let lines = right(dir, &format!("view {file} -o json")).stdout;
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn annotations_of_a_file_are_in_lines() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    let lines = view(dir.path(), "a.pcapng");
    assert_eq!(lines.len(), 5);
    let first = &lines[0];
    assert_eq!(first["SrcK8S_Name"], "web-7d9");
    assert_eq!(first["SrcK8S_Namespace"], "shop");
    assert_eq!(first["DstK8S_Name"], "pg-0");
    assert_eq!(lines[1]["PktDropLatestDropCause"], "NETFILTER_DROP");
    let wide = right(dir.path(), "view a.pcapng -o wide").stdout;
    assert!(wide.contains("NETFILTER_DROP") && wide.contains("web-7d9") && wide.contains("pg-0"), "{wide}");
    let named = right(dir.path(), "view a.pcapng -o json --filter src.pod=shop/web-7d9").stdout;
    assert_eq!(named.lines().count(), 4, "{named}");
}

#[test]
fn packets_become_packets_with_all_that_is_known_of_them() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    right(dir.path(), "convert a.pcapng b.pcapng");
    assert_eq!(view(dir.path(), "a.pcapng"), view(dir.path(), "b.pcapng"));
    let fields = "-T fields -e frame.time_epoch -e frame.len -e frame.packet_id -e frame.packet_flags_direction -e frame.comment -e tcp.payload";
    let look =
        |file: &str| tool(dir.path(), "tshark", &[&["-r", file][..], &fields.split(' ').collect::<Vec<_>>()].concat());
    let (Some(before), Some(after)) = (look("a.pcapng"), look("b.pcapng")) else { return };
    assert_eq!(before, after);
    let named = tool(dir.path(), "tshark", &["-r", "b.pcapng", "-Y", "frame.interface_name contains \"shop/web-7d9\""]);
    assert_eq!(named.map(|text| text.lines().count()), Some(3));
    tool(dir.path(), "capinfos", &["-M", "b.pcapng"]);
}

#[test]
fn secrets_stay_unless_they_are_to_go() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    right(dir.path(), "convert a.pcapng kept.pcapng");
    right(dir.path(), "convert a.pcapng stripped.pcapng --strip-secrets");
    let has = |name: &str| {
        let bytes = fs::read(dir.path().join(name)).expect("the file");
        bytes.windows(13).any(|window| window == b"CLIENT_RANDOM")
    };
    assert!(has("kept.pcapng") && !has("stripped.pcapng"));
}

#[test]
fn a_filter_and_a_range_of_time_leave_what_was_asked_for() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    let count = |options: &str| {
        right(dir.path(), &format!("convert a.pcapng part.pcapng --force {options}"));
        view(dir.path(), "part.pcapng").len()
    };
    assert_eq!(count("--filter port=53"), 1);
    assert_eq!(count("--filter src.pod=shop/web-7d9"), 4);
    assert_eq!(count("--from-time 1782123073"), 3);
    assert_eq!(count("--to-time 2026-06-22T10:11:13Z"), 2);
}

#[test]
fn several_files_are_merged_by_time_and_copies_go() {
    let dir = dir();
    fs::write(dir.path().join("even.pcapng"), Capture::at(&[0, 2, 4, 6], "even").bytes()).expect("a file");
    fs::write(dir.path().join("odd.pcapng"), Capture::at(&[1, 3, 4, 7], "odd").bytes()).expect("a file");
    right(dir.path(), "convert even.pcapng odd.pcapng all.pcapng");
    let times = |file: &str| -> Vec<u64> {
        view(dir.path(), file)
            .iter()
            .map(|line| line["Time"].as_f64().expect("a time") as u64 - 1_782_123_072)
            .collect()
    };
    assert_eq!(times("all.pcapng"), [0, 1, 2, 3, 4, 4, 6, 7]);
    let ran = right(dir.path(), "convert even.pcapng odd.pcapng once.pcapng --dedup");
    assert!(ran.stderr.contains("1 copy left out"), "{}", ran.stderr);
    assert_eq!(times("once.pcapng"), [0, 1, 2, 3, 4, 6, 7]);
}

#[test]
fn packets_become_flows_that_count_each_packet_once() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    right(dir.path(), "convert a.pcapng a.json --cache-active-timeout 1m");
    right(dir.path(), "convert a.pcapng a.db --cache-active-timeout 1m");
    let (json, db) = (view(dir.path(), "a.json"), view(dir.path(), "a.db"));
    assert_eq!(json, db);
    let http = json.iter().find(|record| record["DstPort"] == 5432).expect("the flow");
    assert_eq!((&http["SrcK8S_Name"], &http["PktDropPackets"]), (&"web-7d9".into(), &1.into()));
    // Seen at two interfaces, and dropped once.
    assert_eq!((&http["Packets"], &http["Bytes"]), (&1.into(), &Capture::length(0).into()));
    let query = "SELECT COUNT(*), SUM(packets) FROM observation";
    if let Some(found) = tool(dir.path(), "sqlite3", &["a.db", query]) {
        assert_eq!(found.trim(), "2|2");
    }
}

#[test]
fn flows_go_from_json_to_sqlite_and_back_with_every_field() {
    let dir = dir();
    let record = |n: u64| {
        format!(
            r#"{{"TimeFlowStartMs":{0},"TimeFlowEndMs":{0},"Interfaces":["eth0","lo"],"IfDirections":[0,1],"SrcMac":"02:00:00:00:00:01","SrcAddr":"10.0.0.1","SrcPort":{1},"DstAddr":"fd00::2","DstPort":443,"Proto":6,"Bytes":18446744073709551615,"Packets":1,"NetworkEvents":[{{"Feature":"acl","Type":"NetworkPolicy","Namespace":"shop","Name":"deny","Action":"drop","Direction":"Ingress"}}],"SrcK8S_Name":"web \"0\""}}"#,
            1_782_123_072_000 + n,
            n + 1
        )
    };
    let records: Vec<_> = (0..5000).map(record).collect();
    fs::write(dir.path().join("a.json"), format!("[\n{}\n]\n", records.join(",\n"))).expect("a file");
    right(dir.path(), "convert a.json b.db");
    right(dir.path(), "convert b.db c.json");
    let read = |name: &str| fs::read(dir.path().join(name)).expect("the file");
    assert_eq!(read("a.json"), read("c.json"));
    right(dir.path(), "convert b.db d.db --filter src.port<=10");
    assert_eq!(view(dir.path(), "d.db").len(), 10);
}

#[test]
fn streams_go_through() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    let through = |arguments: &[&str], input: &str| {
        let input = fs::File::open(dir.path().join(input)).expect("the file");
        let output = command(dir.path()).args(arguments).stdin(Stdio::from(input)).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let packets = through(&["convert", "-", "-", "--to", "pcapng"], "a.pcapng");
    fs::write(dir.path().join("b.pcapng"), packets).expect("a file");
    assert_eq!(view(dir.path(), "a.pcapng"), view(dir.path(), "b.pcapng"));
    let lines = through(&["convert", "-", "-", "--to", "json"], "a.pcapng");
    assert!(String::from_utf8(lines).expect("text").lines().all(|line| line.starts_with('{') && line.ends_with('}')));
}

#[test]
fn nobody_is_left_in_an_anonymous_file() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    right(dir.path(), "convert a.pcapng named.json");
    right(dir.path(), "convert a.pcapng named.db");
    let outputs = [
        ("a.pcapng", "x.pcapng"),
        ("a.pcapng", "x.json"),
        ("a.pcapng", "x.db"),
        ("named.json", "y.json"),
        ("named.db", "y.db"),
    ];
    for (input, output) in outputs {
        right(dir.path(), &format!("convert {input} {output} --anonymize --anonymize-key correct-horse"));
        let bytes = fs::read(dir.path().join(output)).expect("the file");
        for original in ORIGINALS {
            let found = bytes.windows(original.len()).any(|window| window.eq_ignore_ascii_case(original));
            assert!(!found, "{} in {output}", String::from_utf8_lossy(original));
        }
        for typed in [&b"correct-horse"[..], b"--anonymize"] {
            assert!(!bytes.windows(typed.len()).any(|window| window == typed), "the command line is in {output}");
        }
    }
    // The same key gives the same names in every format, and packets stay as many and as long.
    let (packets, flows) = (view(dir.path(), "x.pcapng"), view(dir.path(), "x.json"));
    assert_eq!(packets.len(), 5);
    assert_eq!(packets[0]["SrcK8S_Name"], flows[0]["SrcK8S_Name"]);
    assert_eq!(packets[0]["SrcAddr"], flows[0]["SrcAddr"]);
    assert!(packets[0]["SrcK8S_Name"].as_str().expect("a name").starts_with("pod-"));
    let wrong = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmpv6.checksum.status == 0 || _ws.malformed";
    let check = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
    if let Some(found) = tool(dir.path(), "tshark", &[&["-r", "x.pcapng", "-Y", wrong][..], &check].concat()) {
        assert_eq!(found, "", "checksums");
    }
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_converted() {
    let dir = dir();
    let bytes = Capture::annotated().bytes();
    fs::write(dir.path().join("torn.pcapng"), &bytes[..bytes.len() - 30]).expect("a file");
    let before = fs::read(dir.path().join("torn.pcapng")).expect("the file");
    let ran = run(dir.path(), "convert torn.pcapng b.pcapng");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("cut short and left out"), "{}", ran.stderr);
    assert_eq!(view(dir.path(), "b.pcapng").len(), 4);
    assert_eq!(fs::read(dir.path().join("torn.pcapng")).expect("the file"), before, "inputs are not changed");
    let mut broken = bytes.clone();
    broken.extend_from_slice(&[0xff; 64]);
    fs::write(dir.path().join("broken.pcapng"), broken).expect("a file");
    let ran = run(dir.path(), "convert broken.pcapng c.pcapng");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("what stands before that is converted"), "{}", ran.stderr);
    assert_eq!(view(dir.path(), "c.pcapng").len(), 5);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_read_that_is_written() {
    let dir = dir();
    annotated(dir.path(), "a.pcapng");
    fs::write(dir.path().join("b.json"), "mine").expect("a file");
    std::os::unix::fs::symlink("a.pcapng", dir.path().join("link.pcapng")).expect("a link");
    fs::hard_link(dir.path().join("a.pcapng"), dir.path().join("hard.pcapng")).expect("a link");
    let before = crate::run::tree(dir.path());
    for (line, says) in [
        ("convert a.pcapng b.json", "b.json exists and is not overwritten"),
        ("convert a.pcapng a.pcapng --force", "a.pcapng is read and cannot be written"),
        ("convert a.pcapng link.pcapng --force", "link.pcapng is read"),
        ("convert a.pcapng hard.pcapng --force", "hard.pcapng is read"),
        ("convert a.pcapng ./ --to json", "./ is no regular file"),
    ] {
        let ran = run(dir.path(), line);
        assert_eq!(ran.code, 2, "{line}\n{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{line}\n{}", ran.stderr);
        assert!(crate::run::tree(dir.path()) == before, "{line} touched something");
    }
    right(dir.path(), "convert a.pcapng b.json --force");
    assert!(view(dir.path(), "b.json").len() > 1);
    let ran = run(dir.path(), "convert b.json flows.pcapng");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("b.json holds flow records, which packets cannot be made of"), "{}", ran.stderr);
    assert!(!dir.path().join("flows.pcapng").exists());
}

#[test]
fn files_and_options_are_completed() {
    let dir = dir();
    let files = right(dir.path(), "__complete convert a.p").stdout;
    assert_eq!(files, ":0\n", "names of files");
    let options = right(dir.path(), "__complete convert --anon").stdout;
    assert!(options.contains("--anonymize\t") && options.contains("--anonymize-key\t"), "{options}");
    let formats = right(dir.path(), "__complete convert --to p").stdout;
    assert!(formats.starts_with("pcapng"), "{formats}");
}
