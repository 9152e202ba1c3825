//! Logged models, traces, prompts and evaluation datasets.

use super::{Exporter, Result, folder_name};
use crate::archive::Owner;
use crate::format::{Kind, Object};
use crate::model::OwnerKind;
use crate::source::exim::document::Document;
use crate::source::exim::evaluation::evaluation_dataset;
use crate::source::exim::layout::{ARTIFACTS, LOGGED_MODEL};
use crate::source::exim::logged_model::{ExportedModel, logged_model};
use crate::source::exim::prompt::prompt;
use std::path::Path;

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
        if self.is_known_copy(Kind::LoggedModels, &id, folder) {
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

    /// Whether an object was found before in another folder; the first copy counts.
    pub(super) fn is_known_copy(&mut self, kind: Kind, id: &str, folder: &Path) -> bool {
        let key = (kind, id.to_owned());
        self.held.loose.insert(key, folder.to_owned()).is_some()
    }

    /// Exports a trace.
    pub(super) fn trace(&mut self, folder: &Path) -> Result<()> {
        let _ = folder;
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
