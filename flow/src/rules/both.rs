//! Conditions of two rules in one: what combining a filter with rules from elsewhere is made of.

use ipnet::IpNet;

use super::{Action, Ports, Rule, TcpFlags};

/// A rule that holds where two rules hold, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Both {
    /// This one; it accepts if both do.
    Rule(Box<Rule>),
    /// No packet meets the conditions of both.
    Never,
    /// One rule cannot say it; [`Rule::alternatives`] of one of the two may.
    Inexpressible(Obstacle),
}

/// What one rule cannot say twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Networks or sets of either end.
    Ends,
    /// Ports of either end.
    Port,
    /// More than two ranges of source ports.
    Sport,
    /// More than two ranges of destination ports.
    Dport,
    /// Two sets for one end.
    Sets,
}

/// Why there is no merged condition.
enum No {
    Never,
    Obstacle(Obstacle),
}

type Merged<T> = Result<Option<T>, No>;

/// The conditions of both rules as one rule.
pub fn both(one: &Rule, other: &Rule) -> Both {
    match merge(one, other) {
        Ok(rule) if is_possible(&rule) => Both::Rule(Box::new(rule)),
        Ok(_) | Err(No::Never) => Both::Never,
        Err(No::Obstacle(obstacle)) => Both::Inexpressible(obstacle),
    }
}

fn merge(one: &Rule, other: &Rule) -> Result<Rule, No> {
    let accepts = one.accepts() && other.accepts();
    let either = if !has_either(one) {
        other
    } else if !has_either(other) || same_either(one, other) {
        one
    } else {
        return Err(No::Obstacle(Obstacle::Ends));
    };
    Ok(Rule {
        action: if accepts { Action::Accept } else { Action::Reject },
        net: either.net,
        peer: either.peer,
        net_set: either.net_set,
        peer_set: either.peer_set,
        src: merged(one.src, other.src, nets)?,
        dst: merged(one.dst, other.dst, nets)?,
        src_set: merged(one.src_set, other.src_set, sets)?,
        dst_set: merged(one.dst_set, other.dst_set, sets)?,
        direction: merged(one.direction, other.direction, equal)?,
        protocol: merged(one.protocol, other.protocol, equal)?,
        port: merged(one.port, other.port, |a, b| if a == b { Ok(a) } else { Err(No::Obstacle(Obstacle::Port)) })?,
        sport: merged(one.sport, other.sport, |a, b| ports(a, b, Obstacle::Sport))?,
        dport: merged(one.dport, other.dport, |a, b| ports(a, b, Obstacle::Dport))?,
        tcp_flags: merged(one.tcp_flags, other.tcp_flags, flags)?,
        icmp_type: merged(one.icmp_type, other.icmp_type, equal)?,
        icmp_code: merged(one.icmp_code, other.icmp_code, equal)?,
    })
}

