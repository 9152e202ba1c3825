//! What has to be known of all archives before the first line is written: experiments, names, and ids that are there twice.

use super::source::some_text;
use super::{MergeError, Result};
use crate::archive::walk::{Cursor, heads, line_values, owner_of, text};
use crate::archive::{Archive, ArchiveError, SpillSorter};
use crate::format::{Kind, SortKey, order, strict_json};
use crate::model::registry::PROMPT_TAG;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An experiment of an archive; without a name where only other objects name it.
#[derive(Debug, Default)]
pub(super) struct FoundExperiment {
    pub(super) name: Option<String>,
    pub(super) workspace: Option<String>,
    /// Whether objects are in it.
    pub(super) is_used: bool,
}

/// A registered model of an archive.
#[derive(Debug, Default)]
pub(super) struct FoundModel {
    pub(super) is_prompt: bool,
    pub(super) versions: BTreeSet<u64>,
}

/// What one archive holds by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By place and id.
    pub(super) experiments: BTreeMap<SortKey, (String, FoundExperiment)>,
    /// By workspace and name.
    pub(super) models: BTreeMap<(Option<String>, String), FoundModel>,
    /// Whether an object names its workspace.
    pub(super) has_workspaces: bool,
}

impl Names {
    /// Puts all into a workspace, of an archive that names none.
    pub(super) fn put_into(&mut self, workspace: &str) {
        for (_, experiment) in self.experiments.values_mut() {
            experiment.workspace = Some(workspace.to_owned());
        }
        let models = std::mem::take(&mut self.models).into_iter();
        self.models = models
            .map(|((_, name), model)| ((Some(workspace.to_owned()), name), model))
            .collect();
    }

    /// Reads what an archive holds by name.
    pub(super) fn read(archive: &Archive) -> Result<Self> {
        let mut names = Names::default();
        for kind in [
            Kind::Experiments,
            Kind::EvaluationDatasets,
            Kind::RegisteredModels,
        ] {
            for value in line_values(archive, kind)? {
                names.take(kind, &value?);
            }
        }
        // What is in an experiment that is not there itself, which only an archive has that lost some.
        let has_lost = archive.manifest().lost(Kind::Experiments) > 0;
        let of_experiments = Kind::ALL
            .iter()
            .filter(|kind| has_lost && kind.is_in_experiment());
        for &kind in of_experiments {
            let mut last = String::new();
            for head in heads(archive, kind)? {
                let head = head?;
                let id = text(&head.experiment_id);
                // They come in the order of experiments.
                if last != id {
                    id.clone_into(&mut last);
                    names.experiment(id).is_used = true;
                }
            }
        }
        for head in heads(archive, Kind::ModelVersions)? {
            let head = head?;
            let workspace = some_text(&head.workspace);
            names.has_workspaces |= workspace.is_some();
            let model = names.models.entry((workspace, text(&head.name).to_owned()));
            let number = head.version.as_u64().unwrap_or(0);
            model.or_default().versions.insert(number);
        }
        if archive.manifest().lost(Kind::ModelVersions) > 0 {
            names.take_lost_versions(archive)?;
        }
        Ok(names)
    }

    /// Versions that are lost and have artifacts. Those do not tell a workspace: it is that of the model of this name.
    fn take_lost_versions(&mut self, archive: &Archive) -> Result<()> {
        let mut cursor = Cursor::new(archive, Kind::Artifacts)?;
        while let Some(line) = cursor.line() {
            let owner = owner_of(Kind::Artifacts, Kind::ModelVersions, line, &cursor)?;
            let version = owner.as_deref().and_then(|owner| owner.rsplit_once('/'));
            if let Some((name, Ok(number))) = version.map(|(name, number)| (name, number.parse())) {
                let known = self.models.keys().find(|id| id.1 == name).cloned();
                let id = known.unwrap_or_else(|| (None, name.to_owned()));
                self.models.entry(id).or_default().versions.insert(number);
            }
            cursor.advance()?;
        }
        Ok(())
    }

    fn experiment(&mut self, id: &str) -> &mut FoundExperiment {
        let entry = self.experiments.entry(order::experiment(id));
        &mut entry
            .or_insert_with(|| (id.to_owned(), FoundExperiment::default()))
            .1
    }

