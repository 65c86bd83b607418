//! What is sent to a cluster to run there: the stage of each architecture of nodes, and executables of this program,
//! found, checked and compressed.
//!
//! Architectures are named as Kubernetes names them (`amd64`, `arm64`). Must not know the cluster.

mod elf;

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::ZlibEncoder};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// Architectures that a stage is there for.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// The name of a Linux executable that lies beside a client of another kind: `oc-netobserv-linux-<architecture>`.
const BESIDE: &str = "oc-netobserv-linux-";

/// An executable, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// SHA-256 of the executable itself, as 64 hexadecimal digits: what the stage is told to insist on.
    pub digest: String,
    /// Bytes of the executable itself.
    pub size: usize,
    /// The executable as a zlib stream (RFC 1950): what the stage receives.
    pub bytes: Vec<u8>,
}

/// The static stage (see `bootstrap/`) for an architecture, if there is one.
pub fn stage(architecture: &str) -> Option<&'static [u8]> {
    match architecture {
        "amd64" => Some(include_bytes!("../bootstrap/bin/stage-x86_64")),
        "arm64" => Some(include_bytes!("../bootstrap/bin/stage-aarch64")),
        _ => None,
    }
}

/// This program as an executable for Linux on `architecture`: this very file if it is one, else the one that a release
/// puts beside it. The error says where it was looked for.
pub fn executable(architecture: &str) -> Result<Vec<u8>, Error> {
    let machine = elf::Machine::of(architecture).ok_or_else(|| unknown(architecture))?;
    let places = places(architecture);
    for path in &places {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::failed(format!("{} cannot be read: {error}", path.display()))),
        };
        return match elf::check(&bytes, machine) {
            Ok(()) => Ok(bytes),
            Err(problem) => Err(Error::failed(format!("{} cannot run on nodes: {problem}", path.display()))),
        };
    }
    Err(missing(architecture, &places))
}

/// The same, compressed, with its checksum.
pub fn packed(architecture: &str) -> Result<Packed, Error> {
    let executable = executable(architecture)?;
    Ok(Packed { digest: digest(&executable), size: executable.len(), bytes: compress(&executable) })
}

/// SHA-256 as 64 hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compresses an executable as the stage unpacks it: a zlib stream.
pub fn compress(executable: &[u8]) -> Vec<u8> {
    // Level 9 takes three times as long for 3 % less (8.6 MB: 0.14 s, 3.88 MB against 0.39 s, 3.74 MB).
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(executable.len() / 2), Compression::new(6));
    match encoder.write_all(executable).and_then(|()| encoder.finish()) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("writing to memory does not fail: {error}"),
    }
}

/// Where to look, in this order.
fn places(architecture: &str) -> Vec<PathBuf> {
    let Ok(own) = env::current_exe() else { return Vec::new() };
    let mut places = Vec::new();
    if is_own(architecture) {
        // By the kernel's name: it stays readable when the file was replaced or removed meanwhile.
        places.push(PathBuf::from("/proc/self/exe"));
    }
    // A plugin manager's link lies elsewhere than the files that came with it.
    let real = fs::canonicalize(&own).unwrap_or_else(|_| own.clone());
    for folder in [real.parent(), own.parent()].into_iter().flatten() {
        let path = folder.join(format!("{BESIDE}{architecture}"));
        if !places.contains(&path) {
            places.push(path);
        }
    }
    places
}

/// Whether this process runs on Linux of that architecture.
fn is_own(architecture: &str) -> bool {
    let own = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    cfg!(target_os = "linux") && own == architecture
}

fn unknown(architecture: &str) -> Error {
    Error::failed(format!(
        "nodes of architecture {architecture} are not supported: only {}",
        ARCHITECTURES.join(" and ")
    ))
}

fn missing(architecture: &str, places: &[PathBuf]) -> Error {
    let tried: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let tried = if tried.is_empty() { "where this program lies is unknown".to_owned() } else { tried.join(", ") };
    Error::failed(format!("the executable for linux/{architecture} nodes is missing; looked for: {tried}")).hint(
        format!(
            "put {BESIDE}{architecture} from the release archive beside {}, or name a published image with --image",
            env::current_exe().as_deref().unwrap_or(Path::new("oc-netobserv")).display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_small_static_executables_of_their_architecture() {
        for architecture in ARCHITECTURES {
            let bytes = stage(architecture).unwrap();
            assert_eq!(elf::check(bytes, elf::Machine::of(architecture).unwrap()), Ok(()), "{architecture}");
            assert!(bytes.len() < 96 * 1024, "{architecture}: {} bytes", bytes.len());
        }
        assert_eq!(stage("s390x"), None);
    }

    #[test]
    fn the_stage_of_another_architecture_is_told_apart() {
        let problem = elf::check(stage("arm64").unwrap(), elf::Machine::of("amd64").unwrap()).unwrap_err();
        assert_eq!(problem, "it is for another processor");
    }

    #[test]
    fn a_missing_executable_is_named_with_where_it_was_looked_for() {
        let other = if is_own("amd64") { "arm64" } else { "amd64" };
        let error = executable(other).unwrap_err();
        assert!(error.message.contains(&format!("linux/{other} nodes is missing; looked for: /")), "{}", error.message);
        assert!(error.message.contains(&format!("/oc-netobserv-linux-{other}")), "{}", error.message);
        assert!(error.hint.unwrap().contains("--image"));
        assert!(executable("s390x").unwrap_err().message.contains("s390x are not supported: only amd64 and arm64"));
    }

    #[test]
    fn what_is_compressed_unpacks_to_the_same() {
        let text = b"to and fro ".repeat(5000);
        let packed = compress(&text);
        assert!(packed.len() < text.len() / 20, "{} bytes", packed.len());
        let mut unpacked = Vec::new();
        io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&packed[..]), &mut unpacked).unwrap();
        assert_eq!(unpacked, text);
    }

    #[test]
    fn digests_are_those_of_sha256sum() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
