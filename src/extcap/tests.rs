use super::{
    call::{Call, Wanted},
    capture,
    interfaces::Source,
    options,
    values::Values,
    *,
};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn call(line: &str) -> Call {
    Call::parse(&words(line)).unwrap()
}

#[test]
fn wireshark_is_known_by_its_words() {
    assert!(asked(&words("/x/extcap/oc-netobserv --extcap-interfaces --extcap-version=4.0")).is_some());
    assert!(asked(&words("oc-netobserv --capture --extcap-interface kube-a --fifo /f")).is_some());
    assert_eq!(asked(&words("oc-netobserv packets --local")), None);
    assert_eq!(asked(&words("oc-netobserv")), None);
}

#[test]
fn every_question_is_understood() {
    assert_eq!(call("--extcap-interfaces --extcap-version=4.0").wanted, Wanted::Interfaces);
    assert_eq!(call("--extcap-version=4.0").wanted, Wanted::Version);
    assert_eq!(call("--extcap-dlts --extcap-interface kube-a").wanted, Wanted::LinkTypes);
    assert_eq!(call("--extcap-config --extcap-interface kube-a").wanted, Wanted::Config);
    let reload = call("--extcap-config --extcap-interface kube-a --extcap-reload-option pod --namespace-of shop");
    assert_eq!(reload.wanted, Wanted::Reload("pod".to_owned()));
    assert_eq!(reload.values("--namespace-of").collect::<Vec<_>>(), ["shop"]);
    let check = call("--extcap-interface kube-a --extcap-capture-filter tcp");
    assert_eq!(check.wanted, Wanted::Check("tcp".to_owned()));
    let capture =
        call("--capture --extcap-interface kube-a --fifo /f --extcap-capture-filter=tcp --dedup --snaplen 96");
    assert_eq!((capture.wanted, capture.interface.as_deref()), (Wanted::Capture { fifo: "/f".into() }, Some("kube-a")));
    for wrong in [
        "--capture --extcap-interface kube-a",
        "--extcap-dlts --extcap-interface",
        "--extcap-interfaces --kubeconfig=x",
    ] {
        assert!(Call::parse(&words(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn the_dialog_becomes_our_command_line() {
    let source = Source::Cluster("staging".to_owned());
    let call = Call::parse(
        &[
            "--capture",
            "--extcap-interface",
            "kube-staging",
            "--fifo",
            "/f",
            "--pod",
            "shop/web-0",
            "--image",
            "",
            "--dedup",
        ]
        .into_iter()
        .chain(["--extcap-capture-filter", "tcp port 80"])
        .map(str::to_owned)
        .collect::<Vec<_>>(),
    )
    .unwrap();
    let expected =
        ["packets", "--write=-", "--color=never", "--context=staging", "--max-time=0", "--pod=shop/web-0", "--dedup"];
    let made = capture::words(&source, &call).unwrap();
    assert_eq!(made[..expected.len()], expected);
    assert_eq!(made[expected.len()..], ["--filter=tcp port 80"]);
    let wrong = Call { filter: Some("port 80 and (".to_owned()), ..call };
    assert!(capture::words(&source, &wrong).unwrap_err().message.starts_with("capture filter: "));
}

#[test]
fn every_offered_option_is_one_of_packets() {
    let command = crate::cli::command();
    let packets = command.find_subcommand("packets").unwrap();
    let config = options::config(&Source::Cluster("a".to_owned()), &Values::default());
    let calls: Vec<_> = config.lines().filter_map(|line| line.split("{call=--").nth(1)?.split('}').next()).collect();
    assert!(calls.len() > 10, "{config}");
    for call in calls {
        assert!(packets.get_arguments().any(|arg| arg.get_long() == Some(call)), "{call}");
    }
    let local = options::config(&Source::Local, &Values::default());
    assert!(!local.contains("--pod}") && local.contains("--filter}"), "{local}");
}

#[test]
fn lists_of_the_cluster_are_values_of_their_option() {
    let values = Values { pods: vec!["shop/web-0".to_owned(), "a}b".to_owned()], ..Values::default() };
    let reloaded = options::reload("--pod", &values);
    assert!(reloaded.contains("{value=shop/web-0}{display=shop/web-0}"), "{reloaded}");
    assert_eq!(reloaded.lines().count(), 2, "a name that cannot be said is left out: {reloaded}");
    assert_eq!(options::reload("pod", &values), reloaded);
    assert_eq!(options::reload("--filter", &values), "");
}

#[test]
fn any_context_has_a_name_that_a_pipe_can_have() {
    let name = Source::Cluster("default/api-crc:6443/kube admin".to_owned()).name();
    assert_eq!(name, "kube-default+2fapi-crc+3a6443+2fkube+20admin");
    assert!(Source::of("kube-there-is-none").is_err());
}

#[test]
fn a_failure_is_one_sentence() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let said = lines("note: careful\nerror: no cluster\nhint: kubectl config view");
    assert_eq!(capture::failure(&said, Some(1)), "no cluster (kubectl config view)");
    assert_eq!(capture::failure(&lines("captured 1\nnote: left: namespace x"), Some(3)), "left: namespace x");
    assert_eq!(capture::failure(&[], None), "the capture ended, and did not say why");
}
