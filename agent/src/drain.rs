//! Taking counts out of the kernel: two generations of flow maps, switched, left to become quiet, and emptied.
//!
//! Must not know what the counts mean.

use std::{io, os::fd::AsFd as _};

use agent_common::types::{FallbackRecord, FlowKey4, FlowKey6, FlowValue};

use crate::{
    account::{
        points::{Place, Points},
        tuple::Tuple,
    },
    bpf::{Pod as _, batch::Drain, grace},
    loader::FlowMaps,
};

/// What the counts are handed to.
pub(crate) trait Counts {
    /// Numbers of points.
    fn points(&mut self) -> &mut Points;
    /// What one CPU counted at one point.
    fn add(&mut self, tuple: &Tuple, point: u32, value: &FlowValue);
}

/// The flow maps of a capture.
pub(crate) struct Drainer {
    maps: FlowMaps,
    v4: Drain<FlowKey4, FlowValue>,
    v6: Drain<FlowKey6, FlowValue>,
    active: usize,
}

impl Drainer {
    pub(crate) fn new(maps: FlowMaps) -> Self {
        Self { maps, v4: Drain::new(), v6: Drain::new(), active: 0 }
    }

    /// The generation that programs write to.
    pub(crate) const fn active(&self) -> usize {
        self.active
    }

    /// Switches generations, waits until no program writes to the old one any more, and empties that. How many entries
    /// it had.
    pub(crate) fn turn(&mut self, to: &mut impl Counts) -> io::Result<usize> {
        let quiet = self.active;
        self.active = 1 - quiet;
        self.maps.generation.set(0, self.active as u32, 0).map_err(io::Error::other)?;
        grace::wait()?;
        let four = self.v4.all(self.maps.v4[quiet].as_fd(), |key, value| {
            let place = Place { netns: key.netns, ifindex: key.ifindex, egress: is_egress(key.kind) };
            let point = to.points().number(place);
            to.add(&Tuple::from(key), point, value);
        })?;
        let six = self.v6.all(self.maps.v6[quiet].as_fd(), |key, value| {
            let place = Place { netns: key.netns, ifindex: key.ifindex, egress: is_egress(key.kind) };
            let point = to.points().number(place);
            to.add(&Tuple::from(key), point, value);
        })?;
        Ok(four + six)
    }

    /// Empties the ring of packets whose flows did not fit; how many records could not be read.
    pub(crate) fn fallback(&mut self, to: &mut impl Counts) -> u64 {
        let mut unreadable = 0;
        while let Some(item) = self.maps.fallback.next() {
            let Some(record) = FallbackRecord::read(&item) else {
                unreadable += 1;
                continue;
            };
            let key = &record.key;
            let place = Place { netns: key.netns, ifindex: key.ifindex, egress: is_egress(key.kind) };
            let point = to.points().number(place);
            to.add(&Tuple::from(&record), point, &record.value);
        }
        unreadable
    }
}

const fn is_egress(kind: u8) -> bool {
    kind & agent_common::types::DIR_EGRESS != 0
}
