//! New names of users, who stand on many lines and are known only once all were seen.

use super::names::{Rename, RenamePair};
use crate::flow::transform::error::Result;
use crate::select::Asked;
use std::collections::BTreeSet;

/// Names remembered, so that the nearest can be told of one that nobody has.
const REMEMBERED: usize = 10_000;

/// What becomes of users, and who was seen.
pub(in super::super) struct UserNames {
    pairs: Vec<RenamePair>,
    fitting: Vec<bool>,
    seen: BTreeSet<String>,
}

impl UserNames {
    pub(in super::super) fn new(rename: &Rename, edit: &'static str) -> Result<Self> {
        rename.check(edit)?;
        // A name goes before a pattern.
        let (patterns, mut pairs): (Vec<_>, Vec<_>) =
            rename.names.iter().cloned().partition(RenamePair::is_pattern);
        pairs.extend(patterns);
        Ok(UserNames {
            fitting: vec![false; pairs.len()],
            pairs,
            seen: BTreeSet::new(),
        })
    }

    /// The new name of a user who is renamed.
    pub(in super::super) fn see(&mut self, user: &str) -> Option<String> {
        if self.seen.len() < REMEMBERED && !self.seen.contains(user) {
            self.seen.insert(user.to_owned());
        }
        self.pairs.iter().enumerate().find_map(|(at, pair)| {
            let new = if pair.old == user {
                Some(pair.new.clone())
            } else {
                pair.of(user)
            };
            self.fitting[at] |= new.is_some();
            new
        })
    }

    /// Patterns that fit nobody, as they are told.
    ///
    /// # Errors
    /// A name that nobody has.
    pub(in super::super) fn finish(&self) -> Result<Vec<String>> {
        let unfit = || {
            self.pairs
                .iter()
                .zip(&self.fitting)
                .filter(|(_, fits)| !**fits)
                .map(|(pair, _)| pair)
        };
        let names = unfit()
            .filter(|pair| !pair.is_pattern())
            .map(|pair| pair.old.clone());
        let mut asked = Asked::exact("--rename-user", names.collect());
        self.seen.iter().for_each(|user| asked.see(&[user]));
        asked.silent()?;
        let patterns = unfit().filter(|pair| pair.is_pattern());
        Ok(patterns
            .map(|pair| format!("--rename-user `{}`", pair.old))
            .collect())
    }
}
