//! What a filter is applied to.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use super::Object;
use crate::{Field, FlowRecord, Group, Value, show};

/// A record, a packet, a row of a table: something with fields and texts.
pub trait Subject {
    /// The value of `field`, `None` where it is absent.
    fn field(&self, field: Field) -> Option<Value<'_>>;

    /// Calls `look` with each text that is shown of it until `look` says true; whether it did.
    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool;

    /// Whether `address` belongs to `object`; `None` where nobody knows: names that stand in the fields decide then.
    fn belongs(&self, object: &Object, address: IpAddr) -> Option<bool> {
        let _ = (object, address);
        None
    }
}

impl Subject for FlowRecord {
    fn field(&self, field: Field) -> Option<Value<'_>> {
        self.get(field)
    }

    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool {
        texts(self).any(|text| look(&text))
    }
}

/// What words are looked for in: everything that is shown of a record but times and amounts, in which nearly any digit would be
/// found, and `address:port` of both ends, as people type them.
pub fn texts(record: &FlowRecord) -> impl Iterator<Item = Cow<'_, str>> {
    let searched = |field: &&Field| !matches!(field.group(), Group::Time | Group::Volume);
    let cells = Field::ALL.iter().filter(searched).filter_map(|field| show::cell(record, *field));
    let end = |address: Option<IpAddr>, port: Option<u16>| Some(SocketAddr::new(address?, port?).to_string().into());
    let ends = [end(record.src_addr, record.src_port), end(record.dst_addr, record.dst_port)];
    cells.chain(ends.into_iter().flatten())
}
