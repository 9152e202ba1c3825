//! Which objects lie where in an export, told by the names of their files.
//!
//! ```text
//! experiment.json (manifest.json before 2022-12)   an experiment; its runs below runs/ or beside the file
//! run.json                                         a run, with artifacts/
//! model.json                                       a registered model; its runs may lie beside the file
//! version.json                                     one model version, with run/, model.json and experiment.json
//! logged_model.json  trace.json  prompt.json  evaluation_dataset.json
//! experiments.json  models.json  …                 indexes of bulk exports
//! ```

use super::document::DocumentError;
use crate::lang::artifacts::local_roots::LocalRoots;
use std::fs;
use std::path::{Path, PathBuf};

/// File names of an export.
pub(super) const EXPERIMENT: &str = "experiment.json";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const RUN: &str = "run.json";
pub(super) const MODEL: &str = "model.json";
pub(super) const VERSION: &str = "version.json";
pub(super) const LOGGED_MODEL: &str = "logged_model.json";
pub(super) const TRACE: &str = "trace.json";
pub(super) const PROMPT: &str = "prompt.json";
pub(super) const EVALUATION_DATASET: &str = "evaluation_dataset.json";
pub(super) const EXPERIMENTS_INDEX: &str = "experiments.json";
pub(super) const MODELS_INDEX: &str = "models.json";
pub(super) const EVALUATION_DATASETS_INDEX: &str = "evaluation_datasets_summary.json";
pub(super) const ARTIFACTS: &str = "artifacts";
pub(super) const RUNS: &str = "runs";
pub(super) const LOGGED_MODELS: &str = "logged_models";
pub(super) const TRACES: &str = "traces";
pub(super) const VERSION_MODELS: &str = "version_models";
pub(super) const VERSION_MODEL: &str = "version_model";

/// Files that say nothing of objects but what the objects' own files say.
const OTHER_INDEXES: &[&str] = &[
    "models_manifest.json",
    "prompts_summary.json",
    "logged_models.json",
    "traces.json",
    MANIFEST,
];

/// Folders deeper than this are not looked into.
const MAX_DEPTH: usize = 16;

/// An export, its experiments' contents apart.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Files of experiments, and whether the folder is the experiment's own.
    pub(super) experiments: Vec<(PathBuf, bool)>,
    /// Folders of runs outside experiments.
    pub(super) runs: Vec<PathBuf>,
    /// Files of registered models.
    pub(super) models: Vec<PathBuf>,
    /// Files of single model versions.
    pub(super) versions: Vec<PathBuf>,
    /// Folders of logged models outside experiments.
    pub(super) logged_models: Vec<PathBuf>,
    /// Folders of traces outside experiments.
    pub(super) traces: Vec<PathBuf>,
    /// Files of prompts.
    pub(super) prompts: Vec<PathBuf>,
    /// Files of evaluation datasets.
    pub(super) evaluation_datasets: Vec<PathBuf>,
    /// Indexes that list objects.
    pub(super) indexes: Vec<PathBuf>,
    /// Files and folders that are no part of an export.
    pub(super) unknown: Vec<PathBuf>,
    /// Links that lead out of the export.
    pub(super) outside: Vec<PathBuf>,
}

impl Layout {
    /// Looks through an export.
    pub(super) fn of(roots: &LocalRoots, root: &Path) -> Result<Self, DocumentError> {
        let mut layout = Layout::default();
        layout.visit(roots, root, 0)?;
        Ok(layout)
    }

    /// Whether there is no object.
    pub(super) fn is_empty(&self) -> bool {
        self.directories() == 0 && self.indexes.is_empty()
    }

    /// How many directories hold objects.
    pub(super) fn directories(&self) -> u64 {
        let lists = [
            &self.runs,
            &self.models,
            &self.versions,
            &self.logged_models,
            &self.traces,
            &self.prompts,
            &self.evaluation_datasets,
        ];
        let listed: usize = lists.iter().map(|list| list.len()).sum();
        (self.experiments.len() + listed) as u64
    }

    fn visit(&mut self, roots: &LocalRoots, folder: &Path, depth: usize) -> Result<(), DocumentError> {
        let entries = Entries::within(roots, folder)?;
        let has = |name: &str| entries.files.iter().any(|file| file == name);
        if has(VERSION) {
            self.versions.push(folder.join(VERSION));
        }
        let old_experiment = has(MANIFEST) && is_old_experiment(&folder.join(MANIFEST));
        if has(EXPERIMENT) || old_experiment {
            let name = if has(EXPERIMENT) { EXPERIMENT } else { MANIFEST };
            self.experiments.push((folder.join(name), !has(VERSION)));
            if !has(VERSION) {
                return Ok(());
            }
        }
        if has(RUN) {
            self.runs.push(folder.to_owned());
            return Ok(());
        }
        if has(LOGGED_MODEL) || has(TRACE) {
            let list = if has(TRACE) {
                &mut self.traces
            } else {
                &mut self.logged_models
            };
            list.push(folder.to_owned());
            return Ok(());
        }
        for file in &entries.files {
            self.sort_file(folder, file);
        }
        self.outside
            .extend(entries.outside.iter().map(|name| folder.join(name)));
        for name in &entries.folders {
            let below = folder.join(name);
            let belongs_to_object =
                (has(MODEL) && name == VERSION_MODELS) || (has(VERSION) && name == VERSION_MODEL);
            if depth == MAX_DEPTH || leads_above(&below) {
                self.unknown.push(below);
            } else if !belongs_to_object {
                self.visit(roots, &below, depth + 1)?;
            }
        }
        Ok(())
    }

