//! Which version of MLflow a server is, and what it can do since.

use super::routes::{self, Call};
use crate::client::{Client, ClientError};
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

    /// What a server that tells no version is taken for: a workspace of Databricks has what the newest release has.
    pub(crate) const fn untold(is_databricks: bool) -> Self {
        if is_databricks {
            Version::new(3, 0)
        } else {
            Version::OLDEST
        }
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
    pub fn since(self) -> Version {
        match self {
            Feature::DatasetInputs => routes::LOG_INPUTS.since,
            Feature::Aliases => routes::SET_ALIAS.since,
            Feature::Traces => routes::CREATE_TRACE.since,
            Feature::TracesV2 => routes::START_TRACE_V2.since,
            Feature::EvaluationDatasets => routes::CREATE_DATASET.since,
            Feature::Otlp => routes::SEND_SPANS.since,
            Feature::TraceNumbers => Version::new(3, 17),
            Feature::Prompts => Version::new(2, 21),
            Feature::StorageLocations => Version::new(2, 9),
            Feature::LoggedModels => routes::CREATE_LOGGED_MODEL.since,
            Feature::TraceLinks => routes::LINK_TRACES.since,
            Feature::PromptLinks => routes::LINK_PROMPTS.since,
        }
    }
}

/// The version that answers 500 for the spans of a trace of which fewer came than its client counted.
pub const HIDES_INCOMPLETE_TRACES: Version = Version::new(3, 6);

/// Asks a server for its version; none where it tells none.
///
/// # Errors
/// The server cannot be reached, or refuses.
pub(crate) fn ask_version(client: &Client) -> Result<Option<String>, ClientError> {
    match Call::from(routes::VERSION).on(client).send() {
        Ok(response) => Ok(as_version(&response.body)),
        Err(error) if error.is_unknown_route() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a server that tells no version is a workspace of Databricks, by its URL.
pub(crate) fn is_databricks(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    [
        ".databricks.com",
        ".azuredatabricks.net",
        ".databricks.us",
        ".databricks.cn",
    ]
    .iter()
    .any(|suffix| host.ends_with(suffix))
}

/// The version, where the text is one and not some page.
fn as_version(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_version = text.starts_with(|first: char| first.is_ascii_digit())
        && text.len() < 40
        && text
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || matches!(next, '.' | '-' | '+'));
    is_version.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_texts() {
        assert_eq!(Version::parse("3.18.0.dev0"), Some(Version::new(3, 18)));
        assert_eq!(Version::parse("<html>"), None);
    }
}
