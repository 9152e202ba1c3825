//! What is chosen, and what that needs: the rule of [`crate::select`], which every source follows too.

use super::KINDS;
use super::Select;
use super::facts::{DatasetName, RunFacts};
use super::versions::{KeptVersions, ModelKey, VersionChoice};
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::typed::typed;
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::model::{LoggedModel, ModelVersion, Run, Trace};
use crate::select::{Catalogue, Closure, RunNeeds, Selection, TimeRange, Verdict};
use serde::Deserialize as _;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::Mutex;

const EDIT: &str = "select";

struct Choose {
    closure: Closure,
    versions: KeptVersions,
    /// Whether models were asked for, so that one without versions may be meant.
    asks_models: bool,
    silent: Vec<String>,
    /// Datasets that chosen runs read, by experiment; runs come before datasets.
    datasets: Mutex<HashMap<String, HashSet<DatasetName>>>,
}

/// Works out what is chosen.
pub(in super::super) fn choose(select: &Select, view: &View<'_>) -> Result<Box<dyn Step>> {
    let selection = select.selection(EDIT)?;
    let mut catalogue = Catalogue::new(&selection, true);
    let admitted = tell_runs(select, &selection, view, &mut catalogue)?;
    let mut choice = VersionChoice::read(select, view)?;
    tell_models(select, &selection, view, &mut choice, &mut catalogue)?;
    let (closure, matched) = catalogue.close(&|_, _| RunNeeds::default())?;
    let mut versions = KeptVersions::default();
    view.for_each(Kind::ModelVersions, |line| {
        let version: ModelVersion = typed(view.archive(), &line)?;
        let is_taken = closure.takes_version(&version.name, version.run_id.as_deref());
        if is_taken && (!select.narrows_versions() || choice.takes(&version)) {
            versions.keep(version);
        } else {
            versions.drop(version);
        }
        Ok(())
    })?;
    let mut silent = matched.silent;
    if admitted.as_ref().is_some_and(HashSet::is_empty) {
        silent.extend(select.narrowings());
    }
    silent.extend(choice.silent()?);
    Ok(Box::new(Choose {
        closure,
        versions,
        asks_models: !select.models.is_empty() && !select.narrows_versions(),
        silent,
        datasets: Mutex::default(),
    }))
}

/// Tells of experiments and runs; which runs the choice may take, where not all.
fn tell_runs(
    select: &Select,
    selection: &Selection,
    view: &View<'_>,
    catalogue: &mut Catalogue,
) -> Result<Option<HashSet<String>>> {
    view.for_each_head(Kind::Experiments, |head| {
        let texts = [&head.experiment_id, &head.name].map(|value| value.as_str().unwrap_or_default());
        catalogue.experiment(texts[0], texts[1], false);
        Ok(())
    })?;
    let admitted = admitted_runs(select, &selection.time, view)?;
    view.for_each_text(Kind::Runs, |line| {
        let run: RunFacts = view.read(Kind::Runs, serde_json::from_slice(line))?;
        let (info, needs) = (&run.info, run.needs());
        let is_admitted = admitted.as_ref().is_none_or(|ids| ids.contains(&info.run_id));
        let (id, experiment) = (&info.run_id, &info.experiment_id);
        if is_admitted {
            catalogue.run(
                id,
                experiment,
                info.start_time,
                &info.lifecycle_stage,
                Some(needs),
            );
        } else {
            catalogue.unchosen_run(id, experiment, needs);
        }
        Ok(())
    })?;
    Ok(admitted)
}

/// Tells of models, versions and traces.
fn tell_models(
    select: &Select,
    selection: &Selection,
    view: &View<'_>,
    choice: &mut VersionChoice<'_>,
    catalogue: &mut Catalogue,
) -> Result<()> {
    view.for_each(Kind::LoggedModels, |line| {
        let model: LoggedModel = typed(view.archive(), &line)?;
        catalogue.logged_model(&model);
        Ok(())
    })?;
    view.for_each_head(Kind::RegisteredModels, |head| {
        catalogue.model(head.name.as_str().unwrap_or_default());
        Ok(())
    })?;
    view.for_each(Kind::ModelVersions, |line| {
        let version: ModelVersion = typed(view.archive(), &line)?;
        if !select.narrows_versions() || selection.models.matches(&version.name) && choice.takes(&version) {
            catalogue.version(&version);
        }
        Ok(())
    })?;
    view.for_each(Kind::Traces, |line| {
        let trace: Trace = typed(view.archive(), &line)?;
        catalogue.trace(&trace);
        Ok(())
    })
}

/// Runs by start time and id, the earliest on top.
type LatestRuns = BinaryHeap<Reverse<(Option<i64>, String)>>;

