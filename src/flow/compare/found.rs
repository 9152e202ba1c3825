//! The target's side: what an export of it says, in the archive's ids, and only what came from the archive.

use super::Context;
use super::belongings::{Holder, model_point, run_point};
use super::expected::sorted;
use super::plain::*;
use crate::archive::walk::JoinedObjects;
use crate::archive::{Archive, ArchiveWriter};
use crate::flow::import::plan::limits::PARENT_TAG;
use crate::flow::import::{Result, identity};
use crate::format::Kind;
use crate::format::line::Object as _;
use crate::lang::rest::mark;
use crate::model::*;

pub(crate) fn write(context: &Context<'_>, actual: &Archive, writer: &mut ArchiveWriter) -> Result<()> {
    let mut side = Found {
        context,
        actual,
        writer,
    };
    side.experiments()?;
    side.runs()?;
    side.logged_models()?;
    side.registry()?;
    side.traces()?;
    side.genai()
}

struct Found<'c, 'a, 'w> {
    context: &'c Context<'a>,
    actual: &'c Archive,
    writer: &'w mut ArchiveWriter,
}

impl Found<'_, '_, '_> {
    fn old(&self, kind: Kind, id: &str) -> Option<String> {
        self.context.reverse.get(kind, id)
    }

    fn experiments(&mut self) -> Result<()> {
        for experiment in self.actual.objects::<Experiment>() {
            let mut experiment: Experiment = experiment?;
            let Some(id) = self.old(Kind::Experiments, &experiment.experiment_id) else {
                continue;
            };
            experiment.experiment_id = id;
            experiment.tags.remove(mark::KEY);
            experiment.tags.remove(identity::KEY);
            plain_experiment(&mut experiment);
            self.writer.write(&experiment)?;
        }
        Ok(())
    }

    fn runs(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        let mut runs = JoinedObjects::<Run>::new(self.actual, &[Kind::Metrics, Kind::Artifacts])?;
        while let Some(mut run) = runs.next()? {
            let Some(id) = reverse.get(Kind::Runs, &run.info.run_id) else {
                continue;
            };
            run.info.run_id = id;
            run.info.experiment_id = reverse.or_same(Kind::Experiments, &run.info.experiment_id);
            run.tags.remove(mark::KEY);
            rename(&mut run.tags, PARENT_TAG, |parent| {
                reverse.or_same(Kind::Runs, parent)
            });
            for input in &mut run.inputs.model_inputs {
                input.model_id = reverse.or_same(Kind::LoggedModels, &input.model_id);
            }
            for output in &mut run.outputs.model_outputs {
                output.model_id = reverse.or_same(Kind::LoggedModels, &output.model_id);
            }
            run.inputs.model_inputs.sort();
            run.outputs.model_outputs.sort();
            plain_run(&mut run);
            self.writer.write(&run)?;
            let holder = Holder::of(&run);
            let as_kept = |_: &str, _: Option<&Point>, point| Some(run_point(point));
            holder.histories::<_, MetricSlice>(self.writer, &mut runs, as_kept)?;
            holder.files(self.writer, &mut runs, |_| Ok(true))?;
        }
        Ok(())
    }

    fn logged_models(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        let kinds = [Kind::ModelMetrics, Kind::Artifacts];
        let mut models = JoinedObjects::<LoggedModel>::new(self.actual, &kinds)?;
        while let Some(mut model) = models.next()? {
            let Some(id) = reverse.get(Kind::LoggedModels, &model.model_id) else {
                continue;
            };
            model.model_id = id;
            model.experiment_id = reverse.or_same(Kind::Experiments, &model.experiment_id);
            model.source_run_id = model.source_run_id.map(|run| reverse.or_same(Kind::Runs, &run));
            model.tags.remove(mark::KEY);
            plain_logged_model(&mut model);
            self.writer.write(&model)?;
            let holder = Holder::of(&model);
            holder.histories::<_, ModelMetricSlice>(self.writer, &mut models, |_, _, point| {
                let mut link = point.link.as_deref().cloned().unwrap_or_default();
                link.run_id = link.run_id.map(|run| reverse.or_same(Kind::Runs, &run));
                Some(model_point(point, link))
            })?;
            holder.files(self.writer, &mut models, |_| Ok(true))?;
        }
        Ok(())
    }

    fn registry(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        let mapped_ids = |tags: &mut TextMap| {
            for (key, kind) in [
                ("_mlflow_experiment_ids", Kind::Experiments),
                ("mlflow.prompt.associatedRunIds", Kind::Runs),
            ] {
                rename(tags, key, |ids| {
                    let ids = ids.split(',').map(|id| reverse.or_same(kind, id));
                    ids.collect::<Vec<_>>().join(",")
                });
            }
        };
        for model in self.actual.objects::<RegisteredModel>() {
            let mut model: RegisteredModel = model?;
            if !self.context.is_here(model.workspace.as_deref()) {
                continue;
            }
            let Some(name) = reverse.get(Kind::RegisteredModels, &model.name) else {
                continue;
            };
            for version in model.aliases.values_mut() {
                let id = reverse.get(Kind::ModelVersions, &format!("{}/{version}", model.name));
                let number = id.and_then(|id| id.rsplit_once('/')?.1.parse().ok());
                *version = number.unwrap_or(*version);
            }
            model.name = name;
            model.tags.remove(mark::KEY);
            mapped_ids(&mut model.tags);
            plain_registered_model(&mut model);
            self.writer.write(&model)?;
        }
        for version in self.actual.objects::<ModelVersion>() {
            let mut version: ModelVersion = version?;
            if !self.context.is_here(version.workspace.as_deref()) {
                continue;
            }
            let Some(id) = reverse.get(Kind::ModelVersions, &version.id()) else {
                continue;
            };
            let Some((name, number)) = id.rsplit_once('/') else {
                continue;
            };
            version.name = name.to_owned();
            version.version = number.parse().unwrap_or(version.version);
            version.run_id = version.run_id.map(|run| reverse.or_same(Kind::Runs, &run));
            version.tags.remove(mark::KEY);
            mapped_ids(&mut version.tags);
            if registry::is_prompt(&version.tags) {
                version.source = None;
            }
            plain_version(&mut version);
            self.writer.write(&version)?;
        }
        Ok(())
    }

    fn traces(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        let is_old = self.context.target.has_only_old_traces();
        let mut traces = JoinedObjects::<Trace>::new(self.actual, &[Kind::Spans, Kind::Artifacts])?;
        while let Some(mut trace) = traces.next()? {
            let Some(id) = reverse.get(Kind::Traces, &trace.trace_id) else {
                continue;
            };
            trace.trace_id = id;
            trace.experiment_id = reverse.or_same(Kind::Experiments, &trace.experiment_id);
            rename(&mut trace.trace_metadata, "mlflow.sourceRun", |run| {
                reverse.or_same(Kind::Runs, run)
            });
            rename(&mut trace.trace_metadata, "mlflow.modelId", |model| {
                reverse.or_same(Kind::LoggedModels, model)
            });
            for assessment in &mut trace.assessments {
                let key = "mlflow.assessment.sourceRunId";
                rename(&mut assessment.metadata, key, |run| {
                    reverse.or_same(Kind::Runs, run)
                });
            }
            for run in &mut trace.linked_runs {
                *run = reverse.or_same(Kind::Runs, run);
            }
            for prompt in &mut trace.linked_prompts {
                *prompt = reverse.or_same(Kind::ModelVersions, prompt);
            }
            trace.linked_runs.sort();
            trace.linked_prompts.sort();
            plain_trace(&mut trace);
            if is_old {
                plain_old_trace(&mut trace);
            }
            self.writer.write(&trace)?;
            let holder = Holder::of(&trace);
            while let Some(span) = traces.child()? {
                holder.span(self.writer, span, |span| {
                    if is_old {
                        plain_old_span(span);
                    }
                })?;
            }
            holder.files(self.writer, &mut traces, |_| Ok(true))?;
        }
        Ok(())
    }

    fn genai(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        for dataset in self.actual.objects::<EvaluationDataset>() {
            let mut dataset: EvaluationDataset = dataset?;
            let Some(id) = reverse.get(Kind::EvaluationDatasets, &dataset.dataset_id) else {
                continue;
            };
            dataset.dataset_id = id;
            let experiments = dataset.experiment_ids.iter();
            let experiments = experiments
                .map(|id| reverse.or_same(Kind::Experiments, id))
                .collect();
            dataset.experiment_ids = sorted(experiments);
            dataset.tags.remove(mark::KEY);
            plain_dataset(&mut dataset);
            self.writer.write(&dataset)?;
        }
        for record in self.actual.objects::<DatasetRecord>() {
            let mut record: DatasetRecord = record?;
            let Some(id) = reverse.get(Kind::EvaluationDatasets, &record.dataset_id) else {
                continue;
            };
            record.dataset_id = id;
            plain_record(&mut record);
            self.writer.write(&record)?;
        }
        for scorer in self.actual.objects::<Scorer>() {
            let mut scorer: Scorer = scorer?;
            let Some(id) = reverse.get(Kind::Experiments, &scorer.experiment_id) else {
                continue;
            };
            scorer.experiment_id = id;
            if reverse.get(Kind::Scorers, &scorer.id()).is_some() {
                plain_scorer(&mut scorer);
                self.writer.write(&scorer)?;
            }
        }
        Ok(())
    }
}

fn rename(texts: &mut TextMap, key: &str, new: impl Fn(&str) -> String) {
    if let Some(Text::Utf8(text)) = texts.get_mut(key) {
        *text = new(text);
    }
}
