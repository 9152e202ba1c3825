//! A SQLite file: a new one with the tables of the newest MLflow, or one that has them and holds nothing.

mod late_keys;

use super::fill::Filling;
use super::rows::{RowSink, Target};
use super::target_tables::{Column, TableLayout, TargetTables};
use super::{Result, WriteError, empty, halves};
use crate::lang::sql::database::{Cell, Dialect};
use late_keys::LateKeys;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ToSql};
use std::path::Path;
use std::time::Duration;

/// Tables, the rows that MLflow itself puts into them, and, behind a mark, indexes and the rest.
const DDL: &str = include_str!("ddl/sqlite.sql");
const MARK: &str = "-- After the rows.\n";
/// How indexes are made over the rows: what is sorted at once fits the processor's cache, which more memory makes slower, and is
/// written by a thread of its own while the next rows are read.
const SORTING: &str = "PRAGMA cache_size = -8192; PRAGMA threads = 1;";
/// A file that nobody sees before it is whole needs no journal.
const SETTINGS: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; \
     PRAGMA temp_store = FILE; PRAGMA foreign_keys = OFF; PRAGMA locking_mode = EXCLUSIVE;";

/// A database that is being made.
pub(super) struct NewDatabase {
    connection: Connection,
    keys: LateKeys,
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
        let (tables, keys) = LateKeys::take(parts().0);
        connection.execute_batch("BEGIN").map_err(refused)?;
        connection.execute_batch(&tables).map_err(refused)?;
        // The writer makes the default workspace, or takes the archive's.
        connection
            .execute_batch("DELETE FROM workspaces")
            .map_err(refused)?;
        Ok(NewDatabase { connection, keys })
    }

    /// What takes the rows.
    pub(super) fn rows(&self) -> SqliteRows<'_> {
        SqliteRows::new(&self.connection, TableLayout::default())
    }

    /// Makes keys and indexes, and closes the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn finish(self) -> Result<()> {
        let refused = |error: rusqlite::Error| refusal("its indexes", &error);
        make_indexes(&self.connection).map_err(refused)?;
        self.keys.make(&self.connection).map_err(refused)?;
        self.connection.execute_batch("COMMIT").map_err(refused)?;
        self.connection.close().map_err(|(_, error)| refused(error))
    }
}

/// A file that is there, within the transaction that fills it.
pub(super) struct SqliteTarget {
    connection: Connection,
    /// Whether the tables are made here, so that indexes are still to come.
    is_made: bool,
}

impl SqliteTarget {
    /// Opens the file, and takes it for this process alone.
    ///
    /// # Errors
    /// It is in use, it is no database, or it holds something already.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let told = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                WriteError::Target("it is in use: stop the server that uses it".to_owned())
            }
            _ => WriteError::Target(error.to_string()),
        };
        let connection = Connection::open_with_flags(path, flags).map_err(told)?;
        let begun = connection.busy_timeout(Duration::ZERO).and_then(|()| {
            connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -16384; BEGIN EXCLUSIVE")
        });
        begun.map_err(told)?;
        let mut target = SqliteTarget {
            connection,
            is_made: false,
        };
        let names = target.names()?;
        if names.is_empty() {
            target.batch("its tables", parts().0)?;
            target.is_made = true;
        } else {
            empty::check(&names, Dialect::Sqlite, &mut |sql| target.one(sql))?;
            empty::check_version(&names, &mut |sql| target.one(sql))?;
        }
        Ok(target)
    }

    fn names(&self) -> Result<Vec<String>> {
        let refused = |error: rusqlite::Error| refusal("a query of its tables", &error);
        let sql =
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'";
        let mut statement = self.connection.prepare(sql).map_err(refused)?;
        let names = statement.query_map([], |row| row.get(0)).map_err(refused)?;
        names.collect::<rusqlite::Result<_>>().map_err(refused)
    }

    fn one(&self, sql: &str) -> Result<bool> {
        let answer = self.connection.query_row(sql, [], |row| row.get(0));
        answer.map_err(|error| refusal("a query", &error))
    }

    fn batch(&self, what: &str, sql: &str) -> Result<()> {
        self.connection
            .execute_batch(sql)
            .map_err(|error| refusal(what, &error))
    }
}

impl Filling for SqliteTarget {
    fn tables(&mut self) -> Result<TargetTables> {
        read_tables(&self.connection)
    }

    fn clear(&mut self, layout: &TableLayout) -> Result<()> {
        self.batch("the rows of MLflow's own", &empty::clearing(layout).join("; "))
    }

    fn rows<'d>(&'d mut self, layout: &TableLayout) -> Box<dyn RowSink + 'd> {
        Box::new(SqliteRows::new(&self.connection, layout.clone()))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        if self.is_made {
            make_indexes(&self.connection).map_err(|error| refusal("its indexes", &error))?;
        }
        self.batch("the end of the transaction", "COMMIT")
    }
}

