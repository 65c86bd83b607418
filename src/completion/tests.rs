use super::{
    words::{Kind, wanted},
    *,
};

fn typed(line: &str) -> Vec<String> {
    // A space at the end is an empty word, as shells hand it over.
    line.split(' ').map(str::to_owned).collect()
}

fn words_for(line: &str) -> Vec<String> {
    match wanted(&typed(line)) {
        Wanted::Words(candidates) => candidates.into_iter().map(|candidate| candidate.word).collect(),
        other => panic!("{line}: {other:?}"),
    }
}

fn live(kind: Kind, prefix: &str, before: &str) -> Wanted {
    Wanted::Live { kind, prefix: prefix.to_owned(), before: before.to_owned() }
}

#[test]
fn commands_come_first() {
    assert_eq!(words_for("p"), ["packets"]);
    assert!(words_for("").contains(&"cleanup".to_owned()));
    assert!(!words_for("").contains(&"pod".to_owned()), "what is hidden stays hidden");
}

#[test]
fn options_of_the_command_in_either_spelling() {
    assert_eq!(words_for("flows --node"), ["--node", "--node-selector"]);
    assert_eq!(words_for("flows --cache_max"), ["--cache-max-flows"]);
    assert_eq!(words_for("packets --port 80 --snap"), ["--snaplen"]);
    assert_eq!(words_for("attach --log"), ["--log-level"]);
    assert!(words_for("view --node").is_empty());
}

#[test]
fn values_after_a_space_or_an_equals_sign() {
    assert_eq!(words_for("flows -o "), ["json", "wide", "yaml"]);
    assert_eq!(words_for("flows --output=w"), ["--output=wide"]);
    assert_eq!(words_for("flows --protocol i"), ["ICMP", "ICMPv6"]);
    assert_eq!(words_for("completion "), ["bash", "zsh", "fish", "kubectl"]);
    assert_eq!(words_for("flows --port 80 o"), ["or"]);
}

#[test]
fn what_only_the_cluster_knows_is_asked_there() {
    assert_eq!(wanted(&typed("flows -n we")), live(Kind::Namespaces, "we", ""));
    assert_eq!(wanted(&typed("flows --namespace=we")), live(Kind::Namespaces, "we", "--namespace="));
    assert_eq!(wanted(&typed("flows --node-selector ")), live(Kind::Nodes, "", ""));
    assert_eq!(wanted(&typed("attach ")), live(Kind::Captures, "", ""));
    assert_eq!(wanted(&typed("cleanup --yes k3")), live(Kind::Captures, "k3", ""));
    assert_eq!(wanted(&typed("stop --context st")), live(Kind::Contexts, "st", ""));
}

#[test]
fn files_where_files_are_meant() {
    assert_eq!(wanted(&typed("view out")), Wanted::Files);
    assert_eq!(wanted(&typed("flows --kubeconfig ")), Wanted::Files);
}

#[test]
fn it_is_asked_by_name_or_by_word() {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let asked_for = |list: &[&str]| asked(&words(list)).map(<[String]>::to_vec);
    assert_eq!(asked_for(&["/usr/bin/kubectl_complete-netobserv", "fl"]), Some(words(&["fl"])));
    assert_eq!(asked_for(&["oc_complete-netobserv"]), Some(Vec::new()));
    assert_eq!(asked_for(&["kubectl-netobserv", "__complete", ""]), Some(words(&[""])));
    assert_eq!(asked_for(&["kubectl-netobserv", "flows"]), None);
}

#[test]
fn the_answer_ends_with_the_directive() {
    let candidates = [Candidate { word: "flows".to_owned(), help: "Capture flows".to_owned() }];
    assert_eq!(text(&candidates, NO_FILES), "flows\tCapture flows\n:4\n");
}
