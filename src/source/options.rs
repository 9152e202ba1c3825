//! What to export, as asked for.

use super::unpack::UnpackLimits;
use crate::archive::WriterOptions;
use crate::monitor::Interrupt;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How an export is made; the same for every source.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// How the archive is written.
    pub writer: WriterOptions,
    /// Leaves out what cannot be read, and says so, instead of making nothing.
    pub keep_going: bool,
    /// Keeps deleted experiments, runs, logged models and model versions.
    pub include_deleted: bool,
    /// Stable name of where the data comes from; a digest of the source's URI where absent.
    pub origin: Option<String>,
    /// What the manifest names as the source, where that is not what was read (an unpacked zip).
    pub source_uri: Option<String>,
    /// Which objects.
    pub selection: Selection,
    /// Directory that a server's `--artifacts-destination` names, for `mlflow-artifacts:` URIs.
    pub artifacts_destination: Option<PathBuf>,
    /// Directories outside the source that artifacts may be read from.
    pub artifacts_under: Vec<PathBuf>,
    /// Whether what is read came from elsewhere (an unpacked zip), so that the paths it states are of another machine.
    pub is_from_elsewhere: bool,
    /// How much a zip source may ask for.
    pub zip_limits: UnpackLimits,
    /// How a tracking server is asked.
    pub rest: super::rest::RestOptions,
    /// Looks at the source only; see [`super::survey()`].
    pub survey: Option<super::Survey>,
    /// Goes on with what an interrupted export to the same output has fetched (tracking servers).
    pub resume: bool,
    /// An older archive of the same server, whose parts are used where they are unchanged (tracking servers).
    pub base: Option<PathBuf>,
    /// Ends the export early.
    pub interrupt: Interrupt,
}

/// Which objects to export; empty means all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Experiments by name, id or glob of the name.
    pub experiments: Patterns,
    /// Runs by id.
    pub runs: Vec<String>,
    /// Registered models by name or glob.
    pub models: Patterns,
    /// Runs by start time.
    pub time: TimeRange,
    /// Lists artifacts without taking their bytes.
    pub no_artifacts: bool,
    /// Artifacts whose path matches are taken; empty means all.
    pub artifact_include: Patterns,
    /// Artifacts whose path matches are not taken.
    pub artifact_exclude: Patterns,
}

impl Selection {
    /// Whether nothing is chosen, so that everything is exported.
    pub fn takes_all_objects(&self) -> bool {
        self.experiments.is_empty()
            && self.runs.is_empty()
            && self.models.is_empty()
            && self.time == TimeRange::default()
    }

    /// Whether experiments or runs are chosen; registered models then come only with a chosen run.
    pub fn chooses_runs(&self) -> bool {
        !self.experiments.is_empty() || !self.runs.is_empty() || self.time != TimeRange::default()
    }

    /// Whether the bytes of an artifact are taken.
    pub fn takes_artifact(&self, path: &str) -> bool {
        !self.no_artifacts
            && (self.artifact_include.is_empty() || self.artifact_include.matches(path))
            && !self.artifact_exclude.matches(path)
    }

    /// The choices as the manifest lists them, by option name.
    pub fn to_manifest(&self, include_deleted: bool) -> BTreeMap<String, Value> {
        let mut options = BTreeMap::new();
        let patterns = [
            ("experiment", &self.experiments),
            ("model", &self.models),
            ("artifact-include", &self.artifact_include),
            ("artifact-exclude", &self.artifact_exclude),
        ];
        for (name, patterns) in patterns {
            if !patterns.is_empty() {
                options.insert(name.to_owned(), json!(patterns.texts));
            }
        }
        if !self.runs.is_empty() {
            options.insert("run".to_owned(), json!(self.runs));
        }
        let times = [("since", self.time.since), ("until", self.time.until)];
        for (name, time) in times {
            if let Some(time) = time {
                options.insert(name.to_owned(), json!(time));
            }
        }
        for (name, set) in [
            ("include-deleted", include_deleted),
            ("no-artifacts", self.no_artifacts),
        ] {
            if set {
                options.insert(name.to_owned(), json!(true));
            }
        }
        options
    }
}

/// A span of time in epoch milliseconds, start included, end not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First moment taken.
    pub since: Option<i64>,
    /// First moment no longer taken.
    pub until: Option<i64>,
}

impl TimeRange {
    /// Whether a start time is in the range; a missing one is only where nothing is asked for.
    pub fn contains(&self, start_time: Option<i64>) -> bool {
        match start_time {
            None => *self == TimeRange::default(),
            Some(time) => {
                self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
            }
        }
    }
}

/// Names or globs (`*`, `?`, `[…]`, `{a,b}`, `**`); `/` separates only in artifact paths.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    texts: Vec<String>,
    globs: Option<GlobSet>,
}

/// A glob that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a glob")]
pub struct PatternError {
    pattern: String,
    #[source]
    source: globset::Error,
}

impl Patterns {
    /// Names, each taken literally or as a glob in which `*` matches any character.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub fn names(texts: Vec<String>) -> Result<Self, PatternError> {
        Self::build(texts, false)
    }

    /// Paths, in which `*` stays within one component and `**` does not.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub fn paths(texts: Vec<String>) -> Result<Self, PatternError> {
        Self::build(texts, true)
    }

    fn build(texts: Vec<String>, literal_separator: bool) -> Result<Self, PatternError> {
        let mut globs = GlobSetBuilder::new();
        for text in &texts {
            let glob = GlobBuilder::new(text)
                .literal_separator(literal_separator)
                .build();
            globs.add(glob.map_err(|source| PatternError {
                pattern: text.clone(),
                source,
            })?);
        }
        let globs = globs.build().map_err(|source| PatternError {
            pattern: texts.join(", "),
            source,
        })?;
        Ok(Patterns {
            texts,
            globs: Some(globs),
        })
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The patterns as given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The patterns that a text is, or matches.
    pub fn matching(&self, text: &str) -> Vec<&str> {
        let by_glob = self
            .globs
            .as_ref()
            .map_or_else(Vec::new, |globs| globs.matches(text));
        let texts = self.texts.iter().enumerate();
        texts
            .filter(|(index, pattern)| *pattern == text || by_glob.contains(index))
            .map(|(_, pattern)| pattern.as_str())
            .collect()
    }

    /// Whether a text is one of the patterns, or matches one.
    pub fn matches(&self, text: &str) -> bool {
        self.texts.iter().any(|pattern| pattern == text)
            || self.globs.as_ref().is_some_and(|globs| globs.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_literally_or_as_globs() {
        let patterns = Patterns::names(vec!["train*".into(), "a[b".replace('[', "[[]"), "x".into()]).unwrap();
        for text in ["training/run", "a[b", "x"] {
            assert!(patterns.matches(text), "{text}");
        }
        assert!(!patterns.matches("xy"));
    }

    #[test]
    fn a_star_in_a_path_stays_in_its_folder() {
        let patterns = Patterns::paths(vec!["model/*.pkl".into(), "logs/**".into()]).unwrap();
        assert!(patterns.matches("model/a.pkl") && patterns.matches("logs/a/b"));
        assert!(!patterns.matches("model/x/a.pkl"));
    }

    #[test]
    fn a_range_includes_its_start_only() {
        let range = TimeRange {
            since: Some(10),
            until: Some(20),
        };
        assert!(range.contains(Some(10)) && range.contains(Some(19)));
        assert!(!range.contains(Some(20)) && !range.contains(None));
        assert!(TimeRange::default().contains(None));
    }
}
