//! SQLite files, opened read-only: nothing is migrated, and a live server may go on writing.

use super::database::{Cell, Database, Dialect, EachRow, Row, Schema, read_schema};
use crate::format::layout::STRING_BYTES;
use crate::lang::session::ExportError;
use crate::platform::uri_path;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::io::{self, Read};
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
/// Bytes of a value or row that are read: what an export asks for is shorter, since longer texts are read by pieces.
const VALUE_BYTES: i32 = 64 << 20;
/// Bytes of a value or row while no text is expected that no line holds.
const SHORT_BYTES: i32 = STRING_BYTES as i32;
/// Bytes of a text that is read at once where it cannot be read by pieces.
const WHOLE_BYTES: i64 = 24 << 20;
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

    /// A text that cannot be read by pieces.
    fn read_whole(&self, table: &str, column: &str, row: i64) -> io::Result<Vec<u8>> {
        let [table, column] = [table, column].map(|name| Dialect::Sqlite.quote(name));
        let ask = |what: String| format!("SELECT {what} FROM {table} WHERE rowid = ?");
        let get =
            |row: &rusqlite::Row<'_>| row.get_ref(0)?.as_bytes().map(<[u8]>::to_vec).map_err(Into::into);
        let size: i64 = self
            .connection
            .query_row(&ask(format!("octet_length({column})")), [row], |row| row.get(0))
            .map_err(io::Error::other)?;
        if size > WHOLE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "more than {WHOLE_BYTES}, and SQLite gives no pieces of a table with generated columns"
                ),
            ));
        }
        let text = self.connection.query_row(&ask(column), [row], get);
        text.map_err(io::Error::other)
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
        let tables = "SELECT t.name, c.name, 1 FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c \
                      WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let views = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'table'";
        let mut schema = read_schema(self, tables, views)?;
        // By the number of its row, and as UTF-8.
        let placed = "SELECT t.name FROM pragma_table_list t, pragma_encoding e \
                        WHERE t.schema = 'main' AND t.type = 'table' AND t.wr = 0 AND e.encoding = 'UTF-8'";
        self.query(placed, &[], &mut |row| {
            if let Cell::Bytes(table) = row.cell(0) {
                schema.add_place(&String::from_utf8_lossy(table), "rowid");
            }
            Ok(())
        })?;
        Ok(schema)
    }

    fn row_at(&self, _: &str, place: &str) -> Result<(String, Vec<String>), ExportError> {
        Ok(("rowid = ?".to_owned(), vec![place.to_owned()]))
    }

    fn open_long<'d>(&'d self, table: &str, column: &str, place: &str) -> io::Result<Box<dyn Read + 'd>> {
        let row = place.parse().map_err(io::Error::other)?;
        match self.connection.blob_open("main", table, column, row, true) {
            Ok(blob) => Ok(Box::new(blob)),
            // SQLite opens no value of a table with generated columns, as MLflow's spans have.
            Err(_) => Ok(Box::new(io::Cursor::new(self.read_whole(table, column, row)?))),
        }
    }

    fn query(&self, sql: &str, parameters: &[&str], each: &mut EachRow<'_>) -> Result<(), ExportError> {
        self.rows(sql, parameters, each)
            .map_err(|error| source_error(&self.path, &error))?
    }

    fn query_short(
        &self,
        sql: &str,
        parameters: &[&str],
        each: &mut EachRow<'_>,
    ) -> Result<bool, ExportError> {
        let failed = |error| source_error(&self.path, &error);
        let limit = |bytes| self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes);
        limit(SHORT_BYTES).map_err(failed)?;
        let rows = self.rows(sql, parameters, each);
        limit(VALUE_BYTES).map_err(failed)?;
        match rows {
            Err(error) if code(&error) == Some(ErrorCode::TooBig) => Ok(false),
            rows => rows.map_err(failed)?.map(|()| true),
        }
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
    let text = uri_path(path);
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
        Some(ErrorCode::TooBig) => "; a row of more than 64 MiB has to be sorted: shorten it in a copy",
        Some(ErrorCode::NotADatabase) => "; it is not a SQLite database, or it is encrypted",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            "; a database in WAL mode needs its -wal file, and a directory in which -shm can be made: export a copy of both files"
        }
        _ => "",
    };
    ExportError::unreadable(path.display().to_string(), format!("{error}{remedy}"))
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
