use std::net::IpAddr;

use flow::{Counters, FlowBatch, Interface, LinkType, Packet, PacketBatch};

use super::*;

fn batch(interfaces: Vec<Interface>, body: Body) -> Batch {
    Batch {
        node: "n".into(),
        sequence: 0,
        time_ns: 0,
        counters: Counters::default(),
        interfaces,
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body,
        ..Batch::default()
    }
}

fn text(format: Format, batch: &Batch) -> String {
    let mut out = Vec::new();
    Lines::new(format).append(batch, &mut out);
    String::from_utf8(out).unwrap()
}

fn flows() -> Batch {
    let record = |address: &str, name: &str| FlowRecord {
        src_addr: address.parse::<IpAddr>().ok(),
        dns_name: Some(name.into()),
        bytes: Some(66),
        ..FlowRecord::default()
    };
    let records = vec![record("10.0.0.1", "a"), record("2001:db8:1111:2222::3333", "\u{1b}[2Jb")];
    batch(Vec::new(), Body::Flows(FlowBatch { records, observations: Vec::new() }))
}

/// An IPv4 header with UDP, 53 to 1024, of which the payload was cut.
fn packet() -> Batch {
    let data = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 4, 0, 0, 20, 0, 0];
    let interface = Interface {
        id: 3,
        netns: "blue".into(),
        index: 2,
        name: "wg0".into(),
        link_type: LinkType::RawIp,
        ..Interface::default()
    };
    let caplen = data.len() as u32;
    let packet = Packet {
        time_ns: 1_500_000_001_000_000_002,
        interface: 3,
        len: 40,
        caplen,
        offset: 0,
        direction: 1,
        ..Packet::default()
    };
    batch(
        vec![interface],
        Body::Packets(PacketBatch { data, packets: vec![packet], drops: Vec::new(), ..PacketBatch::default() }),
    )
}

#[test]
fn json_lines_read_back() {
    let text = text(Format::Json, &flows());
    let records: Vec<FlowRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[1].dns_name.as_deref(), Some("\u{1b}[2Jb"));
    assert_eq!(records.len(), 2);
}

#[test]
fn wide_lines_have_headings_and_no_escape_sequence_from_the_network() {
    let text = text(Format::Wide, &flows());
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("End Time"), "{text}");
    assert_eq!(lines.len(), 3);
    assert!(lines[2].ends_with("DnsName=\\u{1b}[2Jb"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_packet_is_one_json_object_with_netobservs_names() {
    let value: serde_json::Value = serde_json::from_str(&text(Format::Json, &packet())).unwrap();
    assert_eq!(value["SrcAddr"], "10.0.0.1");
    assert_eq!((&value["SrcPort"], &value["Bytes"], &value["CapturedBytes"]), (&53.into(), &40.into(), &28.into()));
    assert_eq!((&value["Interface"], &value["NetNs"], &value["Direction"]), (&"wg0".into(), &"blue".into(), &1.into()));
    assert!(text(Format::Json, &packet()).starts_with("{\"Time\":1500000001.000000002,"));
}

#[test]
fn a_packet_is_one_wide_line() {
    let text = text(Format::Wide, &packet());
    assert!(text.starts_with("02:40:01.000000002 wg0@blue Out 10.0.0.1"), "{text}");
    assert!(text.ends_with(", length 40\n"), "{text}");
}

#[test]
fn a_reader_that_has_gone_is_an_end_and_no_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let stop = Stop::default();
    print([Ok(flows())], Format::Json, &mut Gone, &stop).unwrap();
    assert_eq!(stop.reason(), Some(Reason::BrokenPipe));
}
