//! What can come next, by the parser's own table. Pure: whatever only the cluster knows is said to be wanted.

use clap::{Arg, Command};

use crate::{argv, cli};

/// A word, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) word: String,
    pub(super) help: String,
}

/// What the cluster or a kubeconfig is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Namespaces,
    /// As a node selector.
    Nodes,
    NodeNames,
    /// `namespace/name`.
    Pods,
    /// `namespace/name`.
    Services,
    Captures,
    Contexts,
    Clusters,
    Users,
}

/// What to offer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// These.
    Words(Vec<Candidate>),
    /// What the cluster has of a kind, beginning with `prefix`; `before` stands before each, as `--namespace=`.
    Live { kind: Kind, prefix: String, before: String },
    /// Names of files.
    Files,
}

/// What can stand where the last of the typed words is.
pub(super) fn wanted(typed: &[String]) -> Wanted {
    let Some((last, before)) = typed.split_last() else { return commands("") };
    let root = cli::command();
    let Some(command) = before.iter().find_map(|word| root.find_subcommand(word)) else {
        return if last.starts_with('-') { options(&root, last) } else { commands(last) };
    };
    if let Some(arg) = before.last().and_then(|word| takes_next(command, &root, word)) {
        return values(arg, last, "");
    }
    match last.split_once('=') {
        Some((key, value)) if last.starts_with('-') => match find(command, &root, key) {
            Some(arg) => values(arg, value, &format!("{key}=")),
            None => Wanted::Words(Vec::new()),
        },
        _ if last.starts_with('-') => options(command, last),
        _ => positional(command, last),
    }
}

fn commands(prefix: &str) -> Wanted {
    let root = cli::command();
    let visible = root.get_subcommands().filter(|command| !command.is_hide_set());
    let fitting = visible.filter(|command| command.get_name().starts_with(prefix));
    let candidate = |command: &Command| Candidate {
        word: command.get_name().to_owned(),
        help: command.get_about().map(ToString::to_string).unwrap_or_default(),
    };
    Wanted::Words(fitting.map(candidate).collect())
}

/// Options that show in help, and those of every command.
fn options(command: &Command, prefix: &str) -> Wanted {
    let root = cli::command();
    let global = root.get_arguments().filter(|arg| arg.is_global_set());
    let mut candidates: Vec<Candidate> = command
        .get_arguments()
        .chain(global)
        .filter(|arg| !arg.is_hide_set())
        .filter_map(|arg| {
            let word = format!("--{}", arg.get_long()?);
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            word.starts_with(&prefix.replace('_', "-")).then_some(Candidate { word, help })
        })
        .collect();
    candidates.sort_by(|a, b| a.word.cmp(&b.word));
    candidates.dedup_by(|a, b| a.word == b.word);
    Wanted::Words(candidates)
}

fn find<'a>(command: &'a Command, root: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut args = command.get_arguments().chain(root.get_arguments().filter(|arg| arg.is_global_set()));
    if let Some(long) = word.strip_prefix("--") {
        let long = long.replace('_', "-");
        return args.find(|arg| arg.get_long() == Some(&long));
    }
    let letter = word.strip_prefix('-').filter(|rest| rest.chars().count() == 1)?.chars().next();
    args.find(|arg| arg.get_short() == letter)
}

/// The option whose value the next word is.
fn takes_next<'a>(command: &'a Command, root: &'a Command, word: &str) -> Option<&'a Arg> {
    if word.contains('=') || !word.starts_with('-') {
        return None;
    }
    find(command, root, word).filter(|arg| argv::takes(arg).min_values() > 0)
}

fn values(arg: &Arg, prefix: &str, before: &str) -> Wanted {
    let live = |kind| Wanted::Live { kind, prefix: prefix.to_owned(), before: before.to_owned() };
    match arg.get_id().as_str() {
        "namespace" | "namespace_of" | "peer_namespace_of" => live(Kind::Namespaces),
        "node" | "peer_node" => live(Kind::NodeNames),
        "pod" | "peer_pod" => live(Kind::Pods),
        "service" | "peer_service" => live(Kind::Services),
        "node_selector" => live(Kind::Nodes),
        "context" => live(Kind::Contexts),
        "cluster" => live(Kind::Clusters),
        "user" => live(Kind::Users),
        "kubeconfig"
        | "output_dir"
        | "anonymize_key"
        | "certificate_authority"
        | "client_certificate"
        | "client_key" => Wanted::Files,
        "protocol" => fixed(["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"], prefix, before),
        "direction" => fixed(["Ingress", "Egress"], prefix, before),
        "action" => fixed(["Accept", "Reject"], prefix, before),
        _ => {
            let values = arg.get_possible_values();
            let visible = values.iter().filter(|value| !value.is_hide_set());
            let fitting = visible.filter(|value| value.get_name().starts_with(prefix));
            let candidate = |value: &clap::builder::PossibleValue| Candidate {
                word: format!("{before}{}", value.get_name()),
                help: value.get_help().map(ToString::to_string).unwrap_or_default(),
            };
            Wanted::Words(fitting.map(candidate).collect())
        }
    }
}

fn fixed<const N: usize>(words: [&str; N], prefix: &str, before: &str) -> Wanted {
    let fits = |word: &&str| word.to_lowercase().starts_with(&prefix.to_lowercase());
    let candidate = |word: &str| Candidate { word: format!("{before}{word}"), help: String::new() };
    Wanted::Words(words.into_iter().filter(fits).map(candidate).collect())
}

fn positional(command: &Command, prefix: &str) -> Wanted {
    let Some(arg) = command.get_positionals().next() else { return Wanted::Words(Vec::new()) };
    match arg.get_id().as_str() {
        "capture" | "captures" => {
            Wanted::Live { kind: Kind::Captures, prefix: prefix.to_owned(), before: String::new() }
        }
        "file" | "files" => Wanted::Files,
        "or" if "or".starts_with(prefix) => {
            let help = "begins another rule".to_owned();
            Wanted::Words(vec![Candidate { word: "or".to_owned(), help }])
        }
        _ => values(arg, prefix, ""),
    }
}
