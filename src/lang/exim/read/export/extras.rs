//! Logged models, traces, prompts and evaluation datasets.

use super::{Exporter, Result};
use crate::archive::{ArchiveError, Owner};
use crate::format::{Kind, Object, Reason};
use crate::lang::artifacts::local_roots::OutsideSource;
use crate::lang::exim::read::evaluation::evaluation_dataset;
use crate::lang::exim::read::layout::{ARTIFACTS, LOGGED_MODEL, LOGGED_MODELS, TRACE, TRACES};
use crate::lang::exim::read::logged_model::{ExportedModel, logged_model};
use crate::lang::exim::read::prompt::prompt;
use crate::lang::exim::read::same_object;
use crate::lang::exim::read::trace::{spans, trace};
use crate::lang::spans::read::{SPAN_FILE, SpanFile};
use crate::model::pyjson::{PyJson, PyJsonReadError};
use crate::model::{LoggedModel, OwnerKind, Point, Trace};
use std::collections::BTreeMap;
use std::path::Path;

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
        let Some(document) = self.opened(Kind::LoggedModels, &file, None)? else {
            return Ok(());
        };
        let ExportedModel {
            model,
            points,
            bad_points,
            saying_more,
            wrong,
        } = logged_model(document.body());
        let id = model.model_id.clone();
        let verdict = self.closure.logged_model(&model);
        if self.leaves_out(Kind::LoggedModels, verdict) {
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
        self.wrong_types(Kind::LoggedModels, &id, &file, &wrong)?;
        self.belongs_to(&model.experiment_id);
        self.export.write(&model)?;
        self.export
            .limit(Kind::ModelMetrics, "*", Reason::NotHeld, saying_more);
        self.model_metrics(&model, &file, points, bad_points)?;
        let owner = Owner::of(OwnerKind::LoggedModel, &model);
        self.artifacts(&owner, &folder.join(ARTIFACTS))
    }

    fn model_metrics(
        &mut self,
        model: &LoggedModel,
        file: &Path,
        points: BTreeMap<String, Vec<Point>>,
        bad_points: u64,
    ) -> Result<()> {
        let scratch_error = |error| ArchiveError::io("use a temporary file for", file)(error);
        for (key, points) in points {
            let mut series = self.export.writer.point_series();
            for point in points {
                series.push(point).map_err(scratch_error)?;
            }
            let id = &model.model_id;
            self.export
                .write_points(Kind::LoggedModels, &model.sort_key(), id, &key, series)?;
        }
        match bad_points {
            0 => Ok(()),
            count => self.bad_points(Kind::ModelMetrics, &model.model_id, file, "*", count),
        }
    }

    /// Whether an object that lies outside its experiment's folder was found elsewhere too; that copy counts then,
    /// and one that differs is reported.
    fn is_copy(&mut self, found: &FoundObject<'_>, below: &str, file: &str) -> Result<bool> {
        let experiment = self.held.experiments.get(found.experiment_id);
        let own = experiment
            .and_then(|folder| folder.as_ref())
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
        if let Some(what) = same_object::difference(&self.roots, &first, found.folder, file) {
            self.differs(found.kind, found.id, &first, found.folder, &what)?;
        }
        Ok(true)
    }

    /// Exports a trace with what the export has of its spans, and its artifacts.
    pub(super) fn trace(&mut self, folder: &Path) -> Result<()> {
        let file = folder.join(TRACE);
        let Some(document) = self.opened(Kind::Traces, &file, Some("info"))? else {
            return Ok(());
        };
        let body = document.body();
        let (trace, wrong) = trace(body.get("info").unwrap_or(&PyJson::Null));
        let verdict = self.closure.trace(&trace, &trace.linked_runs);
        if self.leaves_out(Kind::Traces, verdict) {
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
        self.wrong_types(Kind::Traces, &trace.trace_id, &file, &wrong)?;
        self.belongs_to(&trace.experiment_id);
        self.export.write(&trace)?;
        let has_all = self.spans(&trace, body, folder)?;
        let owner = Owner::of(OwnerKind::Trace, &trace);
        self.artifacts_less(&owner, &folder.join(ARTIFACTS), has_all.then_some(SPAN_FILE))
    }

    /// Writes the spans of a trace, from the artifact that holds them, else by name and id only. True where the spans say all
    /// that the artifact says.
    fn spans(&mut self, trace: &Trace, body: &PyJson, folder: &Path) -> Result<bool> {
        let file = folder.join(ARTIFACTS).join(SPAN_FILE);
        let opened = file.is_file().then(|| self.roots.open(&file));
        let read = opened.map(|opened| SpanFile::read(opened?, &trace.trace_id));
        if let Some(Ok(found)) = read {
            self.export.write_spans(trace, found.spans)?;
            let kept = u64::from(!found.is_whole);
            self.export.limit(Kind::Spans, "*", Reason::KeptAsArtifact, kept);
            return Ok(found.is_whole);
        }
        let (named, wrong) = spans(&trace.trace_id, body);
        self.wrong_types(Kind::Spans, &trace.trace_id, &folder.join(TRACE), &wrong)?;
        self.export
            .limit(Kind::Spans, "*", Reason::OnlyNamesExported, named.len() as u64);
        self.export.write_spans(trace, named)?;
        if let Some(Err(error)) = read {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            let detail = format!("{} {error}{cause}", self.below_root(&file));
            let reason = match &error {
                PyJsonReadError::Io(error) => OutsideSource::reason(error),
                PyJsonReadError::Json(_) => Reason::BadJson,
            };
            self.fail(Kind::Spans, &trace.trace_id, reason, &detail)?;
        }
        Ok(false)
    }

    /// Exports a prompt version.
    pub(super) fn prompt(&mut self, file: &Path) -> Result<()> {
        let Some(document) = self.opened(Kind::ModelVersions, file, Some("prompt"))? else {
            return Ok(());
        };
        let exported = document.body().get("prompt").unwrap_or(document.body());
        let (model, version, wrong) = prompt(exported);
        if !self.closure.takes_model(&model.name) {
            self.export.left_out(Kind::ModelVersions, Reason::NotSelected, 1);
            return Ok(());
        }
        self.wrong_types(Kind::ModelVersions, &version.id(), file, &wrong)?;
        // The exporter leaves out aliases and the prompt's own tags, and the reserved tags of a version.
        self.export.limit(
            Kind::ModelVersions,
            "tags",
            Reason::ReservedPromptTagsNotExported,
            1,
        );
        if self.held.prompts.insert(model.name.clone()) {
            self.export
                .limit(Kind::RegisteredModels, "tags", Reason::PromptTagsNotExported, 1);
            self.export.limit(
                Kind::RegisteredModels,
                "aliases",
                Reason::PromptAliasesNotExported,
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
        let Some(document) = self.opened(Kind::EvaluationDatasets, file, Some("evaluation_dataset"))? else {
            return Ok(());
        };
        let exported = document
            .body()
            .get("evaluation_dataset")
            .unwrap_or(document.body());
        let (dataset, records, wrong) = evaluation_dataset(exported);
        if !self.closure.takes_of_experiments(&dataset.experiment_ids) {
            self.export
                .left_out(Kind::EvaluationDatasets, Reason::NotSelected, 1);
            return Ok(());
        }
        self.wrong_types(Kind::EvaluationDatasets, &dataset.dataset_id, file, &wrong)?;
        self.export.write(&dataset)?;
        for record in &records {
            self.export.write(record)?;
        }
        Ok(())
    }
}
