//! Services in the world.

use super::{Claim, Kind, World, nodes::always};
use crate::{decode::service::Service, history::Role, id::Key};

impl World {
    /// A service is there.
    pub(crate) fn apply_service(&mut self, service: &Service, now: u64, listed: bool) {
        let thing = self.thing(service.uid, Kind::Service, &service.name, &service.namespace);
        let claim = |address: &std::net::IpAddr| Claim { key: Key::ip(*address), role: Role::Service, network: 0 };
        let claims = service.addresses.iter().map(claim).collect();
        let since = if listed {
            always()
        } else {
            super::claims::Since { from: now.saturating_sub(TOLD_LATE_MS), settled: now }
        };
        self.hold(thing, claims, since, now);
        self.set_selector(thing, &service.selector);
    }

    /// A service is gone.
    pub(crate) fn remove_service(&mut self, service: &Service, now: u64) {
        if let Some(thing) = self.things_by_uid.get(&service.uid).copied() {
            self.remove(thing, now);
        }
    }
}

/// Packets to a new service may be this much older than the news of it, ms.
const TOLD_LATE_MS: u64 = 5_000;
