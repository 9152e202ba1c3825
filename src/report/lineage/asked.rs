//! What is asked for: an object as `show` finds it, or a file by its bytes.

use super::graph::build;
use super::places::{Key, Places};
use super::{FileFacts, FileOwner, Lineage};
use crate::archive::walk::for_each_artifact;
use crate::archive::{Archive, ArchiveError};
use crate::format::Kind;
use crate::model::Digest;
use crate::report::ReportError;
use crate::report::error::Result;
use crate::report::object::{find, find_artifact};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Artifacts with the bytes of a file that are listed; the rest are counted.
const MOST_ARTIFACTS: usize = 200;

/// What lineage is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineageQuery {
    /// An object: an id, the start of it, a name, `name/version`, `name@alias`, `models:/…`, `runs:/…`.
    Object(String),
    /// The bytes of this digest; the text says how they were named.
    File(String, Digest),
}

/// Reads where an object, or the bytes of a file, came from.
///
/// # Errors
/// No archive has it, several objects of one archive are meant, or an archive cannot be read.
pub(crate) fn lineage(archives: &[Archive], asked: &LineageQuery, kind: Option<Kind>) -> Result<Lineage> {
    let places = Places::of(archives)?;
    match asked {
        LineageQuery::File(name, sha256) => of_file(archives, &places, name, *sha256),
        LineageQuery::Object(query) => match file_of_run(archives, query)? {
            Some(sha256) => of_file(archives, &places, query, sha256),
            None => of_object(archives, &places, query, kind),
        },
    }
}

fn of_object(archives: &[Archive], places: &Places<'_>, query: &str, kind: Option<Kind>) -> Result<Lineage> {
    let plain = query.strip_prefix("models:/").unwrap_or(query);
    let plain = plain
        .strip_prefix("runs:/")
        .map_or(plain, |path| path.split('/').next().unwrap_or(path));
    let (mut roots, mut missing) = (BTreeSet::new(), Vec::new());
    for (index, archive) in archives.iter().enumerate() {
        match find(archive, plain, kind) {
            Ok(found) => {
                let workspace = found.value["workspace"].as_str().map(str::to_owned);
                let (kind, id) = owner_of(found.kind, found.id, &found.value);
                let place = places.of_archive(index);
                roots.insert(Key {
                    place,
                    kind,
                    id,
                    workspace,
                });
            }
            Err(ReportError::NotFound { nearest, .. }) => missing.extend(nearest),
            Err(error) => return Err(error),
        }
    }
    if roots.is_empty() {
        missing.sort();
        missing.dedup();
        missing.truncate(3);
        return Err(ReportError::NotFound {
            query: query.to_owned(),
            nearest: missing,
        });
    }
    let (lineage, _) = build(archives, places, &roots)?;
    Ok(Lineage {
        asked: query.to_owned(),
        ..lineage
    })
}

/// Spans and records have the lineage of what they belong to.
fn owner_of(kind: Kind, id: String, value: &Value) -> (Kind, String) {
    let owner = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    match kind {
        Kind::Spans => (Kind::Traces, owner("trace_id")),
        Kind::DatasetRecords => (Kind::EvaluationDatasets, owner("dataset_id")),
        Kind::Scorers => (Kind::Experiments, owner("experiment_id")),
        other => (other, id),
    }
}

/// The digest of a file that is named as `runs:/ID/PATH`; a folder of files is none.
fn file_of_run(archives: &[Archive], query: &str) -> Result<Option<Digest>> {
    let Some((run_id, path)) = query.strip_prefix("runs:/").and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    for archive in archives {
        match find_artifact(archive, run_id, path) {
            Ok(file) => return Ok(file.sha256),
            Err(ReportError::NoArtifact { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn of_file(archives: &[Archive], places: &Places<'_>, name: &str, sha256: Digest) -> Result<Lineage> {
    let owners = Owners::of(archives, places, sha256)?;
    if owners.paths.is_empty() {
        return Err(ReportError::NoBytes {
            name: name.to_owned(),
            sha256,
        });
    }
    let roots = owners.paths.keys().cloned().collect();
    let (lineage, numbers) = build(archives, places, &roots)?;
    let mut artifacts = Vec::new();
    for (key, paths) in owners.paths {
        let node = numbers.get(&key).copied();
        artifacts.extend(
            paths
                .into_iter()
                .filter_map(|path| Some(FileOwner { node: node?, path })),
        );
    }
    Ok(Lineage {
        asked: name.to_owned(),
        file: Some(FileFacts {
            sha256,
            size_bytes: owners.size_bytes,
            artifacts,
            more: owners.more,
        }),
        ..lineage
    })
}

/// Objects that have an artifact with certain bytes, and its paths.
#[derive(Default)]
struct Owners {
    paths: BTreeMap<Key, BTreeSet<String>>,
    size_bytes: u64,
    listed: usize,
    more: u64,
}

impl Owners {
    fn of(archives: &[Archive], places: &Places<'_>, sha256: Digest) -> Result<Self, ArchiveError> {
        let mut owners = Owners::default();
        for (index, archive) in archives.iter().enumerate() {
            let mut workspaces = Workspaces::new(archive);
            for_each_artifact(archive, &mut |entry| {
                if entry.file.sha256 == Some(sha256) {
                    owners.size_bytes = entry.file.size_bytes.unwrap_or(owners.size_bytes);
                    let kind = Kind::from(entry.owner.kind);
                    let key = Key {
                        place: places.of_archive(index),
                        kind,
                        id: entry.owner.id.clone(),
                        workspace: workspaces.of(kind, &entry.owner.id)?,
                    };
                    owners.add(key, &entry.file.path);
                }
                Ok::<_, ArchiveError>(())
            })?;
        }
        Ok(owners)
    }

    fn add(&mut self, key: Key, path: &str) {
        if self.paths.get(&key).is_some_and(|paths| paths.contains(path)) {
            return;
        }
        if self.listed < MOST_ARTIFACTS {
            self.listed += 1;
            self.paths.entry(key).or_default().insert(path.to_owned());
        } else {
            self.more += 1;
        }
    }
}

/// Workspaces of model versions, read where an artifact of one is met: artifacts do not tell them.
struct Workspaces<'a> {
    archive: &'a Archive,
    of_versions: Option<BTreeMap<String, String>>,
}

impl<'a> Workspaces<'a> {
    fn new(archive: &'a Archive) -> Self {
        Workspaces {
            archive,
            of_versions: None,
        }
    }

    fn of(&mut self, kind: Kind, id: &str) -> Result<Option<String>, ArchiveError> {
        if kind != Kind::ModelVersions {
            return Ok(None);
        }
        if self.of_versions.is_none() {
            let mut workspaces = BTreeMap::new();
            super::line::for_each(self.archive, kind, |facts| {
                workspaces.extend(facts.workspace.map(|workspace| (facts.id, workspace)));
            })?;
            self.of_versions = Some(workspaces);
        }
        let workspaces = self.of_versions.as_ref();
        Ok(workspaces.and_then(|workspaces| workspaces.get(id).cloned()))
    }
}
