//! What is chosen, and what that needs: the rule of [`crate::select`], which every source follows too.

use super::facts::RunFacts;
use super::only::Only;
use super::taken::{Scan, Taken};
use super::versions::{KeptVersions, ModelKey, VersionChoice};
use super::{Select, is_chosen_by_line, kept};
use crate::archive::walk::{Head, text};
use crate::flow::transform::error::Result;
use crate::flow::transform::sought::names;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::typed::typed;
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::model::{ModelVersion, Run};
use crate::select::{AskedNames, Closure, Node, RunFilter, TimeRange, Verdict};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

const EDIT: &str = "select";

struct Choose {
    closure: Closure,
    taken: Taken,
    versions: KeptVersions,
    /// Whether models were asked for, so that one without versions may be meant.
    asks_models: bool,
    only: Option<Only>,
    silent: Vec<String>,
}

/// Works out what is chosen.
pub(in super::super) fn choose(select: &Select, view: &View<'_>) -> Result<Box<dyn Step>> {
    let selection = select.selection(EDIT)?;
    let mut asked = selection.asked();
    let mut closure = Closure::new(&selection, true);
    view.for_each_head(Kind::Experiments, |head| {
        let texts = [&head.experiment_id, &head.name].map(text);
        asked.experiments.see(&texts);
        closure.experiment(texts[0], texts[1], false);
        Ok(())
    })?;
    let mut choice = VersionChoice::read(select, view)?;
    let mut reading = Reading {
        select,
        view,
        closure: &closure,
        asked: &mut asked,
        scan: Scan::new(view.archive(), true),
        latest: HashMap::new(),
    };
    let admits_any = reading.runs()?;
    reading.models_and_traces()?;
    reading.versions(&mut choice)?;
    let mut scan = reading.scan;
    let matched = asked.finish()?;
    closure.asked_runs(&matched.runs);
    if !select.runs.is_empty() {
        view.for_each_placed_text(Kind::Runs, |place, line| {
            let head = view.read(Kind::Runs, Head::read(Kind::Runs, line))?;
            scan.judge_run(place, |is_chosen| {
                is_chosen && closure.names_run(text(&head.run_id))
            })
        })?;
    }
    let taken = scan.take(select.models.is_empty())?;
    for id in taken.experiments() {
        closure.need_experiment(id);
    }
    let mut versions = KeptVersions::default();
    view.for_each_placed(Kind::ModelVersions, |place, line| {
        let version: ModelVersion = typed(view.archive(), &line)?;
        let is_taken = closure.takes_model(&version.name) || taken.has_run_of_version(place);
        let is_kept = is_taken && (!select.narrows_versions() || choice.takes(&version));
        versions.judge(version, is_kept);
        Ok(())
    })?;
    let mut silent = [
        matched.silent,
        silent_of(select, admits_any, &taken),
        choice.silent()?,
    ]
    .concat();
    let only = Only::of(select, EDIT, view, &mut silent)?;
    Ok(Box::new(Choose {
        only,
        closure,
        taken,
        versions,
        asks_models: !select.models.is_empty() && !select.narrows_versions(),
        silent,
    }))
}

/// Options by which nothing was chosen, as they are told.
fn silent_of(select: &Select, admits_any: bool, taken: &Taken) -> Vec<String> {
    match admits_any {
        false => select.narrowings(),
        true if taken.is_empty() => select.times().collect(),
        true => Vec::new(),
    }
}

/// What is read of an archive before anything is chosen.
struct Reading<'r, 'v> {
    select: &'r Select,
    view: &'r View<'v>,
    closure: &'r Closure,
    asked: &'r mut AskedNames,
    scan: Scan,
    /// The latest runs so far, by experiment: of the one at hand alone, where runs come by experiment.
    latest: HashMap<String, LatestRuns>,
}

/// Runs by start time and id, the earliest on top, with their numbers.
type LatestRuns = BinaryHeap<Reverse<(Option<i64>, String, Node)>>;

