//! `mlark extract`.

use super::choice_args::{ArtifactArgs, NameArgs};
use super::{
    Exit, Result, bytes, counted, grouped, making, note, possibly_remote, print_json, print_summary, say,
    say_silent, shown,
};
use crate::archive::Archive;
use crate::archive::walk::ArtifactEntry;
use crate::flow::extract::{ExtractOptions, ExtractReport, extract};
use crate::format::Kind;
use crate::report::text::printable;
use crate::select::{Names, Patterns};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Artifacts named on stderr.
pub(super) const NAMED: usize = 20;

/// Write artifacts as files
///
/// Files are written to `RUN_ID/PATH`, `MODEL_ID/PATH` for logged models, `TRACE_ID/PATH` for traces, and
/// `models/NAME/VERSION/PATH` for model versions. DIR must not exist; it appears only when all files are written and checked.
/// Names that lead out of DIR, or that the file system cannot hold, are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark extract history.zip -o files
  mlark extract history.zip -o models --experiment train --artifact-include 'model/**'")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// The directory to make
    #[arg(short, long, value_name = "DIR", value_parser = possibly_remote())]
    output: PathBuf,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    artifacts: ArtifactArgs,
    /// Leave out artifacts whose names this file system cannot hold, and exit with 3
    #[arg(long)]
    keep_going: bool,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let (filter, silent) = Filter::find(&archive, self.names.clone(), self.artifacts.clone())?;
        let options = ExtractOptions {
            takes: &|entry| filter.takes(entry),
            keep_going: self.keep_going,
        };
        let report = making(&self.output, |progress| {
            extract(&archive, &self.output, &options, progress)
        })?;
        self.tell(&report)?;
        say_silent(&silent);
        if report.files == 0 && silent.is_empty() && filter.is_given() {
            note("no artifact matches all the options");
        }
        let is_whole = report.failed.is_empty() && report.refused.is_empty();
        Ok(Exit::incomplete_if(!is_whole))
    }

    fn tell(&self, report: &ExtractReport) -> Result<()> {
        name_some(&report.failed, " could not be read on export");
        name_some(&report.refused, "");
        if report.not_selected > 0 {
            let count = counted(report.not_selected, "artifacts");
            note(format_args!("left out by choice on export: {count}"));
        }
        if self.json {
            return print_json(report);
        }
        print_summary(format_args!(
            "{}: {}, {}\n",
            shown(&self.output),
            counted(report.files, "files"),
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

/// Which artifacts are asked for.
struct Filter {
    names: Names,
    /// Ids of the experiments that were asked for.
    experiments: BTreeSet<String>,
    include: Patterns,
    exclude: Patterns,
}

impl Filter {
    /// Finds what was asked for, and the options whose globs match nothing.
    fn find(archive: &Archive, named: NameArgs, artifacts: ArtifactArgs) -> Result<(Self, Vec<String>)> {
        let (names, silent) = named.find(archive)?;
        let (include, exclude) = artifacts.patterns()?;
        let filter = Filter {
            experiments: experiments(archive, &names.experiments)?,
            names,
            include,
            exclude,
        };
        Ok((filter, silent))
    }

    fn is_given(&self) -> bool {
        !(self.names.is_empty() && self.include.is_empty() && self.exclude.is_empty())
    }

    fn takes(&self, entry: &ArtifactEntry<'_>) -> bool {
        let experiment = entry.owner.experiment_id.as_ref();
        let is_in = || experiment.is_some_and(|id| self.experiments.contains(id));
        let path = &entry.file.path;
        (self.names.experiments.is_empty() || is_in())
            && self.names.take_owner(entry.owner)
            && (self.include.is_empty() || self.include.matches(path))
            && !self.exclude.matches(path)
    }
}

/// Ids of the experiments with a name, an id, or a name that matches a glob.
fn experiments(archive: &Archive, patterns: &Patterns) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    if patterns.is_empty() {
        return Ok(ids);
    }
    for line in archive.values(Kind::Experiments) {
        let line = line?;
        let id = line["experiment_id"].as_str().unwrap_or_default();
        if patterns.matches(id) || line["name"].as_str().is_some_and(|name| patterns.matches(name)) {
            ids.insert(id.to_owned());
        }
    }
    Ok(ids)
}
