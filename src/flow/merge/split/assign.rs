//! Which part each object of an archive belongs to, and what else each part needs.

use super::SplitBy;
use super::closure::{Closed, Stretches};
use super::needs::{ModelNames, OtherNames, RunNames, TraceNames, VersionNames};
use super::weight::{Filling, Weight, for_each_weight};
use crate::archive::Archive;
use crate::archive::walk::each_line;
use crate::flow::merge::Result;
use crate::flow::merge::orphans::Orphans;
use crate::flow::merge::survey::Names;
use crate::format::Kind;
use crate::model::DEFAULT_WORKSPACE;
use crate::select::{Graph, GraphBuilder, Node};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The home of what has none of its own: it goes to the first part.
pub(super) const NOWHERE: i64 = i64::MIN;

/// Where all objects of an archive go.
pub(super) struct Assigned {
    pub(super) by: SplitBy,
    /// What is in each part, for a person.
    pub(super) labels: Vec<String>,
    numbers: BTreeMap<i64, usize>,
    experiments: HashMap<String, i64>,
    workspaces: HashMap<String, i64>,
    /// Traces that nothing made, by their places, where parts are by size.
    traces: HashMap<u64, i64>,
    closed: Closed,
}

impl Assigned {
    /// Reads an archive.
    pub(super) fn read(archive: &Archive, by: SplitBy, orphans: &Orphans) -> Result<Self> {
        let names = Names::read(archive)?;
        let mut homes = Homes::new(archive, by, &names)?;
        if let SplitBy::Size(most_bytes) = by {
            homes.weigh(archive, most_bytes, orphans)?;
        }
        let (graph, seeds) = homes.read_names(archive)?;
        homes.read_homes(archive, &graph)?;
        let numbers = homes.numbers();
        let labels = match numbers.len() {
            0 => vec![String::new()],
            _ => numbers.keys().map(|home| homes.label(*home)).collect(),
        };
        let by_home = numbers.iter().map(|(home, number)| (*home, *number)).collect();
        Ok(Assigned {
            by,
            labels,
            experiments: homes.experiments,
            workspaces: homes.workspaces,
            traces: homes.traces,
            closed: Closed::new(graph, homes.stretches, by_home, &seeds),
            numbers,
        })
    }

    fn number(&self, home: i64) -> usize {
        self.numbers.get(&home).copied().unwrap_or(0)
    }

    /// The part of an experiment, where parts are made of experiments.
    pub(super) fn of_experiment(&self, id: &str) -> Option<usize> {
        match self.by {
            SplitBy::Experiment | SplitBy::Workspace => {
                self.experiments.get(id).map(|home| self.number(*home))
            }
            SplitBy::Size(_) | SplitBy::Time(_) => None,
        }
    }

    /// The part of a workspace, where parts are made of them.
    pub(super) fn of_workspace(&self, name: Option<&str>) -> Option<usize> {
        if self.by != SplitBy::Workspace {
            return None;
        }
        let home = self.workspaces.get(name.unwrap_or(DEFAULT_WORKSPACE));
        home.map(|home| self.number(*home))
    }

    /// Parts of a run or a logged model, by its place among its kind.
    pub(super) fn of_maker(&self, kind: Kind, place: u64) -> BTreeSet<usize> {
        self.closed.parts(kind, place)
    }

    /// Parts of a trace: its own, and those of what made it.
    pub(super) fn of_trace(&self, place: u64, trace: &TraceNames) -> BTreeSet<usize> {
        let named = |kind| self.closed.parts_of_named(Kind::Traces, place, kind);
        let mut parts = named(Kind::Runs);
        parts.extend(named(Kind::LoggedModels));
        parts.extend(self.of_experiment(trace.experiment_id.or_empty()));
        if parts.is_empty() {
            let home = match self.by {
                SplitBy::Time(every) => every.home(trace.request_time),
                _ => self.traces.get(&place).copied().unwrap_or(NOWHERE),
            };
            parts.insert(self.number(home));
        }
        parts
    }

    /// Parts of a version: its workspace's, or those of the run that made it, or of its logged model.
    pub(super) fn of_version(&self, place: u64, version: &VersionNames) -> BTreeSet<usize> {
        if let Some(part) = self.of_workspace(version.workspace.text()) {
            return [part].into();
        }
        let named = |kind| self.closed.parts_of_named(Kind::ModelVersions, place, kind);
        let found = [Kind::Runs, Kind::LoggedModels].map(named).into_iter();
        let mut found = found.filter(|parts| !parts.is_empty());
        found.next().unwrap_or_else(|| [0].into())
    }

    /// Parts of the runs that read a dataset.
    pub(super) fn of_dataset(&self, place: u64) -> BTreeSet<usize> {
        self.closed.parts_of_named(Kind::Datasets, place, Kind::Runs)
    }
}