impl Reading<'_, '_> {
    /// Reads runs; whether some meet what only their lines tell, where that is asked for.
    fn runs(&mut self) -> Result<bool> {
        let (select, view) = (self.select, self.view);
        let filter = select.run_filter(EDIT)?;
        let is_in_order = !view.is_edited(Kind::Runs);
        let mut admits_any = !select.narrows_runs();
        view.for_each_placed_text(Kind::Runs, |place, line| {
            let run: RunFacts = view.read(Kind::Runs, serde_json::from_slice(line))?;
            let info = &run.info;
            self.asked.runs.see(&[&info.run_id]);
            let node = self.scan.run(&run, place)?;
            if select.narrows_runs() && !self.meets(&run, filter.as_ref(), line)? {
                return Ok(());
            }
            admits_any = true;
            if !self.closure.admits_run(&info.experiment_id, info.start_time) {
                return Ok(());
            }
            let Some(most) = select.latest else {
                self.scan.choose(node);
                return Ok(());
            };
            if is_in_order && !self.latest.contains_key(&info.experiment_id) {
                self.choose_latest();
            }
            let latest = self.latest.entry(info.experiment_id.clone()).or_default();
            latest.push(Reverse((info.start_time, info.run_id.clone(), node)));
            if latest.len() as u64 > most {
                latest.pop();
            }
            Ok(())
        })?;
        self.choose_latest();
        Ok(admits_any)
    }

    fn choose_latest(&mut self) {
        let latest = self.latest.drain().flat_map(|(_, runs)| runs);
        latest.for_each(|Reverse((_, _, node))| self.scan.choose(node));
    }

    /// Whether a run meets what only its line tells.
    fn meets(&self, run: &RunFacts, filter: Option<&RunFilter>, line: &[u8]) -> Result<bool> {
        let info = &run.info;
        let has_ended = |before: i64| info.end_time.is_some_and(|end| end < before);
        let is_in_time =
            |since: Option<i64>, until: Option<i64>| TimeRange { since, until }.contains(info.start_time);
        if !self.select.ended_before.is_none_or(has_ended)
            || !is_in_time(self.select.since, self.select.until)
        {
            return Ok(false);
        }
        let Some(filter) = filter else {
            return Ok(true);
        };
        let run: Run = self.view.read(Kind::Runs, serde_json::from_slice(line))?;
        Ok(filter.takes(&run))
    }

    fn models_and_traces(&mut self) -> Result<()> {
        let closure = self.closure;
        self.scan.others(
            self.view,
            |model| {
                let run = model.source_run_id.as_deref();
                closure.chooses(&model.experiment_id, run, model.creation_timestamp_ms)
            },
            |trace| closure.chooses_trace(trace),
        )
    }

    fn versions(&mut self, choice: &mut VersionChoice<'_>) -> Result<()> {
        let (select, view) = (self.select, self.view);
        let models = names(EDIT, &select.models)?;
        view.for_each_head(Kind::RegisteredModels, |head| {
            self.asked.models.see(&[text(&head.name)]);
            Ok(())
        })?;
        view.for_each_placed(Kind::ModelVersions, |place, line| {
            let version: ModelVersion = typed(view.archive(), &line)?;
            if !select.narrows_versions() || models.matches(&version.name) && choice.takes(&version) {
                self.asked.models.see(&[&version.name]);
                let is_chosen = self.closure.takes_model(&version.name);
                self.scan.version(&version, place, is_chosen)?;
            }
            Ok(())
        })
    }
}

impl Choose {
    fn takes(&self, kind: Kind, place: u64) -> bool {
        self.closure.takes_all() || self.taken.has(kind, place)
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
    fn looks_at(&self, kind: Kind) -> bool {
        is_chosen_by_line(kind) || kind == Kind::Workspaces && self.only.is_some()
    }

    fn chooses(&self) -> bool {
        true
    }

    fn judges(&self, kind: Kind, place: u64) -> Option<Fate> {
        let is_judged = kind.has_ids_of_its_own() && self.only.is_none();
        is_judged.then(|| kept(self.takes(kind, place)))
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if !self.only.as_ref().is_none_or(|only| only.takes(line)) {
            return Ok(Fate::Dropped);
        }
        let closure = &self.closure;
        Ok(kept(match line.kind() {
            Kind::Experiments => closure.takes_experiment(line.text("experiment_id")),
            Kind::Datasets => {
                closure.takes_whole(line.text("experiment_id")) || self.takes(Kind::Datasets, line.place())
            }
            Kind::RegisteredModels => self.takes_model(line),
            Kind::ModelVersions => {
                let version = line.value()["version"].as_u64().unwrap_or_default();
                self.versions.has(&model_key(line), version)
            }
            Kind::EvaluationDatasets => {
                let ids = line.value()["experiment_ids"].as_array().into_iter().flatten();
                let ids: BTreeSet<_> = ids.filter_map(Value::as_str).map(str::to_owned).collect();
                closure.takes_of_experiments(&ids.into_iter().collect::<Vec<_>>())
            }
            Kind::Scorers => closure.of_experiment(line.text("experiment_id")) == Verdict::Kept,
            kind => !kind.has_ids_of_its_own() || self.takes(kind, line.place()),
        }))
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.silent.clone())
    }
}
