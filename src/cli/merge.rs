//! `mlark merge`.

use super::error::{CliError, Result};
use super::exit::Exit;
use super::json::Merged;
use super::screen::note;
use crate::archive::Archive;
use crate::cli::humanize::{counted, counted_kind, grouped, shown};
use crate::cli::output_args::OutputArgs;
use crate::cli::results::{print_json, print_summary};
use crate::cli::signals::{clear_leftovers, remove_on_signal};
use crate::flow::merge::{self, ChangeKind, MergeOptions, MergeReport, Prefer};
use crate::format::Kind;
use crate::report::text::json_text;
use clap::ValueEnum;
use clap::builder::ArgPredicate;
use std::path::PathBuf;

/// Changes and conflicts that are named; the others are counted.
const NAMED: usize = 10;

/// Put archives together into one
///
/// Of one origin, equal objects stand once, and one id with other content is a conflict: nothing is made unless --prefer says which
/// archive is right. Of several origins, experiments whose ids clash get new numbers, names that clash get `-2`, and references
/// follow; docs/merge.md has all rules.
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
    /// The archives to put together
    #[arg(value_name = "ARCHIVE", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    /// From which archive an object comes, with all its lines, that several have with other content
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = PreferArg::Fail)]
    prefer: PreferArg,
    /// Makes one experiment of those of one name, where they are of several origins
    #[arg(long)]
    join_experiments: bool,
    /// Makes one registered model of those of one name, where they are of several origins; versions of the later are numbered anew
    #[arg(long)]
    join_models: bool,
    /// Copies blobs instead of linking them to those of the archives
    #[arg(long)]
    copy: bool,
    /// Says what would be made, and makes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints what was made as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PreferArg {
    /// None: nothing is made, and the objects are listed
    Fail,
    /// The archive given first
    First,
    /// The archive in which it changed last
    Newer,
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
        let options = MergeOptions {
            writer: self.output.writer_options(),
            copy: self.copy,
            prefer: match self.prefer {
                PreferArg::Fail => Prefer::Fail,
                PreferArg::First => Prefer::First,
                PreferArg::Newer => Prefer::Newer,
            },
            join_experiments: self.join_experiments,
            join_models: self.join_models,
        };
        let out = (!self.dry_run).then_some(self.output.output.as_path());
        if let Some(out) = out {
            clear_leftovers(out);
            remove_on_signal();
        }
        let report = merge::merge(&archives, out, &options)?;
        if self.json {
            let made = Merged::new(out, &self.inputs, &report);
            print_json(format_args!("{}\n", json_text(&made)))?;
        } else {
            self.print(&report)?;
        }
        Ok(Exit::Done)
    }

    fn print(&self, report: &MergeReport) -> Result<()> {
        let input = |number: usize| shown(&self.inputs[number - 1]);
        for change in report.changes.iter().take(NAMED) {
            let what = match change.what {
                ChangeKind::Joined if change.old == change.new => "becomes one with another".to_owned(),
                ChangeKind::Joined => format!("becomes one with `{}`", change.new),
                ChangeKind::Renumbered | ChangeKind::Renamed => format!("is `{}`", change.new),
            };
            note(format_args!(
                "{} `{}` of {} {what}",
                change.kind,
                change.old,
                input(change.input)
            ));
        }
        note_rest(report.changes.len() as u64, "ids and names");
        for conflict in report.conflicts.iter().take(NAMED) {
            let inputs: Vec<_> = conflict.inputs.iter().map(|&number| input(number)).collect();
            note(format_args!(
                "{} `{}` differs in {}: taken from {}",
                conflict.kind,
                conflict.id,
                inputs.join(", "),
                input(conflict.taken)
            ));
        }
        note_rest(report.conflict_count, "objects that differ");
        for (notice, &count) in &report.notices {
            note(format_args!("{notice} ({})", counted(count, "times")));
        }
        print_summary(self.summary(report))
    }

    fn summary(&self, report: &MergeReport) -> String {
        // Lines of metrics and artifacts mean nothing to a person.
        let is_told = |kind: &Kind| !matches!(kind, Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts);
        let kinds: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| is_told(kind))
            .filter_map(|kind| Some(counted_kind(*report.lines.get(kind.name())?, *kind)))
            .collect();
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

fn note_rest(count: u64, nouns: &str) {
    let rest = count.saturating_sub(NAMED as u64);
    if rest > 0 {
        note(format_args!(
            "… and {} {nouns} more; --json lists more",
            grouped(rest)
        ));
    }
}

/// Opens an archive; one of a newer format cannot be merged, whatever else could be done with it.
fn open(path: &std::path::Path) -> Result<Archive> {
    use crate::archive::ArchiveError;
    Archive::open(path).map_err(|error| match error {
        ArchiveError::Format { path, source } => {
            CliError::usage(format!("cannot merge `{}`: {source}", shown(&path)))
        }
        other => other.into(),
    })
}
