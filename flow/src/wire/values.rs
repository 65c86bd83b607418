//! The binary form of each type that a field may have.

use std::{net::IpAddr, sync::Arc};

use super::{Reader, WireError, Writer};
use crate::{Mac, NetworkEvent, Unit};

/// A type with a binary form, which may depend on what the number means.
pub(crate) trait Packed: Sized {
    fn pack<'a>(&'a self, unit: Unit, to: &mut Writer<'a>) -> Result<(), WireError>;
    fn unpack(unit: Unit, from: &mut Reader<'_>) -> Result<Self, WireError>;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Packed for $type {
            fn pack<'a>(&'a self, _: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
                to.put(self)
            }

            fn unpack(_: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
                from.take()
            }
        }
    )*};
}

plain! { u8 u16 u32 IpAddr Mac }

/// The batch's time in `unit`, if that is a time.
const fn base(unit: Unit, ns: u64) -> Option<u64> {
    match unit {
        Unit::EpochMs => Some(ns / 1_000_000),
        Unit::EpochS => Some(ns / 1_000_000_000),
        _ => None,
    }
}

impl Packed for u64 {
    fn pack<'a>(&'a self, unit: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
        match base(unit, to.base_ns) {
            Some(base) => to.put(&(self.wrapping_sub(base) as i64)),
            None => to.put(self),
        }
    }

    fn unpack(unit: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
        match base(unit, from.base_ns) {
            Some(base) => Ok(base.wrapping_add(from.take::<i64>()? as Self)),
            None => from.take(),
        }
    }
}

impl Packed for Arc<str> {
    fn pack<'a>(&'a self, _: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
        to.put_text(self)
    }

    fn unpack(_: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.take_text()
    }
}

impl Packed for Arc<[u8]> {
    fn pack<'a>(&'a self, _: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
        to.put_count(self.len())?;
        to.put_raw(self);
        Ok(())
    }

    fn unpack(_: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
        let len = from.take_count(1)?;
        Ok(from.take_raw(len)?.into())
    }
}

impl Packed for Arc<[Arc<str>]> {
    fn pack<'a>(&'a self, _: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
        to.put_count(self.len())?;
        self.iter().try_for_each(|text| to.put_text(text))
    }

    fn unpack(_: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
        (0..from.take_count(1)?).map(|_| from.take_text()).collect()
    }
}

impl Packed for Arc<[NetworkEvent]> {
    fn pack<'a>(&'a self, _: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
        to.put_count(self.len())?;
        self.iter().try_for_each(|event| {
            let NetworkEvent { feature, r#type, namespace, name, action, direction } = event;
            [feature, r#type, namespace, name, action, direction].into_iter().try_for_each(|text| to.put_text(text))
        })
    }

    fn unpack(_: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
        // Six texts of one byte or more.
        (0..from.take_count(6)?)
            .map(|_| {
                Ok(NetworkEvent {
                    feature: from.take_text()?,
                    r#type: from.take_text()?,
                    namespace: from.take_text()?,
                    name: from.take_text()?,
                    action: from.take_text()?,
                    direction: from.take_text()?,
                })
            })
            .collect()
    }
}