/// The runs that the rest of the choice may take; none where it may take all.
fn admitted_runs(select: &Select, time: &TimeRange, view: &View<'_>) -> Result<Option<HashSet<String>>> {
    if !select.narrows_runs() {
        return Ok(None);
    }
    let filter = select.run_filter(EDIT)?;
    let mut admitted = HashSet::new();
    let mut latest: HashMap<String, LatestRuns> = HashMap::new();
    view.for_each_text(Kind::Runs, |line| {
        let RunFacts { info, .. } = view.read(Kind::Runs, serde_json::from_slice(line))?;
        let has_ended = |before: i64| info.end_time.is_some_and(|end| end < before);
        if !select.ended_before.is_none_or(has_ended) || !time.contains(info.start_time) {
            return Ok(());
        }
        if let Some(filter) = &filter {
            let run: Run = view.read(Kind::Runs, serde_json::from_slice(line))?;
            if !filter.takes(&run) {
                return Ok(());
            }
        }
        match select.latest {
            None => {
                admitted.insert(info.run_id);
            }
            Some(count) => {
                let runs = latest.entry(info.experiment_id).or_default();
                runs.push(Reverse((info.start_time, info.run_id)));
                if runs.len() as u64 > count {
                    runs.pop();
                }
            }
        }
        Ok(())
    })?;
    let runs = latest.into_values().flatten();
    admitted.extend(runs.map(|Reverse((_, id))| id));
    Ok(Some(admitted))
}

fn kept(is_kept: bool) -> Fate {
    if is_kept { Fate::Kept } else { Fate::Dropped }
}

impl Choose {
    fn takes_run(&self, line: &EditedLine) -> bool {
        let info = &line.value()["info"];
        let [id, experiment] =
            [&info["run_id"], &info["experiment_id"]].map(|value| value.as_str().unwrap_or_default());
        let is_taken = self.closure.takes_run(id);
        if is_taken {
            let inputs = line.value()["inputs"]["dataset_inputs"]
                .as_array()
                .into_iter()
                .flatten();
            let names: Vec<_> = inputs
                .filter_map(|input| DatasetName::deserialize(input).ok())
                .collect();
            let mut datasets = self
                .datasets
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if !names.is_empty() {
                datasets.entry(experiment.to_owned()).or_default().extend(names);
            }
        }
        is_taken
    }

    fn takes_dataset(&self, line: &EditedLine) -> bool {
        let experiment = line.text("experiment_id");
        if self.closure.takes_whole(experiment) {
            return true;
        }
        let datasets = self
            .datasets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = datasets.get(experiment);
        let name = DatasetName::deserialize(line.value()).ok();
        read.zip(name).is_some_and(|(read, name)| read.contains(&name))
    }

    fn takes_model(&self, line: &mut EditedLine) -> bool {
        let key = model_key(line);
        let is_taken = self.closure.takes_all()
            || self.versions.has_model(&key)
            || self.asks_models && self.closure.takes_model(&key.1);
        if is_taken {
            line.rewrite(|line| {
                let aliases = line.get_mut("aliases").and_then(Value::as_object_mut);
                aliases.is_some_and(|aliases| {
                    let before = aliases.len();
                    let is_dropped = |version: u64| self.versions.has_dropped(&key, version);
                    aliases.retain(|_, version| !version.as_u64().is_some_and(is_dropped));
                    aliases.len() < before
                })
            });
        }
        is_taken
    }
}

fn model_key(line: &EditedLine) -> ModelKey {
    let workspace = line.value()["workspace"].as_str().map(str::to_owned);
    (workspace, line.text("name").to_owned())
}

impl Step for Choose {
    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    fn chooses(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let closure = &self.closure;
        Ok(kept(match line.kind() {
            Kind::Experiments => closure.takes_experiment(line.text("experiment_id")),
            Kind::Runs => self.takes_run(line),
            Kind::Datasets => self.takes_dataset(line),
            Kind::LoggedModels => closure.reaches_logged_model(line.text("model_id")),
            Kind::RegisteredModels => self.takes_model(line),
            Kind::ModelVersions => {
                let version = line.value()["version"].as_u64().unwrap_or_default();
                self.versions.has(&model_key(line), version)
            }
            Kind::Traces => closure.has_trace(line.text("trace_id")),
            Kind::EvaluationDatasets => {
                let ids = line.value()["experiment_ids"].as_array().into_iter().flatten();
                let ids: BTreeSet<_> = ids.filter_map(Value::as_str).map(str::to_owned).collect();
                closure.takes_of_experiments(&ids.into_iter().collect::<Vec<_>>())
            }
            Kind::Scorers => closure.of_experiment(line.text("experiment_id")) == Verdict::Kept,
            _ => true,
        }))
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.silent.clone())
    }
}
