//! The target's side: what an export of it says, in the archive's ids, and only what came from the archive.

use super::Context;
use super::belongings::{Holder, model_point, run_point};
use super::expected::sorted;
use super::plain::*;
use crate::archive::walk::JoinedObjects;
use crate::archive::{Archive, ArchiveWriter};
use crate::flow::import::plan::limits::PARENT_TAG;
use crate::flow::import::{Result, identity};
use crate::format::{Kind, Object};
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
    /// Writes those objects of a kind that `old` knows from the archive and makes the same again.
    fn each<T: Object>(&mut self, mut old: impl FnMut(&mut T) -> Option<()>) -> Result<()> {
        for object in self.actual.objects::<T>() {
            let mut object = object?;
            if old(&mut object).is_some() {
                self.writer.write(&object)?;
            }
        }
        Ok(())
    }

    fn experiments(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        self.each(|experiment: &mut Experiment| {
            experiment.experiment_id = reverse.get(Kind::Experiments, &experiment.experiment_id)?;
            experiment.tags.remove(mark::KEY);
            experiment.tags.remove(identity::KEY);
            plain_experiment(experiment);
            Some(())
        })
    }

    fn runs(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        let of_run = |run: &str| reverse.or_same(Kind::Runs, run);
        let mut runs = JoinedObjects::<Run>::new(self.actual, &[Kind::Metrics, Kind::Artifacts])?;
        while let Some(mut run) = runs.next()? {
            let Some(id) = reverse.get(Kind::Runs, &run.info.run_id) else {
                continue;
            };
            run.info.run_id = id;
            run.info.experiment_id = reverse.or_same(Kind::Experiments, &run.info.experiment_id);
            run.tags.remove(mark::KEY);
            rename(&mut run.tags, PARENT_TAG, of_run);
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
        let context = self.context;
        let reverse = &context.reverse;
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
        self.each(|model: &mut RegisteredModel| {
            let is_here = context.is_here(model.workspace.as_deref());
            let name = reverse
                .get(Kind::RegisteredModels, &model.name)
                .filter(|_| is_here)?;
            for version in model.aliases.values_mut() {
                let id = reverse.get(Kind::ModelVersions, &format!("{}/{version}", model.name));
                let number = id.and_then(|id| id.rsplit_once('/')?.1.parse().ok());
                *version = number.unwrap_or(*version);
            }
            model.name = name;
            model.tags.remove(mark::KEY);
            mapped_ids(&mut model.tags);
            plain_registered_model(model);
            Some(())
        })?;
        self.each(|version: &mut ModelVersion| {
            let is_here = context.is_here(version.workspace.as_deref());
            let id = reverse
                .get(Kind::ModelVersions, &version.id())
                .filter(|_| is_here)?;
            let (name, number) = id.rsplit_once('/')?;
            version.name = name.to_owned();
            version.version = number.parse().unwrap_or(version.version);
            version.run_id = version.run_id.take().map(|run| reverse.or_same(Kind::Runs, &run));
            version.tags.remove(mark::KEY);
            mapped_ids(&mut version.tags);
            if registry::is_prompt(&version.tags) {
                version.source = None;
            }
            plain_version(version);
            Some(())
        })
    }

    fn traces(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        let of_run = |run: &str| reverse.or_same(Kind::Runs, run);
        let is_old = self.context.target.has_only_old_traces();
        let mut traces = JoinedObjects::<Trace>::new(self.actual, &[Kind::Spans, Kind::Artifacts])?;
        while let Some(mut trace) = traces.next()? {
            let Some(id) = reverse.get(Kind::Traces, &trace.trace_id) else {
                continue;
            };
            trace.trace_id = id;
            trace.experiment_id = reverse.or_same(Kind::Experiments, &trace.experiment_id);
            rename(&mut trace.trace_metadata, "mlflow.sourceRun", of_run);
            rename(&mut trace.trace_metadata, "mlflow.modelId", |model| {
                reverse.or_same(Kind::LoggedModels, model)
            });
            for assessment in &mut trace.assessments {
                let key = "mlflow.assessment.sourceRunId";
                rename(&mut assessment.metadata, key, of_run);
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
        self.each(|dataset: &mut EvaluationDataset| {
            dataset.dataset_id = reverse.get(Kind::EvaluationDatasets, &dataset.dataset_id)?;
            let experiments = dataset.experiment_ids.iter();
            let experiments = experiments.map(|id| reverse.or_same(Kind::Experiments, id));
            dataset.experiment_ids = sorted(experiments.collect());
            dataset.tags.remove(mark::KEY);
            plain_dataset(dataset);
            Some(())
        })?;
        self.each(|record: &mut DatasetRecord| {
            record.dataset_id = reverse.get(Kind::EvaluationDatasets, &record.dataset_id)?;
            plain_record(record);
            Some(())
        })?;
        self.each(|scorer: &mut Scorer| {
            scorer.experiment_id = reverse.get(Kind::Experiments, &scorer.experiment_id)?;
            reverse.get(Kind::Scorers, &scorer.id())?;
            plain_scorer(scorer);
            Some(())
        })
    }
}

fn rename(texts: &mut TextMap, key: &str, new: impl Fn(&str) -> String) {
    if let Some(Text::Utf8(text)) = texts.get_mut(key) {
        *text = new(text);
    }
}
