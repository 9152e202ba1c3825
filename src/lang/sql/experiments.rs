//! Experiments and workspaces.

use super::exporter::{Exporter, Result};
use super::tables::{Table, Tables};
use crate::format::{Kind, Reason, order};
use crate::lang::artifacts::cloud::Address;
use crate::model::{Experiment, Text, Workspace};
use crate::select::Verdict;
use std::collections::BTreeMap;
use std::path::Path;

const EXPERIMENTS: Table = Table {
    kind: "experiments",
    name: "experiments",
    columns: &[
        "experiment_id",
        "name",
        "artifact_location",
        "lifecycle_stage",
        "creation_time",
        "last_update_time",
        "workspace",
    ],
};

const EXPERIMENT_TAGS: Table = Table {
    kind: "experiments",
    name: "experiment_tags",
    columns: &["experiment_id", "key", "value", "long value"],
};

const WORKSPACES: Table = Table {
    kind: "workspaces",
    name: "workspaces",
    columns: &[
        "name",
        "description",
        "default_artifact_root",
        "trace_archival_location",
        "trace_archival_retention",
    ],
};

/// Whether artifacts are in cloud storage, where the feature is built in: by the artifacts destination, or by where experiments
/// keep theirs.
pub(super) fn lie_in_cloud(tables: &Tables, destination: Option<&Path>) -> Result<bool> {
    if destination.and_then(Path::to_str).and_then(Address::of).is_some() {
        return Ok(true);
    }
    let experiments = Experiments::read(tables)?;
    let mut locations = experiments
        .all()
        .filter_map(|experiment| experiment.artifact_location.as_deref());
    Ok(locations.any(|location| Address::of(location).is_some()))
}

/// The experiments of a database, without their tags; few next to everything else.
#[derive(Default)]
pub(super) struct Experiments {
    by_id: BTreeMap<String, Experiment>,
}

impl Experiments {
    pub(super) fn read(tables: &Tables) -> Result<Self> {
        let mut experiments = Experiments::default();
        tables.scan(EXPERIMENTS, |row| {
            let experiment = Experiment {
                experiment_id: row.required_text(0),
                name: row.required_text(1),
                artifact_location: row.text(2),
                lifecycle_stage: row.text(3).unwrap_or_else(|| "active".to_owned()),
                creation_time: row.int(4),
                last_update_time: row.int(5),
                workspace: row.text(6),
                ..Experiment::default()
            };
            experiments
                .by_id
                .insert(experiment.experiment_id.clone(), experiment);
            Ok(())
        })?;
        Ok(experiments)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Experiment> {
        self.by_id.values()
    }

    pub(super) fn contains(&self, experiment_id: &str) -> bool {
        self.by_id.contains_key(experiment_id)
    }

    /// Where the experiment keeps artifacts.
    pub(super) fn artifact_location(&self, experiment_id: &str) -> Option<&str> {
        self.by_id.get(experiment_id)?.artifact_location.as_deref()
    }
}

impl Exporter<'_> {
    /// Writes the experiments that are taken or needed.
    pub(super) fn write_experiments(&mut self) -> Result<()> {
        let mut tags: BTreeMap<String, BTreeMap<String, Text>> = BTreeMap::new();
        self.tables.scan(EXPERIMENT_TAGS, |row| {
            let experiment_id = row.required_text(0);
            if let Some(value) = self.tables.text(EXPERIMENT_TAGS, row, 2, &experiment_id)? {
                tags.entry(experiment_id)
                    .or_default()
                    .insert(row.required_text(1), value);
            }
            Ok(())
        })?;
        let mut experiments: Vec<_> = std::mem::take(&mut self.experiments.by_id)
            .into_values()
            .collect();
        experiments.sort_by_cached_key(|experiment| order::experiment(&experiment.experiment_id));
        for mut experiment in experiments {
            let own_tags = tags.remove(&experiment.experiment_id);
            match self.closure.takes(&experiment) {
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Experiments, reason, 1),
                Verdict::Kept => {
                    experiment.tags = own_tags.unwrap_or_default();
                    self.export.write(&experiment)?;
                }
            }
        }
        let orphans = tags.values().map(BTreeMap::len).sum::<usize>();
        self.limit_orphans("experiments", "tags", orphans as u64);
        Ok(())
    }

    /// Counts rows whose owner is not in the database.
    pub(super) fn limit_orphans(&mut self, kind: &str, field: &str, count: u64) {
        if count > 0 {
            self.export.limit(kind, field, Reason::Orphan, count);
        }
    }

    pub(super) fn workspaces(&mut self) -> Result<()> {
        let mut workspaces = BTreeMap::new();
        self.tables.scan(WORKSPACES, |row| {
            let mut workspace = Workspace {
                name: row.required_text(0),
                description: row.text(1),
                default_artifact_root: row.text(2),
                ..Workspace::default()
            };
            for (column, name) in [(3, "trace_archival_location"), (4, "trace_archival_retention")] {
                if let Some(text) = row.text(column) {
                    workspace.extra.insert(name.to_owned(), text.into());
                }
            }
            workspaces.insert(workspace.name.clone(), workspace);
            Ok(())
        })?;
        workspaces
            .values()
            .try_for_each(|workspace| self.export.write(workspace))
    }
}
