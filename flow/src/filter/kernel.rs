//! Which part of an expression a kernel can judge.
//!
//! Conjuncts are taken one by one. What the kernel judges exactly is done with; of the rest it takes at least what can match,
//! and the collector judges again.

mod atom;
mod list;
mod render;

use super::{
    Filter, SetSource, Split,
    names::Place,
    tree::{Check, Expr, Test},
};
use crate::{Feature, Field, Group, Rule, Rules, config::Mode, rules::MAX_SETS};
use list::List;

/// Most rules that a filter becomes; there is room for 64, own traffic and what comes later included.
const MOST: usize = 40;
/// Most rules that a filter and NetObserv's own rules become together.
const MOST_TOGETHER: usize = 48;

/// An expression split, and why it was split so.
pub(super) struct Parts {
    pub(super) split: Split,
    /// What the kernel takes more of than was asked for, for want of room.
    pub(super) too_many: Vec<Expr>,
    /// What the kernel narrows, but cannot judge exactly.
    pub(super) narrowed: Vec<Expr>,
}

/// Which way a list may err where a condition is nothing for a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// It takes at least what the expression takes.
    Over,
    /// It takes at most that.
    Under,
}

impl Bound {
    const fn flipped(self) -> Self {
        match self {
            Self::Over => Self::Under,
            Self::Under => Self::Over,
        }
    }
}

/// A list, and whether it says exactly what the expression says.
struct Compiled {
    list: List,
    exact: bool,
}

struct Compiler {
    mode: Mode,
    sets: Vec<SetSource>,
    too_many: bool,
}

/// The two parts of an expression.
pub(super) fn split(expr: &Expr, mode: Mode) -> Parts {
    let mut compiler = Compiler { mode, sets: Vec::new(), too_many: false };
    let conjuncts = expr.conjuncts();
    let drops_only = conjuncts.iter().any(is_about_drops) && (mode == Mode::Packets || drops_tell_enough(conjuncts));
    let mut parts =
        Parts { split: Split { drops_only, ..Split::default() }, too_many: Vec::new(), narrowed: Vec::new() };
    let mut whole = List::always();
    let mut after = Vec::new();
    for conjunct in conjuncts {
        if drops_only && is_any_drop(conjunct) {
            continue;
        }
        compiler.too_many = false;
        let Compiled { list, exact } = compiler.compile(conjunct, Bound::Over);
        let joined = whole.and(&list).filter(|joined| joined.rules().len() <= MOST);
        let fits = joined.is_some() && !compiler.too_many;
        let says_something = list != List::always();
        whole = joined.unwrap_or(whole);
        if exact && fits {
            continue;
        }
        after.push(conjunct.clone());
        match (fits, says_something) {
            (false, _) => parts.too_many.push(conjunct.clone()),
            (true, true) => parts.narrowed.push(conjunct.clone()),
            (true, false) => {}
        }
    }
    parts.split.rules = whole.rules();
    parts.split.sets = compiler.sets;
    parts.split.after = (!after.is_empty()).then(|| Filter { expr: Expr::all(after) });
    parts.split.forget_unused_sets();
    parts
}

/// A condition that only what the kernel dropped can meet.
fn is_about_drops(expr: &Expr) -> bool {
    let of = |place: &Place| place.field().feature() == Feature::PktDrop;
    match expr {
        Expr::Test(Test::Number(place, check)) => of(place) && !check.takes(0),
        Expr::Test(Test::Text(place, _) | Test::Match(place, _) | Test::With(place) | Test::Contains(place, _)) => {
            of(place)
        }
        Expr::Test(Test::Flags(field, _) | Test::Bits(field, _)) => of(&Place::One(*field)),
        _ => false,
    }
}

/// A condition that everything the kernel dropped meets.
fn is_any_drop(expr: &Expr) -> bool {
    match expr {
        Expr::Test(Test::Number(Place::One(Field::PktDropPackets), check)) => {
            matches!(check, Check::Above(0) | Check::AtLeast(1))
        }
        Expr::Test(Test::With(Place::One(Field::PktDropPackets))) => true,
        _ => false,
    }
}

