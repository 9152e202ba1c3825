//! Cells of a row as values of the archive, and a count of what did not fit.

use super::columns::Table;
use super::database::{Cell, Row};
use super::long_rows::LongRow;
use super::tables::Tables;
use crate::format::Reason;
use crate::model::field::{Field, FieldTable, Picks};
use crate::model::pyjson::{PyJson, PyJsonError};
use crate::model::{Text, TextMap};
use crate::select::Closure;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Values that could not be kept as they were, counted by (kind, field, reason).
#[derive(Debug, Default)]
pub(super) struct Oddities(RefCell<BTreeMap<(String, String, Reason), u64>>);

impl Oddities {
    /// Counts one.
    pub(super) fn count(&self, kind: &str, field: &str, reason: Reason) {
        self.add(kind, field, reason, 1);
    }

    /// Counts several.
    pub(super) fn add(&self, kind: &str, field: &str, reason: Reason, count: u64) {
        let key = (kind.to_owned(), field.to_owned(), reason);
        *self.0.borrow_mut().entry(key).or_insert(0) += count;
    }

    /// Puts counts in the place of what was counted since.
    pub(super) fn put(&self, counts: BTreeMap<(String, String, Reason), u64>) {
        *self.0.borrow_mut() = counts;
    }

    /// The counts.
    pub(super) fn take(&self) -> BTreeMap<(String, String, Reason), u64> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

/// A row of a known table, read by the positions of its column list.
pub(super) struct Fields<'r> {
    tables: &'r Tables,
    table: Table,
    row: &'r dyn Row,
    /// What is known of a row with texts that no line holds; in `row` they are NULL.
    long: Option<&'r LongRow>,
}

impl<'r> Fields<'r> {
    pub(super) fn new(tables: &'r Tables, table: Table, row: &'r dyn Row) -> Self {
        Fields {
            tables,
            table,
            row,
            long: None,
        }
    }

    pub(super) fn of_long_row(tables: &'r Tables, table: Table, row: &'r dyn Row, long: &'r LongRow) -> Self {
        Fields {
            long: Some(long),
            ..Fields::new(tables, table, row)
        }
    }

