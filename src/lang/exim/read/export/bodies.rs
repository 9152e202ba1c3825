//! Objects of files, as far as the choice needs them.

use crate::lang::artifacts::local_roots::LocalRoots;
use crate::lang::exim::read::document::{Document, DocumentError};
use crate::lang::exim::read::fields::{Fields, WrongType};
use crate::lang::exim::read::layout::{LOGGED_MODEL, Layout, RUN, TRACE};
use crate::lang::exim::read::logged_model::logged_model as exported_model;
use crate::lang::exim::read::points::MetricsSink;
use crate::lang::exim::read::trace::trace as exported_trace;
use crate::lang::exim::read::{experiment, run};
use crate::model::pyjson::{ListSink, PyJson};
use crate::model::{Experiment, LoggedModel, Run, Trace};
use std::path::Path;

/// The experiment of a file.
pub(super) fn experiment(
    roots: &LocalRoots,
    file: &Path,
) -> Result<(Experiment, Vec<WrongType>), DocumentError> {
    let document = Document::read(roots, file)?;
    Ok(experiment::experiment(document.part("experiment")?))
}

/// What lies in the folder of an experiment; nothing where the folder is a model version's.
pub(super) fn experiment_folder(
    roots: &LocalRoots,
    file: &Path,
    is_own: bool,
) -> Result<Layout, DocumentError> {
    match file.parent() {
        Some(folder) if is_own => Layout::of_experiment(roots, folder),
        _ => Ok(Layout::default()),
    }
}

/// The run of a folder with the latest points of its metrics.
pub(super) fn run_with_latest(
    roots: &LocalRoots,
    folder: &Path,
    scratch: &Path,
) -> Result<Run, DocumentError> {
    let path = folder.join(RUN);
    let mut sink = MetricsSink::new(scratch);
    let document = Document::read_with(roots, &path, &mut sink)?;
    let metrics = sink
        .finish()
        .map_err(|source| DocumentError::Read { path, source })?;
    let mut run = run::run(document.body()).run;
    run.metrics = metrics.latest().collect();
    Ok(run)
}

/// The run of a folder, its metrics skipped.
pub(super) fn run_without_metrics(roots: &LocalRoots, folder: &Path) -> Result<Run, DocumentError> {
    let document = Document::read_with(roots, &folder.join(RUN), &mut SkipMetrics)?;
    Ok(run::run(document.body()).run)
}

/// The logged model of a folder.
pub(super) fn logged_model(roots: &LocalRoots, folder: &Path) -> Result<LoggedModel, DocumentError> {
    let document = Document::read(roots, &folder.join(LOGGED_MODEL))?;
    Ok(exported_model(document.body()).model)
}

/// The trace of a folder.
pub(super) fn trace(roots: &LocalRoots, folder: &Path) -> Result<Trace, DocumentError> {
    let document = Document::read(roots, &folder.join(TRACE))?;
    Ok(exported_trace(document.part("info")?).0)
}

/// The name of the prompt of a file.
pub(super) fn prompt_name(roots: &LocalRoots, file: &Path) -> Result<Option<String>, DocumentError> {
    let document = Document::read(roots, file)?;
    Ok(Fields::new(document.part("prompt")?).text("name"))
}

/// Drops the points of metrics.
struct SkipMetrics;

impl ListSink for SkipMetrics {
    fn begin(&mut self, path: &[String]) -> bool {
        path.len() >= 2 && path[path.len() - 2] == "metrics"
    }

    fn item(&mut self, _: PyJson) {}
}