    fn sort_file(&mut self, folder: &Path, name: &str) {
        let list = match name {
            MODEL => &mut self.models,
            PROMPT => &mut self.prompts,
            EVALUATION_DATASET => &mut self.evaluation_datasets,
            EXPERIMENTS_INDEX | MODELS_INDEX | EVALUATION_DATASETS_INDEX => &mut self.indexes,
            VERSION | EXPERIMENT => return,
            name if OTHER_INDEXES.contains(&name) => return,
            _ => &mut self.unknown,
        };
        list.push(folder.join(name));
    }
}

/// Whether a folder is a link to one above it.
fn leads_above(folder: &Path) -> bool {
    let parent = folder.parent().and_then(|parent| parent.canonicalize().ok());
    let target = folder.canonicalize().ok();
    folder.is_symlink()
        && parent
            .zip(target)
            .is_none_or(|(parent, target)| parent.starts_with(target))
}

/// Format 1 before December 2022 wrote `manifest.json` for an experiment.
fn is_old_experiment(file: &Path) -> bool {
    super::detect::head_of(file)
        .is_some_and(|head| head.contains("\"experiment\"") && head.contains("\"export_info\""))
}

/// The names in a folder, sorted by bytes, links followed.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) files: Vec<String>,
    pub(super) folders: Vec<String>,
    /// Links that lead out of the export.
    pub(super) outside: Vec<String>,
}

impl Entries {
    /// Lists a folder of an export.
    pub(super) fn within(roots: &LocalRoots, folder: &Path) -> Result<Self, DocumentError> {
        Self::list(folder, |link| {
            let target = link.canonicalize();
            // One that leads nowhere fails where it is read.
            target.is_ok_and(|target| !roots.holds(&target))
        })
    }

    /// Lists a folder.
    pub(super) fn of(folder: &Path) -> Result<Self, DocumentError> {
        Self::list(folder, |_| false)
    }

    fn list(folder: &Path, leads_outside: impl Fn(&Path) -> bool) -> Result<Self, DocumentError> {
        let io_error = |source| DocumentError::Read {
            path: folder.to_owned(),
            source,
        };
        let mut entries = Entries::default();
        for entry in fs::read_dir(folder).map_err(io_error)? {
            let entry = entry.map_err(io_error)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(io_error)?;
            let is_folder = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            let list = if kind.is_symlink() && leads_outside(&entry.path()) {
                &mut entries.outside
            } else if is_folder {
                &mut entries.folders
            } else {
                &mut entries.files
            };
            list.push(name);
        }
        entries.files.sort();
        entries.folders.sort();
        Ok(entries)
    }
}

impl Layout {
    /// Lists an experiment's folder.
    pub(super) fn of_experiment(roots: &LocalRoots, folder: &Path) -> Result<Self, DocumentError> {
        let mut found = Layout::default();
        let entries = Entries::within(roots, folder)?;
        let known = [EXPERIMENT, MANIFEST];
        let unknown = entries
            .files
            .iter()
            .filter(|name| !known.contains(&name.as_str()));
        found.unknown.extend(unknown.map(|name| folder.join(name)));
        let outside = entries.outside.iter();
        found.outside.extend(outside.map(|name| folder.join(name)));
        for (name, file) in [(RUNS, RUN), (LOGGED_MODELS, LOGGED_MODEL), (TRACES, TRACE)] {
            if entries.folders.iter().any(|folder| folder == name) {
                found.sort_below(roots, &folder.join(name), file)?;
            }
        }
        for name in &entries.folders {
            if ![RUNS, LOGGED_MODELS, TRACES].contains(&name.as_str()) {
                found.sort_folder(folder.join(name), RUN);
            }
        }
        Ok(found)
    }

    fn sort_below(&mut self, roots: &LocalRoots, parent: &Path, file: &str) -> Result<(), DocumentError> {
        let entries = Entries::within(roots, parent)?;
        self.outside
            .extend(entries.outside.iter().map(|name| parent.join(name)));
        for name in entries.folders {
            self.sort_folder(parent.join(name), file);
        }
        Ok(())
    }

    fn sort_folder(&mut self, folder: PathBuf, file: &str) {
        let list = match file {
            _ if !folder.join(file).is_file() => &mut self.unknown,
            RUN => &mut self.runs,
            LOGGED_MODEL => &mut self.logged_models,
            _ => &mut self.traces,
        };
        list.push(folder);
    }
}

/// The folder of a run within an experiment's folder, in either layout.
pub(super) fn run_within(experiment: &Path, run_id: &str) -> Option<PathBuf> {
    let candidates = [experiment.join(RUNS).join(run_id), experiment.join(run_id)];
    candidates.into_iter().find(|folder| folder.join(RUN).is_file())
}
