//! Filter rules as the kernel reads them.

use std::net::{IpAddr, SocketAddr};

use crate::error::AgentError;
use agent_common::{
    rules::RuleTable,
    types::{
        ACTION_ACCEPT, ACTION_OWN, ACTION_REJECT, COND_DIRECTION, COND_DPORT, COND_ICMP_CODE, COND_ICMP_TYPE,
        COND_PORT, COND_PROTO, COND_SPORT, COND_TCP, MAX_RULES, Rule,
    },
};
use flow::{
    CaptureConfig, Own,
    rules::{Action, Direction, Ports},
};

mod ends;

const TCP: u8 = 6;

/// The kernel's table, as aya wants it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Table(pub(crate) RuleTable);
// SAFETY: integers and arrays of them; agent-common asserts that there is no padding.
unsafe impl aya::Pod for Table {}

/// The table for a capture: its own traffic first, then the rules in order.
pub(crate) fn table(config: &CaptureConfig) -> Result<Table, AgentError> {
    of(&config.rules, &config.own)
}

/// The table for these rules and this traffic of the capture's own, which wins over all of them.
pub(crate) fn of(rules: &[flow::Rule], own: &[Own]) -> Result<Table, AgentError> {
    let all: Vec<Rule> = own.iter().flat_map(own_rules).chain(rules.iter().map(rule)).collect();
    let too_many = AgentError::TooManyRules { given: all.len(), most: MAX_RULES };
    RuleTable::new(&all).map(Table).ok_or(too_many)
}

/// How many rules the programs look at: none where there are none and never will be, else as many as the table holds.
pub(crate) const fn room(config: &CaptureConfig) -> usize {
    let none = config.rules.is_empty() && config.own.is_empty() && config.spare_rules == 0 && config.spare_sets == 0;
    if none { 0 } else { MAX_RULES }
}

fn own_rules(own: &Own) -> Vec<Rule> {
    match *own {
        Own::Connection(local, remote) => connection(local, remote).to_vec(),
        Own::Address(address) => vec![whole_address(address.to_canonical())],
    }
}

/// Everything from and to an address: networks are matched either way round.
fn whole_address(address: IpAddr) -> Rule {
    let net = Some(address.into());
    let mut rule = Rule { action: ACTION_OWN, ..Rule::ANY };
    ends::put(&mut rule, &flow::Rule { net, ..flow::Rule::default() });
    rule
}

/// Both directions of one TCP connection.
fn connection(local: SocketAddr, remote: SocketAddr) -> [Rule; 2] {
    [(local, remote), (remote, local)].map(|(from, to)| {
        let mut rule = Rule { action: ACTION_OWN, proto: TCP, ..Rule::ANY };
        rule.conditions = COND_PROTO | COND_SPORT | COND_DPORT;
        rule.sport[0] = [from.port(); 2];
        rule.dport[0] = [to.port(); 2];
        let ends = [from, to].map(|end| Some(end.ip().to_canonical().into()));
        ends::put(&mut rule, &flow::Rule { net: ends[0], peer: ends[1], ..flow::Rule::default() });
        rule
    })
}

fn rule(from: &flow::Rule) -> Rule {
    let flow::Rule { action, direction, protocol, port, sport, dport, tcp_flags, icmp_type, icmp_code, .. } = from;
    let mut rule = Rule::ANY;
    rule.action = if *action == Action::Accept { ACTION_ACCEPT } else { ACTION_REJECT };
    ends::put(&mut rule, from);
    set(&mut rule, COND_DIRECTION, *direction, |rule, value| rule.direction = u8::from(value == Direction::Egress));
    set(&mut rule, COND_PROTO, *protocol, |rule, value| rule.proto = value);
    set(&mut rule, COND_PORT, *port, |rule, value| rule.port = ranges(value));
    set(&mut rule, COND_SPORT, *sport, |rule, value| rule.sport = ranges(value));
    set(&mut rule, COND_DPORT, *dport, |rule, value| rule.dport = ranges(value));
    set(&mut rule, COND_TCP, *tcp_flags, |rule, flags| (rule.tcp_mask, rule.tcp_value) = (flags.mask, flags.value));
    set(&mut rule, COND_ICMP_TYPE, *icmp_type, |rule, value| rule.icmp_type = value);
    set(&mut rule, COND_ICMP_CODE, *icmp_code, |rule, value| rule.icmp_code = value);
    rule
}

/// Switches a condition on if it was given.
fn set<T>(rule: &mut Rule, condition: u32, value: Option<T>, to: impl FnOnce(&mut Rule, T)) {
    if let Some(value) = value {
        rule.conditions |= condition;
        to(rule, value);
    }
}

