//! What the export lists, against what is there.

use super::{Exporter, Result, folder_name};
use crate::format::{Kind, Reason};
use crate::lang::exim::read::document::Document;
use crate::lang::exim::read::fields::{Fields, WrongType};
use crate::lang::exim::read::layout::{
    EVALUATION_DATASET, EVALUATION_DATASETS_INDEX, EXPERIMENT, EXPERIMENTS_INDEX, Layout, MANIFEST, MODEL,
};
use crate::model::Extra;
use crate::model::pyjson::PyJson;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl Exporter<'_> {
    /// Checks the lists of an experiment's file against its folder.
    pub(super) fn check_experiment(
        &mut self,
        file: &Path,
        document: &Document,
        folder: &Layout,
    ) -> Result<()> {
        let body = document.body();
        let info = document.info();
        // Format 1 lists the runs beside what it says of the export.
        let runs = if body.get("runs").is_some() {
            ids(body, "runs")
        } else {
            ids(info, "ok_runs")
        };
        self.check_list(file, Kind::Runs, &runs, &ids(info, "failed_runs"), &folder.runs)?;
        let models = (ids(body, "logged_models"), ids(info, "failed_logged_models"));
        self.check_list(
            file,
            Kind::LoggedModels,
            &models.0,
            &models.1,
            &folder.logged_models,
        )?;
        let traces = (ids(body, "traces"), ids(info, "failed_traces"));
        self.check_list(file, Kind::Traces, &traces.0, &traces.1, &folder.traces)
    }

    /// What is listed and missing is a failure; what is there and not listed is exported and counted.
    fn check_list(
        &mut self,
        file: &Path,
        kind: Kind,
        listed: &BTreeSet<String>,
        failed: &BTreeSet<String>,
        present: &[PathBuf],
    ) -> Result<()> {
        let present: BTreeSet<_> = present.iter().map(|folder| folder_name(folder)).collect();
        let place = self.below_root(file);
        for id in listed.difference(&present) {
            let detail = format!("{place} lists it, and it is not there");
            self.fail(kind, id, Reason::ListedButMissing, &detail)?;
        }
        for id in failed.difference(&present).filter(|id| !listed.contains(*id)) {
            let detail = format!("{place} says that its export failed, and it is not there");
            self.fail(kind, id, Reason::ExportFailed, &detail)?;
        }
        for id in present.difference(listed) {
            let (reason, what) = if failed.contains(id) {
                (
                    Reason::ExportFailed,
                    "says that its export failed: parts of it may be missing",
                )
            } else {
                (Reason::NotListed, "does not list it")
            };
            self.export
                .monitor()
                .notice(&format!("{kind} `{id}`: taken, though {place} {what}"));
            self.export.limit(kind, "*", reason, 1);
        }
        Ok(())
    }

    /// Checks an index of a bulk export against the folders beside it.
    pub(super) fn check_index(&mut self, file: &Path) -> Result<()> {
        let document = match Document::read(&self.roots, file) {
            Ok(document) => document,
            Err(error) => return self.unreadable(index_kind(file), &folder_name(file), &error),
        };
        self.note_system(&document);
        let folder = file.parent().unwrap_or(&self.root).to_owned();
        let kind = index_kind(file);
        let (entries, wrong) = index_entries(kind, &document);
        self.wrong_types(kind, &folder_name(file), file, &wrong)?;
        for (id, candidates) in entries {
            if !candidates
                .iter()
                .any(|candidate| folder.join(candidate).is_file())
            {
                let detail = format!("{} lists it, and it is not there", self.below_root(file));
                self.fail(kind, &id, Reason::ListedButMissing, &detail)?;
            }
        }
        for name in ids(document.info(), "failed_models") {
            let detail = format!("{} says that its export failed", self.below_root(file));
            self.fail(kind, &name, Reason::ExportFailed, &detail)?;
        }
        Ok(())
    }
}

fn index_kind(file: &Path) -> Kind {
    match folder_name(file).as_str() {
        EXPERIMENTS_INDEX => Kind::Experiments,
        EVALUATION_DATASETS_INDEX => Kind::EvaluationDatasets,
        _ => Kind::RegisteredModels,
    }
}

/// A listed object, and the places where its file may be.
type IndexEntry = (String, Vec<PathBuf>);

/// Each listed object, and what cannot be read of the index.
fn index_entries(kind: Kind, document: &Document) -> (Vec<IndexEntry>, Vec<WrongType>) {
    let mut body = Fields::new(document.body());
    if document.body().as_dict().is_none() {
        body.note("mlflow", "an object", document.body());
    }
    let place = |folder: &str, file: &str| Path::new(folder).join(file);
    let entries = match kind {
        Kind::Experiments => objects(&mut body, "experiments", |fields| {
            let id = fields.required_text("id");
            let places = vec![place(&id, EXPERIMENT), place(&id, MANIFEST)];
            (id, places)
        }),
        Kind::EvaluationDatasets => objects(&mut body, "datasets", |fields| {
            let (name, id) = (fields.required_text("name"), fields.required_text("dataset_id"));
            let folder = format!("{name}_{id}");
            (id, vec![place(&folder, EVALUATION_DATASET)])
        }),
        _ => {
            let names = [body.texts("models"), body.texts("ok_models")].concat();
            let entry = |name: String| {
                let places = vec![place(&name, MODEL)];
                (name, places)
            };
            names.into_iter().map(entry).collect()
        }
    };
    (entries, body.finish(&mut Extra::new()))
}

/// What an index names in the objects of a list; one that does not name it is wrong.
fn objects<'a>(
    body: &mut Fields<'a>,
    key: &str,
    pick: impl Fn(&mut Fields<'a>) -> IndexEntry,
) -> Vec<IndexEntry> {
    let mut entries = Vec::new();
    for item in body.dicts(key) {
        let mut fields = Fields::new(item);
        let entry = pick(&mut fields);
        match fields.finish(&mut Extra::new()).is_empty() {
            true => entries.push(entry),
            false => body.note(key, "a list of names", item),
        }
    }
    entries
}

/// The ids in a list; of objects, their `id`.
fn ids(dict: &PyJson, key: &str) -> BTreeSet<String> {
    let items = dict.get(key).and_then(PyJson::as_list).unwrap_or_default();
    let id = |item: &PyJson| match item {
        PyJson::Str(text) => Some(text.clone()),
        PyJson::Int(number) => Some(number.to_string()),
        PyJson::Dict(_) => Fields::new(item).text("id"),
        _ => None,
    };
    items.iter().filter_map(id).collect()
}
