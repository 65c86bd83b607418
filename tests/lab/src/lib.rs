//! What tests and benchmarks of the kernel side need around the program under test: network namespaces, traffic of
//! every kind, tcpdump, and readers of files that share no code with the program.
//!
//! Needs Linux and root. Knows the program only as an executable with options and files.

pub mod capture;
pub mod cluster;
pub mod dns;
pub mod files;
pub mod frame;
pub mod need;
pub mod netns;
pub mod proxy;
pub mod raw;
pub mod relay;
pub mod sockets;
pub mod tcpdump;
pub mod terminal;
pub mod topology;
pub mod truth;

pub use capture::{Capture, Finished};
pub use frame::Ends;
pub use netns::Netns;
pub use raw::RawSocket;
pub use relay::{Fate, Relay};
pub use tcpdump::Tcpdump;
pub use terminal::Terminal;
pub use topology::Pair;
pub use truth::{Totals, Truth, Tuple};
