//! A PostgreSQL database, filled by COPY in one transaction.

use super::fill::Filling;
use super::rows::{RowSink, Target};
use super::target_tables::{Column, TableLayout, TargetTables};
use super::{Result, WriteError, empty, halves};
use crate::lang::sql::database::{Cell, Dialect};
use crate::lang::sql::postgres::connect;
use postgres::Client;
use std::io::Write as _;

/// Tables, the rows that MLflow itself puts into them, and, behind a mark, keys and indexes.
const DDL: &str = include_str!("ddl/postgresql.sql");
const MARK: &str = "-- After the rows.\n";
/// Bytes of rows that wait before they are sent.
const WAITING_BYTES: usize = 4 << 20;

/// A database within the transaction that fills it.
pub(super) struct PostgresTarget {
    client: Client,
    /// Whether the tables are made here, so that keys and indexes are still to come.
    is_made: bool,
}

impl PostgresTarget {
    /// Connects, begins the transaction, and takes the tables for this process alone.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, the database is in use, or it holds something already.
    pub(super) fn open(uri: &str) -> Result<Self> {
        let mut target = Self::begin(uri, "BEGIN")?;
        // Two restores at once: the second finds rows, or waits for none.
        let is_alone = target.one("SELECT pg_try_advisory_xact_lock(7206371)")?;
        if !is_alone {
            return Err(WriteError::Target(
                "another restore is filling this database".into(),
            ));
        }
        let has_tables = target.one(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = current_schema())",
        )?;
        if has_tables {
            target.check_empty()?;
        } else {
            let (tables, _) = halves(DDL, MARK);
            target.batch("the transaction", tables)?;
            target.is_made = true;
        }
        Ok(target)
    }

    /// The tables of a database that is in use or not, which is left as it is.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub(super) fn look(uri: &str) -> Result<TargetTables> {
        Self::begin(uri, "BEGIN READ ONLY")?.read_tables()
    }

    fn begin(uri: &str, transaction: &str) -> Result<Self> {
        let client = connect(uri).map_err(|error| WriteError::Target(error.to_string()))?;
        let mut target = PostgresTarget {
            client,
            is_made: false,
        };
        target.batch("the transaction", transaction)?;
        Ok(target)
    }

    fn batch(&mut self, what: &str, sql: &str) -> Result<()> {
        let done = self.client.batch_execute(sql);
        done.map_err(|error| refusal(what, &error))
    }

    fn one(&mut self, sql: &str) -> Result<bool> {
        let row = self
            .client
            .query_one(sql, &[])
            .map_err(|error| refusal("a query", &error))?;
        Ok(row.get(0))
    }

    /// Refuses a database with more than what MLflow itself put there.
    fn check_empty(&mut self) -> Result<()> {
        let tables = self.read_tables()?;
        let names: Vec<String> = tables.names().map(str::to_owned).collect();
        let quoted: Vec<String> = names.iter().map(|name| Dialect::Postgres.quote(name)).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT", quoted.join(", "));
        self.batch("a lock on its tables, which are in use", &lock)?;
        empty::check(&names, Dialect::Postgres, &mut |sql| self.one(sql))?;
        empty::check_version(&names, &mut |sql| self.one(sql))
    }

    /// The tables as they are.
    fn read_tables(&mut self) -> Result<TargetTables> {
        let sql = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL)::text, a.atttypmod, \
                   a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' \
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
                   WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = current_schema()";
        let rows = self
            .client
            .query(sql, &[])
            .map_err(|error| refusal("a query of its tables", &error))?;
        let mut tables = TargetTables::default();
        for row in rows {
            let (table, name, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let modifier: i32 = row.get(3);
            let is_text = matches!(kind.as_str(), "character varying" | "character");
            let width = usize::try_from(modifier - 4)
                .ok()
                .filter(|width| is_text && *width > 0);
            let facts = Column {
                width,
                is_narrow: kind == "integer",
                is_required: row.get(4),
                ..Column::default()
            };
            tables.add(&table, &name, facts);
        }
        Ok(tables)
    }
}