    fn take(&mut self, kind: Kind, value: &Value) {
        let workspace = some_text(&value["workspace"]);
        self.has_workspaces |= workspace.is_some();
        match kind {
            Kind::Experiments => {
                let experiment = self.experiment(text(&value["experiment_id"]));
                experiment.name = some_text(&value["name"]);
                experiment.workspace = workspace;
                experiment.is_used = true;
            }
            Kind::EvaluationDatasets => {
                let ids = value["experiment_ids"].as_array().into_iter().flatten();
                for id in ids.filter_map(Value::as_str) {
                    self.experiment(id);
                }
            }
            _ => {
                let model = self.models.entry((workspace, text(&value["name"]).to_owned()));
                let tag = value["tags"][PROMPT_TAG].as_str().unwrap_or_default();
                model.or_default().is_prompt = tag.eq_ignore_ascii_case("true");
            }
        }
    }
}

/// When an object last changed, as far as its line says: epoch milliseconds.
pub(super) fn changed_at(kind: Kind, line: &[u8]) -> Option<i64> {
    let value = strict_json::parse(line).ok()?;
    let (place, fields): (&Value, &[&str]) = match kind {
        Kind::Runs => (&value["info"], &["deleted_time", "end_time", "start_time"]),
        _ => (
            &value,
            &[
                "last_update_time",
                "last_updated_timestamp",
                "last_updated_timestamp_ms",
                "creation_time",
                "creation_timestamp",
                "creation_timestamp_ms",
                "created_time",
                "request_time",
            ],
        ),
    };
    let assessments = value["assessments"].as_array().into_iter().flatten();
    let assessments = assessments.filter_map(|assessment| assessment["last_update_time"].as_i64());
    let own = fields.iter().filter_map(|field| place[*field].as_i64());
    own.chain(assessments).max()
}

/// Memory in which ids are sorted.
const SORTED_BYTES: usize = 2 << 20;

/// An object whose id is in several archives.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) input: usize,
    pub(super) experiment_id: String,
    pub(super) time: Option<i64>,
    pub(super) changed_at: Option<i64>,
}

/// Calls `visit` with each id of a kind that several archives have, and the objects; `has_times` tells when they changed.
pub(super) fn for_each_shared(
    archives: &[&Archive],
    kind: Kind,
    has_times: bool,
    scratch: &Path,
    mut visit: impl FnMut(&str, &[Found]),
) -> Result<()> {
    let has_kind = archives
        .iter()
        .filter(|archive| archive.manifest().count(kind) > 0);
    if has_kind.count() < 2 {
        return Ok(());
    }
    let io_error = |error| MergeError::from(ArchiveError::io("use a temporary file in", scratch)(error));
    let mut sorter = SpillSorter::with_memory(scratch, SORTED_BYTES);
    for (input, archive) in archives.iter().enumerate() {
        let mut cursor = Cursor::new(archive, kind)?;
        while let Some(line) = cursor.line() {
            let head = cursor.head(kind)?;

            let changed_at = has_times.then(|| changed_at(kind, line)).flatten();
            let found = serde_json::json!([input, text(&head.experiment_id), head.time(kind), changed_at]);
            sorter
                .push(head.id(kind).into_bytes(), found.to_string().into_bytes())
                .map_err(io_error)?;
            cursor.advance()?;
        }
    }
    let mut group: (Vec<u8>, Vec<Found>) = Default::default();
    let mut flush = |group: &(Vec<u8>, Vec<Found>)| {
        if group.1.iter().any(|found| found.input != group.1[0].input) {
            visit(&String::from_utf8_lossy(&group.0), &group.1);
        }
    };
    for record in sorter.finish().map_err(io_error)? {
        let (id, found) = record.map_err(io_error)?;
        if group.0 != id {
            flush(&group);
            group = (id, Vec::new());
        }
        group.1.push(read_found(&found));
    }
    flush(&group);
    Ok(())
}

/// Reads what this process wrote down.
fn read_found(bytes: &[u8]) -> Found {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    Found {
        input: value[0].as_u64().unwrap_or(0) as usize,
        experiment_id: text(&value[1]).to_owned(),
        time: value[2].as_i64(),
        changed_at: value[3].as_i64(),
    }
}
