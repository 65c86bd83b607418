//! Noticing at once when a name appears under /run/netns or leaves it (inotify(7)).

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use super::NAMED;

/// Becomes readable when something changed.
#[derive(Debug)]
pub(crate) struct NameWatch(OwnedFd);

impl NameWatch {
    /// Begins to watch. The folder may come later: until then only periodic looks find names, and `watch` is tried again.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers; returns a new descriptor.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made this descriptor for us.
        let watch = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        watch.renew();
        Ok(watch)
    }

    /// Watches the folder; harmless when it is watched already.
    pub(crate) fn renew(&self) {
        if let Ok(path) = CString::new(NAMED) {
            let events = libc::IN_CREATE | libc::IN_DELETE | libc::IN_ATTRIB;
            // SAFETY: the path is a C string of ours.
            unsafe { libc::inotify_add_watch(self.0.as_raw_fd(), path.as_ptr(), events) };
        }
    }

    /// Descriptor to poll for reading.
    pub(crate) fn raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Forgets what has happened so far, as what is there is looked at as a whole; true when anything has.
    pub(crate) fn clear(&self) -> bool {
        let mut buffer = [0u8; 4096];
        let mut any = false;
        // SAFETY: the buffer has the length that is given.
        while unsafe { libc::read(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) } > 0 {
            any = true;
        }
        any
    }
}
