//! Where log lines go: standard error, or a file while the table has the terminal.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _, stderr},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use flow::show::{date_time, escape};
use log::{LevelFilter, Log, Metadata, Record};

use crate::cli::{GlobalArgs, LogLevel};

/// The one logger of the process.
static LOGGER: Logger = Logger { to: Mutex::new(Destination::Stderr) };

struct Logger {
    to: Mutex<Destination>,
}

enum Destination {
    Stderr,
    File(File),
    /// The table has the terminal and there is no file.
    Nowhere,
}

/// Begins logging at the level asked for; warnings without a word.
pub(crate) fn start(global: GlobalArgs) {
    let named = global.log_level.map(|level| match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    });
    let counted = match global.verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // It can only have been set before, by a second call in one process (a test).
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(named.unwrap_or(counted));
}

/// While it lives, lines go to a file (or nowhere), because the table has the terminal.
pub(crate) struct Aside;

impl Aside {
    /// Appends to `dir/oc-netobserv.log`, made only if something below warnings is logged at all.
    pub(crate) fn begin(dir: Option<&Path>) -> io::Result<Self> {
        let wanted = log::max_level() > LevelFilter::Warn;
        let to = match dir.filter(|_| wanted) {
            Some(dir) => Destination::File(open(dir)?),
            None => Destination::Nowhere,
        };
        LOGGER.set(to);
        Ok(Self)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        LOGGER.set(Destination::Stderr);
    }
}

fn open(dir: &Path) -> io::Result<File> {
    std::fs::create_dir_all(dir)?;
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.append(true).create(true).open(dir.join("oc-netobserv.log"))
}

impl Logger {
    fn set(&self, to: Destination) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What the client of the API server says of a failure is said by us, in a sentence; layers of it only when asked.
        let is_clients = metadata.target().starts_with("kube");
        metadata.level() <= log::max_level() && (!is_clients || log::max_level() > LevelFilter::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = record.args().to_string();
        let line = format!("{}Z {:5} {}\n", date_time(now.as_millis() as u64), record.level(), escape(&text));
        // A log that cannot be written must not end a capture.
        let _ = match &mut *self.to.lock().unwrap_or_else(PoisonError::into_inner) {
            Destination::Stderr => stderr().write_all(line.as_bytes()),
            Destination::File(file) => file.write_all(line.as_bytes()),
            Destination::Nowhere => Ok(()),
        };
    }

    fn flush(&self) {}
}
