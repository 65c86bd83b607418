//! Which names of addresses the file at hand has told.

use std::{net::IpAddr, sync::Arc};

use hashbrown::HashMap;

use super::block;

/// Addresses that are remembered; past them names are told again.
const MOST: usize = 65_536;

/// Longest name, bytes, its end included: that of the Internet's names (RFC 1035, 2.3.4).
const LONGEST: usize = 255;

/// An address whose owner changes more often than that in packets' time has the name that it had: two ends that share an
/// address take turns with every packet.
const LEAST_NS: u64 = 1_000_000_000;

/// Names by address, and since when.
#[derive(Debug, Default)]
pub(super) struct Names {
    told: HashMap<IpAddr, (Arc<str>, u64)>,
    news: Vec<(IpAddr, Arc<str>)>,
}

impl Names {
    /// Notes who had an address at a time, ns since the epoch.
    pub(super) fn note(&mut self, address: IpAddr, name: &str, time_ns: u64) {
        let name = &name[..name.floor_char_boundary(LONGEST)];
        if let Some((known, since)) = self.told.get(&address)
            && (**known == *name || time_ns < since.saturating_add(LEAST_NS))
        {
            return;
        }
        if self.told.len() >= MOST {
            self.told.clear();
        }
        let name: Arc<str> = name.into();
        self.told.insert(address, (Arc::clone(&name), time_ns));
        self.news.push((address, name));
    }

    /// Writes a block of what is new.
    pub(super) fn tell(&mut self, out: &mut Vec<u8>) {
        if !self.news.is_empty() {
            block::nrb(out, &self.news);
            self.news.clear();
        }
    }

    /// A new file begins, in which nothing is told.
    pub(super) fn forget(&mut self) {
        self.told.clear();
        self.news.clear();
    }
}
