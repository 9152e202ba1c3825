//! `mlark ls`, of archives and of sources that could be exported.

use super::choice_args::{ArtifactArgs, NameArgs};
use super::export::{contents, contents_with, loss_line, on_signal, what_is_not};
use super::last_lines::{say_of_export, say_of_source};
use super::output_args::one_of;
use super::source_args::ReadArgs;
use super::table::{Form, Table};
use super::{CliError, Exit, Result, grouped, note, print_result, say, say_silent, with_progress};
use crate::archive::Archive;
use crate::cli::diff_sides::Side;
use crate::flow::export::detect::SourceKind;
use crate::flow::export::{Surveyed, survey};
use crate::format::Kind;
use crate::lang::session::{ExportOptions, ExportReport, Survey};
use crate::report::list::{self, ListFilter, Noun, RunShape};
use crate::select::{Matched, Names, OrderBy, RunColumn, Selection, Sought};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// List the objects in an archive or a source
///
/// For a server, a database, an `mlruns` folder or an export, mlark lists what `mlark export` would take with the same options.
/// Without WHAT it shows totals and what would be left out. It reads no artifacts, metric history or spans.
///
/// On a terminal, mlark prints a table. When piped, it prints one row per line without a header: columns are separated by tabs,
/// times are RFC 3339 in UTC, a missing value is empty, and control characters are written as `\t`, `\n`, `\\` or `\u{…}`. With
/// --json, each line is an object and times are epoch milliseconds. Rows keep the order of the archive.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark ls history.zip
  mlark ls history.zip runs --experiment 'train*' --status FAILED
  mlark ls history.zip runs --filter 'metrics.auc > 0.9' --order-by 'metrics.auc DESC' --columns params.lr,metrics.auc
  mlark ls history.zip metrics --run 6f2c
  mlark ls history.zip artifacts --run 6f2c -p '**/*.pkl' --json
  mlark ls https://mlflow.example.org
  mlark ls mlflow.db artifacts --experiment fraud --artifacts-destination ./mlartifacts")]
pub(super) struct Args {
    /// An archive, or a source as for `mlark export`
    source: OsString,
    /// Kind of objects to list; by default experiments with counts
    #[arg(value_parser = one_of(Noun::ALL, Noun::as_str), default_value = "overview", hide_default_value = true)]
    what: Noun,
    #[command(flatten)]
    names: NameArgs,
    /// List only objects with this status, stage or state, such as FAILED, deleted or Production; may be repeated
    #[arg(short, long)]
    status: Vec<String>,
    #[command(flatten)]
    artifacts: ArtifactArgs,
    #[command(flatten)]
    runs: RunsArgs,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    live: LiveArgs,
}

/// How runs are listed.
#[derive(Debug, clap::Args)]
struct RunsArgs {
    /// Sort runs by this key, in MLflow's syntax, such as "metrics.auc DESC"; may be repeated
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    order_by: Vec<String>,
    /// Show these columns for each run, such as params.lr,metrics.auc
    #[arg(long, value_name = "COLUMNS")]
    columns: Vec<String>,
}

impl RunsArgs {
    fn shape(&self, noun: Noun) -> Result<RunShape> {
        let is_given = !self.order_by.is_empty() || !self.columns.is_empty();
        if is_given && noun != Noun::Runs {
            return Err(CliError::usage(format!(
                "`{}` cannot be listed with --order-by or --columns",
                noun.as_str()
            ))
            .hint("these options work only with `mlark ls … runs`"));
        }
        let columns = self.columns.iter().map(|text| RunColumn::parse_list(text));
        let columns: std::result::Result<Vec<_>, _> = columns.collect();
        Ok(RunShape {
            columns: columns.map_err(CliError::usage)?.concat(),
            order_by: OrderBy::parse(&self.order_by).map_err(CliError::usage)?,
        })
    }
}

/// How a source is read; an archive is taken as it is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sources that are not archives")]
struct LiveArgs {
    /// Skip what cannot be read, name it, and exit with 3
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    read: ReadArgs,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let (noun, form) = (self.what, Form::of_stdout(self.json));
        let (artifact_include, artifact_exclude) = self.artifacts.patterns()?;
        let mut filter = ListFilter {
            names: self.names.into_names()?,
            status: self.status,
            artifact_include,
            artifact_exclude,
        };
        filter.check(noun).map_err(CliError::usage)?;
        let shape = self.runs.shape(noun)?;
        match Side::of(self.source)? {
            Side::Archive(path) => {
                self.live.refuse_for_archive()?;
                let archive = Archive::open(&path)?;
                let matched = filter.names.find(&archive, Sought::AllModels)?;
                filter.names.runs = matched.runs.iter().cloned().collect();
                let rows = print_list(&archive, noun, &filter, &shape, form)?;
                if noun == Noun::Overview && form == Form::Terminal {
                    print_result(format_args!("{}\n", contents(archive.manifest())))?;
                }
                say_what_is_not(&matched, rows, noun, &filter);
                Ok(Exit::Done)
            }
            Side::Live(..) if noun == Noun::Metrics => Err(CliError::usage(
                "`metrics` can be listed only of an archive: from a source, the history of every run would have to be read",
            )
            .hint("make an archive with `mlark export`; `mlark ls … runs --columns metrics.KEY` shows the latest values of a source")),
            Side::Live(kind, source) => {
                let (surveyed, matched) = self.live.look(kind, &source, noun, &filter.names)?;
                filter.names.runs = matched.runs.iter().cloned().collect();
                let rows = print_list(&surveyed.archive, noun, &filter, &shape, form)?;
                let said = summary(noun, &surveyed.report);
                match form {
                    Form::Terminal => print_result(said)?,
                    // Rows alone go to a program.
                    Form::Piped | Form::Json => said.lines().for_each(say),
                }
                match noun {
                    Noun::Overview => say_of_export(&surveyed.report),
                    noun => say_what_is_not(&matched, rows, noun, &filter),
                }
                say_of_source(kind, &source);
                Ok(Exit::incomplete_if(surveyed.report.failures > 0))
            }
        }
    }
}

