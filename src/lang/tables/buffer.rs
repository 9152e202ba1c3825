//! The rows of a row group, column by column. A text that stands in many rows one after the other is held once.

use super::cells::{Cell, Entries};
use super::layout::ColumnType;
use super::sink::Piece;
use std::borrow::Cow;

/// Which rows have a value: how many one after the other have, or have not.
#[derive(Debug, Default)]
pub(super) struct Presence(Vec<(bool, u32)>);

impl Presence {
    fn push(&mut self, is_present: bool, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match self.0.last_mut() {
            Some((last, rows)) if *last == is_present => *rows += count,
            _ if count > 0 => self.0.push((is_present, count)),
            _ => {}
        }
    }

    /// Whether rows have a value, and how many one after the other.
    pub(super) fn runs(&self) -> impl Iterator<Item = (bool, u32)> + '_ {
        self.0.iter().copied()
    }
}

/// Texts, each with how often it stands one after the other.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) bytes: Vec<u8>,
    /// Where each ends, and how often it stands there.
    pub(super) ends: Vec<(u32, u32)>,
}

impl Texts {
    /// Each text, and how often it stands there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let mut start = 0;
        self.ends.iter().map(move |(end, times)| {
            let text = &self.bytes[start..*end as usize];
            start = *end as usize;
            (text, *times)
        })
    }

    fn push(&mut self, text: &str, count: usize) {
        let start = self.ends.len().checked_sub(2).map_or(0, |last| self.ends[last].0);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some((end, rows)) = self.ends.last_mut()
            && self.bytes[start as usize..*end as usize] == *text.as_bytes()
        {
            *rows += count;
        } else if count > 0 {
            self.bytes.extend_from_slice(text.as_bytes());
            let end = u32::try_from(self.bytes.len()).expect("a row group has less than 4 GiB of texts");
            self.ends.push((end, count));
        }
    }
}

/// Values that are there.
#[derive(Debug)]
pub(super) enum Values {
    Texts(Texts),
    Integers(Vec<i64>),
    Doubles(Vec<f64>),
    Booleans(Vec<bool>),
}

impl Values {
    fn size_bytes(&self) -> usize {
        match self {
            Values::Texts(texts) => texts.bytes.len() + texts.ends.len() * size_of::<(u32, u32)>(),
            Values::Integers(values) => size_of_val(&values[..]),
            Values::Doubles(values) => size_of_val(&values[..]),
            Values::Booleans(values) => values.len(),
        }
    }

    fn push_text(&mut self, text: &str) {
        if let Values::Texts(texts) = self {
            texts.push(text, 1);
        }
    }
}

/// A column.
#[derive(Debug)]
pub(super) enum Buffer {
    /// At most one value a row.
    Plain { present: Presence, values: Values },
    /// Any number of values a row, each with a key or without.
    Nested {
        /// How many each row has; none where it has no list at all.
        lengths: Vec<Option<u32>>,
        keys: Option<Texts>,
        values: Values,
    },
}

impl Buffer {
    pub(super) fn new(kind: ColumnType) -> Self {
        let plain = |values| Buffer::Plain {
            present: Presence::default(),
            values,
        };
        let nested = |keys: Option<Texts>, values| Buffer::Nested {
            lengths: Vec::new(),
            keys,
            values,
        };
        let (texts, keys) = (|| Values::Texts(Texts::default()), || Some(Texts::default()));
        match kind {
            ColumnType::Text | ColumnType::Json => plain(texts()),
            ColumnType::Integer | ColumnType::Millis | ColumnType::Nanos => {
                plain(Values::Integers(Vec::new()))
            }
            ColumnType::Double => plain(Values::Doubles(Vec::new())),
            ColumnType::Boolean => plain(Values::Booleans(Vec::new())),
            ColumnType::TextList => nested(None, texts()),
            ColumnType::TextMap | ColumnType::JsonMap => nested(keys(), texts()),
            ColumnType::IntegerMap => nested(keys(), Values::Integers(Vec::new())),
            ColumnType::DoubleMap => nested(keys(), Values::Doubles(Vec::new())),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Buffer::Plain { present, values } => present.0.len() * 8 + values.size_bytes(),
            Buffer::Nested {
                lengths,
                keys,
                values,
            } => {
                let keys = keys
                    .as_ref()
                    .map_or(0, |keys| keys.bytes.len() + keys.ends.len() * 8);
                lengths.len() * 8 + keys + values.size_bytes()
            }
        }
    }

    /// Adds the cell of a row, which is of the column's type or null.
    pub(super) fn push(&mut self, cell: &Cell<'_>) {
        match self {
            Buffer::Plain { present, values } => {
                present.push(*cell != Cell::Null, 1);
                match (values, cell) {
                    (Values::Texts(texts), Cell::Text(text)) => texts.push(text, 1),
                    (Values::Integers(all), Cell::Integer(value)) => all.push(*value),
                    (Values::Doubles(all), Cell::Double(value)) => all.push(*value),
                    (Values::Booleans(all), Cell::Boolean(value)) => all.push(*value),
                    (_, cell) => debug_assert_eq!(*cell, Cell::Null, "cells are of their column's type"),
                }
            }
            Buffer::Nested {
                lengths,
                keys,
                values,
            } => {
                let length = match cell {
                    Cell::TextList(texts) => {
                        texts.iter().for_each(|text| values.push_text(text));
                        Some(texts.len())
                    }
                    Cell::TextMap(entries) => {
                        entries.iter().for_each(|(_, text)| values.push_text(text));
                        push_keys(keys, entries)
                    }
                    Cell::IntegerMap(entries) => {
                        if let Values::Integers(all) = values {
                            all.extend(entries.iter().map(|(_, value)| value));
                        }
                        push_keys(keys, entries)
                    }
                    Cell::DoubleMap(entries) => {
                        if let Values::Doubles(all) = values {
                            all.extend(entries.iter().map(|(_, value)| value));
                        }
                        push_keys(keys, entries)
                    }
                    _ => None,
                };
                lengths.push(length.map(|length| u32::try_from(length).unwrap_or(u32::MAX)));
            }
        }
    }

    /// Adds the values of many rows.
    pub(super) fn extend(&mut self, piece: &Piece<'_>, rows: usize) {
        let Buffer::Plain { present, values } = self else {
            return;
        };
        match (values, piece) {
            (Values::Texts(texts), Piece::Same(text)) => {
                present.push(true, rows);
                texts.push(text, rows);
            }
            (Values::Integers(all), Piece::Integers(more)) => {
                present.push(true, rows);
                all.extend_from_slice(more);
            }
            (Values::Doubles(all), Piece::Doubles(more)) => {
                present.push(true, rows);
                all.extend(more.iter().map(|value| value.0));
            }
            (Values::Texts(texts), Piece::Texts(Some(more))) => {
                for text in *more {
                    present.push(text.is_some(), 1);
                    text.iter().for_each(|text| texts.push(text, 1));
                }
            }
            _ => present.push(false, rows),
        }
    }
}

fn push_keys<T>(keys: &mut Option<Texts>, entries: &Entries<'_, T>) -> Option<usize> {
    for (key, _) in entries {
        let key: &Cow<'_, str> = key;
        keys.iter_mut().for_each(|keys| keys.push(key, 1));
    }
    Some(entries.len())
}
