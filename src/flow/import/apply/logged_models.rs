//! Logged models: made after the runs, filled after the runs are.

use super::Apply;
use super::batch::Batch;
use super::refusal::Whole;
use crate::archive::walk::JoinedObjects;
use crate::client::ClientError;
use crate::flow::import::Result;
use crate::flow::import::artifacts::Destination;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::id_map::Known;
use crate::flow::import::report::Done;
use crate::flow::import::run_chunks::{hash_lines, short_digest};
use crate::flow::import::target_fit::Texts;
use crate::format::{Kind, Object, Reason};
use crate::lang::rest::api::{MetricOut, NewLoggedModel, TargetLoggedModel};
use crate::lang::rest::limits::Feature;
use crate::model::{Double, LoggedModel, ModelMetricSlice};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

const KIND: Kind = Kind::LoggedModels;
/// Models whose making is written down at once.
const INTENTS: usize = 64;
/// The server keeps this tag itself, as versions are made.
const VERSIONS_TAG: &str = "mlflow.modelVersions";
/// Params that creating a model takes at most; the rest follows.
const PARAMS: usize = 100;
/// Points of NaN in one call.
const NANS: usize = 1_000;

/// A logged model with its lines.
struct Job {
    model: LoggedModel,
    known: Known,
    metrics: Vec<Vec<u8>>,
    artifacts: Vec<Vec<u8>>,
    digest: u64,
}

