//! `mlark import`.

use super::common::{print_result, tracking_uri};
use super::error::{CliError, Result};
use super::exit::Exit;
use super::progress::Progress;
use crate::archive::Archive;
use crate::client::{Client, Connection, Environment};
use crate::format::Kind;
use crate::report::text::json_text;
use crate::sink::rest::apply::INTERRUPTED;
use crate::sink::rest::options::DEFAULT_CONNECTIONS;
use crate::sink::rest::{ImportError, ImportOptions, LongValues, OnConflict, Only, Prepared};
use crate::source::Patterns;
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Replay an archive into an MLflow tracking server
///
/// What an earlier import of the same origin brought is continued, never doubled: a journal beside the archive, and a tag on
/// every object made (`mlflow_exim.mlark.origin`), say what is there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark import history.zip http://127.0.0.1:5000 --dry-run
  mlark import history.zip http://127.0.0.1:5000 --source-tags
  mlark import history.zip --only experiment='fraud*' --on-conflict merge")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// The server [default: MLFLOW_TRACKING_URI]
    target: Option<String>,
    /// Prints what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
    /// Names each object in the plan
    #[arg(long, requires = "dry_run")]
    objects: bool,
    /// Prints the plan or the report as JSON
    #[arg(long)]
    json: bool,
    /// What to do where a name is taken by something that no import of this origin made
    #[arg(long, value_enum, value_name = "WHAT", default_value = "fail")]
    on_conflict: ConflictArg,
    /// What to do with values that are longer than the target holds
    #[arg(long, value_enum, value_name = "WHAT", default_value = "error")]
    long_values: LongArg,
    /// Imports only this: a kind (runs, traces, …), experiment=NAME, run=ID or model=NAME; may be repeated
    #[arg(long, value_name = "WHAT")]
    only: Vec<String>,
    /// Name in the target of the one experiment that is imported
    #[arg(long, value_name = "NAME")]
    experiment_name: Option<String>,
    /// Gives an experiment another name in the target; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    rename_experiment: Vec<String>,
    /// Gives a registered model another name in the target; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    rename_model: Vec<String>,
    /// User of every run, in place of the archive's
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Adds the source tags that mlflow-export-import's --import-source-tags would add
    #[arg(long)]
    source_tags: bool,
    /// Rewrites run and model ids in MLmodel files to those of the target
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    fix_mlmodel: bool,
    /// Where the journal is [default: beside the archive, named by origin and target]
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Requests under way at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONNECTIONS)]
    connections: usize,
    /// Then compares every value and artifact with what the target holds; exits with 1 where something differs
    #[arg(long)]
    verify: bool,
    /// Exits with 3 where the target cannot hold something
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConflictArg {
    Fail,
    Merge,
    Rename,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LongArg {
    Error,
    Truncate,
    Skip,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let target = tracking_uri(self.target.as_deref(), "TARGET")?;
        let archive = Archive::open(&self.archive)?;
        let mut connection =
            Connection::of(&target, &Environment::of_process()).map_err(ImportError::from)?;
        connection.options.connections = self.connections.max(connection.options.connections);
        let client = Client::new(connection.base, connection.options).map_err(ImportError::from)?;
        let prepared = Prepared::new(&archive, client, self.options()?)?;
        if self.dry_run {
            return self.print_plan(&prepared);
        }
        // Where no handler can be set, a signal ends the process; the journal is made for that too.
        let _ = ctrlc::set_handler(on_interrupt);
        let progress = Progress::new();
        let report = prepared.apply(&progress);
        progress.done();
        let report = report?;
        let text = match self.json {
            true => format!("{:#}\n", report.to_json()),
            false => report.to_text(),
        };
        print_result(&text)?;
        let is_limited = self.strict && !report.changes.is_empty();
        if self.verify {
            let differences = verify_target(&prepared, &target, self.json)?;
            if differences > 0 {
                return Ok(Exit::Findings);
            }
        }
        Ok(match report.failures.is_empty() && !is_limited {
            true => Exit::Done,
            false => Exit::Incomplete,
        })
    }

    fn print_plan(&self, prepared: &Prepared) -> Result {
        let plan = prepared.plan();
        let text = match self.json {
            true => format!("{:#}\n", plan.to_json()),
            false => plan.to_text(),
        };
        print_result(&text)?;
        prepared.check()?;
        let is_limited = self.strict && !plan.changes.is_empty();
        Ok(if is_limited { Exit::Incomplete } else { Exit::Done })
    }

    fn options(&self) -> Result<ImportOptions> {
        Ok(ImportOptions {
            on_conflict: match self.on_conflict {
                ConflictArg::Fail => OnConflict::Fail,
                ConflictArg::Merge => OnConflict::Merge,
                ConflictArg::Rename => OnConflict::Rename,
            },
            long_values: match self.long_values {
                LongArg::Error => LongValues::Error,
                LongArg::Truncate => LongValues::Truncate,
                LongArg::Skip => LongValues::Skip,
            },
            only: parse_only(&self.only)?,
            experiment_name: self.experiment_name.clone(),
            rename_experiments: parse_renames(&self.rename_experiment)?,
            rename_models: parse_renames(&self.rename_model)?,
            user: self.user.clone(),
            source_tags: self.source_tags,
            fix_mlmodel: self.fix_mlmodel,
            connections: self.connections,
            journal: self.journal.clone(),
            list_objects: self.objects,
        })
    }
}

