//! The worker of flows mode: drains, accounts, makes records, one interval after the other.

use std::{sync::Arc, time::Duration};

use agent_common::types::{Counter, FlowValue};
use flow::{Body, CaptureConfig, Closed, FlowBatch, FlowRecord};

use crate::{
    account::{Table, points::Points, tuple::Tuple},
    decode::{Decoder, observations},
    drain::{Counts, Drainer},
    error::AgentError,
    features::{About, Features},
    loader::KernelCounters,
    outbox::Outbox,
    time::monotonic,
    topology::Shared,
    worker::{Ended, Work},
};

/// How often the fill of the maps is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// When the first records go out, if the interval is longer: the user sees a row within a second of the start.
const FIRST_REPORT_NS: u64 = 250_000_000;
/// Records in one batch: about 2 MB in memory.
const RECORDS: usize = 1024;
/// How often counters are sent when there is no traffic, and old flows are looked for.
const HOUSEKEEPING_NS: u64 = 1_000_000_000;

/// State of flows mode.
pub(crate) struct Flows {
    drainer: Drainer,
    counts: Accounting,
    kernel: KernelCounters,
    topology: Shared,
    decoder: Decoder,
    features: Features,
    outbox: Outbox,
    interval_ns: u64,
    next_report: u64,
    next_housekeeping: u64,
    /// New entries in the active generation at which it is drained before its time.
    early_at: u64,
    /// Count of new entries when each generation was last empty.
    new_before: [u64; 2],
    with_observations: bool,
}

struct Accounting {
    table: Table,
    now_ns: u64,
}

impl Counts for Accounting {
    fn points(&mut self) -> &mut Points {
        &mut self.table.points
    }

    fn add(&mut self, tuple: &Tuple, point: u32, value: &FlowValue) {
        self.table.add(tuple, point, value, self.now_ns);
    }
}

impl Flows {
    pub(crate) fn new(
        config: &CaptureConfig,
        drainer: Drainer,
        kernel: KernelCounters,
        topology: Shared,
        decoder: Decoder,
        features: Features,
        outbox: Outbox,
    ) -> Self {
        let now = monotonic();
        let interval_ns = (config.cache_active_timeout.as_nanos() as u64).max(1_000_000);
        Self {
            drainer,
            counts: Accounting { table: Table::new(config.cache_max_flows as usize), now_ns: now },
            kernel,
            topology,
            decoder,
            features,
            outbox,
            interval_ns,
            next_report: now + interval_ns.min(FIRST_REPORT_NS),
            next_housekeeping: now + HOUSEKEEPING_NS,
            early_at: (u64::from(config.cache_max_flows) / 2).max(1),
            new_before: [0; 2],
            with_observations: config.observations,
        }
    }

    /// Entries that the active generation got since it was empty.
    fn fill(&self) -> u64 {
        let active = self.drainer.active();
        let counter = if active == 0 { Counter::New0 } else { Counter::New1 };
        self.kernel.one(counter).saturating_sub(self.new_before[active])
    }

    fn drain(&mut self) -> Result<(), AgentError> {
        self.counts.table.points.refresh(&self.topology.current());
        self.counts.now_ns = monotonic();
        let quiet = self.drainer.active();
        let result = self.drainer.turn(&mut self.counts);
        result.map_err(|error| AgentError::os("cannot read the flow maps", error))?;
        self.new_before[quiet] = self.kernel.one(if quiet == 0 { Counter::New0 } else { Counter::New1 });
        self.fallback();
        Ok(())
    }

    fn fallback(&mut self) {
        let unreadable = self.drainer.fallback(&mut self.counts);
        self.outbox.counters.lost_unreadable += unreadable;
    }

    fn take_counters(&mut self) {
        let lost_unreadable = self.outbox.counters.lost_unreadable;
        self.outbox.counters = flow::Counters { lost_unreadable, ..self.kernel.all() };
        self.features.count(&mut self.outbox.counters);
    }

    /// Ends the interval: everything that grew goes out.
    fn report(&mut self) -> Result<(), Closed> {
        let topology = self.topology.current();
        self.counts.table.points.refresh(&topology);
        self.outbox.announce(&topology);
        self.features.collect();
        self.take_counters();
        let now_ns = self.outbox.now_ns();
        let Self { counts, decoder, features, outbox, with_observations, .. } = self;
        let mut batch = FlowBatch::default();
        counts.table.report(|row, points| {
            if batch.records.is_empty() {
                batch.records.reserve_exact(RECORDS);
            }
            if *with_observations {
                batch.observations.extend(observations(row, points, batch.records.len() as i32));
            }
            let mut record = decoder.record(row, now_ns);
            let netns = points.get(row.source.point).place.netns;
            let about = About { tuple: row.tuple, netns, members: row.members, points };
            features.annotate(&about, &mut record);
            batch.records.push(record);
            if batch.records.len() == RECORDS {
                outbox.send(Body::Flows(std::mem::take(&mut batch)), Vec::new())
            } else {
                Ok(())
            }
        })?;
        features.rest(|record| {
            batch.records.push(FlowRecord { time_received: Some(now_ns / 1_000_000_000), ..decoder.common(record) });
        });
        let body = if batch.records.is_empty() { Body::None } else { Body::Flows(batch) };
        outbox.send(body, Vec::new())
    }

    fn keep_house(&mut self, now: u64) {
        if now >= self.next_housekeeping {
            self.next_housekeeping = now + HOUSEKEEPING_NS;
            let forgotten = self.counts.table.expire(now, self.interval_ns);
            if forgotten > 0 {
                let text =
                    format!("{forgotten} flows forgotten early to bound memory: packets on their way may count twice");
                self.outbox.remarks.push(Arc::from(text));
            }
        }
    }
}

impl Work for Flows {
    fn pause(&self) -> Duration {
        Duration::from_nanos(self.next_report.saturating_sub(monotonic())).min(LOOK)
    }

    fn step(&mut self) -> Result<(), Ended> {
        let now = monotonic();
        self.fallback();
        self.features.collect();
        if now >= self.next_report {
            self.features.conclude();
            self.drain()?;
            self.report()?;
            // Late is late: intervals that were missed are not made up for.
            self.next_report = (self.next_report + self.interval_ns).max(monotonic());
            self.keep_house(now);
        } else if self.fill() >= self.early_at {
            self.drain()?;
            if self.counts.table.is_full() {
                // Memory is bounded: the interval ends here, and what was reported is forgotten.
                self.features.conclude();
                self.report()?;
                self.next_housekeeping = now;
                self.keep_house(now);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Ended> {
        // What is attached no more writes no more: both generations, one after the other, become quiet and are emptied.
        self.features.conclude();
        self.drain()?;
        self.drain()?;
        Ok(self.report()?)
    }

    fn counters(&mut self) -> flow::Counters {
        self.take_counters();
        self.outbox.counters
    }
}
