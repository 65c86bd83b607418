//! Wrong inputs: one clear sentence each, the right exit code, nothing created.

use std::{fs, path::Path};

use crate::run::{run, tree};

/// What is typed, and what the sentence must say.
const USAGE: &[(&str, &str)] = &[
    // Ports
    ("flows --local --port 0", "--port 0: not a port; a port is a number from 1 to 65535"),
    ("flows --local --port 70000", "--port 70000: not a port; a port is a number from 1 to 65535"),
    ("flows --local --port=http", "--port http: not a port"),
    ("flows --local --port=-80", "--port -80: not a port range"),
    ("packets --local --sport 65536", "--sport 65536: not a port"),
    ("packets --local dport=x", "--dport x: not a port"),
    ("packets --local tcp,99999", "--port 99999: not a port"),
    ("flows --local --port=", "--port \"\": not a port"),
    // Ranges and lists
    ("flows --local --port_range=90-80", "--port-range 90-80: not a port range"),
    ("flows --local --sport-range 0-80", "--sport-range 0-80: not a port range"),
    ("flows --local --dport-range 80", "--dport-range 80: not a port range"),
    ("flows --local --ports 80,443,8080", "--ports 80,443,8080: not a list of ports; at most two"),
    ("flows --local --dports 80,", "--dports 80,: not a port"),
    // Addresses
    ("flows --local --cidr 10.0.0.0/33", "--cidr 10.0.0.0/33: not a network"),
    ("flows --local --cidr 10.0.0.0", "--cidr 10.0.0.0: not a network"),
    ("flows --local --peer_cidr=fd00::/129", "--peer-cidr fd00::/129: not a network"),
    ("flows --local --peer_ip=10.0.0.256", "--peer-ip 10.0.0.256: not an IP address"),
    ("flows --local --peer-ip 10.0.0.0/8", "--peer-ip 10.0.0.0/8: not an IP address"),
    // Names of the rules
    ("flows --local --protocol tpc", "--protocol tpc: not a protocol; allowed are TCP, UDP, SCTP, ICMP, ICMPv6"),
    ("flows --local --protocol 256", "--protocol 256: not a protocol"),
    ("flows --local --direction up", "--direction up: not a direction; allowed are Ingress and Egress"),
    ("flows --local --tcp-flags SYNACK", "--tcp-flags SYNACK: not a TCP flag"),
    ("flows --local --icmp-type 300", "--icmp-type 300: not an ICMP type or code"),
    ("flows --local --icmp_code=echo", "--icmp-code echo: not an ICMP type or code"),
    ("flows --local --action drop", "--action drop: not an action; allowed are Accept and Reject"),
    // What cannot be together
    ("flows --local --protocol ICMP --port 80", "--protocol ICMP: has no ports"),
    ("flows --local --protocol UDP --tcp-flags SYN", "--tcp-flags: goes with --protocol TCP, not with UDP"),
    ("flows --local --protocol TCP --icmp-type 8", "go with --protocol ICMP or ICMPv6, not with TCP"),
    ("flows --local --cidr 10.0.0.0/8 --peer-ip fd00::1", "one is IPv4 and the other IPv6"),
    ("flows --local --port 80 --ports 1,2", "--ports 1,2: this rule already has --port"),
    ("flows --local --action Reject", "--action Reject: without a condition it leaves out every packet"),
    // The word `or`
    ("flows --local --port 80 or", "or: joins two rules, but there is no filter option after it"),
    ("flows or --local --port 80", "or: joins two rules, but there is no filter option before it"),
    ("flows --local nonsense", "'nonsense'"),
    // Durations
    ("flows --local --max-time 5x", "'5x' for '--max-time <TIME>': not a duration; a duration is like"),
    ("flows --local --max-time=-5m", "'-5m' for '--max-time <TIME>': not a duration"),
    ("flows --local --cache-active-timeout 10ms", "allowed are 100ms to 1h"),
    ("flows --local --cache_active_timeout=soon", "'soon' for '--cache-active-timeout <TIME>': not a duration"),
    // Sizes and numbers
    ("flows --local --max-bytes 50XB", "'50XB' for '--max-bytes <SIZE>': not a size; a size is a number of bytes"),
    ("packets --local --buffer-size 1k", "'1k' for '--buffer-size <SIZE>': allowed are 1MiB to 1GiB"),
    ("packets --local --snaplen 1", "'1' for '--snaplen <BYTES>': allowed are 16 to 262144 bytes"),
    ("packets --local --snaplen=all", "'all' for '--snaplen <BYTES>'"),
    ("flows --local --max-packets many", "'many' for '--max-packets <N>'"),
    ("flows --local --sampling 0", "0 is not in 1..=4294967295"),
    ("flows --local --cache-max-flows 1", "1 is not in 64..=16777216"),
    // Choices
    ("flows --local --copy=perhaps", "'perhaps' for '--copy[=<BOOL>]'"),
    (
        "flows --local -o yaml",
        "-o yaml: goes with --dry-run=client on a cluster; with --local allowed are json and wide",
    ),
    ("view a.db -o yaml", "'yaml' for '--output <FORMAT>'"),
    ("flows --local --tc-attach xdp", "'xdp' for '--tc-attach <HOW>'"),
    ("flows --local --enable_rtt=maybe", "'maybe' for '--enable-rtt"),
    ("flows --local --color sometimes", "'sometimes' for '--color <WHEN>'"),
    ("flows --local --log-level loud", "'loud' for '--log-level <LEVEL>'"),
    ("packets --local -w file.pcapng", "'file.pcapng' for '--write <->'"),
    ("packets --local -w - -o json", "cannot be used with"),
    // Interfaces and namespaces
    ("flows --local --interfaces an_interface_name_too_long", "not an interface name; a name has 1 to 15 bytes"),
    ("flows --local --interfaces eth0,,eth1", "--interfaces \"\": not an interface name"),
    ("flows --local --exclude-interfaces /(/", "--exclude-interfaces /(/: not a regular expression: unclosed group"),
    ("flows --local --interfaces /eth", "a regular expression stands between two slashes"),
    ("flows --local --netns \"\"", "--netns \"\": allowed are"),
    // On a cluster
    ("flows --node-selector zone=a=b", "--node-selector zone=a=b: not a label's value"),
    (
        "flows --capture-namespace Mine",
        "--capture-namespace Mine: not a namespace; a name has 1 to 63 of a-z, 0-9 and -",
    ),
    ("flows --image \"\"", "--image \"\": not an image"),
    ("flows --lease 5s", "--lease 5s: allowed are 10s to 168h"),
    ("flows --keep soon", "'soon' for '--keep <TIME>': not a duration"),
    ("flows --subnet-label office", "--subnet-label: "),
    ("flows --netns blue", "--netns blue: names and paths are for --local; on a cluster allowed are all and current"),
    ("flows --background --stream-home", "--stream-home: needs this command to stay, --background lets it return"),
    ("flows -o yaml", "-o yaml: goes with --dry-run=client"),
    ("flows --dry-run=server", "--dry-run=server: allowed is client"),
    ("cleanup k3v9a2bx --all", "cannot be used with"),
    ("stop one two", "unexpected argument 'two'"),
    ("attach -o json", "unexpected argument '-o'"),
    ("attach", "attach: needs a terminal"),
    // What a cluster gives its meaning
    ("flows --local --background", "--background: is for captures on a cluster, --local captures on this machine"),
    ("packets --local --yaml", "--yaml: is for captures on a cluster"),
    ("flows --local --context staging", "--context: is for captures on a cluster"),
    // Unknown
    ("flows --local --prot tcp", "unexpected argument '--prot'"),
    ("flows --local prots=1,2", "unexpected argument '--prots'"),
    ("flowz", "unrecognized subcommand 'flowz'"),
    ("packets --local --cache-max-flows 100", "unexpected argument '--cache-max-flows'"),
    ("completion tcsh", "'tcsh' for '<SHELL>'"),
    ("view", "required arguments were not provided"),
    // Converting
    ("convert", "required arguments were not provided"),
    ("convert a.db", "2 values required"),
    ("convert a.db b.txt", "b.txt: its extension does not say what to write; known are .pcapng, .json and .db"),
    ("convert a.pcapng b.pcap", "b.pcap: pcap is read, not written"),
    ("convert a.db -", "-: what is to be written does not show"),
    ("convert a.json - --to db", "a database cannot be written to standard output"),
    ("convert - - b.json", "-: standard input can be read once only"),
    ("convert a.db b.json --to yaml", "'yaml' for '--to <FORMAT>'"),
    ("convert a.db b.json --from-time noon", "'noon' for '--from-time <TIME>': not a time; a time is like"),
    ("convert a.db b.json --from-time 20 --to-time 10", "--to-time: is not after --from-time"),
    ("convert a.db b.json --cache-active-timeout 1ms", "allowed are 100ms to 1h"),
    ("convert a.db b.json --anonymize-key k", "required arguments were not provided"),
    ("convert a.db b.json --keep-payload", "required arguments were not provided"),
    ("convert a.db b.json --anonymize --anonymize-key \"\"", "--anonymize-key \"\": is empty"),
    ("convert a.db b.json --filter \"\"", "--filter \"\": is empty"),
    ("convert a.db b.json --filter port=", "--filter: "),
    ("view a.db --port 0", "--port 0: not a port"),
];

