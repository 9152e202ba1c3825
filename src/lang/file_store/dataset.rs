//! Datasets of an experiment: `datasets/<md5>/meta.yaml`, and what runs say of them and of logged models.

use super::folder::{EntryKind, Folder};
use super::index::note_stray;
use super::meta::Meta;
use super::notes::{Fault, Notes, unreadable};
use super::store::{META, Store};
use crate::format::{Kind, Reason};
use crate::model::run::{RunInputs, RunOutputs};
use crate::model::{Dataset, DatasetInput, ModelInput, ModelOutput};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Name and digest of each dataset, by the name of its folder.
pub(super) type DatasetIndex = HashMap<String, (String, String)>;

/// The datasets of an experiment.
pub(super) fn index(
    store: &Store,
    experiment: &Path,
    experiment_id: &str,
    notes: &mut Notes,
) -> DatasetIndex {
    let mut found = DatasetIndex::new();
    let path = experiment.join("datasets");
    let opened = store.open_optional(&path);
    let listed = opened.and_then(|folder| folder.map(Folder::listed).transpose());
    let listed = notes.of_path(Kind::Datasets, experiment_id, "*", &path, listed);
    let Some((folder, entries)) = listed.flatten() else {
        return found;
    };
    for entry in entries {
        match (entry.name(), entry.kind) {
            (Some(name), EntryKind::Folder) => {
                match read(
                    store,
                    &folder.path_of(&entry.name),
                    experiment_id,
                    &mut Notes::default(),
                ) {
                    Ok(dataset) => {
                        found.insert(name.to_owned(), (dataset.name, dataset.digest));
                    }
                    Err((reason, detail)) => {
                        notes.failure(
                            Kind::Datasets,
                            &format!("{experiment_id}/{name}"),
                            "*",
                            reason,
                            detail,
                        );
                    }
                }
            }
            _ => note_stray(Kind::Datasets, &folder, &entry, notes),
        }
    }
    found
}

/// Reads a dataset.
pub(super) fn read(
    store: &Store,
    path: &Path,
    experiment_id: &str,
    notes: &mut Notes,
) -> Result<Dataset, Fault> {
    let path: PathBuf = path.join(META);
    let bytes = store.describe(&path).map_err(|error| unreadable(&path, &error))?;
    let mut meta = Meta::at(&path, &bytes)?;
    let (name, digest) = (meta.text("name"), meta.text("digest"));
    let (Some(name), Some(digest)) = (name, digest) else {
        return Err((
            Reason::WrongType,
            format!("{} has no name or no digest", path.display()),
        ));
    };
    Ok(Dataset {
        source_type: meta.text("source_type"),
        source: meta.text("source"),
        schema: meta.text("schema"),
        profile: meta.text("profile"),
        experiment_id: experiment_id.to_owned(),
        extra: meta.finish(
            Kind::Datasets,
            &format!("{experiment_id}/{name}/{digest}"),
            &path,
            notes,
        ),
        name,
        digest,
    })
}

/// Visits the `meta.yaml` of each folder below a run's `inputs` or `outputs`.
fn each_link(
    run: &Folder,
    run_id: &str,
    name: &'static str,
    notes: &mut Notes,
    visit: &mut dyn FnMut(&mut Meta, &Path, &mut Notes),
) {
    let failed = |fault: Fault, notes: &mut Notes| notes.fault(Kind::Runs, run_id, name, fault);
    let (listed, path) = (
        run.sub(name.as_bytes()).and_then(Folder::listed),
        run.path_of(name.as_bytes()),
    );
    let Some((folder, entries)) = notes.of_path(Kind::Runs, run_id, name, &path, listed) else {
        return;
    };
    let mut buffer = Vec::new();
    for entry in entries {
        if entry.kind != EntryKind::Folder || entry.name().is_none() {
            note_stray(Kind::Runs, &folder, &entry, notes);
            continue;
        }
        let file = [entry.name.as_slice(), b"/", META.as_bytes()].concat();
        let path = folder.path_of(&file);
        match folder.read(&file, &mut buffer) {
            Ok(bytes) => match Meta::at(&path, bytes) {
                Ok(mut meta) => {
                    visit(&mut meta, &path, notes);
                    if !meta.finish(Kind::Runs, run_id, &path, notes).is_empty() {
                        notes.limit(Kind::Runs, name, Reason::NotHeld);
                    }
                }
                Err(fault) => failed(fault, notes),
            },
            Err(error) => failed(unreadable(&path, &error), notes),
        }
    }
}

/// What a run read.
pub(super) fn inputs(
    run: &Folder,
    run_id: &str,
    datasets: &DatasetIndex,
    used: &mut Vec<String>,
    notes: &mut Notes,
) -> RunInputs {
    let mut inputs = RunInputs::default();
    each_link(run, run_id, "inputs", notes, &mut |meta, path, notes| {
        let source_type = meta.text("source_type").unwrap_or_default();
        let source_id = meta.text("source_id").unwrap_or_default();
        // The destination is the run around it; MLflow writes the source's id there.
        meta.ignore(&["destination_type", "destination_id"]);
        let tags = meta.text_map("tags");
        match (source_type.as_str(), datasets.get(&source_id)) {
            ("DATASET", Some((name, digest))) => {
                used.push(source_id);
                inputs.dataset_inputs.push(DatasetInput {
                    name: name.clone(),
                    digest: digest.clone(),
                    tags,
                });
            }
            ("DATASET", None) => {
                let detail = format!(
                    "{} names dataset `{source_id}`, which is not there",
                    path.display()
                );
                notes.failure(Kind::Runs, run_id, "inputs", Reason::ListedButMissing, detail);
            }
            ("MODEL", _) if tags.is_empty() => inputs.model_inputs.push(ModelInput { model_id: source_id }),
            ("MODEL", _) => {
                notes.limit(Kind::Runs, "inputs.model_inputs.tags", Reason::NotHeld);
                inputs.model_inputs.push(ModelInput { model_id: source_id });
            }
            (other, _) => {
                let detail = format!("{} has source_type `{other}`, which is not known", path.display());
                notes.failure(Kind::Runs, run_id, "inputs", Reason::WrongType, detail);
            }
        }
    });
    inputs.dataset_inputs.sort();
    inputs.model_inputs.sort();
    inputs
}

/// What a run made.
pub(super) fn outputs(run: &Folder, run_id: &str, notes: &mut Notes) -> RunOutputs {
    let mut outputs = RunOutputs::default();
    each_link(run, run_id, "outputs", notes, &mut |meta, path, notes| {
        // The source is the run around it.
        meta.ignore(&["source_type", "source_id"]);
        let kind = meta.text("destination_type").unwrap_or_default();
        let (model_id, step) = (meta.text("destination_id"), meta.int("step").unwrap_or(0));
        if !meta.text_map("tags").is_empty() {
            notes.limit(Kind::Runs, "outputs.model_outputs.tags", Reason::NotHeld);
        }
        match model_id {
            Some(model_id) if kind == "MODEL_OUTPUT" => {
                outputs.model_outputs.push(ModelOutput { model_id, step })
            }
            _ => {
                let detail = format!(
                    "{} has destination_type `{kind}`, which is not known",
                    path.display()
                );
                notes.failure(Kind::Runs, run_id, "outputs", Reason::WrongType, detail);
            }
        }
    });
    outputs.model_outputs.sort();
    outputs
}
