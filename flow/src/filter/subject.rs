//! What a filter is applied to.

use std::net::IpAddr;

use super::Object;
use crate::{Field, FlowRecord, Value, show};

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

    /// The texts of a table's cells, so that a word finds the same everywhere.
    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool {
        Field::ALL
            .iter()
            .any(|field| self.get(*field).is_some() && show::cell(self, *field).is_some_and(|text| look(&text)))
    }
}
