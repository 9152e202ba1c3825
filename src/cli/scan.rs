//! `mlark scan`.

use super::json::Scanned;
use super::{
    Exit, Result, counted, grouped, print_json_text, print_result, print_summary, say, shown, with_progress,
};
use crate::archive::Archive;
use crate::cli::output_args::threads;
use crate::flow::transform::redact::ErasePlaces;
use crate::flow::transform::{Edit, Recipe};
use crate::model::printable::one_line;
use crate::report::scan::{ScanOptions, ScanReport, scan};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Find tokens, keys and passwords in an archive, without printing them
///
/// mlark searches tags, params, descriptions, metadata, span attributes, sources and all other texts, and artifacts that look
/// like text. It exits with 1 if it finds something, and with 0 if not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mlark scan history.zip
  mlark scan history.zip --print-recipe > recipe.json; mlark transform history.zip -o shared.zip --recipe recipe.json")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Print a recipe that redacts what was found, for `mlark transform --recipe`, instead of the report
    #[arg(long)]
    print_recipe: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "print_recipe")]
    json: bool,
    /// Threads for searching artifacts [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = threads())]
    threads: usize,
}

/// Prints a recipe of one edit, and says what it leaves.
fn print_recipe(report: &ScanReport) -> Result<()> {
    let (places, others) = ErasePlaces::of(report);
    let edits = if places.places.is_empty() {
        Vec::new()
    } else {
        vec![Edit::ErasePlaces(places)]
    };
    print_json_text(Recipe { edits }.to_text())?;
    if others > 0 {
        say(format_args!(
            "warning: the recipe does not remove {} in ids, names, artifact paths or outside the objects; `mlark scan` shows where",
            counted(others, "secrets")
        ));
    }
    Ok(())
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let options = ScanOptions {
            threads: self.threads,
        };
        let report = with_progress(|progress| scan(&archive, &options, progress))?;
        let is_clean = report.secrets == 0;
        if self.print_recipe {
            print_recipe(&report)?;
        } else if self.json {
            print_json_text(format_args!(
                "{:#}\n",
                json!(Scanned::new(&self.archive, &report))
            ))?;
        } else if is_clean {
            print_summary(self.describe(&report))?;
        } else {
            print_result(self.describe(&report))?;
        }
        Ok(Exit::findings_if(!is_clean))
    }

    /// A line a secret, and what was searched.
    fn describe(&self, report: &ScanReport) -> String {
        let mut text = String::new();
        for found in &report.found {
            let place = found.place.to_string();
            let length = counted(found.length, "bytes");
            let _ = writeln!(text, "{} ({length}): {}", found.rule, one_line(&place));
        }
        let unlisted = report.secrets.saturating_sub(report.found.len() as u64);
        if unlisted > 0 {
            let _ = writeln!(text, "and {} more", grouped(unlisted));
        }
        let verdict = match report.secrets {
            0 => "no secret found".to_owned(),
            secrets => format!("{} found", counted(secrets, "secrets")),
        };
        let binary = match report.binary {
            0 => String::new(),
            binary => format!("; skipped {}", counted(binary, "non-text artifacts")),
        };
        let _ = writeln!(
            text,
            "{}: {verdict}; searched {} and {}{binary}",
            shown(&self.archive),
            counted(report.lines, "lines"),
            counted(report.texts, "texts"),
        );
        text
    }
}
