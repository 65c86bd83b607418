//! Hellos of TLS and QUIC.

use flow::Feature;

use crate::{
    capture::{Capture, config},
    lab::{Lab, can_run},
};

#[test]
fn kernel_everything_that_is_read_of_packets_loads() {
    if !can_run("kernel_everything_that_is_read_of_packets_loads") {
        return;
    }
    let mut lab = Lab::new();
    lab.pair();
    for features in [vec![Feature::Dns], vec![Feature::Tls], vec![Feature::Dns, Feature::Tls]] {
        let mut config = config(&lab.prefix);
        config.dns_ports = vec![53, 5353];
        config.features = features;
        let capture = Capture::start(config);
        assert_eq!(capture.finish().counters.losses().count(), 0);
    }
}
