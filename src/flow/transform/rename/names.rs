//! Old names and new ones.

use crate::flow::transform::error::{Result, TransformError};
use crate::select::Asked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Names that become others, all at once: two names can be exchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Each name, or pattern of names, and what becomes of it. A name goes before a pattern, a pattern before later ones.
    pub names: Vec<RenamePair>,
}

/// One name, or pattern, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenamePair {
    /// A name; or a pattern, in which each `*` stands for any text.
    pub old: String,
    /// The new name; of a pattern with as many `*`, which become those texts.
    pub new: String,
}

impl RenamePair {
    /// Reads `OLD=NEW`; the first `=` parts them.
    pub fn parse(text: &str) -> Option<Self> {
        let (old, new) = text.split_once('=')?;
        (!old.is_empty() && !new.is_empty()).then(|| RenamePair {
            old: old.to_owned(),
            new: new.to_owned(),
        })
    }

    pub(super) fn is_pattern(&self) -> bool {
        self.old.contains('*')
    }

    /// The new name of one that the pattern fits.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let mut texts = captured(&self.old, name)?.into_iter();
        let mut parts = self.new.split('*');
        let mut new = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            new.push_str(texts.next().unwrap_or_default());
            new.push_str(part);
        }
        Some(new)
    }
}

/// The texts that each `*` of a pattern stands for, the shortest first; none where the pattern does not fit.
fn captured<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let mut parts = pattern.split('*').peekable();
    let mut rest = name.strip_prefix(parts.next()?)?;
    let mut texts = Vec::new();
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() {
            rest.ends_with(part).then(|| rest.len() - part.len())?
        } else {
            rest.find(part)?
        };
        texts.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(texts)
}

/// What was worked out for the names of an archive.
#[derive(Debug, Default)]
pub(in super::super) struct NewNames {
    new: BTreeMap<String, String>,
    /// Patterns that no name fits, as they are told.
    pub(in super::super) silent: Vec<String>,
}

impl NewNames {
    /// Works out the new names of those that are there, each with the workspace it is in.
    ///
    /// # Errors
    /// A name that nothing has, or a new name that is taken within a workspace.
    pub(super) fn plan(
        rename: &Rename,
        edit: &'static str,
        option: &'static str,
        there: &BTreeSet<(Option<String>, String)>,
    ) -> Result<Self> {
        rename.check(edit)?;
        let names: BTreeSet<&str> = there.iter().map(|(_, name)| name.as_str()).collect();
        let (patterns, exact): (Vec<_>, Vec<_>) = rename
            .names
            .iter()
            .partition(|pair| pair.is_pattern() && !names.contains(pair.old.as_str()));
        let mut asked = Asked::exact(option, exact.iter().map(|pair| pair.old.clone()).collect());
        names.iter().for_each(|name| asked.see(&[name]));
        asked.silent()?;
        let mut planned = NewNames::default();
        let mut fitting = vec![false; patterns.len()];
        for &name in &names {
            let new = match exact.iter().find(|pair| pair.old == name) {
                Some(pair) => Some(pair.new.clone()),
                None => patterns.iter().enumerate().find_map(|(at, pair)| {
                    let new = pair.of(name)?;
                    fitting[at] = true;
                    Some(new)
                }),
            };
            if let Some(new) = new.filter(|new| new != name) {
                planned.new.insert(name.to_owned(), new);
            }
        }
        let unfit = patterns.iter().zip(fitting).filter(|(_, fits)| !fits);
        planned.silent = unfit
            .map(|(pair, _)| format!("{option} `{}`", pair.old))
            .collect();
        planned.refuse_taken(edit, there)?;
        Ok(planned)
    }

    fn refuse_taken(&self, edit: &'static str, there: &BTreeSet<(Option<String>, String)>) -> Result<()> {
        let mut taken: BTreeSet<(&Option<String>, &str)> = there
            .iter()
            .filter(|(_, name)| !self.new.contains_key(name))
            .map(|(workspace, name)| (workspace, name.as_str()))
            .collect();
        for (workspace, old) in there {
            if let Some(new) = self.new.get(old)
                && !taken.insert((workspace, new))
            {
                let name = new.clone();
                return Err(TransformError::Taken { edit, name });
            }
        }
        Ok(())
    }

    /// Whether nothing is renamed.
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    /// The new name of one that is renamed.
    pub(in super::super) fn of(&self, name: &str) -> Option<&str> {
        self.new.get(name).map(String::as_str)
    }
}

impl Rename {
    pub(super) fn check(&self, edit: &'static str) -> Result<()> {
        let stars = |text: &str| text.matches('*').count();
        for pair in &self.names {
            let reason = if pair.old.is_empty() || pair.new.is_empty() {
                "a name is empty".to_owned()
            } else if pair.is_pattern()
                && !matches!(stars(&pair.new), 0)
                && stars(&pair.new) != stars(&pair.old)
            {
                format!(
                    "`{}` and `{}` must have the same number of `*`",
                    pair.old, pair.new
                )
            } else {
                continue;
            };
            return Err(TransformError::because(edit, reason));
        }
        let mut olds = BTreeSet::new();
        match self.names.iter().find(|pair| !olds.insert(&pair.old)) {
            Some(pair) => Err(TransformError::because(
                edit,
                format!("`{}` is renamed twice", pair.old),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(pairs: &[&str], there: &[&str]) -> Result<Vec<(String, String)>> {
        let names = pairs.iter().filter_map(|pair| RenamePair::parse(pair)).collect();
        let there = there.iter().map(|&name| (None, name.to_owned())).collect();
        let planned = NewNames::plan(&Rename { names }, "rename", "--rename", &there)?;
        Ok(planned.new.into_iter().collect())
    }

    fn pair(old: &str, new: &str) -> (String, String) {
        (old.to_owned(), new.to_owned())
    }

    #[test]
    fn patterns_carry_their_texts_over_and_names_go_first() {
        let renamed = plan(
            &["dev/*/*=prod/*-*", "dev/a/x=special"],
            &["dev/a/x", "dev/b/y/z", "other"],
        );
        assert_eq!(
            renamed.unwrap(),
            [pair("dev/a/x", "special"), pair("dev/b/y/z", "prod/b-y/z")]
        );
    }

    #[test]
    fn names_can_be_exchanged_and_a_taken_one_is_refused() {
        assert_eq!(
            plan(&["a=b", "b=a"], &["a", "b"]).unwrap(),
            [pair("a", "b"), pair("b", "a")]
        );
        assert!(
            matches!(plan(&["a=b"], &["a", "b"]), Err(TransformError::Taken { name, .. }) if name == "b")
        );
        assert!(matches!(
            plan(&["x*=y"], &["x1", "x2"]),
            Err(TransformError::Taken { .. })
        ));
    }

    #[test]
    fn a_name_that_nothing_has_is_an_error_and_a_pattern_is_none() {
        assert!(matches!(
            plan(&["fruad=b"], &["fraud"]),
            Err(TransformError::NoMatch(_))
        ));
        assert_eq!(plan(&["fruad*=b*"], &["fraud"]).unwrap(), []);
        assert!(matches!(
            plan(&["a*=**"], &["a"]),
            Err(TransformError::Edit { .. })
        ));
        assert!(matches!(
            plan(&["a=b", "a=c"], &["a"]),
            Err(TransformError::Edit { .. })
        ));
    }
}
