//! `mlark transform`.

use super::error::{CliError, Result};
use super::exit::Exit;
use super::json::Transformed;
use super::screen::note;
use crate::archive::Archive;
use crate::cli::humanize::{counted, grouped, shown};
use crate::cli::output_args::OutputArgs;
use crate::cli::results::{print_json, print_summary};
use crate::cli::signals::{clear_leftovers, remove_on_signal};
use crate::flow::transform::{self, TransformOptions, TransformReport};
use crate::report::text::json_text;
use std::path::PathBuf;

/// Make an archive from an archive, offline
///
/// Blobs are shared with the input where the file system can (reflinks, else hard links in a directory), and
/// what was there before is kept in the archive, so that --undo brings back the input's content id.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark transform history.zip -o tagged.zip --source-tags
  mlark transform tagged.zip -o again.zip --undo")]
pub(super) struct Args {
    /// The archive to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Adds the source tags that mlflow-export-import's --import-source-tags would add (`mlflow_exim.*`)
    #[arg(long, required_unless_present = "undo")]
    source_tags: bool,
    /// Reverses the last transform instead
    #[arg(long)]
    undo: bool,
    /// Copies blobs instead of linking them to the input's
    #[arg(long)]
    copy: bool,
    /// Prints what was made as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        self.output.refuse_input(&self.input)?;
        let archive = Archive::open(&self.input)?;
        let options = TransformOptions {
            writer: self.output.writer_options(),
            copy: self.copy,
        };
        if self.source_tags && self.undo {
            self.refuse_other_transform(&archive)?;
        }
        clear_leftovers(&self.output.output);
        remove_on_signal();
        let report = if self.undo {
            transform::undo(&archive, &self.output.output, &options)?
        } else {
            transform::source_tags::inject(&archive, &self.output.output, &options)?
        };
        if self.json {
            let made = Transformed::new(&self.output.output, &report);
            print_json(format_args!("{}\n", json_text(&made)))?;
        } else {
            for (notice, &count) in &report.notices {
                note(format_args!("{notice} ({})", counted(count, "objects")));
            }
            print_summary(self.summary(&report))?;
        }
        Ok(Exit::Done)
    }

    /// `--source-tags --undo` undoes source tags and nothing else.
    fn refuse_other_transform(&self, archive: &Archive) -> Result<()> {
        match archive.manifest().history.last() {
            Some(entry) if entry.name != transform::source_tags::NAME => Err(CliError::usage(format!(
                "the last transform of `{}` is `{}`, not `{}`",
                shown(&self.input),
                entry.name,
                transform::source_tags::NAME
            ))),
            _ => Ok(()),
        }
    }

    fn summary(&self, report: &TransformReport) -> String {
        let counts: Vec<_> = report
            .counts
            .iter()
            .map(|(name, count)| format!("{name} {}", grouped(*count)))
            .collect();
        let done = if counts.is_empty() {
            "nothing to change".to_owned()
        } else {
            counts.join(", ")
        };
        let out = shown(&self.output.output);
        format!("{out}: {done}\ncontent id {}\n", report.manifest.content_id)
    }
}
