//! What programs tell of the process that uses a socket.

/// Longest name of a task, with its terminating zero (`TASK_COMM_LEN` of include/linux/sched.h).
pub const COMM: usize = 16;

/// A process begins to connect: the port of its end is not chosen yet.
pub const PROCESS_CONNECTS: u8 = 1;
/// A process listens.
pub const PROCESS_LISTENS: u8 = 2;
/// A process has sent or received by this socket, or what it began to connect was established or has failed.
pub const PROCESS_USES: u8 = 3;

/// A process and the ends of a socket that it uses. No padding; every bit pattern is valid.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// Address of the `sock`: tells sockets apart while they live.
    pub sock: u64,
    /// Address of this end, network byte order; an IPv4 address stands in the first four bytes. Zeros: any.
    pub local: [u8; 16],
    /// Address of the other end; zeros: any.
    pub remote: [u8; 16],
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Process id in the initial namespace of those.
    pub pid: u32,
    /// Port of this end, host byte order; 0 when it is not chosen yet.
    pub local_port: u16,
    /// Port of the other end, host byte order; 0 when there is none.
    pub remote_port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// 4 or 6; an IPv6 socket that speaks IPv4 is 4.
    pub family: u8,
    /// `PROCESS_*`.
    pub kind: u8,
    /// Zero.
    pub pad: u8,
    /// Name of the task, ended by a zero.
    pub comm: [u8; COMM],
}

/// Value of the map of sockets whose process was told.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessSocket {
    /// The process.
    pub pid: u32,
    /// Ports of both ends when it was told: another socket may come to lie at the same address.
    pub ports: u32,
    /// Name of its task.
    pub comm: [u8; COMM],
}
