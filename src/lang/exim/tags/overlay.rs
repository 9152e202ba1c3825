//! What the rules make: tags laid over the own tags of an object, and what is to be said about it.

use std::collections::HashMap;

/// The tags of one object after the transform, and how they differ from before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceTags {
    /// All tags, in the order in which the original would send them.
    pub tags: Vec<(String, String)>,
    /// The tags that the object did not have, in that order.
    pub added: Vec<(String, String)>,
    /// The tags that had another value before.
    pub overwritten: Vec<Overwritten>,
    /// Where the original would have failed, and what was done instead.
    pub notices: Vec<Notice>,
}

/// An own tag whose value the transform replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overwritten {
    /// The key.
    pub key: String,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
}

/// A place where the original would have failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Notice {
    /// The formatted copies of a time were left out.
    #[error("no time tags for `{field}`: {fault}")]
    NoTimeTags {
        /// The time's field.
        field: String,
        /// Why.
        fault: TimeFault,
    },
    /// An own tag is no string; its text as Python prints it is used, and a null is left out.
    #[error("the value of tag `{key}` is {found}, not a string")]
    TagNotAString {
        /// The tag's key.
        key: String,
        /// What stands there.
        found: &'static str,
    },
    /// The own tags are a list of `{key, value}`, or missing, or nothing that holds tags.
    #[error("the tags are {found}, not an object")]
    TagsNotADict {
        /// What stands there.
        found: &'static str,
    },
}

/// Why a time gets no formatted copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeFault {
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

    fn get(&self, key: &str) -> Option<&V> {
        let at = *self.positions.get(key)?;
        Some(&self.entries[at].1)
    }
}

impl TagDict<String> {
    /// Compares with the own tags that were inserted first.
    pub(crate) fn finish(self, own: &Self, notices: Vec<Notice>) -> SourceTags {
        let mut added = Vec::new();
        let mut overwritten = Vec::new();
        for (key, new) in &self.entries {
            match own.get(key) {
                None => added.push((key.clone(), new.clone())),
                Some(old) if old != new => overwritten.push(Overwritten {
                    key: key.clone(),
                    old: old.to_owned(),
                    new: new.clone(),
                }),
                Some(_) => {}
            }
        }
        SourceTags {
            tags: self.entries,
            added,
            overwritten,
            notices,
        }
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
