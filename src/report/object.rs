//! One object of an archive, found by its id, by the start of it, or by its name.

use super::error::ReportError;
use super::series::{SeriesFacts, for_each_series};
use crate::archive::walk::{Cursor, Head, each_line, for_each_artifact, heads, text};
use crate::archive::{Archive, ArchiveError};
use crate::format::Kind;
use crate::format::line::canonical;
use crate::model::{ArtifactFile, OwnerKind};
use crate::report::error::Result;
use crate::select::Nearest;
use serde_json::Value;

/// Kinds that can be asked for; lines of metrics and artifacts are shown with their owners.
pub(crate) const KINDS: &[Kind] = &[
    Kind::Workspaces,
    Kind::Experiments,
    Kind::Runs,
    Kind::Datasets,
    Kind::LoggedModels,
    Kind::RegisteredModels,
    Kind::ModelVersions,
    Kind::Traces,
    Kind::Spans,
    Kind::EvaluationDatasets,
    Kind::DatasetRecords,
    Kind::Scorers,
];

/// The start of an id is looked up from this length on.
const SHORTEST_START: usize = 4;
/// Objects named when a query fits several.
const CANDIDATES: usize = 8;

/// An object and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its line; texts too long for it are references to their blobs ([`super::long_text`]).
    pub value: Value,
}

/// How well an object fits a query, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Id,
    Name,
    /// Many runs may have one name, and that of something else is not to suffer for it.
    RunName,
    Start,
}

/// Finds the one object that a query names: by id, else by name, else by that of a run, else by the start of its id.
///
/// # Errors
/// None or several, or the archive cannot be read.
pub(crate) fn find(archive: &Archive, query: &str, kind: Option<Kind>) -> Result<Found> {
    let mut search = Search::default();
    for &candidate in KINDS
        .iter()
        .filter(|&&candidate| kind.is_none_or(|kind| kind == candidate))
    {
        search.look(archive, candidate, query)?;
    }
    if search.found.is_empty()
        && kind.is_none_or(|kind| kind == Kind::ModelVersions)
        && let Some(version) = version_of_alias(archive, query)?
    {
        search.look(archive, Kind::ModelVersions, &version)?;
    }
    search.into_one(query)
}

#[derive(Default)]
struct Search {
    fit: Option<Fit>,
    found: Vec<Found>,
    nearest: Nearest,
}

impl Search {
    fn look(&mut self, archive: &Archive, kind: Kind, query: &str) -> Result<(), ArchiveError> {
        each_line(archive, kind, |cursor| {
            let head = cursor.head(kind)?;
            let is_named = || kind == Kind::Runs && has_run_name(cursor, query);
            let fit = match fit(kind, &head, query) {
                None | Some(Fit::Start) if is_named() => Some(Fit::RunName),
                fit => fit,
            };
            if fit.is_none() && self.found.is_empty() {
                self.nearest.offer(query, text(&head.name));
                self.nearest.offer_id(query, &head.id(kind));
            }
            if let Some(fit) = fit
                && self.fit.is_none_or(|best| fit <= best)
            {
                if self.fit != Some(fit) {
                    self.found.clear();
                }
                self.fit = Some(fit);
                if self.found.len() <= CANDIDATES {
                    let (id, value) = (head.id(kind), cursor.value()?);
                    self.found.push(Found { kind, id, value });
                }
            }
            Ok(())
        })
    }

    fn into_one(mut self, query: &str) -> Result<Found> {
        if self.found.len() > 1 {
            let named = self.found.iter().take(CANDIDATES);
            let mut candidates: Vec<_> = named
                .map(|found| format!("{} {}", found.kind, super::text::printable(&found.id)))
                .collect();
            if self.found.len() > CANDIDATES {
                candidates.push("…".to_owned());
            }
            return Err(ReportError::Ambiguous {
                query: query.to_owned(),
                candidates,
            });
        }
        self.found.pop().ok_or_else(|| ReportError::NotFound {
            query: query.to_owned(),
            nearest: self.nearest.names(),
        })
    }
}

