//! SQLite files, opened read-only: nothing is migrated, and a live server may go on writing.

use super::database::{Cell, Database, Dialect, EachRow, Row, Schema, read_schema};
use crate::archive::LongTexts;
use crate::lang::session::ExportError;
use crate::model::Text;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a writer may hold the file before the export gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A database may come from anywhere: no view or trigger of it runs, no function that its schema names and that could do
/// harm, and nothing writes.
const GUARDS: [(DbConfig, bool); 5] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
];
/// Bytes of a value or row that are read: more than an archive holds of a text, and far less than SQLite would try.
const VALUE_BYTES: i32 = 300 << 20;
/// Pages kept in memory.
const CACHE_KIB: u32 = 8 << 10;

/// An open SQLite file, within a read transaction.
pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
}

impl Sqlite {
    /// Opens a file and begins the read transaction that the whole export sees.
    ///
    /// # Errors
    /// There is no such file, it is no SQLite database, it is locked, or it cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, ExportError> {
        if !path.is_file() {
            return Err(ExportError::NoData {
                source_uri: path.display().to_string(),
                detail: "there is no such file".to_owned(),
            });
        }
        match Self::open_with(path, "mode=ro") {
            // A write-ahead log whose side files cannot be made here: without a log the file alone is all there is.
            Err(error) if is_unwritable_wal(&error) && !has_log(path) => {
                Self::open_with(path, "mode=ro&immutable=1")
            }
            opened => opened,
        }
        .map_err(|error| source_error(path, &error))
    }

    fn open_with(path: &Path, query: &str) -> rusqlite::Result<Self> {
        let uri = format!("file:{}?{query}", percent_encode(path));
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES)?;
        for (setting, is_on) in GUARDS {
            connection.set_db_config(setting, is_on)?;
        }
        connection.execute_batch(&format!(
            "PRAGMA cache_size=-{CACHE_KIB}; PRAGMA cell_size_check=ON; BEGIN; SELECT 1 FROM sqlite_master LIMIT 1;"
        ))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Sqlite {
            connection,
            path: path.to_owned(),
        })
    }

    fn rows(
        &self,
        sql: &str,
        parameters: &[&str],
        each: &mut EachRow<'_>,
    ) -> Result<Result<(), ExportError>, rusqlite::Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
        while let Some(row) = rows.next()? {
            if let Err(error) = each(row) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

impl Database for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn schema(&self) -> Result<Schema, ExportError> {
        // table_xinfo lists generated columns too. Virtual tables run code of their modules, as views run SQL.
        let tables = "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c \
                      WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let views = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'table'";
        let mut schema = read_schema(self, tables, views)?;
        // By the number of its row, and as UTF-8.
        let streamed = "SELECT t.name FROM pragma_table_list t, pragma_encoding e \
                        WHERE t.schema = 'main' AND t.type = 'table' AND t.wr = 0 AND e.encoding = 'UTF-8'";
        self.query(streamed, &[], &mut |row| {
            if let Cell::Bytes(table) = row.cell(0) {
                schema.add_streamed(&String::from_utf8_lossy(table), "rowid");
            }
            Ok(())
        })?;
        Ok(schema)
    }

    fn read_long(&self, table: &str, column: &str, row: &str, texts: &LongTexts) -> io::Result<Text> {
        let row = row.parse().map_err(io::Error::other)?;
        let blob = self.connection.blob_open("main", table, column, row, true);
        let mut blob = blob.map_err(io::Error::other)?;
        match LongTexts::refused(blob.len() as u64) {
            Some(reason) => Err(io::Error::new(io::ErrorKind::FileTooLarge, reason)),
            None => texts.keep(&mut blob),
        }
    }

    fn query(&self, sql: &str, parameters: &[&str], each: &mut EachRow<'_>) -> Result<(), ExportError> {
        self.rows(sql, parameters, each)
            .map_err(|error| source_error(&self.path, &error))?
    }
}

impl Row for rusqlite::Row<'_> {
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.get_ref(column) {
            Ok(ValueRef::Integer(value)) => Cell::Integer(value),
            Ok(ValueRef::Real(value)) => Cell::Real(value),
            Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Cell::Bytes(bytes),
            Ok(ValueRef::Null) | Err(_) => Cell::Null,
        }
    }
}

/// A path as part of a `file:` URI.
fn percent_encode(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    // `file:a` would be relative to the working directory as well, but `file://…` would name a host.
    match text.starts_with("//") {
        true => format!("//{text}"),
        false => text,
    }
}

fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0)
}

fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

fn is_unwritable_wal(error: &rusqlite::Error) -> bool {
    matches!(code(error), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn source_error(path: &Path, error: &rusqlite::Error) -> ExportError {
    let remedy = match code(error) {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "; another process holds a lock: stop it, or export a copy made with `sqlite3 FILE '.backup COPY'`"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "; the file is damaged: `sqlite3 FILE .recover` may save what is left"
        }
        Some(ErrorCode::TooBig) => {
            "; a value of more than 300 MiB, which no archive holds: shorten it in a copy"
        }
        Some(ErrorCode::NotADatabase) => "; it is not a SQLite database, or it is encrypted",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            "; a database in WAL mode needs its -wal file, and a directory in which -shm can be made: export a copy of both files"
        }
        _ => "",
    };
    ExportError::Source {
        source_uri: path.display().to_string(),
        detail: format!("{error}{remedy}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_uri_characters_opens_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a?b#c%41 é.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
        let database = Sqlite::open(&path).unwrap();
        assert!(database.schema().unwrap().has_column("t", "x"));
    }

    #[test]
    fn a_file_that_is_no_database_is_said_to_be_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(&path, "SQLite format 3\0, or so it says").unwrap();
        let message = Sqlite::open(&path).err().unwrap().to_string();
        assert!(message.contains("not a SQLite database"), "{message}");
    }
}
