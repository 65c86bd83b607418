//! Hellos of TLS and QUIC (`--enable-tls`): who was asked for, what was offered, what was agreed on. No plaintext.
//!
//! Owns the meaning of the TLS and Quic fields. Facts belong to a connection, so every record of it, in both directions, says
//! what is known by then: bytes can be summed by server name, and a filter on a name takes the whole connection.

pub(crate) mod hello;
pub(crate) mod quic;

mod connection;
mod facts;

use agent_common::{
    parse::{TCP, UDP},
    sample::SAMPLE_QUIC,
};
use flow::{Counters, FlowRecord};

use self::connection::Connection;
use super::{
    About, Begun, Feature, Start,
    recent::Recent,
    samples::{Sample, Samples, connection},
};
use crate::account::tuple::Tuple;

/// Connections that are remembered, in each half of the table: about 30 MB. Those that have records stay.
const CONNECTIONS: usize = 32_768;

/// State of the feature.
struct Hellos {
    samples: Samples,
    connections: Recent<Tuple, Connection>,
}

/// Begins to read what the programs copy to the ring.
pub(crate) fn begin(start: &mut Start<'_>) -> Begun {
    let maps = start.samples.hellos.take().ok_or("hellos of TLS and QUIC are read in flows only")?;
    Ok(Box::new(Hellos { samples: Samples::new(maps), connections: Recent::new(CONNECTIONS) }))
}

/// Reads what is in a sample.
fn take(sample: &Sample<'_>, connections: &mut Recent<Tuple, Connection>) {
    let (key, flipped) = connection(&sample.tuple);
    if connections.get_mut(&key).is_none() {
        connections.insert(key, Connection::default());
    }
    let Some(known) = connections.get_mut(&key) else { return };
    let side = usize::from(flipped);
    if sample.what == SAMPLE_QUIC { known.quic(side, sample) } else { known.tcp(side, sample) }
}

impl Feature for Hellos {
    fn collect(&mut self) {
        let Self { samples, connections } = self;
        samples.take(|sample| take(sample, connections));
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        if self.connections.is_empty() || !matches!(about.tuple.proto, TCP | UDP) {
            return;
        }
        if let Some(known) = self.connections.get_mut(&connection(about.tuple).0)
            && known.netns.contains(&about.netns)
        {
            known.facts.fill(record);
        }
    }

    fn rest(&mut self, _: &mut dyn FnMut(FlowRecord)) {}

    fn count(&self, counters: &mut Counters) {
        counters.lost_hellos = self.samples.lost() + self.samples.unreadable;
    }
}