impl Apply<'_> {
    /// Whether logged models are to be dealt with at all.
    fn has_logged_models(&self) -> bool {
        self.target.has(Feature::LoggedModels)
            && self.plan.chosen.kind(KIND)
            && self.archive.manifest().count(KIND) > 0
    }

    /// Makes the logged models that are not there yet.
    pub(super) fn create_logged_models(&self) -> Result<()> {
        if !self.has_logged_models() {
            return Ok(());
        }
        self.monitor
            .begin("logged models", Some(self.archive.manifest().count(KIND)));
        let feed = |send: &mut dyn FnMut(LoggedModel) -> bool| -> Result<()> {
            let mut batch: Vec<LoggedModel> = Vec::new();
            let mut models = self.archive.objects::<LoggedModel>();
            loop {
                let next = models.next().transpose()?;
                let is_end = next.is_none();
                if let Some(model) = next
                    && self.plan.chosen.logged_model(&model)
                    && self.ledger.get(KIND, &model.model_id).is_none()
                {
                    batch.push(model);
                }
                if is_end || batch.len() == INTENTS {
                    let ids: Vec<_> = batch.iter().map(|model| model.model_id.as_str()).collect();
                    self.ledger.intend(KIND, &ids)?;
                    if !batch.drain(..).all(&mut *send) || is_end {
                        return Ok(());
                    }
                }
            }
        };
        self.in_parallel(feed, |model: LoggedModel| {
            self.attempt(KIND, &model.model_id, || self.create_logged_model(&model));
            self.monitor.advance(1);
        })
    }

    fn create_logged_model(&self, model: &LoggedModel) -> Result<()> {
        let id = &model.model_id;
        let experiment_id = self.need(Kind::Experiments, &model.experiment_id)?;
        let (tags, params) = self.model_texts(model);
        let source_run_id = model.source_run_id.as_deref().filter(|run_id| !run_id.is_empty());
        let source_run = source_run_id.and_then(|run_id| self.ledger.id(Kind::Runs, run_id));
        let name = model.name.as_deref().filter(|name| !name.is_empty());
        let taken = name.filter(|name| !name.contains(['/', ':', '.', '%', '"', '\'']));
        let new = NewLoggedModel {
            experiment_id: &experiment_id,
            name: taken,
            model_type: model.model_type.as_deref(),
            source_run_id: source_run.as_deref(),
            params: &params[..params.len().min(PARAMS)],
            tags: &tags,
        };
        let mark = self.fitting.mark(KIND, id).1;
        let find = || -> Result<Option<String>, ClientError> {
            let found = self.api.marked_logged_model(&experiment_id, &mark)?;
            Ok(found.map(|found| found.id))
        };
        let create = || Ok(self.api.create_logged_model(&new)?.id);
        let maybe_there = self.ledger.is_intended(KIND, id);
        let made = self.create_once(Whole::new(KIND, id), maybe_there, find, create);
        let bare = [self.fitting.mark(KIND, id)];
        let bare = NewLoggedModel {
            params: &[],
            tags: &bare,
            ..new
        };
        let bare = || Ok(self.api.create_logged_model(&bare)?.id);
        let (new_id, is_fresh) = self.or_bare(Whole::new(KIND, id), made, bare)?;
        self.ledger.made(KIND, id, &new_id, is_fresh)?;
        self.count(Done::Created, KIND);
        Ok(())
    }

    fn model_texts(&self, model: &LoggedModel) -> (Texts, Texts) {
        let (mut tags, params, _) = self.fitting.logged_model(model);
        let has_versions = self.plan.tallies.contains_key(&Kind::ModelVersions);
        tags.retain(|(key, _)| key != VERSIONS_TAG || !has_versions);
        (tags, params)
    }

    /// Fills the logged models that are not whole yet.
    pub(super) fn fill_logged_models(&self) -> Result<()> {
        if !self.has_logged_models() {
            return Ok(());
        }
        let total = self.archive.manifest().count(KIND);
        self.monitor.begin("contents of logged models", Some(total));
        let kinds = [Kind::ModelMetrics, Kind::Artifacts];
        let mut models = JoinedObjects::<LoggedModel>::new(self.archive, &kinds)?;
        let feed = |send: &mut dyn FnMut(Job) -> bool| -> Result<()> {
            while let Some(model) = models.next()? {
                let mut hasher = Sha256::new();
                hasher.update(&self.salt);
                hasher.update(crate::format::line::canonical(&crate::format::line::to_value(
                    &model,
                )));
                let metrics = models.lines(Kind::ModelMetrics)?;
                let artifacts = models.lines(Kind::Artifacts)?;
                hash_lines(&mut hasher, &metrics);
                hash_lines(&mut hasher, &artifacts);
                let digest = short_digest(hasher);
                let Some(known) = self.ledger.get(KIND, &model.model_id) else {
                    continue;
                };
                if !self.plan.chosen.logged_model(&model) {
                    continue;
                }
                if self.is_done(KIND, &model.model_id, digest) {
                    self.reused(KIND, &model.model_id);
                    continue;
                }
                let job = Job {
                    model,
                    known,
                    metrics,
                    artifacts,
                    digest,
                };
                if !send(job) {
                    break;
                }
            }
            Ok(())
        };
        self.in_parallel(feed, |job: Job| {
            self.attempt(KIND, &Object::id(&job.model), || self.fill_logged_model(&job));
            self.monitor.advance(1);
        })
    }

    fn fill_logged_model(&self, job: &Job) -> Result<()> {
        let model = &job.model;
        let new_id = &job.known.id;
        let Some(target) = self.api.logged_model(new_id)? else {
            if model.lifecycle_stage != "deleted" {
                self.kept(
                    KIND,
                    &model.model_id,
                    "lifecycle_stage".to_owned(),
                    Reason::DeletedInTarget,
                );
            }
            // What is deleted takes nothing in, and cannot be restored.
            return self.done(KIND, &model.model_id, job.digest);
        };
        self.name_fixed(model, &target);
        self.model_remainder(model, &job.known, &target)?;
        self.model_points(job)?;
        self.model_files(job, &target)?;
        let is_settled = matches!(
            model.status.as_str(),
            "LOGGED_MODEL_READY" | "LOGGED_MODEL_UPLOAD_FAILED"
        );
        if is_settled && target.status != model.status {
            let set = self.api.set_logged_model_status(new_id, &model.status);
            self.alone(Whole::new(KIND, &model.model_id), "status", set)?;
        }
        if !job.known.is_fresh {
            self.count(Done::Completed, KIND);
        }
        self.done(KIND, &model.model_id, job.digest)
    }

    /// Names what was left out when a model was made, and cannot be set later.
    fn name_fixed(&self, model: &LoggedModel, target: &TargetLoggedModel) {
        let id = &model.model_id;
        if model.name.as_deref() != Some(&target.name) {
            self.limited(
                KIND,
                id,
                "name".to_owned(),
                Reason::NameRefused,
                Outcome::Replaced,
            );
        }
        let source_run_id = model.source_run_id.as_deref().filter(|run_id| !run_id.is_empty());
        if let Some(run_id) = source_run_id.filter(|_| target.source_run_id.is_empty()) {
            self.left_out(
                KIND,
                id,
                format!("source_run_id {run_id}"),
                Reason::RunNotInTarget,
            );
        }
    }

    /// Params beyond those that creating took; of a model that was there, tags and params it lacks.
    fn model_remainder(&self, model: &LoggedModel, known: &Known, target: &TargetLoggedModel) -> Result<()> {
        let (tags, params) = self.model_texts(model);
        let whole = Whole::new(KIND, &model.model_id);
        let has_texts = known.is_fresh && !self.is_bare(KIND, &model.model_id);
        let params = if has_texts {
            params.into_iter().skip(PARAMS).collect()
        } else {
            self.missing(&model.model_id, "param", params, &target.params)
        };
        for params in params.chunks(PARAMS) {
            let send = |params: &[_]| self.api.log_logged_model_params(&known.id, params);
            self.in_parts(whole, params, &|(key, _)| format!("param {key}"), &send)?;
        }
        if has_texts {
            return Ok(());
        }
        let tags = self.missing(&model.model_id, "tag", tags, &target.tags);
        let send = |tags: &[_]| self.api.set_logged_model_tags(&known.id, tags);
        self.in_parts(whole, &tags, &|(key, _)| format!("tag {key}"), &send)
    }

    fn missing(&self, id: &str, field: &str, texts: Texts, there: &BTreeMap<String, String>) -> Texts {
        let is_missing = |(key, value): &(String, String)| match there.get(key) {
            None => true,
            Some(found) => {
                if found != value {
                    self.kept(KIND, id, format!("{field} {key}"), Reason::DiffersInTarget);
                }
                false
            }
        };
        texts.into_iter().filter(is_missing).collect()
    }

    /// Points go through the runs that measured them.
    fn model_points(&self, job: &Job) -> Result<()> {
        let id = &job.model.model_id;
        let mut by_run: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        let parse = |line: &Vec<u8>| serde_json::from_slice::<ModelMetricSlice>(line);
        let slices: Result<Vec<_>, _> = job.metrics.iter().map(parse).collect();
        let slices =
            slices.map_err(|error| self.archive.damaged("objects/model-metrics", &error.to_string()))?;
        for (at, slice) in slices.iter().enumerate() {
            for row in 0..slice.values.len() {
                let run_id = slice.run_ids.as_ref().and_then(|runs| runs.get(row)?.as_deref());
                match run_id.and_then(|run_id| self.ledger.id(Kind::Runs, run_id)) {
                    Some(run_id) if slice.timestamps[row] >= 0 => {
                        by_run.entry(run_id).or_default().push((at, row))
                    }
                    _ => self.left_out(
                        Kind::ModelMetrics,
                        id,
                        format!("metric {}", slice.key),
                        Reason::RunNotInTarget,
                    ),
                }
            }
        }
        for (run_id, points) in &by_run {
            let mut batch = Batch::new(self, Whole::new(Kind::ModelMetrics, id), run_id);
            let mut of_nan = Vec::new();
            let mut nans: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
            for &(at, row) in points {
                let mut point = point(&slices[at], row, &job.known.id);
                // A store that has no NaN here keeps 0 in its place; the run's own point says which it was.
                if point.value.0 == 0.0 {
                    let known = match nans.entry(point.key) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(self.api.nan_points(run_id, point.key)?),
                    };
                    if known.contains(&(point.timestamp, point.step)) {
                        point.value = Double(f64::NAN);
                    }
                }
                if point.value.0.is_nan() {
                    of_nan.push(point)
                } else {
                    batch.metric(point)?
                }
            }
            batch.send()?;
            self.nan_points(id, run_id, &of_nan)?;
        }
        Ok(())
    }

    /// Points of NaN, which the run has too: servers before some version after 3.10 do not know that they have them, and refuse the whole call.
    fn nan_points(&self, id: &str, run_id: &str, points: &[MetricOut<'_>]) -> Result<()> {
        let whole = Whole::new(Kind::ModelMetrics, id);
        let name = |point: &MetricOut<'_>| format!("metric {}", point.key);
        let send = |points: &[MetricOut<'_>]| match self.api.log_batch(run_id, &[], &[], points) {
            Err(ClientError::Status { status: 400, .. }) if points.len() == 1 => {
                self.left_out(whole.kind, id, name(&points[0]), Reason::NanRefused);
                Ok(())
            }
            sent => sent,
        };
        let mut chunks = points.chunks(NANS);
        chunks.try_for_each(|points| self.in_parts(whole, points, &name, &send))
    }

    fn model_files(&self, job: &Job, target: &TargetLoggedModel) -> Result<()> {
        let id = &job.model.model_id;
        let destination = Destination::of(&target.artifact_uri);
        for file in self.files_of(&job.artifacts)? {
            let Destination::Proxy(root) = &destination else {
                self.left_out(
                    KIND,
                    id,
                    format!("artifact {}", file.path),
                    Reason::NoArtifactProxy,
                );
                continue;
            };
            if let Some(body) = self.body(&file)? {
                let sent = self.api.put_artifact(&format!("{root}/{}", file.path), body);
                self.file_alone(Whole::new(KIND, id), &file.path, sent)?;
            }
        }
        Ok(())
    }

    /// Deletes the logged models that are deleted in the archive.
    pub(super) fn delete_logged_models(&self) -> Result<()> {
        if !self.has_logged_models() {
            return Ok(());
        }
        for model in self.archive.objects::<LoggedModel>() {
            let model: LoggedModel = model?;
            if model.lifecycle_stage == "deleted"
                && self.plan.chosen.logged_model(&model)
                && let Some(new_id) = self.ledger.id(KIND, &model.model_id)
            {
                self.attempt(KIND, &model.model_id, || {
                    Ok(self.api.delete_logged_model(&new_id)?)
                });
            }
        }
        self.end_of_phase()
    }
}

fn point<'s>(slice: &'s ModelMetricSlice, row: usize, model_id: &str) -> MetricOut<'s> {
    let cell = |column: &'s Option<Vec<Option<String>>>| {
        column.as_ref().and_then(|column| column.get(row)?.as_deref())
    };
    MetricOut {
        key: &slice.key,
        value: slice.values[row],
        timestamp: slice.timestamps[row],
        step: slice.steps[row],
        model_id: Some(model_id.to_owned()),
        dataset_name: cell(&slice.dataset_names),
        dataset_digest: cell(&slice.dataset_digests),
    }
}
