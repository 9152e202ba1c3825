//! The export of a directory of mlflow-export-import, step by step.

mod bodies;
mod extras;
mod listing;
mod models;
mod runs;

use super::artifacts::files_below;
use super::document::{Document, DocumentError};
use super::fields::{Fields, WrongType};
use super::layout::Layout;
use crate::archive::Owner;
use crate::format::manifest::SourceInfo;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::{Door, FolderPlace, LocalRoots, OutsideSource};
use crate::lang::artifacts::walk::FoundFile;
use crate::lang::exim::tags::VersionContexts;
use crate::lang::session::{Export, ExportError, ExportOptions, ExportReport};
use crate::model::mask;
use crate::model::uri;
use crate::monitor::Monitor;
use crate::select::{Catalogue, Closure, RunNeeds, Verdict};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

type Result<T, E = ExportError> = std::result::Result<T, E>;

type ExportMember<'m> = fn(&mut Exporter<'m>, &Path) -> Result<()>;

/// Exports a directory that mlflow-export-import wrote to the archive `out`.
///
/// # Errors
/// There is no export, something listed or present in it cannot be read and `keep_going` is off, or the archive
/// cannot be written.
pub fn export(
    source: &str,
    out: &Path,
    options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport> {
    if options.selection.share.is_some() {
        return Err(ExportError::NotDivided {
            source_uri: mask::redact(source),
            detail: "a directory of mlflow-export-import is fast to read: leave out --shard",
        });
    }
    let root = uri::local_path(source).map(PathBuf::from);
    let no_data = |detail: &str| ExportError::NoData {
        source_uri: mask::redact(source),
        detail: detail.to_owned(),
    };
    let root = root.ok_or_else(|| no_data("it is not a local path"))?;
    let roots = LocalRoots::new(Door::Tree(&root), &options)?;
    let layout = Layout::of(&roots, &root).map_err(|error| no_data(&error.detail(&root)))?;
    if layout.is_empty() {
        return Err(no_data(
            "it has no experiment.json, run.json, model.json or similar file",
        ));
    }
    let mut export = Export::create(out, options, monitor)?;
    for &kind in Kind::ALL {
        export.writer.sort_at_end(kind);
    }
    let mut exporter = Exporter {
        export,
        root,
        roots,
        closure: Closure::default(),
        held: Held::default(),
        info: SourceInfo {
            kind: "export-import".to_owned(),
            uri: mask::redact(source),
            ..SourceInfo::default()
        },
    };
    exporter.choose(&layout)?;
    exporter.write_all(&layout)?;
    exporter.export.finish(exporter.info)
}

/// An export in progress.
struct Exporter<'m> {
    export: Export<'m>,
    root: PathBuf,
    roots: LocalRoots,
    closure: Closure,
    held: Held,
    info: SourceInfo,
}

/// What later steps need of earlier ones.
#[derive(Default)]
struct Held {
    /// Experiment id → where its runs are, of all experiments of the export; nowhere for that of a single model version.
    experiments: HashMap<String, Option<PathBuf>>,
    /// What model versions need of runs and experiments that are not left out.
    facts: VersionContexts,
    /// Folders of objects outside experiments that were written, by kind and id.
    loose: HashMap<(Kind, String), PathBuf>,
    /// Experiments that runs or others name and that the export does not hold.
    missing_experiments: BTreeSet<String>,
    /// Prompts whose registered model was written.
    prompts: HashSet<String>,
}

