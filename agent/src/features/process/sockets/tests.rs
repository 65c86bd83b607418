use agent_common::process::{PROCESS_CONNECTS, PROCESS_LISTENS, PROCESS_USES};

use super::*;
use crate::features::process::{look, proc_net::Socket};

const UDP: u8 = 17;

fn process(pid: u32, name: &str) -> Arc<Process> {
    Arc::new(Process { pid, name: name.into(), container: None })
}

fn bytes(text: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    match text.parse().unwrap() {
        IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    bytes
}

fn event(kind: u8, netns: u32, protocol: u8, local: (&str, u16), remote: (&str, u16)) -> ProcessEvent {
    ProcessEvent {
        sock: u64::from(netns) << 32 | u64::from(local.1),
        local: bytes(local.0),
        remote: bytes(remote.0),
        netns,
        pid: 1,
        local_port: local.1,
        remote_port: remote.1,
        protocol,
        family: if local.0.contains(':') { 6 } else { 4 },
        kind,
        pad: 0,
        comm: [0; 16],
    }
}

fn flow(proto: u8, source: (&str, u16), destination: (&str, u16)) -> Tuple {
    let family = if source.0.contains(':') { 6 } else { 4 };
    Tuple { src: bytes(source.0), dst: bytes(destination.0), selector: [source.1, destination.1], proto, family }
}

fn name(found: Option<Arc<Process>>) -> Option<String> {
    found.map(|process| process.name.to_string())
}

struct Known(Sockets, Instant);

impl Known {
    fn new() -> Self {
        Self(Sockets::default(), Instant::now())
    }

    fn uses(&mut self, event: &ProcessEvent, name: &str) {
        self.0.uses(event, process(1, name), self.1);
    }

    fn ends(&self, tuple: &Tuple, here: u32) -> [Option<String>; 2] {
        [End::Source, End::Destination].map(|end| name(self.0.find(tuple, here, end)))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as answers are")]
fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn both_ends_of_a_connection_in_one_namespace_have_their_process() {
    let mut known = Known::new();
    known.uses(&event(PROCESS_USES, 1, TCP, ("10.0.0.1", 4000), ("10.0.0.2", 80)), "curl");
    known.uses(&event(PROCESS_LISTENS, 1, TCP, ("0.0.0.0", 80), ("0.0.0.0", 0)), "nginx");
    let there = flow(TCP, ("10.0.0.1", 4000), ("10.0.0.2", 80));
    assert_eq!(known.ends(&there, 1), [some("curl"), None], "whose address 10.0.0.2 is, nobody told");
    known.0.settle(1, "10.0.0.2".parse().unwrap());
    assert_eq!(known.ends(&there, 1), [some("curl"), some("nginx")]);
    let back = flow(TCP, ("10.0.0.2", 80), ("10.0.0.1", 4000));
    assert_eq!(known.ends(&back, 1), [some("nginx"), some("curl")]);
}

#[test]
fn a_flow_that_passes_another_namespace_is_joined_by_its_ends_only_if_they_are_unique() {
    let mut known = Known::new();
    let ends = event(PROCESS_USES, 5, TCP, ("10.1.0.5", 4000), ("10.1.0.6", 80));
    known.uses(&ends, "curl");
    let tuple = flow(TCP, ("10.1.0.5", 4000), ("10.1.0.6", 80));
    assert_eq!(known.ends(&tuple, 1)[0], some("curl"), "counted on the node");
    known.uses(&ProcessEvent { netns: 6, ..ends }, "wget");
    assert_eq!(known.ends(&tuple, 1)[0], None, "either may be meant");
    assert_eq!((known.ends(&tuple, 5)[0].clone(), known.ends(&tuple, 6)[0].clone()), (some("curl"), some("wget")));
}

#[test]
fn loopback_belongs_to_its_namespace() {
    let mut known = Known::new();
    known.uses(&event(PROCESS_USES, 5, TCP, ("127.0.0.1", 4000), ("127.0.0.1", 80)), "curl");
    known.uses(&event(PROCESS_LISTENS, 5, TCP, ("127.0.0.1", 80), ("0.0.0.0", 0)), "nginx");
    let tuple = flow(TCP, ("127.0.0.1", 4000), ("127.0.0.1", 80));
    assert_eq!(known.ends(&tuple, 5), [some("curl"), some("nginx")]);
    assert_eq!(known.ends(&tuple, 1), [None, None]);
}

#[test]
fn a_socket_for_any_address_answers_for_the_addresses_of_its_namespace() {
    let mut known = Known::new();
    known.uses(&event(PROCESS_USES, 5, UDP, ("0.0.0.0", 53), ("0.0.0.0", 0)), "dns");
    known.uses(&event(PROCESS_USES, 6, UDP, ("0.0.0.0", 53), ("0.0.0.0", 0)), "other");
    known.0.settle(5, "10.1.0.5".parse().unwrap());
    known.0.settle(6, "10.1.0.6".parse().unwrap());
    let to = |address| flow(UDP, ("10.1.0.9", 4000), (address, 53));
    assert_eq!(known.ends(&to("10.1.0.5"), 1)[1], some("dns"));
    assert_eq!(known.ends(&to("10.1.0.6"), 1)[1], some("other"));
    assert_eq!(known.ends(&to("8.8.8.8"), 5)[1], None, "it passes, it does not end here");
    known.uses(&event(PROCESS_USES, 5, UDP, ("10.1.0.5", 53), ("0.0.0.0", 0)), "exact");
    assert_eq!(known.ends(&to("10.1.0.5"), 1)[1], some("exact"), "the address that it has comes first");
}

#[test]
fn a_connection_that_nobody_answers_has_the_process_that_begins_it() {
    let mut known = Known::new();
    let begun = event(PROCESS_CONNECTS, 1, TCP, ("10.0.0.1", 0), ("10.0.0.2", 81));
    known.0.connects(&begun, process(1, "curl"), known.1);
    let syn = flow(TCP, ("10.0.0.1", 4000), ("10.0.0.2", 81));
    assert_eq!(known.ends(&syn, 1), [some("curl"), None]);
    let another = ProcessEvent { sock: 99, ..begun };
    known.0.connects(&another, process(2, "wget"), known.1);
    assert_eq!(known.ends(&syn, 1)[0], None, "either may be meant");
    known.uses(&ProcessEvent { local_port: 4000, kind: PROCESS_USES, ..begun }, "curl");
    assert_eq!(known.ends(&syn, 1)[0], some("curl"));
    assert_eq!(known.ends(&flow(TCP, ("10.0.0.1", 4001), ("10.0.0.2", 81)), 1)[0], some("wget"));
}

#[test]
fn a_look_tells_what_was_there_and_what_it_misses_is_forgotten_in_time() {
    let mut known = Known::new();
    let end = |text: &str, port| (text.parse().unwrap(), port);
    let socket = Socket { local: end("10.0.0.1", 22), remote: end("10.0.0.9", 5000), inode: 7 };
    let listening = Socket { local: end("::", 22), remote: end("::", 0), inode: 8 };
    let held = |socket| look::Held { socket, protocol: TCP, netns: 1, pid: 77 };
    let seen = Seen { sockets: vec![held(socket), held(listening)], addresses: vec![(1, "10.0.0.1".parse().unwrap())] };
    let begun = known.1;
    known.0.replace(&seen, begun, |pid, _| process(pid, "sshd"));
    let old = flow(TCP, ("10.0.0.9", 5000), ("10.0.0.1", 22));
    let new = flow(TCP, ("10.0.0.9", 5001), ("10.0.0.1", 22));
    assert_eq!((known.ends(&old, 1)[1].clone(), known.ends(&new, 1)[1].clone()), (some("sshd"), some("sshd")));
    assert!(!known.0.uses(&event(PROCESS_USES, 1, TCP, ("10.0.0.1", 1), ("10.0.0.9", 2)), process(1, "x"), begun));
    known.0.replace(&Seen::default(), begun + REMEMBER, |pid, _| process(pid, "none"));
    assert_eq!((known.0.connected.len(), known.0.bound.len(), known.0.count), (0, 0, 0));
}

#[test]
fn flows_without_ports_have_no_process_and_ipv6_is_told_apart() {
    let mut known = Known::new();
    known.uses(&event(PROCESS_USES, 1, TCP, ("fd00::1", 4000), ("fd00::2", 80)), "curl");
    assert_eq!(known.ends(&flow(TCP, ("fd00::1", 4000), ("fd00::2", 80)), 1)[0], some("curl"));
    assert_eq!(known.ends(&flow(1, ("10.0.0.1", 8), ("10.0.0.2", 0)), 1), [None, None]);
}