/// Whether drops alone, without the flow that they belong to, have all that is asked for.
fn drops_tell_enough(conjuncts: &[Expr]) -> bool {
    let known = |field: Field| {
        matches!(field.feature(), Feature::PktDrop | Feature::Kubernetes | Feature::Subnets)
            || (matches!(field.group(), Group::Endpoint | Group::Observer) && field != Field::Flags)
    };
    let mut enough = true;
    for conjunct in conjuncts {
        conjunct.each(&mut |test| {
            enough &= match test {
                Test::Number(place, _)
                | Test::Text(place, _)
                | Test::Match(place, _)
                | Test::Contains(place, _)
                | Test::With(place)
                | Test::Mac(place, _)
                | Test::Address(place, _) => *place != Place::Duration && known(place.field()),
                Test::Flags(field, _) | Test::Bits(field, _) => known(*field),
                Test::Word(_)
                | Test::Direction(_)
                | Test::Family { .. }
                | Test::Object(..)
                | Test::ObjectMatch(..)
                | Test::WithObject(..) => true,
            };
        });
    }
    enough
}

impl Compiler {
    fn compile(&mut self, expr: &Expr, bound: Bound) -> Compiled {
        match expr {
            Expr::Test(test) => self.test(test, bound),
            Expr::Not(inner) => {
                let Compiled { list, exact } = self.compile(inner, bound.flipped());
                Compiled { list: list.not(), exact }
            }
            Expr::And(parts) => self.joined(parts, bound, Bound::Over, List::always(), List::and),
            Expr::Or(parts) => self.joined(parts, bound, Bound::Under, List::never(), List::or),
        }
    }

    /// All parts joined. Leaving one out errs in the direction `by_leaving_out`; where that is not allowed, nothing can be said.
    fn joined(
        &mut self,
        parts: &[Expr],
        bound: Bound,
        by_leaving_out: Bound,
        start: List,
        join: impl Fn(&List, &List) -> Option<List>,
    ) -> Compiled {
        let mut compiled = Compiled { list: start, exact: true };
        for part in parts {
            let next = self.compile(part, bound);
            compiled.exact &= next.exact;
            match join(&compiled.list, &next.list) {
                Some(list) => compiled.list = list,
                None if bound == by_leaving_out => {
                    compiled.exact = false;
                    self.too_many = true;
                }
                None => {
                    self.too_many = true;
                    return unknown(bound);
                }
            }
        }
        compiled
    }

    /// The index of a set; `None` where there is no room for another.
    fn set(&mut self, source: SetSource) -> Option<u8> {
        let known = self.sets.iter().position(|known| *known == source);
        let index = known.unwrap_or(self.sets.len());
        if index >= MAX_SETS {
            self.too_many = true;
            return None;
        }
        if known.is_none() {
            self.sets.push(source);
        }
        Some(index as u8)
    }
}

/// A condition that is nothing for a kernel.
fn unknown(bound: Bound) -> Compiled {
    let list = if bound == Bound::Over { List::always() } else { List::never() };
    Compiled { list, exact: false }
}

impl Split {
    /// Both this and a list of rules: what NetObserv's options ask for beside the filter. Where they cannot be joined in one list,
    /// the rules run in the kernel and the filter after them.
    #[must_use]
    pub fn within(self, rules: &Rules) -> Self {
        if rules.is_empty() {
            return self;
        }
        let joined = List::of(rules).and(&List::of(&self.rules)).map(|list| list.rules());
        let most = MOST_TOGETHER.max(rules.len());
        if let Some(joined) = joined.filter(|joined| joined.len() <= most) {
            let mut split = Self { rules: joined, ..self };
            split.forget_unused_sets();
            return split;
        }
        let kernel = Filter { expr: List::of(&self.rules).expr(&self.sets) };
        let after = Some(kernel.and(self.after.unwrap_or_default()));
        Self { rules: rules.clone(), sets: Vec::new(), after, drops_only: self.drops_only }
    }

    fn forget_unused_sets(&mut self) {
        let used = |index: usize| {
            let is_it = |set: Option<u8>| set == Some(index as u8);
            self.rules
                .iter()
                .any(|rule| [rule.net_set, rule.peer_set, rule.src_set, rule.dst_set].into_iter().any(is_it))
        };
        let kept: Vec<usize> = (0..self.sets.len()).filter(|index| used(*index)).collect();
        let moved = |set: Option<u8>| {
            set.and_then(|set| kept.iter().position(|index| *index == usize::from(set))).map(|index| index as u8)
        };
        for rule in &mut self.rules {
            let Rule { net_set, peer_set, src_set, dst_set, .. } = rule;
            for set in [net_set, peer_set, src_set, dst_set] {
                *set = moved(*set);
            }
        }
        self.sets = kept.iter().map(|index| self.sets[*index].clone()).collect();
    }
}