/// Says why a list is empty, or shorter than what was asked for.
fn say_what_is_not(matched: &Matched, rows: u64, noun: Noun, filter: &ListFilter) {
    say_silent(&matched.silent);
    if rows == 0 && matched.silent.is_empty() && filter.is_given() {
        let what = match noun {
            Noun::Overview => Noun::Experiments.as_str(),
            noun => noun.as_str(),
        };
        note(format_args!("no {what} match all the options"));
    }
}

impl LiveArgs {
    fn refuse_for_archive(&self) -> Result<()> {
        if self.keep_going || self.read.is_given() {
            Err(
                CliError::usage("options for reading a source were given, but this is an archive")
                    .hint("leave these options out"),
            )
        } else {
            Ok(())
        }
    }

    /// Looks at a source; what was found there of what was asked for.
    fn look(self, kind: SourceKind, source: &str, noun: Noun, names: &Names) -> Result<(Surveyed, Matched)> {
        // What the list would not show need not be asked for; a model may be a logged one, which no export is asked for by name.
        let selection = if names.models.is_empty() {
            Selection {
                experiments: names.experiments.clone(),
                runs: names.runs.iter().cloned().collect(),
                filter: names.filter.clone(),
                ..Selection::default()
            }
        } else {
            Selection::default()
        };
        let options = ExportOptions {
            keep_going: self.keep_going,
            selection,
            interrupt: on_signal(),
            ..self.read.into_options()?
        };
        let wanted = survey_of(noun, names);
        let surveyed = with_progress(|progress| survey(kind, source, wanted, options, progress))
            .map_err(CliError::of_look)?;
        if !names.models.is_empty() {
            let matched = names.find(&surveyed.archive, Sought::AllModels)?;
            return Ok((surveyed, matched));
        }
        let mut matched = surveyed.report.matched.clone();
        if let Some(filter) = &names.filter {
            // What was looked at are also the parents of runs that meet it.
            matched.runs = names.filtered(&surveyed.archive, filter, &matched.runs)?;
        }
        Ok((surveyed, matched))
    }
}

fn print_list(
    archive: &Archive,
    noun: Noun,
    filter: &ListFilter,
    shape: &RunShape,
    form: Form,
) -> Result<u64> {
    let mut rows = 0;
    let headings = if noun == Noun::Runs {
        shape.headings()
    } else {
        noun.headings()
    };
    let mut table = Table::new(form.screen(), form, headings);
    let mut sink = |row: Vec<Value>| {
        rows += 1;
        table.row(&row).map_err(CliError::from)
    };
    if noun == Noun::Runs {
        list::list_runs(archive, filter, shape, &mut sink)?;
    } else {
        list::list(archive, noun, filter, &mut sink)?;
    }
    table.finish()?;
    Ok(rows)
}

/// What has to be looked at for a list, and for the names that it is asked for.
fn survey_of(noun: Noun, names: &Names) -> Survey {
    let of_run = names.asks_runs();
    let own = [noun.kind()];
    let kinds: &[Kind] = match noun {
        Noun::Overview => return Survey::whole(),
        Noun::Experiments | Noun::Metrics => &[],
        Noun::Artifacts => &[Kind::Runs, Kind::LoggedModels, Kind::Traces, Kind::Artifacts],
        Noun::Locations => &[
            Kind::Runs,
            Kind::Datasets,
            Kind::LoggedModels,
            Kind::ModelVersions,
            Kind::Traces,
        ],
        _ => &own,
    };
    let mut kinds: BTreeSet<_> = kinds.iter().copied().collect();
    if of_run {
        kinds.insert(Kind::Runs);
    }
    if !names.models.is_empty() {
        kinds.extend([Kind::RegisteredModels, Kind::ModelVersions, Kind::LoggedModels]);
    }
    Survey {
        kinds,
        // The links of traces are asked for run by run.
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
    let mut text = format!("an export would take: {}\n", contents_with(manifest, survey));
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
