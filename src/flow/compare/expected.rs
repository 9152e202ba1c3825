//! The archive's side: what an import should have left in the target.

use super::Context;
use super::belongings::{Holder, model_point, run_point};
use super::plain::*;
use crate::archive::ArchiveWriter;
use crate::archive::walk::JoinedObjects;
use crate::flow::import::plan::Action;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::version_source::{self, Given, KnownPlaces};
use crate::flow::import::{ImportError, Result, artifacts, identity, mlmodel, spans};
use crate::format::{Kind, Object, order};
use crate::lang::exim::tags::VersionContexts;
use crate::lang::rest::keys::takes_alias;
use crate::lang::rest::mark;
use crate::lang::rest::version::Feature;
use crate::model::registry::DELETED_STAGE;
use crate::model::*;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};

pub(crate) fn write(context: &Context<'_>, writer: &mut ArchiveWriter) -> Result<()> {
    let mut side = Expected { context, writer };
    side.experiments()?;
    side.runs()?;
    if context.target.has(Feature::LoggedModels) {
        side.logged_models()?;
    }
    side.registry()?;
    if context.target.has(Feature::TracesV2) {
        side.traces()?;
    }
    if context.target.has(Feature::EvaluationDatasets) {
        side.genai()?;
    }
    Ok(())
}

pub(crate) struct Expected<'c, 'a, 'w> {
    pub(crate) context: &'c Context<'a>,
    pub(crate) writer: &'w mut ArchiveWriter,
}

/// Sent texts as they stand in an archive, without the mark.
pub(crate) fn texts(texts: Texts) -> TextMap {
    let own = texts
        .into_iter()
        .filter(|(key, _)| key != mark::KEY && key != identity::KEY);
    own.map(|(key, value)| (key, Text::Utf8(value))).collect()
}

