//! Doing something inside a namespace, on a thread of its own, so that no thread that lives on ever changes its place.

use std::{
    ffi::c_int,
    fs::{self, File},
    io,
    net::{Ipv4Addr, UdpSocket},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
    thread,
};

/// `SIOCGSKNS` of include/uapi/linux/sockios.h.
const NAMESPACE_OF_SOCKET: libc::c_ulong = 0x894c;
/// `SO_NETNS_COOKIE` of include/uapi/asm-generic/socket.h.
const NETNS_COOKIE: c_int = 71;

/// Runs `what` inside the namespace that a file refers to. Where the caller is already there, nothing is entered: that would
/// need CAP_SYS_ADMIN.
pub(crate) fn within<T: Send>(namespace: BorrowedFd<'_>, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    if is_here(namespace)? {
        return what();
    }
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: changes the calling thread only, which ends with this closure.
            if unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            what()
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread inside a namespace failed")))
    })
}

/// Whether the calling thread is in the namespace.
fn is_here(namespace: BorrowedFd<'_>) -> io::Result<bool> {
    let there = File::from(namespace.try_clone_to_owned()?).metadata()?;
    let here = fs::metadata("/proc/thread-self/ns/net")?;
    Ok((there.dev(), there.ino()) == (here.dev(), here.ino()))
}

/// As [`within`], for a path.
pub(crate) fn within_path<T: Send>(path: &Path, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    within(File::open(path)?.as_fd(), what)
}

/// A file that refers to the namespace of a socket; it keeps the namespace alive until it is dropped.
pub(crate) fn of_socket(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: this ioctl takes no argument and returns a new descriptor.
    let fd = unsafe { libc::ioctl(socket.as_raw_fd(), NAMESPACE_OF_SOCKET) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What tells the namespace of a socket from others, in 32 bits: its cookie, which is never used twice; before Linux 5.14,
/// where programs know the cookie but we do not, its inode number.
pub(crate) fn key(socket: BorrowedFd<'_>) -> io::Result<u32> {
    if let Ok(cookie) = cookie(socket) {
        return Ok(cookie as u32);
    }
    Ok(File::from(of_socket(socket)?).metadata()?.ino() as u32)
}

/// Whether [`key`] is the cookie.
pub(crate) fn key_is_cookie() -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).is_ok_and(|socket| cookie(socket.as_fd()).is_ok())
}

fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut value = 0u64;
    let mut size = size_of::<u64>() as libc::socklen_t;
    let to = (&raw mut value).cast();
    // SAFETY: the value has the size that is given.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, NETNS_COOKIE, to, &raw mut size) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}
