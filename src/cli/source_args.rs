//! Options of commands that read a source: how a server is asked, and which objects are taken.

use super::common::connections;
use super::error::{CliError, Result};
use crate::client::Secret;
use crate::source::rest::RestOptions;
use crate::source::{ExportOptions, Patterns, Selection, TimeRange, UnpackLimits};
use std::path::PathBuf;

/// How a source is read.
#[derive(Debug, clap::Args)]
pub(super) struct ReadArgs {
    /// Takes deleted experiments, runs, logged models and model versions too
    #[arg(long)]
    include_deleted: bool,
    /// Directory (or, with the feature `cloud`, the s3:, gs:, wasbs: or abfss: URI) that the server's --artifacts-destination
    /// names, for `mlflow-artifacts:` URIs
    #[arg(long, value_name = "DIR")]
    artifacts_destination: Option<PathBuf>,
    /// Reads artifacts also from local folders below this one that SOURCE names; may be repeated. Without it only SOURCE's own tree
    /// and folders that MLflow itself made for a run, model or trace are read, and of zips and servers none
    #[arg(long, value_name = "DIR")]
    artifacts_under: Vec<PathBuf>,
    /// Allows a zip source more than it may ask for by default: `entries=1000000`, `bytes=64G` in all, `ratio=200` bytes for each of the
    /// zip's own (beyond 64M); may be repeated
    #[arg(long, value_name = "WHAT=N", value_parser = zip_limit)]
    zip_limit: Vec<ZipLimit>,
    #[command(flatten)]
    server: ServerArgs,
}

impl ReadArgs {
    /// Whether anything is said that means nothing to an archive.
    pub(super) fn is_given(&self) -> bool {
        self.include_deleted || self.artifacts_destination.is_some() || !self.artifacts_under.is_empty()
    }

    /// Options of an export that reads like this.
    pub(super) fn into_options(self) -> Result<ExportOptions> {
        Ok(ExportOptions {
            include_deleted: self.include_deleted,
            artifacts_destination: self.artifacts_destination,
            artifacts_under: self.artifacts_under,
            zip_limits: zip_limits(&self.zip_limit),
            rest: self.server.into_options()?,
            ..ExportOptions::default()
        })
    }
}

/// How a tracking server is asked; `MLFLOW_TRACKING_*` and its kin mean what they mean to MLflow.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tracking server")]
pub(super) struct ServerArgs {
    /// Requests under way at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = connections())]
    concurrency: usize,
    /// Requests a second at most
    #[arg(long, value_name = "N", value_parser = rate)]
    max_rate: Option<f64>,
    /// Server of the model registry, where it is another one [default: MLFLOW_REGISTRY_URI]
    #[arg(long, value_name = "URI")]
    registry_uri: Option<String>,
    /// Header of every request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
}

impl ServerArgs {
    pub(super) fn into_options(self) -> Result<RestOptions> {
        let headers = self.headers.iter().map(|header| {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| CliError::usage("a header is written `NAME: VALUE`"))?;
            Ok((name.trim().to_owned(), Secret::new(value.trim())))
        });
        Ok(RestOptions {
            workspace: None,
            concurrency: self.concurrency,
            requests_per_second: self.max_rate,
            registry_uri: self.registry_uri,
            headers: headers.collect::<Result<_>>()?,
            environment: None,
        })
    }
}

/// Which objects to take; a choice brings what it needs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Takes experiments of this name, id or glob; may be repeated
    #[arg(long = "experiment", value_name = "NAME")]
    experiments: Vec<String>,
    /// Takes this run; may be repeated
    #[arg(long = "run", value_name = "ID")]
    runs: Vec<String>,
    /// Takes registered models of this name or glob, with the runs of their versions; may be repeated
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Takes runs that started at or after this (RFC 3339, or a date, in UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Takes runs that started before this
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Lists artifacts without taking their bytes
    #[arg(long)]
    no_artifacts: bool,
    /// Takes only artifacts whose path matches this glob; may be repeated
    #[arg(long, value_name = "GLOB")]
    artifact_include: Vec<String>,
    /// Leaves out artifacts whose path matches this glob; may be repeated
    #[arg(long, value_name = "GLOB")]
    artifact_exclude: Vec<String>,
}

impl SelectionArgs {
    /// Whether anything is chosen.
    pub(super) fn is_given(&self) -> bool {
        let lists = [
            &self.experiments,
            &self.runs,
            &self.models,
            &self.artifact_include,
            &self.artifact_exclude,
        ];
        self.no_artifacts
            || self.since.is_some()
            || self.until.is_some()
            || lists.iter().any(|list| !list.is_empty())
    }

    pub(super) fn into_selection(self) -> Result<Selection> {
        let usage = |error: crate::source::PatternError| CliError::usage(error);
        Ok(Selection {
            experiments: Patterns::names(self.experiments).map_err(usage)?,
            runs: self.runs,
            models: Patterns::names(self.models).map_err(usage)?,
            time: time_range(self.since.as_deref(), self.until.as_deref())?,
            no_artifacts: self.no_artifacts,
            artifact_include: Patterns::paths(self.artifact_include).map_err(usage)?,
            artifact_exclude: Patterns::paths(self.artifact_exclude).map_err(usage)?,
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
            "no time lies between --since `{since}` and --until `{until}`"
        ))
        .hint("--since is the earlier of the two, and --until is not taken itself")),
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
        || "it is none of entries=N, bytes=N and ratio=N, N a number that K, M, G or T may follow".to_owned();
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

/// A number of requests a second.
fn rate(text: &str) -> std::result::Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.001..=1e6).contains(rate))
        .ok_or_else(|| "it is no number from 0.001 to 1000000".to_owned())
}

/// Epoch milliseconds of an RFC 3339 time, or of a date's or time's start in UTC.
fn parse_time(text: &str) -> Result<i64> {
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
