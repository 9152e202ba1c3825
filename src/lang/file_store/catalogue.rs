//! What lies in a store, by id: what a selection is worked out from. Made only where there is a selection.

use super::dataset::{self, DatasetIndex};
use super::experiment::FoundExperiment;
use super::exporter::NEVER_RUNS;
use super::folder::Folder;
use super::index::{Described, Indexed, Place, index};
use super::notes::Notes;
use super::registry;
use super::store::{MODELS, Store};
use crate::archive::parallel::Pool;
use crate::model::{LoggedModel, RunInfo, Trace};
use crate::select::NAMING_METADATA;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// The objects of a store, as far as they name one another.
pub(super) struct Catalogue {
    pub(super) experiments: Vec<FoundExperiment>,
    pub(super) runs: HashMap<String, CataloguedRun>,
    pub(super) logged_models: HashMap<String, CataloguedObject>,
    pub(super) traces: HashMap<String, CataloguedObject>,
    pub(super) models: Vec<String>,
    pub(super) versions: Vec<CataloguedVersion>,
    models_of_runs: HashMap<String, Vec<String>>,
    unread_runs: HashSet<String>,
    include_deleted: bool,
    store: Arc<Store>,
}

/// A run.
pub(super) struct CataloguedRun {
    /// Place of its experiment in the list.
    pub(super) experiment: usize,
    pub(super) start_time: Option<i64>,
    /// Whether it is left out since it is deleted.
    pub(super) is_left_out: bool,
}

/// A logged model or a trace.
pub(super) struct CataloguedObject {
    /// Place of its experiment in the list.
    pub(super) experiment: usize,
    pub(super) time: Option<i64>,
    /// The run that made it.
    pub(super) run_id: Option<String>,
    /// The logged model that made it.
    pub(super) model_id: Option<String>,
    /// Whether it is left out since it is deleted.
    pub(super) is_left_out: bool,
}

/// A model version.
pub(super) struct CataloguedVersion {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) run_id: Option<String>,
    pub(super) model_id: Option<String>,
    /// Whether it is left out since it is deleted.
    pub(super) is_left_out: bool,
}

/// What a run cannot do without.
pub(super) struct Needs {
    pub(super) parent: Option<String>,
    pub(super) logged_models: Vec<String>,
}

impl Catalogue {
    /// Reads what all objects say of one another; what cannot be read is found again when its turn comes.
    pub(super) fn read(
        store: &Arc<Store>,
        pool: &Pool,
        experiments: &[FoundExperiment],
        include_deleted: bool,
    ) -> Self {
        let mut catalogue = Catalogue {
            experiments: experiments.to_vec(),
            runs: HashMap::new(),
            logged_models: HashMap::new(),
            traces: HashMap::new(),
            models: Vec::new(),
            versions: Vec::new(),
            models_of_runs: HashMap::new(),
            unread_runs: HashSet::new(),
            include_deleted,
            store: store.clone(),
        };
        for (number, experiment) in experiments.iter().enumerate() {
            catalogue.add_experiment(pool, number, experiment);
        }
        let found = registry::find_all(store, &mut Notes::default()).unwrap_or_default();
        for model in found {
            for version in model.versions(store, &mut Notes::default()) {
                catalogue.versions.push(CataloguedVersion {
                    is_left_out: version.is_deleted() && !include_deleted,
                    model_id: version.logged_model_id().map(str::to_owned),
                    name: version.name,
                    version: version.version,
                    run_id: version.run_id.filter(|id| !id.is_empty()),
                });
            }
            catalogue.models.push(model.name);
        }
        catalogue
    }

    fn add_experiment(&mut self, pool: &Pool, number: usize, experiment: &FoundExperiment) {
        let place = Arc::new(Place {
            experiment_id: experiment.id.clone(),
            is_deleted: experiment.is_deleted,
        });
        let (runs, notes) = index::<RunInfo>(&self.store, pool, &experiment.path, NEVER_RUNS, &place);
        self.unread_runs.extend(notes.into_ids());
        for run in runs {
            let start_time = run.time;
            let run_of = CataloguedRun {
                experiment: number,
                start_time,
                is_left_out: run.is_deleted && !self.include_deleted,
            };
            self.runs.insert(run.id, run_of);
        }
        let path = experiment.path.join(MODELS);
        for (model, found) in self.objects::<LoggedModel>(pool, &path, &place) {
            let run_id = model.and_then(|model| model.source_run_id);
            let run_id = run_id.filter(|id| !id.is_empty());
            if let Some(run_id) = &run_id {
                let models = self.models_of_runs.entry(run_id.clone()).or_default();
                models.push(found.id.clone());
            }
            let object = CataloguedObject {
                experiment: number,
                time: found.time,
                run_id,
                model_id: None,
                is_left_out: found.is_deleted && !self.include_deleted,
            };
            self.logged_models.insert(found.id, object);
        }
        let path = experiment.path.join("traces");
        for (_, found) in self.objects::<Trace>(pool, &path, &place) {
            let folder = self.store.open(&path.join(&found.id).join("request_metadata"));
            let metadata = |key: &str| text_of(folder.as_ref().ok()?, key);
            let object = CataloguedObject {
                experiment: number,
                time: found.time,
                run_id: metadata(NAMING_METADATA[0]),
                model_id: metadata(NAMING_METADATA[1]),
                is_left_out: found.is_deleted && !self.include_deleted,
            };
            self.traces.insert(found.id, object);
        }
    }

    /// The objects of a folder, with what their files say.
    fn objects<T: Described>(
        &self,
        pool: &Pool,
        path: &Path,
        place: &Arc<Place>,
    ) -> Vec<(Option<T>, Indexed<T>)> {
        let (objects, _) = index::<T>(&self.store, pool, path, &[], place);
        let folder = self.store.open(path).ok();
        let read = |id: &str| {
            let folder = folder.as_ref()?;
            super::index::describe(folder, id, place, &mut Vec::new(), &mut Notes::default())
        };
        objects
            .into_iter()
            .map(|mut found| (found.held.take().or_else(|| read(&found.id)), found))
            .collect()
    }

    /// Ids of all runs, readable or not.
    pub(super) fn run_ids(&self) -> impl Iterator<Item = &String> {
        self.runs.keys().chain(&self.unread_runs)
    }

    /// The parent and the logged models of a run.
    pub(super) fn needs_of_run(&self, id: &str, run: &CataloguedRun) -> Needs {
        let path = self.experiments[run.experiment].path.join(id);
        let tags = self.store.open(&path.join("tags"));
        let parent = tags.ok().and_then(|tags| text_of(&tags, "mlflow.parentRunId"));
        let mut logged_models = self.models_of_runs.get(id).cloned().unwrap_or_default();
        if let Ok(folder) = self.store.open(&path) {
            let mut ignored = Notes::default();
            if folder.has("inputs") {
                let none = DatasetIndex::new();
                let inputs = dataset::inputs(&folder, id, &none, &mut Vec::new(), &mut ignored);
                logged_models.extend(inputs.model_inputs.into_iter().map(|input| input.model_id));
            }
            if folder.has("outputs") {
                let outputs = dataset::outputs(&folder, id, &mut ignored);
                logged_models.extend(outputs.model_outputs.into_iter().map(|output| output.model_id));
            }
        }
        Needs {
            parent,
            logged_models,
        }
    }
}

/// The text of a small file, where it can be read.
fn text_of(folder: &Folder, name: &str) -> Option<String> {
    let mut buffer = Vec::new();
    let bytes = folder.read(name.as_bytes(), &mut buffer).ok()?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
