//! `cargo xtask dist`: release archives of what was built, their checksums, and the manifest for krew that names them.
//!
//! An archive holds the executable, the Linux executables of other platforms (nodes run them, see `src/stage.rs`), the
//! licence and how to install it.
#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

mod krew;

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::{
    archive::{Entry, gzip, sha256, tar, zip},
    binaries::{Binary, PLATFORMS},
    source::{root, target_dir},
};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Names by which kubectl and oc find a plugin and its completion; krew makes the first by itself.
const INSTALL: &str = "\
Put oc-netobserv into a folder of your PATH, with the files oc-netobserv-linux-* beside it (they are what runs on nodes
of another kind than this machine). `oc netobserv` works then. For kubectl, give it a second name there:

    ln -s oc-netobserv kubectl-netobserv
    ln -s oc-netobserv kubectl_complete-netobserv       # completion of `kubectl netobserv`
    ln -s oc-netobserv oc_complete-netobserv            # and of `oc netobserv`

On Windows copy oc-netobserv.exe to kubectl-netobserv.exe instead.
";

/// Arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the archives go; target/dist if it is left out
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write nothing; fail unless krew's rules accept krew/netobserv.yaml
    #[arg(long)]
    check: bool,
}

/// A release archive.
pub(crate) struct Archive {
    /// `oc-netobserv-v0.1.0-linux-amd64.tar.gz`
    name: String,
    sha256: String,
}

/// Writes archives, `SHA256SUMS` and `netobserv.yaml`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = root()?;
    let template = fs::read_to_string(root.join(krew::PATH)).with_context(|| krew::PATH.to_owned())?;
    krew::check(&template, VERSION).context(krew::PATH)?;
    if args.check {
        println!("{}: krew's rules accept it", krew::PATH);
        return Ok(());
    }
    let folder = args.out.clone().unwrap_or_else(|| target_dir(&root).join("dist"));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut built = Vec::new();
    for platform in PLATFORMS {
        match platform.find(&root)? {
            Some(binary) => {
                println!("{}: {}", platform.name(), binary.path.display());
                built.push(binary);
            }
            None => println!("{}: left out, because it is not built: {}", platform.name(), platform.build()),
        }
    }
    ensure!(!built.is_empty(), "nothing was built\nhint: cargo build --release");
    let texts = [
        ("LICENSE", fs::read(root.join("LICENSE"))?),
        ("README.md", fs::read(root.join("README.md"))?),
        ("INSTALL.txt", INSTALL.as_bytes().to_vec()),
    ];
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: {} bytes", path.display(), bytes.len());
        anyhow::Ok(())
    };
    let mut archives = Vec::new();
    for binary in &built {
        let (name, bytes) = pack(binary, &built, &texts)?;
        write(&name, &bytes)?;
        archives.push(Archive { name, sha256: sha256(&bytes) });
    }
    write("SHA256SUMS", sums(&archives).as_bytes())?;
    let manifest = krew::fill(&template, &archives)?;
    krew::check(&manifest, VERSION).context("the manifest as written")?;
    write("netobserv.yaml", manifest.as_bytes())
}

/// Name and bytes of a platform's archive.
fn pack(binary: &Binary, built: &[Binary], texts: &[(&str, Vec<u8>)]) -> Result<(String, Vec<u8>)> {
    let platform = binary.platform;
    let mut entries = vec![Entry::executable(platform.file(), &binary.bytes)];
    let others: Vec<(String, &Binary)> = built
        .iter()
        .filter(|other| other.platform.os == "linux" && other.platform != platform)
        .map(|other| (format!("oc-netobserv-linux-{}", other.platform.arch), other))
        .collect();
    entries.extend(others.iter().map(|(name, other)| Entry::executable(name, &other.bytes)));
    entries.extend(texts.iter().map(|(name, bytes)| Entry::text(name, bytes)));
    let stem = format!("oc-netobserv-{VERSION}-{}-{}", platform.os, platform.arch);
    Ok(if platform.os == "windows" {
        (format!("{stem}.zip"), zip(&entries)?)
    } else {
        (format!("{stem}.tar.gz"), gzip(&tar(&entries)?)?)
    })
}

/// As `sha256sum --check` reads it.
fn sums(archives: &[Archive]) -> String {
    let mut text = String::new();
    for Archive { name, sha256 } in archives {
        let _ = writeln!(text, "{sha256}  {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(archive: &[u8]) -> Vec<(String, u32)> {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        let entry = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let entry = entry.unwrap();
            assert!(entry.header().entry_type().is_file(), "krew takes no links");
            (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
        };
        tar.entries().unwrap().map(entry).collect()
    }

    #[test]
    fn an_archive_has_the_linux_executables_of_the_other_platforms() {
        let built: Vec<Binary> = PLATFORMS
            .map(|platform| Binary { platform, path: PathBuf::new(), bytes: platform.name().into_bytes() })
            .into();
        let texts = [("LICENSE", b"text".to_vec())];
        let expect = |index: usize, name: &str, files: &[(&str, u32)]| {
            let (found, bytes) = pack(&built[index], &built, &texts).unwrap();
            assert_eq!(found, format!("oc-netobserv-{VERSION}-{name}"));
            assert_eq!(names(&bytes), files.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect::<Vec<_>>());
        };
        let (amd64, arm64) = (("oc-netobserv-linux-amd64", 0o755), ("oc-netobserv-linux-arm64", 0o755));
        expect(0, "linux-amd64.tar.gz", &[("oc-netobserv", 0o755), arm64, ("LICENSE", 0o644)]);
        expect(3, "darwin-arm64.tar.gz", &[("oc-netobserv", 0o755), amd64, arm64, ("LICENSE", 0o644)]);
        let (name, bytes) = pack(&built[4], &built, &texts).unwrap();
        assert_eq!(name, format!("oc-netobserv-{VERSION}-windows-amd64.zip"));
        let zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(zip.len(), 4);
        assert!(zip.index_for_name("oc-netobserv.exe").is_some());
    }
}
