//! Messages: a line each, on standard error.

use core::fmt::{self, Write as _};

/// Longer lines are cut.
const LINE: usize = 640;

/// Writes `oc-netobserv stage: <message>`.
pub(crate) fn line(message: &dyn fmt::Display) {
    let mut line = Line { bytes: [0; LINE], length: 0 };
    // A line that is full has been said as far as it goes.
    let _ = write!(line, "oc-netobserv stage: {message}");
    line.bytes[line.length] = b'\n';
    // Nobody is left to tell if this does not work. One write, so that lines of several writers stay whole.
    // SAFETY: whatever the first three descriptors are, nothing here owns or closes them.
    let _ = rustix::io::write(unsafe { rustix::stdio::stderr() }, &line.bytes[..=line.length]);
}

struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // One byte is for the end of the line.
        let free = LINE - 1 - self.length;
        let taken = text.len().min(free);
        self.bytes[self.length..self.length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        if taken == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
