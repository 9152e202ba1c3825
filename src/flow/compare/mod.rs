//! Does the target hold what the archive says? Every value and every artifact's digest, after an import or whenever.
//!
//! The target is exported; then both sides are written anew in one tongue: the archive's ids, without what servers choose themselves
//! (docs/replay.md), the archive's side fitted to the target as an import fits it. What [`crate::report::diff()`] then finds is a
//! difference, named by the archive's ids.

mod accepted;
mod belongings;
mod expected;
mod found;
mod plain;
mod sides;
mod store;

pub(crate) use store::{StoreComparison, StoreError, StoreOptions, compare_store};

use crate::archive::{Archive, ArchiveError, ArchiveWriter, Duplicates, ManifestHead};
use crate::flow::export::{detect::SourceKind, export};
use crate::flow::import::id_map::IdMap;
use crate::flow::import::options::ImportOptions;
use crate::flow::import::plan::limits::Fitting;
use crate::flow::import::plan::{Action, Plan};
use crate::flow::import::target::TargetState;
use crate::flow::import::workspace_import::WorkspaceImport;
use crate::flow::import::{ImportError, PlannedImport, Result};
use crate::format::Kind;
use crate::lang::rest::api::Api;
use crate::lang::session::{ExportError, ExportOptions, RestOptions};
use crate::model::DEFAULT_WORKSPACE;
use crate::monitor::Monitor;
use crate::report::{DiffOptions, Difference, diff};
use crate::select::{Patterns, Selection};
use sides::Reverse;
use std::collections::BTreeSet;
use std::path::Path;

/// What both sides are made with.
pub(crate) struct Context<'a> {
    pub archive: &'a Archive,
    pub api: &'a Api,
    pub plan: &'a Plan,
    pub target: &'a TargetState,
    pub options: &'a ImportOptions,
    pub mapping: &'a IdMap,
    pub fitting: Fitting,
    pub reverse: Reverse,
    /// The workspace of the target that this is about, where there are others: names are unique only within one.
    pub workspace: Option<&'a str>,
}

impl Context<'_> {
    /// Whether an object of the target, in a workspace, is one that this is about.
    fn is_here(&self, workspace: Option<&str>) -> bool {
        self.workspace
            .is_none_or(|own| own == workspace.unwrap_or(DEFAULT_WORKSPACE))
    }
}

impl PlannedImport {
    /// Compares every value and every artifact's digest with what the target holds, and hands each difference to `sink`; how
    /// many there are.
    ///
    /// # Errors
    /// The target cannot be read whole, or `sink` fails.
    pub fn verify(
        &self,
        uri: &str,
        monitor: &dyn Monitor,
        sink: &mut dyn FnMut(Difference) -> std::io::Result<()>,
    ) -> Result<u64> {
        let scratch = tempfile::tempdir().map_err(ArchiveError::temporary)?;
        let actual = export_target(uri, &scratch.path().join("target"), &self.parts, monitor)?;
        let mut count = 0;
        for part in &self.parts {
            let workspace = (self.parts.len() > 1).then(|| workspace_of(part));
            count += part.verify(workspace, &actual, monitor, sink)?;
        }
        Ok(count)
    }
}

/// The workspace of the target that a part is about, where the target has some.
fn workspace_of(part: &WorkspaceImport) -> &str {
    part.api.client().workspace().unwrap_or(DEFAULT_WORKSPACE)
}

impl WorkspaceImport {
    fn verify(
        &self,
        workspace: Option<&str>,
        actual: &Archive,
        monitor: &dyn Monitor,
        sink: &mut dyn FnMut(Difference) -> std::io::Result<()>,
    ) -> Result<u64> {
        let mapping = self.current_mapping()?;
        let scratch = tempfile::tempdir().map_err(ArchiveError::temporary)?;
        let path = |name: &str| scratch.path().join(name);
        let context = Context {
            archive: &self.archive,
            api: &self.api,
            plan: &self.plan,
            target: &self.target,
            options: &self.options,
            fitting: Fitting::new(
                self.target.limits(),
                self.target.is_databricks,
                &self.plan.origins,
                &self.options,
            ),
            reverse: Reverse::of(&mapping),
            mapping: &mapping,
            workspace,
        };
        let expected = write_side(&path("expected"), |writer| expected::write(&context, writer))?;
        let found = write_side(&path("found"), |writer| found::write(&context, actual, writer))?;
        let mut count = 0;
        diff(
            &expected,
            &found,
            DiffOptions::default(),
            monitor,
            &mut |difference| {
                if context.is_accepted(&difference) {
                    return Ok(());
                }
                count += 1;
                sink(difference)
                    .map_err(|error| ImportError::from(ArchiveError::io("write", "the output")(error)))
            },
        )?;
        Ok(count)
    }
}

/// Exports what the plans touch, of all their workspaces at once, so that nothing is asked twice.
fn export_target(uri: &str, out: &Path, parts: &[WorkspaceImport], monitor: &dyn Monitor) -> Result<Archive> {
    let experiments = parts.iter().flat_map(|part| &part.plan.experiments);
    let names: BTreeSet<_> = experiments.map(|planned| escape(&planned.target_name)).collect();
    let models = parts.iter().flat_map(|part| &part.plan.models);
    let models = models.filter(|planned| planned.action != Action::Skip);
    let models: BTreeSet<_> = models.map(|planned| escape(&planned.target_name)).collect();
    let chosen = match parts {
        [part] => part.api.client().workspace().map(str::to_owned),
        _ => None,
    };
    let pattern = |error: crate::select::PatternError| ImportError::choice(error);
    let options = ExportOptions {
        writer: store::quick(),
        include_deleted: true,
        keep_going: true,
        origin: Some("verify".to_owned()),
        selection: Selection {
            experiments: Patterns::names(names.into_iter().collect()).map_err(pattern)?,
            models: Patterns::names(models.into_iter().collect()).map_err(pattern)?,
            ..Selection::default()
        },
        rest: RestOptions {
            workspace: chosen,
            workspaces: parts.iter().map(|part| workspace_of(part).to_owned()).collect(),
            // An import goes to one server; a registry that the environment names holds nothing of it.
            registry_uri: Some(uri.to_owned()),
            ..Default::default()
        },
        ..ExportOptions::default()
    };
    let exported = export(SourceKind::Rest, uri, out, options, monitor);
    exported.map_err(|error| match error {
        ExportError::Archive(error) => ImportError::from(error),
        ExportError::Interrupted => ImportError::Interrupted,
        source => ImportError::Unread { source },
    })?;
    Ok(Archive::open(out)?)
}

/// A name as a glob that matches nothing else.
fn escape(name: &str) -> String {
    let mut text = String::new();
    for next in name.chars() {
        if matches!(next, '*' | '?' | '[' | ']' | '{' | '}' | '!' | '\\') {
            text.push('[');
            text.push(next);
            text.push(']');
        } else {
            text.push(next);
        }
    }
    text
}

fn write_side(out: &Path, write: impl FnOnce(&mut ArchiveWriter) -> Result<()>) -> Result<Archive> {
    let mut writer = ArchiveWriter::create(out, store::quick())?;
    for &kind in Kind::ALL {
        writer.sort_at_end(kind);
    }
    write(&mut writer)?;
    writer.finish(ManifestHead::default(), Duplicates::KeepFirst)?;
    Ok(Archive::open(out)?)
}
