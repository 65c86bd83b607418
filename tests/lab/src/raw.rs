//! Frames sent as they are, through AF_PACKET.

use std::{
    ffi::CString,
    io,
    mem::size_of,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::netns::Netns;

/// Most frames of one system call.
const BATCH: usize = 64;

/// Sends frames out of one interface.
#[derive(Debug)]
pub struct RawSocket(OwnedFd);

impl RawSocket {
    /// Opens a socket on `interface` of `netns`; it stays there whichever thread uses it.
    pub fn open(netns: &Netns, interface: &str) -> Result<Self> {
        netns.run(|| Self::open_here(interface))
    }

    fn open_here(interface: &str) -> Result<Self> {
        let name = CString::new(interface)?;
        // SAFETY: a string that ends in NUL.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        ensure!(index != 0, "{interface}: {}", io::Error::last_os_error());
        // Protocol 0: this socket receives nothing.
        // SAFETY: plain system call; the descriptor is checked before it is owned.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        ensure!(fd >= 0, "AF_PACKET socket: {}", io::Error::last_os_error());
        // SAFETY: a descriptor just made and owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: all zero is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let size = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: pointer and size describe `address`.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) };
        ensure!(bound == 0, "bind to {interface}: {}", io::Error::last_os_error());
        Ok(Self(socket))
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: pointer and length describe `frame`.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        // The hooks on our side have seen a frame that the other side had no room for.
        let dropped_by_peer = sent < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS);
        ensure!(sent >= 0 || dropped_by_peer, "send: {}", io::Error::last_os_error());
        Ok(())
    }

    /// Sends `frames` in order, each exactly once past the hooks of this interface.
    pub fn send_all<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<()> {
        for batch in frames.chunks(BATCH) {
            let mut start = 0;
            while start < batch.len() {
                start += self.send_some(&batch[start..])?;
            }
        }
        Ok(())
    }

    /// How many of `frames` are done with. A frame that fails with ENOBUFS did pass the hooks and the taps of this
    /// interface and was dropped by the peer (`veth_xmit`, net/packet/af_packet.c `packet_snd`): it is done with too.
    fn send_some<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<usize> {
        let mut parts: [libc::iovec; BATCH] = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        // SAFETY: all zero is a valid mmsghdr.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for ((frame, part), message) in frames.iter().zip(&mut parts).zip(&mut messages) {
            *part = libc::iovec { iov_base: frame.as_ref().as_ptr().cast_mut().cast(), iov_len: frame.as_ref().len() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let count = frames.len().min(BATCH);
        // SAFETY: `count` messages are filled in and point to parts that outlive the call.
        let sent = unsafe { libc::sendmmsg(self.0.as_raw_fd(), messages.as_mut_ptr(), count as u32, 0) };
        if sent >= 0 {
            // A short count means that the next frame failed, and its error was forgotten by the kernel.
            return Ok((sent as usize + 1).min(count));
        }
        let error = io::Error::last_os_error();
        ensure!(error.raw_os_error() == Some(libc::ENOBUFS), "sendmmsg: {error}");
        Ok(1)
    }
}

/// What a paced sender did.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Frames that passed the interface.
    pub frames: u64,
    /// How long it took.
    pub time: Duration,
}

impl Sent {
    /// Frames a second.
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.time.as_secs_f64()
    }
}

/// Sends `total` frames at `rate` a second, as fast as possible when `rate` is `None`. `fill` writes frame number n
/// into a buffer that holds an earlier frame.
pub fn paced(
    socket: &RawSocket,
    template: &[u8],
    total: u64,
    rate: Option<u32>,
    mut fill: impl FnMut(u64, &mut [u8]),
) -> Result<Sent> {
    let mut frames = vec![template.to_vec(); BATCH];
    let start = Instant::now();
    let mut done = 0;
    while done < total {
        let batch = (total - done).min(BATCH as u64) as usize;
        for (index, frame) in frames[..batch].iter_mut().enumerate() {
            fill(done + index as u64, frame);
        }
        socket.send_all(&frames[..batch])?;
        done += batch as u64;
        if let Some(rate) = rate {
            wait_until(start + Duration::from_secs_f64(done as f64 / f64::from(rate)));
        }
    }
    Ok(Sent { frames: done, time: start.elapsed() })
}

/// Sleeps where that is exact enough, else yields.
fn wait_until(when: Instant) {
    while let Some(left) = when.checked_duration_since(Instant::now()) {
        if left > Duration::from_micros(200) {
            std::thread::sleep(left.saturating_sub(Duration::from_micros(100)));
        } else if left.is_zero() {
            return;
        } else {
            std::thread::yield_now();
        }
    }
}
