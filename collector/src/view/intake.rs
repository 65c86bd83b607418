//! Batches become rows, a bounded number at a time so that no frame waits long.

use std::sync::Arc;

use flow::{Batch, Body, FlowRecord};

use super::{Data, View, config, rows, tied::Tied};

/// Records or packets that may wait in the view; beyond it the sender's queue decides what is skipped, and counts it.
const MAX_PENDING: usize = 50_000;

/// A batch that was made so many ns ago is of the past. Below it clocks may differ, and agents wait for an interval.
const LATE: u64 = 5_000_000_000;

impl View {
    /// Whether another batch may be given to [`View::receive`].
    pub fn wants_more(&self) -> bool {
        self.pending_items < MAX_PENDING
    }

    /// Takes a batch that came at `now_ns`: sums and words at once, rows when [`View::work`] gets to them.
    pub fn receive(&mut self, batch: Arc<Batch>, now_ns: u64) {
        // Packets beside flows are in no row and no sum.
        if batch.recording.is_some() && self.kind() == config::Mode::Flows {
            batch.notices.iter().for_each(|text| self.notice(text.clone(), now_ns));
            return;
        }
        // A table that opens late gets what was seen lately all at once.
        let is_late = self.is_live() && batch.time_ns > 0 && now_ns.saturating_sub(batch.time_ns) > LATE;
        self.totals.add(&batch, if is_late { batch.time_ns } else { now_ns });
        for text in &batch.notices {
            self.notice(text.clone(), now_ns);
        }
        let items = items(&batch);
        if items > 0 || !batch.interfaces.is_empty() {
            self.pending_items += items;
            self.pending.push_back((batch, 0));
        }
        self.changed = true;
    }

    /// Whether [`View::work`] has something to do.
    pub fn has_work(&self) -> bool {
        let is_behind = self.tied.as_ref().is_some_and(Tied::is_behind);
        !self.pending.is_empty() || self.is_filtering() || is_behind || !self.spent.is_empty()
    }

    /// Does a part of what waits, in units of a few microseconds each: rows to judge first, then records or packets.
    pub fn work(&mut self, units: usize, now_ns: u64) {
        if self.is_filtering() {
            let rows = rows(&self.data, self.tied.as_ref(), self.held.as_ref());
            self.ranking.judge(rows, units);
            self.changed = true;
        }
        let mut touched = Vec::new();
        if let Some(tied) = self.tied.as_mut().filter(|tied| tied.is_behind()) {
            tied.catch_up(self.data.rows(), units, &mut touched);
        }
        let mut left = units;
        while left > 0 {
            let Some((batch, start)) = self.pending.pop_front() else { break };
            let end = items(&batch).min(start + left);
            self.take_in(&batch, start, end, now_ns, &mut touched);
            self.pending_items -= end - start;
            left = left.saturating_sub((end - start).max(1));
            if end < items(&batch) {
                self.pending.push_front((batch, end));
            } else {
                self.discard(batch);
            }
        }
        self.touch(&touched);
        self.spent.truncate(self.spent.len().saturating_sub(2 * units));
    }

    /// Ten thousand records take milliseconds to free: if nobody else needs them they go some at a time as well.
    fn discard(&mut self, batch: Arc<Batch>) {
        if let Some(Batch { body: Body::Flows(mut body), .. }) = Arc::into_inner(batch) {
            if self.spent.is_empty() {
                self.spent = body.records;
            } else {
                self.spent.append(&mut body.records);
            }
        }
    }

    /// Lets time pass: flows that have fallen silent lose their rates.
    pub fn tick(&mut self, now_ns: u64) {
        let mut touched = Vec::new();
        if let Data::Flows(flows) = &mut self.data {
            flows.fade(now_ns, &mut touched);
        }
        if let Some(tied) = &mut self.tied {
            touched.clear();
            tied.flows.fade(now_ns, &mut touched);
        }
        self.changed |= !touched.is_empty();
        if self.held.is_none() {
            let rows = rows(&self.data, self.tied.as_ref(), None);
            for slot in touched {
                self.ranking.move_only(rows, slot);
            }
        }
    }

    fn take_in(&mut self, batch: &Batch, start: usize, end: usize, now_ns: u64, touched: &mut Vec<u32>) {
        match (&mut self.data, &batch.body) {
            (Data::Flows(flows), Body::Flows(body)) => {
                let is_named = |record: &FlowRecord| record.src_k8s_name.is_some() || record.dst_k8s_name.is_some();
                if self.columns.may_name_ends() && body.records[start..end].iter().any(is_named) {
                    self.columns.name_ends();
                }
                let when = (batch.time_ns, now_ns);
                match &mut self.tied {
                    None => {
                        touched.extend(body.records[start..end].iter().map(|record| flows.add(record, when.0, when.1)));
                        flows.evict(touched);
                    }
                    Some(tied) => {
                        for record in &body.records[start..end] {
                            let slot = flows.add(record, when.0, when.1);
                            touched.extend(tied.add(slot, record, when));
                        }
                        flows.evict(&mut Vec::new());
                        tied.flows.evict(touched);
                    }
                }
            }
            (Data::Packets(packets), Body::Packets(body)) => {
                if start == 0 {
                    packets.learn(&batch.node, &batch.interfaces);
                }
                let is_named = |ends: &Arc<FlowRecord>| ends.src_k8s_name.is_some() || ends.dst_k8s_name.is_some();
                if self.columns.may_name_ends() && body.ends.iter().any(is_named) {
                    self.columns.name_ends();
                }
                for at in start..end {
                    packets.add(&batch.node, (body, at), self.filters.parsed(), touched);
                }
            }
            (Data::Packets(packets), _) => packets.learn(&batch.node, &batch.interfaces),
            (Data::Flows(_), _) => {}
        }
    }

    /// Tells the order which rows changed, unless another picture is held.
    fn touch(&mut self, slots: &[u32]) {
        self.changed |= !slots.is_empty();
        if self.held.is_some() {
            return;
        }
        let rows = rows(&self.data, self.tied.as_ref(), None);
        for slot in slots {
            self.ranking.touch(rows, *slot);
        }
    }
}

fn items(batch: &Batch) -> usize {
    match &batch.body {
        Body::Flows(body) => body.records.len(),
        Body::Packets(body) => body.packets.len(),
        Body::None => 0,
    }
}
