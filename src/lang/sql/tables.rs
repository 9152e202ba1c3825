//! Queries over MLflow's tables, by the columns that are there.

use super::columns::Table;
use super::database::{Cell, Database, Dialect, Long, Schema};
use super::fields::{Fields, Oddities};
use crate::archive::LongTexts;
use crate::format::layout::TEXT_BYTES;
use crate::lang::session::ExportError;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

type Result<T, E = ExportError> = std::result::Result<T, E>;

/// Owners asked for in one query.
pub(super) const BATCH: usize = 64;

/// What a database adds up of an owner's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) rows: u64,
    pub(super) sum: u64,
}

/// A text that no archive holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RefusedText {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) field: &'static str,
    pub(super) detail: String,
}

/// A database and what is known of it.
pub(super) struct Tables {
    pub(super) database: Box<dyn Database>,
    pub(super) schema: Schema,
    pub(super) oddities: Oddities,
    /// Where texts are laid aside that no line holds; before the export begins, nowhere.
    pub(super) long_texts: Option<LongTexts>,
    /// Bytes of the longest text that an archive holds; tests say less.
    pub(super) text_bytes: u64,
    /// Texts that no archive holds, each once however often its row was read; those to be told are true.
    refused: RefCell<BTreeMap<RefusedText, bool>>,
    /// Owners, by table, whose rows are not read, since no line holds them together.
    pub(super) too_many: RefCell<HashSet<(&'static str, String)>>,
    /// Why a long text could not be read.
    pub(super) fault: RefCell<Option<ExportError>>,
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
            text_bytes: TEXT_BYTES,
            refused: RefCell::default(),
            too_many: RefCell::default(),
            fault: RefCell::default(),
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

    /// Visits the rows of a table that the rest of a query chooses or puts in order (`WHERE …`).
    ///
    /// Rows with a text that no line holds come last, each read by itself: reading such a text is a query of its own.
    pub(super) fn scan_where(
        &self,
        table: Table,
        rest: &str,
        parameters: &[&str],
        mut each: impl FnMut(&Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        if !self.has(table)? {
            return Ok(());
        }
        let mut visited: u64 = 0;
        let plain = self.sql(table, Long::Plain, rest);
        let is_all = self.database.query_short(&plain, parameters, &mut |row| {
            visited += 1;
            each(&Fields::new(self, table, row))
        })?;
        if is_all {
            return Ok(());
        }
        let mut places = Vec::new();
        let placed = self.sql(table, Long::Placed, rest);
        self.database.query(&placed, parameters, &mut |row| {
            // The same rows in the same order, within one transaction.
            if visited > 0 {
                visited -= 1;
                return Ok(());
            }
            match row.cell(table.columns.len()) {
                Cell::Null => return each(&Fields::new(self, table, row)),
                Cell::Bytes(place) => places.push(String::from_utf8_lossy(place).into_owned()),
                Cell::Integer(place) => places.push(place.to_string()),
                Cell::Real(_) => {}
            }
            Ok(())
        })?;
        places
            .iter()
            .try_for_each(|place| self.long_row(table, place, &mut each))
    }

    /// The query for a table's rows.
    pub(super) fn sql(&self, table: Table, long: Long, rest: &str) -> String {
        let columns = self.schema.columns(self.dialect(), table, long);
        format!(
            "SELECT {columns} FROM {} {rest}",
            self.dialect().quote(table.name)
        )
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
        let Some((rest, parameters)) = self.in_owners(table, condition, owners) else {
            return Ok(());
        };
        if let [owner] = owners
            && self
                .too_many
                .borrow()
                .contains(&(table.name, (*owner).to_owned()))
        {
            return Ok(());
        }
        // A collation may find more than was asked for.
        let places: HashMap<&str, usize> = owners.iter().copied().zip(0..).collect();
        let mut rows = 0;
        self.scan_where(table, &rest, &parameters, |row| {
            let place = row.bytes(0).and_then(|owner| String::from_utf8(owner).ok());
            let Some(&place) = place.and_then(|owner| places.get(owner.as_str())) else {
                return Ok(());
            };
            rows += 1;
            each(place, row)
        })?;
        self.add_rows_read(table, rows);
        Ok(())
    }

    /// The rest of a query for the rows of owners, with its parameters: always as many, so that the statement is prepared
    /// once.
    fn in_owners<'o>(
        &self,
        table: Table,
        condition: &str,
        owners: &[&'o str],
    ) -> Option<(String, Vec<&'o str>)> {
        debug_assert!(owners.len() <= BATCH, "a batch of owners");
        let width = if owners.len() == 1 { 1 } else { BATCH };
        let mut parameters = owners.to_vec();
        parameters.resize(width, owners.last()?);
        let owner = self.dialect().quote(table.columns[0]);
        let rest = format!("WHERE {condition} {owner} IN (?{})", ", ?".repeat(width - 1));
        Some((rest, parameters))
    }

    /// Counts the rows of each of at most [`BATCH`] owners, and adds up an expression.
    pub(super) fn sums_of_owners(
        &self,
        table: Table,
        expression: &str,
        owners: &[&str],
        mut each: impl FnMut(usize, Sums),
    ) -> Result<()> {
        let Some((rest, parameters)) = self.in_owners(table, "", owners) else {
            return Ok(());
        };
        if !self.has(table)? {
            return Ok(());
        }
        let (owner, name) = (
            self.dialect().quote(table.columns[0]),
            self.dialect().quote(table.name),
        );
        let sql = format!("SELECT {owner}, COUNT(*), {expression} FROM {name} {rest} GROUP BY {owner}");
        let places: HashMap<&[u8], usize> = owners.iter().map(|owner| owner.as_bytes()).zip(0..).collect();
        self.database.query(&sql, &parameters, &mut |row| {
            if let Cell::Bytes(owner) = row.cell(0)
                && let Some(&place) = places.get(owner)
            {
                let [rows, sum] = [1, 2].map(|column| unsigned(row.cell(column)));
                each(place, Sums { rows, sum });
            }
            Ok(())
        })
    }

    /// Notes that rows of a table of parts were read.
    pub(super) fn add_rows_read(&self, table: Table, rows: u64) {
        *self.rows_read.borrow_mut().entry(table.name).or_insert(0) += rows;
    }

    /// How many rows of a table of parts were read.
    pub(super) fn rows_read(&self, table: &str) -> u64 {
        self.rows_read.borrow().get(table).copied().unwrap_or(0)
    }

    /// Notes a text that no archive holds.
    pub(super) fn refuse(&self, text: RefusedText) {
        self.refused.borrow_mut().entry(text).or_insert(true);
    }

    /// Texts that no archive holds and that were not told yet, in order.
    pub(super) fn take_refused(&self) -> Vec<RefusedText> {
        let mut refused = self.refused.borrow_mut();
        let new = refused.iter_mut().filter_map(|(text, is_new)| {
            let was_new = std::mem::take(is_new);
            was_new.then(|| text.clone())
        });
        new.collect()
    }

    /// The number of rows of a table.
    pub(super) fn count(&self, table: &str) -> Result<u64> {
        self.count_of("*", table, "")
    }

    /// The number of rows in which a column is not NULL.
    pub(super) fn count_values(&self, table: &str, column: &str) -> Result<u64> {
        self.count_of(&self.dialect().quote(column), table, "")
    }

    /// The number of rows whose owner is there; the first column of both tables is its id.
    pub(super) fn count_owned(&self, table: Table, owners: Table) -> Result<u64> {
        let (owner, id) = (table.columns[0], owners.columns[0]);
        let condition = format!("WHERE {owner} IN (SELECT {id} FROM {})", owners.name);
        self.count_of("*", table.name, &condition)
    }

    /// The number of rows of which something is so.
    pub(super) fn count_where(&self, table: &str, condition: &str) -> Result<u64> {
        self.count_of("*", table, &format!("WHERE {condition}"))
    }

    fn count_of(&self, what: &str, table: &str, condition: &str) -> Result<u64> {
        let table = self.dialect().quote(table);
        let sql = format!("SELECT COUNT({what}) FROM {table} {condition}");
        let mut count = 0;
        self.database.query(&sql, &[], &mut |row| {
            count = unsigned(row.cell(0));
            Ok(())
        })?;
        Ok(count)
    }
}

/// A number that a database counted.
fn unsigned(cell: Cell<'_>) -> u64 {
    match cell {
        Cell::Integer(number) => u64::try_from(number).unwrap_or(0),
        // MySQL adds up to decimals.
        Cell::Bytes(digits) => std::str::from_utf8(digits).map_or(0, |digits| digits.parse().unwrap_or(0)),
        Cell::Real(_) | Cell::Null => 0,
    }
}
