use clap::FromArgMatches as _;
use flow::config::NamePattern;

use super::*;
use crate::{argv, cli};

fn around() -> Surroundings {
    Surroundings {
        stdout_is_terminal: true,
        stdout_is_file: false,
        can_ask: true,
        ssh: None,
        node: "here".into(),
        address: None,
        capture_namespace: None,
    }
}

fn plan_in(line: &str, around: &Surroundings) -> Result<Plan, Error> {
    let words = argv::normalize(line.split_whitespace().map(str::to_owned).collect(), &cli::command());
    let matches = cli::command().try_get_matches_from([vec!["oc-netobserv".to_owned()], words].concat()).unwrap();
    let groups = cli::groups(matches.subcommand().unwrap().1);
    match cli::Cli::from_arg_matches(&matches).unwrap().command {
        cli::Command::Flows(args) => flows(&args, &groups, around),
        cli::Command::Packets(args) => packets(&args, &groups, around),
        other => panic!("{other:?} is no capture"),
    }
}

fn plan(line: &str) -> Plan {
    plan_in(line, &around()).unwrap()
}

#[test]
fn defaults_are_those_of_the_help() {
    let plan = plan("flows --local");
    let config = &plan.config;
    assert_eq!((config.sampling, config.cache_max_flows), (1, 131_072));
    assert_eq!(config.limits, Limits { time: Some(Duration::from_mins(5)), bytes: Some(50_000_000), packets: None });
    assert_eq!(config.exclude_interfaces, [NamePattern::Exact("lo".to_owned())]);
    assert_eq!((plan.show, plan.output_dir, plan.ask), (Show::Table, Some(PathBuf::from("./output")), false));
    assert_eq!((plan.what.as_str(), plan.notices.as_slice()), ("everything", &[][..]));
}

#[test]
fn what_the_first_posts_of_netobserv_type_works() {
    let first = plan("flows --local --enable_filter=true --protocol=tcp --port=80 --enable_rtt=true");
    assert_eq!(first.config.rules.len(), 1);
    assert_eq!((first.config.features, first.notices), (vec![Feature::Rtt], vec![]));
    let second = plan(
        "flows --local --enable_pktdrop=true --enable_dns=true --enable_rtt=true --enable_filter=true --peer_ip=10.129.0.48",
    );
    assert_eq!(second.config.rules[0].peer, Some("10.129.0.48/32".parse().unwrap()));
    assert_eq!(second.config.features, [Feature::PktDrop, Feature::Dns, Feature::Rtt]);
    assert_eq!(second.config.dns_ports, [53, 5353]);
    let third = plan("packets --local tcp,80");
    assert_eq!((third.config.rules[0].protocol, third.what.as_str()), (Some(6), "protocol tcp, port 80"));
    assert!(third.notices.is_empty());
    assert_eq!(plan("packets --local --protocol=TCP --port=8443").config.mode, Mode::Packets);
}

#[test]
fn zero_is_no_limit() {
    let limits = plan("flows --local --max-time 0 --max_bytes=0 --max-packets 0").config.limits;
    assert_eq!(limits, Limits { time: None, bytes: None, packets: None });
}

#[test]
fn without_a_terminal_there_are_lines_and_no_question() {
    let piped = Surroundings { stdout_is_terminal: false, can_ask: false, ..around() };
    let plan = plan_in("flows --local --copy=prompt", &piped).unwrap();
    assert_eq!((plan.show, plan.ask), (Show::Lines(Format::Json), false));
    assert_eq!(plan.notices, ["--copy=prompt: there is no terminal to ask on; the files stay"]);
}

#[test]
fn pcapng_on_standard_output_needs_a_reader_and_writes_files_only_when_told() {
    let piped = Surroundings { stdout_is_terminal: false, ..around() };
    let dir = |line| plan_in(line, &piped).unwrap().output_dir;
    assert_eq!(dir("packets --local -w -"), None);
    assert_eq!(dir("packets --local -w - --output-dir d"), Some(PathBuf::from("d")));
    assert_eq!(dir("packets --local -w - --copy=true"), Some(PathBuf::from("./output")));
    assert_eq!(dir("packets --local --copy=false"), None);
    assert!(plan_in("packets --local -w -", &around()).unwrap_err().message.starts_with("-w -: "));
}

#[test]
fn the_connection_we_run_in_is_left_out_while_we_write_to_it() {
    let ssh = Some(("10.0.0.1:22".parse().unwrap(), "10.0.0.2:50000".parse().unwrap()));
    let over_ssh = Surroundings { ssh, ..around() };
    let own = |line, around: &Surroundings| plan_in(line, around).unwrap().config.own.len();
    assert_eq!(own("flows --local", &over_ssh), 1);
    assert_eq!(own("flows --local --include-self", &over_ssh), 0);
    assert_eq!(own("flows --local --include_self=false", &over_ssh), 1);
    assert_eq!(own("flows --local", &Surroundings { stdout_is_file: true, ..over_ssh }), 0);
}

#[test]
fn namespaces_by_word_name_and_path() {
    for (typed, expected) in [
        ("all", NetNs::All),
        ("current", NetNs::Current),
        ("blue", NetNs::Path("/run/netns/blue".into())),
        ("/proc/42/ns/net", NetNs::Path("/proc/42/ns/net".into())),
    ] {
        assert_eq!(plan(&format!("flows --local --netns {typed}")).config.netns, expected);
    }
}

#[test]
fn what_only_a_cluster_gives_a_meaning_is_refused_here() {
    for (line, option) in [
        ("flows --local --background", "--background"),
        ("flows --local --node-selector zone=a", "--node-selector"),
        ("packets --local --get-subnets --port 80", "--get-subnets"),
        ("flows --local --yaml", "--yaml"),
        ("flows --local -n web", "--namespace"),
        ("flows --local --context staging", "--context"),
        ("flows --local --as jane", "--as"),
    ] {
        let error = plan_in(line, &around()).unwrap_err();
        let sentence = "is for captures on a cluster, --local captures on this machine; leave one of them out";
        assert_eq!((error.exit_code(), error.message), (2, format!("{option}: {sentence}")), "{line}");
    }
    assert!(plan("flows --local --background=false").notices.is_empty());
    // What is wrong with the values comes first.
    assert!(plan_in("flows --local --background --port 0", &around()).unwrap_err().message.starts_with("--port 0"));
}

#[test]
fn packets_without_a_filter_says_so_and_goes_on() {
    assert!(plan("packets --local").notices[0].starts_with("without a filter every packet is taken"));
    assert!(plan("packets --local --port 80").notices.is_empty());
}
