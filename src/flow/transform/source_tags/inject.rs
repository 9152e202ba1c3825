//! Source tags injected into an archive.

use super::limits;
use crate::archive::{Archive, ArchiveError, ManifestHead, blob_reference};
use crate::flow::transform::edit::{
    Edit, Edited, Result, TransformError, TransformOptions, TransformReport, UndoLine, is_of, typed,
    typed_run,
};
use crate::format::line::to_value;
use crate::format::manifest::{HistoryEntry, Tool};
use crate::format::{Kind, Object, SortKey};
use crate::lang::exim::tags::canonical::{VersionContext, experiment_source, run_source, version_source};
use crate::lang::exim::tags::rules::Overlay;
use crate::lang::exim::tags::version_facts::VersionContexts;
use crate::model::pyjson::PyJsonError;
use crate::model::registry::is_prompt;
use crate::model::{Digest, Experiment, ModelVersion, Text};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the transform in an archive's history.
pub const NAME: &str = "source-tags";
/// The profile whose tags equal those of mlflow-export-import.
pub const DEFAULT_PROFILE: &str = "mlflow-export-import";
/// Kinds of object that get source tags.
const KINDS: [Kind; 3] = [Kind::Experiments, Kind::Runs, Kind::ModelVersions];

/// Injects source tags into a copy of an archive; blobs and all other object files are taken over as they are.
///
/// # Errors
/// The archive cannot be read, an `exim` text in it cannot, or the result cannot be written.
pub fn inject(archive: &Archive, out: &Path, options: &TransformOptions) -> Result<TransformReport> {
    let manifest = archive.manifest();
    let mut edit = Edit::begin(archive, out, options, &Default::default(), |file| {
        !is_of(file, &KINDS)
    })?;
    edit.record_undo(manifest.history.len() + 1);
    let copy = archive.clone();
    edit.edit_lines(Kind::Experiments, move |value| edit_experiment(&copy, value))?;
    let copy = archive.clone();
    edit.edit_lines(Kind::Runs, move |value| edit_run(&copy, value))?;
    let contexts = VersionContexts::collect(archive)?;
    let copy = archive.clone();
    edit.edit_lines(Kind::ModelVersions, move |value| {
        edit_version(&copy, &contexts, value)
    })?;
    edit.finish_undo()?;
    let mut head = ManifestHead::of_parent(manifest);
    // A transform that changes nothing leaves no trace: equal content has an equal history.
    if edit.counts.values().any(|&count| count > 0) {
        head.history.push(HistoryEntry {
            name: NAME.to_owned(),
            parameters: BTreeMap::from([("profile".to_owned(), DEFAULT_PROFILE.into())]),
            tool: Tool::current(),
            time: crate::archive::now_text(),
            parent_content_id: manifest.content_id,
            parent_content_ids: Vec::new(),
            counts: edit.counts.clone(),
        });
    }
    edit.finish(head)
}

fn edit_experiment(archive: &Archive, value: Value) -> Result<Edited> {
    let experiment: Experiment = typed(archive, &value)?;
    let overlay = experiment_source(&experiment).map_err(exim_error(Kind::Experiments, experiment.id()))?;
    let subject = Subject {
        kind: Kind::Experiments,
        key: experiment.sort_key(),
        id: experiment.id(),
        workspace: None,
    };
    subject.lay(archive, value, &overlay)
}

fn edit_run(archive: &Archive, mut value: Value) -> Result<Edited> {
    let run = typed_run(archive, &mut value)?;
    let overlay = run_source(&run).map_err(exim_error(Kind::Runs, run.id()))?;
    let subject = Subject {
        kind: Kind::Runs,
        key: run.sort_key(),
        id: run.id(),
        workspace: None,
    };
    subject.lay(archive, value, &overlay)
}

fn edit_version(archive: &Archive, contexts: &VersionContexts, value: Value) -> Result<Edited> {
    let version: ModelVersion = typed(archive, &value)?;
    let context: VersionContext = contexts.of(&version);
    let overlay = match is_prompt(&version.tags) {
        true => Overlay::default(),
        false => version_source(&version, &context).map_err(exim_error(Kind::ModelVersions, version.id()))?,
    };
    let subject = Subject {
        kind: Kind::ModelVersions,
        key: version.sort_key(),
        id: version.id(),
        workspace: version.workspace,
    };
    subject.lay(archive, value, &overlay)
}

fn exim_error(kind: Kind, id: String) -> impl FnOnce(PyJsonError) -> TransformError {
    move |source| TransformError::Exim {
        kind: kind.name(),
        id,
        source,
    }
}

/// Whether a tag of a line has this value, which the line may hold as a blob.
fn is_same(old: &Value, new: &Text) -> bool {
    match (blob_reference(old), new) {
        (Some(blob), Text::Long(long)) => long.is_utf8 && long.blob == blob,
        (Some(blob), Text::Utf8(text)) => {
            blob.size_bytes == text.len() as u64 && blob.sha256 == Digest(Sha256::digest(text).into())
        }
        _ => old.as_str().is_some_and(|old| new.as_str() == Some(old)),
    }
}

/// An object whose tags are changed.
struct Subject {
    kind: Kind,
    key: SortKey,
    id: String,
    workspace: Option<String>,
}

impl Subject {
    /// Lays source tags over the tags of a line; own earlier source tags are overwritten, and remembered.
    fn lay(self, archive: &Archive, mut value: Value, overlay: &Overlay) -> Result<Edited> {
        let tags = value
            .as_object_mut()
            .map(|line| line.entry("tags").or_insert_with(|| Map::new().into()))
            .and_then(Value::as_object_mut)
            .ok_or_else(|| ArchiveError::Damaged {
                path: archive.path().to_owned(),
                entry: format!("{} `{}`", self.kind, self.id),
                reason: "its tags are not an object".to_owned(),
            })?;
        let mut undo = UndoLine {
            id: self.id.clone(),
            kind: self.kind.name().to_owned(),
            workspace: self.workspace,
            ..UndoLine::default()
        };
        for (key, new) in overlay.tags() {
            match tags.get_mut(key) {
                Some(old) if is_same(old, new) => {}
                Some(old) => {
                    let old = std::mem::replace(old, to_value(new));
                    undo.replaced.insert(key.clone(), old);
                }
                None => {
                    tags.insert(key.clone(), to_value(new));
                    undo.added.push(key.clone());
                }
            }
        }
        let mut notices: Vec<_> = overlay
            .notices()
            .iter()
            .map(|notice| format!("{}: {notice}", self.kind))
            .collect();
        notices.extend(limits::exceeded(self.kind, overlay.tags()));
        let (added, replaced) = (undo.added.len() as u64, undo.replaced.len() as u64);
        undo.added.sort_unstable();
        let changed = added + replaced > 0;
        let counts = match changed {
            true => vec![
                (self.kind.name(), 1),
                ("tags added", added),
                ("tags replaced", replaced),
            ],
            false => Vec::new(),
        };
        Ok(Edited {
            key: self.key,
            id: self.id,
            value,
            undo: changed.then_some(undo),
            counts: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
            notices,
        })
    }
}
