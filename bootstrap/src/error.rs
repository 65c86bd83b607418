//! What can go wrong, and the one line that says so.

use core::{ffi::CStr, fmt};

use rustix::io::Errno;

use crate::{files::Path, unpack::Digest};

/// A failure.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The command line is wrong.
    Usage(&'static str),
    /// A system call on a file failed: what was tried ("write"), with what, and why.
    System(&'static str, Path, Errno),
    /// A system call on the connection or standard input failed.
    Stream(&'static str, Errno),
    /// The data ended early.
    Short { found: u64, wanted: u64 },
    /// The data is not what it should be.
    Damaged(&'static str),
    /// It unpacks, but is not what the command line asks for.
    Digest { found: Digest, wanted: Digest },
    /// The server has no executable for this architecture yet.
    NotYet(&'static str),
}

impl Error {
    /// A failed system call on the file at `path`.
    pub(crate) fn system(doing: &'static str, path: &CStr, errno: Errno) -> Self {
        Self::System(doing, Path::cut(path), errno)
    }

    /// Whether asking the server again may help.
    pub(crate) fn is_remote(&self) -> bool {
        !matches!(self, Self::Usage(_) | Self::System(..))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::System(doing, path, errno) => write!(f, "cannot {doing} {path}: {}", Reason(*errno)),
            Self::Stream(doing, errno) => write!(f, "cannot {doing}: {}", Reason(*errno)),
            Self::Short { found, wanted } => write!(f, "the data ended after {found} of {wanted} bytes"),
            Self::Damaged(what) => write!(f, "damaged data: {what}"),
            Self::Digest { found, wanted } => {
                write!(f, "wrong executable: its SHA-256 is {found}, wanted is {wanted}; it is not run")
            }
            Self::NotYet(architecture) => write!(f, "no executable for {architecture} there yet"),
        }
    }
}

/// An error number in words; without a C library only those that can be expected have some.
struct Reason(Errno);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Errno::ACCESS => "permission denied (or the volume is mounted noexec)",
            Errno::PERM => "operation not permitted",
            Errno::NOENT => "no such file or directory",
            Errno::NOTDIR => "not a directory",
            Errno::ROFS => "read-only file system",
            Errno::NOSPC => "no space left",
            Errno::DQUOT => "quota exceeded",
            Errno::NOEXEC => "not an executable of this architecture",
            Errno::TOOBIG => "arguments too long",
            Errno::CONNREFUSED => "connection refused",
            Errno::CONNRESET | Errno::PIPE => "connection lost",
            Errno::TIMEDOUT | Errno::AGAIN | Errno::INPROGRESS => "timed out",
            Errno::HOSTUNREACH | Errno::NETUNREACH => "no route",
            other => return write!(f, "error {}", other.raw_os_error()),
        })
    }
}
