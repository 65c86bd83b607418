//! What a capture is, in words and numbers that go into every file.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use flow::{
    CaptureConfig, Rule,
    rules::{Action, Direction, Ports},
    show::{date_time, stamp},
};

use crate::{Options, Origin};

/// Who captures what, since when.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) config: Arc<CaptureConfig>,
    pub(crate) command: Vec<String>,
    pub(crate) version: String,
    /// ns since the epoch.
    pub(crate) started_ns: u64,
    /// Several nodes are captured: what is found on one of them is named with it.
    pub(crate) several: bool,
    /// Why packets are in a file of their own, if they are.
    pub(crate) why: Option<Arc<str>>,
}

impl About {
    /// A capture that begins now.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            config: Arc::clone(&options.config),
            command: options.command.clone(),
            version: options.version.clone(),
            started_ns: now_ns(),
            several: options.origin != Origin::Local,
            why: None,
        }
    }

    /// What is taken: the filter as typed, and the rules that came of it and of options. Empty for everything.
    pub(crate) fn filter(&self) -> String {
        filter_text(&self.config, &self.command)
    }

    /// The system of the machines that are captured. This one's release is not theirs.
    pub(crate) fn nodes_system(&self) -> String {
        if self.several { "Linux".to_owned() } else { operating_system() }
    }

    /// The name under which files say who wrote them.
    pub(crate) fn application(&self) -> String {
        format!("oc-netobserv {}", self.version)
    }

    /// The name of its files: UTC, RFC 3339 without colons.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.started_ns / 1_000_000_000)
    }
}

/// Wall clock, ns since the epoch.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// RFC 3339, UTC, to the millisecond.
pub(crate) fn time_text(ns: u64) -> String {
    date_time(ns / 1_000_000).replace(' ', "T") + "Z"
}

/// Name and release of the kernel, `Linux 6.12.1`; just `Linux` where `/proc` does not tell.
pub(crate) fn operating_system() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim()).trim_end().to_owned()
}

/// The expressions of `--filter` and `--query` as typed, then the rules.
fn filter_text(config: &CaptureConfig, command: &[String]) -> String {
    let is_expression = |option: &str| matches!(option, "--filter" | "--query");
    let mut typed = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((option, text)) if is_expression(option) => typed.push(text),
            None if is_expression(word) => typed.extend(words.next().map(String::as_str)),
            _ => {}
        }
    }
    let rules = rules_text(&config.rules);
    if typed.is_empty() {
        return rules;
    }
    let typed = format!("--filter={}", typed.join(" and "));
    if rules.is_empty() { typed } else { format!("{typed}; rules: {rules}") }
}

/// The rules as options that give them, joined by `or`; empty for none.
pub(crate) fn rules_text(rules: &[Rule]) -> String {
    rules.iter().map(rule_text).collect::<Vec<_>>().join(" or ")
}

fn rule_text(rule: &Rule) -> String {
    // Destructured, so that a new condition cannot be forgotten here.
    let Rule { action, net, peer, src, dst, net_set, peer_set, src_set, dst_set, direction, protocol, .. } = rule;
    let Rule { port, sport, dport, tcp_flags, icmp_type, icmp_code, .. } = rule;
    let mut words = vec![match action {
        Action::Accept => "--action=Accept".to_owned(),
        Action::Reject => "--action=Reject".to_owned(),
    }];
    let mut push = |name: &str, value: Option<String>| words.extend(value.map(|value| format!("--{name}={value}")));
    push("direction", direction.map(|d| if d == Direction::Ingress { "Ingress" } else { "Egress" }.to_owned()));
    push("cidr", net.map(|net| net.to_string()));
    push("peer-cidr", peer.map(|net| net.to_string()));
    push("src", src.map(|net| net.to_string()));
    push("dst", dst.map(|net| net.to_string()));
    push("set", net_set.map(|number| number.to_string()));
    push("peer-set", peer_set.map(|number| number.to_string()));
    push("src-set", src_set.map(|number| number.to_string()));
    push("dst-set", dst_set.map(|number| number.to_string()));
    push("protocol", protocol.map(|number| number.to_string()));
    push("port", port.map(ports_text));
    push("sport", sport.map(ports_text));
    push("dport", dport.map(ports_text));
    push("tcp-flags", tcp_flags.map(|flags| format!("{:#x}/{:#x}", flags.value, flags.mask)));
    push("icmp-type", icmp_type.map(|number| number.to_string()));
    push("icmp-code", icmp_code.map(|number| number.to_string()));
    words.join(" ")
}

fn ports_text(ports: Ports) -> String {
    let range = |(low, high)| if low == high { format!("{low}") } else { format!("{low}-{high}") };
    ports.second.map_or_else(|| range(ports.first), |second| format!("{},{}", range(ports.first), range(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time_text(1_782_123_072_900_000_000), "2026-06-22T10:11:12.900Z");
    }

    #[test]
    fn rules_read_as_options() {
        let http = Rule {
            protocol: Some(6),
            port: Some(Ports { first: (80, 80), second: Some((8000, 8100)) }),
            ..Rule::default()
        };
        let peer = Rule { action: Action::Reject, peer: "10.0.0.0/8".parse().ok(), ..Rule::default() };
        assert_eq!(
            rules_text(&[http, peer]),
            "--action=Accept --protocol=6 --port=80,8000-8100 or --action=Reject --peer-cidr=10.0.0.0/8"
        );
    }
}
