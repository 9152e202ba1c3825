//! Tells what lies in a store, by id: what a selection is worked out from. Done only where there is a selection.

use super::dataset::{self, DatasetIndex};
use super::experiment::FoundExperiment;
use super::exporter::NEVER_RUNS;
use super::folder::Folder;
use super::index::{Described, Indexed, Place, describe, index};
use super::notes::Notes;
use super::registry;
use super::run::{RunFolder, read_for_filter};
use super::store::{MODELS, Store};
use crate::archive::parallel::{Pool, map_ordered};
use crate::model::lifecycle;
use crate::model::run::PARENT_TAG;
use crate::model::{LoggedModel, Run, RunInfo, Trace};
use crate::select::{Catalogue, Closure, Matched, NAMING_METADATA, NoMatch, RunFilter, RunNeeds, Selection};
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

/// Works out what a selection takes, and finds what it asks for by name.
///
/// # Errors
/// A name or id that nothing has, or the start of several ids.
pub(super) fn close(
    store: &Arc<Store>,
    pool: &Pool,
    experiments: &[FoundExperiment],
    selection: &Selection,
    include_deleted: bool,
) -> Result<(Closure, Matched), NoMatch> {
    let mut telling = Telling {
        store,
        pool,
        catalogue: Catalogue::new(selection, include_deleted),
        filter: selection.filter.clone(),
    };
    for experiment in experiments {
        (telling.catalogue).experiment(&experiment.id, &experiment.name, experiment.is_deleted);
    }
    if !selection.takes_all_objects() {
        for experiment in experiments {
            telling.experiment(experiment);
        }
        telling.registry();
    }
    let paths = experiments.iter().map(|found| (found.id.as_str(), &found.path));
    let paths: HashMap<_, _> = paths.collect();
    telling.catalogue.close(&|run_id, experiment_id| {
        let path = paths.get(experiment_id).map(|path| path.join(run_id));
        path.map_or_else(RunNeeds::default, |path| needs_of_run(store, &path, run_id))
    })
}

/// Reads what objects say of one another; what cannot be read is found again when its turn comes.
struct Telling<'a> {
    store: &'a Arc<Store>,
    pool: &'a Pool,
    catalogue: Catalogue,
    filter: Option<RunFilter>,
}

impl Telling<'_> {
    fn experiment(&mut self, experiment: &FoundExperiment) {
        let place = Arc::new(Place {
            experiment_id: experiment.id.clone(),
            is_deleted: experiment.is_deleted,
        });
        let (runs, notes) = index::<RunInfo>(self.store, self.pool, &experiment.path, NEVER_RUNS, &place);
        for run_id in notes.into_ids() {
            self.catalogue.unread_run(&run_id);
        }
        for run in &runs {
            let stage = lifecycle::stage(run.is_deleted);
            (self.catalogue).run(&run.id, &experiment.id, run.time, stage, None);
        }
        self.filtered_runs(&experiment.path, &place, runs);
        let path = experiment.path.join(MODELS);
        self.each(&path, &place, |catalogue, model: LoggedModel| {
            catalogue.logged_model(&model);
        });
        let (store, path) = (self.store, experiment.path.join("traces"));
        self.each(&path, &place, |catalogue, mut trace: Trace| {
            let folder = store.open(&path.join(&trace.trace_id).join("request_metadata"));
            let named = |key: &str| Some((key.to_owned(), text_of(folder.as_ref().ok()?, key)?.into()));
            trace.trace_metadata = NAMING_METADATA.into_iter().filter_map(named).collect();
            catalogue.trace(&trace);
        });
    }

    /// Reads the runs that a filter asks of.
    fn filtered_runs(&mut self, path: &Path, place: &Arc<Place>, mut runs: Vec<Indexed<RunInfo>>) {
        runs.retain(|run| self.catalogue.asks_of_run(&place.experiment_id, run.time));
        let Some(filter) = self.filter.clone().filter(|_| !runs.is_empty()) else {
            return;
        };
        let datasets = dataset::index(self.store, path, &place.experiment_id, &mut Notes::default());
        let folder = RunFolder {
            place: place.clone(),
            path: path.to_owned(),
            datasets,
        };
        let store = self.store.clone();
        let work = move |found| read_for_filter(&store, &folder, found, |key| filter.asks_of_metric(key));
        let window = self.pool.threads() * 4;
        let told = map_ordered(self.pool, window, runs, work, |run: Option<Run>| {
            if let Some(run) = run {
                self.catalogue.filtered_run(&run);
            }
            Ok::<_, Infallible>(())
        });
        told.unwrap_or_else(|never| match never {});
    }

    /// Tells of the objects of a folder by what their files say.
    fn each<T: Described>(&mut self, path: &Path, place: &Arc<Place>, tell: impl Fn(&mut Catalogue, T)) {
        let (objects, _) = index::<T>(self.store, self.pool, path, &[], place);
        let Ok(folder) = self.store.open(path) else { return };
        for found in objects {
            let read = || describe(&folder, &found.id, place, &mut Vec::new(), &mut Notes::default());
            if let Some(object) = found.held.or_else(read) {
                tell(&mut self.catalogue, object);
            }
        }
    }

    fn registry(&mut self) {
        let found = registry::find_all(self.store, &mut Notes::default()).unwrap_or_default();
        for model in found {
            for version in model.versions(self.store, &mut Notes::default()) {
                self.catalogue.version(&version);
            }
            self.catalogue.model(&model.name);
        }
    }
}

/// The parent of a run and the logged models that it names.
fn needs_of_run(store: &Store, path: &Path, run_id: &str) -> RunNeeds {
    let tags = store.open(&path.join("tags"));
    let mut needs = RunNeeds {
        parent: tags.ok().and_then(|tags| text_of(&tags, PARENT_TAG)),
        logged_models: Vec::new(),
    };
    let Ok(folder) = store.open(path) else {
        return needs;
    };
    let mut ignored = Notes::default();
    if folder.has("inputs") {
        let none = DatasetIndex::new();
        let inputs = dataset::inputs(&folder, run_id, &none, &mut Vec::new(), &mut ignored);
        let read = inputs.model_inputs.into_iter().map(|input| input.model_id);
        needs.logged_models.extend(read);
    }
    if folder.has("outputs") {
        let outputs = dataset::outputs(&folder, run_id, &mut ignored);
        let made = outputs.model_outputs.into_iter().map(|output| output.model_id);
        needs.logged_models.extend(made);
    }
    needs
}

/// The text of a small file, where it can be read.
fn text_of(folder: &Folder, name: &str) -> Option<String> {
    let mut buffer = Vec::new();
    let bytes = folder.read(name.as_bytes(), &mut buffer).ok()?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
