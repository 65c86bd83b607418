//! Taking counted drops out of the kernel: two generations of a map, as flows have them, and a ring for what did not fit.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use agent_common::drops::{DropCounter, DropKey, DropRecord, DropValue};
use aya::maps::{Array, MapData, PerCpuArray, RingBuf};

use crate::{
    bpf::{Pod as _, batch::Drain, grace, info},
    trace::Traced,
};

/// Entries of each generation, which are made beforehand: 2 MB.
pub(crate) const ENTRIES: u32 = 16_384;
/// Room for about 10,000 drops of flows that do not fit, until the next look.
pub(crate) const RING: u32 = 1 << 20;

/// Counters of one program, kept for each CPU, and what the kernel tells of it.
pub(crate) struct Tally {
    counters: PerCpuArray<MapData, u64>,
    program: OwnedFd,
}

impl Tally {
    /// # Errors
    /// The object is not what it should be.
    pub(crate) fn new(traced: &mut Traced) -> Result<Self, String> {
        let program = traced.programs.pop().ok_or("no program was loaded")?;
        Ok(Self { counters: traced.take("DROP_COUNTERS")?, program })
    }

    /// The sum over all CPUs; a counter that cannot be read counts as zero.
    pub(crate) fn one(&self, counter: DropCounter) -> u64 {
        self.counters.get(&(counter as u32), 0).map_or(0, |values| values.iter().sum())
    }

    /// Adds what was lost to the counters of the capture.
    pub(crate) fn count(&self, counters: &mut flow::Counters) {
        counters.lost_drops += self.one(DropCounter::LostPackets) + info::missed(self.program.as_fd());
        counters.drops_without_headers += self.one(DropCounter::Unparsed);
    }
}

/// Maps of the program that counts.
pub(crate) struct Counted {
    maps: [OwnedFd; 2],
    generation: Array<MapData, u32>,
    ring: RingBuf<MapData>,
    pub(crate) tally: Tally,
    drain: Drain<DropKey, DropValue>,
    active: usize,
    /// Count of new entries when each generation was last empty.
    before: [u64; 2],
    /// Records that could not be read.
    pub(crate) unreadable: u64,
}

impl Counted {
    pub(crate) fn new(traced: &mut Traced) -> Result<Self, String> {
        Ok(Self {
            maps: [traced.take_fd("DROPS_0")?, traced.take_fd("DROPS_1")?],
            generation: traced.take("DROP_GENERATION")?,
            ring: traced.take("DROP_RING")?,
            tally: Tally::new(traced)?,
            drain: Drain::new(),
            active: 0,
            before: [0; 2],
            unreadable: 0,
        })
    }

    /// Entries that the active generation got since it was empty.
    fn fill(&self) -> u64 {
        self.entered(self.active).saturating_sub(self.before[self.active])
    }

    fn entered(&self, generation: usize) -> u64 {
        self.tally.one(if generation == 0 { DropCounter::New0 } else { DropCounter::New1 })
    }

    /// Whether there is little room left.
    pub(crate) fn is_filling(&self) -> bool {
        self.fill() >= u64::from(ENTRIES / 2)
    }

    /// Empties the ring.
    pub(crate) fn ring(&mut self, mut each: impl FnMut(&DropKey, &DropValue)) {
        while let Some(item) = self.ring.next() {
            match DropRecord::read(&item) {
                Some(record) => each(&record.key, &record.value),
                None => self.unreadable += 1,
            }
        }
    }

    /// Switches generations, waits until nobody writes to the old one any more, and empties it. Nothing is done where nothing
    /// was dropped.
    pub(crate) fn turn(&mut self, each: impl FnMut(&DropKey, &DropValue)) -> io::Result<()> {
        if self.fill() == 0 {
            return Ok(());
        }
        let quiet = self.active;
        self.active = 1 - quiet;
        self.generation.set(0, self.active as u32, 0).map_err(io::Error::other)?;
        grace::wait()?;
        self.drain.all(self.maps[quiet].as_fd(), each)?;
        self.before[quiet] = self.entered(quiet);
        Ok(())
    }
}
