//! What the rules make: tags in the order of the original, and what is to be said about them.

use std::collections::HashMap;

/// A time whose formatted copies are left out, where the original would have failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no time tags for `{field}`: {fault}")]
pub(crate) struct Notice {
    /// The time's field.
    pub field: String,
    /// Why.
    pub fault: TimeFault,
}

/// Why a time gets no formatted copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeFault {
    /// The field is missing; the original stops with a `KeyError`.
    #[error("it is missing")]
    Missing,
    /// The field is null; the original sends no value.
    #[error("it is null")]
    Null,
    /// The field is 0; the original sends no value.
    #[error("it is 0")]
    Zero,
    /// The field rounds to second 0; the original sends no value.
    #[error("it is under half a second")]
    UnderHalfASecond,
    /// The field is no number; the original stops with a `TypeError`.
    #[error("it is not a number")]
    NotANumber,
    /// No calendar holds it; the original stops with an `OverflowError` or `ValueError`.
    #[error("it is out of range")]
    OutOfRange,
}

/// Tags in the order of a Python dict: a later value replaces an earlier one and keeps its place.
#[derive(Debug)]
pub(crate) struct TagDict<V> {
    entries: Vec<(String, V)>,
    positions: HashMap<String, usize>,
}

impl<V: PartialEq> TagDict<V> {
    pub(crate) fn insert(&mut self, key: String, value: V) {
        if let Some(&at) = self.positions.get(&key) {
            self.entries[at].1 = value;
        } else {
            self.positions.insert(key.clone(), self.entries.len());
            self.entries.push((key, value));
        }
    }

    pub(crate) fn entries(&self) -> &[(String, V)] {
        &self.entries
    }

    /// Whether another has the same entries, in whatever order.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let has = |(key, value): &(String, V)| other.get(key) == Some(value);
        self.entries.len() == other.entries.len() && self.entries.iter().all(has)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        let at = *self.positions.get(key)?;
        Some(&self.entries[at].1)
    }
}

impl<V> Default for TagDict<V> {
    fn default() -> Self {
        TagDict {
            entries: Vec::new(),
            positions: HashMap::new(),
        }
    }
}

impl<V: PartialEq> FromIterator<(String, V)> for TagDict<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(tags: I) -> Self {
        let mut dict = Self::default();
        for (key, value) in tags {
            dict.insert(key, value);
        }
        dict
    }
}
