//! Filter options as typed: many rules, so their order and the words `or` between them count.

use clap::{ArgMatches, Args};
use flow::rules::{OPTIONS, Options};

/// The filter options; their values are read by [`flow::rules::parse`].
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters (in the kernel; `or` between two rules)")]
pub struct FilterArgs {
    /// TCP, UDP, SCTP, ICMP, ICMPv6 or a number
    #[arg(long, value_name = "NAME")]
    protocol: Vec<String>,
    /// Either port: 80, 80-90 or 80,443; without --protocol TCP, UDP and SCTP
    #[arg(long, value_name = "PORT")]
    port: Vec<String>,
    /// Source port
    #[arg(long, value_name = "PORT")]
    sport: Vec<String>,
    /// Destination port
    #[arg(long, value_name = "PORT")]
    dport: Vec<String>,
    /// Range of either port, like 8000-8010
    #[arg(long, value_name = "A-B")]
    port_range: Vec<String>,
    /// Range of the source port
    #[arg(long, value_name = "A-B")]
    sport_range: Vec<String>,
    /// Range of the destination port
    #[arg(long, value_name = "A-B")]
    dport_range: Vec<String>,
    /// Two ports, either of them, like 80,443
    #[arg(long, value_name = "A,B")]
    ports: Vec<String>,
    /// Two source ports
    #[arg(long, value_name = "A,B")]
    sports: Vec<String>,
    /// Two destination ports
    #[arg(long, value_name = "A,B")]
    dports: Vec<String>,
    /// Network of either end, like 10.0.0.0/8
    #[arg(long, value_name = "NET")]
    cidr: Vec<String>,
    /// Address of the other end
    #[arg(long, value_name = "IP")]
    peer_ip: Vec<String>,
    /// Network of the other end
    #[arg(long, value_name = "NET")]
    peer_cidr: Vec<String>,
    /// Ingress or Egress, at the interface
    #[arg(long, value_name = "DIR")]
    direction: Vec<String>,
    /// SYN, SYN-ACK, ACK, FIN, FIN-ACK, RST, RST-ACK, PSH, URG, ECE or CWR
    #[arg(long, value_name = "FLAG")]
    tcp_flags: Vec<String>,
    /// ICMP or ICMPv6 type
    #[arg(long, value_name = "N")]
    icmp_type: Vec<String>,
    /// ICMP or ICMPv6 code
    #[arg(long, value_name = "N")]
    icmp_code: Vec<String>,
    /// What to do with a packet that matches: Accept (default) or Reject
    #[arg(long, value_name = "ACTION")]
    action: Vec<String>,
    /// Filters need no switch; accepted as NetObserv's first generation typed it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_filter: Option<bool>,
    /// `or` between two rules
    #[arg(id = "or", value_name = "or", value_parser = joiner, hide = true)]
    joiners: Vec<String>,
}

fn joiner(word: &str) -> Result<String, String> {
    if word == "or" {
        return Ok(word.to_owned());
    }
    Err("a word without dashes is `or` between two rules, `help`, or an option like port=80".to_owned())
}

/// The options of each rule in the order they were typed.
pub fn groups(matches: &ArgMatches) -> Vec<Options> {
    let mut typed: Vec<(usize, Option<(String, String)>)> = Vec::new();
    for name in OPTIONS {
        let id = name.replace('-', "_");
        let (Some(places), Some(values)) = (matches.indices_of(&id), matches.get_many::<String>(&id)) else { continue };
        typed.extend(places.zip(values).map(|(place, value)| (place, Some(((*name).to_owned(), value.clone())))));
    }
    typed.extend(matches.indices_of("or").into_iter().flatten().map(|place| (place, None)));
    typed.sort_by_key(|(place, _)| *place);
    let mut groups = vec![Options::new()];
    for (_, option) in typed {
        match (option, groups.last_mut()) {
            (Some(option), Some(group)) => group.push(option),
            _ => groups.push(Options::new()),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Vec<Options> {
        let words = line.split_whitespace().map(str::to_owned).collect();
        let command = crate::cli::command();
        let words = crate::argv::normalize(words, &command);
        let matches = command.get_matches_from([vec!["oc-netobserv".to_owned()], words].concat());
        groups(matches.subcommand().unwrap().1)
    }

    fn pairs(list: &[(&str, &str)]) -> Options {
        list.iter().map(|(option, value)| ((*option).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_filter_option_of_the_rules_can_be_typed_and_reaches_them() {
        for option in OPTIONS {
            assert_eq!(typed(&format!("flows --{option} 1")), [pairs(&[(option, "1")])], "{option}");
            assert_eq!(typed(&format!("packets {}=1", option.replace('-', "_"))), [pairs(&[(option, "1")])]);
        }
    }

    #[test]
    fn rules_are_divided_at_or_and_keep_their_order() {
        assert_eq!(
            typed("flows --protocol=TCP --port=8080 or --local port=53 --protocol UDP or --icmp_type=8"),
            [
                pairs(&[("protocol", "TCP"), ("port", "8080")]),
                pairs(&[("port", "53"), ("protocol", "UDP")]),
                pairs(&[("icmp-type", "8")]),
            ]
        );
    }

    #[test]
    fn a_dangling_or_leaves_an_empty_rule_for_the_rules_to_refuse() {
        assert_eq!(typed("flows --port 80 or"), [pairs(&[("port", "80")]), vec![]]);
        assert_eq!(typed("flows"), [vec![]]);
    }
}
