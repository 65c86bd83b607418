//! What several test modules need.
#![cfg(test)]

use std::{sync::Arc, time::Duration};

use flow::{
    CaptureConfig,
    config::{Limits, Mode, NetNs, TcAttach},
};

/// A capture of everything in our own namespace.
pub(crate) fn config(mode: Mode) -> CaptureConfig {
    CaptureConfig {
        mode,
        rules: Vec::new(),
        features: Vec::new(),
        netns: NetNs::Current,
        interfaces: Vec::new(),
        exclude_interfaces: Vec::new(),
        tc_attach: TcAttach::Any,
        sampling: 1,
        cache_max_flows: 1000,
        cache_active_timeout: Duration::from_secs(1),
        snaplen: 0,
        buffer_size: 1 << 20,
        files: flow::config::PacketFiles::default(),
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: flow::config::KeyOwners::default(),
        observations: false,
        own: Vec::new(),
        spare_rules: 0,
        sets: Vec::new(),
        spare_sets: 0,
        after: None,
        drops_only: false,
        pods: false,
        dns_ports: Vec::new(),
        agent_ip: None,
        node: Arc::from("here"),
        limits: Limits { time: None, bytes: None, packets: None },
    }
}

/// UDP 10.0.0.1:1000 -> 10.0.0.2:53 in an Ethernet frame.
pub(crate) fn udp_frame() -> Vec<u8> {
    let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let ip = [0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let udp = [3, 232, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4];
    [ethernet.as_slice(), &ip, &udp].concat()
}
