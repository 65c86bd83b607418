//! Packets that were on their way to a Service a moment ago, by their ids.

use std::net::IpAddr;

use flow::Packet;

/// Ids remembered; each has its place, and a later one takes it over.
const PLACES: usize = 1 << 16;
/// A packet is translated within so long, ns.
const RECENT: u64 = 2_000_000_000;

/// The address and port of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) address: IpAddr,
    /// `None` for protocols without ports.
    pub(super) port: Option<u16>,
}

/// The latest of them.
#[derive(Debug, Default)]
pub(super) struct Services(Vec<Option<(u64, u64, Service)>>);

impl Services {
    /// `packet` goes to `service`.
    pub(super) fn note(&mut self, packet: &Packet, service: Service) {
        if self.0.is_empty() {
            self.0.resize(PLACES, None);
        }
        if packet.id != 0 {
            self.0[place(packet.id)] = Some((packet.id, packet.time_ns, service));
        }
    }

    /// The Service to which the same packet went before.
    pub(super) fn find(&self, packet: &Packet) -> Option<Service> {
        let (id, time_ns, service) = (*self.0.get(place(packet.id))?)?;
        (id == packet.id && packet.time_ns.abs_diff(time_ns) < RECENT).then_some(service)
    }
}

fn place(id: u64) -> usize {
    id as usize % PLACES
}
