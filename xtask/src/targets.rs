//! `cargo xtask targets`: checks, or builds, the program for the platforms that need nothing but packages of this machine:
//! aarch64 Linux, all of it, and Windows, the client. What is missing for one is named with the command that gets it.
//!
//! The standard library is built from source, because no toolchain brings it for other platforms than its own.
#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

use std::{
    env,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    binaries::CROSS,
    source::{Source, target_dir},
};

/// A platform and what it needs.
struct Target {
    triple: &'static str,
    /// The C compiler, which also links.
    compiler: &'static str,
    /// Debian's packages that bring it.
    packages: &'static str,
}

const TARGETS: [Target; 2] = [
    Target {
        triple: "aarch64-unknown-linux-gnu",
        compiler: "aarch64-linux-gnu-gcc",
        packages: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    },
    Target { triple: "x86_64-pc-windows-gnu", compiler: "x86_64-w64-mingw32-gcc", packages: "gcc-mingw-w64-x86-64" },
];

/// Arguments of `cargo xtask targets`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build release executables, for `cargo xtask dist` and `image`, instead of checking
    #[arg(long)]
    build: bool,
    /// Only these targets
    #[arg(long = "target", value_delimiter = ',')]
    targets: Vec<String>,
}

/// Checks or builds each; fails if one that could be tried does not compile.
pub(crate) fn run(args: &Args) -> Result<()> {
    let known = TARGETS.map(|target| target.triple);
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("--target {unknown}: known are {}", known.join(", "));
    }
    let source = Source::find("targets")?;
    let mut failed = Vec::new();
    for target in
        TARGETS.iter().filter(|target| args.targets.is_empty() || args.targets.iter().any(|name| name == target.triple))
    {
        let Target { triple, compiler, packages, .. } = target;
        if !is_there(compiler) {
            println!("SKIP {triple}: {compiler} is missing: apt-get install {packages}");
        } else if target.compile(&source, args.build)? {
            println!("{triple}: {}", if args.build { "built" } else { "compiles" });
        } else {
            failed.push(*triple);
        }
    }
    ensure!(failed.is_empty(), "does not compile for {}", failed.join(", "));
    Ok(())
}

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Target {
    /// Whether it compiles.
    fn compile(&self, source: &Source, build: bool) -> Result<bool> {
        let variable = self.triple.to_uppercase().replace('-', "_");
        let words: &[&str] = if build { &["build", "--release"] } else { &["check"] };
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(words)
            .args([
                "--locked",
                "-Z",
                "build-std=std,panic_unwind",
                "--target",
                self.triple,
                "--package",
                "oc-netobserv",
            ])
            .current_dir(&source.root)
            // Apart: build scripts look at RUSTC_BOOTSTRAP, so that cargo would build everything again and again.
            .env("CARGO_TARGET_DIR", target_dir(&source.root).join(CROSS))
            .env(format!("CARGO_TARGET_{variable}_LINKER"), self.compiler)
            // Building std from source is not stable; nothing else unstable is used.
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTFLAGS")
            .status()
            .context("cannot run cargo")?;
        Ok(status.success())
    }
}
