//! Directories that mlflow-export-import reads, made from an archive.
//!
//! ```text
//! manifest.json
//! experiments/experiments.json   experiments/<id>/experiment.json
//!   newest layout   runs/<id>/run.json + artifacts/   logged_models/<id>/   traces/<id>/
//!   older layout    <id>/run.json + artifacts/
//! models/models.json   models/<name>/model.json   (newest: version_models/<n>/)
//! prompts/<name>_v<n>/prompt.json
//! evaluation_datasets/<name>_<id>/evaluation_dataset.json   (newest)
//! ```
//!
//! Objects stream from the archive into their files, experiment by experiment; what a layout has no place for is counted as
//! limits. Where an archive's object kept the dict of its export, that dict is written back. Source: `docs/reference/export-import.md`.

mod artifacts;
mod dicts;
mod document;
mod dump;
mod evaluation;
mod experiments;
mod fields;
mod logged_models;
mod models;
mod prompts;
mod runs;
mod scratch;
mod spans;
mod traces;

use crate::archive::walk::{Wanted, newer_fields, newer_kinds};
use crate::archive::{Archive, ArchiveError, ErrorKind, Replace, StagedTree};
use crate::format::{Kind, LossCount, Reason};
use crate::lang::artifacts::tree::{NameOwners, Paths, check_name, folds_case};
use crate::lang::exim::tags::VersionContexts;
use crate::lang::session::refuse;
use crate::model::printable::printable as shown;
use crate::monitor::Monitor;
use document::System;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Where objects lie within a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Layout {
    /// Layout of the current mlflow-export-import source
    // Since October 2025.
    #[default]
    New,
    /// Layout of release 1.2.0 on PyPI, which mlflow-migration reads too
    Old,
}

/// How a directory is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConvertOptions {
    /// Where objects lie.
    pub layout: Layout,
    /// Replaces the output where it exists.
    pub force: bool,
    /// Leaves out what has a name that cannot be made here, and says so, instead of making nothing.
    pub keep_going: bool,
    /// Leaves syncing to disk to the operating system.
    pub no_sync: bool,
}

/// What was made, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConvertReport {
    /// Objects written, by kind.
    pub counts: BTreeMap<String, u64>,
    /// Points of metrics written.
    pub metric_points: u64,
    /// Bytes of artifacts written.
    pub artifact_bytes: u64,
    /// What the target cannot hold.
    pub limits: Vec<LossCount>,
    /// What has a name that cannot be made here, with the reason.
    pub refused: Vec<String>,
    /// Runs whose parents are not written in the same experiment: importers stop at them.
    pub orphans: Vec<Orphan>,
}

/// A run whose parent is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Orphan {
    /// The run.
    pub id: String,
    /// Its parent.
    pub parent: String,
}

/// Why an archive cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The archive cannot be read, or the directory cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An object's `exim` text cannot be read.
    #[error("{kind} `{}` has an `exim` text that is not JSON", shown(.id))]
    Exim {
        /// Kind of the object.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Why not.
        #[source]
        source: crate::model::pyjson::PyJsonError,
    },
    /// A name that must not or cannot become a file's.
    #[error("{what} cannot be written as a file: {reason}")]
    Name {
        /// What has the name.
        what: String,
        /// Why not.
        reason: String,
    },
}

impl ConvertError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ConvertError::Archive(error) => error.kind(),
            ConvertError::Exim { .. } => ErrorKind::Damaged,
            ConvertError::Name { .. } => ErrorKind::Usage,
        }
    }
}

type Result<T, E = ConvertError> = std::result::Result<T, E>;

/// The file at the top of a directory of mlflow-export-import.
const MANIFEST: &str = "manifest.json";

