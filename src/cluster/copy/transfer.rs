//! One file from there to here, over as many connections as it takes.

use std::io::{self, Write as _};

use flate2::write::ZlibDecoder;
use tokio::{io::AsyncReadExt as _, time::sleep};

use super::{CopiedFile, FileError, Source, bars::FileBar, part::Part, place::Place};
use crate::cluster::{
    backoff::Backoff,
    exec::{Output, Stream},
};

/// Attempts in a row that bring nothing before the file is given up.
const ATTEMPTS: u32 = 7;
/// Bytes read at once.
const PIECE: usize = 64 * 1024;

pub(super) struct Transfer<'a> {
    pub(super) source: &'a Source,
    pub(super) place: &'a Place,
    pub(super) bar: FileBar,
}

impl Transfer<'_> {
    /// Adds the bytes that travelled to `travelled`.
    pub(super) async fn run(&self, travelled: &mut u64) -> Result<CopiedFile, FileError> {
        let Place { listed, path, is_here } = self.place;
        if !is_here {
            self.fetch(travelled).await?;
        }
        self.bar.finish(listed.size);
        Ok(CopiedFile { path: path.clone(), size: listed.size, was_here: *is_here })
    }

    async fn fetch(&self, travelled: &mut u64) -> Result<(), FileError> {
        let mut part = Part::open(self.place).map_err(|error| self.local(error))?;
        let is_resumed = part.here() > 0;
        part = self.complete(part, travelled).await?;
        match self.verify(&part) {
            // What an earlier copy has left may be of another file.
            Err(FileError::Different { .. }) if is_resumed => {
                part.restart().map_err(|error| self.local(error))?;
                part = self.complete(part, travelled).await?;
                self.verify(&part)?;
            }
            verified => verified?,
        }
        part.finish(self.place)
    }

    fn verify(&self, part: &Part) -> Result<(), FileError> {
        let found = part.hash();
        match &self.place.listed.sha256 {
            Some(wanted) if *wanted != found => {
                Err(FileError::Different { path: self.place.path.clone(), found, wanted: wanted.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Connects until all bytes are here.
    async fn complete(&self, mut part: Part, travelled: &mut u64) -> Result<Part, FileError> {
        let mut backoff = Backoff::default();
        let mut failures = 0;
        while part.here() < self.place.listed.size {
            let before = part.here();
            let Err(error) = self.attempt(&mut part, travelled).await else { continue };
            if part.here() > before {
                (failures, backoff) = (0, Backoff::default());
            }
            failures += 1;
            if failures >= ATTEMPTS || !is_passing(&error) {
                return Err(error);
            }
            self.bar.say(&format!("{error}; again"));
            sleep(backoff.pause()).await;
            self.bar.say("");
        }
        Ok(part)
    }

    /// One connection, to the end of the file or its own. All kinds of files are deflated on the way: it costs no time
    /// on a fast line, and the ordinary one is slow.
    async fn attempt(&self, part: &mut Part, travelled: &mut u64) -> Result<(), FileError> {
        let Place { listed, path, .. } = self.place;
        let from = part.here().to_string();
        let arguments = [listed.path.as_str(), "--from", &from, "--deflate"];
        let mut stream = self.source.target.stream(&self.source.words("read", &arguments)).await?;
        let mut decoder = ZlibDecoder::new(&mut *part);
        self.pour(&mut stream, &mut decoder, travelled).await?;
        // What is decoded already goes to the file; a stream that was cut is no error here.
        decoder.flush().map_err(|error| self.local(error))?;
        drop(decoder);
        let Output { code, stderr, .. } = stream.finish().await?;
        if code != 0 {
            return Err(FileError::Remote { code, message: stderr });
        }
        let (found, wanted) = (part.here(), listed.size);
        if found < wanted { Err(FileError::Length { path: path.clone(), found, wanted }) } else { Ok(()) }
    }

    /// Until the stream ends, whatever ends it; how it did, [`Stream::finish`] tells.
    async fn pour(
        &self,
        stream: &mut Stream,
        decoder: &mut ZlibDecoder<&mut Part>,
        travelled: &mut u64,
    ) -> Result<(), FileError> {
        let mut piece = vec![0; PIECE];
        while let Ok(size @ 1..) = stream.read(&mut piece).await {
            decoder.write_all(&piece[..size]).map_err(|error| self.local(error))?;
            *travelled += size as u64;
            self.bar.at(decoder.get_ref().here());
        }
        Ok(())
    }

    fn local(&self, source: io::Error) -> FileError {
        FileError::Local { path: self.place.path.clone(), source }
    }
}

fn is_passing(error: &FileError) -> bool {
    matches!(error, FileError::Exec(error) if error.is_passing())
}
