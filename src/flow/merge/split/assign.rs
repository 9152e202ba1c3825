//! Which part each object of an archive belongs to, and what else each part needs.

use super::closure::{Closed, Graph, Node};
use super::needs::{ModelNames, OtherNames, RunNames, TraceNames, VersionNames};
use super::weight::{Filling, Weight, for_each_weight};
use super::{Every, SplitBy};
use crate::archive::Archive;
use crate::archive::walk::Cursor;
use crate::flow::merge::Result;
use crate::flow::merge::orphans::Orphans;
use crate::flow::merge::survey::Names;
use crate::format::Kind;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The workspace of objects that name none.
const DEFAULT_WORKSPACE: &str = "default";
/// The home of what has none of its own: it goes to the first part.
const NOWHERE: i64 = i64::MIN;

/// Where all objects of an archive go.
pub(super) struct Assigned {
    pub(super) by: SplitBy,
    /// What is in each part, for a person.
    pub(super) labels: Vec<String>,
    numbers: BTreeMap<i64, usize>,
    experiments: HashMap<String, i64>,
    workspaces: HashMap<String, i64>,
    /// Traces that nothing made, where parts are by size.
    traces: HashMap<String, i64>,
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
        homes.read(archive)?;
        let numbers = homes.numbers();
        let number_of = |home: i64| numbers.get(&home).copied().unwrap_or(0);
        let labels = match numbers.len() {
            0 => vec![String::new()],
            _ => numbers.keys().map(|home| homes.label(*home)).collect(),
        };
        let Homes {
            experiments,
            workspaces,
            traces,
            graph,
            ..
        } = homes;
        Ok(Assigned {
            by,
            labels,
            experiments,
            workspaces,
            traces,
            closed: graph.close(number_of),
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

    pub(super) fn of_run(&self, id: &str) -> BTreeSet<usize> {
        self.closed.parts(Node::Run, id)
    }

    pub(super) fn of_logged_model(&self, id: &str) -> BTreeSet<usize> {
        self.closed.parts(Node::LoggedModel, id)
    }

    /// Parts of a trace: its own, and those of what made it.
    pub(super) fn of_trace(&self, id: &str, trace: &TraceNames) -> BTreeSet<usize> {
        let made = trace.makers().flat_map(|maker| {
            let run = self.of_run(maker);
            if run.is_empty() {
                self.of_logged_model(maker)
            } else {
                run
            }
        });
        let mut parts: BTreeSet<usize> = made.collect();
        parts.extend(self.of_experiment(trace.experiment()));
        if parts.is_empty() {
            let home = match self.by {
                SplitBy::Time(every) => every.home(trace.time()),
                _ => self.traces.get(id).copied().unwrap_or(NOWHERE),
            };
            parts.insert(self.number(home));
        }
        parts
    }

    /// Parts of a version: its workspace's, or those of the run that made it, or of its logged model.
    pub(super) fn of_version(&self, version: &VersionNames) -> BTreeSet<usize> {
        if let Some(part) = self.of_workspace(version.workspace()) {
            return [part].into();
        }
        let of_run = version.run().map(|run| self.of_run(run)).unwrap_or_default();
        if !of_run.is_empty() {
            return of_run;
        }
        let of_model = version.logged_model().map(|model| self.of_logged_model(&model));
        of_model
            .filter(|parts| !parts.is_empty())
            .unwrap_or_else(|| [0].into())
    }
}

impl Every {
    /// The span of time that a moment is in.
    fn home(self, time_ms: Option<i64>) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        let Some(moment) = time_ms.and_then(|time| jiff::Timestamp::from_millisecond(time).ok()) else {
            return NOWHERE;
        };
        let day = moment.as_millisecond().div_euclid(DAY_MS);
        let date = jiff::tz::TimeZone::UTC.to_datetime(moment).date();
        let (year, month) = (i64::from(date.year()), i64::from(date.month()));
        match self {
            Every::Day => day,
            // The first day of 1970 was a Thursday; weeks begin on Monday.
            Every::Week => (day + 3).div_euclid(7),
            Every::Month => year * 12 + month - 1,
            Every::Year => year,
        }
    }

    fn label(self, home: i64) -> String {
        let day = |day: i64| {
            let moment = jiff::Timestamp::from_second(day * 86_400).ok();
            let date = moment.map(|moment| jiff::tz::TimeZone::UTC.to_datetime(moment).date());
            date.map_or_else(String::new, |date| date.to_string())
        };
        match self {
            Every::Day => day(home),
            Every::Week => format!("week of {}", day(home * 7 - 3)),
            Every::Month => format!("{}-{:02}", home.div_euclid(12), home.rem_euclid(12) + 1),
            Every::Year => home.to_string(),
        }
    }
}

/// Homes of objects while they are found out.
struct Homes {
    by: SplitBy,
    /// Labels of experiments or workspaces.
    labels: HashMap<i64, String>,
    experiments: HashMap<String, i64>,
    workspaces: HashMap<String, i64>,
    traces: HashMap<String, i64>,
    times: BTreeSet<i64>,
    /// By size: homes of runs and of logged models that no run made.
    sized: HashMap<String, i64>,
    graph: Graph,
}

/// Calls `visit` with what lines of a kind name.
fn for_each<T: DeserializeOwned>(
    archive: &Archive,
    kind: Kind,
    mut visit: impl FnMut(String, T),
) -> Result<()> {
    let mut cursor = Cursor::new(archive, kind)?;
    while cursor.line().is_some() {
        let id = cursor.head(kind)?.id(kind);
        visit(id, cursor.parse()?);
        cursor.advance()?;
    }
    Ok(())
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
            sized: HashMap::new(),
            graph: Graph::default(),
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
            for_each(archive, Kind::EvaluationDatasets, |_, dataset: OtherNames| {
                all.insert(workspace(&dataset.workspace().map(str::to_owned)));
            })?;
            for_each(archive, Kind::Workspaces, |id, _: OtherNames| {
                all.insert(id);
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

    fn home(&self, id: &str, experiment: &str, time: Option<i64>) -> i64 {
        match self.by {
            SplitBy::Experiment | SplitBy::Workspace => {
                self.experiments.get(experiment).copied().unwrap_or(NOWHERE)
            }
            SplitBy::Time(every) => every.home(time),
            SplitBy::Size(_) => self.sized.get(id).copied().unwrap_or(NOWHERE),
        }
    }

    /// Reads what needs what.
    fn read(&mut self, archive: &Archive) -> Result<()> {
        for_each(archive, Kind::Runs, |id, run: RunNames| {
            let home = self.home(&id, run.experiment(), run.time());
            let number = self.graph.add(Node::Run, id, home);
            run.parent()
                .into_iter()
                .for_each(|id| self.graph.need(number, Node::Run, id));
            run.logged_models()
                .for_each(|id| self.graph.need(number, Node::LoggedModel, id));
        })?;
        let is_alone = |by: SplitBy| matches!(by, SplitBy::Time(_) | SplitBy::Size(_));
        for_each(archive, Kind::LoggedModels, |id, model: ModelNames| {
            let maker = model.run().and_then(|run| self.graph.find(Node::Run, run));
            let home = match maker {
                Some(run) if is_alone(self.by) => self.graph.home(run),
                _ => self.home(&id, model.experiment(), model.time()),
            };
            if let Some(run) = maker {
                self.graph.need(run, Node::LoggedModel, &id);
            }
            let number = self.graph.add(Node::LoggedModel, id, home);
            model
                .run()
                .into_iter()
                .for_each(|run| self.graph.need(number, Node::Run, run));
        })?;
        for_each(archive, Kind::ModelVersions, |_, version: VersionNames| {
            let workspace = version.workspace().unwrap_or(DEFAULT_WORKSPACE);
            let home = self.workspaces.get(workspace).copied();
            let model = version.logged_model();
            let model = model.as_deref();
            if let Some(home) = home {
                version
                    .run()
                    .into_iter()
                    .for_each(|run| self.graph.need_in(Node::Run, run, home));
                model
                    .into_iter()
                    .for_each(|model| self.graph.need_in(Node::LoggedModel, model, home));
            } else if let Some(run) = version.run().and_then(|run| self.graph.find(Node::Run, run)) {
                model
                    .into_iter()
                    .for_each(|model| self.graph.need(run, Node::LoggedModel, model));
            }
        })?;
        if let SplitBy::Time(every) = self.by {
            for_each(archive, Kind::Traces, |_, trace: TraceNames| {
                if !self.is_made(&trace) {
                    self.times.insert(every.home(trace.time()));
                }
            })?;
        }
        Ok(())
    }

    /// Fills parts up to a size: run after run with what it made, then what no run made.
    fn weigh(&mut self, archive: &Archive, most_bytes: u64, orphans: &Orphans) -> Result<()> {
        let mut made: HashMap<String, Weight> = HashMap::new();
        let mut alone: Vec<(Kind, String, Weight)> = Vec::new();
        for kind in [Kind::LoggedModels, Kind::Traces] {
            for_each_weight(archive, kind, orphans, |id, line, weight| {
                let run = match kind {
                    Kind::Traces => serde_json::from_slice(line)
                        .ok()
                        .and_then(|trace: TraceNames| trace.makers().next().map(str::to_owned)),
                    _ => serde_json::from_slice(line)
                        .ok()
                        .and_then(|model: ModelNames| model.run().map(str::to_owned)),
                };
                match run {
                    Some(run) => made.entry(run).or_default().add(weight),
                    None => alone.push((kind, id.to_owned(), weight)),
                }
            })?;
        }
        // What belongs to no run is in the first part.
        let is_first = |kind: &Kind| {
            !matches!(
                kind,
                Kind::Runs
                    | Kind::Metrics
                    | Kind::LoggedModels
                    | Kind::ModelMetrics
                    | Kind::Traces
                    | Kind::Spans
                    | Kind::Artifacts
            )
        };
        let files = archive.manifest().files.iter();
        let first = files.filter(|file| file.path.kind().is_some_and(|kind| is_first(&kind)));
        let mut filling = Filling {
            most_bytes,
            home: 0,
            bytes: first.map(|file| file.size_bytes).fold(0, u64::saturating_add),
            blobs: HashSet::new(),
        };
        for_each_weight(archive, Kind::Runs, orphans, |id, _, mut weight| {
            weight.add(made.remove(id).unwrap_or_default());
            self.sized.insert(id.to_owned(), filling.put(&weight));
        })?;
        for (kind, id, weight) in alone {
            let home = filling.put(&weight);
            match kind {
                Kind::Traces => self.traces.insert(id, home),
                _ => self.sized.insert(id, home),
            };
        }
        Ok(())
    }

    /// Whether something in the archive made a trace.
    fn is_made(&self, trace: &TraceNames) -> bool {
        let nodes = [Node::Run, Node::LoggedModel];
        let mut makers = trace.makers();
        makers.any(|id| nodes.iter().any(|node| self.graph.find(*node, id).is_some()))
    }

    /// The parts, in the order of their homes.
    fn numbers(&self) -> BTreeMap<i64, usize> {
        let homes = match self.by {
            SplitBy::Experiment => self.experiments.values().copied().collect(),
            SplitBy::Workspace => self.workspaces.values().copied().collect(),
            SplitBy::Size(_) => self.sized.values().chain(self.traces.values()).copied().collect(),
            SplitBy::Time(_) => self.times.iter().copied().chain(self.graph.homes()).collect(),
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
