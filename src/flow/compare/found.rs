//! The target's side: what an export of it says, in the archive's ids, and only what came from the archive.

use super::Context;
use super::expected::sorted;
use super::plain::*;
use super::points::model_point;
use super::sides::{artifact_key, stored};
use crate::archive::{Archive, ArchiveError, ArchiveWriter, Line, parse_line};
use crate::flow::import::target_fit::PARENT_TAG;
use crate::flow::import::{Result, identity};
use crate::format::line::Object as _;
use crate::format::line::{canonical, to_value};
use crate::format::{Kind, SortKey};
use crate::lang::rest::mark;
use crate::model::*;
use std::collections::HashMap;

/// Places of the objects that were written, for what belongs to them; by their ids in the target.
pub(crate) type Owners = HashMap<(OwnerKind, String), (String, SortKey)>;

pub(crate) fn write(context: &Context<'_>, actual: &Archive, writer: &mut ArchiveWriter) -> Result<()> {
    let mut side = Found {
        context,
        actual,
        writer,
        owners: Owners::new(),
    };
    side.experiments()?;
    side.runs()?;
    side.logged_models()?;
    side.points()?;
    side.registry()?;
    side.traces()?;
    side.genai()?;
    side.artifacts()
}

struct Found<'c, 'a, 'w> {
    context: &'c Context<'a>,
    actual: &'c Archive,
    writer: &'w mut ArchiveWriter,
    owners: Owners,
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
        for run in self.actual.objects::<Run>() {
            let mut run: Run = run?;
            let new_id = run.info.run_id.clone();
            let Some(id) = reverse.get(Kind::Runs, &new_id) else {
                continue;
            };
            run.info.run_id.clone_from(&id);
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
            self.owners.insert((OwnerKind::Run, new_id), (id, run.sort_key()));
            self.writer.write(&run)?;
        }
        Ok(())
    }

    fn logged_models(&mut self) -> Result<()> {
        let reverse = &self.context.reverse;
        for model in self.actual.objects::<LoggedModel>() {
            let mut model: LoggedModel = model?;
            let new_id = model.model_id.clone();
            let Some(id) = reverse.get(Kind::LoggedModels, &new_id) else {
                continue;
            };
            model.model_id.clone_from(&id);
            model.experiment_id = reverse.or_same(Kind::Experiments, &model.experiment_id);
            model.source_run_id = model.source_run_id.map(|run| reverse.or_same(Kind::Runs, &run));
            model.tags.remove(mark::KEY);
            plain_logged_model(&mut model);
            self.owners
                .insert((OwnerKind::LoggedModel, new_id), (id, model.sort_key()));
            self.writer.write(&model)?;
        }
        Ok(())
    }

    fn points(&mut self) -> Result<()> {
        let io = || ArchiveError::io("write", "points");
        let mut all: HashMap<(OwnerKind, String, String), crate::archive::PointSeries> = HashMap::new();
        let mut lines = self.actual.lines(Kind::Metrics);
        let mut last: Option<(OwnerKind, String, String)> = None;
        while let Some(line) = lines.next_line()? {
            let slice: MetricSlice = parse(self.actual, &line)?;
            let key = (OwnerKind::Run, slice.run_id.clone(), slice.key.clone());
            if last.as_ref() != Some(&key) {
                self.finish_points(&mut all)?;
                last = Some(key.clone());
            }
            let series = all.entry(key).or_insert_with(|| self.writer.point_series());
            for point in slice.points() {
                let value = stored(point.value);
                series
                    .push(Point {
                        value,
                        link: None,
                        ..point
                    })
                    .map_err(io())?;
            }
        }
        self.finish_points(&mut all)?;
        let mut lines = self.actual.lines(Kind::ModelMetrics);
        while let Some(line) = lines.next_line()? {
            let slice: ModelMetricSlice = parse(self.actual, &line)?;
            let key = (OwnerKind::LoggedModel, slice.model_id.clone(), slice.key.clone());
            let series = all.entry(key).or_insert_with(|| self.writer.point_series());
            for point in slice.points() {
                let mut link = point.link.clone().map(|link| *link).unwrap_or_default();
                link.run_id = link
                    .run_id
                    .map(|run| self.context.reverse.or_same(Kind::Runs, &run));
                series.push(model_point(point, link)).map_err(io())?;
            }
        }
        self.finish_points(&mut all)
    }

    fn finish_points(
        &mut self,
        all: &mut HashMap<(OwnerKind, String, String), crate::archive::PointSeries>,
    ) -> Result<()> {
        for ((kind, new_id, key), series) in all.drain() {
            let Some((id, place)) = self.owners.get(&(kind, new_id)) else {
                continue;
            };
            match kind {
                OwnerKind::Run => self.writer.write_metric(place, id, &key, series)?,
                _ => self.writer.write_model_metric(place, id, &key, series)?,
            }
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
        for trace in self.actual.objects::<Trace>() {
            let mut trace: Trace = trace?;
            let new_id = trace.trace_id.clone();
            let Some(id) = reverse.get(Kind::Traces, &new_id) else {
                continue;
            };
            trace.trace_id.clone_from(&id);
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
            self.owners
                .insert((OwnerKind::Trace, new_id), (id, trace.sort_key()));
            self.writer.write(&trace)?;
        }
        let as_kept = |span: &mut Span| {
            if is_old {
                plain_old_span(span);
            }
        };
        spans(self.actual, self.writer, &self.owners, &as_kept)
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

    fn artifacts(&mut self) -> Result<()> {
        let mut lines = self.actual.lines(Kind::Artifacts);
        while let Some(line) = lines.next_line()? {
            let list: ArtifactList = parse(self.actual, &line)?;
            let Some((id, place)) = self
                .owners
                .get(&(list.owner_kind, list.owner_id.clone()))
                .cloned()
            else {
                continue;
            };
            for file in list.files {
                let one = ArtifactList {
                    files: vec![file],
                    owner_id: id.clone(),
                    owner_kind: list.owner_kind,
                };
                let key = artifact_key(list.owner_kind, &place, 0).text(&one.files[0].path);
                self.writer
                    .write_line(Kind::Artifacts, key, &id, &canonical(&to_value(&one)))?;
            }
        }
        Ok(())
    }
}

/// Copies the spans of traces, each as the target keeps it.
pub(crate) fn spans(
    archive: &Archive,
    writer: &mut ArchiveWriter,
    owners: &Owners,
    as_kept: &dyn Fn(&mut Span),
) -> Result<()> {
    let mut lines = archive.lines(Kind::Spans);
    while let Some(line) = lines.next_line()? {
        let mut span: Span = parse(archive, &line)?;
        let Some((id, owner)) = owners.get(&(OwnerKind::Trace, span.trace_id.clone())) else {
            continue;
        };
        span.trace_id.clone_from(id);
        as_kept(&mut span);
        let key = owner
            .clone()
            .optional_time(span.start_time_unix_nano)
            .text(&span.span_id);
        let line = writer.line_of(to_value(&span))?;
        writer.write_line(Kind::Spans, key, &span.span_id, &line)?;
    }
    Ok(())
}

/// A line's object.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(archive: &Archive, line: &Line<'_>) -> Result<T> {
    let value = parse_line(archive, line)?;
    let object = serde_json::from_value(value);
    Ok(object.map_err(|error| archive.damaged(&line.place(), &error.to_string()))?)
}

fn rename(texts: &mut TextMap, key: &str, new: impl Fn(&str) -> String) {
    if let Some(Text::Utf8(text)) = texts.get_mut(key) {
        *text = new(text);
    }
}
