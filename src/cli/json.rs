//! What `--json` prints: the documents that are a command's own, and the schemas of all of them.
//!
//! `schema/cli/*.schema.json` are these schemas; a test keeps them equal.

mod schemas;

pub use schemas::schemas;

use super::CliError;
use super::migrate::Migrated;
use super::plan::Planned;
use super::restore::Restored;
use super::serve::Served;
use crate::archive::verify::{LacksReport, VerifyReport};
use crate::flow::extract::ExtractReport;
use crate::flow::import::{PlanDocument, ReportDocument};
use crate::flow::merge::MergeReport;
use crate::flow::merge::split::SplitReport;
use crate::flow::transform::{Example, Preview, TransformReport};
use crate::format::manifest::Totals;
use crate::format::{Kind, LossCount, Manifest, schema};
use crate::lang::exim::write::ConvertReport;
use crate::lang::tables::TablesReport;
use crate::model::{ArtifactFile, Digest};
use crate::report::Snapshot;
use crate::report::compare::Comparison;
use crate::report::diff::Difference;
use crate::report::html::HtmlReport;
use crate::report::lineage::{Lineage, Overview};
use crate::report::list::{ColumnForm, ListColumn, Noun};
use crate::report::object::KINDS;
use crate::report::scan::ScanReport;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `export` made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Exported<'a> {
    /// The archive.
    output: Cow<'a, str>,
    /// Its content id.
    content_id: &'a Digest,
    /// Stable name of where the data came from.
    origin: &'a str,
    /// Objects by kind; of metrics and artifacts, lines.
    counts: &'a BTreeMap<String, u64>,
    /// What the counts do not say.
    totals: &'a Totals,
    /// What a choice left out.
    left_out: &'a [LossCount],
    /// What the source or the format cannot hold.
    limits: &'a [LossCount],
    /// What could not be read.
    failures: &'a [LossCount],
}

impl<'a> Exported<'a> {
    pub(super) fn new(output: &'a Path, manifest: &'a Manifest) -> Self {
        Exported {
            output: output.to_string_lossy(),
            content_id: &manifest.content_id,
            origin: &manifest.origin,
            counts: &manifest.counts,
            totals: &manifest.totals,
            left_out: &manifest.selection.left_out,
            limits: &manifest.losses.limits,
            failures: &manifest.losses.failures,
        }
    }
}

/// What `transform` made; without `output` and `content_id`, what it would make.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Transformed<'a> {
    /// The archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Cow<'a, str>>,
    /// Its content id.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a Digest>,
    /// What was changed, counted.
    changes: &'a BTreeMap<String, u64>,
    /// A notice, and the number of objects it applies to.
    notices: &'a BTreeMap<String, u64>,
    /// Options whose globs, filters or times matched nothing.
    matched_nothing: &'a [String],
    /// Some of the objects that would change; of --dry-run alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<&'a [Example]>,
    /// What the merge of several archives did, which came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged: Option<Merged<'a>>,
}

impl<'a> Transformed<'a> {
    pub(super) fn new(output: &'a Path, report: &'a TransformReport) -> Self {
        Transformed {
            output: Some(output.to_string_lossy()),
            content_id: Some(&report.manifest.content_id),
            changes: &report.counts,
            notices: &report.notices,
            matched_nothing: &report.silent,
            examples: None,
            merged: None,
        }
    }

    pub(super) fn of_merge(self, inputs: &'a [PathBuf], report: &'a Option<MergeReport>) -> Self {
        let merged = report.as_ref().map(|report| Merged::new(None, inputs, report));
        Transformed { merged, ..self }
    }

    pub(super) fn would_be(preview: &'a Preview) -> Self {
        Transformed {
            output: None,
            content_id: None,
            changes: &preview.counts,
            notices: &preview.notices,
            matched_nothing: &preview.silent,
            examples: Some(&preview.examples),
            merged: None,
        }
    }
}

