use std::path::PathBuf;

use clap::FromArgMatches as _;
use flow::config::NetNs;

use super::*;
use crate::{argv, cli};

fn around() -> Surroundings {
    Surroundings {
        stdout_is_terminal: true,
        stdout_is_file: false,
        can_ask: true,
        ssh: Some(("10.0.0.1:22".parse().unwrap(), "10.0.0.2:50000".parse().unwrap())),
        node: "laptop".into(),
        address: Some("192.0.2.1".parse().unwrap()),
        capture_namespace: None,
    }
}

fn request_in(line: &str, around: &Surroundings) -> Result<Request, Error> {
    let words = argv::normalize(line.split_whitespace().map(str::to_owned).collect(), &cli::command());
    let matches = cli::command().try_get_matches_from([vec!["oc-netobserv".to_owned()], words].concat()).unwrap();
    let groups = cli::groups(matches.subcommand().unwrap().1);
    match cli::Cli::from_arg_matches(&matches).unwrap().command {
        cli::Command::Flows(args) => flows(&args, &groups, around),
        cli::Command::Packets(args) => packets(&args, &groups, around),
        other => panic!("{other:?} is no capture"),
    }
}

/// What the command line asks of a cluster, on a terminal.
pub(crate) fn request(line: &str) -> Request {
    request_in(line, &around()).unwrap()
}

fn refusal(line: &str) -> String {
    let error = request_in(line, &around()).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}");
    error.message
}

#[test]
fn defaults_are_those_of_the_help() {
    let request = request("flows");
    assert_eq!((request.lease, request.keep), (Duration::from_mins(2), Duration::from_mins(10)));
    assert_eq!((request.namespace, request.image), (None, None));
    assert_eq!((request.background, request.stream_home, request.dry_run), (false, false, false));
    assert!(request.nodes.selects_all());
    // Files come home.
    assert_eq!(request.plan.output_dir, Some(PathBuf::from("./output")));
}

#[test]
fn an_agent_looks_at_its_own_namespace_and_has_room_for_rules_to_come() {
    let config = request("flows").plan.config;
    assert_eq!((config.netns, config.spare_rules), (NetNs::Current, 64));
    // Nothing of the machine that the command runs on.
    assert_eq!((&*config.node, config.agent_ip, config.own.len()), ("", None, 0));
    assert_eq!(request("flows --netns all").plan.config.netns, NetNs::All);
    assert!(refusal("flows --netns blue").starts_with("--netns blue: names and paths are for --local"));
}

#[test]
fn files_are_written_here_as_it_runs_where_somebody_reads_along() {
    let piped = Surroundings { stdout_is_terminal: false, ..around() };
    let stream_home = |line, around: &Surroundings| request_in(line, around).unwrap().stream_home;
    assert!(stream_home("flows", &piped));
    assert!(stream_home("flows -o wide", &around()));
    assert!(stream_home("packets --port 80 -w -", &piped));
    assert!(stream_home("flows --stream-home", &around()));
    assert!(!stream_home("flows --stream-home=false", &piped));
    assert!(!stream_home("flows --background", &piped));
}

#[test]
fn a_capture_in_the_background_has_nobody_to_write_to() {
    for line in ["flows --background --stream-home", "flows --background -o json"] {
        assert!(refusal(line).contains("--background lets it return"), "{line}");
    }
}

#[test]
fn the_namespace_comes_from_the_option_else_from_the_environment() {
    let environment = Surroundings { capture_namespace: Some("from-env".to_owned()), ..around() };
    let namespace = |line| request_in(line, &environment).unwrap().namespace;
    assert_eq!(namespace("flows").as_deref(), Some("from-env"));
    assert_eq!(namespace("flows --capture-namespace mine").as_deref(), Some("mine"));
    for name in ["Mine", "-mine", "mine-", "my_ns", "a.b", &"x".repeat(64)] {
        let message = refusal(&format!("flows --capture-namespace={name}"));
        assert!(message.starts_with(&format!("--capture-namespace {name}: not a namespace")), "{message}");
    }
    let wrong = Surroundings { capture_namespace: Some("Not One".to_owned()), ..around() };
    assert!(request_in("flows", &wrong).unwrap_err().message.starts_with("NETOBSERV_NAMESPACE Not One: "));
}

#[test]
fn wrong_values_are_named_with_what_is_allowed() {
    for (line, message) in [
        ("flows --lease 5s", "--lease 5s: allowed are 10s to 168h"),
        ("flows --keep 200h", "--keep 720000s: allowed are 0ns to 168h"),
        ("flows --timeout 0", "--timeout 0ns: allowed are 1s to 168h"),
        ("flows --image a*b", "--image a*b: not an image"),
        ("flows --node-selector zone=a=b", "--node-selector zone=a=b: not a label's value"),
        ("flows --subnet-label office", "--subnet-label"),
        ("flows --dry-run=server", "--dry-run=server: allowed is client"),
        ("flows --dry-run=client -o json", "--dry-run=client: prints YAML"),
        ("flows -o yaml", "-o yaml: goes with --dry-run=client"),
    ] {
        let said = refusal(line);
        assert!(said.starts_with(message), "{line}: {said}");
    }
}

#[test]
fn a_dry_run_has_two_spellings() {
    for line in ["flows --yaml", "flows --dry-run=client", "flows --dry-run -o yaml", "packets --yaml -o yaml"] {
        assert!(request(line).dry_run, "{line}");
    }
    assert!(!request("flows --dry-run=none").dry_run);
}

#[test]
fn keys_are_taken_of_selected_pods_only() {
    let owners = |line: &str| request(line).plan.config.key_owners;
    let of_pod = request("packets --pod shop/web-0 --enable-tls-keys").plan;
    assert!(of_pod.config.tls_keys && of_pod.notices.iter().any(|notice| notice.contains("keys of TLS")));
    assert_eq!(of_pod.config.key_owners.sets, Some(vec![0]));
    // Peers are somebody else's.
    let with_peer =
        request("packets --pod shop/web-0 --peer-pod db/pg-0 --enable-tls-keys --tls-keys-process nginx").plan;
    let sets = with_peer.config.key_owners.sets.clone().unwrap();
    let [set] = &*sets else { panic!("{sets:?}") };
    let SetSource::Object(object) = &with_peer.sets[usize::from(*set)] else { panic!("{:?}", with_peer.sets) };
    assert!(object.name.contains("web-0"), "{object:?}");
    assert_eq!(owners("packets --workload shop/deploy/web --enable-tls-keys").sets, Some(vec![0]));
    for line in [
        "packets --enable-tls-keys",
        "packets --node worker-1 --enable-tls-keys",
        "packets --peer-pod a/b --enable-tls-keys",
    ] {
        assert!(refusal(line).contains("pods that are selected"), "{line}");
    }
    assert!(refusal("packets --pod shop/web-0 --enable-tls-keys --tls-keys-process 42").contains("name the process"));
    let stripped = request("packets --enable-tls-keys --strip-secrets").plan;
    assert!(!stripped.config.tls_keys && stripped.config.key_owners.sets.is_none());
}

#[test]
fn a_key_log_stays_at_home() {
    let request = request("packets --tls-keylog keys --port 443");
    assert!(request.stream_home && request.plan.config.files.keylog);
    assert_eq!(request.plan.keylog, Some(PathBuf::from("keys")));
    assert!(refusal("packets --tls-keylog keys --background").contains("--tls-keylog"));
    assert!(refusal("packets --tls-keylog keys --stream-home=false").contains("never go to the cluster"));
    assert!(refusal("packets --tls-keylog keys --strip-secrets").contains("leave one of them out"));
}
