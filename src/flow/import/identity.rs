//! Whether an object is the one that an earlier import brought under its id, or another one of another source.
//!
//! Databases number experiments 1, 2, 3 …, and two sources may have been reached under one address. Ids alone then say the same of two
//! objects; where the names differ and the times of creation too, they are two.

use crate::model::registry::DELETED_STAGE;
use crate::model::{Experiment, ModelVersion, Run};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Tag of experiments that holds it, beside the mark.
pub(crate) const KEY: &str = "mlflow_exim.mlark.identity";
/// Tag that is a prompt's text.
const PROMPT_TEXT: &str = "mlflow.prompt.text";

/// Two short digests, of an object's name and of its time of creation; 0 where one is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity(u32);

impl Identity {
    /// What is known of an object.
    pub fn of(name: Option<&str>, created: Option<i64>) -> Self {
        let name = name.filter(|name| !name.is_empty()).map_or(0, short);
        let created = created.map_or(0, |created| short(&created.to_string()));
        Identity(u32::from(name) << 16 | u32::from(created))
    }

    /// That of an experiment.
    pub fn of_experiment(experiment: &Experiment) -> Self {
        Identity::of(Some(&experiment.name), experiment.creation_time)
    }

    /// That of a run.
    pub fn of_run(run: &Run) -> Self {
        Identity::of(run.info.run_name.as_deref(), run.info.start_time)
    }

    /// That of a version, whose name and number are its id: what it was made from is its name.
    pub fn of_version(version: &ModelVersion) -> Self {
        // Stores clear deleted versions.
        if version.current_stage.as_deref() == Some(DELETED_STAGE) {
            return Identity::default();
        }
        let text = version.tags.get(PROMPT_TEXT).and_then(|text| text.as_str());
        let run = version.run_id.as_deref().filter(|run| !run.is_empty());
        let made_from = text.or(run).or(version.source.as_deref());
        Identity::of(made_from, version.creation_timestamp)
    }

    /// The identity that was written as a text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_plain.then(|| u32::from_str_radix(text, 16).ok().map(Identity))?
    }

    /// Whether nothing is known.
    pub fn is_unknown(self) -> bool {
        self == Identity::default()
    }

    /// Whether two objects cannot be one: both names and both times are known, and both differ.
    pub fn is_other(self, other: Identity) -> bool {
        let differ = |a: u16, b: u16| a != 0 && b != 0 && a != b;
        let (mine, theirs) = (self.halves(), other.halves());
        differ(mine.0, theirs.0) && differ(mine.1, theirs.1)
    }

    fn halves(self) -> (u16, u16) {
        ((self.0 >> 16) as u16, self.0 as u16)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

/// A digest that is not 0.
fn short(text: &str) -> u16 {
    let digest = Sha256::digest(text);
    u16::from_be_bytes([digest[0], digest[1]]).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_others_where_name_and_time_both_differ() {
        let of = |name, created| Identity::of(Some(name), created);
        let alpha = of("alpha", Some(1));
        assert!(alpha.is_other(of("beta", Some(2))));
        for same in [
            of("beta", Some(1)),
            of("alpha", Some(2)),
            of("beta", None),
            of("", Some(2)),
            Identity::default(),
        ] {
            assert!(!alpha.is_other(same) && !same.is_other(alpha), "{same}");
        }
        assert_eq!(Identity::parse(&alpha.to_string()), Some(alpha));
        assert_eq!(Identity::parse("+1234567"), None);
    }
}
