//! The SQLite file: table `flow` as the schema has it, `observation`, `capture`, and views.
//!
//! While it is written: WAL, a transaction for what arrives in a quarter of a second, no index. `kill -9` loses at
//! most the open transaction. At the end: one file without WAL, indexes built.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Counters, Reason};
use rusqlite::{Connection, OpenFlags};

use super::{Piece, Store, StoreError, TICK};
use crate::{
    about::{About, now_ns, time_text},
    capture::reason_text,
    status::Snapshot,
};

mod insert;
pub(crate) mod schema;

use insert::Insert;

/// Rows after which a transaction is committed, however young.
const TRANSACTION_ROWS: u64 = 16_384;

/// How often counters are noted when there are no rows.
const IDLE: Duration = Duration::from_secs(1);

/// How long to wait for another process that has the file locked.
const BUSY: Duration = Duration::from_secs(10);

/// A database that grows.
#[derive(Debug)]
pub(crate) struct SqliteFile {
    // Before the connection: statements go first.
    insert: Insert,
    connection: Connection,
    path: PathBuf,
    /// Kept for its size.
    file: File,
    about: Arc<About>,
    /// Number of the next row; committed rows have those below `committed`.
    next: u64,
    committed: u64,
    /// When the open transaction began.
    since: Option<Instant>,
    /// When the last one ended, and the counters it noted.
    noted: (Instant, Counters),
    bytes: u64,
}

impl SqliteFile {
    /// The tables, in the empty `file` at `path`.
    pub(crate) fn create(path: &Path, file: File, about: &Arc<About>) -> Result<Self, StoreError> {
        // One thread uses it: no lock around every call.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Whoever opens the file to repair it sees that it is being written; SQLite's own locks are of another kind.
        file.lock()?;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        schema::tune(&connection)?;
        schema::create(&connection)?;
        let insert = Insert::prepare(&connection)?;
        let path = path.to_owned();
        let about = Arc::clone(about);
        let noted = (Instant::now(), Counters::default());
        let mut this =
            Self { insert, connection, path, file, about, next: 1, committed: 1, since: None, noted, bytes: 0 };
        this.begin()?;
        this.put_about()?;
        this.commit(&Snapshot::default(), None)?;
        Ok(this)
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        if self.since.is_none() {
            self.connection.execute_batch("BEGIN")?;
            self.since = Some(Instant::now());
        }
        Ok(())
    }

    fn commit(&mut self, state: &Snapshot, ended: Option<&str>) -> Result<(), StoreError> {
        self.begin()?;
        self.put_state(state, ended)?;
        self.connection.execute_batch("COMMIT")?;
        self.since = None;
        self.noted = (Instant::now(), state.counters);
        self.committed = self.next;
        self.bytes = self.measure()?;
        Ok(())
    }

    /// Size of the file and its WAL.
    fn measure(&self) -> io::Result<u64> {
        let wal = self.path.with_extension("db-wal").metadata().map_or(0, |data| data.len());
        Ok(self.file.metadata()?.len() + wal)
    }

    fn put_about(&self) -> Result<(), StoreError> {
        let About { config, command, version, started_ns, several: _, why: _ } = &*self.about;
        let json = |value: serde_json::Result<String>| value.map_err(io::Error::from);
        self.put("schema_version", flow::schema::SCHEMA_VERSION)?;
        self.put("version", version)?;
        self.put("command", json(serde_json::to_string(command))?)?;
        self.put("config", json(serde_json::to_string(&**config))?)?;
        self.put("node", &*config.node)?;
        self.put("system", crate::about::operating_system())?;
        self.put("started", time_text(*started_ns))?;
        Ok(())
    }

    /// What changes while the capture runs.
    fn put_state(&self, state: &Snapshot, ended: Option<&str>) -> Result<(), StoreError> {
        self.put("updated", time_text(now_ns()))?;
        self.put("rows", (self.next - 1) as i64)?;
        self.put("records", state.records as i64)?;
        self.put("packets", state.packets as i64)?;
        self.put("bytes", state.bytes as i64)?;
        for entry in state.counters.entries() {
            self.put(entry.name, entry.value as i64)?;
        }
        if let Some(reason) = ended {
            self.put("ended", reason)?;
        }
        Ok(())
    }

    fn put(&self, key: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached("INSERT OR REPLACE INTO capture VALUES (?, ?)")?;
        statement.execute((key, value)).map(drop)
    }

    fn insert(&mut self, piece: &Piece<'_>) -> rusqlite::Result<()> {
        let mut texts = piece.text.texts();
        let first = self.next;
        for record in piece.records {
            self.insert.flow(self.next as i64, record, &mut texts)?;
            self.next += 1;
        }
        for observation in piece.observations {
            let row = first as i64 + i64::from(observation.record) - i64::from(piece.first_record);
            // A record before the first row of this file is in none of ours.
            if row > 0 {
                self.insert.observation(row, piece.node, observation)?;
            }
        }
        Ok(())
    }

    /// Gives up the open transaction.
    fn abandon(&mut self) {
        // It may have been rolled back already, which is as well.
        let _ = self.connection.execute_batch("ROLLBACK");
        self.since = None;
        self.next = self.committed;
        self.bytes = self.measure().unwrap_or(self.bytes);
    }
}

impl Store for SqliteFile {
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), StoreError> {
        if piece.records.is_empty() && piece.observations.is_empty() {
            return Ok(());
        }
        self.begin()?;
        let result = self.insert(piece);
        if result.is_err() {
            self.abandon();
        }
        Ok(result?)
    }

    fn tick(&mut self, state: &Snapshot) -> Result<(), StoreError> {
        let due = match self.since {
            Some(since) => since.elapsed() >= TICK || self.next - self.committed >= TRANSACTION_ROWS,
            // Nothing to write, but perhaps a loss to tell.
            None => self.noted.0.elapsed() >= IDLE && self.noted.1 != state.counters,
        };
        if !due {
            return Ok(());
        }
        let result = self.commit(state, None);
        if result.is_err() {
            self.abandon();
        }
        result
    }

    fn size(&self) -> (u64, u64) {
        (self.bytes, self.committed - 1)
    }

    fn close(&mut self, state: &Snapshot, reason: Option<&Reason>) -> Result<Duration, StoreError> {
        let ended = reason.map_or_else(|| "done".to_owned(), reason_text);
        self.commit(state, Some(&ended)).inspect_err(|_| self.abandon())?;
        self.connection.flush_prepared_statement_cache();
        self.insert.finish();
        schema::leave_wal(&self.connection)?;
        let indexing = Instant::now();
        let indexed = schema::index(&self.connection);
        self.bytes = self.measure()?;
        indexed?;
        Ok(indexing.elapsed())
    }
}
