//! What we have written, remembered in one file beside it, so that later it can be told from what others made of it.
//!
//! A line for each: SHA-256 of the content, or `link-` and that of the target, two spaces, the path; much as sha256sum(1)
//! has it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Name of the file in Wireshark's personal configuration.
const NAME: &str = "oc-netobserv.installed";

/// Paths with the content that we left there.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    file: PathBuf,
    written: BTreeMap<PathBuf, String>,
}

impl Record {
    /// What is remembered in `dir`; nothing if nothing is.
    pub(super) fn read(dir: &Path) -> Self {
        let file = dir.join(NAME);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let entry = |line: &str| line.split_once("  ").map(|(sum, path)| (PathBuf::from(path), sum.to_owned()));
        Self { file, written: text.lines().filter_map(entry).collect() }
    }

    /// Whether the content at `path` is what we left there.
    pub(super) fn has(&self, path: &Path, sum: &str) -> bool {
        self.written.get(path).is_some_and(|known| known == sum)
    }

    pub(super) fn add(&mut self, path: &Path, sum: String) {
        self.written.insert(path.to_owned(), sum);
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.written.remove(path);
    }

    /// Paths that are remembered.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.written.keys().cloned().collect()
    }

    /// Writes it, or removes the file if there is nothing to remember.
    pub(super) fn write(&self) -> io::Result<()> {
        if self.written.is_empty() {
            return match fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let line = |(path, sum): (&PathBuf, &String)| format!("{sum}  {}\n", path.display());
        fs::write(&self.file, self.written.iter().map(line).collect::<String>())
    }
}

/// What identifies the content at `path`; `None` if nothing is there.
pub(super) fn sum(path: &Path) -> io::Result<Option<String>> {
    match path.symlink_metadata() {
        Ok(about) if about.is_symlink() => {
            let target = fs::read_link(path)?;
            Ok(Some(format!("link-{}", sum_of(target.as_os_str().as_encoded_bytes()))))
        }
        Ok(_) => fs::read(path).map(|bytes| Some(sum_of(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn sum_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