/// Writes an archive as a directory of mlflow-export-import, the new directory `out`.
///
/// # Errors
/// `out` exists (without `force`), the archive is damaged, a name is not safe (without `keep_going`), or a file cannot be
/// written; nothing is left under the name `out` then, and what was there stays.
///
/// ```
/// use mlark::Archive;
/// use mlark::flow::convert::{ConvertOptions, convert};
/// use mlark::monitor::Silent;
///
/// let archive = Archive::open("fixtures/golden/v1.0/archive.zip".as_ref())?;
/// let folder = tempfile::tempdir()?;
/// convert(&archive, &folder.path().join("export"), ConvertOptions::default(), &Silent)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn convert(
    archive: &Archive,
    out: &Path,
    options: ConvertOptions,
    monitor: &dyn Monitor,
) -> Result<ConvertReport> {
    let staged = StagedTree::create(out, Replace::if_forced(options.force, MANIFEST))?;
    let root = staged.root().to_owned();
    let mut converter = Converter {
        archive,
        layout: options.layout,
        keep_going: options.keep_going,
        scratch: staged.scratch()?,
        system: System::of(archive, options.layout),
        contexts: VersionContexts::collect(archive)?,
        experiments: HashMap::new(),
        version_runs: HashSet::new(),
        folders: BTreeMap::new(),
        paths: Paths::new(folds_case(&root)?),
        folds_case: folds_case(&root)?,
        limits: BTreeMap::new(),
        report: ConvertReport::default(),
        monitor,
        root,
        staged,
    };
    converter.write_all()?;
    converter.report.limits = converter.limits();
    converter.staged.publish(!options.no_sync)?;
    Ok(converter.report)
}

/// A directory that is being made.
struct Converter<'a> {
    archive: &'a Archive,
    layout: Layout,
    keep_going: bool,
    /// The new directory.
    root: PathBuf,
    staged: StagedTree,
    /// For temporary files.
    scratch: PathBuf,
    system: System,
    contexts: VersionContexts,
    /// Names of experiments that the archive does not hold, as versions tell them, by run.
    experiments: HashMap<String, String>,
    /// Runs that versions name and that were written.
    version_runs: HashSet<String>,
    /// Names taken, by the folder they are in.
    folders: BTreeMap<PathBuf, NameOwners>,
    /// Paths of artifacts taken below the current owner.
    paths: Paths,
    folds_case: bool,
    limits: BTreeMap<(String, String, Reason), u64>,
    report: ConvertReport,
    monitor: &'a dyn Monitor,
}

impl Converter<'_> {
    fn write_all(&mut self) -> Result<()> {
        self.experiments()?;
        self.models()?;
        self.evaluation_datasets()?;
        let manifest = self.archive.manifest();
        for kind in [Kind::Scorers, Kind::Workspaces] {
            self.limit(kind, "*", Reason::NotHeld, manifest.count(kind));
        }
        self.newer()?;
        self.manifest()
    }

    /// Counts what a newer minor version of the format brought and this build writes nowhere.
    fn newer(&mut self) -> Result<()> {
        for ((kind, field), found) in newer_fields(self.archive, Kind::ALL, Wanted::Dropped)? {
            self.limit(kind, &field, Reason::NewerVersion, found.count);
        }
        for (kind, count) in newer_kinds(self.archive) {
            self.limits
                .insert((kind, "*".to_owned(), Reason::NewerVersion), count);
        }
        Ok(())
    }

    fn limits(&self) -> Vec<LossCount> {
        let limits = self.limits.iter();
        limits
            .map(|((kind, field, reason), &count)| LossCount {
                kind: kind.clone(),
                field: field.clone(),
                reason: (*reason).into(),
                count,
            })
            .collect()
    }

    /// Counts what the target cannot hold.
    fn limit(&mut self, kind: Kind, field: &str, reason: Reason, count: u64) {
        if count > 0 {
            let key = (kind.name().to_owned(), field.to_owned(), reason);
            *self.limits.entry(key).or_insert(0) += count;
        }
    }

    /// Counts an object that was written.
    fn wrote(&mut self, kind: Kind) {
        *self.report.counts.entry(kind.name().to_owned()).or_insert(0) += 1;
    }

    /// Takes the name of an object's folder; none where it cannot be made and may be left out.
    fn folder(&mut self, parent: &Path, name: &str, kind: Kind, id: &str) -> Result<Option<PathBuf>> {
        let checked = check_name(name).and_then(|()| {
            let owners = self.folders.entry(parent.to_owned());
            owners
                .or_insert_with(|| NameOwners::new(self.folds_case))
                .claim(name)
        });
        match checked {
            Ok(()) => Ok(Some(parent.join(name))),
            Err(reason) => {
                self.refuse(format!("{} `{}`", kind.name(), shown(id)), reason)?;
                Ok(None)
            }
        }
    }

    /// Leaves out what has a name that cannot be made, if it may.
    fn refuse(&mut self, what: String, reason: String) -> Result<()> {
        let told = format!("{what}: {reason}");
        refuse(
            self.keep_going,
            &mut self.report.refused,
            told,
            ConvertError::Name { what, reason },
        )
    }
}
