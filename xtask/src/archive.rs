//! Archives whose bytes depend on nothing but their contents: names, modes, order and times are ours.

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
};

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

/// A file in an archive.
pub(crate) struct Entry<'a> {
    /// Without folders.
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) is_executable: bool,
}

impl<'a> Entry<'a> {
    /// Something to run.
    pub(crate) fn executable(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { name, bytes, is_executable: true }
    }

    /// Something to read.
    pub(crate) fn text(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { name, bytes, is_executable: false }
    }

    fn mode(&self) -> u32 {
        if self.is_executable { 0o755 } else { 0o644 }
    }
}

/// A tar of these files; regular files only, krew takes no others.
pub(crate) fn tar(entries: &[Entry<'_>]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode());
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, entry.name, entry.bytes)?;
    }
    Ok(tar.into_inner()?)
}

/// Compresses for a file that is made once and fetched often.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

/// A zip of these files.
pub(crate) fn zip(entries: &[Entry<'_>]) -> Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(entry.mode());
        zip.start_file(entry.name, options)?;
        zip.write_all(entry.bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