/// What `merge` made, or with `--dry-run` would make.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Merged<'a> {
    /// The archive; absent where nothing was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Cow<'a, str>>,
    /// Its content id.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a Digest>,
    /// The archives that were put together; what follows counts them from 1.
    inputs: Vec<Cow<'a, str>>,
    #[serde(flatten)]
    report: &'a MergeReport,
}

impl<'a> Merged<'a> {
    pub(super) fn new(output: Option<&'a Path>, inputs: &'a [PathBuf], report: &'a MergeReport) -> Self {
        Merged {
            output: output.map(Path::to_string_lossy),
            content_id: report.manifest.as_ref().map(|manifest| &manifest.content_id),
            inputs: inputs.iter().map(|input| input.to_string_lossy()).collect(),
            report,
        }
    }
}

/// What `split` made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Split<'a> {
    /// The directory of the parts.
    output: Cow<'a, str>,
    /// The parts, in order.
    parts: Vec<MadePart<'a>>,
    /// Objects that are in several parts, by kind.
    shared: &'a BTreeMap<Kind, u64>,
}

/// A part of a split archive.
#[derive(Debug, Serialize, JsonSchema)]
struct MadePart<'a> {
    /// Its name in the directory.
    name: &'a str,
    /// What is in it: an experiment, a workspace, a span of time.
    label: &'a str,
    /// Its content id.
    content_id: &'a Digest,
    /// Objects by kind; of metrics and artifacts, lines.
    counts: &'a BTreeMap<String, u64>,
    /// What the counts do not say.
    totals: &'a Totals,
}

impl<'a> Split<'a> {
    pub(super) fn new(output: &'a Path, report: &'a SplitReport) -> Self {
        let parts = report.parts.iter().map(|part| MadePart {
            name: &part.name,
            label: &part.label,
            content_id: &part.manifest.content_id,
            counts: &part.manifest.counts,
            totals: &part.manifest.totals,
        });
        Split {
            output: output.to_string_lossy(),
            parts: parts.collect(),
            shared: &report.shared,
        }
    }
}

/// What `verify` found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Verified<'a> {
    #[serde(flatten)]
    report: &'a VerifyReport,
    /// Whether nothing is damaged; warnings do not count.
    intact: bool,
    /// With `--lacks-…`: what was searched, and what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    lacks: Option<&'a LacksReport>,
}

impl<'a> Verified<'a> {
    pub(super) fn new(report: &'a VerifyReport, lacks: Option<&'a LacksReport>) -> Self {
        Verified {
            report,
            intact: report.is_intact(),
            lacks,
        }
    }
}

/// What `scan` found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Scanned<'a> {
    /// The archive.
    path: Cow<'a, str>,
    #[serde(flatten)]
    report: &'a ScanReport,
}

impl<'a> Scanned<'a> {
    pub(super) fn new(path: &'a Path, report: &'a ScanReport) -> Self {
        Scanned {
            path: path.to_string_lossy(),
            report,
        }
    }
}

/// Which object of an archive became which object of a server; a line of `map`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Mapped<'a> {
    /// Kind of the object.
    pub kind: Kind,
    /// Id in the archive.
    pub id: &'a str,
    /// Id in the server.
    pub target_id: &'a str,
    /// Its workspace, where it is not the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<&'a str>,
}

/// What `lineage` found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum LineageDocument<'a> {
    /// The chain of what was asked for.
    Chain(&'a Lineage),
    /// Without an object, where those of an archive came from.
    Archive(&'a Overview),
}

/// An error, on stderr.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Failed {
    /// What failed.
    error: String,
    /// Why, the nearest cause first.
    causes: Vec<String>,
    /// What may help, such as a command to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The exit code.
    exit_code: u8,
}

impl Failed {
    pub(super) fn new(error: &CliError) -> Self {
        let mut texts = error.chain();
        Failed {
            error: texts.next().unwrap_or_default(),
            causes: texts.collect(),
            hint: error.hint_text().map(str::to_owned),
            exit_code: error.exit() as u8,
        }
    }
}
