//! Limits: `--max-time` by a timer, `--max-packets` by cutting the batch in which it is reached.
//! (`--max-bytes` is the store thread's, which knows what was really written.)

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use flow::{Body, Reason, Stop};

use crate::subset;

/// Counts down to `--max-time`, whether there is traffic or not; dropping it ends the count.
#[derive(Debug)]
pub(crate) struct Timer {
    _alive: mpsc::Sender<()>,
}

impl Timer {
    /// Requests the end of the capture in `limit` from now.
    pub(crate) fn start(limit: Duration, stop: Stop) -> io::Result<Self> {
        let (alive, dropped) = mpsc::channel();
        thread::Builder::new().name("max-time".into()).spawn(move || {
            if dropped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                stop.request(Reason::Time);
            }
        })?;
        Ok(Self { _alive: alive })
    }
}

/// What `--max-packets` still allows.
#[derive(Debug)]
pub(crate) struct Allowance(Option<u64>);

impl Allowance {
    /// `None`: without limit.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self(limit)
    }

    /// Whether the limit is reached: nothing more is let through.
    pub(crate) fn is_used_up(&self) -> bool {
        self.0 == Some(0)
    }

    /// Removes from `body` what is past the limit and returns how many records or packets that were.
    ///
    /// Packets are cut exactly. A flow record cannot be divided: the one in which the sum of `Packets` reaches the
    /// limit is the last.
    pub(crate) fn cut(&mut self, body: &mut Body) -> u64 {
        let Some(left) = &mut self.0 else { return 0 };
        match body {
            Body::None => 0,
            Body::Flows(batch) if *left == 0 => {
                // Observations of earlier records count back over records that were cut.
                batch.observations.clear();
                std::mem::take(&mut batch.records).len() as u64
            }
            Body::Packets(batch) => {
                let keep = batch.packets.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= keep as u64;
                subset::truncate(batch, keep)
            }
            Body::Flows(batch) => {
                let mut keep = 0;
                while *left > 0 && keep < batch.records.len() {
                    *left = left.saturating_sub(batch.records[keep].packets.unwrap_or(0));
                    keep += 1;
                }
                let past = batch.records.len() - keep;
                batch.records.truncate(keep);
                batch.observations.retain(|observation| i64::from(observation.record) < keep as i64);
                past as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flow::{FlowBatch, FlowRecord, Observation, Packet, PacketBatch};

    use super::*;

    fn flows(packets: &[u64]) -> Body {
        let record = |n: &u64| FlowRecord { packets: Some(*n), ..FlowRecord::default() };
        let observation = |record| Observation {
            record,
            node: None,
            netns: "".into(),
            interface: "eth0".into(),
            direction: 0,
            bytes: 0,
            packets: 0,
        };
        let observations = (0..packets.len() as i32).map(observation).collect();
        Body::Flows(FlowBatch { records: packets.iter().map(record).collect(), observations })
    }

    #[test]
    fn packets_are_cut_exactly() {
        let packet =
            Packet { time_ns: 0, interface: 0, len: 0, caplen: 0, offset: 0, direction: 0, ..Packet::default() };
        let batch = || {
            Body::Packets(PacketBatch {
                data: Vec::new(),
                packets: vec![packet; 4],
                drops: Vec::new(),
                ..PacketBatch::default()
            })
        };
        let mut allowance = Allowance::new(Some(6));
        let (mut first, mut second) = (batch(), batch());
        assert_eq!((allowance.cut(&mut first), allowance.is_used_up()), (0, false));
        assert_eq!((allowance.cut(&mut second), allowance.is_used_up()), (2, true));
        let Body::Packets(second) = second else { unreachable!() };
        assert_eq!(second.packets.len(), 2);
    }

    #[test]
    fn the_record_that_reaches_the_limit_is_the_last_and_takes_its_observations_along() {
        let mut body = flows(&[3, 4, 5, 6]);
        let mut allowance = Allowance::new(Some(5));
        assert_eq!(allowance.cut(&mut body), 2);
        assert!(allowance.is_used_up());
        let Body::Flows(batch) = body else { unreachable!() };
        assert_eq!((batch.records.len(), batch.observations.len()), (2, 2));
        assert_eq!(allowance.cut(&mut flows(&[0, 1])), 2, "nothing passes a limit that is reached");
    }

    #[test]
    fn the_timer_needs_no_traffic_and_ends_with_its_owner() {
        let stop = Stop::default();
        let timer = Timer::start(Duration::from_millis(20), stop.clone()).unwrap();
        assert!(stop.wait_timeout(Duration::from_secs(5)));
        assert_eq!(stop.reason(), Some(Reason::Time));
        drop(timer);
        let stop = Stop::default();
        drop(Timer::start(Duration::from_millis(20), stop.clone()).unwrap());
        assert!(!stop.wait_timeout(Duration::from_millis(60)));
    }
}
