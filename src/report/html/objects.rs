//! Rows of experiments, runs, models, versions and datasets.
//!
//! Fields have names of one or two letters, since there are many rows: `i` id, `n` name, `x` experiment, `s` status, `u` user, `a` start or
//! creation, `e` end or last change, `d` deleted, `p` params, `t` tags, `h` hops; others stand where they are written.

use super::spool::Spool;
use super::text::{Row, Texts, integer, name};
use crate::archive::walk::each_line;
use crate::archive::{Archive, ArchiveError, ForeignObjects, Result};
use crate::format::Kind;
use crate::format::hops::{Evidence, Hop};
use crate::model::mask::redact;
use crate::model::{
    Dataset, EvaluationDataset, Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, Scorer,
};
use crate::report::lineage::{Own, chain_of};
use crate::select::{Closure, Verdict};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// Metrics of a run that its row has.
const MOST_METRICS: usize = 1_000;
/// Datasets, models and aliases of an object.
const MOST_LINKS: usize = 500;
/// Hops of an object, the first and the last of them.
const MOST_HOPS: usize = 12;

/// What rows are made with.
pub(super) struct Maker<'a> {
    pub(super) archive: &'a Archive,
    pub(super) scratch: &'a Path,
    pub(super) closure: Closure,
    pub(super) foreign: ForeignObjects,
    pub(super) texts: Texts,
}

/// Rows of a kind, and which objects of the archive they are of.
pub(super) struct Collected {
    pub(super) spool: Spool,
    /// The number of each row's object among all of its kind.
    pub(super) numbers: Vec<u32>,
    /// Objects of the kind in the archive.
    pub(super) found: u32,
}

