//! What is known of a packet besides its bytes, as text: the comment of an enhanced packet block and the description of an
//! interface block. Written by the pcapng store, read back when a file is opened, both from the tables here.
//!
//! Knows no block and no file. What is read is not trusted: it is bounded, and what is not of ours is nothing.
//!
//! A comment is one line, `k8s` and then `key=value` with a space before each:
//!
//! `k8s src=shop/web-7d9:Deployment/web dst=db/pg-0:StatefulSet/pg svc=db/pg drop=NETFILTER_DROP pid=41 comm=nginx`
//!
//! | key | value |
//! |---|---|
//! | `src`, `dst` | who sent, who was sent to: `namespace/pod`, with `:Kind/name` of the workload unless it is the pod itself; `Node/name`; `Service/namespace/name` |
//! | `svc` | the service that the end before it stands for, or is: `namespace/name` |
//! | `srcnode`, `dstnode` | the node of that end, unless it is the node |
//! | `drop` | the kernel's reason for dropping the packet |
//! | `pid`, `comm`, `container` | process at the source |
//! | `dstpid`, `dstcomm`, `dstcontainer` | process at the destination |
//!
//! What is unknown is absent. Spaces, control characters, `%` and, within a name, the separators are `%XX` as in URLs.

mod comment;
mod end;
mod escape;
mod interface;

pub(crate) use comment::{Comment, Read, read};
pub(crate) use interface::{Described, describe};

/// What the comment of a dropped packet began with in earlier versions; the kernel's reason followed.
const DROPPED: &str = "dropped: ";

/// What a comment of ours begins with.
const MARK: &str = "k8s";

/// Longest comment that is read, bytes; ours are below.
const LONGEST: usize = 8192;

/// Declares the keys with their spelling, in the order in which they stand in a comment.
macro_rules! keys {
    ($($name:ident $text:literal,)*) => {
        /// Keys of a comment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Key { $($name,)* }

        impl Key {
            const ALL: &[Self] = &[$(Self::$name,)*];

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

keys! {
    Src "src",
    Dst "dst",
    Svc "svc",
    SrcNode "srcnode",
    DstNode "dstnode",
    Drop "drop",
    Pid "pid",
    Comm "comm",
    Container "container",
    DstPid "dstpid",
    DstComm "dstcomm",
    DstContainer "dstcontainer",
}

impl Key {
    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.text() == text)
    }

    /// Appends ` key=`.
    fn begin(self, out: &mut String) {
        out.push(' ');
        out.push_str(self.text());
        out.push('=');
    }
}

#[cfg(test)]
mod tests;
