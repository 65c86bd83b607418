//! `--tls-keylog`: a key log is read, and followed while it grows, on the machine of the user; what it holds goes to the
//! collector of this process.
//!
//! Owns the file's comings and goings: it may not exist yet, be cut off or replaced. What a line may be is in [`line`]. Must not
//! know what becomes of secrets, and says nothing of them.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use collector::Input;
use zeroize::Zeroizing;

use crate::error::Error;

mod line;

/// Between two looks. Packets wait for their keys for ten times as long.
const PAUSE: Duration = Duration::from_millis(25);
/// Most of a file that is there already which is read: the newest.
const MOST: u64 = 64 << 20;
/// Read at once.
const PIECE: usize = 64 << 10;
/// Secrets handed on at once.
const LINES: usize = 4096;

/// A file that is followed; [`Keylog::finish`] reads what is left.
#[derive(Debug)]
pub(crate) struct Keylog {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    log: Arc<Mutex<Log>>,
    input: Input,
}

impl Keylog {
    /// Reads what there is, and follows it from now on.
    ///
    /// # Errors
    /// As [`check`], or a thread cannot be started.
    pub(crate) fn follow(path: &Path, input: Input) -> Result<Self, Error> {
        check(path)?;
        let mut log = Log::new(path.to_owned());
        let (lines, _) = log.read();
        deliver(&input, lines);
        let log = Arc::new(Mutex::new(log));
        let (end, ended) = channel();
        let (shared, to) = (Arc::clone(&log), input.clone());
        let run = move || {
            while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                hand_on(&shared, &to);
            }
        };
        let thread = thread::Builder::new().name("keylog".to_owned()).spawn(run);
        let thread = thread.map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { end: Some(end), thread: Some(thread), log, input })
    }

    /// Reads what has come since, and follows it no more. To be called before the last packets are delivered.
    pub(crate) fn finish(mut self) {
        self.end();
        hand_on(&self.log, &self.input);
        let wrong = lock(&self.log).wrong;
        if wrong > 0 {
            self.input.notice(format!("--tls-keylog: {wrong} lines are no keys and were left out"));
        }
    }

    fn end(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed.
            let _ = thread.join();
        }
    }
}

impl Drop for Keylog {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that has come, piece by piece.
fn hand_on(log: &Mutex<Log>, input: &Input) {
    loop {
        let (lines, more) = lock(log).read();
        deliver(input, lines);
        if !more {
            return;
        }
    }
}

fn deliver(input: &Input, mut lines: Vec<Arc<str>>) {
    while !lines.is_empty() {
        let rest = lines.split_off(lines.len().min(LINES));
        input.secrets(std::mem::replace(&mut lines, rest));
    }
}

/// A file that is there has to be one that can be read; one that is not may come.
///
/// # Errors
/// There is something at `path` which is no file, or cannot be read.
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    let checked = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => File::open(path).map(drop),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    checked.map_err(|error| {
        let shown = path.display().to_string();
        Error::failed(format!("--tls-keylog {}: cannot be read: {error}", flow::show::escape(&shown)))
    })
}

/// The file, as far as it was read.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    open: Option<Open>,
    lines: line::Lines,
    /// Lines that are no keys.
    wrong: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// What tells files apart.
    identity: Identity,
    /// Bytes read.
    at: u64,
}

type Identity = (u64, u64);

impl Log {
    fn new(path: PathBuf) -> Self {
        Self { path, open: None, lines: line::Lines::default(), wrong: 0 }
    }

    /// The next secrets, and whether there may be more at once.
    fn read(&mut self) -> (Vec<Arc<str>>, bool) {
        let mut secrets = Vec::new();
        self.look();
        let mut more = true;
        while more && secrets.len() < LINES {
            more = self.piece(&mut secrets).unwrap_or(false);
        }
        (secrets, more)
    }

    /// Opens the file if it is another one than before, and begins again where it was cut off.
    fn look(&mut self) {
        let Ok(metadata) = fs::metadata(&self.path) else { return };
        let identity = identity(&metadata);
        let same = self.open.as_ref().is_some_and(|open| open.identity == identity && open.at <= metadata.len());
        if same {
            return;
        }
        // What the old one still holds comes first.
        self.lines.end();
        let opened = File::open(&self.path).and_then(|mut file| {
            let at = metadata.len().saturating_sub(MOST);
            file.seek(SeekFrom::Start(at))?;
            Ok(Open { file, identity, at })
        });
        self.open = opened.ok();
    }

    /// Reads a piece; whether there was any.
    fn piece(&mut self, secrets: &mut Vec<Arc<str>>) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        let size = open.file.read(&mut piece)?;
        open.at += size as u64;
        self.wrong += self.lines.take(&piece[..size], secrets);
        Ok(size > 0)
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Where files have no numbers, one that is replaced is noticed when it is shorter.
#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn key(n: u8) -> String {
        format!("CLIENT_RANDOM {} {}", format!("{n:02x}").repeat(32), "ab".repeat(48))
    }

    fn all(log: &mut Log) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let (lines, more) = log.read();
            all.extend(lines.iter().map(ToString::to_string));
            if !more {
                return all;
            }
        }
    }

    #[test]
    fn a_file_is_read_when_it_comes_followed_while_it_grows_and_begun_again_when_it_is_cut_or_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let mut log = Log::new(path.clone());
        assert!(check(&path).is_ok() && all(&mut log).is_empty());
        let mut file = File::create(&path).unwrap();
        write!(file, "# a comment\n{}\n{}", key(1), &key(2)[..20]).unwrap();
        assert_eq!(all(&mut log), [key(1)]);
        writeln!(file, "{}", &key(2)[20..]).unwrap();
        assert_eq!(all(&mut log), [key(2)]);
        assert!(all(&mut log).is_empty());
        // Cut off and written anew; what was told is not told again.
        fs::write(&path, format!("{}\n", key(3))).unwrap();
        assert_eq!(all(&mut log), [key(3)]);
        fs::rename(&path, directory.path().join("old")).unwrap();
        assert!(all(&mut log).is_empty());
        fs::write(&path, format!("{}\n{}\n", key(3), key(4))).unwrap();
        assert_eq!(all(&mut log), [key(4)]);
        assert_eq!(log.wrong, 0);
        assert!(check(directory.path()).is_err());
    }
}
