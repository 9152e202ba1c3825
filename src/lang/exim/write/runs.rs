//! Runs with their metric histories, datasets and artifacts.

use super::artifacts::Destination;
use super::dicts::{dataset_dict, point_dict};
use super::document::end;
use super::dump::{Dump, dict};
use super::experiments::Current;
use super::logged_models::LoggedModels;
use super::scratch::{Place, Scratch};
use super::traces::Traces;
use super::{Converter, Layout, Orphan, Result, fields};
use crate::archive::walk::JoinedObjects;
use crate::archive::{Archive, Result as ArchiveResult};
use crate::format::{Kind, Reason};
use crate::lang::exim::dict::Dict;
use crate::lang::exim::tags::canonical::{run_info_dict, shown_run_name, tags_dict};
use crate::model::pyjson::PyJson;
use crate::model::run::PARENT_TAG;
use crate::model::{Dataset, DatasetInput, LatestMetric, MetricSlice, Point, Run, RunInfo};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::path::Path;

const KIND: Kind = Kind::Runs;

/// A digest that stands for an id or key.
type Short = [u8; 16];

/// The runs of an archive, in step with what belongs to them.
pub(super) struct Runs<'a> {
    runs: JoinedObjects<'a, Run>,
    datasets: JoinedObjects<'a, Dataset>,
    /// Bodies of the current experiment's datasets, and of dataset inputs of runs that made models.
    bodies: Scratch,
    by_dataset: HashMap<Short, (Place, bool)>,
    by_run: HashMap<Short, Place>,
    /// Runs that made a logged model, in the whole archive.
    made_models: HashSet<Short>,
    /// Ids of the current experiment's runs that were written.
    pub(super) written: Scratch,
    /// The same, to look them up.
    written_ids: HashSet<Short>,
    /// Those of them that have a parent, with its id.
    children: Vec<(String, String)>,
    /// The name of the current experiment, as a version of one of its runs tells it.
    pub(super) told_experiment_name: Option<String>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(archive: &'a Archive, scratch: &Path) -> ArchiveResult<Self> {
        Ok(Runs {
            runs: JoinedObjects::new(archive, &[Kind::Metrics, Kind::Artifacts])?,
            datasets: JoinedObjects::new(archive, &[])?,
            bodies: Scratch::create(scratch)?,
            by_dataset: HashMap::new(),
            by_run: HashMap::new(),
            made_models: HashSet::new(),
            written: Scratch::create(scratch)?,
            written_ids: HashSet::new(),
            children: Vec::new(),
            told_experiment_name: None,
        })
    }

    /// Remembers which runs made logged models.
    pub(super) fn models_from(&mut self, models: &LoggedModels<'_>) {
        self.made_models = models.source_runs().map(|id| short(&[id])).collect();
    }

    /// The experiment of the next run or dataset.
    pub(super) fn next_experiment(&mut self) -> ArchiveResult<Option<String>> {
        let run = self.runs.peek()?.map(|run| run.info.experiment_id.clone());
        let dataset = self.datasets.peek()?.map(|dataset| dataset.experiment_id.clone());
        let ids = [run, dataset].into_iter().flatten();
        Ok(ids.min_by_key(|id| crate::format::order::experiment(id)))
    }

    /// Dataset inputs of a run of the current experiment that made a logged model.
    pub(super) fn dataset_inputs_of(&mut self, run_id: &str) -> ArchiveResult<PyJson> {
        match self.by_run.get(&short(&[run_id])) {
            Some(&place) => self.bodies.get(place),
            None => Ok(PyJson::List(Vec::new())),
        }
    }

    /// Writes the runs of an experiment, or counts them.
    pub(super) fn write(
        &mut self,
        converter: &mut Converter<'_>,
        current: &Current<'_>,
        traces: &Traces<'_>,
    ) -> Result<()> {
        self.written.clear()?;
        self.written_ids.clear();
        self.bodies.clear()?;
        self.by_dataset.clear();
        self.by_run.clear();
        self.told_experiment_name = None;
        while let Some(dataset) = self
            .datasets
            .next_if(|dataset| dataset.experiment_id == current.experiment_id)?
        {
            let place = self.bodies.push(&dataset_dict(&dataset))?;
            let key = short(&[&dataset.name, &dataset.digest]);
            self.by_dataset.insert(key, (place, false));
        }
        while let Some(run) = self
            .runs
            .next_if(|run| run.info.experiment_id == current.experiment_id)?
        {
            self.run(converter, current, &run, traces)?;
            converter.monitor.advance(1);
        }
        self.orphans(converter);
        let unused = self.by_dataset.values().filter(|(_, is_used)| !is_used).count();
        let why = current.folder.err().unwrap_or(Reason::NotHeld);
        converter.limit(Kind::Datasets, "*", why, unused as u64);
        Ok(())
    }

    fn run(
        &mut self,
        converter: &mut Converter<'_>,
        current: &Current<'_>,
        run: &Run,
        traces: &Traces<'_>,
    ) -> Result<()> {
        let id = &run.info.run_id;
        let folder = match current.member(converter, KIND, id, &run.info.lifecycle_stage)? {
            Ok(folder) => folder,
            Err(why) => return self.leave_out(converter, why),
        };
        let exported = fields::exported(KIND, id, run.exim.as_deref())?;
        let path = folder.join("run.json");
        let mut dump = converter.begin(&path, "export_run.py", None)?;
        converter.run_head(&mut dump, run, exported.as_ref())?;
        dump.key("metrics")?;
        self.metrics(converter, &mut dump, run)?;
        let tags = exported.as_ref().and_then(|exported| exported.get("tags"));
        dump.entry("tags", &fields::tags_in_order(tags, &run.tags))?;
        self.inputs(converter, &mut dump, run)?;
        let of_run = traces.of_run(id);
        if !of_run.is_empty() {
            let ids = of_run.iter().map(|id| PyJson::from(id.as_str()));
            dump.entry("traces", &PyJson::List(ids.collect()))?;
        }
        let mut extra = Dict::default();
        extra.put_extra(&run.extra);
        dump.entries(&extra.finish())?;
        end(dump)?;
        let artifacts = folder.join("artifacts");
        let destination = Destination::Folder(&artifacts);
        converter.artifacts(&mut self.runs, &destination, None)?;
        converter.wrote(KIND);
        if converter.contexts.names_run(id) {
            converter.version_runs.insert(id.clone());
        }
        if self.told_experiment_name.is_none() {
            self.told_experiment_name = converter.experiments.get(id).cloned();
        }
        self.written.push(&PyJson::from(id.as_str()))?;
        self.written_ids.insert(short(&[id]));
        if let Some(parent) = run.parent_id().filter(|parent| !parent.is_empty()) {
            self.children.push((id.clone(), parent.to_owned()));
        }
        Ok(())
    }

    /// Names the runs whose parents are not in their experiment: importers stop at them.
    fn orphans(&mut self, converter: &mut Converter<'_>) {
        for (id, parent) in std::mem::take(&mut self.children) {
            if !self.written_ids.contains(&short(&[&parent])) {
                let field = format!("tags.{PARENT_TAG}");
                converter.limit(KIND, &field, Reason::ParentNotInExport, 1);
                converter.report.orphans.push(Orphan { id, parent });
            }
        }
    }

    /// Counts a run and all that belongs to it.
    fn leave_out(&mut self, converter: &mut Converter<'_>, why: Reason) -> Result<()> {
        converter.limit(KIND, "*", why, 1);
        while let Some(slice) = self.runs.child::<MetricSlice>()? {
            converter.limit(Kind::Metrics, "*", why, slice.values.len() as u64);
        }
        converter.artifacts(&mut self.runs, &Destination::Nowhere(why), None)?;
        Ok(())
    }

    /// Writes the metric history; a metric that has a latest point and no history gets that point.
    fn metrics(&mut self, converter: &mut Converter<'_>, dump: &mut Dump, run: &Run) -> Result<()> {
        let mut latest = run.metrics.iter().peekable();
        let mut current: Option<String> = None;
        dump.begin("{")?;
        while let Some(slice) = self.runs.child::<MetricSlice>()? {
            if current.as_ref() != Some(&slice.key) {
                if current.is_some() {
                    dump.end("]")?;
                }
                while let Some((key, point)) = latest.next_if(|(key, _)| **key < slice.key) {
                    converter.latest_alone(dump, key, point)?;
                }
                latest.next_if(|(key, _)| **key == slice.key);
                dump.key(&slice.key)?;
                dump.begin("[")?;
                current = Some(slice.key.clone());
            }
            for point in slice.points() {
                dump.item()?;
                dump.value(&point_dict(&point))?;
            }
            converter.report.metric_points += slice.values.len() as u64;
        }
        if current.is_some() {
            dump.end("]")?;
        }
        for (key, point) in latest {
            converter.latest_alone(dump, key, point)?;
        }
        Ok(dump.end("}")?)
    }

    /// Writes datasets and models that a run read and made.
    fn inputs(&mut self, converter: &mut Converter<'_>, dump: &mut Dump, run: &Run) -> Result<()> {
        let mut datasets = Vec::new();
        for input in &run.inputs.dataset_inputs {
            datasets.push(self.dataset_input(converter, input)?);
        }
        let datasets = PyJson::List(datasets);
        let run_id = short(&[&run.info.run_id]);
        if self.made_models.contains(&run_id) {
            self.by_run.insert(run_id, self.bodies.push(&datasets)?);
        }
        match converter.layout {
            // As mlflow-migration has it; mlflow-export-import 1.2.0 does not look at it.
            Layout::Old => {
                dump.entry("inputs", &datasets)?;
                let (inputs, outputs) = (run.inputs.model_inputs.len(), run.outputs.model_outputs.len());
                let why = Reason::NotInOldLayout;
                converter.limit(KIND, "inputs.model_inputs", why, inputs as u64);
                converter.limit(KIND, "outputs.model_outputs", why, outputs as u64);
            }
            Layout::New => {
                let inputs = run.inputs.model_inputs.iter();
                let inputs = inputs.map(|model| dict([("model_id", model.model_id.as_str().into())]));
                let inputs = [
                    ("dataset_inputs", datasets),
                    ("model_inputs", PyJson::List(inputs.collect())),
                ];
                dump.entry("inputs", &dict(inputs))?;
                let outputs = run.outputs.model_outputs.iter();
                let outputs = outputs.map(|model| {
                    dict([
                        ("model_id", model.model_id.as_str().into()),
                        ("step", model.step.into()),
                    ])
                });
                dump.entry(
                    "outputs",
                    &dict([("model_outputs", PyJson::List(outputs.collect()))]),
                )?;
            }
        }
        Ok(())
    }

    fn dataset_input(&mut self, converter: &mut Converter<'_>, input: &DatasetInput) -> Result<PyJson> {
        converter.count_not_utf8(KIND, "inputs.dataset_inputs.tags", &input.tags);
        let body = match self.by_dataset.get_mut(&short(&[&input.name, &input.digest])) {
            Some((place, is_used)) => {
                if !std::mem::replace(is_used, true) {
                    converter.wrote(Kind::Datasets);
                }
                let place = *place;
                self.bodies.get(place)?
            }
            None => dataset_dict(&Dataset {
                name: input.name.clone(),
                digest: input.digest.clone(),
                ..Dataset::default()
            }),
        };
        Ok(dict([("dataset", body), ("tags", fields::pairs(&input.tags))]))
    }
}

