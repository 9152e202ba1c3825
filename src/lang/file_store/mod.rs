//! A file store: an `mlruns` tree as MLflow 0.9 to 3.18 writes it.
//!
//! ```text
//! <root>/<experiment id>/meta.yaml, tags/<key>, datasets/<md5>/meta.yaml
//! <root>/<experiment id>/<run id>/meta.yaml, params/<key>, tags/<key>, metrics/<key>, inputs/…, outputs/…, artifacts/…
//! <root>/<experiment id>/models/<model id>/meta.yaml, params/<key>, tags/<key>, metrics/<key>, artifacts/…
//! <root>/<experiment id>/traces/<trace id>/trace_info.yaml, tags/…, request_metadata/…, assessments/…, artifacts/…
//! <root>/.trash/<experiment id>/…
//! <root>/models/<name>/meta.yaml, tags/<key>, aliases/<alias>, version-<n>/…
//! ```
//!
//! Which field of a file becomes which field of the archive, and what is a limit or a failure, is in
//! `docs/reference/sources/file-store.md`. Nothing is written to the tree.

mod artifacts;
mod assessment;
mod catalogue;
mod dataset;
mod experiment;
mod exporter;
mod folder;
mod index;
mod key_files;
mod logged_model;
mod meta;
mod metric_lines;
mod metrics;
mod notes;
mod registry;
mod run;
mod store;
mod trace;
mod trace_writer;
mod twice;
mod yaml;
mod yaml_scalar;
mod yaml_simple;

use crate::archive::{ArchiveError, parent_of};
use crate::format::manifest::SourceInfo;
use crate::lang::artifacts::local_roots::{Door, LocalRoots};
use crate::lang::session::{Export, ExportError, ExportOptions, ExportReport};
use crate::monitor::Monitor;
use exporter::Exporter;
use notes::Notes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{META, MODELS, Store, TRASH};

/// Exports the file store at `root`, or in the `mlruns` folder there, to the archive `out`.
///
/// # Errors
/// There is no file store, something in it cannot be read and `keep_going` is off, or the archive cannot be written.
pub fn export(
    root: &Path,
    out: &Path,
    options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport, ExportError> {
    let store_root = find_root(root).ok_or_else(|| ExportError::NoData {
        source_uri: root.display().to_string(),
        detail: "neither it nor a folder `mlruns` in it has a folder with a meta.yaml".to_owned(),
    })?;
    refuse_output_within(&store_root, out)?;
    let mut export = Export::create(out, options, monitor)?;
    let roots = LocalRoots::new(Door::Tree(&store_root), &export.options)?;
    let store = Store::new(
        &store_root,
        export.writer.scratch(),
        export.writer.long_texts(),
        roots,
    );
    let store = Arc::new(
        store.map_err(|error| ExportError::unreadable(root.display().to_string(), error.to_string()))?,
    );
    export.check_plan(&file_uri(store.root()))?;
    let mut notes = Notes::default();
    let experiments = experiment::find_all(&store, export.options.include_deleted, &mut notes);
    let experiments = experiments.map_err(|error| source_error(&store, "", &error))?;
    export.count_elsewhere(export.is_rest_elsewhere());
    notes.report(&mut export)?;
    export.count_elsewhere(false);
    let pool = export.writer.pool();
    let ExportOptions {
        selection,
        include_deleted,
        ..
    } = &export.options;
    let (closure, matched) = catalogue::close(&store, &pool, &experiments.all, selection, *include_deleted)?;
    export.matched(matched);
    export.saw(&closure);
    let mut shared = experiments.all;
    shared.retain(|experiment| !closure.is_all_elsewhere(&experiment.id));
    let mut exporter = Exporter {
        export: &mut export,
        store: store.clone(),
        pool,
        experiments: shared,
        closure,
        seen: BTreeMap::new(),
    };
    exporter.twins(&experiments.twins)?;
    exporter.run()?;
    export.finish(SourceInfo {
        kind: "file-store".to_owned(),
        uri: file_uri(store.root()),
        ..SourceInfo::default()
    })
}

/// Whether a file store lies at a path, or in a folder `mlruns` there.
pub fn looks_like_file_store(root: &Path) -> bool {
    find_root(root).is_some()
}

/// An output within the store would become a part of what is read, and of what MLflow sees.
fn refuse_output_within(root: &Path, out: &Path) -> Result<(), ArchiveError> {
    let real = [root.canonicalize(), parent_of(out).canonicalize()];
    match real {
        [Ok(root), Ok(parent)] if parent.starts_with(&root) => {
            Err(ArchiveError::OutputIsInput { path: out.to_owned() })
        }
        _ => Ok(()),
    }
}

fn find_root(path: &Path) -> Option<PathBuf> {
    let inner = path.join("mlruns");
    [path.to_owned(), inner].into_iter().find(|root| is_root(root))
}

/// A root has no `meta.yaml` of its own, but a folder in it, in its trash or among its models has.
pub(crate) fn is_root(path: &Path) -> bool {
    let holds_described = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.path().join(META).is_file())
    };
    !path.join(META).exists()
        && [path.to_owned(), path.join(TRASH), path.join(MODELS)]
            .iter()
            .any(|folder| holds_described(folder))
}

fn source_error(store: &Store, below: &str, error: &std::io::Error) -> ExportError {
    ExportError::unreadable(file_uri(&store.root().join(below)), error.to_string())
}

/// The `file:` URI of a path.
fn file_uri(path: &Path) -> String {
    let mut uri = String::from("file://");
    for next in path.to_string_lossy().chars() {
        match next {
            '%' | '?' | '#' => uri.push_str(&format!("%{:02X}", u32::from(next))),
            next => uri.push(next),
        }
    }
    uri
}

/// What [`crate::fuzzing`] needs of this layer: how many points a run's metric lines have.
pub(crate) fn count_metric_points(bytes: &[u8]) -> u64 {
    metric_lines::count(bytes)
}
