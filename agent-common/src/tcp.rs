//! What programs at tracepoints of TCP tell of sockets.
//!
//! Counts are cumulative, as the kernel's own in `tcp_sock` are, so that no reader can lose one. Every field is an integer or
//! an array of them, there is no padding, every bit pattern is valid.

/// Value of the map of sockets, whose key is the address of the `sock`. Programs write it under the lock of that socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// When the programs came to know it, CLOCK_MONOTONIC ns: tells apart sockets that follow each other at one address.
    pub born_ns: u64,
    /// From the first SYN (client), or from the first SYN with ACK (server), to the established connection, ns; 0 when it was
    /// not seen or could not be measured.
    pub handshake_ns: u64,
    /// Address of this end, network byte order; an IPv4 address stands in the first four bytes, the others are zero.
    pub local: [u8; 16],
    /// Address of the other end.
    pub remote: [u8; 16],
    /// Port of this end, host byte order; 0 when the kernel has not chosen it yet.
    pub local_port: u16,
    /// Port of the other end.
    pub remote_port: u16,
    /// Network namespace, as in `FlowKey::netns`. Where a node's is the one that is looked at, which is 0, those of its pods are
    /// told too, by their keys.
    pub netns: u32,
    /// `tcp_sock.total_retrans`: segments sent again, as `TcpRetransSegs` of nstat counts them.
    pub retransmits: u32,
    /// The same before the programs came to know the socket.
    pub retransmits_before: u32,
    /// `tcp_sock.rcv_ooopack`: segments that came out of order.
    pub out_of_order: u32,
    /// The same before the programs came to know the socket.
    pub out_of_order_before: u32,
    /// How often the other end's window was found closed after it had been open.
    pub zero_windows: u32,
    /// `sock.sk_err` when it closed: errno, 0 where there was none.
    pub error: u32,
    /// Round trip times of the interval whose number is even, and of the one whose number is odd.
    pub rtt: [TcpRtt; 2],
    /// 4 or 6; an IPv6 socket that speaks IPv4 is 4.
    pub family: u8,
    /// State (include/net/tcp_states.h).
    pub state: u8,
    /// The state before.
    pub came_from: u8,
    /// Bits `TCP_*`.
    pub flags: u8,
    /// Zero.
    pub pad: u32,
}

/// Smoothed round trip times of one interval, microseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpRtt {
    /// Number of the interval, from 1; 0 when there was none.
    pub interval: u32,
    /// The smallest.
    pub min_us: u32,
    /// The largest.
    pub max_us: u32,
    /// The last.
    pub last_us: u32,
}

/// Bit of [`TcpSocket::flags`]: it opened the connection, and that was seen.
pub const TCP_CLIENT: u8 = 1;
/// Bit of [`TcpSocket::flags`]: it accepted the connection, and that was seen.
pub const TCP_SERVER: u8 = 2;
/// Bit of [`TcpSocket::flags`]: the other end's window is closed.
pub const TCP_NO_WINDOW: u8 = 4;
/// Bit of [`TcpSocket::flags`]: it sent a reset.
pub const TCP_RESET_SENT: u8 = 8;
/// Bit of [`TcpSocket::flags`]: it is closed, and the ring had no room to tell so; user space removes it.
pub const TCP_CLOSED: u8 = 16;

/// Record of the ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpEvent {
    /// Address of the `sock`.
    pub sock: u64,
    /// CLOCK_MONOTONIC ns.
    pub time_ns: u64,
    /// `TCP_EVENT_*`.
    pub kind: u32,
    /// Zero.
    pub pad: u32,
    /// Which and how; see the kinds.
    pub socket: TcpSocket,
}

/// [`TcpEvent::kind`]: a socket closed, and this is the last that is known of it.
pub const TCP_EVENT_CLOSED: u32 = 1;
/// [`TcpEvent::kind`]: a socket that has just closed sent a reset. Only `sock` and `time_ns` are set.
pub const TCP_EVENT_RESET: u32 = 2;
/// [`TcpEvent::kind`]: a SYN with ACK was sent again for a connection that has no socket yet. `sock` is the address of the
/// request, `born_ns` when the first was sent (0 unknown); ends and namespace are set, `retransmits` is 1.
pub const TCP_EVENT_SYN_ACK: u32 = 3;

const _: () = {
    assert!(size_of::<TcpSocket>() == 120);
    assert!(size_of::<TcpEvent>() == 24 + 120);
};
