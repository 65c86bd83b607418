//! What features found out, where two nodes look at one flow: what only one of them has seen (a drop, a process, a segment out of
//! order) must reach the record that is handed on, or one of its own without counts; what both have seen must not be told twice.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, LazyLock},
};

use ::flow::{Feature, Field, FlowRecord, Group, Kind, Value};

/// Fields that features fill.
static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let is_detail = |field: &Field| field.group() == Group::Detail && field.feature() != Feature::Conversations;
    Field::ALL.iter().copied().filter(is_detail).collect()
});

/// DNS messages of a flow that are remembered.
const MESSAGES: usize = 32;

/// What was told of a flow, and what is still to be told.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// Latest value of each field that was handed on, by its hash; of DNS messages the latest few.
    told: Vec<(Field, u32)>,
    /// What nodes have seen besides, and which: one record, more only where they tell of several DNS messages.
    aside: Vec<(Arc<str>, FlowRecord)>,
}

impl Details {
    /// Whether features have found out anything.
    pub(super) fn are_in(record: &FlowRecord) -> bool {
        FIELDS.iter().any(|field| record.get(*field).is_some())
    }

    /// Whether something waits to be told.
    pub(super) fn is_waiting(&self) -> bool {
        !self.aside.is_empty()
    }

    /// Whether `record` says something that was not told.
    pub(super) fn has_news(&self, record: &FlowRecord) -> bool {
        FIELDS.iter().any(|field| self.is_news(record, *field))
    }

    /// Keeps what `record`, which is not handed on, says besides; true if something waits now that did not before.
    pub(super) fn set_aside(&mut self, node: &Arc<str>, record: &FlowRecord) -> bool {
        if !self.has_news(record) {
            return false;
        }
        let mut news = record.clone();
        (news.packets, news.bytes) = (None, None);
        let is_dns_news = self.is_news(record, Field::DnsId);
        for field in &*FIELDS {
            // The fields of one DNS message belong together.
            let stays = if field.feature() == Feature::Dns { is_dns_news } else { self.is_news(record, *field) };
            if !stays {
                news.clear(*field);
            }
        }
        let is_first = self.aside.is_empty();
        match self.aside.iter_mut().find(|(_, aside)| go_together(aside, &news)) {
            Some((_, aside)) => aside.absorb(&news),
            None => self.aside.push((Arc::clone(node), news)),
        }
        is_first
    }

    /// `record` is handed on: it takes along what was set aside, unless it tells of another DNS message.
    pub(super) fn join(&mut self, record: &mut FlowRecord) {
        if let Some(at) = self.aside.iter().position(|(_, aside)| go_together(aside, record)) {
            let (_, mut whole) = self.aside.swap_remove(at);
            // What the node that counts says itself stands above what the other said.
            whole.absorb(record);
            *record = whole;
        }
        self.note(record);
    }

    /// What was set aside, to be handed on by itself.
    pub(super) fn take(&mut self) -> Option<(Arc<str>, FlowRecord)> {
        let aside = self.aside.pop()?;
        self.note(&aside.1);
        Some(aside)
    }

    /// What `record` says is told.
    pub(super) fn note(&mut self, record: &FlowRecord) {
        for field in &*FIELDS {
            let Some(hash) = record.get(*field).map(|value| hash(&value)) else { continue };
            match self.told.iter_mut().find(|(told, _)| told == field) {
                Some(_) if *field == Field::DnsId => self.note_message(hash),
                Some((_, told)) => *told = hash,
                None => self.told.push((*field, hash)),
            }
        }
    }

    /// Many DNS messages may be told of one flow.
    fn note_message(&mut self, hash: u32) {
        if self.told.contains(&(Field::DnsId, hash)) {
            return;
        }
        if self.told.iter().filter(|(told, _)| *told == Field::DnsId).count() == MESSAGES
            && let Some(oldest) = self.told.iter().position(|(told, _)| *told == Field::DnsId)
        {
            self.told.remove(oldest);
        }
        self.told.push((Field::DnsId, hash));
    }

    fn is_news(&self, record: &FlowRecord, field: Field) -> bool {
        let Some(value) = record.get(field) else { return false };
        if field.is_summed() {
            return value != Value::UInt(0);
        }
        let told = self.told.iter().find(|(told, _)| *told == field);
        match field {
            // Each node's kernel has its own view of these; one is enough.
            Field::TcpState | Field::PktDropLatestState => told.is_none(),
            Field::DnsId => !self.told.contains(&(field, hash(&value))),
            _ if field.kind() == Kind::UInt => told.is_none(),
            _ => told.is_none_or(|(_, told)| *told != hash(&value)),
        }
    }
}

/// A record has room for one DNS message.
fn go_together(one: &FlowRecord, other: &FlowRecord) -> bool {
    one.dns_id.is_none() || other.dns_id.is_none() || one.dns_id == other.dns_id
}

fn hash(value: &Value<'_>) -> u32 {
    let mut state = DefaultHasher::new();
    match value {
        Value::UInt(number) => number.hash(&mut state),
        Value::Ip(address) => address.hash(&mut state),
        Value::Mac(mac) => mac.hash(&mut state),
        Value::Text(text) => text.hash(&mut state),
        Value::TextList(list) => list.hash(&mut state),
        Value::UIntList(list) => list.hash(&mut state),
        Value::Events(list) => list.iter().for_each(|event| {
            (&event.feature, &event.r#type, &event.namespace, &event.name, &event.action, &event.direction)
                .hash(&mut state);
        }),
    }
    state.finish() as u32
}
