//! Runs that come into another experiment, with their children, the logged models that they made, and their traces.

use super::error::{Result, TransformError};
use super::select::{DatasetName, RunFacts, see_experiments_and_runs};
use super::sought::names;
use super::step::{EditedLine, Fate, Step};
use super::typed::typed;
use super::view::View;
use crate::archive::walk::text;
use crate::format::Kind;
use crate::format::line::canonical;
use crate::model::LoggedModel;
use crate::model::printable::printable;
use crate::select::{Asked, AskedNames, Graph, GraphBuilder, Marks, NAMING_METADATA, Node, Patterns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

const EDIT: &str = "move-runs";
/// What asks for experiments and runs; models are never asked for.
const OPTIONS: [&str; 3] = ["--move-runs experiment", "--move-runs", ""];

/// Which runs, and where to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRuns {
    /// Runs by id, or the start of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
    /// All runs of experiments of these names, ids or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<String>,
    /// The experiment that they move to, by name or id.
    pub to: String,
}

impl MoveRuns {
    /// Reads `ID[,ID…]=EXPERIMENT` or `experiment:NAME=EXPERIMENT`.
    pub fn parse(text: &str) -> Option<Self> {
        let (which, to) = text.split_once('=')?;
        let mut edit = MoveRuns {
            to: to.to_owned(),
            ..MoveRuns::default()
        };
        match which.strip_prefix("experiment:") {
            Some(name) => edit.experiments.push(name.to_owned()),
            None => edit.runs = which.split(',').map(str::to_owned).collect(),
        }
        let is_told = |text: &String| !text.is_empty();
        let is_whole = is_told(&edit.to) && edit.runs.iter().chain(&edit.experiments).all(is_told);
        is_whole.then_some(edit)
    }
}

/// A dataset: experiment, name and digest.
type DatasetKey = (String, DatasetName);

struct Moving {
    to: String,
    taken: MovedObjects,
    /// Datasets that moved runs read; of each, whether a run that stays reads it too.
    datasets: HashMap<DatasetKey, bool>,
    /// Of those, the ones that come along: the target has none of that name and digest.
    coming: HashSet<DatasetKey>,
    /// Datasets that stay where they are and come along too; datasets are added after all that are there.
    copies: Mutex<BTreeMap<(String, String), Value>>,
    silent: Vec<String>,
}

/// Works out what moves.
pub(super) fn move_runs(edit: &MoveRuns, view: &View<'_>) -> Result<Box<dyn Step>> {
    let sources = names(EDIT, &edit.experiments)?;
    let mut asked = AskedNames::by(OPTIONS, &sources, &edit.runs, &Patterns::default());
    let from = see_experiments_and_runs(view, &mut asked, &sources)?;
    let matched = asked.finish()?;
    let to = target(&edit.to, view)?;
    let mut moving = Moving {
        taken: MovedObjects::find(&matched.runs, &from, &to, view)?,
        to,
        datasets: HashMap::new(),
        coming: HashSet::new(),
        copies: Mutex::default(),
        silent: matched.silent,
    };
    moving.find_datasets(view)?;
    Ok(Box::new(moving))
}

/// What moves, by its place: a bit for each object, and eight bytes for each child, logged model and trace of a run.
struct MovedObjects {
    graph: Graph,
    runs: Marks,
    has_any: bool,
}

impl MovedObjects {
    /// Runs that were asked for and their children, but those that are there already; and what names them.
    fn find(named: &[String], from: &HashSet<String>, to: &str, view: &View<'_>) -> Result<Self> {
        let mut graph = GraphBuilder::new(view.archive());
        let (mut next, mut there) = (Vec::new(), graph.marks());
        let named: HashSet<&str> = named.iter().map(String::as_str).collect();
        view.for_each_placed_text(Kind::Runs, |place, line| {
            let run: RunFacts = view.read(Kind::Runs, serde_json::from_slice(line))?;
            let (id, experiment) = (&run.info.run_id, &run.info.experiment_id);
            let node = graph.define(Kind::Runs, id, place)?;
            let parent = run.parent().unwrap_or_default();
            graph.follow(Kind::Runs, parent, node)?;
            if from.contains(experiment) || named.contains(id.as_str()) {
                next.push(node);
            }
            if experiment == to {
                there.insert(node);
            }
            Ok(())
        })?;
        view.for_each_placed(Kind::LoggedModels, |place, line| {
            let model: LoggedModel = typed(view.archive(), &line)?;
            let node = graph.define(Kind::LoggedModels, &model.model_id, place)?;
            let run = model.source_run_id.as_deref().unwrap_or_default();
            Ok(graph.need(node, Kind::Runs, run)?)
        })?;
        view.for_each_placed_text(Kind::Traces, |place, line| {
            let trace: TraceFacts = view.read(Kind::Traces, serde_json::from_slice(line))?;
            let node = graph.nameless(Kind::Traces, place)?;
            for key in NAMING_METADATA {
                let id = trace.trace_metadata[key].as_str().unwrap_or_default();
                for kind in [Kind::Runs, Kind::LoggedModels] {
                    graph.need(node, kind, id)?;
                }
            }
            Ok(())
        })?;
        let graph = graph.finish()?;
        let mut runs = graph.marks();
        graph.close(&mut runs, next);
        there.all().for_each(|node| runs.remove(node));
        let has_any = runs.all().next().is_some();
        Ok(MovedObjects { graph, runs, has_any })
    }

