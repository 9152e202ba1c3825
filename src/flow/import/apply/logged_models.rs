//! Logged models: made after the runs, filled after the runs are.

use super::Apply;
use super::refusal::Whole;
use crate::client::ClientError;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::id_map::TargetObject;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::report::Done;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason, line};
use crate::lang::rest::api::{NewLoggedModel, TargetId, TargetLoggedModel};
use crate::lang::rest::routes::{ADD_LOGGED_MODEL_PARAMS, CREATE_LOGGED_MODEL};
use crate::lang::rest::version::Feature;
use crate::model::LoggedModel;
use sha2::{Digest as _, Sha256};

const KIND: Kind = Kind::LoggedModels;
/// The server keeps this tag itself, as versions are made.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

type Job = super::joined::Job<LoggedModel>;

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
        self.begin("logged models", KIND);
        let is_unmade = |model: &LoggedModel| {
            self.plan.chosen.logged_model(model) && self.ledger.get(KIND, &model.model_id).is_none()
        };
        let models = self.archive.objects::<LoggedModel>();
        let models = models.filter(|model| model.as_ref().map_or(true, is_unmade));
        self.in_parallel(
            |send| self.send_intended(models, send),
            |model: LoggedModel| {
                self.attempt(KIND, &model.model_id, || self.create_logged_model(&model));
                self.monitor.advance(1);
            },
        )
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
            source_run_id: source_run.as_ref(),
            params: &params[..params.len().min(CREATE_LOGGED_MODEL.most)],
            tags: &tags,
        };
        let mark = self.fitting.mark(KIND, id).1;
        let find = || -> Result<Option<TargetId>, ClientError> {
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
        self.begin("contents of logged models", KIND);
        let begin = |model: &LoggedModel, _: &[u8]| {
            let line = line::canonical(&line::to_value(model));
            Sha256::new_with_prefix(&self.salt).chain_update(line)
        };
        let is_meant = |model: &LoggedModel, known: Option<&TargetObject>| {
            known.is_some() && self.plan.chosen.logged_model(model)
        };
        let feed =
            |send: &mut dyn FnMut(Job) -> bool| self.send_joined(Kind::ModelMetrics, begin, is_meant, send);
        self.in_parallel(feed, |job: Job| {
            self.attempt(KIND, &job.object.model_id, || self.fill_logged_model(&job));
            self.monitor.advance(1);
        })
    }

    fn fill_logged_model(&self, job: &Job) -> Result<()> {
        let model = &job.object;
        let known = job
            .known
            .as_ref()
            .ok_or_else(|| ImportError::needs(KIND, &model.model_id))?;
        let new_id = &known.id;
        let Some(target) = self.api.logged_model(new_id)? else {
            if !model.is_deleted() {
                self.kept(KIND, &model.model_id, "lifecycle_stage", Reason::DeletedInTarget);
            }
            // What is deleted takes nothing in, and cannot be restored.
            return self.done(KIND, &model.model_id, job.digest);
        };
        self.name_fixed(model, &target);
        self.model_remainder(job, known, &target)?;
        self.model_points(job, new_id)?;
        self.put_files(job.whole(KIND), new_id, &target.artifact_uri, &job.artifacts)?;
        let is_settled = matches!(
            model.status.as_str(),
            "LOGGED_MODEL_READY" | "LOGGED_MODEL_UPLOAD_FAILED"
        );
        if is_settled && target.status != model.status {
            let set = || self.api.set_logged_model_status(new_id, &model.status);
            self.alone(job.whole(KIND), "status", set)?;
        }
        if !known.state.is_fresh {
            self.count(Done::Completed, KIND);
        }
        self.done(KIND, &model.model_id, job.digest)
    }

    /// Names what was left out when a model was made, and cannot be set later.
    fn name_fixed(&self, model: &LoggedModel, target: &TargetLoggedModel) {
        let id = &model.model_id;
        if model.name.as_deref() != Some(&target.name) {
            self.limited(KIND, id, "name", Reason::NameRefused, Outcome::Replaced);
        }
        let source_run_id = model.source_run_id.as_deref().filter(|run_id| !run_id.is_empty());
        if let Some(run_id) = source_run_id.filter(|_| target.source_run_id.is_empty()) {
            let part = PartKind::SourceRun.of(run_id);
            self.left_out(KIND, id, part, Reason::RunNotInTarget);
        }
    }

    /// Params beyond those that creating took; of a model that was there, tags and params it lacks.
    fn model_remainder(&self, job: &Job, known: &TargetObject, target: &TargetLoggedModel) -> Result<()> {
        let model = &job.object;
        let (tags, params) = self.model_texts(model);
        let whole = job.whole(KIND);
        let has_texts = known.state.is_fresh && !self.is_bare(KIND, &model.model_id);
        let lacks_param = |param: &_| self.lacks(whole, PartKind::Param, param, &target.params);
        let params: Texts = if has_texts {
            params.into_iter().skip(CREATE_LOGGED_MODEL.most).collect()
        } else {
            params.into_iter().filter(lacks_param).collect()
        };
        for params in params.chunks(ADD_LOGGED_MODEL_PARAMS.most) {
            let send = |params: &[_]| self.api.log_logged_model_params(&known.id, params);
            self.in_parts(whole, params, &|(key, _)| PartKind::Param.of(key), &send)?;
        }
        if has_texts {
            return Ok(());
        }
        let lacks_tag = |tag: &_| self.lacks(whole, PartKind::Tag, tag, &target.tags);
        let tags: Texts = tags.into_iter().filter(lacks_tag).collect();
        let send = |tags: &[_]| self.api.set_logged_model_tags(&known.id, tags);
        self.in_parts(whole, &tags, &|(key, _)| PartKind::Tag.of(key), &send)
    }

    /// Deletes the logged models that are deleted in the archive.
    pub(super) fn delete_logged_models(&self) -> Result<()> {
        if !self.has_logged_models() {
            return Ok(());
        }
        for model in self.archive.objects::<LoggedModel>() {
            let model: LoggedModel = model?;
            if model.is_deleted()
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
