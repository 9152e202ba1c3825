//! `mlark ls`.

use super::common::{name_test, path_test, print_result};
use super::error::{CliError, Result};
use super::exit::Exit;
use super::table::{Form, Table};
use crate::archive::Archive;
use crate::report::list::{self, ListFilter, Noun};
use std::path::PathBuf;

/// List what an archive holds
///
/// On a terminal it prints a table; in a pipe, one row a line without a header, columns separated by tabs, times as
/// RFC 3339 in UTC, nothing where there is no value, and `\t`, `\n`, `\\`, `\u{…}` for characters that could not
/// stand there. With --json each line is an object, its times epoch milliseconds. The order is the archive's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark ls history.zip
  mlark ls history.zip runs --experiment 'train*' --status FAILED
  mlark ls history.zip artifacts --run 6f2c --path '**/*.pkl' --json")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// What to list; experiments with counts by default
    #[arg(value_enum, default_value = "overview", hide_default_value = true)]
    what: What,
    /// Of experiments with this name, id or glob
    #[arg(short, long, value_name = "NAME")]
    experiment: Option<String>,
    /// Of runs whose id starts like this
    #[arg(short, long, value_name = "ID")]
    run: Option<String>,
    /// Of registered models, prompts or logged models with this name, id or glob
    #[arg(short, long, value_name = "NAME")]
    model: Option<String>,
    /// With this status, stage or state, such as FAILED, deleted or Production; may be repeated
    #[arg(short, long)]
    status: Vec<String>,
    /// Artifacts whose path matches this glob
    #[arg(short, long, value_name = "GLOB")]
    path: Option<String>,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    Overview,
    Experiments,
    Runs,
    Models,
    Versions,
    Prompts,
    LoggedModels,
    Datasets,
    Traces,
    EvaluationDatasets,
    Scorers,
    Artifacts,
}

impl What {
    fn noun(self) -> Noun {
        match self {
            What::Overview => Noun::Overview,
            What::Experiments => Noun::Experiments,
            What::Runs => Noun::Runs,
            What::Models => Noun::Models,
            What::Versions => Noun::Versions,
            What::Prompts => Noun::Prompts,
            What::LoggedModels => Noun::LoggedModels,
            What::Datasets => Noun::Datasets,
            What::Traces => Noun::Traces,
            What::EvaluationDatasets => Noun::EvaluationDatasets,
            What::Scorers => Noun::Scorers,
            What::Artifacts => Noun::Artifacts,
        }
    }
}

impl Args {
    pub(super) fn run(self) -> Result {
        let noun = self.what.noun();
        let filter = ListFilter {
            experiment: self.experiment.map(name_test).transpose()?,
            run: self.run,
            model: self.model.map(name_test).transpose()?,
            status: self.status,
            path: self.path.map(path_test).transpose()?,
        };
        filter.check(noun).map_err(CliError::usage)?;
        let archive = Archive::open(&self.archive)?;
        let form = Form::of_stdout(self.json);
        let out = std::io::BufWriter::new(anstream::stdout().lock());
        let mut table = Table::new(out, form, noun.columns());
        list::list(&archive, noun, &filter, &mut |row| {
            table.row(&row).map_err(CliError::from)
        })?;
        table.finish()?;
        if matches!(self.what, What::Overview) && form == Form::Terminal {
            let text = format!("{}\n", super::export::contents(archive.manifest()));
            print_result(&text)?;
        }
        Ok(Exit::Done)
    }
}
