//! The kinds of value a field can hold and the units they are in.
//!
//! Owns the mapping of a Rust type to a [`Kind`]; knows no field by name.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Ethernet address, printed as `02:42:ac:11:00:02`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = self.0;
        write!(f, "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
    }
}

/// Why a text is no Ethernet address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an Ethernet address like 02:42:ac:11:00:02")]
pub struct ParseMacError(String);

impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = || ParseMacError(s.to_owned());
        let mut octets = s.split(':').map(|octet| u8::from_str_radix(octet, 16));
        let mut mac = [0; 6];
        for byte in &mut mac {
            *byte = octets.next().ok_or_else(error)?.map_err(|_| error())?;
        }
        octets.next().is_none().then_some(Self(mac)).ok_or_else(error)
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 6]>::deserialize(deserializer).map(Self);
        }
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a network policy engine said about a packet, as NetObserv's `NetworkEvents` items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkEvent {
    /// Part of the network that spoke, for example `acl`.
    pub feature: Arc<str>,
    /// Kind of object, for example `NetworkPolicy`.
    pub r#type: Arc<str>,
    /// Namespace of the object.
    pub namespace: Arc<str>,
    /// Name of the object.
    pub name: Arc<str>,
    /// What was done, for example `drop`.
    pub action: Arc<str>,
    /// `Ingress` or `Egress`.
    pub direction: Arc<str>,
}

/// The shape of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Unsigned number.
    UInt,
    /// IP address.
    Ip,
    /// Ethernet address.
    Mac,
    /// Text.
    Text,
    /// List of texts.
    TextList,
    /// List of small numbers.
    UIntList,
    /// List of [`NetworkEvent`].
    Events,
}

/// A field's value, borrowed from its record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// [`Kind::UInt`]
    UInt(u64),
    /// [`Kind::Ip`]
    Ip(IpAddr),
    /// [`Kind::Mac`]
    Mac(Mac),
    /// [`Kind::Text`]
    Text(&'a str),
    /// [`Kind::TextList`]
    TextList(&'a [Arc<str>]),
    /// [`Kind::UIntList`]
    UIntList(&'a [u8]),
    /// [`Kind::Events`]
    Events(&'a [NetworkEvent]),
}

/// What a number means, hence how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A plain value.
    None,
    /// Octets.
    Bytes,
    /// Packets on the wire.
    Packets,
    /// Milliseconds since 1970-01-01 UTC.
    EpochMs,
    /// Seconds since 1970-01-01 UTC.
    EpochS,
    /// Duration in milliseconds.
    Milliseconds,
    /// Duration in nanoseconds.
    Nanoseconds,
    /// EtherType (IEEE 802).
    EtherType,
    /// IP protocol number (IANA).
    Protocol,
    /// DSCP (RFC 2474).
    Dscp,
    /// TCP flag bits, with NetObserv's three combinations above bit 7.
    TcpFlags,
    /// 0 ingress, 1 egress, 2 inner.
    FlowDirection,
    /// Per interface: 0 ingress, 1 egress, 3 both.
    IfDirection,
}

/// A Rust type that a field may have.
pub trait FieldType {
    /// Its shape.
    const KIND: Kind;
    /// The value, borrowed.
    fn value(&self) -> Value<'_>;
}

macro_rules! field_types {
    ($($type:ty => $kind:ident, |$v:ident| $value:expr;)*) => {$(
        impl FieldType for $type {
            const KIND: Kind = Kind::$kind;
            fn value(&self) -> Value<'_> {
                let $v = self;
                Value::$kind($value)
            }
        }
    )*};
}

field_types! {
    u8 => UInt, |v| u64::from(*v);
    u16 => UInt, |v| u64::from(*v);
    u32 => UInt, |v| u64::from(*v);
    u64 => UInt, |v| *v;
    IpAddr => Ip, |v| *v;
    Mac => Mac, |v| *v;
    Arc<str> => Text, |v| v;
    Arc<[Arc<str>]> => TextList, |v| v;
    Arc<[u8]> => UIntList, |v| v;
    Arc<[NetworkEvent]> => Events, |v| v;
}