/// Prints how a target differs from an archive; how many differences there are.
pub(super) fn verify_target(prepared: &Prepared, uri: &str, json: bool) -> Result<u64> {
    let progress = Progress::new();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let count = prepared.verify(uri, &progress, &mut |difference| match json {
        true => writeln!(out, "{}", json_text(&difference)),
        false => {
            let side =
                |value: &Option<serde_json::Value>| value.as_ref().map_or(String::new(), ToString::to_string);
            let points = difference.points.as_ref().map_or(String::new(), |points| {
                format!(
                    " {} points more, {} less, {} other",
                    points.added, points.removed, points.changed
                )
            });
            let (kind, id, key) = (&difference.kind, &difference.id, difference.key_text());
            let change = difference.change.as_str();
            let (before, after) = (side(&difference.before), side(&difference.after));
            writeln!(
                out,
                "{change}\t{}\t{}\t{}\t{before}\t{after}{points}",
                plain(kind),
                plain(id),
                plain(&key)
            )
        }
    });
    progress.done();
    let count = count?;
    if !json {
        let verdict = if count == 0 {
            "the target holds what the archive says".to_owned()
        } else {
            format!("{count} differences")
        };
        writeln!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(count)
}

/// A text without what would break a line or colour a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|next| if next.is_control() { ' ' } else { next })
        .collect()
}

fn on_interrupt() {
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        // Asked twice: the requests under way are not waited for.
        std::process::exit(130);
    }
    anstream::eprintln!("stopping after the requests under way; the same command goes on from there");
}

fn parse_only(texts: &[String]) -> Result<Only> {
    let (mut experiments, mut models) = (Vec::new(), Vec::new());
    let (mut kinds, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for text in texts {
        match text.split_once('=') {
            Some(("experiment", name)) => experiments.push(name.to_owned()),
            Some(("model", name)) => models.push(name.to_owned()),
            Some(("run", id)) => {
                runs.insert(id.to_owned());
            }
            _ => {
                let kind = Kind::from_name(text).ok_or_else(|| {
                    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                    CliError::usage(format!("`{text}` is no kind of object")).hint(format!(
                        "experiment=NAME, run=ID, model=NAME, or one of {}",
                        names.join(", ")
                    ))
                })?;
                kinds.insert(kind);
            }
        }
    }
    let usage = |error: crate::source::PatternError| CliError::usage(error);
    Ok(Only {
        kinds,
        experiments: Patterns::names(experiments).map_err(usage)?,
        runs,
        models: Patterns::names(models).map_err(usage)?,
    })
}

fn parse_renames(texts: &[String]) -> Result<BTreeMap<String, String>> {
    texts
        .iter()
        .map(|text| match text.split_once('=') {
            Some((old, new)) if !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
            _ => Err(CliError::usage(format!("`{text}` is not OLD=NEW"))),
        })
        .collect()
}
