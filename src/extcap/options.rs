//! What Wireshark's dialog offers for a capture: one table, in extcap's sentences; the options are those of `packets`.

use std::fmt::Write as _;

use super::{
    interfaces::{Source, shown},
    values::{Kind, Values},
};

/// An option of the dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    /// Our option, which Wireshark hands back with the value.
    pub(super) call: &'static str,
    display: &'static str,
    tooltip: &'static str,
    kind: Type,
    group: &'static str,
    /// On a cluster only.
    cluster: bool,
}

/// How it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number(&'static str),
    Flag,
    /// Chosen from a list that the cluster gives.
    Live(Kind),
    /// Chosen from these, of which the first is the default.
    Choice(&'static [(&'static str, &'static str)]),
}

impl Offered {
    pub(super) fn is_flag(&self) -> bool {
        self.kind == Type::Flag
    }
}

const WHAT: &str = "Traffic";
const FOUND: &str = "Features";
const FILE: &str = "Packets";
const WHERE: &str = "Cluster";

const fn offered(
    call: &'static str,
    display: &'static str,
    tooltip: &'static str,
    kind: Type,
    group: &'static str,
) -> Offered {
    Offered { call, display, tooltip, kind, group, cluster: false }
}

const fn of_cluster(offered: Offered) -> Offered {
    Offered { cluster: true, ..offered }
}

const COMMENTS: &[(&str, &str)] =
    &[("full", "Both ends, service, process, drop reason"), ("drops", "Drop reasons"), ("none", "None")];

/// The dialog, in its order.
const OFFERED: &[Offered] = &[
    of_cluster(offered(
        "--namespace-of",
        "Namespace",
        "Traffic of all pods of a namespace",
        Type::Live(Kind::Namespaces),
        WHAT,
    )),
    of_cluster(offered(
        "--workload",
        "Workload",
        "Traffic of the pods of a workload, as deploy/web or shop/deploy/web",
        Type::Live(Kind::Workloads),
        WHAT,
    )),
    of_cluster(offered("--pod", "Pod", "Traffic of a pod, as shop/web-0", Type::Live(Kind::Pods), WHAT)),
    of_cluster(offered(
        "--service",
        "Service",
        "A Service and the pods behind it, as shop/web",
        Type::Live(Kind::Services),
        WHAT,
    )),
    of_cluster(offered("--node", "Node", "A node and the pods on it", Type::Live(Kind::Nodes), WHAT)),
    offered(
        "--filter",
        "Filter",
        "In oc-netobserv's language: dst.port = 443 and rtt > 5ms; or as for tcpdump",
        Type::Text,
        WHAT,
    ),
    offered("--snaplen", "Bytes of each packet", "0 keeps the whole frame, 96 the headers", Type::Number("0"), FILE),
    offered("--comments", "Comments", "What each packet says of its ends", Type::Choice(COMMENTS), FILE),
    offered("--dedup", "One copy of each packet", "Of a packet that is seen at several places", Type::Flag, FILE),
    offered(
        "--max-time",
        "Longest time",
        "The capture ends by itself after it, as 10m; 0 is no limit",
        Type::Text,
        FILE,
    ),
    offered("--enable-pkt-drop", "Drops", "Also packets that the kernel drops, with its reason", Type::Flag, FOUND),
    offered("--enable-process", "Processes", "Processes and containers at the ends", Type::Flag, FOUND),
    offered("--enable-pkt-translation", "Translation", "Services behind translated addresses", Type::Flag, FOUND),
    offered(
        "--enable-tls-keys",
        "TLS keys",
        "Keys from the OpenSSL of the selected pods' processes: Wireshark decrypts",
        Type::Flag,
        FOUND,
    ),
    of_cluster(offered(
        "--node-selector",
        "Capture on nodes",
        "Labels of nodes, as kubernetes.io/hostname=n1; else on all",
        Type::Text,
        WHERE,
    )),
    of_cluster(offered(
        "--image",
        "Image",
        "An image with oc-netobserv; else any that the nodes have",
        Type::Text,
        WHERE,
    )),
];

/// The option of that name.
pub(super) fn find(call: &str) -> Option<&'static Offered> {
    OFFERED.iter().find(|offered| offered.call == call)
}

/// `--extcap-config`
pub(super) fn config(source: &Source, values: &Values) -> String {
    let mut text = String::new();
    for (number, offered) in numbered(source) {
        let Offered { call, display, tooltip, group, .. } = offered;
        let (kind, more) = match offered.kind {
            Type::Text => ("string", String::new()),
            Type::Number(default) => ("unsigned", format!("{{default={default}}}{{range=0,262144}}")),
            Type::Flag => ("boolflag", "{default=false}".to_owned()),
            // One that can be typed into as well (`editselector`) is unknown to releases up to 4.0.
            Type::Live(_) => ("selector", "{reload=true}{placeholder=Load from the cluster}".to_owned()),
            Type::Choice(_) => ("selector", String::new()),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "arg {{number={number}}}{{call={call}}}{{display={display}}}{{tooltip={tooltip}}}{{type={kind}}}{more}{{group={group}}}"
        );
        match offered.kind {
            Type::Live(kind) => live(&mut text, number, values.of(kind)),
            Type::Choice(choices) => {
                for (n, (value, display)) in choices.iter().enumerate() {
                    let _ = writeln!(
                        text,
                        "value {{arg={number}}}{{value={value}}}{{display={display}}}{{default={}}}",
                        n == 0
                    );
                }
            }
            _ => {}
        }
    }
    text
}

/// `--extcap-reload-option`: only the values of one option, whose name may lack its dashes.
pub(super) fn reload(option: &str, values: &Values) -> String {
    let mut text = String::new();
    let is_named = |offered: &Offered| offered.call.trim_start_matches('-') == option.trim_start_matches('-');
    if let Some((number, offered)) = OFFERED.iter().enumerate().find(|(_, offered)| is_named(offered))
        && let Type::Live(kind) = offered.kind
    {
        live(&mut text, number, values.of(kind));
    }
    text
}

fn live(text: &mut String, number: usize, names: &[String]) {
    let _ = writeln!(text, "value {{arg={number}}}{{value=}}{{display=(any)}}{{default=true}}");
    // A name with a brace is none of Kubernetes; it cannot be said either.
    for name in names.iter().filter(|name| shown(name) == **name) {
        let _ = writeln!(text, "value {{arg={number}}}{{value={name}}}{{display={name}}}{{default=false}}");
    }
}

/// Options of that source by their number, which is the same for all.
fn numbered(source: &Source) -> impl Iterator<Item = (usize, &'static Offered)> {
    let is_local = *source == Source::Local;
    OFFERED.iter().enumerate().filter(move |(_, offered)| !(is_local && offered.cluster))
}
