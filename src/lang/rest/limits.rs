//! How long texts may be that a server holds and shows, by its version.
//!
//! The numbers are those of MLflow's own releases, as measured (docs/replay.md, "Limits").

use super::version::Version;

/// Characters of the value of a trace's metadata that servers give out; before MLflow 3 of a tag's too.
pub const SHOWN_METADATA: usize = 250;
/// Characters of the value of a trace's tag that servers give out.
pub const SHOWN_TAG: usize = 4_096;

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
}

/// Whether a text has more characters than a limit; bytes bound characters, so counting is rare.
pub fn exceeds(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}
