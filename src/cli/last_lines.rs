//! What is said last, so that nobody overlooks it: what matched nothing, and artifacts that were not found.

use super::{counted, note, say};
use crate::flow::export::detect::{self, SourceKind};
use crate::format::{Kind, Manifest, Reason};
use crate::lang::session::ExportReport;

/// Reasons of limits that say that artifacts may be somewhere else.
const OUT_OF_REACH: [Reason; 2] = [Reason::MissingDirectory, Reason::RemoteUri];

/// Says which globs matched nothing: it is no error, and nobody should have to guess it.
pub(super) fn say_silent(silent: &[String]) {
    for option in silent {
        note(format_args!("nothing matches {option}"));
    }
}

/// Says which of two sources in a folder was taken, and how to take the other.
pub(super) fn say_of_source(kind: SourceKind, source: &str) {
    let database = match kind {
        SourceKind::FileStore | SourceKind::ExportImport => detect::database_in(source),
        SourceKind::Sql | SourceKind::Rest => None,
    };
    if let Some(database) = database {
        say(format_args!(
            "warning: the files in `{source}` were exported, not the database next to them; to export the database, give `sqlite:///{}`",
            database.display()
        ));
    }
}

/// Says of an export, or of a look at a source, what is not as its user may think.
pub(super) fn say_of_export(report: &ExportReport) {
    say_silent(&report.matched.silent);
    if let Some(why) = nothing_taken(report) {
        note(why);
    }
    if let Some(warning) = artifacts_not_found(&report.manifest) {
        say(warning);
    }
}

/// A choice that nothing meets as a whole, where each of its parts is there.
fn nothing_taken(report: &ExportReport) -> Option<String> {
    let manifest = &report.manifest;
    let options = &manifest.selection.options;
    let has = |name: &str| options.contains_key(name);
    let count = |kind: &Kind| manifest.count(*kind);
    if !report.matched.silent.is_empty() || report.failures > 0 {
        return None;
    }
    let timed = [Kind::Runs, Kind::LoggedModels, Kind::Traces];
    if (has("since") || has("until")) && timed.iter().all(|kind| count(kind) == 0) {
        return Some("none of the chosen objects began between --since and --until".to_owned());
    }
    let named: Vec<_> = ["experiment", "run", "model"]
        .into_iter()
        .filter(|name| has(name))
        .map(|name| format!("--{name}"))
        .collect();
    let mut kinds = Kind::ALL.iter().filter(|kind| **kind != Kind::Workspaces);
    if !named.is_empty() && kinds.all(|kind| count(kind) == 0) {
        return Some(format!(
            "nothing was taken: no object matches all of {}, or it is deleted",
            named.join(" and ")
        ));
    }
    let left_out = |loss: &crate::format::LossCount| loss.kind == Kind::Artifacts.name();
    let no_artifacts = has("artifact-include") && manifest.totals.artifact_files == 0;
    (no_artifacts && manifest.selection.left_out.iter().any(left_out))
        .then(|| "no artifact of the chosen objects matches --artifact-include".to_owned())
}

/// Artifacts that were not found are lost to the archive, and look like none.
fn artifacts_not_found(manifest: &Manifest) -> Option<String> {
    let limits = manifest.losses.limits.iter();
    // A tree that was packed or kept in git has lost its empty folders, and nothing else.
    let may_be_empty = manifest.source.kind == "file-store" && manifest.totals.artifact_files > 0;
    let count: u64 = limits
        .filter(|loss| {
            loss.kind == Kind::Artifacts.name() && OUT_OF_REACH.iter().any(|reason| loss.reason == *reason)
        })
        .filter(|loss| !(may_be_empty && loss.reason == Reason::MissingDirectory))
        .map(|loss| loss.count)
        .sum();
    (count > 0).then(|| {
        format!(
            "warning: the artifacts of {} were not found, so the archive does not have them; say where they are with --artifacts-destination, or use --strict to exit with 3",
            counted(count, "objects")
        )
    })
}