    /// Whether an object moves: a run, or what names one that does, at once or by a logged model.
    fn has(&self, kind: Kind, place: u64) -> bool {
        let node = self.graph.node(kind, place);
        node.is_some_and(|node| {
            self.runs.contains(node)
                || kind != Kind::Runs && self.graph.brought_by(node).any(|named| self.has_named(named))
        })
    }

    fn has_named(&self, node: Node) -> bool {
        let is_model = self.graph.is(Kind::LoggedModels, node);
        self.runs.contains(node) || is_model && self.graph.brought_by(node).any(|run| self.runs.contains(run))
    }
}

/// The id of the experiment that a name or an id means.
fn target(to: &str, view: &View<'_>) -> Result<String> {
    let mut asked = Asked::exact("--move-runs to", vec![to.to_owned()]);
    let (mut by_id, mut by_name) = (None, Vec::new());
    view.for_each_head(Kind::Experiments, |head| {
        let [id, name] = [text(&head.experiment_id), text(&head.name)];
        asked.see(&[id, name]);
        if id == to {
            by_id = Some(id.to_owned());
        }
        if name == to {
            by_name.push(id.to_owned());
        }
        Ok(())
    })?;
    asked.silent()?;
    match (by_id, by_name.as_slice()) {
        (_, [one]) => Ok(one.clone()),
        (Some(id), _) => Ok(id),
        (None, several) => Err(TransformError::because(
            EDIT,
            format!(
                "`{}` is the name of the experiments {}",
                printable(to),
                several.join(", ")
            ),
        )),
    }
}

impl Moving {
    fn find_datasets(&mut self, view: &View<'_>) -> Result<()> {
        let mut read_by_others = HashSet::new();
        view.for_each_placed_text(Kind::Runs, |place, line| {
            let run: RunFacts = view.read(Kind::Runs, serde_json::from_slice(line))?;
            let experiment = run.info.experiment_id;
            let read = run
                .inputs
                .dataset_inputs
                .into_iter()
                .map(|name| (experiment.clone(), name));
            if self.taken.has(Kind::Runs, place) {
                self.datasets.extend(read.map(|dataset| (dataset, false)));
            } else {
                read_by_others.extend(read);
            }
            Ok(())
        })?;
        for (dataset, is_read) in &mut self.datasets {
            *is_read = read_by_others.contains(dataset);
        }
        let mut there = BTreeSet::new();
        view.for_each_placed_text(Kind::Datasets, |_, line| {
            let found: Found = view.read(Kind::Datasets, serde_json::from_slice(line))?;
            if found.experiment_id == self.to {
                there.insert(found.dataset);
            }
            Ok(())
        })?;
        // Of several experiments that have a dataset of one name and digest, the first lends it.
        let mut lenders: Vec<_> = self.datasets.keys().cloned().collect();
        lenders.sort();
        let is_missing = |(_, name): &DatasetKey| there.insert(name.clone());
        self.coming = lenders.into_iter().filter(is_missing).collect();
        Ok(())
    }

    fn dataset(&self, line: &mut EditedLine) -> Result<Fate> {
        let Ok(found) = Found::deserialize(line.value()) else {
            return Ok(Fate::Kept);
        };
        let key = (found.experiment_id, found.dataset);
        let Some(&is_read_by_others) = self.datasets.get(&key) else {
            return Ok(Fate::Kept);
        };
        match (self.coming.contains(&key), is_read_by_others) {
            (true, false) => self.put(line),
            (true, true) => {
                let mut copy = line.value().clone();
                copy["experiment_id"] = self.to.as_str().into();
                let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
                copies.insert((key.1.name, key.1.digest), copy);
            }
            (false, true) => {}
            (false, false) => return Ok(Fate::Dropped),
        }
        Ok(Fate::Kept)
    }

    /// Puts an object into the experiment.
    fn put(&self, line: &mut EditedLine) {
        let new = Value::from(self.to.as_str());
        line.rewrite_fields(|object| object.insert("experiment_id".to_owned(), new.clone()) != Some(new));
    }
}

/// What a trace says of runs and models.
#[derive(Deserialize)]
struct TraceFacts {
    #[serde(default)]
    trace_metadata: Value,
}

/// Which dataset a line is.
#[derive(Deserialize)]
struct Found {
    experiment_id: String,
    #[serde(flatten)]
    dataset: DatasetName,
}

impl Step for Moving {
    fn looks_at(&self, kind: Kind) -> bool {
        kind.has_ids_of_its_own() || kind == Kind::Datasets
    }

    fn moves(&self, kind: Kind) -> bool {
        self.taken.has_any && self.looks_at(kind)
    }

    fn judges(&self, kind: Kind, place: u64) -> Option<Fate> {
        (kind != Kind::Datasets && !self.taken.has(kind, place)).then_some(Fate::Kept)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        match line.kind() {
            Kind::Datasets => return self.dataset(line),
            kind if !self.taken.has(kind, line.place()) => {}
            _ => self.put(line),
        }
        Ok(Fate::Kept)
    }

    fn add(&self, kind: Kind, add: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if kind != Kind::Datasets {
            return Ok(());
        }
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        copies.values().try_for_each(|copy| add(&canonical(copy)))
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.silent.clone())
    }
}
