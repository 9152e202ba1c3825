//! Does a database hold what the archive says? Every value by ids, and every artifact in its place, after a restore or whenever.
//!
//! The database is exported; both sides are then written anew as a store has them, so that places that name the same are the same. What
//! [`crate::report::diff()`] finds is a difference, but for what the columns of the database cannot hold, and for what the database
//! has beyond the archive: both are counted.

use crate::archive::{Archive, ArchiveError, WriterOptions};
use crate::flow::export::detect::SourceKind;
use crate::flow::restore::{RestoreError, RestoreOptions, RestoreReport, expect};
use crate::flow::transform::redact::DropArtifacts;
use crate::flow::transform::{Edit, IntoStore, Recipe, TransformError, TransformOptions, apply};
use crate::format::{Kind, LossCount};
use crate::lang::session::{ExportError, ExportOptions};
use crate::monitor::Monitor;
use crate::report::diff::Change;
use crate::report::{DiffOptions, Difference, diff};
use crate::select::Selection;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How a database was filled.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreOptions {
    /// As of the restore.
    pub restore: RestoreOptions,
    /// The folder of its artifacts, which are compared where it is given.
    pub artifacts: Option<PathBuf>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct StoreComparison {
    /// Content id of the archive.
    pub content_id: String,
    /// Objects of the archive by kind; of metrics, lines.
    pub counts: BTreeMap<String, u64>,
    /// Values and artifacts that are not as the archive says.
    pub differences: u64,
    /// Artifacts whose bytes were compared; absent without their folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// What the database cannot hold, which is no difference.
    pub limits: Vec<LossCount>,
    /// Objects of the database that the archive does not have, by kind.
    pub beyond: BTreeMap<String, u64>,
    /// Spans that lie among artifacts, and were not looked at without their folder.
    pub unread_spans: u64,
}

/// Why a database cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database cannot be read.
    #[error(transparent)]
    Target(#[from] ExportError),
    /// No database can hold the archive.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// One side cannot be written anew.
    #[error(transparent)]
    Transform(#[from] TransformError),
}

/// A value that the database is known not to hold: kind, id and field.
type Place = (String, String, String);

fn place(kind: &str, id: &str, field: &str) -> Place {
    (kind.to_owned(), id.to_owned(), field.to_owned())
}

/// Compares the database behind a URI with an archive, and hands each difference to `sink`.
///
/// # Errors
/// One of them cannot be read, or `sink` fails.
pub(crate) fn compare_store(
    archive: &Archive,
    uri: &str,
    options: &StoreOptions,
    monitor: &dyn Monitor,
    sink: &mut dyn FnMut(Difference) -> std::io::Result<()>,
) -> Result<StoreComparison, StoreError> {
    let mut failed = None;
    let mut comparison = StoreComparison {
        content_id: archive.manifest().content_id.to_string(),
        counts: archive.manifest().counts.clone(),
        ..StoreComparison::default()
    };
    let mut tell = |comparison: &mut StoreComparison, difference: Difference| {
        comparison.differences += 1;
        if failed.is_none() {
            failed = sink(difference).err();
        }
    };
    let artifacts = options.artifacts.as_deref();
    let expected = expect(
        archive,
        uri,
        &options.restore,
        artifacts,
        monitor,
        &mut |difference| tell(&mut comparison, difference),
    )?;
    comparison.files = artifacts.map(|_| expected.files);
    comparison.limits.clone_from(&expected.limits);
    let lost = lost_places(&expected);

    let scratch = tempfile::tempdir().map_err(ArchiveError::temporary)?;
    let path = |name: &str| scratch.path().join(name);
    let target = export_target(uri, &path("target"), artifacts, monitor)?;
    let into = IntoStore {
        artifacts: crate::flow::restore::proxied_root(),
        keep_uris: false,
        ..expected.into_store.clone()
    };
    let before = edited(archive, &into, &path("expected"))?;
    let after = edited(&target, &into, &path("found"))?;
    let has_unread_spans = artifacts.is_none() && lacks_spans(&target);
    diff(
        &before,
        &after,
        DiffOptions::default(),
        monitor,
        &mut |difference| {
            let is_counted = comparison.counts_apart(&difference, has_unread_spans);
            if !is_counted && !is_lost(&lost, &difference) {
                tell(&mut comparison, difference);
            }
            Ok::<_, ArchiveError>(())
        },
    )?;
    failed.map_or(Ok(comparison), |error| {
        Err(ArchiveError::io("write", "the output")(error).into())
    })
}

impl StoreComparison {
    /// Whether a difference between lines is none to be told by itself: it is counted here.
    fn counts_apart(&mut self, difference: &Difference, has_unread_spans: bool) -> bool {
        let is_whole = difference.key.is_empty();
        match difference.kind.as_str() {
            // Their bytes were compared in their places.
            "artifacts" => {}
            "spans" if has_unread_spans && is_whole && difference.change == Change::Removed => {
                self.unread_spans += 1;
            }
            kind if is_whole && difference.change == Change::Added => {
                *self.beyond.entry(kind.to_owned()).or_default() += 1;
            }
            _ => return false,
        }
        true
    }
}

/// The database as an archive, without bytes of artifacts.
fn export_target(
    uri: &str,
    out: &Path,
    artifacts: Option<&Path>,
    monitor: &dyn Monitor,
) -> Result<Archive, StoreError> {
    let options = ExportOptions {
        writer: quick(),
        include_deleted: true,
        origin: Some("verify".to_owned()),
        selection: Selection {
            no_artifacts: true,
            ..Selection::default()
        },
        artifacts_destination: artifacts.map(Path::to_owned),
        ..ExportOptions::default()
    };
    crate::flow::export::export(SourceKind::Sql, uri, out, options, monitor)?;
    Ok(Archive::open(out)?)
}

/// For what nobody keeps.
pub(super) fn quick() -> WriterOptions {
    WriterOptions {
        no_sync: true,
        ..WriterOptions::default()
    }
}

/// One side as a store has it, without bytes of artifacts.
fn edited(archive: &Archive, into: &IntoStore, out: &Path) -> Result<Archive, StoreError> {
    let recipe = Recipe {
        edits: vec![
            Edit::IntoStore(into.clone()),
            Edit::DropArtifact(DropArtifacts {
                glob: "**".to_owned(),
            }),
        ],
    };
    let options = TransformOptions {
        writer: quick(),
        ..TransformOptions::default()
    };
    apply(archive, &recipe, out, &options)?;
    Ok(Archive::open(out)?)
}

/// Whether spans of a target lie where nobody looked.
fn lacks_spans(target: &Archive) -> bool {
    let limits = &target.manifest().losses.limits;
    limits
        .iter()
        .any(|loss| loss.kind == Kind::Traces.name() && loss.field == "spans")
}

/// What the database is known not to hold, by the ids that it has.
fn lost_places(expected: &RestoreReport) -> BTreeSet<Place> {
    let new_ids: BTreeMap<&str, i64> = expected
        .new_ids
        .iter()
        .map(|new| (new.experiment_id.as_str(), new.target_id))
        .collect();
    let id_of = |kind: &str, id: &str| {
        let is_within = [Kind::Experiments, Kind::Datasets, Kind::Scorers]
            .iter()
            .any(|within| within.name() == kind);
        let (experiment, rest) = match id.split_once('/') {
            Some((experiment, rest)) => (experiment, Some(rest)),
            None => (id, None),
        };
        match (new_ids.get(experiment).filter(|_| is_within), rest) {
            (Some(new), Some(rest)) => format!("{new}/{rest}"),
            (Some(new), None) => new.to_string(),
            (None, _) => id.to_owned(),
        }
    };
    let lost = expected.lost.iter();
    lost.map(|loss| (loss.kind.clone(), id_of(&loss.kind, &loss.id), loss.field.clone()))
        .collect()
}

/// Whether a difference is what the database is known not to hold: the field, one that it is in, the object, or its owner.
fn is_lost(lost: &BTreeSet<Place>, difference: &Difference) -> bool {
    let (kind, id) = (&difference.kind, &difference.id);
    let has = |kind: &str, id: &str, field: &str| lost.contains(&place(kind, id, field));
    let whole = |kind: Kind, id: &str| has(kind.name(), id, "*");
    let owner = match Kind::from_name(kind) {
        Some(Kind::Metrics) => whole(Kind::Runs, id),
        Some(Kind::ModelMetrics) => whole(Kind::LoggedModels, id),
        Some(Kind::Spans) => whole(Kind::Traces, id.split('/').next().unwrap_or_default()),
        _ => false,
    };
    let is_metric = matches!(Kind::from_name(kind), Some(Kind::Metrics | Kind::ModelMetrics));
    let field = match difference.key.first() {
        Some(name) if is_metric => name.clone(),
        _ => difference.key_text(),
    };
    let mut ends = field.match_indices(['.', '[']).map(|(end, _)| end);
    owner
        || is_of_lost_model(lost, difference, &field)
        || has(kind, id, "*")
        || has(kind, id, &field)
        || ends.any(|end| has(kind, id, &field[..end]))
        || (difference.change == Change::Removed && has_lost_elements(lost, kind, id, &field))
}

/// Whether a version says that it comes from a logged model that the target cannot hold, so that nobody knows its place there.
fn is_of_lost_model(lost: &BTreeSet<Place>, difference: &Difference, field: &str) -> bool {
    let is_place = matches!(field, "source" | "storage_location");
    if difference.kind != Kind::ModelVersions.name() || !is_place {
        return false;
    }
    let stated = difference.before.as_ref().and_then(serde_json::Value::as_str);
    let is_lost = |name: &str| lost.contains(&place(Kind::LoggedModels.name(), name, "*"));
    stated.is_some_and(|uri| uri.split('/').any(is_lost))
}

/// Whether elements of a list, or fields of an object, are known to be lost, all of which may be.
fn has_lost_elements(lost: &BTreeSet<Place>, kind: &str, id: &str, list: &str) -> bool {
    ['[', '.'].iter().any(|mark| {
        let first = place(kind, id, &format!("{list}{mark}"));
        let next = lost.range(first.clone()..).next();
        next.is_some_and(|(kind, id, field)| {
            (kind, id) == (&first.0, &first.1) && field.starts_with(&first.2)
        })
    })
}
