//! The messages of one life of an agent, each once and in order, into its sink.

use std::sync::Arc;

use flow::{
    Sink,
    control::{AgentState, FromAgent},
    wire,
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_blocking},
};

use super::{AgentInfo, clock::NodeClock, connection::Arrived, registry::Registry, steady::Steady};
use crate::message;

pub(super) struct Task {
    pub(super) registry: Arc<Registry>,
    pub(super) info: AgentInfo,
    pub(super) clock: NodeClock,
    pub(super) arrived: mpsc::Receiver<Arrived>,
    /// The number below which everything is delivered.
    pub(super) delivered: watch::Sender<u64>,
}

/// What became of a batch.
enum Outcome {
    Delivered,
    Unreadable(wire::WireError),
    Closed,
}

impl Task {
    /// Delivers until the life is over; begins when the life `before` has delivered all that came of it.
    pub(super) async fn run(mut self, before: Option<JoinHandle<()>>) {
        if let Some(before) = before {
            let _ = before.await;
        }
        let (registry, info) = (Arc::clone(&self.registry), self.info.clone());
        let mut sink = spawn_blocking(move || (registry.make_sink)(&info)).await.ok();
        let mut next = 0;
        while let Some(Arrived { kind, body, _room }) = self.arrived.recv().await {
            // Without a number it is none of ours, and none can be confirmed.
            let Some((number, _)) = message::number(&body) else { continue };
            // What was sent again and had come before.
            if number < next {
                continue;
            }
            sink = match kind {
                message::BATCH => self.batch(sink, body).await,
                _ => self.report(sink, &body),
            };
            next = number + 1;
            self.delivered.send_replace(next);
        }
    }

    /// Gives the sink back, unless it is closed.
    async fn batch(&self, sink: Option<Box<dyn Sink>>, body: Vec<u8>) -> Option<Box<dyn Sink>> {
        let bytes = body.len() as u64;
        let permit = self.registry.deliveries.acquire().await;
        // Decoding takes its time and the sink may block: not here.
        let (clock, steady) = (self.clock.clone(), self.registry.steady);
        let done = spawn_blocking(move || deliver(sink, &body, &clock, steady)).await;
        drop(permit);
        let (sink, outcome) = done.unwrap_or((None, Outcome::Closed));
        if let Outcome::Unreadable(error) = &outcome {
            log::error!("a batch of {} is lost: {error}", self.info.node);
        }
        self.registry.update(&self.info, |info| match outcome {
            Outcome::Delivered => {
                info.batches += 1;
                info.bytes += bytes;
            }
            Outcome::Unreadable(_) => info.unreadable += 1,
            Outcome::Closed => info.discarded += 1,
        });
        sink
    }

    /// Passes on what an agent says; the sink goes when the agent has ended.
    fn report(&self, sink: Option<Box<dyn Sink>>, body: &[u8]) -> Option<Box<dyn Sink>> {
        let Some(Ok(report)) = message::number(body).map(|(_, rest)| postcard::from_bytes::<FromAgent>(rest)) else {
            log::error!("a report of {} cannot be read", self.info.node);
            return sink;
        };
        let ended = report == FromAgent::State(AgentState::Ended);
        let sink = sink.filter(|_| !ended);
        self.registry.said(&self.info, report);
        sink
    }
}

fn deliver(
    sink: Option<Box<dyn Sink>>,
    body: &[u8],
    clock: &NodeClock,
    steady: Steady,
) -> (Option<Box<dyn Sink>>, Outcome) {
    let Some(mut sink) = sink else { return (None, Outcome::Closed) };
    match wire::decode(&body[message::NUMBER..]) {
        Ok(mut batch) => {
            clock.put_right(&mut batch, steady.now_ns());
            match sink.deliver(batch) {
                Ok(()) => (Some(sink), Outcome::Delivered),
                Err(flow::Closed) => (None, Outcome::Closed),
            }
        }
        Err(error) => (Some(sink), Outcome::Unreadable(error)),
    }
}
