//! Which packets agents are to take: the rules in force, and the sets that rules refer to, where those are objects of the
//! cluster whose addresses come and go.
//!
//! Owns when objects are looked up again and what is said of them. Must not know how agents are told.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    time::{Duration, Instant},
};

use flow::{
    Own, Rule, Rules, Selection,
    filter::{Object, SetSource},
    rules::{Action, MAX_ADDRESSES, MAX_RULES},
};
use names::{Names, Resolved};

/// Shortest time between two looks at objects, of which a busy cluster changes many a second. A new pod has to be in within 2 s.
const REST: Duration = Duration::from_millis(200);

/// Who knows the addresses of objects.
pub(crate) trait Directory {
    /// Whether all objects have been listed.
    fn is_ready(&self) -> bool;
    /// As [`Names::version`].
    fn version(&self) -> u64;
    /// As [`Names::resolve`].
    fn resolve(&self, object: &Object, default_namespace: &str) -> Result<Resolved, String>;
}

impl Directory for Names {
    fn is_ready(&self) -> bool {
        self.summary().ready
    }

    fn version(&self) -> u64 {
        Self::version(self)
    }

    fn resolve(&self, object: &Object, default_namespace: &str) -> Result<Resolved, String> {
        Self::resolve(self, object, default_namespace)
    }
}

/// Rules and sets in force.
#[derive(Debug)]
pub(crate) struct Selected<D> {
    rules: Rules,
    sources: Vec<SetSource>,
    default_namespace: String,
    directory: D,
    sets: Vec<Vec<IpAddr>>,
    /// Version of the directory that `sets` are of; `None` as long as it is not ready.
    version: Option<u64>,
    looked: Option<Instant>,
    /// What holds now and has been said.
    remarks: BTreeSet<String>,
    news: Vec<String>,
}

impl<D: Directory> Selected<D> {
    /// `default_namespace` is that of objects which do not say theirs.
    pub(crate) fn new(rules: Rules, sources: Vec<SetSource>, default_namespace: &str, directory: D) -> Self {
        let mut selected = Self {
            rules,
            sets: sources.iter().map(in_expression).collect(),
            sources,
            default_namespace: default_namespace.to_owned(),
            directory,
            version: None,
            looked: None,
            remarks: BTreeSet::new(),
            news: Vec::new(),
        };
        selected.look();
        selected
    }

    /// What agents are told, with the capture's own traffic. As long as objects are not known, nothing is taken: without
    /// the addresses of what was not asked for, everything would be.
    pub(crate) fn selection(&self, own: Vec<Own>) -> Selection {
        if self.has_objects() && self.version.is_none() {
            let nothing = Rule { action: Action::Reject, ..Rule::default() };
            return Selection { rules: vec![nothing], sets: Vec::new(), own };
        }
        Selection { rules: self.rules.clone(), sets: self.sets.clone(), own }
    }

    /// Other rules, over the same sets.
    pub(crate) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Looks objects up if they may have changed; whether [`Self::selection`] has.
    pub(crate) fn look(&mut self) -> bool {
        if !self.has_objects() || self.looked.is_some_and(|looked| looked.elapsed() < REST) {
            return false;
        }
        self.looked = Some(Instant::now());
        // Before the look-ups: what changes meanwhile is seen the next time.
        let version = self.directory.version();
        if self.version == Some(version) || !self.directory.is_ready() {
            return false;
        }
        let was_ready = self.version.replace(version).is_some();
        let sets = self.resolve();
        let changed = sets != self.sets;
        self.sets = sets;
        changed || !was_ready
    }

    /// What a user has to know of the objects and has not been told yet.
    pub(crate) fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn has_objects(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, SetSource::Object(_)))
    }

    fn resolve(&mut self) -> Vec<Vec<IpAddr>> {
        let mut remarks = BTreeSet::new();
        let mut room = MAX_ADDRESSES;
        let mut sets = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let mut set = match source {
                SetSource::Addresses(_) => in_expression(source),
                SetSource::Object(object) => self.addresses(object, &mut remarks),
            };
            if set.len() > room {
                remarks.insert(format!(
                    "more than {MAX_ADDRESSES} addresses are selected: packets of the others are missing"
                ));
                set.truncate(room);
            }
            room -= set.len();
            sets.push(set);
        }
        self.news.extend(remarks.difference(&self.remarks).cloned());
        self.remarks = remarks;
        sets
    }

    fn addresses(&self, object: &Object, remarks: &mut BTreeSet<String>) -> Vec<IpAddr> {
        match self.directory.resolve(object, &self.default_namespace) {
            Ok(resolved) => {
                remarks.extend(resolved.remarks);
                resolved.addresses.into_iter().collect()
            }
            Err(why) => {
                remarks.insert(why);
                Vec::new()
            }
        }
    }
}

fn in_expression(source: &SetSource) -> Vec<IpAddr> {
    match source {
        SetSource::Addresses(addresses) => addresses.clone(),
        SetSource::Object(_) => Vec::new(),
    }
}

/// Whether rules from elsewhere can be put in force over `sets` sets.
///
/// # Errors
/// One sentence: why not.
pub(crate) fn check(rules: &[Rule], sets: usize) -> Result<(), String> {
    let most = MAX_RULES;
    if rules.len() > most {
        return Err(format!("{} filter rules are too many: {most} fit", rules.len()));
    }
    let referred = rules.iter().flat_map(|rule| [rule.net_set, rule.peer_set, rule.src_set, rule.dst_set]);
    match referred.flatten().find(|set| usize::from(*set) >= sets) {
        Some(set) => Err(format!("the rules refer to set {set} of addresses, and this capture has {sets} sets")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
