//! The names that come nearest to one that is not there.

/// How many are told.
const TOLD: usize = 3;

/// The nearest of the names that it was offered, the best first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nearest {
    best: Vec<(usize, String)>,
}

impl Nearest {
    /// Offers a name in place of the one that is sought; a slip of the pen counts as near, another word does not.
    pub(crate) fn offer(&mut self, sought: &str, name: &str) {
        self.insert(distance(sought, name), name);
    }

    /// Offers an id, of which only the start is sought.
    pub(crate) fn offer_id(&mut self, sought: &str, id: &str) {
        let start: String = id.chars().take(sought.chars().count()).collect();
        self.insert(distance(sought, &start), id);
    }

    fn insert(&mut self, distance: Option<usize>, name: &str) {
        let is_told = || self.best.iter().any(|(_, told)| told == name);
        let Some(distance) = distance.filter(|_| !is_told()) else {
            return;
        };
        let place = self.best.partition_point(|(other, _)| *other <= distance);
        if place < TOLD {
            self.best.insert(place, (distance, name.to_owned()));
            self.best.truncate(TOLD);
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.best.iter().map(|(_, name)| name.clone()).collect()
    }
}

/// How far two names are apart, if they are near: by the letters that differ, or as a part of the other.
fn distance(sought: &str, name: &str) -> Option<usize> {
    let (sought, name) = (sought.to_lowercase(), name.to_lowercase());
    let length = sought.chars().count();
    let most = length / 3;
    if name.chars().count().abs_diff(length) <= most {
        let distance = strsim::osa_distance(&sought, &name);
        if distance <= most {
            return Some(distance);
        }
    }
    let is_part = length >= 3 && name.contains(&sought);
    is_part.then_some(most + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(sought: &str, names: &[&str]) -> Vec<String> {
        let mut nearest = Nearest::default();
        names.iter().for_each(|name| nearest.offer(sought, name));
        nearest.names()
    }

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let names = ["Default", "fraud", "fraud-v2", "churn", "farud2", "fraud"];
        assert_eq!(nearest("farud", &names), ["fraud", "farud2"]);
        assert_eq!(nearest("FRAUD", &names), ["fraud", "fraud-v2"]);
        assert_eq!(nearest("default", &names), ["Default"]);
        assert_eq!(nearest("zzz", &names), [] as [String; 0]);
    }

    #[test]
    fn no_more_than_three_are_told() {
        assert_eq!(nearest("aaaa", &["aaab", "aaa", "aaac", "aa", "aaaa1"]).len(), 3);
    }
}
