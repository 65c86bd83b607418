//! The stage: starts `oc-netobserv` in a container whose image knows nothing of it.
//!
//! It is a container's command, put there by a ConfigMap: a static executable of some tens of KB without a C library,
//! for images without a shell, a read-only root and any user. It takes the real executable (zlib, RFC 1950) from its
//! standard input or from a server, lets nothing run whose SHA-256 is not the one on its command line, and becomes it.
//!
//! ```text
//! stage receive DIR ARCH SHA256 SIZE                  standard input -> DIR/oc-netobserv-ARCH.z, checked; says "ok"
//! stage run DIR ARCH SHA256 -- ARGS...                waits for that file, unpacks it, becomes it
//! stage fetch HOST:PORT DIR ARCH SHA256 -- ARGS...    gets it from a server, unpacks it, becomes it
//! ```
//!
//! Must know nothing of captures, clusters or what it starts.
#![no_std]
#![no_main]

mod arguments;
mod error;
mod fetch;
mod files;
mod receive;
mod report;
mod run;
mod system;
mod unpack;

use crate::{
    arguments::{Command, Words},
    error::Error,
};

/// Runs the command; comes back only if it is done or has failed.
fn main(words: Words) -> i32 {
    system::exit_on_termination();
    let result = match Command::parse(&words) {
        Ok(Command::Receive(receive)) => receive.run(),
        Ok(Command::Run(run)) => run.run(words),
        Ok(Command::Fetch(fetch)) => fetch.run(words),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            report::line(&error);
            if matches!(error, Error::Usage(_)) { 2 } else { 1 }
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    report::line(&"a defect: please report it");
    system::exit(101)
}
