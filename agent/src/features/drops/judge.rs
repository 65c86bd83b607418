//! The filter in force, for what programs at tracepoints tell: the kernel's own function over the same table.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use agent_common::{
    parse::{Address, Headers, Piece},
    rules::{RuleTable, verdict},
    types::ACTION_ACCEPT,
};
use flow::{Selection, rules::Sets};

use crate::{account::tuple::Tuple, error::AgentError, loader::rules};

/// Shared with whoever replaces the filter.
#[derive(Clone, Debug)]
pub(crate) struct Judge(Arc<RwLock<InForce>>);

#[derive(Debug)]
struct InForce {
    table: RuleTable,
    sets: Sets,
}

impl InForce {
    fn new(selection: &Selection) -> Result<Self, AgentError> {
        let table = rules::of(&selection.rules, &selection.own)?.0;
        Ok(Self { table, sets: Sets::new(&selection.sets) })
    }
}

impl Judge {
    /// # Errors
    /// More rules than fit.
    pub(crate) fn new(selection: &Selection) -> Result<Self, AgentError> {
        Ok(Self(Arc::new(RwLock::new(InForce::new(selection)?))))
    }

    /// Puts another filter in force.
    ///
    /// # Errors
    /// More rules than fit; the filter stays as it is then.
    pub(crate) fn replace(&self, selection: &Selection) -> Result<(), AgentError> {
        let new = InForce::new(selection)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Whether packets of a flow are taken. A dropped packet has no direction of its own: a rule for one of them holds.
    pub(crate) fn takes(&self, tuple: &Tuple, tcp_flags: u16) -> bool {
        let in_force = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if in_force.table.count == 0 {
            return true;
        }
        match tuple.family {
            4 => {
                let [src, dst] = [tuple.src, tuple.dst].map(|[a, b, c, d, ..]| [a, b, c, d]);
                in_force.accept(&headers(tuple, src, dst, tcp_flags))
            }
            _ => in_force.accept(&headers(tuple, tuple.src, tuple.dst, tcp_flags)),
        }
    }

    /// The same for headers as they were parsed.
    pub(crate) fn accepts<A: Address + Into<IpAddr>>(&self, headers: &Headers<A>) -> bool {
        let in_force = self.0.read().unwrap_or_else(PoisonError::into_inner);
        in_force.table.count == 0 || in_force.accept(headers)
    }
}

impl InForce {
    fn accept<A: Address + Into<IpAddr>>(&self, headers: &Headers<A>) -> bool {
        let sets = |address: &A| self.sets.of((*address).into().to_canonical());
        [0, 1].iter().any(|direction| verdict(&self.table, headers, *direction, sets) == ACTION_ACCEPT)
    }
}

fn headers<A>(tuple: &Tuple, src: A, dst: A, tcp_flags: u16) -> Headers<A> {
    Headers {
        src,
        dst,
        selector: tuple.selector,
        tcp_flags,
        family: tuple.family,
        proto: tuple.proto,
        selector_known: tuple.selector != [0, 0],
        flags_known: tcp_flags != 0,
        malformed: false,
        piece: Piece::Whole,
        id: 0,
        l4: 0,
        payload: 0,
    }
}

#[cfg(test)]
mod tests {
    use flow::{Own, Rule, rules::Action};

    use super::*;

    fn tuple(port: u16) -> Tuple {
        let address = |last| std::array::from_fn(|at| [10, 0, 0, last].get(at).copied().unwrap_or(0));
        Tuple { src: address(1), dst: address(2), selector: [40_000, port], proto: 6, family: 4 }
    }

    fn judge(rules: Vec<Rule>, sets: Vec<Vec<IpAddr>>, own: Vec<Own>) -> Judge {
        Judge::new(&Selection { rules, sets, own }).unwrap()
    }

    #[test]
    fn rules_sets_and_own_traffic_decide_as_in_the_kernel() {
        let port = Rule { protocol: Some(6), ..Rule::default() };
        assert!(judge(vec![port.clone()], vec![], vec![]).takes(&tuple(80), 2));
        let udp = Rule { protocol: Some(17), ..Rule::default() };
        assert!(!judge(vec![udp.clone()], vec![], vec![]).takes(&tuple(80), 2));
        let set = Rule { dst_set: Some(0), ..Rule::default() };
        assert!(judge(vec![set.clone()], vec![vec!["10.0.0.2".parse().unwrap()]], vec![]).takes(&tuple(80), 2));
        assert!(!judge(vec![set], vec![vec!["10.0.0.3".parse().unwrap()]], vec![]).takes(&tuple(80), 2));
        let own = Own::Address("10.0.0.1".parse().unwrap());
        assert!(!judge(vec![port], vec![], vec![own]).takes(&tuple(80), 2));
        let reject = Rule { action: Action::Reject, ..udp };
        let judge = judge(vec![reject], vec![], vec![]);
        assert!(judge.takes(&tuple(80), 2), "what is not rejected is taken");
        judge.replace(&Selection { own: vec![own], ..Selection::default() }).unwrap();
        assert!(!judge.takes(&tuple(80), 2));
    }
}