/// The same for what is right in itself but does not work.
const FAILED: &[(&str, &str)] = &[
    ("metrics --enable_dns", "metrics: not built yet"),
    // Without a cluster
    ("flows", "no kubeconfig: $KUBECONFIG is not set and there is no ~/.kube/config"),
    ("packets --local=false", "no kubeconfig: "),
    ("follow", "no kubeconfig: "),
    ("stop", "no kubeconfig: "),
    ("copy", "no kubeconfig: "),
    ("cleanup", "no kubeconfig: "),
    ("flows --kubeconfig missing", "kubeconfig missing: No such file"),
    ("flows --kubeconfig file.txt", "kubeconfig file.txt: "),
    ("flows --kubeconfig kubeconfig --context staging", "context staging: not in the kubeconfig"),
    ("flows --kubeconfig kubeconfig --cluster there", "cluster there: not in the kubeconfig"),
    ("flows --kubeconfig kubeconfig --user jane", "user jane: not in the kubeconfig"),
    ("flows --kubeconfig kubeconfig", "https://127.0.0.1:1 refuses the connection: nothing listens there"),
    ("cleanup --kubeconfig kubeconfig", "https://127.0.0.1:1 refuses the connection"),
    ("flows --kubeconfig kubeconfig --proxy-url http://127.0.0.1:1", "the proxy http://127.0.0.1:1 refuses"),
    ("flows --server https://name.invalid", "the name of https://name.invalid cannot be resolved"),
    ("flows --local --output-dir file.txt", "--output-dir file.txt: file.txt is not a directory"),
    ("flows --local --output-dir file.txt/below", "--output-dir file.txt/below: file.txt is not a directory"),
    ("packets --local --output-dir /dev/null/x", "--output-dir /dev/null/x: /dev/null is not a directory"),
    ("view missing.db", "cannot read missing.db"),
    ("convert missing.db b.json", "cannot read missing.db"),
    ("convert file.txt b.json", "file.txt is not a capture"),
    ("convert torn.db b.json", "torn.db"),
    ("convert wrong.json /nowhere/b.json", "cannot write /nowhere/b.json"),
    ("view .", "."),
    ("view file.txt", "file.txt is not a capture"),
    ("view empty.json", "empty.json"),
    ("view torn.db", "torn.db"),
    ("view noise.pcapng", "noise.pcapng"),
    ("view wrong.json -o wide", "wrong.json"),
];

