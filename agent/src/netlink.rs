//! Netlink: one socket in one namespace, requests and their answers (RFC 3549, netlink(7)).
//!
//! Must not know what the answers are used for. Attributes of no interest are skipped, not parsed, so that a newer
//! kernel's messages are never refused.

pub(crate) mod attributes;
pub(crate) mod conntrack;
pub(crate) mod generic;
pub(crate) mod link;
pub(crate) mod nsid;
pub(crate) mod psample;
pub(crate) mod sockets;
pub(crate) mod speed;
pub(crate) mod stream;
pub(crate) mod tc;
pub(crate) mod xfrm;

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    time::Duration,
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use self::attributes::word;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP_INTERRUPTED: u16 = 0x10;
const DUMP: u16 = 0x300;
/// Flags of a request that makes something, and fails if it is there.
pub(crate) const CREATE_EXCLUSIVE: u16 = 0x400 | 0x200;
const RTNLGRP_LINK: u32 = 1;
/// The kernel answers at once; this only keeps a bug of either side from hanging the capture.
const PATIENCE: Duration = Duration::from_secs(5);
/// A dump is repeated when the kernel says that it changed meanwhile.
const DUMP_TRIES: usize = 5;

/// A message without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) body: Vec<u8>,
}

/// What one datagram holds.
#[derive(Debug, Default)]
struct Answer {
    messages: Vec<Message>,
    interrupted: bool,
    /// The result, once it came: an errno, or 0.
    end: Option<i32>,
}

/// A socket for requests. It belongs to the namespace of the thread that opened it.
pub(crate) struct Requests {
    socket: Socket,
    sequence: u32,
}

impl Requests {
    /// For routing messages.
    pub(crate) fn open() -> io::Result<Self> {
        Self::of(NETLINK_ROUTE)
    }

    /// For messages of another protocol.
    pub(crate) fn of(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        set_patience(&socket)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// All objects of a kind.
    pub(crate) fn dump(&mut self, kind: u16, body: &[u8]) -> io::Result<Vec<Message>> {
        for _ in 0..DUMP_TRIES {
            let (messages, interrupted) = self.exchange(kind, DUMP, body)?;
            if !interrupted {
                return Ok(messages);
            }
        }
        Err(io::Error::other("the list changed each time it was read"))
    }

    /// One request, which the kernel acknowledges after what it has to say.
    pub(crate) fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Message>> {
        self.exchange(kind, flags | ACK, body).map(|(messages, _)| messages)
    }

    fn exchange(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<(Vec<Message>, bool)> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&frame(kind, flags | REQUEST, self.sequence, body), 0)?;
        let mut all = Answer::default();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut answer = parse(&datagram, Some(self.sequence));
            all.messages.append(&mut answer.messages);
            all.interrupted |= answer.interrupted;
            match answer.end {
                None => {}
                Some(0) => return Ok((all.messages, all.interrupted)),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    /// For asking which namespace the socket belongs to.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket stays open as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }
}

/// A socket that hears of interfaces that come, change and go.
pub(crate) struct Events(Socket);

impl Events {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.add_membership(RTNLGRP_LINK)?;
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// Descriptor to poll for reading.
    pub(crate) fn raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Empties the socket; true when it overflowed, so that events are missing.
    pub(crate) fn read(&self, messages: &mut Vec<Message>) -> bool {
        let mut overflowed = false;
        loop {
            match self.0.recv_from_full() {
                Ok((datagram, _)) => messages.append(&mut parse(&datagram, None).messages),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => overflowed = true,
                Err(_) => return overflowed,
            }
        }
    }
}

fn set_patience(socket: &Socket) -> io::Result<()> {
    let time = libc::timeval { tv_sec: PATIENCE.as_secs() as i64, tv_usec: 0 };
    let (value, size) = ((&raw const time).cast(), size_of_val(&time) as u32);
    // SAFETY: the value is a timeval of ours, of the size that is given.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, value, size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn frame(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// Splits a datagram; with a sequence number, answers to other requests are left out.
fn parse(datagram: &[u8], sequence: Option<u32>) -> Answer {
    let mut messages = Vec::new();
    let (interrupted, end) = walk(datagram, sequence, &mut |kind, body| {
        messages.push(Message { kind, body: body.to_vec() });
    });
    Answer { messages, interrupted, end }
}

/// Goes through a datagram as [`parse`] does, copying nothing: whether a dump was interrupted, and its result, once it came.
fn walk(mut datagram: &[u8], sequence: Option<u32>, each: &mut dyn FnMut(u16, &[u8])) -> (bool, Option<i32>) {
    let (mut interrupted, mut end) = (false, None);
    while let (Some(length), Some(kinds), Some(number)) = (word(datagram, 0), word(datagram, 4), word(datagram, 8)) {
        let Some(body) = datagram.get(HEADER..length as usize) else { break };
        let [kind, flags] = halves(kinds);
        if sequence.is_none_or(|sequence| sequence == number) {
            interrupted |= sequence.is_some() && flags & DUMP_INTERRUPTED != 0;
            match kind {
                ERROR | DONE => end = Some(word(body, 0).map_or(0, |code| (code as i32).saturating_neg())),
                _ => each(kind, body),
            }
        }
        datagram = datagram.get((length as usize).next_multiple_of(4)..).unwrap_or_default();
    }
    (interrupted, end)
}

fn halves(word: u32) -> [u16; 2] {
    let [a, b, c, d] = word.to_ne_bytes();
    [u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_of_one_datagram_are_told_apart() {
        let mut datagram = frame(16, 0, 7, &[1, 2, 3, 4, 5]);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
        datagram.extend(frame(16, 0, 8, &[9; 4]));
        datagram.extend(frame(ERROR, 0, 7, &(-17i32).to_ne_bytes()));
        let answer = parse(&datagram, Some(7));
        assert_eq!(answer.messages, [Message { kind: 16, body: vec![1, 2, 3, 4, 5] }]);
        assert_eq!(answer.end, Some(17));
        assert_eq!(parse(&datagram, None).messages.len(), 2);
    }

    #[test]
    fn an_interrupted_dump_says_so() {
        assert!(parse(&frame(DONE, DUMP_INTERRUPTED, 1, &[0; 4]), Some(1)).interrupted);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_without_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&datagram, None);
        }
    }
}
