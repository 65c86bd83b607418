//! Orders of the collector, which repeats those in force after every reconnect: the agent gets what is new.

use std::sync::mpsc::Sender;

use flow::{CaptureConfig, Selection, control::ToAgent};

pub(super) struct Orders {
    agent: Sender<ToAgent>,
    begun: bool,
    filter: Option<Selection>,
    watch: Option<ToAgent>,
    records: Option<ToAgent>,
    stopped: bool,
}

impl Orders {
    pub(super) const fn new(agent: Sender<ToAgent>) -> Self {
        Self { agent, begun: false, filter: None, watch: None, records: None, stopped: false }
    }

    pub(super) fn take(&mut self, order: ToAgent) {
        let new = match order {
            ToAgent::Begin(config) => self.begin(config),
            ToAgent::Filter(selection) => self.filter(selection),
            ToAgent::Watch { .. } => (self.watch.replace(order.clone()).as_ref() != Some(&order)).then_some(order),
            ToAgent::Record(_) => (self.records.replace(order.clone()).as_ref() != Some(&order)).then_some(order),
            // Told once, and never again.
            ToAgent::Save { .. } | ToAgent::Release { .. } => Some(order),
            ToAgent::Stop { reason } => {
                (!std::mem::replace(&mut self.stopped, true)).then_some(ToAgent::Stop { reason })
            }
        };
        // An agent that does not listen any more is ending.
        if let Some(order) = new {
            let _ = self.agent.send(order);
        }
    }

    /// What cannot change while a capture runs is not looked at again.
    fn begin(&mut self, config: Box<CaptureConfig>) -> Option<ToAgent> {
        if std::mem::replace(&mut self.begun, true) {
            return self.filter(config.selection());
        }
        self.filter = Some(config.selection());
        Some(ToAgent::Begin(config))
    }

    fn filter(&mut self, selection: Selection) -> Option<ToAgent> {
        if self.filter.as_ref() == Some(&selection) {
            return None;
        }
        self.filter = Some(selection.clone());
        Some(ToAgent::Filter(selection))
    }
}
