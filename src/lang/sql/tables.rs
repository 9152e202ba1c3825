//! Queries over MLflow's tables, by the columns that are there.

use super::database::{Cell, Database, Dialect, EachRow, KeptRow, LONG, Schema};
use super::fields::{Fields, Oddities};
use crate::archive::LongTexts;
use crate::lang::session::ExportError;
use crate::model::Text;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;

type Result<T, E = ExportError> = std::result::Result<T, E>;

/// Owners asked for in one query.
pub(super) const BATCH: usize = 64;

/// A table as it is read: the kind of object whose rows these are, its name, the columns in the order of [`Fields`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
}

/// A database and what is known of it.
pub(super) struct Tables {
    pub(super) database: Box<dyn Database>,
    pub(super) schema: Schema,
    pub(super) oddities: Oddities,
    /// Where texts are laid aside that no line holds.
    pub(super) long_texts: Option<LongTexts>,
    /// Texts that no archive holds: kind and id of the owner, table, why.
    pub(super) refused: RefCell<Vec<(&'static str, String, &'static str, String)>>,
    /// Rows of parts that were read, by table.
    rows_read: RefCell<BTreeMap<&'static str, u64>>,
    /// Whether a table has rows, once that was asked.
    has_rows: RefCell<BTreeMap<&'static str, bool>>,
}

