//! Options of commands that read a source: how a server is asked, and which objects are taken.

use super::choice_args::{ArtifactArgs, NameArgs};
use super::server_args::ServerArgs;
use super::{CliError, Result};
use crate::lang::session::{ExportOptions, RestOptions, UnpackLimits};
use crate::select::{Selection, TimeRange};
use std::path::PathBuf;

/// How a source is read.
#[derive(Debug, clap::Args)]
pub(super) struct ReadArgs {
    /// Include deleted experiments, runs, logged models and model versions
    #[arg(long)]
    include_deleted: bool,
    /// Directory (or, with the feature `cloud`, s3:, gs:, wasbs: or abfss: URI) that the server uses as --artifacts-destination,
    /// for `mlflow-artifacts:` URIs
    #[arg(long, value_name = "DIR")]
    artifacts_destination: Option<PathBuf>,
    /// Also read artifacts from local folders below this one; may be repeated
    ///
    /// Without it, mlark reads only SOURCE's own tree and the folders that MLflow made for a run, model or trace; for zips and
    /// servers it reads no local folder.
    #[arg(long, value_name = "DIR")]
    artifacts_under: Vec<PathBuf>,
    /// Raise a limit for a zip source; may be repeated
    ///
    /// The defaults are `entries=1000000`, `bytes=64G` in total, and `ratio=200` bytes for each compressed byte (after the first
    /// 64M).
    #[arg(long, value_name = "WHAT=N", value_parser = zip_limit)]
    zip_limit: Vec<ZipLimit>,
    #[command(flatten)]
    server: ServerArgs,
    /// URI of the model registry, if it is on another server [default: MLFLOW_REGISTRY_URI]
    #[arg(long, value_name = "URI", help_heading = "Tracking server")]
    registry_uri: Option<String>,
}

impl ReadArgs {
    /// Whether anything is said that means nothing to an archive.
    pub(super) fn is_given(&self) -> bool {
        self.include_deleted
            || self.artifacts_destination.is_some()
            || self.registry_uri.is_some()
            || self.server.is_given()
            || !self.artifacts_under.is_empty()
    }

    /// Options of an export that reads like this.
    pub(super) fn into_options(self) -> Result<ExportOptions> {
        Ok(ExportOptions {
            include_deleted: self.include_deleted,
            artifacts_destination: self.artifacts_destination,
            artifacts_under: self.artifacts_under,
            zip_limits: zip_limits(&self.zip_limit),
            rest: RestOptions {
                registry_uri: self.registry_uri,
                ..self.server.read_options()?
            },
            ..ExportOptions::default()
        })
    }
}

/// Which objects to take; a choice brings what it needs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct ChoiceArgs {
    #[command(flatten)]
    names: NameArgs,
    /// Select runs that started at or after this time (RFC 3339, or a date, in UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Select runs that started before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl ChoiceArgs {
    fn is_given(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.names.is_given()
    }

    pub(super) fn into_selection(self) -> Result<Selection> {
        Ok(Selection {
            time: time_range(self.since.as_deref(), self.until.as_deref())?,
            ..self.names.into_selection()?
        })
    }
}

/// Which objects to take, and which of their files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    #[command(flatten)]
    objects: ChoiceArgs,
    /// List artifacts without their bytes
    #[arg(long)]
    no_artifacts: bool,
    #[command(flatten)]
    artifacts: ArtifactArgs,
}

impl SelectionArgs {
    /// Whether anything is chosen.
    pub(super) fn is_given(&self) -> bool {
        self.no_artifacts || self.objects.is_given() || self.artifacts.is_given()
    }

    pub(super) fn into_selection(self) -> Result<Selection> {
        let (artifact_include, artifact_exclude) = self.artifacts.patterns()?;
        Ok(Selection {
            no_artifacts: self.no_artifacts,
            artifact_include,
            artifact_exclude,
            ..self.objects.into_selection()?
        })
    }
}

/// The span that `--since` and `--until` tell.
fn time_range(since: Option<&str>, until: Option<&str>) -> Result<TimeRange> {
    let range = TimeRange {
        since: since.map(parse_time).transpose()?,
        until: until.map(parse_time).transpose()?,
    };
    match (since.zip(until), range.since.zip(range.until)) {
        (Some((since, until)), Some((first, end))) if first >= end => Err(CliError::usage(format!(
            "--since `{since}` is not before --until `{until}`"
        ))
        .hint("--since must be the earlier of the two; the time of --until itself is excluded")),
        _ => Ok(range),
    }
}

/// One limit of a zip source.
#[derive(Debug, Clone, Copy)]
enum ZipLimit {
    Entries(u64),
    Bytes(u64),
    Ratio(u64),
}

fn zip_limit(text: &str) -> std::result::Result<ZipLimit, String> {
    let unclear =
        || "expected entries=N, bytes=N or ratio=N; N is a number, with K, M, G or T if needed".to_owned();
    let (what, number) = text.split_once('=').ok_or_else(unclear)?;
    let digits = number.trim_end_matches(['K', 'M', 'G', 'T']);
    let power = match &number[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(unclear()),
    };
    let number = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << power));
    let number = number.ok_or_else(unclear)?;
    match what {
        "entries" => Ok(ZipLimit::Entries(number)),
        "bytes" => Ok(ZipLimit::Bytes(number)),
        "ratio" => Ok(ZipLimit::Ratio(number)),
        _ => Err(unclear()),
    }
}

fn zip_limits(given: &[ZipLimit]) -> UnpackLimits {
    let mut limits = UnpackLimits::default();
    for limit in given {
        match *limit {
            ZipLimit::Entries(number) => limits.entries = number,
            ZipLimit::Bytes(number) => limits.bytes = number,
            ZipLimit::Ratio(number) => limits.ratio = number,
        }
    }
    limits
}

/// Epoch milliseconds of an RFC 3339 time, or of a date's or time's start in UTC.
pub(super) fn parse_time(text: &str) -> Result<i64> {
    let timestamp = text.parse::<jiff::Timestamp>().ok();
    let timestamp = timestamp.or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    });
    timestamp
        .map(|timestamp| timestamp.as_millisecond())
        .ok_or_else(|| {
            CliError::usage(format!("`{text}` is not a time"))
                .hint("write 2024-01-31 or 2024-01-31T12:00:00Z")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_zips_are_numbers_with_units() {
        let given = ["entries=2K", "bytes=1T", "ratio=500"].map(|text| zip_limit(text).unwrap());
        let limits = UnpackLimits {
            entries: 2_048,
            bytes: 1 << 40,
            ratio: 500,
        };
        assert_eq!(zip_limits(&given), limits);
        for text in [
            "entries",
            "size=1",
            "bytes=1X",
            "bytes=",
            "ratio=-1",
            "bytes=99999999999T",
        ] {
            assert!(zip_limit(text).is_err(), "{text}");
        }
    }
}
