//! The canonical order of objects, as byte strings that compare the way the archive orders.
//!
//! Text compares by its UTF-8 bytes, never by a database's collation; ids that are decimal numbers and
//! versions compare numerically, numbers before text; a missing time comes first.

use crate::model::OwnerKind;

/// A key that sorts objects of one kind; built part by part, most significant first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortKey(Vec<u8>);

impl SortKey {
    /// An empty key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text; a text sorts before every longer text that starts with it.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend([0, 0]);
        self
    }

    /// Appends optional text; a missing one sorts first.
    #[must_use]
    pub fn optional_text(mut self, text: Option<&str>) -> Self {
        self.0.push(u8::from(text.is_some()));
        match text {
            Some(text) => self.text(text),
            None => self,
        }
    }

    /// Appends an id: a decimal number without leading zeros numerically, any other text after it.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        let is_number = (1..=255).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && (id == "0" || !id.starts_with('0'));
        if !is_number {
            self.0.push(2);
            return self.text(id);
        }
        self.0.push(1);
        self.0
            .push(u8::try_from(id.len()).expect("the length was checked above"));
        self.0.extend(id.bytes());
        self
    }

    /// Appends an unsigned number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Appends a time or another signed number; a missing one sorts first.
    #[must_use]
    pub fn optional_time(mut self, time: Option<i64>) -> Self {
        self.0.push(u8::from(time.is_some()));
        if let Some(time) = time {
            self.0.extend((time.cast_unsigned() ^ (1 << 63)).to_be_bytes());
        }
        self
    }

    /// Appends another key.
    #[must_use]
    pub fn key(mut self, key: &SortKey) -> Self {
        self.0.extend(&key.0);
        self
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SortKey {
    fn from(bytes: Vec<u8>) -> Self {
        SortKey(bytes)
    }
}

/// Order of experiments, and of everything within one.
pub(crate) fn experiment(experiment_id: &str) -> SortKey {
    SortKey::new().id(experiment_id)
}

/// Order of runs: experiment, start time, run id.
pub fn run(experiment_id: &str, start_time: Option<i64>, run_id: &str) -> SortKey {
    experiment(experiment_id).optional_time(start_time).text(run_id)
}

/// Order of spans: that of their traces, then start time and span id.
pub fn span(trace: &SortKey, start_time_unix_nano: Option<i64>, span_id: &str) -> SortKey {
    trace.clone().optional_time(start_time_unix_nano).text(span_id)
}

/// Order of registered models: workspace, name.
pub(crate) fn registered_model(workspace: Option<&str>, name: &str) -> SortKey {
    SortKey::new().optional_text(workspace).text(name)
}

/// Order of lists of artifacts: kind of owner, owner, first path.
pub(crate) fn artifacts(owner_kind: OwnerKind, owner: &SortKey, first_path: &str) -> SortKey {
    SortKey::new()
        .number(owner_kind as u64)
        .key(owner)
        .text(first_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_numbers_compare_as_numbers_and_come_first() {
        let ids = ["0", "9", "10", "100000000000000000", "007", "a", "é"];
        let keys: Vec<_> = ids.iter().map(|id| experiment(id)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn a_text_never_reaches_into_the_next_part() {
        let a = SortKey::new().text("a").text("z");
        let ab = SortKey::new().text("a\0").text("a");
        let b = SortKey::new().text("ab").text("a");
        assert!(a < ab && ab < b);
    }

    #[test]
    fn a_missing_time_comes_first_and_negative_times_before_zero() {
        let times = [None, Some(i64::MIN), Some(-1), Some(0), Some(i64::MAX)];
        let keys: Vec<_> = times.iter().map(|&time| run("1", time, "r")).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }
}
