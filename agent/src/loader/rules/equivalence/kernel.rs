//! The same with the programs themselves: real frames through BPF_PROG_TEST_RUN, rules and sets replaced between them.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use agent_common::types::Counter;
use flow::{LinkType, Selection};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{Packet, packet, rule, sets};
use crate::{
    bpf::{Attributes, bpf, grace},
    loader::{load, settings::NetnsSource},
    testing::config,
};
use flow::{
    CaptureConfig,
    config::Mode,
    rules::{Action, Sets, verdict},
};

/// Filters that are put in force one after the other, and packets that each of them judges.
const FILTERS: usize = 250;
const PACKETS: usize = 48;

const PROG_TEST_RUN: i32 = 10;

/// Member `test` of `union bpf_attr`, up to what is used.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct TestRun {
    fd: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}
// SAFETY: integers without padding; the pointer is that of a frame which lives while the command runs.
unsafe impl Attributes for TestRun {}

fn run(program: BorrowedFd<'_>, frame: &[u8]) {
    let mut attributes = TestRun {
        fd: program.as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        repeat: 1,
        ..TestRun::default()
    };
    bpf(PROG_TEST_RUN, &mut attributes).unwrap();
}

impl Packet {
    /// As it would be on the wire; what is not known of it is cut off.
    fn frame(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        let [src, dst] = [self.ends.0, self.ends.1].map(|end| self.address(end));
        let octets = |address| match address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        let transport = self.transport();
        if self.v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, self.proto, 64]);
        } else {
            frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, self.proto, 0, 0]);
        }
        frame.extend([octets(src), octets(dst), transport].concat());
        frame
    }

    fn transport(&self) -> Vec<u8> {
        if !self.known {
            return Vec::new();
        }
        let mut bytes = match self.proto {
            1 | 58 => vec![self.icmp.0, self.icmp.1],
            _ => [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat(),
        };
        bytes.resize(20, 0);
        if self.proto == super::TCP {
            (bytes[12], bytes[13]) = (0x50, self.flags);
        }
        bytes
    }
}

#[test]
fn kernel_programs_and_reference_decide_alike() {
    if grace::can_create_maps().is_err() {
        eprintln!("SKIP kernel_programs_and_reference_decide_alike: needs root");
        return;
    }
    let config = CaptureConfig { spare_rules: 1, spare_sets: 1, ..config(Mode::Flows) };
    let mut loaded = load(&config, NetnsSource::Single, 2).unwrap();
    let mut runner = TestRunner::default();
    let filters = (prop::collection::vec(rule(), 0..12), sets());
    let packets = prop::collection::vec(packet(), PACKETS);
    let mut taken = 0;
    for _ in 0..FILTERS {
        let (rules, sets) = filters.new_tree(&mut runner).unwrap().current();
        let selection = Selection { rules, sets, own: Vec::new() };
        loaded.filter.replace(&selection).unwrap();
        let by_address = Sets::new(&selection.sets);
        for packet in packets.new_tree(&mut runner).unwrap().current() {
            let before = loaded.counters.one(Counter::Accepted);
            run(loaded.programs.of(LinkType::Ethernet, packet.egress), &packet.frame());
            let kernel = loaded.counters.one(Counter::Accepted) - before;
            let wanted = verdict(&selection.rules, &by_address, &packet.subject()) == Action::Accept;
            assert_eq!(kernel, u64::from(wanted), "{packet:?} by {selection:?}");
            taken += kernel;
        }
    }
    let all = (FILTERS * PACKETS) as u64;
    assert_eq!(loaded.counters.one(Counter::Seen), all);
    assert!((all / 10..all * 9 / 10).contains(&taken), "{taken} of {all} taken: the cases say little");
}
