//! Rows with a text that no line holds: each is read by itself, such a text piece by piece, and what no archive holds is a
//! failure that names it.

use super::columns::Table;
use super::database::{Cell, KeptRow, Long, Row};
use super::exporter::Result;
use super::fields::Fields;
use super::tables::{RefusedText, Tables};
use crate::archive::{LongTextWriter, LongTexts};
use crate::format::layout::STRING_BYTES;
use crate::lang::session::ExportError;
use crate::model::Text;
use crate::model::pyjson::{ListSink, PyJson, PyJsonError, PyJsonErrorKind, PyJsonReadError};
use std::io;

/// Bytes that JSON with long texts takes at most, less those texts.
const JSON_BYTES: usize = 64 << 20;

/// What is known of a row that has long texts.
pub(super) struct LongRow {
    /// Where the row is, as the schema names it.
    place: String,
    /// Bytes of each column's text that was not read; 0 where all is there.
    sizes: Vec<u64>,
}

impl LongRow {
    /// The size of a column's text that was not read.
    pub(super) fn size(&self, column: usize) -> Option<u64> {
        self.sizes.get(column).copied().filter(|&size| size > 0)
    }
}

impl Tables {
    /// Visits a row that has long texts, by its place.
    pub(super) fn long_row(
        &self,
        table: Table,
        place: &str,
        each: &mut impl FnMut(&Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        if place.is_empty() {
            let detail = format!(
                "a row of table `{}`, which has no key to find it by, has a text that no line holds",
                table.name
            );
            self.refuse_text(table, "*".to_owned(), "*", detail);
            return Ok(());
        }
        let (condition, parameters) = self.database.row_at(table.name, place)?;
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        let sql = self.sql(table, Long::Sized, &format!("WHERE {condition}"));
        let (mut kept, columns) = (None, table.columns.len());
        self.database.query(&sql, &parameters, &mut |row| {
            kept = Some(KeptRow::of(row, 2 * columns));
            Ok(())
        })?;
        let Some(row) = kept else {
            return Err(self.failed(table, place, "it is not there any more"));
        };
        let size = |column| match row.cell(columns + column) {
            Cell::Integer(size) => u64::try_from(size).unwrap_or(0),
            _ => 0,
        };
        let long = LongRow {
            place: place.to_owned(),
            sizes: (0..columns).map(size).collect(),
        };
        let fields = Fields::of_long_row(self, table, &row, &long);
        let long_key = (0..table.keys).find(|&column| long.size(column).is_some());
        if let Some(column) = long_key {
            fields.refuse(column, &format!("more than {STRING_BYTES}, the longest key"));
            return Ok(());
        }
        each(&fields)?;
        self.fault.take().map_or(Ok(()), Err)
    }

    fn refuse_text(&self, table: Table, id: String, field: &'static str, detail: String) {
        // Before the export begins nothing can be told.
        if self.long_texts.is_some() {
            self.refuse(RefusedText {
                kind: table.kind,
                id,
                field: table.field.unwrap_or(field),
                detail,
            });
        }
    }

    fn failed(&self, table: Table, place: &str, detail: impl std::fmt::Display) -> ExportError {
        ExportError::unreadable(
            self.dialect().name().to_owned(),
            format!("row {place} of table `{}`: {detail}", table.name),
        )
    }

    /// Reads a long text; nothing where it cannot be, which is noted.
    fn read_long<T>(
        &self,
        fields: &Fields<'_>,
        (column, long): (usize, &LongRow),
        read: impl FnOnce(&mut dyn io::Read, &LongTexts) -> io::Result<T>,
    ) -> Option<T> {
        let texts = self.long_texts.as_ref()?;
        if long.size(column)? > self.text_bytes {
            fields.refuse(column, &format!("more than {}", self.text_bytes));
            return None;
        }
        let (table, name) = (fields.table(), fields.table().columns[column]);
        let opened = self.database.open_long(table.name, name, &long.place);
        match opened.and_then(|mut reader| read(&mut *reader, texts)) {
            Ok(value) => Some(value),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData
                ) =>
            {
                fields.refuse(column, &error.to_string());
                None
            }
            Err(error) => {
                let failed = self.failed(table, &long.place, error);
                self.fault.borrow_mut().get_or_insert(failed);
                None
            }
        }
    }
}

impl Fields<'_> {
    /// Notes that a column's text cannot be kept.
    pub(super) fn refuse(&self, column: usize, why: &str) {
        let (table, Some(long)) = (self.table(), self.long_row()) else {
            return;
        };
        let (name, size) = (table.columns[column], long.size(column).unwrap_or(0));
        let id: Vec<String> = table
            .id()
            .map(|key| match self.bytes(key) {
                Some(text) => String::from_utf8_lossy(&text).into_owned(),
                None => "*".to_owned(),
            })
            .collect();
        let detail = format!(
            "`{name}` of row {} of table `{}` has a text of {size} bytes, {why}",
            long.place, table.name
        );
        self.tables().refuse_text(table, id.join("/"), name, detail);
    }

    /// A long text as it is kept.
    pub(super) fn long_text(&self, column: usize, long: &LongRow) -> Option<Text> {
        self.tables()
            .read_long(self, (column, long), |reader, texts| texts.keep(reader))
    }

    /// What stands for a long text in a field that holds texts only.
    pub(super) fn stand_in(&self, column: usize, long: &LongRow) -> Option<String> {
        self.tables().read_long(self, (column, long), |reader, texts| {
            match texts.keep(reader)? {
                Text::Long(text) if text.is_utf8 => Ok(texts.stand_in(&text.blob)),
                _ => Err(io::Error::new(io::ErrorKind::InvalidData, "and is not UTF-8")),
            }
        })
    }

    /// JSON whose long texts are laid aside; the error says that it is none.
    pub(super) fn long_json(
        &self,
        column: usize,
        long: &LongRow,
    ) -> Option<std::result::Result<PyJson, PyJsonError>> {
        self.tables().read_long(self, (column, long), |reader, texts| {
            let mut aside = LayAside { texts, open: None };
            match PyJson::read_within(reader, &mut aside, JSON_BYTES) {
                Ok(json) => Ok(Ok(json)),
                Err(PyJsonReadError::Io(error)) => Err(error),
                Err(PyJsonReadError::Json(error)) if error.kind == PyJsonErrorKind::TooLarge => {
                    Err(io::Error::new(
                        io::ErrorKind::FileTooLarge,
                        format!("which is JSON of more than {JSON_BYTES} without long texts"),
                    ))
                }
                Err(PyJsonReadError::Json(error)) => Ok(Err(error)),
            }
        })
    }
}

/// Lays the long texts of JSON aside.
struct LayAside<'t> {
    texts: &'t LongTexts,
    open: Option<LongTextWriter>,
}

impl ListSink for LayAside<'_> {
    fn begin(&mut self, _: &[String]) -> bool {
        false
    }

    fn item(&mut self, _: PyJson) {}

    fn text_piece(&mut self, piece: &[u8]) -> io::Result<bool> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.texts.begin()?,
        };
        self.open.insert(open).push(piece)?;
        Ok(true)
    }

    fn text_end(&mut self) -> io::Result<String> {
        self.open
            .take()
            .map_or_else(|| Ok(String::new()), LongTextWriter::finish)
    }
}