impl Converter<'_> {
    /// Writes what identifies a run, and its parameters.
    fn run_head(&mut self, dump: &mut Dump, run: &Run, exported: Option<&PyJson>) -> Result<()> {
        let info = exported.and_then(|exported| exported.get("info").cloned());
        if info.is_none() {
            self.info_changed_by_export(run);
        }
        self.info_not_held(&run.info);
        self.count_not_utf8(KIND, "params", &run.params);
        self.count_not_utf8(KIND, "tags", &run.tags);
        dump.entry("info", &info.unwrap_or_else(|| run_info_dict(run)))?;
        Ok(dump.entry("params", &tags_dict(&run.params))?)
    }

    /// Counts what the exporter would not write as it is.
    fn info_changed_by_export(&mut self, run: &Run) {
        let info = &run.info;
        self.extra_not_held(KIND, "info.", &info.extra);
        self.made_up(
            KIND,
            [
                ("info.user_id", info.user_id.is_none()),
                ("info.start_time", info.start_time.is_none()),
                ("info.artifact_uri", info.artifact_uri.is_none()),
                ("info.run_name", shown_run_name(run) != info.run_name.as_deref()),
            ],
        );
        self.zero_times(KIND, [("info.end_time", info.end_time)]);
    }

    /// Counts what only file and SQL stores know of a run.
    fn info_not_held(&mut self, info: &RunInfo) {
        let told = |text: &Option<String>| text.is_some();
        self.not_held(
            KIND,
            [
                ("info.deleted_time", info.deleted_time.is_some()),
                ("info.source_type", told(&info.source_type)),
                ("info.source_name", told(&info.source_name)),
                ("info.source_version", told(&info.source_version)),
                ("info.entry_point_name", told(&info.entry_point_name)),
            ],
        );
    }

    fn latest_alone(&mut self, dump: &mut Dump, key: &str, latest: &LatestMetric) -> Result<()> {
        self.limit(Kind::Metrics, "*", Reason::LatestAsHistory, 1);
        let point = Point {
            timestamp: latest.timestamp,
            step: latest.step,
            value: latest.value,
            link: None,
        };
        dump.entry(key, &PyJson::List(vec![point_dict(&point)]))?;
        self.report.metric_points += 1;
        Ok(())
    }
}

/// Ids and keys may be long; a digest of 16 bytes tells them apart.
pub(super) fn short(parts: &[&str]) -> Short {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest[..16].try_into().expect("a digest has 32 bytes")
}
