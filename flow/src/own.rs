//! The capture's own traffic: what is left out in the kernel, so that capturing makes nothing to capture.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Something whose packets are the capture's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// One TCP connection, both directions, by its two ends.
    Connection(SocketAddr, SocketAddr),
    /// Everything from and to an address that is nobody else's: that of the collector's pod.
    Address(IpAddr),
}