fn fit(kind: Kind, head: &Head, query: &str) -> Option<Fit> {
    let id = head.id(kind);
    let own_id = match kind {
        Kind::Spans => text(&head.span_id),
        Kind::DatasetRecords => text(&head.dataset_record_id),
        _ => id.as_str(),
    };
    if id == query || own_id == query {
        return Some(Fit::Id);
    }
    let has_name = matches!(
        kind,
        Kind::Experiments | Kind::LoggedModels | Kind::EvaluationDatasets | Kind::Datasets | Kind::Scorers
    );
    if has_name && head.name == query || kind == Kind::Datasets && head.digest == query {
        return Some(Fit::Name);
    }
    let has_long_id = matches!(
        kind,
        Kind::Runs | Kind::LoggedModels | Kind::Traces | Kind::EvaluationDatasets | Kind::DatasetRecords
    );
    let is_start = has_long_id && query.len() >= SHORTEST_START && own_id.starts_with(query);
    is_start.then_some(Fit::Start)
}

/// The name of a run, which was a tag alone before MLflow 1.30.
pub(super) fn run_name(run: &Value) -> Option<&str> {
    let name = run["info"]["run_name"].as_str();
    name.or_else(|| run["tags"][RUN_NAME_TAG].as_str())
}

const RUN_NAME_TAG: &str = "mlflow.runName";

/// Whether the run at a cursor has a name; a line without the text is not parsed for it.
fn has_run_name(cursor: &Cursor<'_>, name: &str) -> bool {
    let text = canonical(&Value::from(name));
    let has_text = cursor
        .line()
        .is_some_and(|line| memchr::memmem::find(line, &text).is_some());
    has_text && cursor.value().is_ok_and(|run| run_name(&run) == Some(name))
}

/// `name/version` of `name@alias`.
fn version_of_alias(archive: &Archive, query: &str) -> Result<Option<String>, ArchiveError> {
    let Some((name, alias)) = query.rsplit_once('@') else {
        return Ok(None);
    };
    let mut cursor = Cursor::new(archive, Kind::RegisteredModels)?;
    while cursor.line().is_some() {
        if cursor.head(Kind::RegisteredModels)?.name == name {
            let version = cursor.value()?["aliases"][alias].as_u64();
            return Ok(version.map(|version| format!("{name}/{version}")));
        }
        cursor.advance()?;
    }
    Ok(None)
}

/// What belongs to an object and is not in its line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Related {
    /// Metric histories of a run or logged model.
    pub series: Vec<SeriesFacts>,
    /// The first artifacts.
    pub artifacts: Vec<ArtifactFile>,
    /// How many artifacts there are.
    pub artifact_files: u64,
    /// Their bytes.
    pub artifact_bytes: u64,
    /// The lines of a trace's spans, of a model's versions.
    pub lines: Vec<Value>,
    /// Runs of an experiment.
    pub runs: u64,
}

/// Artifacts named of one object.
const FIRST_ARTIFACTS: usize = 20;

