//! Packets that the kernel drops, made on purpose.

use flow::Feature;

use crate::{
    capture::{Capture, config},
    lab::{Lab, can_run},
};

#[test]
fn kernel_drops_are_watched_where_the_kernel_lets_us() {
    if !can_run("kernel_drops_are_watched_where_the_kernel_lets_us") {
        return;
    }
    let lab = Lab::new();
    let capture = Capture::start(flow::CaptureConfig { features: vec![Feature::PktDrop], ..config(&lab.prefix) });
    assert_eq!(capture.limits(), [""; 0]);
    capture.finish();
}
