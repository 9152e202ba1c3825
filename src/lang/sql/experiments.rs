//! Experiments and workspaces.

use super::columns::{EXPERIMENT_TAGS, EXPERIMENTS, WORKSPACES};
use super::exporter::{Exporter, Result};
use super::fields::pick;
use super::spool::{Sorted, Spool};
use super::tables::Tables;
use crate::format::{Kind, Reason, order};
use crate::lang::artifacts::cloud::Address;
use crate::model::{Experiment, Text, Workspace};
use crate::select::{Share, Verdict};
use std::collections::BTreeMap;
use std::path::Path;

/// Whether artifacts are in cloud storage, where the feature is built in: by the artifacts destination, or by where experiments
/// keep theirs.
pub(super) fn lie_in_cloud(tables: &Tables, destination: Option<&Path>) -> Result<bool> {
    if destination.and_then(Path::to_str).and_then(Address::of).is_some() {
        return Ok(true);
    }
    // What is odd is counted when they are read to be written.
    let odd = tables.oddities.take();
    let experiments = Experiments::read(tables, None)?;
    tables.oddities.put(odd);
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
    /// Reads them; what is odd in one that another shard counts is not counted.
    pub(super) fn read(tables: &Tables, share: Option<&Share>) -> Result<Self> {
        let mut experiments = Experiments::default();
        tables.scan(EXPERIMENTS, |row| {
            let id = row.bytes(0).unwrap_or_default();
            let is_other = share.is_some_and(|share| !share.leads(&String::from_utf8_lossy(&id)));
            let odd = is_other.then(|| tables.oddities.take());
            let experiment: Experiment = pick(row);
            experiments
                .by_id
                .insert(experiment.experiment_id.clone(), experiment);
            odd.into_iter().for_each(|odd| tables.oddities.put(odd));
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
        let mut tags = Spool::new(self.export.writer.scratch());
        self.tables.scan(EXPERIMENT_TAGS, |row| {
            let id = row.bytes(0).unwrap_or_default();
            let id = String::from_utf8_lossy(&id);
            if self.closure.is_all_elsewhere(&id) {
                return Ok(());
            }
            let odd = (self.closure.is_led_elsewhere(&id)).then(|| self.tables.oddities.take());
            if let Some(value) = row.value(2) {
                let id = order::experiment(&row.required_text(0));
                tags.push(&id, &(row.required_text(1), value))?;
            }
            odd.into_iter().for_each(|odd| self.tables.oddities.put(odd));
            Ok(())
        })?;
        let mut tags: Sorted<(String, Text)> = tags.finish()?;
        let mut orphans = 0;
        let mut experiments: Vec<_> = std::mem::take(&mut self.experiments.by_id)
            .into_values()
            .collect();
        experiments.sort_by_cached_key(|experiment| order::experiment(&experiment.experiment_id));
        for mut experiment in experiments {
            let id = &experiment.experiment_id;
            if self.closure.is_all_elsewhere(id) {
                continue;
            }
            self.export.count_elsewhere(self.closure.is_led_elsewhere(id));
            let own_tags = tags.of_key(&order::experiment(id), &mut orphans)?;
            match self.closure.takes(&experiment) {
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Experiments, reason, 1),
                Verdict::Kept => {
                    experiment.tags = own_tags.into_iter().collect();
                    self.export.write(&experiment)?;
                }
            }
        }
        self.export.count_elsewhere(false);
        let orphans = orphans + tags.count_rest();
        self.export
            .limit(Kind::Experiments, "tags", Reason::Orphan, orphans);
        Ok(())
    }

    pub(super) fn workspaces(&mut self) -> Result<()> {
        let mut workspaces = BTreeMap::new();
        self.tables.scan(WORKSPACES, |row| {
            let mut workspace: Workspace = pick(row);
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
