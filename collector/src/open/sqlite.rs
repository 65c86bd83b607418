//! Flow records from a SQLite table `flow`: ours, or one with fewer columns.

use std::{path::PathBuf, sync::Arc, time::Duration};

use flow::{Batch, Body, Field, FlowBatch, Kind, Observation, config::Mode};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, types::ValueRef};

use super::{At, FileKind, Numbering, OpenError, Opened, json::last_time, quantity};
use crate::store::sqlite::schema;

mod value;

use value::SqlValue;

/// Rows of a batch.
const ROWS: usize = 4096;

/// How long to wait for a process that writes the file.
const BUSY: Duration = Duration::from_secs(5);

pub(super) fn open(at: &At) -> Result<Opened, OpenError> {
    // The lock says whether a capture is writing; the handle must be closed before SQLite takes its own locks.
    let idle = at.writable().is_some();
    let left_wal = with_suffix(at, "-wal").metadata().is_ok_and(|wal| wal.len() > 0);
    let connection = connect(at, idle).map_err(|error| explain(at, &error))?;
    let (columns, ours) = inspect(&connection).map_err(|error| explain(at, &error))?;
    if columns.is_empty() {
        return Err(at.foreign("it has no table `flow` with columns of flow records"));
    }
    let mut notices = Vec::new();
    if ours && idle {
        notices.extend(repair(&connection, at, left_wal)?);
    }
    let node = node(&connection).into();
    let reader = Reader {
        query: query(&columns),
        // Without the index each page would be a look at all of them.
        observed: ours && schema::is_indexed(&connection).unwrap_or(false),
        connection,
        columns,
        at: at.clone(),
        numbering: Numbering::default(),
        node,
        after: i64::MIN,
        unreadable: 0,
        done: false,
    };
    Ok(Opened { kind: FileKind::Sqlite, mode: Mode::Flows, notices, batches: Box::new(reader) })
}

fn with_suffix(at: &At, suffix: &str) -> PathBuf {
    let mut name = at.0.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Reading and writing where that is possible (a WAL can be taken over only so), else reading.
fn connect(at: &At, write: bool) -> rusqlite::Result<Connection> {
    let common = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let access = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let connection = Connection::open_with_flags(&at.0, common | access)?;
    connection.busy_timeout(BUSY)?;
    // A file may hold anything: no functions with side effects from its views or columns.
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(connection)
}

fn explain(at: &At, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => at.damaged(error.to_string()),
        _ => at.io(std::io::Error::other(error.to_string())),
    }
}

/// A column of the table that is a field of ours.
#[derive(Clone, Debug)]
struct Column {
    /// As the file spells it.
    name: String,
    field: Field,
    /// `Interface`, one name instead of a list.
    single: bool,
}

/// The columns of `flow` that we know, and whether the file is ours.
fn inspect(connection: &Connection) -> rusqlite::Result<(Vec<Column>, bool)> {
    let ours: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo('flow')")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut columns: Vec<Column> = names.iter().filter_map(|name| column(name)).collect();
    if columns.iter().any(|column| column.field == Field::Interfaces && !column.single) {
        columns.retain(|column| !column.single);
    }
    Ok((columns, ours == schema::APPLICATION_ID))
}

fn column(name: &str) -> Option<Column> {
    if name.eq_ignore_ascii_case("Interface") {
        return Some(Column { name: name.into(), field: Field::Interfaces, single: true });
    }
    let field = Field::ALL.iter().find(|field| field.name().eq_ignore_ascii_case(name))?;
    Some(Column { name: name.into(), field: *field, single: false })
}

/// The next rows after a given one.
fn query(columns: &[Column]) -> String {
    let quoted = |column: &Column| ["\"", &column.name.replace('"', "\"\""), "\""].concat();
    let names = columns.iter().map(quoted).collect::<Vec<_>>().join(", ");
    format!("SELECT rowid, {names} FROM flow WHERE rowid > ? ORDER BY rowid LIMIT {ROWS}")
}

/// Observations of records in a range of numbers.
const OBSERVED: &str = "SELECT record, node, netns, interface, direction, bytes, packets FROM observation \
                        WHERE record BETWEEN ? AND ? ORDER BY record LIMIT 262144";

fn node(connection: &Connection) -> String {
    let query = "SELECT value FROM capture WHERE key = 'node'";
    connection.query_row(query, [], |row| row.get(0)).optional().ok().flatten().unwrap_or_default()
}

