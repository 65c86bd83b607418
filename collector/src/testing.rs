//! Records of any content, for property tests.

use std::net::IpAddr;

use flow::{Field, FlowRecord, Kind};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// A record of which every field is absent or anything that its type can hold.
pub(crate) fn any_record() -> impl Strategy<Value = FlowRecord> {
    let fields: Vec<_> = Field::ALL.iter().map(|field| proptest::option::of(any_value(*field))).collect();
    fields.prop_map(|values| {
        let present =
            Field::ALL.iter().zip(values).filter_map(|(field, value)| Some((field.name().to_owned(), value?)));
        serde_json::from_value(Value::Object(present.collect())).unwrap()
    })
}

fn any_value(field: Field) -> BoxedStrategy<Value> {
    match field.kind() {
        Kind::UInt => any_number(field).prop_map(Value::from).boxed(),
        Kind::Ip => any::<IpAddr>().prop_map(|address| address.to_string().into()).boxed(),
        Kind::Mac => any::<[u8; 6]>().prop_map(|octets| flow::Mac(octets).to_string().into()).boxed(),
        Kind::Text => any_text().prop_map(Value::from).boxed(),
        Kind::TextList => vec(any_text(), 0..4).prop_map(Value::from).boxed(),
        Kind::UIntList => vec(any::<u8>(), 0..4).prop_map(Value::from).boxed(),
        Kind::Events => vec(any_event(), 0..3).prop_map(Value::from).boxed(),
    }
}

/// Any number that the field's type holds, found by trying.
fn any_number(field: Field) -> BoxedStrategy<u64> {
    let holds = |number: u64| serde_json::from_value::<FlowRecord>(json!({ field.name(): number })).is_ok();
    let most = [u64::MAX, u64::from(u32::MAX), u64::from(u16::MAX), u64::from(u8::MAX)];
    let most = most.into_iter().find(|most| holds(*most)).unwrap();
    prop_oneof![0..=most, Just(0), Just(most)].boxed()
}

/// Text of any characters, those that have to be escaped more often.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,12}", "[\"\\\\/\u{0}-\u{1f}\u{7f}é€😀]{0,8}", Just(String::new())]
}

fn any_event() -> impl Strategy<Value = Value> {
    vec(any_text(), 6).prop_map(|texts| {
        json!({
            "Feature": texts[0], "Type": texts[1], "Namespace": texts[2],
            "Name": texts[3], "Action": texts[4], "Direction": texts[5],
        })
    })
}
