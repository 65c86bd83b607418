//! What runs inside the pods of a capture: hidden subcommands of the same binary.
//!
//! Owns the wiring of agent, channel, collector, names and guardian there, and the paths that the plan's manifests mount.
//! Must not know how a capture is deployed.

use std::{fs, path::Path};

use channel::{Identity, certs::Pem};
use clap::Subcommand;

use crate::error::{Error, Outcome};

#[cfg(target_os = "linux")]
mod agent;
#[cfg(unix)]
mod collector;
pub(crate) mod files;
#[cfg(unix)]
mod objects;
#[cfg(unix)]
mod own;
pub(crate) mod paths;
#[cfg(unix)]
mod selection;
mod sessions;
pub(crate) mod settings;
#[cfg(unix)]
mod supervisor;

pub use files::{FilesArgs, ReadArgs};
pub use sessions::{StopArgs, StreamArgs, ViewArgs};

/// Exit code of `pod view`: the capture has ended.
pub(crate) const CAPTURE_ENDED: u8 = 10;
/// Exit code of `pod view`: the collector's process has gone, and may come back.
pub(crate) const COLLECTOR_LOST: u8 = 11;

/// Agents connect here, mutual TLS.
pub(crate) const CHANNEL_PORT: u16 = 9999;
/// Agents fetch the executable here, in the clear, its hash pinned.
pub(crate) const EXECUTABLES_PORT: u16 = 9998;

/// Commands of the pods.
#[derive(Clone, Debug, Subcommand)]
pub enum PodCommand {
    /// The collector's process
    Collector,
    /// An agent's process
    Agent,
    /// The table of the capture that runs in this pod
    View(ViewArgs),
    /// The batches of the capture that runs in this pod, as frames
    Stream(StreamArgs),
    /// How the capture stands, as JSON
    Status,
    /// End the capture and wait until its files are closed
    Stop(StopArgs),
    /// Save the flight recorder
    Save,
    /// The files of the capture, as JSON
    Files(FilesArgs),
    /// The bytes of a file
    Read(ReadArgs),
}

/// Runs one.
pub(crate) fn run(command: &PodCommand) -> Outcome {
    match command {
        PodCommand::Files(args) => files::print(args),
        PodCommand::Read(args) => files::pass(args),
        #[cfg(unix)]
        PodCommand::Collector => collector::run(),
        #[cfg(target_os = "linux")]
        PodCommand::Agent => agent::run(),
        #[cfg(unix)]
        PodCommand::View(args) => sessions::view(args),
        #[cfg(unix)]
        PodCommand::Stream(args) => sessions::stream(args),
        #[cfg(unix)]
        PodCommand::Status => sessions::status(),
        #[cfg(unix)]
        PodCommand::Stop(args) => sessions::stop(args),
        #[cfg(unix)]
        PodCommand::Save => sessions::save(),
        #[cfg(not(target_os = "linux"))]
        _ => Err(Error::failed("this runs in the pods of a capture, on Linux")),
    }
}

/// What this pod shows and trusts on the channel.
fn identity() -> Result<Identity, Error> {
    let read = |name: &str| {
        let path = Path::new(paths::TLS).join(name);
        fs::read_to_string(&path).map_err(|error| Error::failed(format!("{}: {error}", path.display())))
    };
    Ok(Identity { ca_pem: read("ca.crt")?, own: Pem { cert: read("tls.crt")?, key: read("tls.key")? } })
}
