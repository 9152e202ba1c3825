//! Which rows are written: those of the runs that were chosen, and what belongs to them.
//!
//! With experiments alone, rows are those of all that is in them. With runs or a filter, rows are those of these runs: their
//! experiments, the datasets they read, the logged models they made, versions made of them with their models, and their traces.

use crate::archive::walk::{each_line, text};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::format::strict_json::Json;
use crate::model::OwnerKind;
use crate::select::Names;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// What is chosen; the default is everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    chosen: Option<Chosen>,
}

#[derive(Debug, Clone)]
struct Chosen {
    experiments: HashSet<String>,
    /// Whether runs were named, or a filter of them.
    by_run: bool,
    ids: Ids,
}

/// Ids that were taken, by kind; each takes 16 bytes, however long it is.
#[derive(Debug, Clone, Default)]
struct Ids {
    taken: HashMap<Kind, HashSet<[u64; 2]>>,
    hashers: [RandomState; 2],
}

impl Ids {
    fn of(&self, parts: &[&str]) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(parts))
    }

    fn insert(&mut self, kind: Kind, parts: &[&str]) {
        let id = self.of(parts);
        self.taken.entry(kind).or_default().insert(id);
    }

    fn has(&self, kind: Kind, parts: &[&str]) -> bool {
        self.taken
            .get(&kind)
            .is_some_and(|ids| ids.contains(&self.of(parts)))
    }
}

impl Choice {
    /// What names that were found in the archive take.
    pub(super) fn new(archive: &Archive, names: &Names) -> Result<Self> {
        if names.is_empty() {
            return Ok(Choice::default());
        }
        let by_run = names.asks_runs();
        let mut experiments = HashSet::new();
        each_line(archive, Kind::Experiments, |cursor| {
            let head = cursor.head(Kind::Experiments)?;
            let id = head.id(Kind::Experiments);
            let patterns = &names.experiments;
            if patterns.is_empty() || patterns.matches(&id) || patterns.matches(text(&head.name)) {
                experiments.insert(id);
            }
            Ok(())
        })?;
        let mut ids = Ids::default();
        let mut with_runs = HashSet::new();
        each_line(archive, Kind::Runs, |cursor| {
            let head = cursor.head(Kind::Runs)?;
            let (id, experiment) = (head.id(Kind::Runs), text(&head.experiment_id));
            // The experiment's own line may be missing.
            let is_within = experiments.contains(experiment)
                || names.experiments.is_empty()
                || names.experiments.matches(experiment);
            if is_within && (!by_run || names.runs.contains(&id)) {
                ids.insert(Kind::Runs, &[&id]);
                if !with_runs.contains(experiment) {
                    with_runs.insert(experiment.to_owned());
                }
            }
            Ok(())
        })?;
        if by_run {
            experiments = with_runs;
        } else {
            experiments.extend(with_runs);
        }
        let chosen = Some(Chosen {
            experiments,
            by_run,
            ids,
        });
        Ok(Choice { chosen })
    }

    /// Whether a line's rows are written. Kinds are asked about in the order of the archive, but models after their versions.
    pub(super) fn takes(&mut self, kind: Kind, line: &Json<'_>) -> bool {
        self.chosen.as_mut().is_none_or(|chosen| chosen.takes(kind, line))
    }

    /// Whether the rows of something that belongs to an object are written.
    pub(super) fn takes_owner(&self, kind: Kind, id: &str) -> bool {
        self.chosen
            .as_ref()
            .is_none_or(|chosen| chosen.ids.has(kind, &[id]))
    }
}

impl Chosen {
    fn takes(&mut self, kind: Kind, line: &Json<'_>) -> bool {
        let experiment = self.experiments.contains(line.text_of("experiment_id"));
        match kind {
            Kind::Workspaces => true,
            Kind::Experiments | Kind::Scorers => experiment,
            Kind::Runs => self.takes_run(line),
            Kind::Datasets if !self.by_run => experiment,
            Kind::Datasets => {
                let key = ["experiment_id", "name", "digest"].map(|name| line.text_of(name));
                self.ids.has(kind, &key)
            }
            Kind::LoggedModels => {
                let id = line.text_of("model_id");
                let is_made = || self.ids.has(Kind::Runs, &[line.text_of("source_run_id")]);
                self.taken(kind, &[id], if self.by_run { is_made() } else { experiment })
            }
            Kind::ModelVersions => {
                let is_taken = self.ids.has(Kind::Runs, &[line.text_of("run_id")]);
                let name = line.text_of("name");
                let version = line.get("version").map_or(Value::Null, Json::to_value);
                self.taken(
                    Kind::RegisteredModels,
                    &[line.text_of("workspace"), name],
                    is_taken,
                );
                self.taken(kind, &[&format!("{name}/{version}")], is_taken)
            }
            Kind::RegisteredModels => self
                .ids
                .has(kind, &[line.text_of("workspace"), line.text_of("name")]),
            Kind::Traces => {
                let is_taken = if self.by_run {
                    self.has_run_of(line)
                } else {
                    experiment
                };
                self.taken(kind, &[line.text_of("trace_id")], is_taken)
            }
            Kind::EvaluationDatasets => {
                let mut ids = line.list_of("experiment_ids").iter().filter_map(Json::as_text);
                let is_taken = ids.any(|id| self.experiments.contains(id));
                self.taken(kind, &[line.text_of("dataset_id")], is_taken)
            }
            Kind::DatasetRecords => self
                .ids
                .has(Kind::EvaluationDatasets, &[line.text_of("dataset_id")]),
            Kind::Metrics => self.ids.has(Kind::Runs, &[line.text_of("run_id")]),
            Kind::ModelMetrics => self.ids.has(Kind::LoggedModels, &[line.text_of("model_id")]),
            Kind::Spans => self.ids.has(Kind::Traces, &[line.text_of("trace_id")]),
            Kind::Artifacts => true,
        }
    }

    /// Takes note of what is taken, for what belongs to it.
    fn taken(&mut self, kind: Kind, id: &[&str], is_taken: bool) -> bool {
        if is_taken {
            self.ids.insert(kind, id);
        }
        is_taken
    }

    fn takes_run(&mut self, line: &Json<'_>) -> bool {
        let Some(info) = line.get("info") else {
            return false;
        };
        let is_taken = self.ids.has(Kind::Runs, &[info.text_of("run_id")]);
        if is_taken && self.by_run {
            let experiment = info.text_of("experiment_id");
            let inputs = line.get("inputs");
            for input in inputs.map_or(&[][..], |inputs| inputs.list_of("dataset_inputs")) {
                let key = [experiment, input.text_of("name"), input.text_of("digest")];
                self.ids.insert(Kind::Datasets, &key);
            }
        }
        is_taken
    }

    /// Whether a trace is of a run that is taken.
    fn has_run_of(&self, line: &Json<'_>) -> bool {
        let linked = line.list_of("linked_runs").iter().filter_map(Json::as_text);
        let source = line
            .get("trace_metadata")
            .map(|metadata| metadata.text_of("mlflow.sourceRun"));
        let mut runs = linked.chain(source);
        runs.any(|run| self.ids.has(Kind::Runs, &[run]))
    }
}

/// The kind of object that owners of a kind are.
pub(super) fn kind_of(owner: OwnerKind) -> Kind {
    Kind::from(owner)
}
