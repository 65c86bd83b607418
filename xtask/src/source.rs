//! What building `core` from source needs: one version of rustc, the library's source, and flags that leave no path of
//! this machine in the bytes.
//!
//! Serves `ebpf` and `stage`, whose results are committed and compared byte by byte.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Other versions build other bytes.
const RUSTC: &str = "1.95.0";
/// How cargo is told of library sources that do not lie in the toolchain.
const SOURCE: &str = "__CARGO_TESTS_ONLY_SRC_ROOT";
/// Between the flags of `CARGO_ENCODED_RUSTFLAGS`.
pub(crate) const SEPARATOR: &str = "\u{1f}";

/// Where things are.
pub(crate) struct Source {
    /// The root of the workspace.
    pub(crate) root: PathBuf,
    /// The `library` folder of rust-src.
    library: PathBuf,
    /// Where cargo keeps the sources of dependencies.
    cargo_home: PathBuf,
}

impl Source {
    /// Finds all of them; the error names the command that installs the one that is missing.
    pub(crate) fn find(command: &str) -> Result<Self> {
        let rustc = output("rustc", &["--version"])?;
        ensure!(
            rustc.split(' ').nth(1) == Some(RUSTC),
            "`cargo xtask {command}` builds with rustc {RUSTC}; this is {}\nhint: rustup run {RUSTC} cargo xtask {command}",
            rustc.trim()
        );
        Ok(Self { root: root()?, library: library()?, cargo_home: cargo_home()? })
    }

    /// Flags of rustc without which paths of this machine would be in the bytes.
    pub(crate) fn remaps(&self) -> Vec<String> {
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        let mut flags =
            vec![remap(&self.root, "."), remap(&self.library, "/rust/library"), remap(&self.cargo_home, "/cargo")];
        // The folder of a registry bears its address, which differs from mirror to mirror. The last that fits counts.
        let registries = fs::read_dir(self.cargo_home.join("registry/src")).into_iter().flatten().flatten();
        flags.extend(registries.map(|folder| remap(&folder.path(), "/cargo/registry")));
        flags
    }
}

/// The root of the workspace.
pub(crate) fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?.to_owned())
}

/// Cargo's folder for what it builds.
pub(crate) fn target_dir(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The `library` folder of rust-src.
pub(crate) fn library() -> Result<PathBuf> {
    let library = match env::var_os(SOURCE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(output("rustc", &["--print", "sysroot"])?.trim()).join("lib/rustlib/src/rust/library"),
    };
    if !library.join("core/Cargo.toml").exists() {
        bail!(
            "the sources of core are missing: {} does not exist\n\
             hint: rustup component add rust-src --toolchain {RUSTC}, or unpack them elsewhere and set {SOURCE}=<folder>/library",
            library.join("core").display()
        );
    }
    Ok(library)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    Ok(PathBuf::from(env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"))
}

/// What a program says; an error if it fails.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} {} failed", args.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
