//! What programs in TLS libraries tell: secrets with which connections can be read, and whose they are.

/// TLS 1.2 and before: the master secret, 48 bytes.
pub const KEY_MASTER: u8 = 1;
/// TLS 1.3, RFC 8446 section 7.1: `client_early_traffic_secret`.
pub const KEY_CLIENT_EARLY: u8 = 2;
/// `client_handshake_traffic_secret`
pub const KEY_CLIENT_HANDSHAKE: u8 = 3;
/// `server_handshake_traffic_secret`
pub const KEY_SERVER_HANDSHAKE: u8 = 4;
/// `client_application_traffic_secret_0`
pub const KEY_CLIENT_TRAFFIC: u8 = 5;
/// `server_application_traffic_secret_0`
pub const KEY_SERVER_TRAFFIC: u8 = 6;

/// Length of the random number in a hello.
pub const RANDOM: usize = 32;
/// Longest secret: the output of SHA-384.
pub const SECRET: usize = 48;

/// One secret of one connection. No padding; every bit pattern is valid.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// When it was derived, CLOCK_MONOTONIC ns.
    pub time_ns: u64,
    /// The process, by its number in the first namespace of processes.
    pub pid: u32,
    /// `KEY_*`.
    pub kind: u8,
    /// Bytes of `secret` that count.
    pub len: u8,
    /// Zero.
    pub pad: [u8; 2],
    /// `ClientHello.random`, by which connections are known.
    pub random: [u8; RANDOM],
    /// The secret, then zeros.
    pub secret: [u8; SECRET],
}

/// Key of the map of transcripts: a hash that a handshake goes into.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Address of the `EVP_MD_CTX`.
    pub context: u64,
    /// The process.
    pub pid: u64,
}

/// What a thread is deriving; value of a map by thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Deriving {
    /// Where the secret will be.
    pub out: u64,
    /// `KEY_*` of what a call that has begun gives; 0 none.
    pub kind: u8,
    /// Its length.
    pub len: u8,
    /// The same, of a call that is being prepared (OpenSSL 1.1.1).
    pub next_kind: u8,
    /// Its length.
    pub next_len: u8,
    /// Seeds of the pseudorandom function that have been given, if the first of them was "key expansion" (OpenSSL 1.1.1).
    pub seeds: u8,
    /// Whether `secret` is a master secret (OpenSSL 1.1.1).
    pub has_secret: u8,
    /// Whether `random` is that of the connection this thread deals with.
    pub has_random: u8,
    /// Zero.
    pub pad: u8,
    /// `ClientHello.random`
    pub random: [u8; RANDOM],
    /// The same, of the call that has begun: what it calls may hash with contexts that once were of other connections.
    pub of: [u8; RANDOM],
    /// The secret that a pseudorandom function was given.
    pub secret: [u8; SECRET],
}