impl Exporter<'_> {
    /// Works out what the options choose; reads the runs only where they choose some.
    fn choose(&mut self, layout: &Layout) -> Result<()> {
        let selection = self.export.options.selection.clone();
        let mut catalogue = Catalogue::new(&selection, self.export.options.include_deleted);
        self.tell_versions(layout, &mut catalogue);
        if !selection.takes_all_objects() {
            self.tell(layout, &mut catalogue);
        }
        let (closure, matched) = catalogue.close(&|_, _| RunNeeds::default())?;
        self.closure = closure;
        self.export.matched(matched);
        Ok(())
    }

    /// Tells of all experiments and runs that can be read; those that cannot fail when they are exported.
    fn tell(&self, layout: &Layout, catalogue: &mut Catalogue) {
        for name in layout
            .prompts
            .iter()
            .filter_map(|file| bodies::prompt_name(&self.roots, file).ok().flatten())
        {
            catalogue.model(&name);
        }
        let mut run_folders = layout.runs.clone();
        let (mut model_folders, mut trace_folders) = (layout.logged_models.clone(), layout.traces.clone());
        for (file, is_own) in &layout.experiments {
            if let Ok((experiment, _)) = bodies::experiment(&self.roots, file) {
                let is_deleted = experiment.is_deleted();
                catalogue.experiment(&experiment.experiment_id, &experiment.name, is_deleted);
            }
            let folder = bodies::experiment_folder(&self.roots, file, *is_own).unwrap_or_default();
            run_folders.extend(folder.runs);
            model_folders.extend(folder.logged_models);
            trace_folders.extend(folder.traces);
        }
        for folder in trace_folders {
            if let Ok(trace) = bodies::trace(&self.roots, &folder) {
                catalogue.trace(&trace);
            }
        }
        for folder in model_folders {
            if let Ok(model) = bodies::logged_model(&self.roots, &folder) {
                catalogue.logged_model(&model);
            }
        }
        let has_filter = self.export.options.selection.filter.is_some();
        for folder in run_folders {
            let run = if has_filter {
                bodies::run_with_latest(&self.roots, &folder, self.export.writer.scratch())
            } else {
                bodies::run_without_metrics(&self.roots, &folder)
            };
            if let Ok(run) = run {
                let outputs = run.outputs.model_outputs.iter().map(|output| &output.model_id);
                let inputs = run.inputs.model_inputs.iter().map(|input| &input.model_id);
                let needs = RunNeeds {
                    parent: run.parent_id().map(str::to_owned),
                    logged_models: outputs.chain(inputs).cloned().collect(),
                };
                let info = &run.info;
                let stage = &info.lifecycle_stage;
                catalogue.run(
                    &info.run_id,
                    &info.experiment_id,
                    info.start_time,
                    stage,
                    Some(needs),
                );
                if catalogue.asks_of_run(&info.experiment_id, info.start_time) {
                    catalogue.filtered_run(&run);
                }
            }
        }
    }

    fn write_all(&mut self, layout: &Layout) -> Result<()> {
        let monitor = self.export.monitor();
        monitor.begin("directories", Some(layout.directories()));
        for (file, is_own) in &layout.experiments {
            self.hold_experiment(file, *is_own);
        }
        for (file, is_own) in &layout.experiments {
            self.experiment(file, *is_own)?;
            monitor.advance(1);
        }
        self.members(layout, 1)?;
        self.models(layout)?;
        monitor.advance((layout.models.len() + layout.versions.len()) as u64);
        for file in &layout.prompts {
            self.prompt(file)?;
            monitor.advance(1);
        }
        for file in &layout.evaluation_datasets {
            self.evaluation_dataset(file)?;
            monitor.advance(1);
        }
        if self.closure.takes_all() {
            for file in &layout.indexes {
                self.check_index(file)?;
            }
        }
        self.count_unknown(&layout.unknown);
        self.refuse_links(&layout.outside)?;
        let missing = self.held.missing_experiments.len() as u64;
        self.export
            .limit(Kind::Experiments, "*", Reason::NotInExport, missing);
        Ok(())
    }

    /// Files and folders that are no part of an export are not taken, and counted.
    /// Exports the runs, logged models and traces of a folder, each of which is so much of the progress.
    fn members(&mut self, layout: &Layout, progress: u64) -> Result<()> {
        let members: [(_, ExportMember<'_>); 3] = [
            (&layout.runs, Self::run),
            (&layout.logged_models, Self::logged_model),
            (&layout.traces, Self::trace),
        ];
        for (folders, export) in members {
            for folder in folders {
                export(self, folder)?;
                self.export.monitor().advance(progress);
            }
        }
        Ok(())
    }

    fn count_unknown(&mut self, unknown: &[PathBuf]) {
        for path in unknown {
            let notice = format!("not part of an export, left out: {}", self.below_root(path));
            self.export.monitor().notice(&notice);
        }
        self.export
            .limit("files", "*", Reason::Stray, unknown.len() as u64);
    }

    /// Links that lead out of the export are failures: what they lead to may have been a part of it.
    fn refuse_links(&mut self, outside: &[PathBuf]) -> Result<()> {
        for path in outside {
            let id = self.below_root(path);
            let detail = format!("{id}: {OutsideSource}");
            self.export
                .failure("files", &id, "*", Reason::OutsideSource, &detail)?;
        }
        Ok(())
    }

    /// Remembers what a file says of its export, and counts what is not read of it.
    fn note_system(&mut self, document: &Document) {
        let unread = document.unread().len() as u64;
        self.export.limit("files", "*", Reason::NotHeld, unread);
        let mut fields = Fields::new(document.system());
        if self.info.mlflow_version.is_none() {
            self.info.mlflow_version = fields.text("mlflow_version");
        }
        let tracking_uri = fields.text("mlflow_tracking_uri").map(|uri| mask::redact(&uri));
        let details = [
            ("tracking_uri", tracking_uri),
            ("package_version", fields.text("package_version")),
            ("export_file_version", fields.text("export_file_version")),
        ];
        for (name, value) in details {
            if let Some(value) = value {
                self.info.details.entry(name.to_owned()).or_insert(value);
            }
        }
    }

    /// An object cannot be read, or not as a whole.
    fn fail(&mut self, kind: Kind, id: &str, reason: Reason, detail: &str) -> Result<()> {
        self.export.failure(kind, id, "*", reason, detail)
    }

    /// Reads the file of an object; none where it cannot be read, which is told.
    fn opened(&mut self, kind: Kind, file: &Path, part: Option<&'static str>) -> Result<Option<Document>> {
        let read = Document::read_part(&self.roots, file, part);
        let document = self.told(kind, file, read)?;
        if let Some(document) = &document {
            self.note_system(document);
        }
        Ok(document)
    }

    /// What was read of an object's file; none where it could not be read, which is told, if it was asked for.
    fn told<T>(&mut self, kind: Kind, file: &Path, read: Result<T, DocumentError>) -> Result<Option<T>> {
        let folder = file.parent().unwrap_or(file);
        let has_own_folder = matches!(kind, Kind::Runs | Kind::LoggedModels | Kind::Traces);
        match read {
            Ok(read) => return Ok(Some(read)),
            Err(_) if has_own_folder && !self.is_asked(folder) => {
                self.export.left_out(kind, Reason::NotSelected, 1);
            }
            Err(error) => self.unreadable(kind, &folder_name(folder), &error)?,
        }
        Ok(None)
    }

    fn below_root(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// Reports a file that cannot be read.
    fn unreadable(&mut self, kind: Kind, id: &str, error: &DocumentError) -> Result<()> {
        let reason = match error {
            DocumentError::Read { source, .. } => OutsideSource::reason(source),
            DocumentError::Json { .. } | DocumentError::TooLarge { .. } => Reason::BadJson,
            DocumentError::Shape { .. } => Reason::NotAnExport,
        };
        let detail = error.detail(&self.root);
        self.fail(kind, id, reason, &detail)
    }

    /// Reports fields that hold something else than their type.
    fn wrong_types(&mut self, kind: Kind, id: &str, file: &Path, wrong: &[WrongType]) -> Result<()> {
        for wrong in wrong {
            let detail = format!("{}: {wrong}", self.below_root(file));
            self.export
                .failure(kind, id, &wrong.field, Reason::BadField, &detail)?;
        }
        Ok(())
    }

    /// Writes the files below a folder as artifacts.
    fn artifacts(&mut self, owner: &Owner, folder: &Path) -> Result<()> {
        self.artifacts_less(owner, folder, None)
    }

    /// Writes the files below a folder as artifacts, less one that the archive holds in another form.
    fn artifacts_less(&mut self, owner: &Owner, folder: &Path, less: Option<&str>) -> Result<()> {
        if !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        if let FolderPlace::Outside(path) = self.roots.own(folder) {
            return self.export.outside_source(&path, owner.into());
        }
        let files = match files_below(&self.roots, folder, self.below_root(folder)) {
            Ok(files) => files,
            Err(error) => {
                let detail = format!("{}: {error}", self.below_root(folder));
                let (kind, reason) = (Kind::Artifacts, Reason::Unreadable);
                return self.export.failure(kind, &owner.id, "*", reason, &detail);
            }
        };
        let is_less = |file: &FoundFile| matches!(file, FoundFile::File(path, _) if less == Some(path));
        let mut files = files.filter(|file| !is_less(file));
        files.try_for_each(|file| self.export.found_file(owner, file))
    }

    /// Whether an object is left out by a verdict; counts it then.
    fn leaves_out(&mut self, kind: Kind, verdict: Verdict) -> bool {
        if let Verdict::LeftOut(reason) = verdict {
            self.export.left_out(kind, reason, 1);
        }
        verdict != Verdict::Kept
    }

    /// Whether something that cannot be read, or is missing, would be taken: it is in an experiment that is taken whole, or its
    /// folder has the id of a chosen run.
    fn is_asked(&self, path: &Path) -> bool {
        let mut whole = self
            .held
            .experiments
            .iter()
            .filter(|(id, _)| self.closure.takes_whole(id));
        let is_within = |held: &Option<PathBuf>| held.as_ref().is_some_and(|folder| path.starts_with(folder));
        self.closure.takes_all()
            || self.closure.takes_run(&folder_name(path))
            || whole.any(|(_, held)| is_within(held))
    }

    /// Notes an experiment that something belongs to.
    fn belongs_to(&mut self, experiment_id: &str) {
        if !self.held.experiments.contains_key(experiment_id) {
            self.held.missing_experiments.insert(experiment_id.to_owned());
        }
    }
}

/// The name of the folder or file's folder, which is the object's id in most layouts.
fn folder_name(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
