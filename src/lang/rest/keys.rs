//! Keys of tags, params and metrics, names and aliases: which of them a server takes.

use super::limits::{Limits, exceeds};
use crate::format::Reason;

impl Limits {
    /// Why a server refuses a key, where it does.
    pub fn key_fault(&self, key: &str) -> Option<Reason> {
        if exceeds(key, self.key) {
            return Some(Reason::KeyTooLong);
        }
        let allowed = |next: char| {
            next.is_alphanumeric()
                || matches!(next, '/' | '_' | '.' | '-' | ' ')
                || (next == ':' && self.colon_in_keys)
        };
        let is_normal = !key.starts_with('/')
            && !key.starts_with("..")
            && !key.ends_with('/')
            && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        (!is_normal || !key.chars().all(allowed)).then_some(Reason::KeyRefused)
    }

    /// Whether a server takes an experiment's name.
    pub fn takes_experiment_name(&self, name: &str) -> bool {
        let is_blank = is_blank(name) && (name.is_empty() || !self.blank_experiments);
        !is_blank && !exceeds(name, self.experiment_name)
    }

    /// Whether a server takes a registered model's name.
    pub fn takes_model_name(&self, name: &str) -> bool {
        let is_blank = is_blank(name) && (name.is_empty() || !self.separators_in_models);
        let has_separators = name.contains(['/', ':']) || matches!(name, "." | "..");
        !is_blank && (self.separators_in_models || !has_separators) && !exceeds(name, 256)
    }
}

/// Whether Python takes all of a text for spaces.
fn is_blank(text: &str) -> bool {
    let is_space = |next: char| next.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&next);
    text.chars().all(is_space)
}

/// Whether a server takes an alias.
pub fn takes_alias(alias: &str) -> bool {
    let is_version = alias
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    let is_word = |next: char| next.is_alphanumeric() || matches!(next, '_' | '-');
    !alias.is_empty()
        && !is_version
        && !alias.eq_ignore_ascii_case("latest")
        && alias.chars().all(is_word)
        && alias.chars().count() <= 255
}

/// Tags that a Databricks workspace refuses to be given.
pub const DATABRICKS_REFUSES: [&str; 5] = [
    "mlflow.user",
    "mlflow.log-model.history",
    "mlflow.rootRunId",
    "mlflow.experiment.sourceType",
    "mlflow.experiment.sourceId",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::rest::version::Version;

    #[test]
    fn keys_follow_the_rules_of_the_version() {
        let (old, new) = (Limits::of(Version::new(2, 9)), Limits::of(Version::new(3, 18)));
        for good in ["a", "日本/ü", " ", "a.b-c_d e", "mlflow_exim.field.x"] {
            assert_eq!(new.key_fault(good), None, "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "..a", "./a", "a/../b", "a%b", "a\tb", "a@b",
        ] {
            assert_eq!(new.key_fault(bad), Some(Reason::KeyRefused), "{bad}");
        }
        assert_eq!(
            (old.key_fault("a:b"), new.key_fault("a:b")),
            (Some(Reason::KeyRefused), None)
        );
        assert_eq!(new.key_fault(&"é".repeat(250)), None);
        assert_eq!(new.key_fault(&"é".repeat(251)), Some(Reason::KeyTooLong));
    }

    #[test]
    fn names_and_aliases_follow_the_rules() {
        let (old, new) = (Limits::of(Version::new(3, 10)), Limits::of(Version::new(3, 11)));
        assert!(old.takes_model_name("a:b") && !new.takes_model_name("a:b") && !new.takes_model_name(" "));
        assert!(takes_alias("champion-1") && takes_alias("v1a"));
        for bad in ["latest", "Latest", "v12", "a b", ""] {
            assert!(!takes_alias(bad), "{bad}");
        }
    }
}
