//! Built files that are committed: written, or compared with what is there.
#![expect(clippy::print_stdout, reason = "serves commands that talk to people on a terminal")]

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// A built file and where it is committed.
pub(crate) struct Committed<'a> {
    /// From the root of the workspace.
    pub(crate) path: &'a str,
    /// What was built.
    pub(crate) bytes: &'a [u8],
    /// The folder it is built from.
    pub(crate) source: &'a str,
    /// The command that builds it: `cargo xtask <command>`.
    pub(crate) command: &'a str,
}

impl Committed<'_> {
    /// Writes it, or, with `check`, fails if other bytes are there.
    pub(crate) fn settle(&self, root: &Path, check: bool) -> Result<()> {
        let path = root.join(self.path);
        if check { self.compare(&path) } else { self.write(&path) }
    }

    fn write(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path.parent().context("a committed file lies in a folder")?)?;
        fs::write(path, self.bytes).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: {} bytes", self.path, self.bytes.len());
        Ok(())
    }

    fn compare(&self, path: &Path) -> Result<()> {
        let Self { path: name, bytes, source, command } = self;
        let committed = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        if committed == *bytes {
            println!("{name}: {} bytes, equal to what {source} gives", bytes.len());
            return Ok(());
        }
        let same = committed.iter().zip(*bytes).take_while(|(left, right)| left == right).count();
        bail!(
            "{name} is not what the source gives: {} bytes committed, {} built, first difference at byte {same}\n\
             hint: cargo xtask {command} && git add {name}",
            committed.len(),
            bytes.len(),
        )
    }
}
