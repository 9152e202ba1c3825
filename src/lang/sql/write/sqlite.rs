//! A new SQLite file with the tables of the newest MLflow.

use super::rows::{RowSink, Target};
use super::{Result, WriteError};
use crate::lang::sql::database::{Cell, Dialect};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, ToSql};
use std::path::Path;

/// Tables, the rows that MLflow itself puts into them, and, behind a mark, indexes and the rest.
const DDL: &str = include_str!("ddl/sqlite.sql");
const MARK: &str = "-- After the rows.\n";
/// A file that nobody sees before it is whole needs no journal.
const SETTINGS: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; \
     PRAGMA temp_store = FILE; PRAGMA foreign_keys = OFF; PRAGMA locking_mode = EXCLUSIVE;";

/// A database that is being made.
pub(super) struct NewDatabase {
    connection: Connection,
}

impl NewDatabase {
    /// Makes the file, with its tables and without rows but the version of its schema.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let refused = |error: rusqlite::Error| refusal("its tables", &error);
        let connection = Connection::open(path).map_err(refused)?;
        connection.execute_batch(SETTINGS).map_err(refused)?;
        let (tables, _) = parts();
        connection.execute_batch("BEGIN").map_err(refused)?;
        connection.execute_batch(tables).map_err(refused)?;
        // The writer makes the default workspace, or takes the archive's.
        connection
            .execute_batch("DELETE FROM workspaces")
            .map_err(refused)?;
        Ok(NewDatabase { connection })
    }

    /// What takes the rows.
    pub(super) fn rows(&self) -> SqliteRows<'_> {
        SqliteRows {
            connection: &self.connection,
            statements: Target::ALL.iter().map(|_| None).collect(),
        }
    }

    /// Makes the indexes and closes the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn finish(self) -> Result<()> {
        let refused = |error: rusqlite::Error| refusal("its indexes", &error);
        let (_, rest) = parts();
        self.connection.execute_batch(rest).map_err(refused)?;
        self.connection.execute_batch("COMMIT").map_err(refused)?;
        self.connection.close().map_err(|(_, error)| refused(error))
    }
}

fn parts() -> (&'static str, &'static str) {
    DDL.split_once(MARK)
        .expect("the script that makes it puts the mark there")
}

/// The error of the database.
fn refusal(what: &str, error: &rusqlite::Error) -> WriteError {
    WriteError::Database {
        what: what.to_owned(),
        detail: error.to_string(),
    }
}

/// Takes rows for a new file.
pub(super) struct SqliteRows<'c> {
    connection: &'c Connection,
    statements: Vec<Option<Statement<'c>>>,
}

impl RowSink for SqliteRows<'_> {
    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        let refused = |error: rusqlite::Error| refusal(&format!("a row of `{}`", target.name()), &error);
        let statement = &mut self.statements[target as usize];
        let statement = match statement {
            Some(statement) => statement,
            None => {
                let prepared = self.connection.prepare(&insert_into(target)).map_err(refused)?;
                statement.insert(prepared)
            }
        };
        debug_assert_eq!(row.len(), target.columns().len(), "{target:?}");
        for (at, cell) in row.iter().enumerate() {
            statement
                .raw_bind_parameter(at + 1, Bound(*cell))
                .map_err(refused)?;
        }
        statement.raw_execute().map_err(refused)?;
        Ok(())
    }
}

fn insert_into(target: Target) -> String {
    let columns = target.columns();
    let quoted: Vec<_> = columns
        .iter()
        .map(|column| Dialect::Sqlite.quote(column))
        .collect();
    let places = vec!["?"; columns.len()];
    format!(
        "INSERT INTO {} ({}) VALUES ({})",
        Dialect::Sqlite.quote(target.name()),
        quoted.join(", "),
        places.join(", ")
    )
}

/// A cell as a parameter; bytes are text, which nothing here is not.
struct Bound<'v>(Cell<'v>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(number)),
            Cell::Real(number) => ToSqlOutput::Owned(Value::Real(number)),
            Cell::Bytes(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_takes_the_columns_that_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let database = NewDatabase::create(&directory.path().join("mlflow.db")).unwrap();
        for &target in Target::ALL {
            let prepared = database.connection.prepare(&insert_into(target));
            assert!(prepared.is_ok(), "{target:?}: {:?}", prepared.err());
        }
        database.finish().unwrap();
    }
}
