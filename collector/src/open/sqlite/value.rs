//! Column values as what serde makes a record of.

use flow::FlowRecord;
use serde::{
    Deserialize as _, Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer},
    },
    forward_to_deserialize_any,
};

/// The value of one column.
#[derive(Clone, Copy, Debug)]
pub(super) enum SqlValue<'a> {
    UInt(u64),
    Text(&'a str),
    /// A list as JSON text.
    Json(&'a str),
    /// A list of one text.
    One(&'a str),
}

impl<'de> Deserializer<'de> for SqlValue<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::UInt(number) => visitor.visit_u64(number),
            Self::Text(text) => visitor.visit_str(text),
            Self::One(text) => visitor.visit_seq(serde::de::value::SeqDeserializer::new(std::iter::once(text))),
            Self::Json(text) => {
                let value: serde_json::Value = serde_json::from_str(text).map_err(Error::custom)?;
                value.deserialize_any(visitor).map_err(Error::custom)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for SqlValue<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A record of named values; `None` if one of them is out of its field's range.
pub(super) fn record<'a>(values: impl Iterator<Item = (&'static str, SqlValue<'a>)>) -> Option<FlowRecord> {
    FlowRecord::deserialize(MapDeserializer::<_, Error>::new(values)).ok()
}
