//! Decision lists: rules of which the first that matches decides, the last one matching always. Negation and, by combining
//! rules pair by pair, `and` and `or` of two lists are lists again: that is how an expression becomes rules.

use crate::{
    Rule, Rules,
    filter::{SetSource, tree::Expr},
    rules::{Action, Both, Ports, both},
};

/// Most rules on the way; what gets larger is given up.
const MOST: usize = 120;

/// Most rules that are looked through for idle ones: it takes their number to the third.
const FEW: usize = 60;

/// At least one rule, the last without conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List(Vec<Rule>);

fn rest(action: Action) -> Rule {
    Rule { action, ..Rule::default() }
}

impl List {
    pub(super) fn always() -> Self {
        Self(vec![rest(Action::Accept)])
    }

    pub(super) fn never() -> Self {
        Self(vec![rest(Action::Reject)])
    }

    /// What one of these rules matches.
    pub(super) fn any(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().chain([rest(Action::Reject)]).collect())
    }

    /// The list that these rules are, with what they say of packets that none matches.
    pub(super) fn of(rules: &[Rule]) -> Self {
        let accepts = rules.iter().any(Rule::accepts);
        let last = rest(if accepts { Action::Reject } else { Action::Accept });
        Self(rules.iter().cloned().chain([last]).collect()).tidy()
    }

    pub(super) fn not(mut self) -> Self {
        for rule in &mut self.0 {
            rule.action = if rule.accepts() { Action::Reject } else { Action::Accept };
        }
        self
    }

    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        self.joined(other, Action::Reject)
    }

    pub(super) fn or(&self, other: &Self) -> Option<Self> {
        self.joined(other, Action::Accept)
    }

    /// Which list is asked first makes no difference but in how many rules come out.
    fn joined(&self, other: &Self, decisive: Action) -> Option<Self> {
        let one = self.asked_before(other, decisive);
        let second = if self.0.len() > 1 && other.0.len() > 1 { other.asked_before(self, decisive) } else { None };
        match (one, second) {
            (Some(one), Some(other)) if other.0.len() < one.0.len() => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// Where a rule of the first list says `decisive`, that is the answer; else the second list is asked.
    fn asked_before(&self, other: &Self, decisive: Action) -> Option<Self> {
        let mut rules = Vec::new();
        for rule in &self.0 {
            if rule.action == decisive {
                rules.push(rule.clone());
                continue;
            }
            for second in &other.0 {
                together(rule, second, &mut rules)?;
            }
            if rules.len() > MOST {
                return None;
            }
        }
        Some(Self(rules).tidy())
    }

    /// The rules, without a last one that says what goes without saying; what differs in one range of ports is one rule.
    pub(super) fn rules(&self) -> Rules {
        let Some((last, before)) = self.0.split_last() else { return Rules::new() };
        let accepts = before.iter().any(Rule::accepts);
        let needed = if accepts == last.accepts() { &self.0 } else { before };
        let mut rules = Rules::new();
        for rule in needed {
            match rules.last().and_then(|last| with_both_ranges(last, rule)) {
                Some(both) => {
                    rules.pop();
                    rules.push(both);
                }
                None => rules.push(rule.clone()),
            }
        }
        rules
    }

    /// Without rules that decide nothing.
    fn tidy(mut self) -> Self {
        if let Some(at) = self.0.iter().position(Rule::is_unconditional) {
            self.0.truncate(at + 1);
        }
        let mut kept: Vec<Rule> = Vec::new();
        for rule in self.0 {
            if !kept.iter().any(|earlier| covers(earlier, &rule)) {
                kept.push(rule);
            }
        }
        if let Some(last) = kept.pop() {
            while kept.last().is_some_and(|rule| rule.action == last.action) {
                kept.pop();
            }
            kept.push(last);
        }
        Self(kept).without_idle()
    }

    /// Without rules before which everything else decides alike: whatever later rule says otherwise matches nothing of theirs
    /// that has not been decided before them.
    fn without_idle(mut self) -> Self {
        if self.0.len() > FEW {
            return self;
        }
        for at in (0..self.0.len().saturating_sub(1)).rev() {
            let (before, from) = self.0.split_at(at);
            let Some((rule, after)) = from.split_first() else { continue };
            let mut otherwise = after.iter().filter(|later| later.action != rule.action);
            let idle = otherwise.all(|later| match both(rule, later) {
                Both::Never => true,
                Both::Rule(common) => {
                    before.iter().any(|earlier| covers(earlier, &Rule { action: rule.action, ..*common.clone() }))
                }
                Both::Inexpressible(_) => false,
            });
            if idle {
                self.0.remove(at);
            }
        }
        self
    }

    /// What the list takes, as an expression.
    pub(super) fn expr(&self, sets: &[SetSource]) -> Expr {
        let mut expr = Expr::Or(Vec::new());
        for rule in self.0.iter().rev() {
            if rule.is_unconditional() {
                expr = if rule.accepts() { Expr::default() } else { Expr::Or(Vec::new()) };
                continue;
            }
            let conditions = rule.expr(sets);
            expr = if rule.accepts() {
                if expr == Expr::default() { expr } else { Expr::any([conditions, expr]) }
            } else {
                Expr::all([conditions.not(), expr])
            };
        }
        expr
    }
}

/// One rule for two that differ only in a single range of the same ports.
fn with_both_ranges(one: &Rule, other: &Rule) -> Option<Rule> {
    let slots: [fn(&mut Rule) -> &mut Option<Ports>; 3] =
        [|rule| &mut rule.port, |rule| &mut rule.sport, |rule| &mut rule.dport];
    slots.iter().find_map(|slot| {
        let (mut joined, mut other) = (one.clone(), other.clone());
        let (first, second) = (slot(&mut joined).take()?, slot(&mut other).take()?);
        if joined != other || first.second.is_some() || second.second.is_some() {
            return None;
        }
        *slot(&mut joined) = Some(Ports { first: first.first, second: Some(second.first) });
        Some(joined)
    })
}

/// Whether whatever matches `later` has matched `earlier`.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    match both(earlier, later) {
        Both::Rule(narrowed) => Rule { action: later.action, ..*narrowed } == *later,
        Both::Never | Both::Inexpressible(_) => false,
    }
}

/// Rules for packets that match both, with the action of the second.
fn together(first: &Rule, second: &Rule, rules: &mut Vec<Rule>) -> Option<()> {
    match both(first, second) {
        Both::Rule(rule) => rules.push(Rule { action: second.action, ..*rule }),
        Both::Never => {}
        Both::Inexpressible(obstacle) => {
            if let Some(parts) = first.alternatives(obstacle) {
                return parts.iter().try_for_each(|part| together(part, second, rules));
            }
            let parts = second.alternatives(obstacle)?;
            return parts.iter().try_for_each(|part| together(first, part, rules));
        }
    }
    Some(())
}
