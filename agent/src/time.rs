//! From the kernel's monotonic clock to the wall clock, by an anchor taken once in a process, so that times never jump.

use std::sync::OnceLock;

/// The anchor of this process, whatever it captures: what was said of its clock before a capture counts in it, too.
static ANCHOR: OnceLock<Anchor> = OnceLock::new();

/// The clock by which all agents of this process stamp what they see, ns since 1970-01-01 UTC: the wall clock as it was when
/// it was first asked, without jumps since.
pub fn clock_ns() -> u64 {
    Anchor::of_process().wall(monotonic())
}

/// For tests: makes the clock of this process differ from the machine's by so many ns. False, and nothing done, once it was
/// read.
#[doc(hidden)]
pub fn shift_clock(ns: i64) -> bool {
    let Anchor(offset) = Anchor::take();
    ANCHOR.set(Anchor(offset.saturating_add(ns))).is_ok()
}

/// What to add to CLOCK_MONOTONIC nanoseconds to get nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor(i64);

impl Anchor {
    /// The one of this process.
    pub(crate) fn of_process() -> Self {
        *ANCHOR.get_or_init(Self::take)
    }

    /// Compares both clocks; the tightest of a few tries counts.
    fn take() -> Self {
        let tries = (0..16).map(|_| {
            let before = now(libc::CLOCK_MONOTONIC);
            let wall = now(libc::CLOCK_REALTIME);
            let after = now(libc::CLOCK_MONOTONIC);
            (after - before, wall as i64 - i64::midpoint(before as i64, after as i64))
        });
        Self(tries.min().map_or(0, |(_, offset)| offset))
    }

    #[cfg(test)]
    pub(crate) const fn at(offset_ns: i64) -> Self {
        Self(offset_ns)
    }

    /// Nanoseconds since the epoch.
    pub(crate) const fn wall(self, monotonic_ns: u64) -> u64 {
        monotonic_ns.saturating_add_signed(self.0)
    }
}

/// CLOCK_MONOTONIC, nanoseconds: the clock of `bpf_ktime_get_ns`.
pub(crate) fn monotonic() -> u64 {
    now(libc::CLOCK_MONOTONIC)
}

fn now(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours; these clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anchor_turns_now_into_now() {
        let wall = Anchor::take().wall(monotonic());
        let system = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        assert!(system.abs_diff(wall) < 50_000_000, "{system} {wall}");
    }

    #[test]
    fn before_the_epoch_is_the_epoch() {
        assert_eq!(Anchor::at(-5).wall(3), 0);
        assert_eq!(Anchor::at(5).wall(3), 8);
    }
}