impl Tables {
    /// The tables of a database.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) fn new(database: Box<dyn Database>) -> Result<Self> {
        Ok(Tables {
            schema: database.schema()?,
            database,
            oddities: Oddities::default(),
            long_texts: None,
            refused: RefCell::default(),
            rows_read: RefCell::default(),
            has_rows: RefCell::default(),
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// Whether the schema has this table, and the table rows: most databases never use most of theirs.
    ///
    /// # Errors
    /// The table cannot be read. In PostgreSQL no later query could say why: an error ends the transaction.
    pub(super) fn has(&self, table: Table) -> Result<bool> {
        Ok(self.schema.has(table.name) && self.has_rows(table.name)?)
    }

    fn has_rows(&self, table: &'static str) -> Result<bool> {
        if let Some(&known) = self.has_rows.borrow().get(table) {
            return Ok(known);
        }
        let sql = format!("SELECT 1 FROM {} LIMIT 1", self.dialect().quote(table));
        let mut has_rows = false;
        self.database.query(&sql, &[], &mut |_| {
            has_rows = true;
            Ok(())
        })?;
        self.has_rows.borrow_mut().insert(table, has_rows);
        Ok(has_rows)
    }

    /// Visits the rows of a table; none where this schema does not have it.
    pub(super) fn scan(&self, table: Table, each: impl FnMut(&Fields<'_>) -> Result<()>) -> Result<()> {
        self.scan_where(table, "", &[], each)
    }

    /// Visits the rows of a table for which a condition holds (`WHERE …`).
    pub(super) fn scan_where(
        &self,
        table: Table,
        condition: &str,
        parameters: &[&str],
        each: impl FnMut(&Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        if !self.has(table)? {
            return Ok(());
        }
        let columns = self.schema.columns(self.dialect(), table.name, table.columns);
        let sql = format!(
            "SELECT {columns} FROM {} {condition}",
            self.dialect().quote(table.name)
        );
        self.rows(&sql, parameters, table, each)
    }

    /// Visits the rows of a query whose columns are those of `table`.
    pub(super) fn rows(
        &self,
        sql: &str,
        parameters: &[&str],
        table: Table,
        mut each: impl FnMut(&Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        self.query(sql, parameters, table, &mut |row| {
            each(&Fields::new(row, table.kind, table.columns, &self.oddities))
        })
    }

    /// Visits the rows of a query; those with a long text once it has ended, since reading that is a query of its own.
    fn query(&self, sql: &str, parameters: &[&str], table: Table, each: &mut EachRow<'_>) -> Result<()> {
        let is_long = |column: &usize| table.columns[*column].starts_with(LONG);
        let long: Vec<usize> = (0..table.columns.len()).filter(is_long).collect();
        let mut kept = Vec::new();
        self.database.query(sql, parameters, &mut |row| {
            if long.iter().all(|&column| row.cell(column) == Cell::Null) {
                return each(row);
            }
            kept.push(KeptRow::of(row, table.columns.len()));
            Ok(())
        })?;
        kept.iter().try_for_each(|row| each(row))
    }

    /// Visits the rows of at most [`BATCH`] owners, each with the owner's place among `owners`. The owner's id is
    /// the table's first column.
    pub(super) fn of_owners(
        &self,
        table: Table,
        condition: &str,
        owners: &[&str],
        mut each: impl FnMut(usize, &Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        if !self.has(table)? {
            return Ok(());
        }
        let dialect = self.dialect();
        let columns = self.schema.columns(dialect, table.name, table.columns);
        let owner = dialect.quote(table.columns[0]);
        let sql = format!(
            "SELECT {columns} FROM {} WHERE {condition} {owner} IN ",
            dialect.quote(table.name)
        );
        let mut rows = 0;
        self.rows_of_owners(&sql, "", owners, table, |place, row| {
            rows += 1;
            each(place, row)
        })?;
        self.add_rows_read(table, rows);
        Ok(())
    }

    /// Notes that rows of a table of parts were read.
    pub(super) fn add_rows_read(&self, table: Table, rows: u64) {
        *self.rows_read.borrow_mut().entry(table.name).or_insert(0) += rows;
    }

    /// How many rows of a table of parts were read.
    pub(super) fn rows_read(&self, table: &str) -> u64 {
        self.rows_read.borrow().get(table).copied().unwrap_or(0)
    }

    /// Visits the rows of a query that ends in `IN` and a suffix; the first column is the owner's id.
    pub(super) fn rows_of_owners(
        &self,
        sql: &str,
        suffix: &str,
        owners: &[&str],
        table: Table,
        mut each: impl FnMut(usize, &Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        debug_assert!(owners.len() <= BATCH, "a batch of owners");
        let Some(last) = owners.last() else { return Ok(()) };
        let places: HashMap<&[u8], usize> = owners.iter().map(|owner| owner.as_bytes()).zip(0..).collect();
        // Always as many parameters, so that the statement is prepared once.
        let width = if owners.len() == 1 { 1 } else { BATCH };
        let mut parameters = owners.to_vec();
        parameters.resize(width, last);
        let sql = format!("{sql} (?{}) {suffix}", ", ?".repeat(width - 1));
        self.query(&sql, &parameters, table, &mut |row| {
            let Cell::Bytes(owner) = row.cell(0) else {
                return Ok(());
            };
            // A collation may find more than was asked for.
            let Some(&place) = places.get(owner) else {
                return Ok(());
            };
            each(
                place,
                &Fields::new(row, table.kind, table.columns, &self.oddities),
            )
        })
    }

    /// A text of a row: of any length, where the table's columns have `long x` beside it. NULL reads as an empty text, as
    /// MLflow reads it; nothing is one that no archive holds.
    pub(super) fn text(
        &self,
        table: Table,
        row: &Fields<'_>,
        column: usize,
        owner: &str,
    ) -> Result<Option<Text>> {
        let name = table.columns[column];
        let long = table
            .columns
            .iter()
            .position(|other| other.strip_prefix(LONG) == Some(name));
        let place = long.and_then(|long| row.text(long));
        let (Some(place), Some(texts)) = (place, &self.long_texts) else {
            return Ok(Some(row.any_text(column).unwrap_or_else(|| "".into())));
        };
        match self.database.read_long(table.name, name, &place, texts) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let detail = format!("row {place} of table `{}` has {error}", table.name);
                let refused = (table.kind, owner.to_owned(), table.name, detail);
                self.refused.borrow_mut().push(refused);
                Ok(None)
            }
            Err(error) => Err(ExportError::Source {
                source_uri: self.dialect().name().to_owned(),
                detail: format!("row {place} of table `{}`: {error}", table.name),
            }),
        }
    }

    /// The number of rows of a table.
    pub(super) fn count(&self, table: &str) -> Result<u64> {
        self.count_of("*", table, "")
    }

    /// The number of rows in which a column is not NULL.
    pub(super) fn count_values(&self, table: &str, column: &str) -> Result<u64> {
        self.count_of(&self.dialect().quote(column), table, "")
    }

    /// The number of rows whose owner is there.
    pub(super) fn count_owned(&self, table: &str, owner: &str, owners: &str, id: &str) -> Result<u64> {
        let condition = format!("WHERE {owner} IN (SELECT {id} FROM {owners})");
        self.count_of("*", table, &condition)
    }

    fn count_of(&self, what: &str, table: &str, condition: &str) -> Result<u64> {
        let table = self.dialect().quote(table);
        let sql = format!("SELECT COUNT({what}) FROM {table} {condition}");
        let mut count = 0;
        let table = Table {
            kind: "tables",
            name: "",
            columns: &["count"],
        };
        self.rows(&sql, &[], table, |row| {
            count = row.unsigned(0);
            Ok(())
        })?;
        Ok(count)
    }
}
