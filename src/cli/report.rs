//! `mlark report`.

use super::{
    CliError, Exit, Result, bytes, grouped, making, output_path, print_made, refuse_input, say_silent, shown,
};
use crate::archive::Archive;
use crate::cli::choice_args::NameArgs;
use crate::cli::output_args::size;
use crate::report::html::{HtmlError, HtmlOptions, HtmlReport, html};
use std::path::PathBuf;

/// Make an HTML page of an archive
///
/// The page is a single file that needs no network and no server. It shows experiments, a table of runs that you can sort and
/// filter, metric curves, models and their lineage, traces and artifacts. Curves have fewer points and long texts are cut. What
/// does not fit within --max-size is left out, the oldest first, and the page says so. FILE appears only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark report history.zip -o history.html
  mlark report history.zip -o churn.html --experiment churn
  mlark report history.zip -o best.html --filter \"metrics.auc > 0.9\" --max-size 5MB")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Page to write
    #[arg(short, long, value_name = "FILE", value_parser = output_path())]
    output: PathBuf,
    /// Largest size of the page, such as 50MB
    #[arg(long, value_name = "BYTES", value_parser = size, default_value = "50MB")]
    max_size: u64,
    #[command(flatten)]
    names: NameArgs,
    /// Replace FILE if mlark made it
    #[arg(long)]
    force: bool,
    /// Do not wait until the data is synced to disk
    #[arg(long)]
    no_sync: bool,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        refuse_input(&self.output, &self.archive)?;
        let options = HtmlOptions {
            selection: self.names.into_selection()?,
            max_bytes: self.max_size,
            force: self.force,
            no_sync: self.no_sync,
        };
        let archive = Archive::open(&self.archive)?;
        let report = making(&self.output, |progress| {
            html(&archive, &self.output, &options, progress)
        })?;
        say_silent(&report.silent);
        let made = format!("{}: {}\n", shown(&self.output), bytes(report.size_bytes));
        print_made(self.json, &report, || made + &left_out(&report))?;
        Ok(Exit::Done)
    }
}

/// What the page has in part, a line each.
fn left_out(report: &HtmlReport) -> String {
    let lines = report.cut_short().map(|share| {
        let (some, all) = (grouped(share.shown), grouped(share.of));
        format!("  {}: {some} of {all}\n", share.what)
    });
    let mut text: String = lines.collect();
    if report.cut_texts > 0 {
        text.push_str(&format!("  long texts cut: {}\n", grouped(report.cut_texts)));
    }
    text
}

impl From<HtmlError> for CliError {
    fn from(error: HtmlError) -> Self {
        match error {
            HtmlError::Archive(error) => error.into(),
            HtmlError::NoMatch(error) => crate::select::SeekError::NoMatch(error).into(),
            error @ HtmlError::TooSmall { .. } => CliError::usage(error).hint("give a larger --max-size"),
            error @ HtmlError::Foreign { .. } => {
                CliError::usage(error).hint("give another file to -o, or remove it yourself")
            }
        }
    }
}
