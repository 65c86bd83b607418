//! Multicast groups and long lists, read without waiting and without keeping what was read.
//!
//! Must not know what the messages say. What the kernel could not deliver because we were slow is told, never hidden.

use std::{io, os::fd::AsRawFd as _};

use netlink_sys::{Socket, SocketAddr};

use super::{DUMP, REQUEST, frame, walk};

/// What the kernel may keep for us in each group: about 50,000 small messages. It takes memory only while they wait.
const WAITING: libc::c_int = 16 << 20;
/// The kernel's dumps come in pieces of at most 32 KiB; a multicast message is smaller, but for sampled packets.
const SCRATCH: usize = 128 << 10;
/// Datagrams read in one go, so that a flood keeps nobody else waiting.
const AT_ONCE: usize = 16_384;

/// Where datagrams are read to; one for all sockets of a thread. Wiped when it goes, as some messages carry keys.
pub(crate) struct Scratch(Vec<u8>);

impl Default for Scratch {
    fn default() -> Self {
        Self(vec![0; SCRATCH])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// A subscription. It belongs to the namespace of the thread that opened it.
pub(crate) struct Groups(Socket);

impl Groups {
    /// Hears of what is sent to these groups from now on.
    pub(crate) fn join(protocol: isize, groups: &[u32]) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        make_room(&socket);
        for group in groups {
            socket.add_membership(*group)?;
        }
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// Gives every message that waits to `each`; how often the kernel had no room for more since the last call.
    pub(crate) fn read(&self, scratch: &mut Scratch, each: &mut dyn FnMut(u16, &[u8])) -> u64 {
        let mut overflows = 0;
        for _ in 0..AT_ONCE {
            match receive(&self.0, scratch) {
                Ok(datagram) => drop(walk(datagram, None, each)),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => overflows += 1,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        overflows
    }
}

/// How far a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more.
    Going,
    /// All was told; `false` when it changed meanwhile in a way that left something out.
    Done(bool),
}

/// A socket that reads lists piece by piece.
pub(crate) struct Lister {
    socket: Socket,
    sequence: u32,
    interrupted: bool,
}

impl Lister {
    /// In the namespace of the calling thread.
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0, interrupted: false })
    }

    /// Asks for all objects of a kind. A list that is being read must be at its end first.
    pub(crate) fn begin(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.interrupted = false;
        self.socket.send(&frame(kind, DUMP | REQUEST, self.sequence, body), 0).map(drop)
    }

    /// Reads at most `pieces` datagrams (each about a hundred objects).
    ///
    /// # Errors
    /// The kernel refuses the request.
    pub(crate) fn read(
        &mut self,
        pieces: usize,
        scratch: &mut Scratch,
        each: &mut dyn FnMut(u16, &[u8]),
    ) -> io::Result<Progress> {
        for _ in 0..pieces {
            let datagram = match receive(&self.socket, scratch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Going),
                datagram => datagram?,
            };
            let (interrupted, end) = walk(datagram, Some(self.sequence), each);
            self.interrupted |= interrupted;
            match end {
                None => {}
                Some(0) => return Ok(Progress::Done(!self.interrupted)),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
        Ok(Progress::Going)
    }
}

fn receive<'a>(socket: &Socket, scratch: &'a mut Scratch) -> io::Result<&'a [u8]> {
    let length = socket.recv(&mut &mut scratch.0[..], 0)?;
    Ok(scratch.0.get(..length).unwrap_or_default())
}

/// With CAP_NET_ADMIN this passes the system's limit, else as much as it allows.
fn make_room(socket: &Socket) {
    let bytes = WAITING;
    let (value, size) = ((&raw const bytes).cast(), size_of_val(&bytes) as u32);
    // SAFETY: the value is an int of ours, of the size that is given.
    let forced = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, value, size) };
    if forced != 0 {
        // A smaller room is no reason to hear nothing: overflows are told.
        let _ = socket.set_rx_buf_sz(WAITING);
    }
}

#[cfg(test)]
mod tests {
    use netlink_sys::protocols::NETLINK_ROUTE;

    use super::*;

    /// `RTM_GETLINK`, `RTM_NEWLINK`, `struct ifinfomsg`.
    const GET_LINK: u16 = 18;
    const NEW_LINK: u16 = 16;
    const HEADER: [u8; 16] = [0; 16];

    #[test]
    fn a_list_is_read_in_pieces_and_can_be_read_again() {
        let mut lister = Lister::open(NETLINK_ROUTE).unwrap();
        let mut scratch = Scratch::default();
        for _ in 0..2 {
            let mut found = 0;
            lister.begin(GET_LINK, &HEADER).unwrap();
            let mut count = |kind, _: &[u8]| found += usize::from(kind == NEW_LINK);
            while lister.read(1, &mut scratch, &mut count).unwrap() == Progress::Going {}
            assert!(found >= 1);
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error_with_its_number() {
        let mut lister = Lister::open(NETLINK_ROUTE).unwrap();
        lister.begin(4094, &HEADER).unwrap();
        let error = lister.read(usize::MAX, &mut Scratch::default(), &mut |_, _| {}).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
    }

    #[test]
    fn a_quiet_group_says_nothing_and_waits_for_nothing() {
        // RTNLGRP_MDB: nobody has one here.
        let groups = Groups::join(NETLINK_ROUTE, &[26]).unwrap();
        assert_eq!(groups.read(&mut Scratch::default(), &mut |_, _| panic!("a message")), 0);
    }
}
