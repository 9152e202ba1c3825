//! A table as CSV of RFC 4180: a line of names, `\r\n` ends lines, quotes where they are needed.
//!
//! Nothing is a value that is not there; an empty text is `""`. Moments are RFC 3339 in UTC; doubles are the archive's text of them,
//! so `NaN`, `Infinity` and `-Infinity`; maps and lists are JSON.

use super::cells::{Cell, Entries};
use super::layout::{Column, ColumnType};
use crate::model::Double;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

pub(super) struct CsvFile {
    out: BufWriter<File>,
    kinds: Vec<ColumnType>,
    field: Vec<u8>,
}

impl CsvFile {
    pub(super) fn create(file: File, columns: &[Column]) -> io::Result<Self> {
        let mut csv = CsvFile {
            out: BufWriter::with_capacity(128 << 10, file),
            kinds: columns.iter().map(|column| column.kind).collect(),
            field: Vec::new(),
        };
        for (place, column) in columns.iter().enumerate() {
            csv.separate(place)?;
            csv.text(column.name.as_bytes())?;
        }
        csv.end()?;
        Ok(csv)
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (place, cell) in cells.iter().enumerate() {
            self.separate(place)?;
            self.cell(place, cell)?;
        }
        self.end()
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn separate(&mut self, place: usize) -> io::Result<()> {
        if place > 0 {
            self.out.write_all(b",")?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\r\n")
    }

    fn cell(&mut self, place: usize, cell: &Cell<'_>) -> io::Result<()> {
        match cell {
            Cell::Null => Ok(()),
            Cell::Text(text) => self.text(text.as_bytes()),
            Cell::Integer(number) => match self.kinds[place] {
                ColumnType::Millis => self.moment(Timestamp::from_millisecond(*number), 3),
                ColumnType::Nanos => self.moment(Timestamp::from_nanosecond((*number).into()), 9),
                _ => write!(self.out, "{number}"),
            },
            Cell::Double(value) => write_double(&mut self.out, *value),
            Cell::Boolean(value) => write!(self.out, "{value}"),
            Cell::TextList(texts) => self.json(texts),
            Cell::TextMap(entries) => self.json(&map(entries, |text| text)),
            Cell::IntegerMap(entries) => self.json(&map(entries, |number| number)),
            Cell::DoubleMap(entries) => self.json(&map(entries, |value| Double(*value))),
        }
    }

    fn moment(&mut self, moment: Result<Timestamp, jiff::Error>, digits: usize) -> io::Result<()> {
        let moment = moment.map_err(io::Error::other)?;
        write!(self.out, "{moment:.digits$}")
    }

    fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut field = std::mem::take(&mut self.field);
        field.clear();
        serde_json::to_writer(&mut field, value)?;
        self.text(&field)?;
        self.field = field;
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        let is_special = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
        if !text.is_empty() && !text.iter().any(is_special) && text.trim_ascii().len() == text.len() {
            return self.out.write_all(text);
        }
        self.out.write_all(b"\"")?;
        for (place, piece) in text.split(|byte| *byte == b'"').enumerate() {
            if place > 0 {
                self.out.write_all(b"\"\"")?;
            }
            self.out.write_all(piece)?;
        }
        self.out.write_all(b"\"")
    }
}

fn map<'e, T, V>(entries: &'e Entries<'_, T>, value: impl Fn(&'e T) -> V) -> BTreeMap<&'e str, V> {
    entries.iter().map(|(key, item)| (&**key, value(item))).collect()
}

fn write_double(out: &mut impl Write, value: f64) -> io::Result<()> {
    match value {
        value if value.is_nan() => out.write_all(b"NaN"),
        f64::INFINITY => out.write_all(b"Infinity"),
        f64::NEG_INFINITY => out.write_all(b"-Infinity"),
        value => Ok(serde_json::to_writer(out, &value)?),
    }
}
