//! Which connections on the collector's node are the capture's own: those through which clients come, told from the
//! kubelet's others by when they appeared. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use flow::{Own, control::Connection};

/// Longest time from the opening of a connection to the word of the command that came through it.
const BEFORE: Duration = Duration::from_secs(3);

/// Longest time until an agent has told of a connection.
const AFTER: Duration = Duration::from_secs(1);

/// Most connections of clients that are left out; each takes two of the kernel's rules.
const MOST: usize = 8;

type Ends = (SocketAddr, SocketAddr);

/// What is known of own traffic. Times are since an arbitrary start.
#[derive(Debug)]
pub(crate) struct OwnTraffic {
    /// The collector's address: nobody else's.
    address: Option<IpAddr>,
    /// When each connection to the kubelet was first told of.
    seen: BTreeMap<Ends, Duration>,
    ours: BTreeSet<Ends>,
    /// When clients came lately.
    arrivals: Vec<Duration>,
    translated: Vec<Own>,
    /// There was a first report: what it had was there before us.
    is_known: bool,
}

impl OwnTraffic {
    /// Nothing but the collector's address; not even that where own traffic is wanted.
    pub(crate) fn new(address: Option<IpAddr>) -> Self {
        Self {
            address,
            seen: BTreeMap::new(),
            ours: BTreeSet::new(),
            arrivals: Vec::new(),
            translated: Vec::new(),
            is_known: false,
        }
    }

    /// A client has come.
    pub(crate) fn arrived(&mut self, now: Duration) {
        self.arrivals.retain(|arrival| now.saturating_sub(*arrival) <= AFTER);
        self.arrivals.push(now);
        let young = self.seen.iter().filter(|(_, seen)| now.saturating_sub(**seen) <= BEFORE && !seen.is_zero());
        self.ours.extend(young.map(|(ends, _)| *ends));
    }

    /// All connections to the kubelet as of now.
    pub(crate) fn connections(&mut self, all: &[Connection], now: Duration) {
        let present: BTreeSet<Ends> = all.iter().map(|connection| (connection.local, connection.remote)).collect();
        self.seen.retain(|ends, _| present.contains(ends));
        self.ours.retain(|ends| present.contains(ends));
        let is_expected = self.arrivals.iter().any(|arrival| now.saturating_sub(*arrival) <= AFTER);
        for ends in present {
            let is_new = !self.seen.contains_key(&ends);
            // Zero stands for what was there before anybody looked.
            self.seen.entry(ends).or_insert(if self.is_known { now } else { Duration::ZERO });
            if is_new && is_expected && self.is_known {
                self.ours.insert(ends);
            }
        }
        self.is_known = true;
    }

    /// All connections of the collector as its node translates them.
    pub(crate) fn translated(&mut self, all: Vec<Own>) {
        self.translated = all;
    }

    /// What agents are to leave out.
    pub(crate) fn all(&self) -> Vec<Own> {
        let Some(address) = self.address else { return Vec::new() };
        let ours = self.ours.iter().take(MOST).map(|(local, remote)| Own::Connection(*local, *remote));
        let translated = self.translated.iter().take(MOST).copied();
        std::iter::once(Own::Address(address)).chain(ours).chain(translated).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "10.0.0.9";

    fn connection(port: u16) -> Connection {
        Connection {
            local: "10.0.0.1:10250".parse().unwrap(),
            remote: SocketAddr::new([10, 0, 0, 2].into(), port),
            acked: 0,
        }
    }

    fn known(ports: &[u16]) -> OwnTraffic {
        let mut own = OwnTraffic::new(Some(HOME.parse().unwrap()));
        own.connections(&ports.iter().copied().map(connection).collect::<Vec<_>>(), s(1));
        own
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ports(own: &OwnTraffic) -> Vec<u16> {
        let port = |own: Own| if let Own::Connection(_, remote) = own { Some(remote.port()) } else { None };
        own.all().into_iter().filter_map(port).collect()
    }

    #[test]
    fn a_connection_that_came_with_a_client_is_ours_until_it_is_gone() {
        let mut own = known(&[1, 2]);
        own.connections(&[connection(1), connection(2), connection(3)], s(10));
        own.arrived(s(11));
        assert_eq!(ports(&own), [3]);
        own.connections(&[connection(1)], s(60));
        assert_eq!(ports(&own), [0; 0]);
    }

    #[test]
    fn a_connection_may_be_told_of_after_its_client_has_come() {
        let mut own = known(&[1]);
        own.arrived(s(10));
        own.connections(&[connection(1), connection(4)], s(10) + AFTER / 2);
        own.connections(&[connection(1), connection(4), connection(5)], s(20));
        assert_eq!(ports(&own), [4]);
    }

    #[test]
    fn what_was_there_before_belongs_to_others() {
        let mut own = known(&[1, 2]);
        own.arrived(s(2));
        assert_eq!(ports(&own), [0; 0]);
        assert_eq!(own.all(), [Own::Address(HOME.parse().unwrap())]);
    }

    #[test]
    fn whoever_wants_own_traffic_gets_it() {
        let mut own = OwnTraffic::new(None);
        own.connections(&[], s(0));
        own.arrived(s(1));
        own.connections(&[connection(1)], s(1));
        assert_eq!(own.all(), []);
    }
}
