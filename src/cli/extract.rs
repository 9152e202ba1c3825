//! `mlark extract`.

use super::common::{
    bytes, clear_leftovers, grouped, name_test, output_path, path_test, print_json, print_summary,
    remove_on_signal, shown,
};
use super::error::Result;
use super::exit::Exit;
use super::progress::Progress;
use super::screen::{note, say};
use crate::archive::Archive;
use crate::archive::walk::ArtifactEntry;
use crate::format::Kind;
use crate::model::OwnerKind;
use crate::report::list::TextTest;
use crate::report::text::{json_text, printable};
use crate::sink::extract::{ExtractOptions, ExtractReport, extract};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Artifacts named on stderr.
pub(super) const NAMED: usize = 20;

/// Write artifacts as a tree of files
///
/// The tree is `RUN_ID/PATH`, `MODEL_ID/PATH` for logged models, `TRACE_ID/PATH` for traces, and
/// `models/NAME/VERSION/PATH` for the files of model versions. DIR must not exist: it appears when all files are
/// written and checked, or not at all. Names that could lead out of it, or that cannot be a file's, are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark extract history.zip -o files
  mlark extract history.zip -o models --experiment train --path 'model/**'")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// The directory to make
    #[arg(short, long, value_name = "DIR", value_parser = output_path())]
    output: PathBuf,
    /// Of experiments with this name, id or glob
    #[arg(short, long, value_name = "NAME")]
    experiment: Option<String>,
    /// Of runs whose id starts like this; may be repeated
    #[arg(short, long, value_name = "ID")]
    run: Vec<String>,
    /// Of logged models with this id, or of versions of this registered model; names may be globs
    #[arg(short, long, value_name = "NAME")]
    model: Option<String>,
    /// Artifacts whose path matches this glob
    #[arg(short, long, visible_alias = "glob", value_name = "GLOB")]
    path: Option<String>,
    /// Leaves out artifacts whose names cannot be made here, and exits with 3
    #[arg(long)]
    keep_going: bool,
    /// Prints what was made as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let filter = Filter {
            experiments: self
                .experiment
                .clone()
                .map(|name| experiments(&archive, name))
                .transpose()?,
            runs: self.run.clone(),
            model: self.model.clone().map(name_test).transpose()?,
            path: self.path.clone().map(path_test).transpose()?,
        };
        let options = ExtractOptions {
            takes: &|entry| filter.takes(entry),
            keep_going: self.keep_going,
        };
        clear_leftovers(&self.output);
        remove_on_signal();
        let progress = Progress::new();
        let report = extract(&archive, &self.output, &options, &progress);
        progress.done();
        let report = report?;
        self.tell(&report)?;
        Ok(match report.failed.is_empty() && report.refused.is_empty() {
            true => Exit::Done,
            false => Exit::Incomplete,
        })
    }

    fn tell(&self, report: &ExtractReport) -> Result<()> {
        name_some(&report.failed, " could not be read on export");
        name_some(&report.refused, "");
        if report.not_selected > 0 {
            let count = counted(report.not_selected, "artifact");
            note(format_args!("left out by choice on export: {count}"));
        }
        if self.json {
            return print_json(format_args!("{}\n", json_text(report)));
        }
        print_summary(format_args!(
            "{}: {}, {}\n",
            shown(&self.output),
            counted(report.files, "file"),
            bytes(report.bytes)
        ))
    }
}

/// Names artifacts on stderr; of many, the first.
pub(super) fn name_some(names: &[String], what: &str) {
    for name in names.iter().take(NAMED) {
        say(format_args!("failure: {}{what}", printable(name)));
    }
    if names.len() > NAMED {
        say(format_args!(
            "failure: {} more",
            grouped((names.len() - NAMED) as u64)
        ));
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// Which artifacts are asked for.
struct Filter {
    experiments: Option<BTreeSet<String>>,
    runs: Vec<String>,
    model: Option<TextTest>,
    path: Option<TextTest>,
}

impl Filter {
    fn takes(&self, entry: &ArtifactEntry<'_>) -> bool {
        let owner = entry.owner;
        let is_in = |ids: &BTreeSet<String>| owner.experiment_id.as_ref().is_some_and(|id| ids.contains(id));
        let is_run =
            owner.kind == OwnerKind::Run && self.runs.iter().any(|run| owner.id.starts_with(run.as_str()));
        let is_model = |test: &TextTest| {
            matches!(owner.kind, OwnerKind::LoggedModel | OwnerKind::ModelVersion)
                && (test(&owner.id) || owner.name.as_deref().is_some_and(test))
        };
        self.experiments.as_ref().is_none_or(is_in)
            && (self.runs.is_empty() || is_run)
            && self.model.as_ref().is_none_or(is_model)
            && self.path.as_ref().is_none_or(|test| test(&entry.file.path))
    }
}

/// Ids of the experiments with a name, an id, or a name that matches a glob.
fn experiments(archive: &Archive, name: String) -> Result<BTreeSet<String>> {
    let test = name_test(name)?;
    let mut ids = BTreeSet::new();
    for line in archive.values(Kind::Experiments) {
        let line = line?;
        let id = line["experiment_id"].as_str().unwrap_or_default();
        if test(id) || line["name"].as_str().is_some_and(&test) {
            ids.insert(id.to_owned());
        }
    }
    Ok(ids)
}
