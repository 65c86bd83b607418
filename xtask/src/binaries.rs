//! Release executables that were built, by platform: which there are, whether they are what they should be, and the
//! command that builds one that is missing.
//!
//! Serves `image` and `dist`. Builds nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use object::{Architecture, BinaryFormat, Object as _, elf, read::elf::ElfFile64};

use crate::source::target_dir;

/// A platform that releases are for, as Go (and so krew and OCI) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// `linux`, `darwin`, `windows`.
    pub(crate) os: &'static str,
    /// `amd64`, `arm64`.
    pub(crate) arch: &'static str,
    /// As rustc names it; what was built last is taken.
    targets: &'static [&'static str],
}

/// Where `cargo xtask targets` builds, in cargo's folder.
pub(crate) const CROSS: &str = "cross";

/// All of them.
pub(crate) const PLATFORMS: [Platform; 5] = [
    Platform { os: "linux", arch: "amd64", targets: &["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"] },
    Platform { os: "linux", arch: "arm64", targets: &["aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl"] },
    Platform { os: "darwin", arch: "amd64", targets: &["x86_64-apple-darwin"] },
    Platform { os: "darwin", arch: "arm64", targets: &["aarch64-apple-darwin"] },
    Platform { os: "windows", arch: "amd64", targets: &["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc"] },
];

impl Platform {
    /// `linux/amd64`
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.os, self.arch)
    }

    /// What the executable is called there.
    pub(crate) fn file(&self) -> &'static str {
        if self.os == "windows" { "oc-netobserv.exe" } else { "oc-netobserv" }
    }

    /// The command that builds it.
    pub(crate) fn build(&self) -> String {
        match self.targets[0] {
            target @ ("aarch64-unknown-linux-gnu" | "x86_64-pc-windows-gnu") => {
                format!("cargo xtask targets --build --target {target}")
            }
            target => format!("cargo build --release --target {target}"),
        }
    }

    /// The release executable, if it was built. It is an error if it is something else than it should be.
    pub(crate) fn find(&self, root: &Path) -> Result<Option<Binary>> {
        let own = target_dir(root);
        let path = [own.join(CROSS), own]
            .iter()
            .flat_map(|folder| {
                self.targets.iter().map(move |target| folder.join(target).join("release").join(self.file()))
            })
            .filter(|path| path.is_file())
            .max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
        let Some(path) = path else { return Ok(None) };
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.check(&bytes).with_context(|| path.display().to_string())?;
        Ok(Some(Binary { platform: *self, path, bytes }))
    }

    fn check(&self, bytes: &[u8]) -> Result<()> {
        let file = object::File::parse(bytes).context("is no executable")?;
        let format = match self.os {
            "linux" => BinaryFormat::Elf,
            "darwin" => BinaryFormat::MachO,
            _ => BinaryFormat::Pe,
        };
        let architecture = if self.arch == "amd64" { Architecture::X86_64 } else { Architecture::Aarch64 };
        ensure!(
            file.format() == format && file.architecture() == architecture,
            "is for {:?} on {:?}, not for {}",
            file.format(),
            file.architecture(),
            self.name()
        );
        if self.os == "linux" { is_static(bytes) } else { Ok(()) }
    }
}

/// Images know of no shared libraries.
fn is_static(bytes: &[u8]) -> Result<()> {
    let file = ElfFile64::<object::Endianness>::parse(bytes)?;
    let endian = file.endian();
    if file.elf_program_headers().iter().any(|header| header.p_type.get(endian) == elf::PT_INTERP) {
        bail!("needs shared libraries; build it with -C target-feature=+crt-static, as .cargo/config.toml does");
    }
    Ok(())
}

/// An executable that was built.
pub(crate) struct Binary {
    /// What it runs on.
    pub(crate) platform: Platform,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The whole file.
    pub(crate) bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_of_another_platform_is_refused() {
        let stage = fs::read(crate::source::root().unwrap().join("bootstrap/bin/stage-aarch64")).unwrap();
        assert!(PLATFORMS[1].check(&stage).is_ok());
        for other in [0, 2, 3, 4] {
            let error = PLATFORMS[other].check(&stage).unwrap_err().to_string();
            assert!(error.contains(&PLATFORMS[other].name()), "{error}");
        }
        assert!(PLATFORMS[0].check(b"text").is_err());
    }
}
