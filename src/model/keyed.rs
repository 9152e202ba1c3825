//! The entries of a mapping while it is read, in the order of their keys' first appearance.

use std::collections::HashMap;

/// Mappings with more keys than this find repeated keys through a hash table.
const SCANNED_KEYS: usize = 16;

/// Entries with unique keys. A repeated key keeps its first place and takes its last value, as in a Python dict; the work for each key
/// does not grow with their number.
#[derive(Debug)]
pub(crate) struct KeyedEntries<V> {
    entries: Vec<(String, V)>,
    positions: HashMap<String, usize>,
    /// Keys that were compared, for the test that they are few.
    #[cfg(test)]
    compared: std::cell::Cell<usize>,
}

impl<V> Default for KeyedEntries<V> {
    fn default() -> Self {
        KeyedEntries {
            entries: Vec::new(),
            positions: HashMap::new(),
            #[cfg(test)]
            compared: std::cell::Cell::default(),
        }
    }
}

impl<V> KeyedEntries<V> {
    /// Adds an entry, or gives the one of this key another value.
    pub(crate) fn insert(&mut self, key: String, value: V) {
        match self.position(&key) {
            Some(at) => self.entries[at].1 = value,
            None => self.push(key, value),
        }
    }

    /// Whether there is an entry of this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The entries.
    pub(crate) fn finish(self) -> Vec<(String, V)> {
        self.entries
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.entries.len() > SCANNED_KEYS {
            #[cfg(test)]
            self.compared.update(|compared| compared + 1);
            return self.positions.get(key).copied();
        }
        #[cfg(test)]
        self.compared.update(|compared| compared + self.entries.len());
        self.entries.iter().position(|(name, _)| name == key)
    }

    fn push(&mut self, key: String, value: V) {
        self.entries.push((key, value));
        let already = self.positions.len();
        if self.entries.len() > SCANNED_KEYS {
            for at in already..self.entries.len() {
                self.positions.insert(self.entries[at].0.clone(), at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_for_a_key_does_not_grow_with_their_number() {
        let compared_with = |count: usize| {
            let mut entries = KeyedEntries::default();
            for number in 0..count {
                assert!(!entries.has(&format!("extra_{number}")));
                entries.insert(format!("extra_{number}"), number);
            }
            entries.insert("extra_0".to_owned(), count);
            let compared = entries.compared.get();
            let entries = entries.finish();
            assert_eq!((entries.len(), &entries[0].1), (count, &count));
            compared
        };
        assert!(compared_with(100_000) < 3 * 100_000);
        assert!(compared_with(400_000) < 4 * compared_with(100_000) + 1_000);
    }
}