impl Maker<'_> {
    /// Rows of the objects of a kind that `row` makes one of.
    pub(super) fn collect<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        row: impl Fn(&mut Self, T) -> Option<(Option<i64>, Row)>,
    ) -> Result<Collected> {
        let mut collected = Collected {
            spool: Spool::new(self.scratch)?,
            numbers: Vec::new(),
            found: 0,
        };
        each_line::<ArchiveError>(self.archive, kind, |cursor| {
            // Long texts stay in their blobs where they can.
            let object: T = cursor.parse().or_else(|_| cursor.object())?;
            if let Some((time, row)) = row(self, object) {
                collected.spool.push(time, &row.into_bytes())?;
                collected.numbers.push(collected.found);
            }
            collected.found += 1;
            Ok(())
        })?;
        Ok(collected)
    }

    fn hops(&self, row: &mut Row, own: Own<'_>) {
        let chain = chain_of(&self.foreign, &own, &mut Vec::new());
        let hops = &chain.hops;
        // The first origin, and the last places.
        let gap = hops.len().saturating_sub(MOST_HOPS);
        let shown = hops
            .iter()
            .enumerate()
            .filter(|(place, _)| *place == 0 || *place > gap);
        let shown = shown.map(|(_, hop)| hop_value(hop)).collect();
        row.put("h", Value::Array(shown));
        let folded = chain.folded.saturating_add(gap as u64);
        row.put("hf", if folded > 0 { json!(folded) } else { Value::Null });
    }

    pub(super) fn experiments(&mut self) -> Result<Collected> {
        self.collect(Kind::Experiments, |maker, experiment: Experiment| {
            if maker.closure.takes(&experiment) != Verdict::Kept {
                return None;
            }
            let mut row = Row::default();
            row.put_name("i", Some(&experiment.experiment_id));
            row.put_name("n", Some(&experiment.name));
            row.put_name("w", experiment.workspace.as_deref());
            row.put_integer("a", experiment.creation_time);
            row.put("d", json!(experiment.is_deleted()));
            row.put("t", maker.texts.map(&experiment.tags));
            let workspace = experiment.workspace.as_deref();
            let (id, tags) = (&experiment.experiment_id, &experiment.tags);
            maker.hops(&mut row, Own::new(Kind::Experiments, id, workspace, tags));
            Some((experiment.last_update_time.or(experiment.creation_time), row))
        })
    }

    pub(super) fn runs(&mut self) -> Result<Collected> {
        self.collect(Kind::Runs, |maker, run: Run| {
            let is_taken = maker.closure.takes_run(&run.info.run_id);
            is_taken.then(|| (run.info.start_time, maker.run(&run)))
        })
    }

    fn run(&mut self, run: &Run) -> Row {
        let (info, mut row) = (&run.info, Row::default());
        row.put_name("i", Some(&info.run_id));
        row.put_name("x", Some(&info.experiment_id));
        row.put("n", self.texts.some(info.run_name.as_deref()));
        row.put("u", self.texts.some(info.user_id.as_deref()));
        row.put_name("s", Some(&info.status));
        row.put_integer("a", info.start_time);
        row.put_integer("e", info.end_time);
        row.put("d", json!(info.is_deleted()));
        row.put("w", self.texts.some_uri(info.artifact_uri.as_deref()));
        row.put("p", self.texts.map(&run.params));
        row.put("m", metrics(run));
        self.texts.cut += run.metrics.len().saturating_sub(MOST_METRICS) as u64;
        row.put("t", self.texts.map(&run.tags));
        let datasets = run.inputs.dataset_inputs.iter().take(MOST_LINKS);
        let datasets = datasets.map(|input| {
            let context = input
                .tags
                .get("mlflow.data.context")
                .map(|text| text.to_display());
            json!([
                name(&input.name),
                name(&input.digest),
                context.as_deref().map(name)
            ])
        });
        row.put("ds", datasets.collect());
        let inputs = run.inputs.model_inputs.iter().take(MOST_LINKS);
        row.put("mi", inputs.map(|input| name(&input.model_id)).collect());
        let outputs = run.outputs.model_outputs.iter().take(MOST_LINKS);
        let outputs = outputs.map(|output| json!([name(&output.model_id), integer(output.step)]));
        row.put("mo", outputs.collect());
        self.hops(&mut row, Own::new(Kind::Runs, &info.run_id, None, &run.tags));
        row
    }

    pub(super) fn datasets(&mut self) -> Result<Collected> {
        self.collect(Kind::Datasets, |maker, dataset: Dataset| {
            if !maker.closure.takes_experiment(&dataset.experiment_id) {
                return None;
            }
            let mut row = Row::default();
            row.put_name("x", Some(&dataset.experiment_id));
            row.put_name("n", Some(&dataset.name));
            row.put_name("g", Some(&dataset.digest));
            row.put_name("ty", dataset.source_type.as_deref());
            for (key, text) in [
                ("so", &dataset.source),
                ("sc", &dataset.schema),
                ("pr", &dataset.profile),
            ] {
                row.put(key, maker.texts.some_uri(text.as_deref()));
            }
            Some((None, row))
        })
    }

    pub(super) fn logged_models(&mut self) -> Result<Collected> {
        self.collect(Kind::LoggedModels, |maker, model: LoggedModel| {
            if !maker.closure.reaches_logged_model(&model.model_id) {
                return None;
            }
            let mut row = Row::default();
            row.put_name("i", Some(&model.model_id));
            row.put_name("x", Some(&model.experiment_id));
            row.put_name("n", model.name.as_deref());
            let status = model.status.strip_prefix("LOGGED_MODEL_");
            row.put_name("s", status.or(Some(&model.status)));
            row.put_name("ty", model.model_type.as_deref());
            row.put_name("r", model.source_run_id.as_deref());
            row.put_integer("a", model.creation_timestamp_ms);
            row.put("d", json!(model.is_deleted()));
            row.put("p", maker.texts.map(&model.params));
            row.put("t", maker.texts.map(&model.tags));
            Some((model.creation_timestamp_ms, row))
        })
    }

    /// Registered models; of a chosen few those whose versions are among them.
    pub(super) fn models(&mut self, named: &dyn Fn(&str) -> bool) -> Result<Collected> {
        self.collect(Kind::RegisteredModels, |maker, model: RegisteredModel| {
            if !maker.closure.takes_model(&model.name) && !named(&model.name) {
                return None;
            }
            let mut row = Row::default();
            row.put_name("n", Some(&model.name));
            row.put_name("w", model.workspace.as_deref());
            row.put_integer("a", model.creation_timestamp);
            row.put_integer("e", model.last_updated_timestamp);
            row.put("ds", maker.texts.some_note(model.description.as_deref()));
            let aliases = model.aliases.iter().take(MOST_LINKS);
            let aliases = aliases.map(|(alias, version)| json!([name(alias), version]));
            row.put("al", aliases.collect());
            row.put("t", maker.texts.map(&model.tags));
            let (kind, workspace) = (Kind::RegisteredModels, model.workspace.as_deref());
            maker.hops(&mut row, Own::new(kind, &model.name, workspace, &model.tags));
            Some((model.last_updated_timestamp.or(model.creation_timestamp), row))
        })
    }

    pub(super) fn versions(&mut self, seen: &mut dyn FnMut(&str)) -> Result<Collected> {
        let seen = std::cell::RefCell::new(seen);
        self.collect(Kind::ModelVersions, |maker, version: ModelVersion| {
            if maker.closure.version(&version) != Verdict::Kept {
                return None;
            }
            (seen.borrow_mut())(&version.name);
            let mut row = Row::default();
            row.put_name("n", Some(&version.name));
            row.put("v", json!(version.version));
            row.put_name("w", version.workspace.as_deref());
            row.put_integer("a", version.creation_timestamp);
            row.put_name("u", version.user_id.as_deref());
            let stage = version.current_stage.as_deref();
            row.put_name("g", stage.filter(|stage| *stage != "None"));
            row.put("ds", maker.texts.some_note(version.description.as_deref()));
            row.put("so", maker.texts.some_uri(version.source.as_deref()));
            row.put_name("r", version.run_id.as_deref());
            row.put_name("m", version.logged_model_id());
            row.put_name("s", version.status.as_deref());
            row.put("t", maker.texts.map(&version.tags));
            let id = format!("{}/{}", version.name, version.version);
            let (kind, workspace) = (Kind::ModelVersions, version.workspace.as_deref());
            maker.hops(&mut row, Own::new(kind, &id, workspace, &version.tags));
            Some((version.creation_timestamp, row))
        })
    }

    pub(super) fn evaluation_datasets(&mut self, seen: &mut dyn FnMut(&str)) -> Result<Collected> {
        let seen = std::cell::RefCell::new(seen);
        self.collect(Kind::EvaluationDatasets, |maker, dataset: EvaluationDataset| {
            if !maker.closure.takes_of_experiments(&dataset.experiment_ids) {
                return None;
            }
            (seen.borrow_mut())(&dataset.dataset_id);
            let mut row = Row::default();
            row.put_name("i", Some(&dataset.dataset_id));
            row.put_name("n", Some(&dataset.name));
            let experiments = dataset.experiment_ids.iter().take(MOST_LINKS);
            row.put("x", experiments.map(|id| name(id)).collect());
            row.put_integer("a", dataset.created_time);
            row.put_name("u", dataset.created_by.as_deref());
            row.put("t", maker.texts.map(&dataset.tags));
            Some((dataset.last_update_time.or(dataset.created_time), row))
        })
    }

    pub(super) fn scorers(&mut self) -> Result<Collected> {
        self.collect(Kind::Scorers, |maker, scorer: Scorer| {
            if maker.closure.of_experiment(&scorer.experiment_id) != Verdict::Kept {
                return None;
            }
            let mut row = Row::default();
            row.put_name("x", Some(&scorer.experiment_id));
            row.put_name("n", Some(&scorer.name));
            row.put("v", json!(scorer.version));
            row.put_integer("a", scorer.creation_time);
            Some((scorer.creation_time, row))
        })
    }
}

/// The latest metrics as `[key, value, step, key, value, step …]`.
fn metrics(run: &Run) -> Value {
    let metrics = run.metrics.iter().take(MOST_METRICS);
    let flat = metrics.flat_map(|(key, latest)| [name(key), json!(latest.value), integer(latest.step)]);
    Value::Array(flat.collect())
}

fn hop_value(hop: &Hop) -> Value {
    let mut row = serde_json::Map::new();
    let fields = [
        ("server", &hop.server),
        ("origin", &hop.origin),
        ("time", &hop.time),
        ("archive", &hop.archive),
    ];
    for (key, text) in fields {
        if let Some(text) = text {
            row.insert(key.to_owned(), name(&redact(text)));
        }
    }
    row.insert("id".to_owned(), name(&hop.id));
    let told = hop.recovered.map(|evidence| match evidence {
        Evidence::SourceTags => "source tags",
        Evidence::Mark => "the mark of an import",
        Evidence::Merge => "a merge",
    });
    if let Some(told) = told {
        row.insert("by".to_owned(), json!(told));
    }
    Value::Object(row)
}
