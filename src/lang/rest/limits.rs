//! What a server can hold and what it shows, by its version: features, lengths, keys.
//!
//! The numbers are those of MLflow's own releases, as measured (docs/replay.md, "Limits").

use crate::format::Reason;
use std::fmt;

/// A version of MLflow, as far as features go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
}

impl Version {
    /// The oldest version; what answers no question about its version is taken for it.
    pub const OLDEST: Version = Version::new(1, 30);

    /// A version.
    pub const fn new(major: u32, minor: u32) -> Self {
        Version { major, minor }
    }

    /// The version of a text such as `3.18.0.dev0`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        Some(Version { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// Something that servers have since some version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Datasets that runs read.
    DatasetInputs,
    /// Aliases of model versions.
    Aliases,
    /// Traces that are made through API v3 and keep their ids.
    Traces,
    /// Traces that are made through API v2, whose ids the server chooses.
    TracesV2,
    /// Spans as OpenTelemetry JSON, into the tracking store; servers since 3.4 take protobuf there.
    Otlp,
    /// Tokens and costs of traces as columns.
    TraceNumbers,
    /// Prompts.
    Prompts,
    /// Logged models, and models as inputs and outputs of runs.
    LoggedModels,
    /// Links from traces to runs.
    TraceLinks,
    /// Links from traces to prompts.
    PromptLinks,
    /// Evaluation datasets and scorers.
    EvaluationDatasets,
    /// Where the files of a model version are, beside what it was made from.
    StorageLocations,
}

impl Feature {
    /// The first version seen with it.
    pub const fn since(self) -> Version {
        match self {
            Feature::DatasetInputs => Version::new(2, 4),
            Feature::Aliases => Version::new(2, 3),
            Feature::Traces => Version::new(3, 2),
            Feature::TracesV2 => Version::new(2, 14),
            Feature::EvaluationDatasets => Version::new(3, 4),
            Feature::Otlp => Version::new(3, 12),
            Feature::TraceNumbers => Version::new(3, 17),
            Feature::Prompts => Version::new(2, 21),
            Feature::StorageLocations => Version::new(2, 9),
            Feature::LoggedModels => Version::new(3, 0),
            Feature::TraceLinks => Version::new(3, 3),
            Feature::PromptLinks => Version::new(3, 7),
        }
    }
}

/// Characters of the value of a trace's metadata that servers give out; before MLflow 3 of a tag's too.
pub const SHOWN_METADATA: usize = 250;
/// Characters of the value of a trace's tag that servers give out.
pub const SHOWN_TAG: usize = 4_096;
/// The version that answers 500 for the spans of a trace of which fewer came than its client counted.
pub const HIDES_INCOMPLETE_TRACES: Version = Version::new(3, 6);

/// The longest texts a target holds, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Keys of params, tags and metrics.
    pub key: usize,
    /// Value of a param.
    pub param: usize,
    /// Value of a run's tag.
    pub run_tag: usize,
    /// Value of an experiment's tag.
    pub experiment_tag: usize,
    /// Value of a registered model's tag; the column holds no more, whatever the check says.
    pub model_tag: usize,
    /// Value of a model version's tag.
    pub version_tag: usize,
    /// Value of a trace's tag or metadata.
    pub trace_text: usize,
    /// Name of an experiment.
    pub experiment_name: usize,
    /// Name of a dataset, its digest, its source, its schema and its profile.
    pub dataset: [usize; 5],
    /// Value of a tag of a dataset's link.
    pub input_tag: usize,
    /// Description of a model or version.
    pub description: usize,
    /// Whether keys may have a colon.
    pub colon_in_keys: bool,
    /// Whether names of experiments may be blank; models' may be where they may have separators.
    pub blank_experiments: bool,
    /// Whether paths of files are read as URLs.
    pub paths_are_urls: bool,
    /// Whether models' names may have `/` and `:`.
    pub separators_in_models: bool,
}

impl Limits {
    /// The limits of a version.
    pub fn of(version: Version) -> Self {
        let since = |major, minor| version >= Version::new(major, minor);
        Limits {
            key: 250,
            param: if since(2, 9) { 6_000 } else { 500 },
            run_tag: if since(2, 14) { 8_000 } else { 5_000 },
            experiment_tag: if since(3, 16) { 20_000 } else { 5_000 },
            model_tag: 5_000,
            version_tag: if since(3, 1) { 100_000 } else { 5_000 },
            trace_text: 8_000,
            experiment_name: if since(2, 22) { 500 } else { 256 },
            dataset: [
                500,
                36,
                65_535,
                if since(2, 15) { 1_048_575 } else { 65_535 },
                16_777_215,
            ],
            input_tag: 500,
            description: 5_000,
            colon_in_keys: since(2, 22),
            separators_in_models: !since(3, 11),
            blank_experiments: !since(3, 0),
            paths_are_urls: since(2, 10),
        }
    }

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

/// Whether a text has more characters than a limit; bytes bound characters, so counting is rare.
pub fn exceeds(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
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
        assert_eq!(Version::parse("3.18.0.dev0"), Some(Version::new(3, 18)));
        assert_eq!(Version::parse("<html>"), None);
    }
}