/// Takes over what a killed capture left in its WAL, checks all, and builds the indexes.
fn repair(connection: &Connection, at: &At, left_wal: bool) -> Result<Option<String>, OpenError> {
    let explain = |error: rusqlite::Error| explain(at, &error);
    if !left_wal && schema::is_indexed(connection).map_err(explain)? {
        return Ok(None);
    }
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(explain)?;
    if verdict != "ok" {
        return Err(at.damaged(verdict));
    }
    // Without the right to write (or room) the file is as readable as before, only slower to query.
    let mended = schema::leave_wal(connection).and_then(|()| schema::index(connection));
    Ok(mended.is_ok().then(|| {
        "the capture was killed: the file is sound, what was in its write-ahead log was taken over and the indexes were built".into()
    }))
}

struct Reader {
    connection: Connection,
    query: String,
    /// There are observations that can be read beside the records.
    observed: bool,
    columns: Vec<Column>,
    at: At,
    numbering: Numbering,
    node: Arc<str>,
    after: i64,
    unreadable: u64,
    done: bool,
}

impl Reader {
    /// Up to [`ROWS`] rows as records, with what was observed of them; none at the end.
    fn page(&mut self) -> rusqlite::Result<(usize, FlowBatch)> {
        let mut statement = self.connection.prepare_cached(&self.query)?;
        let mut rows = statement.query([self.after])?;
        let (mut count, mut records, mut numbers) = (0, Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            self.after = row.get(0)?;
            count += 1;
            let values = self
                .columns
                .iter()
                .enumerate()
                .filter_map(|(n, column)| Some((column.field.name(), convert(column, row.get_ref(n + 1).ok()?)?)));
            match value::record(values) {
                Some(record) => {
                    records.push(record);
                    numbers.push(self.after);
                }
                None => self.unreadable += 1,
            }
        }
        let observations = if self.observed { self.observations(&numbers)? } else { Vec::new() };
        Ok((count, FlowBatch { records, observations }))
    }

    /// What was observed of the rows of these numbers, which ascend.
    fn observations(&self, numbers: &[i64]) -> rusqlite::Result<Vec<Observation>> {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(OBSERVED)?;
        let mut rows = statement.query([first, last])?;
        let mut observations = Vec::new();
        while let Some(row) = rows.next()? {
            let Ok(record) = numbers.binary_search(&row.get(0)?) else { continue };
            let text = |n| row.get::<_, String>(n).map_or_else(|_| "".into(), Arc::<str>::from);
            // Written with a sign; see the INSERT.
            let number = |n| row.get::<_, i64>(n).unwrap_or(0) as u64;
            observations.push(Observation {
                record: record as i32,
                node: Some(text(1)),
                netns: text(2),
                interface: text(3),
                direction: number(4) as u8,
                bytes: number(5),
                packets: number(6),
            });
        }
        Ok(observations)
    }
}

/// A value as the field's kind wants it; `None` for NULL and for what cannot be one.
fn convert<'a>(column: &Column, value: ValueRef<'a>) -> Option<SqlValue<'a>> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
    Some(match (column.field.kind(), value) {
        // Written with a sign; see the INSERT.
        (Kind::UInt, ValueRef::Integer(number)) => SqlValue::UInt(number as u64),
        (Kind::UInt, ValueRef::Real(number)) => SqlValue::UInt(number as u64),
        (Kind::UInt, ValueRef::Text(bytes)) => SqlValue::UInt(text(bytes)?.parse().ok()?),
        (Kind::TextList, ValueRef::Text(bytes)) if column.single => SqlValue::One(text(bytes)?),
        (Kind::TextList | Kind::UIntList | Kind::Events, ValueRef::Text(bytes)) => SqlValue::Json(text(bytes)?),
        (Kind::Ip | Kind::Mac, ValueRef::Text(b"")) => return None,
        (Kind::Ip | Kind::Mac | Kind::Text, ValueRef::Text(bytes)) => SqlValue::Text(text(bytes)?),
        _ => return None,
    })
}

impl Iterator for Reader {
    type Item = Result<Batch, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let (count, flows) = match self.page() {
            Ok(page) => page,
            Err(error) => {
                self.done = true;
                return Some(Err(explain(&self.at, &error)));
            }
        };
        self.done = count < ROWS;
        let time_ns = last_time(&flows.records);
        let mut batch = self.numbering.batch(&self.node, time_ns, Body::Flows(flows));
        if self.done && self.unreadable > 0 {
            let words = format!("{} could not be read and left out", quantity(self.unreadable, "row"));
            batch.notices.push(words.into());
        }
        Some(Ok(batch))
    }
}
