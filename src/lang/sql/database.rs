//! What the exporter asks of a database: its tables and columns, and rows of a query, one after the other.

use super::columns::Table;
use crate::format::layout::{LINE_BYTES, STRING_BYTES};
use crate::lang::session::ExportError;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

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

    /// A condition that holds for one row of a table, by its place as the schema names it, and the parameters of the
    /// condition.
    ///
    /// # Errors
    /// The database cannot be read.
    fn row_at(&self, table: &str, place: &str) -> Result<(String, Vec<String>), ExportError>;

    /// A long text, read piece by piece, of a row by its place.
    ///
    /// # Errors
    /// The database cannot be read.
    fn open_long<'d>(&'d self, table: &str, column: &str, place: &str) -> io::Result<Box<dyn Read + 'd>>;

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

    /// As [`Database::query`], to the first row that has a text of more than 1 MiB, which is not read; false where there is
    /// one, or where such rows cannot be told.
    ///
    /// # Errors
    /// As [`Database::query`].
    fn query_short(
        &self,
        _sql: &str,
        _parameters: &[&str],
        _each: &mut EachRow<'_>,
    ) -> Result<bool, ExportError> {
        Ok(false)
    }
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

    /// An expression for the number of a value's bytes.
    pub(super) fn octets(self, expression: &str) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => format!("octet_length({expression}::text)"),
            _ => format!("octet_length({expression})"),
        }
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

/// The schema that two queries tell: table, column and whether it may hold a text of more than 1 MiB, a row; the names of
/// views, which are not taken for tables.
pub(super) fn read_schema(database: &dyn Database, tables: &str, views: &str) -> Result<Schema, ExportError> {
    let mut schema = Schema::default();
    database.query(tables, &[], &mut |row| {
        if let (Cell::Bytes(table), Cell::Bytes(column)) = (row.cell(0), row.cell(1)) {
            let may_be_long = row.cell(2) != Cell::Integer(0);
            let (table, column) = (String::from_utf8_lossy(table), String::from_utf8_lossy(column));
            schema.add(&table, &column, may_be_long);
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
    /// Columns, and whether they may hold a text of more than 1 MiB.
    tables: BTreeMap<String, BTreeMap<String, bool>>,
    views: BTreeSet<String>,
    /// Tables of which a row can be found again, with the expression that names it.
    places: BTreeMap<String, String>,
}

/// How a list for SELECT treats a text that is longer than a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Long {
    /// As any other.
    Plain,
    /// NULL stands for it, and after the columns comes the place of a row that has one, else NULL.
    Placed,
    /// NULL stands for it, and after the columns comes, for each, the number of its bytes where it is longer, else NULL.
    Sized,
}

impl Schema {
    /// Adds a table's column.
    pub(super) fn add(&mut self, table: &str, column: &str, may_be_long: bool) {
        self.tables
            .entry(table.to_owned())
            .or_default()
            .insert(column.to_owned(), may_be_long);
    }

    /// Adds a view, or what else has a name in a query and is no table.
    pub(super) fn add_view(&mut self, name: &str) {
        self.views.insert(name.to_owned());
    }

    /// Whether there is such a view.
    pub(super) fn has_view(&self, name: &str) -> bool {
        self.views.contains(name)
    }

    /// Says that rows of a table can be found again, by what an expression calls them.
    pub(super) fn add_place(&mut self, table: &str, place: &str) {
        self.places.insert(table.to_owned(), place.to_owned());
    }

    /// Whether there is such a table.
    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether there is such a column.
    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|columns| columns.contains_key(column))
    }

    /// The tables with their columns.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.tables
            .iter()
            .map(|(table, columns)| (table.as_str(), columns.keys().map(String::as_str).collect()))
    }

    /// A condition that a column's text is longer than is read at once; none where it cannot be.
    ///
    /// Where a row cannot be found again, what a line holds is read.
    fn is_long(&self, dialect: Dialect, table: &str, column: &str) -> Option<String> {
        let may_be_long = *self.tables.get(table)?.get(column)?;
        let limit = match self.places.contains_key(table) {
            true => STRING_BYTES,
            false => LINE_BYTES,
        };
        let octets = dialect.octets(&dialect.quote(column));
        may_be_long.then(|| format!("{octets} > {limit}"))
    }

    /// A list for SELECT in which a column that this schema lacks is NULL.
    pub(super) fn columns(&self, dialect: Dialect, table: Table, long: Long) -> String {
        let is_long = |column: &str| self.is_long(dialect, table.name, column);
        let value = |column: &&str| {
            if !self.has_column(table.name, column) {
                return "NULL".to_owned();
            }
            let value = dialect.quote(column);
            match is_long(column) {
                Some(is_long) if long != Long::Plain => {
                    format!("CASE WHEN {is_long} THEN NULL ELSE {value} END")
                }
                _ => value,
            }
        };
        let mut list: Vec<String> = table.columns.iter().map(value).collect();
        match long {
            Long::Plain => {}
            Long::Placed => {
                let any: Vec<String> = table.columns.iter().copied().filter_map(is_long).collect();
                let place = self.places.get(table.name).map_or("''", String::as_str);
                list.push(match any.is_empty() {
                    true => "NULL".to_owned(),
                    false => format!("CASE WHEN {} THEN {place} END", any.join(" OR ")),
                });
            }
            Long::Sized => list.extend(table.columns.iter().map(|column| match is_long(column) {
                Some(is_long) => {
                    let octets = dialect.octets(&dialect.quote(column));
                    format!("CASE WHEN {is_long} THEN {octets} END")
                }
                None => "NULL".to_owned(),
            })),
        }
        list.join(", ")
    }

    /// An expression for the bytes that a row's texts take while they are held, less those that are read by pieces.
    pub(super) fn held_bytes(&self, dialect: Dialect, table: Table) -> String {
        let columns = table.columns.iter().skip(table.id().end);
        let texts = columns.filter_map(|column| {
            let may_be_long = self.is_long(dialect, table.name, column);
            let octets = dialect.octets(&dialect.quote(column));
            let is_held = format!("CASE WHEN {octets} <= {STRING_BYTES} THEN {octets} ELSE 0 END");
            may_be_long.map(|_| is_held)
        });
        let texts: Vec<String> = texts.collect();
        match texts.is_empty() {
            true => "0".to_owned(),
            false => texts.join(" + "),
        }
    }
}
