//! Logged models, traces, prompts and evaluation datasets.

use super::{Exporter, Result, folder_name};
use crate::archive::Owner;
use crate::format::{Kind, Object};
use crate::model::pyjson::PyJson;
use crate::model::{OwnerKind, Trace};
use crate::source::exim::document::Document;
use crate::source::exim::evaluation::evaluation_dataset;
use crate::source::exim::layout::{ARTIFACTS, LOGGED_MODEL, LOGGED_MODELS, TRACE, TRACES};
use crate::source::exim::logged_model::{ExportedModel, logged_model};
use crate::source::exim::prompt::prompt;
use crate::source::exim::same;
use crate::source::exim::trace::{spans, trace};
use std::path::Path;

/// Metadata of a trace that names its run.
const SOURCE_RUN: &str = "mlflow.sourceRun";

/// An object as it was found, for the search for another copy.
struct FoundObject<'a> {
    kind: Kind,
    id: &'a str,
    experiment_id: &'a str,
    folder: &'a Path,
}

impl Exporter<'_> {
    /// Exports a logged model with its metrics and artifacts.
    pub(super) fn logged_model(&mut self, folder: &Path) -> Result<()> {
        let file = folder.join(LOGGED_MODEL);
        let document = match Document::read(&file) {
            Ok(document) => document,
            Err(error) => return self.unreadable(Kind::LoggedModels, &folder_name(folder), &error),
        };
        self.note_system(&document);
        let ExportedModel {
            model,
            points,
            bad_points,
            wrong,
        } = logged_model(document.body());
        let id = model.model_id.clone();
        self.wrong_types(Kind::LoggedModels, &id, &file, &wrong)?;
        if !self
            .choice
            .takes_logged_model(&id, &model.experiment_id, model.source_run_id.as_deref())
        {
            self.export.left_out(Kind::LoggedModels, "not-selected", 1);
            return Ok(());
        }
        if self.is_of_left_out_experiment(&model.experiment_id) {
            self.export.left_out(Kind::LoggedModels, "deleted", 1);
            return Ok(());
        }
        let found = FoundObject {
            kind: Kind::LoggedModels,
            id: &id,
            experiment_id: &model.experiment_id,
            folder,
        };
        if self.is_copy(&found, LOGGED_MODELS, LOGGED_MODEL)? {
            return Ok(());
        }
        self.belongs_to(&model.experiment_id);
        self.export.write(&model)?;
        for (key, points) in points {
            let mut series = self.export.writer.point_series();
            for point in points {
                series.push(point).map_err(crate::archive::ArchiveError::io(
                    "write temporary file in",
                    folder,
                ))?;
            }
            let written = self
                .export
                .writer
                .write_model_metric(&model.sort_key(), &id, &key, series);
            self.export.accept(Kind::ModelMetrics, written)?;
        }
        if bad_points > 0 {
            self.bad_points(Kind::ModelMetrics, &id, &file, "*", bad_points)?;
        }
        let owner = Owner {
            kind: OwnerKind::LoggedModel,
            id,
            sort_key: model.sort_key(),
        };
        self.artifacts(&owner, &folder.join(ARTIFACTS))
    }

    /// Whether an object that lies outside its experiment's folder was found elsewhere too; that copy counts then,
    /// and one that differs is reported.
    fn is_copy(&mut self, found: &FoundObject<'_>, below: &str, file: &str) -> Result<bool> {
        let experiment = self.held.experiments.get(found.experiment_id);
        let own = experiment
            .and_then(|experiment| experiment.folder.as_ref())
            .map(|folder| folder.join(below).join(found.id))
            .filter(|folder| folder.join(file).is_file());
        if own.as_deref() == Some(found.folder) {
            return Ok(false);
        }
        let key = (found.kind, found.id.to_owned());
        let Some(first) = own.or_else(|| self.held.loose.get(&key).cloned()) else {
            self.held.loose.insert(key, found.folder.to_owned());
            return Ok(false);
        };
        if let Some(what) = same::difference(&first, found.folder, file) {
            self.differs(found.kind, found.id, &first, found.folder, &what)?;
        }
        Ok(true)
    }

    /// Exports a trace with what the export has of its spans, and its artifacts.
    pub(super) fn trace(&mut self, folder: &Path) -> Result<()> {
        let file = folder.join(TRACE);
        let document = match Document::read_part(&file, "info") {
            Ok(document) => document,
            Err(error) => return self.unreadable(Kind::Traces, &folder_name(folder), &error),
        };
        self.note_system(&document);
        let body = document.body();
        let (trace, wrong) = trace(body.get("info").unwrap_or(&PyJson::Null));
        self.wrong_types(Kind::Traces, &trace.trace_id, &file, &wrong)?;
        if self.leaves_out_trace(&trace) {
            return Ok(());
        }
        let found = FoundObject {
            kind: Kind::Traces,
            id: &trace.trace_id,
            experiment_id: &trace.experiment_id,
            folder,
        };
        if self.is_copy(&found, TRACES, TRACE)? {
            return Ok(());
        }
        self.belongs_to(&trace.experiment_id);
        self.export.write(&trace)?;
        self.spans(&trace, body.get("data").unwrap_or(&PyJson::Null))?;
        let owner = Owner {
            kind: OwnerKind::Trace,
            id: trace.trace_id.clone(),
            sort_key: trace.sort_key(),
        };
        self.artifacts(&owner, &folder.join(ARTIFACTS))
    }

    fn leaves_out_trace(&mut self, trace: &Trace) -> bool {
        let run_id = trace
            .trace_metadata
            .get(SOURCE_RUN)
            .and_then(|run_id| run_id.as_str());
        let reason = match self.choice.takes_of_run(&trace.experiment_id, run_id) {
            false => "not-selected",
            true if self.is_of_left_out_experiment(&trace.experiment_id) => "deleted",
            true => return false,
        };
        self.export.left_out(Kind::Traces, reason, 1);
        true
    }

    fn spans(&mut self, trace: &Trace, data: &PyJson) -> Result<()> {
        let spans = spans(&trace.trace_id, data);
        self.export
            .limit(Kind::Spans.name(), "*", "only-names-exported", spans.len() as u64);
        self.export.write_spans(trace, spans)?;
        Ok(())
    }

    /// Exports a prompt version.
    pub(super) fn prompt(&mut self, file: &Path) -> Result<()> {
        let id = file.parent().map(folder_name).unwrap_or_default();
        let document = match Document::read_part(file, "prompt") {
            Ok(document) => document,
            Err(error) => return self.unreadable(Kind::ModelVersions, &id, &error),
        };
        self.note_system(&document);
        let exported = document.body().get("prompt").unwrap_or(document.body());
        let (model, version, wrong) = prompt(exported);
        self.wrong_types(Kind::ModelVersions, &version.id(), file, &wrong)?;
        if !self.choice.takes_all() && !self.export.options.selection.models.matches(&model.name) {
            self.export.left_out(Kind::ModelVersions, "not-selected", 1);
            return Ok(());
        }
        // The exporter leaves out aliases and the prompt's own tags, and the reserved tags of a version.
        self.export.limit(
            Kind::ModelVersions.name(),
            "tags",
            "reserved-prompt-tags-not-exported",
            1,
        );
        if self.held.prompts.insert(model.name.clone()) {
            self.export.limit(
                Kind::RegisteredModels.name(),
                "tags",
                "prompt-tags-not-exported",
                1,
            );
            self.export.limit(
                Kind::RegisteredModels.name(),
                "aliases",
                "prompt-aliases-not-exported",
                1,
            );
            self.export.write(&model)?;
        }
        match version.version {
            0 => Ok(()),
            _ => self.export.write(&version),
        }
    }

    /// Exports an evaluation dataset with its records.
    pub(super) fn evaluation_dataset(&mut self, file: &Path) -> Result<()> {
        let id = file.parent().map(folder_name).unwrap_or_default();
        let document = match Document::read_part(file, "evaluation_dataset") {
            Ok(document) => document,
            Err(error) => return self.unreadable(Kind::EvaluationDatasets, &id, &error),
        };
        self.note_system(&document);
        let exported = document
            .body()
            .get("evaluation_dataset")
            .unwrap_or(document.body());
        let (dataset, records, wrong) = evaluation_dataset(exported);
        self.wrong_types(Kind::EvaluationDatasets, &dataset.dataset_id, file, &wrong)?;
        if !self.choice.takes_of_experiments(&dataset.experiment_ids) {
            self.export.left_out(Kind::EvaluationDatasets, "not-selected", 1);
            return Ok(());
        }
        self.export.write(&dataset)?;
        for record in &records {
            self.export.write(record)?;
        }
        Ok(())
    }
}