    pub(super) fn tables(&self) -> &'r Tables {
        self.tables
    }

    pub(super) fn table(&self) -> Table {
        self.table
    }

    pub(super) fn long_row(&self) -> Option<&'r LongRow> {
        self.long
    }

    fn odd(&self, column: usize, reason: Reason) {
        let field = self.table.columns.get(column).copied().unwrap_or("*");
        self.tables.oddities.count(self.table.kind, field, reason);
    }

    /// The row, where the column has a text that no line holds.
    fn long(&self, column: usize) -> Option<&'r LongRow> {
        self.long.filter(|long| long.size(column).is_some())
    }

    /// Whether the column has a text that no line holds.
    pub(super) fn is_long(&self, column: usize) -> bool {
        self.long(column).is_some()
    }

    /// Notes a text that no line holds where none is of use.
    fn refuse_long(&self, column: usize) {
        if self.is_long(column) {
            self.refuse(column, "more than is of use there");
        }
    }

    /// The bytes of a text that a line holds.
    pub(super) fn bytes(&self, column: usize) -> Option<Vec<u8>> {
        match self.row.cell(column) {
            Cell::Null => None,
            Cell::Bytes(bytes) => Some(bytes.to_vec()),
            Cell::Integer(value) => Some(value.to_string().into_bytes()),
            Cell::Real(value) => Some(value.to_string().into_bytes()),
        }
    }

    /// A text of any bytes.
    pub(super) fn any_text(&self, column: usize) -> Option<Text> {
        match self.long(column) {
            Some(long) => self.long_text(column, long),
            None => self.bytes(column).map(Text::from_bytes),
        }
    }

    /// A text of any bytes, of a param or tag: NULL reads as an empty text, as MLflow reads it; nothing is one that no archive
    /// holds.
    pub(super) fn value(&self, column: usize) -> Option<Text> {
        let text = self.any_text(column);
        text.or_else(|| (!self.is_long(column)).then(|| "".into()))
    }

    /// A text that the export goes by, such as where artifacts are: it is never a blob.
    pub(super) fn short_text(&self, column: usize) -> Option<String> {
        self.refuse_long(column);
        self.bytes(column).and_then(|_| self.text(column))
    }

    /// A text where the archive holds only UTF-8; other bytes are replaced and counted.
    pub(super) fn text(&self, column: usize) -> Option<String> {
        if let Some(long) = self.long(column) {
            return self.stand_in(column, long);
        }
        let bytes = self.bytes(column)?;
        Some(String::from_utf8(bytes).unwrap_or_else(|error| {
            self.odd(column, Reason::NotUtf8);
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }))
    }

    /// A text that is there in every row that MLflow wrote.
    pub(super) fn required_text(&self, column: usize) -> String {
        self.text(column).unwrap_or_else(|| {
            self.odd(column, Reason::Missing);
            String::new()
        })
    }

    /// An integer; what is none is counted and left out.
    pub(super) fn int(&self, column: usize) -> Option<i64> {
        self.refuse_long(column);
        let value = self.plain_int(column);
        if value.is_none() && !matches!(self.row.cell(column), Cell::Null) {
            self.odd(column, Reason::NotANumber);
        }
        value
    }

    fn plain_int(&self, column: usize) -> Option<i64> {
        match self.row.cell(column) {
            Cell::Null => None,
            Cell::Integer(value) => Some(value),
            Cell::Real(value) => exact_integer(value),
            Cell::Bytes(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.trim().parse().ok()),
        }
    }

    /// Whether the object of a row is of another shard, by its experiment and its time; nothing of it is counted.
    pub(super) fn is_elsewhere(&self, closure: &Closure, experiment: usize, time: usize) -> bool {
        let id = self.bytes(experiment).unwrap_or_default();
        closure.is_elsewhere(&String::from_utf8_lossy(&id), self.plain_int(time))
    }

    /// A number that counts from 0.
    pub(super) fn unsigned(&self, column: usize) -> u64 {
        let value = self.int(column).and_then(|value| u64::try_from(value).ok());
        value.unwrap_or_else(|| {
            self.odd(column, Reason::NotANumber);
            0
        })
    }

    /// A double; what is none is counted and left out.
    pub(super) fn double(&self, column: usize) -> Option<f64> {
        self.refuse_long(column);
        let value = match self.row.cell(column) {
            Cell::Null => return None,
            // SQLite keeps whole doubles of a column without affinity as integers.
            #[expect(clippy::cast_precision_loss, reason = "it was a double when it was stored")]
            Cell::Integer(value) => Some(value as f64),
            Cell::Real(value) => Some(value),
            Cell::Bytes(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.trim().parse().ok()),
        };
        if value.is_none() {
            self.odd(column, Reason::NotANumber);
        }
        value
    }

    /// A truth value.
    pub(super) fn bool(&self, column: usize) -> Option<bool> {
        self.int(column).map(|value| value != 0)
    }

    /// A user's JSON; text that is none stays a string, and is counted. Null is no value, as in all fields of the archive.
    pub(super) fn json(&self, column: usize) -> Option<Value> {
        let value = self.py_json(column).filter(|value| !value.is_null())?;
        Some(value.to_free_json())
    }

    /// A user's JSON as Python sees it.
    pub(super) fn py_json(&self, column: usize) -> Option<PyJson> {
        match self.checked_json(column)? {
            Ok(json) => Some(json),
            Err(_) => {
                self.odd(column, Reason::NotJson);
                let text = match self.bytes(column) {
                    Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                    None => self.text(column),
                };
                text.map(PyJson::Str)
            }
        }
    }

    /// A user's JSON as Python sees it, or why it is none.
    pub(super) fn checked_json(&self, column: usize) -> Option<Result<PyJson, PyJsonError>> {
        match self.long(column) {
            Some(long) => self.long_json(column, long),
            None => self.bytes(column).map(|bytes| PyJson::parse(&bytes)),
        }
    }
}

/// Columns of texts that the export goes by, such as where artifacts are: never blobs.
const SHORT: [&str; 4] = ["artifact_location", "artifact_uri", "run_id", "source_run_id"];

/// Reads the fields of an object that have a column of their own.
pub(super) fn pick<T: FieldTable>(row: &Fields<'_>) -> T {
    T::pick(&mut PickedRow {
        row,
        fields: T::FIELDS,
    })
}

/// A row as it is read by the names of fields.
struct PickedRow<'r> {
    row: &'r Fields<'r>,
    fields: &'static [Field],
}

impl PickedRow<'_> {
    /// The column of a field, and its place.
    fn column(&self, key: &str) -> Option<(&'static str, usize)> {
        let stored = self.fields.iter().find(|field| field.name == key)?.stored;
        let place = self
            .row
            .table
            .columns
            .iter()
            .position(|column| *column == stored)?;
        Some((stored, place))
    }
}

impl Picks for PickedRow<'_> {
    fn text(&mut self, key: &str) -> Option<String> {
        match self.column(key)? {
            (name, column) if SHORT.contains(&name) => self.row.short_text(column),
            (_, column) => self.row.text(column),
        }
    }

    fn int(&mut self, key: &str) -> Option<i64> {
        self.column(key).and_then(|(_, column)| self.row.int(column))
    }

    fn text_map(&mut self, _: &str) -> TextMap {
        TextMap::new()
    }

    fn value(&mut self, key: &str) -> Option<Value> {
        self.column(key).and_then(|(_, column)| self.row.json(column))
    }

    fn is_store(&self) -> bool {
        true
    }

    fn required_text(&mut self, key: &str) -> String {
        let column = self.column(key);
        column.map_or_else(String::new, |(_, column)| self.row.required_text(column))
    }
}

fn exact_integer(value: f64) -> Option<i64> {
    /// 2^63, which no `i64` reaches.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let fits = value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    fits.then_some(value as i64)
}