fn merged<T>(one: Option<T>, other: Option<T>, both: impl Fn(T, T) -> Result<T, No>) -> Merged<T> {
    match (one, other) {
        (Some(one), Some(other)) => both(one, other).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

fn equal<T: Copy + PartialEq>(one: T, other: T) -> Result<T, No> {
    if one == other { Ok(one) } else { Err(No::Never) }
}

/// Networks lie within each other or apart.
fn nets(one: IpNet, other: IpNet) -> Result<IpNet, No> {
    if one.contains(&other) {
        Ok(other)
    } else if other.contains(&one) {
        Ok(one)
    } else {
        Err(No::Never)
    }
}

fn sets(one: u8, other: u8) -> Result<u8, No> {
    if one == other { Ok(one) } else { Err(No::Obstacle(Obstacle::Sets)) }
}

fn flags(one: TcpFlags, other: TcpFlags) -> Result<TcpFlags, No> {
    let common = one.mask & other.mask;
    if one.value & common != other.value & common {
        return Err(No::Never);
    }
    Ok(TcpFlags { mask: one.mask | other.mask, value: one.value | other.value })
}

fn ports(one: Ports, other: Ports, obstacle: Obstacle) -> Result<Ports, No> {
    let mut common: Vec<(u16, u16)> = Vec::new();
    for (low, high) in one.ranges() {
        for (other_low, other_high) in other.ranges() {
            let range = (low.max(other_low), high.min(other_high));
            if range.0 <= range.1 && !common.contains(&range) {
                common.push(range);
            }
        }
    }
    match *common.as_slice() {
        [] => Err(No::Never),
        [first] => Ok(Ports { first, second: None }),
        [first, second] => Ok(Ports { first, second: Some(second) }),
        _ => Err(No::Obstacle(obstacle)),
    }
}

const fn has_either(rule: &Rule) -> bool {
    rule.net.is_some() || rule.peer.is_some() || rule.net_set.is_some() || rule.peer_set.is_some()
}

fn same_either(one: &Rule, other: &Rule) -> bool {
    (one.net, one.peer, one.net_set, one.peer_set) == (other.net, other.peer, other.net_set, other.peer_set)
}

/// Whether some packet can meet it: what is certain to be impossible is left out, what is left may still be.
fn is_possible(rule: &Rule) -> bool {
    const TCP: u8 = 6;
    let ports = rule.port.or(rule.sport).or(rule.dport).is_some();
    let icmp = rule.icmp_type.or(rule.icmp_code).is_some();
    let families = [rule.net, rule.peer, rule.src, rule.dst].map(|net| net.map(|net| net.addr().is_ipv4()));
    let mixed = families.contains(&Some(true)) && families.contains(&Some(false));
    let is_protocol = |takes: &[u8]| rule.protocol.is_none_or(|protocol| takes.contains(&protocol));
    !mixed
        && (!ports || is_protocol(&[TCP, 17, 132]))
        && (rule.tcp_flags.is_none() || is_protocol(&[TCP]))
        && (!icmp || (is_protocol(&[1, 58]) && !ports && rule.tcp_flags.is_none()))
}

impl Ports {
    /// Its ranges, both ends included.
    pub fn ranges(self) -> impl Iterator<Item = (u16, u16)> {
        [Some(self.first), self.second].into_iter().flatten()
    }
}

impl Rule {
    /// Rules that together say the same without what `obstacle` names; `None` where there is no such.
    pub fn alternatives(&self, obstacle: Obstacle) -> Option<Vec<Self>> {
        let Self { net, peer, net_set, peer_set, .. } = *self;
        let parts = match obstacle {
            Obstacle::Sets => return None,
            Obstacle::Ends if !has_either(self) => return None,
            Obstacle::Ends => vec![
                Self { src: net, dst: peer, src_set: net_set, dst_set: peer_set, ..Self::default() },
                Self { src: peer, dst: net, src_set: peer_set, dst_set: net_set, ..Self::default() },
            ],
            Obstacle::Port => vec![
                Self { sport: Some(self.port?), ..Self::default() },
                Self { dport: Some(self.port?), ..Self::default() },
            ],
            Obstacle::Sport => one_range_each(self.sport?, |ports| Self { sport: Some(ports), ..Self::default() })?,
            Obstacle::Dport => one_range_each(self.dport?, |ports| Self { dport: Some(ports), ..Self::default() })?,
        };
        let rest = self.without(obstacle);
        let mut rules = Vec::new();
        for part in parts {
            match both(&rest, &part) {
                Both::Rule(rule) => rules.push(Self { action: self.action, ..*rule }),
                Both::Never => {}
                Both::Inexpressible(_) => return None,
            }
        }
        Some(rules)
    }

    fn without(&self, obstacle: Obstacle) -> Self {
        let rule = self.clone();
        match obstacle {
            Obstacle::Ends => Self { net: None, peer: None, net_set: None, peer_set: None, ..rule },
            Obstacle::Port => Self { port: None, ..rule },
            Obstacle::Sport => Self { sport: None, ..rule },
            Obstacle::Dport => Self { dport: None, ..rule },
            Obstacle::Sets => rule,
        }
    }
}

fn one_range_each(ports: Ports, rule: impl Fn(Ports) -> Rule) -> Option<Vec<Rule>> {
    ports.second?;
    Some(ports.ranges().map(|first| rule(Ports { first, second: None })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    fn together(one: &str, other: &str) -> Both {
        both(&rule(one), &rule(other))
    }

    #[test]
    fn conditions_narrow_each_other() {
        let one = together(
            r#"{"src":"10.0.0.0/8","protocol":6}"#,
            r#"{"src":"10.1.0.0/16","dport":{"first":[80,90],"second":null}}"#,
        );
        let wanted = rule(r#"{"src":"10.1.0.0/16","protocol":6,"dport":{"first":[80,90],"second":null}}"#);
        assert_eq!(one, Both::Rule(Box::new(wanted)));
        let ports = together(
            r#"{"dport":{"first":[1,100],"second":[200,300]}}"#,
            r#"{"dport":{"first":[50,250],"second":null}}"#,
        );
        assert_eq!(ports, Both::Rule(Box::new(rule(r#"{"dport":{"first":[50,100],"second":[200,250]}}"#))));
    }

    #[test]
    fn what_excludes_each_other_never_holds() {
        for (one, other) in [
            (r#"{"protocol":6}"#, r#"{"protocol":17}"#),
            (r#"{"src":"10.0.0.0/8"}"#, r#"{"src":"11.0.0.0/8"}"#),
            (r#"{"src":"10.0.0.0/8"}"#, r#"{"dst":"fd00::/8"}"#),
            (r#"{"protocol":1}"#, r#"{"port":{"first":[1,2],"second":null}}"#),
            (r#"{"icmp_type":8}"#, r#"{"tcp_flags":{"mask":2,"value":2}}"#),
            (r#"{"tcp_flags":{"mask":2,"value":2}}"#, r#"{"tcp_flags":{"mask":18,"value":16}}"#),
            (r#"{"direction":"Ingress"}"#, r#"{"direction":"Egress"}"#),
        ] {
            assert_eq!(together(one, other), Both::Never, "{one} {other}");
        }
    }

    #[test]
    fn what_one_rule_cannot_say_two_can() {
        let (one, other) = (rule(r#"{"net":"10.0.0.0/8"}"#), rule(r#"{"net":"11.0.0.0/8"}"#));
        assert_eq!(both(&one, &other), Both::Inexpressible(Obstacle::Ends));
        let alternatives = one.alternatives(Obstacle::Ends).unwrap();
        assert_eq!(alternatives, [rule(r#"{"src":"10.0.0.0/8"}"#), rule(r#"{"dst":"10.0.0.0/8"}"#)]);
        assert!(alternatives.iter().all(|rule| matches!(both(rule, &other), Both::Rule(_))));
        assert_eq!(together(r#"{"src_set":1}"#, r#"{"src_set":2}"#), Both::Inexpressible(Obstacle::Sets));
    }
}
