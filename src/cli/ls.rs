//! `mlark ls`, of archives and of sources that could be exported.

use super::common::{grouped, name_test, path_test, print_result};
use super::error::{CliError, Result};
use super::exit::Exit;
use super::export::{contents, contents_with, loss_line, on_signal, what_is_not};
use super::live::Side;
use super::progress::Progress;
use super::screen::say;
use super::source_args::ReadArgs;
use super::table::{Form, Table};
use crate::archive::Archive;
use crate::format::Kind;
use crate::report::list::{self, ListFilter, Noun};
use crate::source::detect::SourceKind;
use crate::source::{ExportOptions, ExportReport, Patterns, Selection, Survey, Surveyed};
use std::ffi::OsString;

/// List what an archive or a source holds
///
/// Of a server, a database, an `mlruns` folder or an export it lists what `mlark export` with the same options would take,
/// and says without WHAT how much that is and what is left out; no artifact is read, no server is asked for history or spans.
///
/// On a terminal it prints a table; in a pipe, one row a line without a header, columns separated by tabs, times as
/// RFC 3339 in UTC, nothing where there is no value, and `\t`, `\n`, `\\`, `\u{…}` for characters that could not
/// stand there. With --json each line is an object, its times epoch milliseconds. The order is the archive's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark ls history.zip
  mlark ls history.zip runs --experiment 'train*' --status FAILED
  mlark ls history.zip artifacts --run 6f2c --path '**/*.pkl' --json
  mlark ls https://mlflow.example.org
  mlark ls mlflow.db artifacts --experiment fraud --artifacts-destination ./mlartifacts")]
pub(super) struct Args {
    /// The archive, or the source as `mlark export` takes it
    source: OsString,
    /// What to list; experiments with counts by default
    #[arg(value_enum, default_value = "overview", hide_default_value = true)]
    what: Noun,
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
    #[command(flatten)]
    live: LiveArgs,
}

/// How a source is read; an archive is taken as it is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sources that are no archives")]
struct LiveArgs {
    /// Passes over what cannot be read, says so, and exits with 3
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    read: ReadArgs,
}

impl clap::ValueEnum for Noun {
    fn value_variants<'a>() -> &'a [Self] {
        &Noun::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl Args {
    pub(super) fn run(self) -> Result {
        let noun = self.what;
        let experiment = self.experiment.clone();
        let links = self.run.is_some();
        let filter = ListFilter {
            experiment: self.experiment.map(name_test).transpose()?,
            run: self.run,
            model: self.model.map(name_test).transpose()?,
            status: self.status,
            path: self.path.map(path_test).transpose()?,
        };
        filter.check(noun).map_err(CliError::usage)?;
        let form = Form::of_stdout(self.json);
        match Side::of(self.source)? {
            Side::Archive(path) => {
                self.live.refuse_for_archive()?;
                let archive = Archive::open(&path)?;
                print_list(&archive, noun, &filter, form)?;
                if noun == Noun::Overview && form == Form::Terminal {
                    print_result(format_args!("{}\n", contents(archive.manifest())))?;
                }
                Ok(Exit::Done)
            }
            Side::Live(kind, source) => {
                let surveyed = self
                    .live
                    .look(kind, &source, survey_of(noun, links), experiment)?;
                print_list(&surveyed.archive, noun, &filter, form)?;
                let said = summary(noun, &surveyed.report);
                match form {
                    Form::Terminal => print_result(said)?,
                    // Rows alone go to a program.
                    Form::Piped | Form::Json => said.lines().for_each(say),
                }
                Ok(match surveyed.report.failures {
                    0 => Exit::Done,
                    _ => Exit::Incomplete,
                })
            }
        }
    }
}

impl LiveArgs {
    fn refuse_for_archive(&self) -> Result<()> {
        match self.keep_going || self.read.is_given() {
            false => Ok(()),
            true => Err(CliError::usage(
                "how to read a source was said, and what is listed is an archive",
            )),
        }
    }

    fn look(
        self,
        kind: SourceKind,
        source: &str,
        survey: Survey,
        experiment: Option<String>,
    ) -> Result<Surveyed> {
        let experiments = Patterns::names(experiment.into_iter().collect()).map_err(CliError::usage)?;
        let options = ExportOptions {
            keep_going: self.keep_going,
            // What the list would not show need not be asked for.
            selection: Selection {
                experiments,
                ..Selection::default()
            },
            interrupt: on_signal(),
            ..self.read.into_options()?
        };
        let progress = Progress::new();
        let surveyed = crate::source::survey(kind, source, survey, options, &progress);
        progress.done();
        surveyed.map_err(CliError::of_look)
    }
}

fn print_list(archive: &Archive, noun: Noun, filter: &ListFilter, form: Form) -> Result<()> {
    let mut table = Table::new(form.screen(), form, noun.columns());
    list::list(archive, noun, filter, &mut |row| {
        table.row(&row).map_err(CliError::from)
    })?;
    Ok(table.finish()?)
}

/// What has to be looked at for a list.
fn survey_of(noun: Noun, of_run: bool) -> Survey {
    let kinds: &[Kind] = match noun {
        Noun::Overview => return Survey::whole(),
        Noun::Experiments => &[],
        Noun::Runs => &[Kind::Runs],
        Noun::Models | Noun::Prompts => &[Kind::RegisteredModels],
        Noun::Versions => &[Kind::ModelVersions],
        Noun::LoggedModels => &[Kind::LoggedModels],
        Noun::Datasets => &[Kind::Datasets],
        // The links of traces are asked for run by run.
        Noun::Traces if of_run => &[Kind::Runs, Kind::Traces],
        Noun::Traces => &[Kind::Traces],
        Noun::EvaluationDatasets => &[Kind::EvaluationDatasets],
        Noun::Scorers => &[Kind::Scorers],
        Noun::Artifacts => &[Kind::Runs, Kind::LoggedModels, Kind::Traces, Kind::Artifacts],
    };
    Survey {
        kinds: kinds.iter().copied().collect(),
        links: noun == Noun::Traces && of_run,
    }
}

/// What an export would say, of all there is; of a list, what is missing in it.
fn summary(noun: Noun, report: &ExportReport) -> String {
    let (manifest, survey) = (&report.manifest, &report.survey);
    if noun != Noun::Overview {
        let failures = manifest.losses.failures.iter();
        return failures.map(|loss| loss_line("failure", loss)).collect();
    }
    let mut text = format!("an export takes: {}\n", contents_with(manifest, survey));
    for (kind, what) in [(Kind::Metrics, "points of"), (Kind::Spans, "spans of")] {
        let count = survey.not_asked.get(&kind).copied().unwrap_or(0);
        let owner = match kind {
            Kind::Spans => Kind::Traces,
            kind => kind,
        };
        if count > 0 {
            text.push_str(&format!("not counted: {what} {} {owner}\n", grouped(count)));
        }
    }
    text.push_str(&what_is_not(manifest));
    text
}
