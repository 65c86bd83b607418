//! What a filter is applied to.

use std::net::{IpAddr, SocketAddr};

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

    /// What is shown of it but times and amounts, in which nearly any digit would be found; `address:port` of both ends too.
    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool {
        let searched =
            |field: &&Field| !matches!(field.group(), Group::Time | Group::Volume) && self.get(**field).is_some();
        let end = |address: Option<IpAddr>, port: Option<u16>| Some(SocketAddr::new(address?, port?).to_string());
        Field::ALL.iter().filter(searched).any(|field| show::cell(self, *field).is_some_and(|text| look(&text)))
            || end(self.src_addr, self.src_port).is_some_and(|text| look(&text))
            || end(self.dst_addr, self.dst_port).is_some_and(|text| look(&text))
    }
}
