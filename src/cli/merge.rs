//! `mlark merge`.

use super::json::Merged;
use super::merge_args::{MergeArgs, say_of_merge};
use super::{
    CliError, Exit, OutputArgs, Result, counted, counted_kinds, grouped, print_json, print_summary,
    remove_on_signal, shown,
};
use crate::archive::Archive;
use crate::flow::merge::{self, MergeReport};
use clap::builder::ArgPredicate;
use std::path::PathBuf;

/// Combine archives into one
///
/// Archives of the same origin: equal objects are kept once. If one id has different content, that is a conflict, and nothing is
/// made unless --prefer decides it. Archives of different origins: experiments whose ids clash get new numbers, names that clash
/// get `-2`, and references follow. docs/reference/merge.md has all rules.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("output", |arg| arg
        .required(false)
        .required_unless_present("dry_run")
        .default_value_if("dry_run", ArgPredicate::IsPresent, "merged.zip")),
    after_help = "Examples:
  mlark merge monday.zip tuesday.zip -o all.zip --prefer newer
  mlark merge paris.zip rome.zip -o both.zip --join-models
  mlark merge paris.zip rome.zip --dry-run"
)]
pub(super) struct Args {
    /// The archives to combine
    #[arg(value_name = "ARCHIVE", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    merge: MergeArgs,
    /// Copy blobs instead of linking them to the blobs of the inputs
    #[arg(long)]
    copy: bool,
    /// Print what would be made and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let mut archives = Vec::new();
        for input in &self.inputs {
            if !self.dry_run {
                self.output.refuse_input(input)?;
            }
            archives.push(open(input)?);
        }
        let options = self.merge.options(self.output.writer_options(), self.copy);
        let out = (!self.dry_run).then_some(self.output.output.as_path());
        if out.is_some() {
            self.output.clear_leftovers()?;
            remove_on_signal();
        }
        let report = merge::merge(&archives, out, &options)?;
        if self.json {
            let made = Merged::new(out, &self.inputs, &report);
            print_json(&made)?;
        } else {
            say_of_merge(&self.inputs, &report);
            print_summary(self.summary(&report))?;
        }
        Ok(Exit::Done)
    }

    fn summary(&self, report: &MergeReport) -> String {
        let kinds = counted_kinds(|kind| report.lines.get(kind.name()).copied().unwrap_or(0));
        let united: u64 = report.united.values().sum();
        let from = counted(self.inputs.len() as u64, "archives");
        let held = if kinds.is_empty() {
            "nothing".to_owned()
        } else {
            kinds.join(", ")
        };
        let mut text = match report.manifest {
            Some(_) => format!("{}: {held} from {from}", shown(&self.output.output)),
            None => format!("would hold {held} from {from}"),
        };
        if united > 0 {
            text += &format!(", {} of them in several", grouped(united));
        }
        text.push('\n');
        if let Some(manifest) = &report.manifest {
            text += &format!("content id {}\n", manifest.content_id);
        }
        text
    }
}

/// Opens an archive; one of a newer format cannot be merged, whatever else could be done with it.
pub(super) fn open(path: &std::path::Path) -> Result<Archive> {
    use crate::archive::ArchiveError;
    Archive::open(path).map_err(|error| match error {
        ArchiveError::Format { path, source } => {
            CliError::usage(format!("cannot merge `{}`: {source}", shown(&path)))
        }
        other => other.into(),
    })
}