impl Filling for PostgresTarget {
    fn tables(&mut self) -> Result<TargetTables> {
        self.read_tables()
    }

    fn clear(&mut self, layout: &TableLayout) -> Result<()> {
        self.batch("the rows of MLflow's own", &empty::clearing(layout).join("; "))
    }

    fn rows<'d>(&'d mut self, layout: &TableLayout) -> Box<dyn RowSink + 'd> {
        let copy = |target: &Target| copy_into(*target, layout);
        Box::new(PostgresRows {
            client: &mut self.client,
            copies: Target::ALL.iter().map(copy).collect(),
            waiting: Target::ALL.iter().map(|_| Vec::new()).collect(),
            bytes: 0,
        })
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        if self.is_made {
            self.batch("keys and indexes", halves(DDL, MARK).1)?;
        }
        let next = "SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), \
                    (SELECT GREATEST(COALESCE(MAX(experiment_id), 0) + 1, 1) FROM experiments), false)";
        self.batch("the number of the next experiment", next)?;
        self.batch("the end of the transaction", "COMMIT")
    }
}

/// The error of the server.
fn refusal(what: &str, error: &postgres::Error) -> WriteError {
    let detail = match error.as_db_error() {
        Some(error) => [Some(error.message()), error.detail()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": "),
        None => error.to_string(),
    };
    WriteError::Database {
        what: what.to_owned(),
        detail: crate::model::mask::hide(&detail).into_owned(),
    }
}

/// The statement that takes rows of a table.
fn copy_into(target: Target, layout: &TableLayout) -> String {
    let quote = |name: &str| Dialect::Postgres.quote(name);
    let names: Vec<String> = layout.names(target).into_iter().map(quote).collect();
    format!("COPY {} ({}) FROM STDIN", quote(target.name()), names.join(", "))
}

/// Rows that are sent table by table, in the order of foreign keys.
struct PostgresRows<'c> {
    client: &'c mut Client,
    copies: Vec<String>,
    waiting: Vec<Vec<u8>>,
    bytes: usize,
}

impl RowSink for PostgresRows<'_> {
    fn flush(&mut self) -> Result<()> {
        for &target in Target::ALL {
            let rows = std::mem::take(&mut self.waiting[target as usize]);
            if rows.is_empty() {
                continue;
            }
            let refused = |error: postgres::Error| refusal(&format!("rows of `{}`", target.name()), &error);
            let mut copy = self
                .client
                .copy_in(&self.copies[target as usize])
                .map_err(refused)?;
            // What the server says of the rows is said at the end.
            let sent = copy.write_all(&rows);
            copy.finish().map_err(refused)?;
            sent.map_err(|error| WriteError::Target(error.to_string()))?;
        }
        self.bytes = 0;
        Ok(())
    }

    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        let out = &mut self.waiting[target as usize];
        let before = out.len();
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            push(out, *cell);
        }
        out.push(b'\n');
        self.bytes += out.len() - before;
        if self.bytes > WAITING_BYTES {
            self.flush()?;
        }
        Ok(())
    }
}

/// A value in the text format of COPY.
fn push(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"\\N"),
        Cell::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Cell::Real(f64::INFINITY) => out.extend_from_slice(b"Infinity"),
        Cell::Real(f64::NEG_INFINITY) => out.extend_from_slice(b"-Infinity"),
        Cell::Real(number) => out.extend_from_slice(format!("{number:?}").as_bytes()),
        Cell::Bytes(text) => {
            for &byte in text {
                match byte {
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    byte => out.push(byte),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_as_copy_reads_them() {
        let text = |cell: Cell<'_>| {
            let mut out = Vec::new();
            push(&mut out, cell);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("a\tb\\N\r\n".into()), "a\\tb\\\\N\\r\\n");
        assert_eq!(text(Cell::Null), "\\N");
        let numbers = [f64::INFINITY, -0.0, 1e-7, 5e-324, f64::NAN].map(|number| text(number.into()));
        assert_eq!(numbers, ["Infinity", "-0.0", "1e-7", "5e-324", "NaN"]);
    }
}
