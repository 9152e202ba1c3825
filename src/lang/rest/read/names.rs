//! What was asked for by name, sought on a server before anything of it is taken: a name may be in any of its workspaces.

use super::choice::Choices;
use super::exporter::{Exporter, Place};
use super::server::Server;
use crate::lang::rest::read::run_pages::{get, ids_starting};
use crate::lang::session::{Export, ExportError};
use crate::select::{AskedNames, Closure};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A workspace that was looked through.
pub(super) struct Found {
    pub(super) place: Place,
    /// Experiments whose runs are looked through.
    pub(super) looked_through: Vec<String>,
    /// Runs whose ids begin as one that was asked for.
    pub(super) runs: Vec<String>,
}

/// Looks through workspaces, and exports them when all that was asked for is found.
pub(super) struct Finder {
    asked: AskedNames,
    found: Vec<Found>,
}

impl Finder {
    pub(super) fn new(export: &Export<'_>) -> Self {
        Finder {
            asked: export.options.selection.asked(),
            found: Vec::new(),
        }
    }

    /// Looks through a workspace.
    pub(super) fn look(
        &mut self,
        export: &mut Export<'_>,
        server: Arc<Server>,
        registry_server: Arc<Server>,
        workspace: Option<String>,
    ) -> Result<(), ExportError> {
        let options = &export.options;
        let place = Place {
            closure: Closure::new(&options.selection, options.include_deleted),
            server,
            registry_server,
            experiments: BTreeMap::new(),
            workspace,
        };
        let found = Exporter::new(export, place).find(&mut self.asked)?;
        self.found.push(found);
        Ok(())
    }

    /// Exports what was looked through; what was taken of each workspace.
    pub(super) fn export(
        self,
        export: &mut Export<'_>,
        mut choices: Option<Choices>,
    ) -> Result<Choices, ExportError> {
        export.matched(self.asked.finish()?);
        let mut taken = Choices::new();
        for found in self.found {
            let workspace = found.place.workspace.clone();
            // Of a workspace that came meanwhile, nothing was chosen.
            let chosen = choices
                .as_mut()
                .map(|choices| choices.remove(&workspace).unwrap_or_default());
            taken.insert(workspace, Exporter::run(export, found, chosen)?);
        }
        let silent = taken.values().map(|chosen| chosen.closure.silent_filter());
        let silent: Option<Vec<_>> = silent.collect();
        if let Some(filter) = silent.and_then(|mut silent| silent.pop()) {
            export.silent(filter);
        }
        Ok(taken)
    }
}

impl Exporter<'_, '_> {
    fn find(mut self, asked: &mut AskedNames) -> Result<Found, ExportError> {
        let looked_through = self.find_experiments()?;
        for experiment in self.experiments.values() {
            asked
                .experiments
                .see(&[&experiment.experiment_id, &experiment.name]);
        }
        self.find_registry(asked)?;
        let runs = self.find_runs()?;
        runs.iter().for_each(|run_id| asked.runs.see(&[run_id]));
        let place = Place {
            closure: self.closure.take(),
            server: self.server,
            registry_server: self.registry_server,
            experiments: self.experiments,
            workspace: self.workspace,
        };
        Ok(Found {
            place,
            looked_through,
            runs,
        })
    }

    /// Runs that were asked for by id or by the start of it, by whole id.
    fn find_runs(&self) -> Result<Vec<String>, ExportError> {
        let experiments: Vec<_> = self.experiments.keys().cloned().collect();
        let mut found = Vec::new();
        for run_id in &self.export.options.selection.runs {
            match get(&self.server, run_id) {
                Ok(_) => found.push(run_id.clone()),
                Err(error) if error.is_refused() => {
                    let ids = ids_starting(&self.server, &experiments, run_id);
                    found.extend(ids.map_err(|error| self.server.error(&error))?);
                }
                Err(error) => return Err(self.server.error(&error)),
            }
        }
        Ok(found)
    }
}