impl Expected<'_, '_, '_> {
    fn write<T: Object>(&mut self, object: &T) -> Result<()> {
        Ok(self.writer.write(object)?)
    }

    fn experiments(&mut self) -> Result<()> {
        for experiment in &self.context.plan.named.experiments {
            let Some(planned) = self.context.plan.experiment(&experiment.experiment_id) else {
                continue;
            };
            let fitted = self.context.fitting.experiment(experiment);
            let (tags, _) = fitted.map_err(ImportError::exim(Kind::Experiments, &planned.id))?;
            let mut experiment = experiment.clone();
            experiment.tags = texts(tags);
            experiment.name.clone_from(&planned.target_name);
            plain_experiment(&mut experiment);
            self.write(&experiment)?;
        }
        Ok(())
    }

    fn runs(&mut self) -> Result<()> {
        let context = self.context;
        let (limits, mapping) = (context.fitting.limits, context.mapping);
        let mut runs = JoinedObjects::<Run>::new(self.context.archive, &[Kind::Metrics, Kind::Artifacts])?;
        while let Some(mut run) = runs.next()? {
            let id = run.info.run_id.clone();
            if !self.context.plan.chosen.run(&run.info.experiment_id, &id) {
                continue;
            }
            let fitted = context
                .fitting
                .run(&run)
                .map_err(ImportError::exim(Kind::Runs, &id))?;
            run.tags = texts(fitted.tags);
            run.params = texts(fitted.params);
            run.info.user_id = fitted.user_id;
            run.info.run_name = fitted.run_name.clone();
            if let Some(name) = fitted.run_name {
                run.tags.insert("mlflow.runName".to_owned(), Text::Utf8(name));
            }
            let has_models = context.target.has(Feature::LoggedModels);
            let is_there = |model: &String| has_models && mapping.id(Kind::LoggedModels, model).is_some();
            run.inputs.model_inputs.retain(|input| is_there(&input.model_id));
            let outputs = &mut run.outputs.model_outputs;
            outputs.retain(|output| is_there(&output.model_id));
            if !context.target.has(Feature::DatasetInputs) {
                run.inputs.dataset_inputs.clear();
            }
            plain_run(&mut run);
            self.write(&run)?;
            let holder = Holder::of(&run);
            holder.histories::<_, MetricSlice>(self.writer, &mut runs, |key, last, point| {
                let point = run_point(point);
                let is_kept = limits.key_fault(key).is_none() && point.timestamp >= 0;
                (is_kept && last != Some(&point)).then_some(point)
            })?;
            self.files(&holder, &mut runs)?;
        }
        Ok(())
    }

    fn logged_models(&mut self) -> Result<()> {
        let kinds = [Kind::ModelMetrics, Kind::Artifacts];
        let mut models = JoinedObjects::<LoggedModel>::new(self.context.archive, &kinds)?;
        while let Some(mut model) = models.next()? {
            // What is deleted no call shows.
            if !self.context.plan.chosen.logged_model(&model) || model.is_deleted() {
                continue;
            }
            let (tags, params, _) = self.context.fitting.logged_model(&model);
            (model.tags, model.params) = (texts(tags), texts(params));
            let mapping = self.context.mapping;
            let is_there = |run: &String| mapping.id(Kind::Runs, run).is_some();
            model.source_run_id = model.source_run_id.filter(is_there);
            plain_logged_model(&mut model);
            self.write(&model)?;
            let holder = Holder::of(&model);
            holder.histories::<_, ModelMetricSlice>(self.writer, &mut models, |_, _, point| {
                let link = point.link.as_deref().cloned().unwrap_or_default();
                let is_there = link.run_id.as_ref().is_some_and(is_there);
                (is_there && point.timestamp >= 0).then(|| model_point(point, link))
            })?;
            self.files(&holder, &mut models)?;
        }
        Ok(())
    }

    fn registry(&mut self) -> Result<()> {
        let planned = self.context.plan.models.iter();
        let planned = planned.filter(|planned| planned.action != Action::Skip);
        let planned: HashMap<_, _> = planned.map(|planned| (planned.name.clone(), planned)).collect();
        let mapping = self.context.mapping;
        for model in self.context.archive.objects::<RegisteredModel>() {
            let mut model: RegisteredModel = model?;
            if !planned.contains_key(&model.name) || !self.context.plan.chosen.model(&model) {
                continue;
            }
            let (tags, description, _) = self.context.fitting.registered_model(&model);
            (model.tags, model.description) = (texts(tags), description);
            let has_aliases = self.context.target.has(Feature::Aliases);
            let aliases = std::mem::take(&mut model.aliases).into_iter();
            model.aliases = aliases
                .filter(|(alias, version)| {
                    let id = format!("{}/{version}", model.name);
                    has_aliases && takes_alias(alias) && mapping.id(Kind::ModelVersions, &id).is_some()
                })
                .collect();
            plain_registered_model(&mut model);
            self.write(&model)?;
        }
        let contexts = VersionContexts::collect(self.context.archive)?;
        for version in self.context.archive.objects::<ModelVersion>() {
            let version: ModelVersion = version?;
            if let Some(model) = planned.get(&version.name)
                && self.context.plan.chosen.has_version(&version)
                && let Some(version) = self.version(version, model.is_prompt, &contexts)?
            {
                self.write(&version)?;
            }
        }
        Ok(())
    }

    fn version(
        &self,
        mut version: ModelVersion,
        is_prompt: bool,
        contexts: &VersionContexts,
    ) -> Result<Option<ModelVersion>> {
        if version.current_stage.as_deref() == Some(DELETED_STAGE) {
            return Ok(None);
        }
        let id = version.id();
        let of = contexts.of(&version);
        let fitted = self.context.fitting.model_version(&version, &of);
        let (tags, description, _) = fitted.map_err(ImportError::exim(Kind::ModelVersions, &id))?;
        (version.tags, version.description) = (texts(tags), description);
        if is_prompt {
            version.source = None;
        } else {
            let (plan, api) = (self.context.plan, self.context.api);
            let id = |kind, id: &str| self.context.mapping.id(kind, id);
            let places = KnownPlaces { id: &id, plan, api };
            let source = version_source::rewrite(Given::of(&version, &of), &places);
            if source.fault.is_some() {
                return Ok(None);
            }
            let run_id = source
                .run_id
                .map(|run| self.context.reverse.or_same(Kind::Runs, &run));
            (version.source, version.run_id) = (Some(source.uri), run_id);
        }
        plain_version(&mut version);
        Ok(Some(version))
    }

    fn traces(&mut self) -> Result<()> {
        let mapping = self.context.mapping;
        let takes_spans = self.context.target.has(Feature::Otlp);
        let is_old = self.context.target.has_only_old_traces();
        let archive = self.context.archive;
        let mut traces = JoinedObjects::<Trace>::new(archive, &[Kind::Spans, Kind::Artifacts])?;
        while let Some(mut trace) = traces.next()? {
            let chosen = &self.context.plan.chosen;
            if !chosen.in_experiment(Kind::Traces, &trace.experiment_id) {
                continue;
            }
            let lines = traces.lines(Kind::Spans)?;
            let gets_kinds = takes_spans && !spans::without_kind(archive, &trace, &lines)?.is_empty();
            plain_trace(&mut trace);
            if is_old {
                plain_old_trace(&mut trace);
            }
            let is_there = |kind| move |id: &String| mapping.id(kind, id).is_some();
            trace.linked_runs.retain(is_there(Kind::Runs));
            trace.linked_prompts.retain(is_there(Kind::ModelVersions));
            self.write(&trace)?;
            let holder = Holder::of(&trace);
            for span in spans::parsed(archive, &lines)? {
                holder.span(self.writer, span, |span| {
                    if is_old {
                        plain_old_span(span);
                    } else if gets_kinds && span.kind.is_none() {
                        span.kind = Some(spans::DEFAULT_KIND.to_owned());
                    }
                })?;
            }
            self.files(&holder, &mut traces)?;
        }
        Ok(())
    }

    fn genai(&mut self) -> Result<()> {
        let context = self.context;
        let (archive, mapping, chosen) = (context.archive, context.mapping, &context.plan.chosen);
        let mut seen = HashSet::new();
        for dataset in archive.objects::<EvaluationDataset>() {
            let mut dataset: EvaluationDataset = dataset?;
            // One without experiments is in no selection of a target.
            let is_seen = !dataset.experiment_ids.is_empty() && chosen.dataset(&dataset);
            let known = mapping.id(Kind::EvaluationDatasets, &dataset.dataset_id);
            if is_seen && known.is_some() {
                seen.insert(dataset.dataset_id.clone());
                plain_dataset(&mut dataset);
                self.write(&dataset)?;
            }
        }
        for record in archive.objects::<DatasetRecord>() {
            let mut record: DatasetRecord = record?;
            if seen.contains(&record.dataset_id) {
                plain_record(&mut record);
                self.write(&record)?;
            }
        }
        for scorer in archive.objects::<Scorer>() {
            let mut scorer: Scorer = scorer?;
            if chosen.in_experiment(Kind::Scorers, &scorer.experiment_id) {
                plain_scorer(&mut scorer);
                self.write(&scorer)?;
            }
        }
        Ok(())
    }

    fn files<T: Object>(&mut self, holder: &Holder, objects: &mut JoinedObjects<'_, T>) -> Result<()> {
        let context = self.context;
        holder.files(self.writer, objects, |file| {
            let is_kept = artifacts::fault(file, &context.fitting.limits).is_none();
            if is_kept && T::KIND != Kind::Traces {
                rewrite_ids(context, file)?;
            }
            Ok(is_kept)
        })
    }
}

/// Gives an `MLmodel` whose ids were rewritten its new digest.
fn rewrite_ids(context: &Context<'_>, file: &mut ArtifactFile) -> Result<()> {
    let is_looked_at = context.options.fix_mlmodel && mlmodel::is_mlmodel(&file.path);
    let is_small = |blob: &BlobRef| blob.size_bytes <= mlmodel::LARGEST_BYTES;
    let Some(blob) = file.blob().filter(|blob| is_looked_at && is_small(blob)) else {
        return Ok(());
    };
    let bytes = artifacts::read(context.archive, &blob)?;
    let new_id =
        |key: &str, word: &str| mlmodel::new_id(key, word, |kind, id| context.mapping.name(kind, id));
    if let Some(bytes) = mlmodel::rewrite(&bytes, new_id) {
        file.size_bytes = Some(bytes.len() as u64);
        file.sha256 = Some(Digest(Sha256::digest(&bytes).into()));
    }
    Ok(())
}

/// The order of an experiment's id, for lists of them.
pub(crate) fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_by_key(|id| order::experiment(id));
    ids
}