/// Collects what belongs to an object.
///
/// # Errors
/// The archive cannot be read.
pub(crate) fn related(archive: &Archive, found: &Found) -> Result<Related> {
    let mut related = Related::default();
    let (owner_kind, series_kind) = match found.kind {
        Kind::Runs => (Some(OwnerKind::Run), Some(Kind::Metrics)),
        Kind::LoggedModels => (Some(OwnerKind::LoggedModel), Some(Kind::ModelMetrics)),
        Kind::ModelVersions => (Some(OwnerKind::ModelVersion), None),
        Kind::Traces => (Some(OwnerKind::Trace), None),
        _ => (None, None),
    };
    if let Some(kind) = series_kind {
        for_each_series(archive, kind, Some(&found.id), &mut |series| {
            related.series.push(series);
            Ok::<_, ArchiveError>(())
        })?;
    }
    if let Some(kind) = owner_kind {
        for_each_artifact(archive, &mut |entry| {
            if entry.owner.kind == kind && entry.owner.id == found.id {
                related.artifact_files += 1;
                related.artifact_bytes += entry.file.size_bytes.unwrap_or(0);
                if related.artifacts.len() < FIRST_ARTIFACTS {
                    related.artifacts.push(entry.file.clone());
                }
            }
            Ok::<_, ArchiveError>(())
        })?;
    }
    match found.kind {
        Kind::Traces => {
            related.lines = lines_of(archive, Kind::Spans, |head| head.trace_id == found.id.as_str())?
        }
        Kind::RegisteredModels => {
            let of_model =
                |head: &Head| head.name == found.id.as_str() && head.workspace == found.value["workspace"];
            related.lines = lines_of(archive, Kind::ModelVersions, of_model)?;
        }
        Kind::Experiments => related.runs = count_runs(archive, &found.id)?,
        _ => {}
    }
    Ok(related)
}

/// The lines of a kind whose heads pass a test.
pub(super) fn lines_of(
    archive: &Archive,
    kind: Kind,
    test: impl Fn(&Head) -> bool,
) -> Result<Vec<Value>, ArchiveError> {
    let mut lines = Vec::new();
    each_line::<ArchiveError>(archive, kind, |cursor| {
        if test(&cursor.head(kind)?) {
            lines.push(cursor.value()?);
        }
        Ok(())
    })?;
    Ok(lines)
}

fn count_runs(archive: &Archive, experiment_id: &str) -> Result<u64, ArchiveError> {
    let mut runs = 0;
    for head in heads(archive, Kind::Runs)? {
        runs += u64::from(head?.experiment_id == experiment_id);
    }
    Ok(runs)
}

/// Finds an artifact by its owner (an id, its start, `name/version`) and its path.
///
/// # Errors
/// The owner has no such artifact, several owners fit, the bytes are not in the archive, or it cannot be read.
pub(crate) fn find_artifact(archive: &Archive, owner: &str, path: &str) -> Result<ArtifactFile> {
    let mut owners: Vec<(OwnerKind, String)> = Vec::new();
    let mut files: Vec<(bool, ArtifactFile)> = Vec::new();
    let (mut near_owners, mut near_paths) = (Nearest::default(), Nearest::default());
    for_each_artifact(archive, &mut |entry| {
        let id = &entry.owner.id;
        let is_exact = id == owner;
        if is_exact || owner.len() >= SHORTEST_START && id.starts_with(owner) {
            if owners
                .last()
                .is_none_or(|(kind, last)| *kind != entry.owner.kind || last != id)
            {
                owners.push((entry.owner.kind, id.clone()));
            }
            if entry.file.path == path {
                files.push((is_exact, entry.file.clone()))
            } else {
                near_paths.offer(path, &entry.file.path)
            }
        } else {
            near_owners.offer_id(owner, id);
        }
        Ok::<_, ArchiveError>(())
    })?;
    let is_exact = owners.iter().any(|(_, id)| id == owner);
    files.retain(|(exact, _)| *exact || !is_exact);
    if !is_exact && owners.len() > 1 {
        let named = owners.iter().take(CANDIDATES);
        return Err(ReportError::Ambiguous {
            query: owner.to_owned(),
            candidates: named
                .map(|(kind, id)| format!("{} {id}", kind.as_str()))
                .collect(),
        });
    }
    match files.pop() {
        None => Err(ReportError::NoArtifact {
            owner: owner.to_owned(),
            path: path.to_owned(),
            nearest: if owners.is_empty() {
                near_owners.names()
            } else {
                near_paths.names()
            },
        }),
        Some((_, file)) => match file.absent {
            None => Ok(file),
            Some(absent) => Err(ReportError::Absent {
                path: path.to_owned(),
                failed: absent == crate::model::Absent::Failed,
            }),
        },
    }
}