/// A cluster that nobody runs.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]
users: [{name: me, user: {token: secret}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
";

fn damaged(dir: &Path) {
    let write = |name: &str, content: &[u8]| fs::write(dir.join(name), content).expect("a file can be written");
    write("file.txt", b"this is no capture\n");
    write("empty.json", b"");
    // The first half of a SQLite header, then nothing.
    write("torn.db", &b"SQLite format 3\0\x10\0\x02"[..]);
    // A section header block that claims to be 4 GB long.
    write("noise.pcapng", &[0x0a, 0x0d, 0x0d, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
    write("kubeconfig", KUBECONFIG.as_bytes());
    write("wrong.json", br#"[1, "two"]"#);
}

#[track_caller]
fn check(line: &str, code: i32, says: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    damaged(dir.path());
    let before = tree(dir.path());
    let ran = run(dir.path(), line);
    assert_eq!(ran.code, code, "{line}\n{}", ran.stderr);
    let errors: Vec<_> = ran.stderr.lines().filter(|text| text.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{line}: one sentence\n{}", ran.stderr);
    assert!(ran.stderr.contains(says), "{line}: says {says}\n{}", ran.stderr);
    assert_eq!(ran.stdout, "", "{line}: nothing on standard output");
    assert!(tree(dir.path()) == before, "{line}: nothing is created or changed");
}

#[test]
fn wrong_usage_ends_with_2_and_one_sentence_and_touches_nothing() {
    for (line, says) in USAGE {
        check(line, 2, says);
    }
}

#[test]
fn what_cannot_work_ends_with_1_and_one_sentence_and_touches_nothing() {
    for (line, says) in FAILED {
        check(line, 1, says);
    }
}

#[test]
fn an_unknown_interface_or_namespace_is_an_error_before_anything_is_touched() {
    // With rights the names are the error, without them the rights are.
    check("flows --local --interfaces nosuch0", 1, "error: ");
    check("flows --local --netns nosuch", 1, "error: ");
    check("packets --local --netns /etc/passwd --port 1", 1, "error: ");
}