/// Makes what the script has for after the rows.
fn make_indexes(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SORTING)?;
    connection.execute_batch(parts().1)
}

/// The tables of a file that is in use or not; none where it is not there.
///
/// # Errors
/// It is no database.
pub(super) fn look(path: &Path) -> Result<TargetTables> {
    if !path.exists() {
        return Ok(TargetTables::default());
    }
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    read_tables(&opened.map_err(|error| WriteError::Target(error.to_string()))?)
}

fn read_tables(connection: &Connection) -> Result<TargetTables> {
    let refused = |error: rusqlite::Error| refusal("a query of its tables", &error);
    let sql = "SELECT t.name, c.name, c.\"notnull\" AND c.dflt_value IS NULL AND c.hidden = 0 AND NOT c.pk \
               FROM sqlite_master t JOIN pragma_table_xinfo(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).map_err(refused)?;
    let mut rows = statement.query([]).map_err(refused)?;
    let mut tables = TargetTables {
        takes_anything: true,
        ..TargetTables::default()
    };
    while let Some(row) = rows.next().map_err(refused)? {
        let facts = Column {
            is_required: row.get(2).map_err(refused)?,
            ..Column::default()
        };
        let [table, name]: [rusqlite::Result<String>; 2] = [row.get(0), row.get(1)];
        tables.add(&table.map_err(refused)?, &name.map_err(refused)?, facts);
    }
    Ok(tables)
}

fn parts() -> (&'static str, &'static str) {
    halves(DDL, MARK)
}

/// The error of the database.
fn refusal(what: &str, error: &rusqlite::Error) -> WriteError {
    WriteError::Database {
        what: what.to_owned(),
        detail: error.to_string(),
    }
}

/// Takes rows for a file.
pub(super) struct SqliteRows<'c> {
    connection: &'c Connection,
    layout: TableLayout,
    statements: Vec<Option<Statement<'c>>>,
}

impl<'c> SqliteRows<'c> {
    fn new(connection: &'c Connection, layout: TableLayout) -> Self {
        SqliteRows {
            connection,
            layout,
            statements: Target::ALL.iter().map(|_| None).collect(),
        }
    }
}

impl RowSink for SqliteRows<'_> {
    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        let refused = |error: rusqlite::Error| refusal(&format!("a row of `{}`", target.name()), &error);
        let statement = &mut self.statements[target as usize];
        let statement = match statement {
            Some(statement) => statement,
            None => {
                let prepared = self
                    .connection
                    .prepare(&insert_into(target, &self.layout))
                    .map_err(refused)?;
                statement.insert(prepared)
            }
        };
        for (at, cell) in row.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, cell).map_err(refused)?;
        }
        statement.raw_execute().map_err(refused)?;
        Ok(())
    }
}

fn insert_into(target: Target, layout: &TableLayout) -> String {
    let columns = layout.names(target);
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
impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(number),
            Cell::Real(number) => ValueRef::Real(number),
            Cell::Bytes(text) => ValueRef::Text(text),
        }))
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
            let prepared = database
                .connection
                .prepare(&insert_into(target, &TableLayout::default()));
            assert!(prepared.is_ok(), "{target:?}: {:?}", prepared.err());
        }
        database.finish().unwrap();
    }

    /// All entries of a schema, but for where their pages are.
    fn schema(connection: &Connection) -> Vec<(String, String, String, Option<String>)> {
        let sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn keys_that_are_made_over_rows_are_the_keys_of_the_tables() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mlflow.db");
        let database = NewDatabase::create(&path).unwrap();
        let mut rows = database.rows();
        for number in (0..500_i64).rev() {
            let name = format!("name {}", number % 7);
            let row = [
                Cell::from("run"),
                (&name).into(),
                0.5.into(),
                number.into(),
                0.into(),
                false.into(),
            ];
            rows.insert(Target::Metrics, &row).unwrap();
        }
        drop(rows);
        database.finish().unwrap();

        let plain = Connection::open_in_memory().unwrap();
        plain.execute_batch(DDL).unwrap();
        let made = Connection::open(&path).unwrap();
        assert_eq!(schema(&made), schema(&plain));
        let one = |sql: &str| made.query_row(sql, [], |row| row.get::<_, String>(0));
        assert_eq!(one("PRAGMA integrity_check").unwrap(), "ok");
        let again = "INSERT INTO metrics SELECT * FROM metrics LIMIT 1";
        let refused = made.execute_batch(again).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::ConstraintViolation));
    }

    #[test]
    fn a_key_that_two_rows_have_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let database = NewDatabase::create(&directory.path().join("mlflow.db")).unwrap();
        let mut rows = database.rows();
        for value in ["a", "b"] {
            let row = ["run", "key", value].map(Cell::from);
            rows.insert(Target::Params, &row).unwrap();
        }
        drop(rows);
        let refused = database.finish().unwrap_err().to_string();
        assert!(
            refused.contains("UNIQUE constraint failed: params.key, params.run_uuid"),
            "{refused}"
        );
    }
}
