use flow::{Drop, Field, Packet, Place};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::any_record;

fn anonymizer(key: &[u8]) -> Anonymizer {
    Anonymizer::new(&AnonymizeKey::of(key), false)
}

/// Fields that say who or where, with a value that must not be found again.
fn telling() -> FlowRecord {
    let harmless = [
        "PktDropLatestState",
        "PktDropLatestDropCause",
        "DnsType",
        "DnsFlagsResponseCode",
        "TcpState",
        "TcpResult",
        "IPSecStatus",
        "TLSVersion",
        "TLSTypes",
        "TLSAlpn",
        "TLSCipherSuite",
        "TLSGroup",
        "QuicVersion",
        "SrcK8S_Type",
        "DstK8S_Type",
        "SrcK8S_OwnerType",
        "DstK8S_OwnerType",
    ];
    let fields = Field::ALL.iter().filter(|field| !harmless.contains(&field.name()));
    let value = |field: &Field| {
        let number = *field as u8;
        match field.kind() {
            flow::Kind::Text => json!(format!("who-{number}-secret")),
            flow::Kind::TextList => json!([format!("who-{number}-secret")]),
            flow::Kind::Ip => json!(format!("10.99.88.{number}")),
            flow::Kind::Mac => json!(format!("02:99:88:77:66:{number:02x}")),
            flow::Kind::Events => {
                json!([{"Feature": "acl", "Type": "NetworkPolicy", "Namespace": "who-secret", "Name": "who-secret",
                        "Action": "drop", "Direction": "Ingress"}])
            }
            flow::Kind::UInt => json!(1),
            flow::Kind::UIntList => json!([1]),
        }
    };
    let object = fields.map(|field| (field.name().to_owned(), value(field))).collect();
    serde_json::from_value(Value::Object(object)).unwrap()
}

#[test]
fn nothing_of_who_it_was_is_left_in_a_record() {
    let mut record = telling();
    anonymizer(b"k").record(&mut record);
    let text = serde_json::to_string(&record).unwrap();
    for original in ["secret", "who-", "10.99.88.", "02:99:88:77:66:"] {
        assert!(!text.contains(original), "{original} in {text}");
    }
    let before: serde_json::Map<String, Value> =
        serde_json::from_value(serde_json::to_value(telling()).unwrap()).unwrap();
    let after: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(before.keys().eq(after.keys()), "what was there is there");
}

#[test]
fn the_key_decides() {
    let made = |key: &[u8]| {
        let mut record = telling();
        anonymizer(key).record(&mut record);
        record
    };
    assert_eq!(made(b"one"), made(b"one"));
    assert_ne!(made(b"one"), made(b"two"));
}

proptest! {
    /// Words of protocols stay, so a record of any content may keep some; it never becomes one that cannot be written.
    #[test]
    fn any_record_is_survived(record in any_record()) {
        let mut new = record.clone();
        anonymizer(b"k").record(&mut new);
        for field in Field::ALL {
            prop_assert_eq!(new.get(*field).is_some(), record.get(*field).is_some());
        }
        let mut same = record.clone();
        anonymizer(b"k").record(&mut same);
        prop_assert_eq!(new, same);
    }
}

#[test]
fn a_batch_keeps_its_shape_and_nothing_of_who_it_was() {
    let place = Place {
        namespace: "secret-ns".into(),
        pod: "secret-pod".into(),
        uid: "secret-uid".into(),
        interface: "eth0".into(),
        workload: "Deployment/secret".into(),
        labels: "app=secret,secret=1".into(),
    };
    let interface = Interface {
        id: 3,
        netns: "secret-netns".into(),
        name: "secret-ns/secret-pod:eth0@secret-node".into(),
        link_type: LinkType::RawIp,
        place: Some(place.into()),
        ..Interface::default()
    };
    let data =
        [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0][..], &[10, 99, 88, 1, 10, 99, 88, 2, 0, 53, 4, 0, 0, 8, 0, 0]]
            .concat();
    let len = data.len() as u32;
    let packet = Packet { interface: 3, len, caplen: len, id: 77, ends: 0, ..Packet::default() };
    let mut batch = Batch {
        node: "secret-node".into(),
        interfaces: vec![interface],
        notices: vec!["secret".into()],
        secrets: vec!["CLIENT_RANDOM secret".into()],
        body: Body::Packets(PacketBatch {
            data,
            packets: vec![packet],
            drops: vec![Drop { packet: 0, cause: "NETFILTER_DROP".into() }],
            ends: vec![Arc::new(telling())],
        }),
        ..Batch::default()
    };
    anonymizer(b"k").apply(&mut batch);
    let text = format!("{batch:?}");
    let secrets = ["secret-", "-secret", "app=", "Deployment/secret", "CLIENT_RANDOM"];
    assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    assert!(!text.contains("10, 99, 88") && !text.contains("10.99.88"), "{text}");
    assert!(text.contains("NETFILTER_DROP") && text.contains("Deployment/workload-"), "{text}");
    let Body::Packets(packets) = &batch.body else { unreachable!() };
    assert_ne!(packets.packets[0].id, 77);
    assert_eq!(packets.data[..12], [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, packets.data[10], packets.data[11]]);
}
