//! A capture on this machine: agent and collector in this process, from the last check to the last message.
//!
//! One way in and one way out: whatever ends it, the agent delivers what it has, the collector closes the files, and
//! the summary says what was lost. Only Linux has what it captures with; what other commands share compiles everywhere.

pub(crate) mod directory;
pub(crate) mod files;
mod signals;
pub(crate) mod summary;

#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
pub(crate) mod recorder;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
pub(crate) use capture::run;
pub(crate) use signals::Signals;

/// Captures as planned; not here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_: &crate::plan::Plan, _: &crate::Context) -> crate::error::Outcome {
    let error = crate::error::Error::failed("--local captures with eBPF, which only Linux has");
    Err(error.hint("without --local it captures on a cluster"))
}