/// Homes of objects while they are found out.
struct Homes {
    by: SplitBy,
    /// Labels of experiments or workspaces.
    labels: HashMap<i64, String>,
    experiments: HashMap<String, i64>,
    workspaces: HashMap<String, i64>,
    traces: HashMap<u64, i64>,
    times: BTreeSet<i64>,
    /// By size: homes of runs in their order, and of logged models that no run made, by their places.
    sized: Stretches,
    alone: HashMap<u64, i64>,
    /// Homes of runs, then of logged models.
    stretches: Stretches,
}

/// Calls `visit` with what lines of a kind name, and their places.
fn for_each<T: DeserializeOwned>(
    archive: &Archive,
    kind: Kind,
    mut visit: impl FnMut(u64, String, T) -> Result<()>,
) -> Result<()> {
    let mut place = 0;
    each_line(archive, kind, |cursor| {
        let id = cursor.head(kind)?.id(kind);
        visit(place, id, cursor.parse()?)?;
        place += 1;
        Ok(())
    })
}

impl Homes {
    fn new(archive: &Archive, by: SplitBy, names: &Names) -> Result<Self> {
        let mut homes = Homes {
            by,
            labels: HashMap::new(),
            experiments: HashMap::new(),
            workspaces: HashMap::new(),
            traces: HashMap::new(),
            times: BTreeSet::new(),
            sized: Stretches::default(),
            alone: HashMap::new(),
            stretches: Stretches::default(),
        };
        let workspace = |name: &Option<String>| name.clone().unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned());
        if by == SplitBy::Workspace {
            let experiments = names
                .experiments
                .values()
                .filter(|(_, found)| found.name.is_some());
            let mut all: BTreeSet<String> = experiments
                .map(|(_, found)| workspace(&found.workspace))
                .collect();
            all.extend(names.models.keys().map(|(name, _)| workspace(name)));
            for_each(archive, Kind::EvaluationDatasets, |_, _, dataset: OtherNames| {
                all.insert(workspace(&dataset.workspace.text().map(str::to_owned)));
                Ok(())
            })?;
            for_each(archive, Kind::Workspaces, |_, id, _: OtherNames| {
                all.insert(id);
                Ok(())
            })?;
            for (home, name) in (0..).zip(all) {
                homes.labels.insert(home, name.clone());
                homes.workspaces.insert(name, home);
            }
        }
        let used = names.experiments.values().filter(|(_, found)| found.is_used);
        for (number, (id, found)) in (0..).zip(used) {
            let home = match by {
                SplitBy::Workspace => homes.workspaces.get(&workspace(&found.workspace)).copied(),
                _ => Some(number),
            };
            if by == SplitBy::Experiment {
                homes
                    .labels
                    .insert(number, found.name.clone().unwrap_or_else(|| id.clone()));
            }
            homes.experiments.insert(id.clone(), home.unwrap_or(NOWHERE));
        }
        Ok(homes)
    }

    /// The home of a run or a logged model that no run made; `sized` is what it is by size.
    fn home(&self, experiment: &str, time: Option<i64>, sized: Option<i64>) -> i64 {
        match self.by {
            SplitBy::Experiment | SplitBy::Workspace => {
                self.experiments.get(experiment).copied().unwrap_or(NOWHERE)
            }
            SplitBy::Time(every) => every.home(time),
            SplitBy::Size(_) => sized.unwrap_or(NOWHERE),
        }
    }

    /// Reads what names what, and which versions bring what they name into the part of their workspace.
    fn read_names(&mut self, archive: &Archive) -> Result<(Graph, Vec<(Node, i64)>)> {
        let mut graph = GraphBuilder::new(archive);
        let mut seeds = Vec::new();
        for_each(archive, Kind::Runs, |place, id, run: RunNames| {
            let node = graph.define(Kind::Runs, &id, place)?;
            let sized = self.sized.home(node);
            let home = self.home(run.info.experiment_id.or_empty(), run.info.start_time, sized);
            self.stretches.push(node, home);
            let parent = run.tags.parent.or_empty();
            graph.need(node, Kind::Runs, parent)?;
            for model in run.logged_models() {
                graph.need(node, Kind::LoggedModels, model)?;
            }
            for dataset in run.datasets() {
                graph.follow(Kind::Datasets, &dataset, node)?;
            }
            Ok(())
        })?;
        for_each(archive, Kind::LoggedModels, |place, id, model: ModelNames| {
            let node = graph.define(Kind::LoggedModels, &id, place)?;
            let run = model.source_run_id.or_empty();
            graph.follow(Kind::Runs, run, node)?;
            Ok(graph.need(node, Kind::Runs, run)?)
        })?;
        for_each(archive, Kind::ModelVersions, |place, _, version: VersionNames| {
            let node = graph.nameless(Kind::ModelVersions, place)?;
            let run = version.run_id.or_empty();
            let workspace = version.workspace.text().unwrap_or(DEFAULT_WORKSPACE);
            match self.workspaces.get(workspace) {
                Some(home) => seeds.push((node, *home)),
                None => graph.follow(Kind::Runs, run, node)?,
            }
            graph.need(node, Kind::Runs, run)?;
            let model = version.logged_model().unwrap_or_default();
            Ok(graph.need(node, Kind::LoggedModels, &model)?)
        })?;
        for_each(archive, Kind::Traces, |place, _, trace: TraceNames| {
            let node = graph.nameless(Kind::Traces, place)?;
            for maker in trace.makers() {
                graph.need(node, Kind::Runs, maker)?;
                graph.need(node, Kind::LoggedModels, maker)?;
            }
            Ok(())
        })?;
        for_each(archive, Kind::Datasets, |place, id, _: OtherNames| {
            graph.define(Kind::Datasets, &id, place)?;
            Ok(())
        })?;
        Ok((graph.finish()?, seeds))
    }

    /// Finds out the homes of logged models, which may be those of the runs that made them, and of traces that nothing made.
    fn read_homes(&mut self, archive: &Archive, graph: &Graph) -> Result<()> {
        let is_alone = matches!(self.by, SplitBy::Time(_) | SplitBy::Size(_));
        let named = |kind, place| {
            let node = graph.node(kind, place);
            node.into_iter().flat_map(|node| graph.brought_by(node))
        };
        for_each(archive, Kind::LoggedModels, |place, _, model: ModelNames| {
            let mut makers = named(Kind::LoggedModels, place).filter(|to| graph.is(Kind::Runs, *to));
            let of_maker = makers.next().filter(|_| is_alone);
            let home = of_maker.and_then(|run| self.stretches.home(run));
            let sized = self.alone.get(&place).copied();
            let home = home.unwrap_or_else(|| {
                self.home(model.experiment_id.or_empty(), model.creation_timestamp_ms, sized)
            });
            if let Some(node) = graph.node(Kind::LoggedModels, place) {
                self.stretches.push(node, home);
            }
            Ok(())
        })?;
        if let SplitBy::Time(every) = self.by {
            for_each(archive, Kind::Traces, |place, _, trace: TraceNames| {
                if named(Kind::Traces, place).next().is_none() {
                    self.times.insert(every.home(trace.request_time));
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Fills parts up to a size: run after run with what it made, then what no run made.
    fn weigh(&mut self, archive: &Archive, most_bytes: u64, orphans: &Orphans) -> Result<()> {
        let mut made: HashMap<String, Weight> = HashMap::new();
        let mut alone: Vec<(Kind, u64, Weight)> = Vec::new();
        for kind in [Kind::LoggedModels, Kind::Traces] {
            for_each_weight(archive, kind, orphans, |place, _, line, weight| {
                let run = match kind {
                    Kind::Traces => serde_json::from_slice(line)
                        .ok()
                        .and_then(|trace: TraceNames| trace.makers().next().map(str::to_owned)),
                    _ => serde_json::from_slice(line)
                        .ok()
                        .and_then(|model: ModelNames| model.source_run_id.text().map(str::to_owned)),
                };
                match run {
                    Some(run) => made.entry(run).or_default().add(weight),
                    None => alone.push((kind, place, weight)),
                }
            })?;
        }
        // What belongs to no run is in the first part.
        let is_weighed = |kind: &Kind| kind.has_ids_of_its_own();
        let is_first = |kind: &Kind| !is_weighed(kind) && !kind.owners().iter().any(is_weighed);
        let files = archive.manifest().files.iter();
        let first = files.filter(|file| file.path.kind().is_some_and(|kind| is_first(&kind)));
        let mut filling = Filling {
            most_bytes,
            home: 0,
            bytes: first.map(|file| file.size_bytes).fold(0, u64::saturating_add),
            blobs: HashSet::new(),
        };
        for_each_weight(archive, Kind::Runs, orphans, |place, id, _, mut weight| {
            weight.add(made.remove(id).unwrap_or_default());
            // Runs are numbered by their places.
            let node = Node::try_from(place).unwrap_or(Node::MAX);
            self.sized.push(node, filling.put(&weight));
        })?;
        for (kind, place, weight) in alone {
            let home = filling.put(&weight);
            match kind {
                Kind::Traces => self.traces.insert(place, home),
                _ => self.alone.insert(place, home),
            };
        }
        Ok(())
    }

    /// The parts, in the order of their homes.
    fn numbers(&self) -> BTreeMap<i64, usize> {
        let homes = match self.by {
            SplitBy::Experiment => self.experiments.values().copied().collect(),
            SplitBy::Workspace => self.workspaces.values().copied().collect(),
            SplitBy::Size(_) => {
                let alone = self.alone.values().chain(self.traces.values());
                self.sized.homes().chain(alone.copied()).collect()
            }
            SplitBy::Time(_) => self.times.iter().copied().chain(self.stretches.homes()).collect(),
        };
        let mut homes: BTreeSet<i64> = homes;
        homes.remove(&NOWHERE);
        homes.into_iter().zip(0..).collect()
    }

    fn label(&self, home: i64) -> String {
        match self.by {
            SplitBy::Time(every) => every.label(home),
            _ => self.labels.get(&home).cloned().unwrap_or_default(),
        }
    }
}