fn ranges(ports: Ports) -> [[u16; 2]; 2] {
    let range = |(low, high)| [low, high];
    [range(ports.first), ports.second.map_or([1, 0], range)]
}

#[cfg(test)]
mod equivalence;

#[cfg(test)]
mod tests {
    use agent_common::{
        parse::{self, Layer},
        rules::verdict,
    };
    use flow::config::Mode;

    use super::*;
    use crate::testing::{config, udp_frame};

    /// What the kernel's own function says about a UDP packet 10.0.0.1:1000 -> 10.0.0.2:53 at an egress.
    fn decide(config: &CaptureConfig) -> u8 {
        let frame = udp_frame();
        let link = parse::link(frame.as_slice(), Layer::Ethernet);
        let headers = parse::ipv4(frame.as_slice(), link.l3).unwrap();
        verdict(&table(config).unwrap().0, &headers, 1, |_| 0)
    }

    fn with(rule: flow::Rule) -> CaptureConfig {
        CaptureConfig { rules: vec![rule], ..config(Mode::Flows) }
    }

    #[test]
    fn each_condition_reaches_the_kernels_function() {
        let net = |text: &str| Some(text.parse().unwrap());
        let port = |low, high| Some(Ports { first: (low, high), second: None });
        let any = flow::Rule::default;
        let holds = [
            any(),
            flow::Rule { net: net("10.0.0.0/24"), peer: net("10.0.0.1/32"), ..any() },
            flow::Rule { peer: net("10.0.0.2/32"), ..any() },
            flow::Rule { protocol: Some(17), dport: port(53, 53), sport: port(1, 1000), ..any() },
            flow::Rule { port: Some(Ports { first: (1, 1), second: Some((53, 53)) }), ..any() },
            flow::Rule { direction: Some(Direction::Egress), ..any() },
        ];
        let fails = [
            flow::Rule { net: net("10.0.1.0/24"), ..any() },
            flow::Rule { net: net("::/0"), ..any() },
            flow::Rule { protocol: Some(6), ..any() },
            flow::Rule { sport: port(53, 53), ..any() },
            flow::Rule { direction: Some(Direction::Ingress), ..any() },
            flow::Rule { icmp_type: Some(8), ..any() },
            flow::Rule { tcp_flags: Some(flow::rules::TcpFlags { mask: 2, value: 2 }), ..any() },
        ];
        for rule in holds {
            assert_eq!(decide(&with(rule.clone())), ACTION_ACCEPT, "{rule:?}");
        }
        for rule in fails {
            assert_eq!(decide(&with(rule.clone())), ACTION_REJECT, "{rule:?}");
        }
    }

    #[test]
    fn own_connections_come_first_and_do_not_make_others_be_rejected() {
        let mut config = config(Mode::Flows);
        config.own = vec![Own::Connection("10.0.0.1:1000".parse().unwrap(), "10.0.0.2:53".parse().unwrap())];
        assert_eq!(decide(&config), ACTION_ACCEPT, "it is UDP, the connection is TCP");
        let table = table(&config).unwrap().0;
        assert_eq!((table.count, table.rules[0].action, table.rules[1].sport[0]), (2, ACTION_OWN, [53, 53]));
    }

    #[test]
    fn everything_of_an_own_address_is_left_out_whatever_the_rules_say() {
        for address in ["10.0.0.1", "::ffff:10.0.0.2"] {
            let own = vec![Own::Address(address.parse().unwrap())];
            let config = CaptureConfig { own, ..with(flow::Rule::default()) };
            assert_eq!(decide(&config), ACTION_OWN, "{address}");
        }
        let own = vec![Own::Address("10.0.0.3".parse().unwrap()), Own::Address("fd00::1".parse().unwrap())];
        assert_eq!(decide(&CaptureConfig { own, ..config(Mode::Flows) }), ACTION_ACCEPT);
    }

    #[test]
    fn there_is_room_where_rules_may_come() {
        let config = config(Mode::Flows);
        assert_eq!(room(&config), 0);
        assert_eq!(room(&CaptureConfig { spare_rules: 1, ..config }), MAX_RULES);
    }

    #[test]
    fn too_many_rules_are_refused() {
        let config = CaptureConfig { rules: vec![flow::Rule::default(); MAX_RULES + 1], ..config(Mode::Flows) };
        assert!(matches!(table(&config), Err(AgentError::TooManyRules { given: 65, most: 64 })));
    }
}
