//! The two INSERT statements, prepared once.
//!
//! Owns the raw statements: `rusqlite` copies every text it binds, and copying forty of them takes longer than the
//! rest of an INSERT. SQLite reads bound values only while the statement runs, so borrowed ones do.

use std::{
    ffi::{CStr, c_char, c_int},
    ptr::{self, NonNull},
};

use flow::{Field, FlowRecord, Observation, Value};
use rusqlite::{Connection, Error, Result, ffi};

/// A prepared statement whose values are borrowed until it has run.
#[derive(Debug)]
struct Statement(Option<NonNull<ffi::sqlite3_stmt>>);

// SAFETY: the connection is opened without mutex and stays with the statement in one struct, on one thread at a time.
unsafe impl Send for Statement {}

impl Statement {
    fn prepare(connection: &Connection, sql: &str) -> Result<Self> {
        let mut statement = ptr::null_mut();
        // SAFETY: the handle is that of an open connection, the text is given with its length, no tail is asked for.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                connection.handle(),
                sql.as_ptr().cast::<c_char>(),
                sql.len() as c_int,
                ffi::SQLITE_PREPARE_PERSISTENT as _,
                &raw mut statement,
                ptr::null_mut(),
            )
        };
        let this = Self(NonNull::new(statement));
        if code == ffi::SQLITE_OK { Ok(this) } else { Err(this.error(code)) }
    }

    fn raw(&self) -> *mut ffi::sqlite3_stmt {
        // Null is what SQLite takes for a misuse and answers with an error.
        self.0.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    fn int(&self, column: usize, value: i64) -> Result<()> {
        // SAFETY: the statement is alive or null; a column that does not exist is answered with an error.
        self.check(unsafe { ffi::sqlite3_bind_int64(self.raw(), column as c_int, value) })
    }

    /// Binds `text` without copying it.
    ///
    /// # Safety
    /// `text` must live, unchanged, until [`Statement::run`] returns.
    unsafe fn text(&self, column: usize, text: &[u8]) -> Result<()> {
        // SAFETY: pointer and length belong together; the caller keeps the text until the values are cleared.
        self.check(unsafe {
            ffi::sqlite3_bind_text64(
                self.raw(),
                column as c_int,
                text.as_ptr().cast::<c_char>(),
                text.len() as u64,
                ffi::SQLITE_STATIC(),
                ffi::SQLITE_UTF8 as _,
            )
        })
    }

    /// Runs it once and forgets the values.
    fn run(&self) -> Result<()> {
        // SAFETY: the statement is alive or null, and what it borrowed is alive (see `text`).
        let (stepped, reset) = unsafe {
            let stepped = ffi::sqlite3_step(self.raw());
            let reset = ffi::sqlite3_reset(self.raw());
            ffi::sqlite3_clear_bindings(self.raw());
            (stepped, reset)
        };
        if stepped == ffi::SQLITE_DONE { Ok(()) } else { self.check(if reset == 0 { stepped } else { reset }) }
    }

    fn check(&self, code: c_int) -> Result<()> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }

    fn error(&self, code: c_int) -> Error {
        let message = self.0.map(|_| {
            // SAFETY: the statement is alive, hence its connection; the text lives until the next call to SQLite.
            unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(ffi::sqlite3_db_handle(self.raw()))) }
        });
        Error::SqliteFailure(ffi::Error::new(code), message.map(|text| text.to_string_lossy().into_owned()))
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: finalised once; null does nothing.
        unsafe { ffi::sqlite3_finalize(self.raw()) };
        self.0 = None;
    }
}

/// Writes rows.
#[derive(Debug)]
pub(super) struct Insert {
    flow: Statement,
    observation: Statement,
}

impl Insert {
    /// Statements of `connection`; they must be dropped or [`Insert::finish`]ed before it is closed.
    pub(super) fn prepare(connection: &Connection) -> Result<Self> {
        let names = Field::ALL.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ");
        let marks = ", ?".repeat(Field::ALL.len());
        let flow = format!("INSERT INTO flow (id, {names}) VALUES (?{marks})");
        let observation = "INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?, ?)";
        Ok(Self {
            flow: Statement::prepare(connection, &flow)?,
            observation: Statement::prepare(connection, observation)?,
        })
    }

    /// A row of `flow`; `texts` gives the text of every address and list, in the order of the fields.
    ///
    /// Numbers above 2^63 - 1 wrap, as SQLite's integers have a sign; reading wraps them back.
    pub(super) fn flow<'a>(
        &self,
        id: i64,
        record: &FlowRecord,
        texts: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Result<()> {
        self.flow.int(1, id)?;
        for (n, field) in Field::ALL.iter().enumerate() {
            let column = n + 2;
            match record.get(*field) {
                None => {}
                Some(Value::UInt(number)) => self.flow.int(column, number as i64)?,
                // SAFETY: `record` and `texts` are borrowed until this function, hence `run`, has returned.
                Some(Value::Text(text)) => unsafe { self.flow.text(column, text.as_bytes())? },
                // SAFETY: as above.
                Some(_) => unsafe { self.flow.text(column, texts.next().unwrap_or_default())? },
            }
        }
        self.flow.run()
    }

    /// A row of `observation`.
    pub(super) fn observation(&self, record: i64, node: &str, observation: &Observation) -> Result<()> {
        let Observation { record: _, node: other, netns, interface, direction, bytes, packets } = observation;
        self.observation.int(1, record)?;
        // SAFETY: `node` and `observation` are borrowed until this function, hence `run`, has returned.
        unsafe {
            self.observation.text(2, other.as_deref().unwrap_or(node).as_bytes())?;
            self.observation.text(3, netns.as_bytes())?;
            self.observation.text(4, interface.as_bytes())?;
        }
        self.observation.int(5, i64::from(*direction))?;
        self.observation.int(6, *bytes as i64)?;
        self.observation.int(7, *packets as i64)?;
        self.observation.run()
    }

    /// Gives the statements back: a journal mode cannot be changed while they exist.
    pub(super) fn finish(&mut self) {
        self.flow = Statement(None);
        self.observation = Statement(None);
    }
}
