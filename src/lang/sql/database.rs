//! What the exporter asks of a database: its tables and columns, and rows of a query, one after the other.

use crate::archive::LongTexts;
use crate::format::layout::STRING_BYTES;
use crate::lang::session::ExportError;
use crate::model::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// A value of a row. Text comes as bytes: databases hold NUL, and some hold what is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Bytes(&'a [u8]),
}

/// A row while it is under the cursor.
pub(super) trait Row {
    /// The value of a column, by position.
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// A row that stays after the cursor has gone on.
pub(super) struct KeptRow(Vec<KeptCell>);

enum KeptCell {
    Bytes(Vec<u8>),
    Other(Cell<'static>),
}

impl KeptRow {
    /// A copy of a row with so many columns.
    pub(super) fn of(row: &dyn Row, columns: usize) -> Self {
        let keep = |column| match row.cell(column) {
            Cell::Bytes(bytes) => KeptCell::Bytes(bytes.to_vec()),
            Cell::Integer(value) => KeptCell::Other(Cell::Integer(value)),
            Cell::Real(value) => KeptCell::Other(Cell::Real(value)),
            Cell::Null => KeptCell::Other(Cell::Null),
        };
        KeptRow((0..columns).map(keep).collect())
    }
}

impl Row for KeptRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        match &self.0[column] {
            KeptCell::Bytes(bytes) => Cell::Bytes(bytes),
            KeptCell::Other(cell) => *cell,
        }
    }
}

/// Takes the rows of a query.
pub(super) type EachRow<'a> = dyn FnMut(&dyn Row) -> Result<(), ExportError> + 'a;

/// A database within one read transaction: every query sees the same moment.
pub(super) trait Database {
    /// What differs in SQL.
    fn dialect(&self) -> Dialect;

    /// Tables and their columns.
    ///
    /// # Errors
    /// The database cannot be read.
    fn schema(&self) -> Result<Schema, ExportError>;

    /// Whether tables may be there that this user is not shown.
    ///
    /// # Errors
    /// The database cannot be read.
    fn may_hide_tables(&self) -> Result<bool, ExportError> {
        Ok(false)
    }

    /// Lays a long text aside, read piece by piece; asked only of tables that the schema says are streamed, for a row as
    /// it was named there.
    ///
    /// # Errors
    /// The database cannot be read, or the text is longer than an archive holds ([`io::ErrorKind::FileTooLarge`]).
    fn read_long(&self, table: &str, column: &str, row: &str, texts: &LongTexts) -> io::Result<Text>;

    /// What may help where the tables are not there, such as where they are.
    ///
    /// # Errors
    /// The database cannot be read.
    fn other_place(&self) -> Result<Option<String>, ExportError> {
        Ok(None)
    }

    /// Runs a query and hands over its rows. `?` stands for each parameter.
    ///
    /// # Errors
    /// The database cannot be read, or `each` fails.
    fn query(&self, sql: &str, parameters: &[&str], each: &mut EachRow<'_>) -> Result<(), ExportError>;
}

/// What differs in SQL from one database to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    Mysql,
}

impl Dialect {
    /// The name in the manifest.
    pub(super) fn name(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            #[cfg(feature = "postgres")]
            Dialect::Postgres => "postgresql",
            #[cfg(feature = "mysql")]
            Dialect::Mysql => "mysql",
        }
    }

    /// A name as an identifier.
    pub(super) fn quote(self, name: &str) -> String {
        let quote = match self {
            #[cfg(feature = "mysql")]
            Dialect::Mysql => "`",
            _ => "\"",
        };
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    /// An expression that orders text by its bytes, whatever the column's collation.
    pub(super) fn by_bytes(self, expression: &str) -> String {
        match self {
            Dialect::Sqlite => format!("CAST({expression} AS BLOB)"),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => format!("{expression} COLLATE \"C\""),
            #[cfg(feature = "mysql")]
            Dialect::Mysql => format!("CAST({expression} AS BINARY)"),
        }
    }
}

/// The schema that two queries tell: table and column a row; the names of views, which are not taken for tables.
pub(super) fn read_schema(database: &dyn Database, tables: &str, views: &str) -> Result<Schema, ExportError> {
    let mut schema = Schema::default();
    database.query(tables, &[], &mut |row| {
        if let (Cell::Bytes(table), Cell::Bytes(column)) = (row.cell(0), row.cell(1)) {
            schema.add(&String::from_utf8_lossy(table), &String::from_utf8_lossy(column));
        }
        Ok(())
    })?;
    database.query(views, &[], &mut |row| {
        if let Cell::Bytes(name) = row.cell(0) {
            schema.add_view(&String::from_utf8_lossy(name));
        }
        Ok(())
    })?;
    Ok(schema)
}

/// The tables of a database and their columns, as they are: versions are never asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    tables: BTreeMap<String, BTreeSet<String>>,
    views: BTreeSet<String>,
    /// Tables whose long texts are read piece by piece, with the expression that names a row.
    streamed: BTreeMap<String, String>,
}

impl Schema {
    /// Adds a table's column.
    pub(super) fn add(&mut self, table: &str, column: &str) {
        self.tables
            .entry(table.to_owned())
            .or_default()
            .insert(column.to_owned());
    }

    /// Adds a view, or what else has a name in a query and is no table.
    pub(super) fn add_view(&mut self, name: &str) {
        self.views.insert(name.to_owned());
    }

    /// Whether there is such a view.
    pub(super) fn has_view(&self, name: &str) -> bool {
        self.views.contains(name)
    }

    /// Says that a table's long texts are read piece by piece, by what an expression calls their row.
    pub(super) fn add_streamed(&mut self, table: &str, row: &str) {
        self.streamed.insert(table.to_owned(), row.to_owned());
    }

    /// Whether there is such a table.
    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether there is such a column.
    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|columns| columns.contains(column))
    }

    /// The tables with their columns.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.tables
            .iter()
            .map(|(table, columns)| (table.as_str(), columns))
    }

    /// A list for SELECT in which a column that this schema lacks is NULL.
    ///
    /// Where the list has `long x` beside `x`, the first names a row whose `x` is too long for a line, and `x` is NULL there.
    pub(super) fn columns(&self, dialect: Dialect, table: &str, columns: &[&str]) -> String {
        let expression = |column: &&str| {
            let (name, is_long) = match column.strip_prefix(LONG) {
                Some(name) => (name, true),
                None => (*column, false),
            };
            if !self.has_column(table, name) {
                return "NULL".to_owned();
            }
            let value = dialect.quote(name);
            let is_guarded = is_long || columns.iter().any(|other| other.strip_prefix(LONG) == Some(name));
            match (self.streamed.get(table).filter(|_| is_guarded), is_long) {
                (Some(row), true) => {
                    format!("CASE WHEN octet_length({value}) > {STRING_BYTES} THEN {row} END")
                }
                (Some(_), false) => {
                    format!("CASE WHEN octet_length({value}) <= {STRING_BYTES} THEN {value} END")
                }
                (None, true) => "NULL".to_owned(),
                (None, false) => value,
            }
        };
        columns.iter().map(expression).collect::<Vec<_>>().join(", ")
    }
}

/// What stands before the name of a column whose long texts are read piece by piece.
pub(super) const LONG: &str = "long ";
