//! How several archives become one, for every command that takes several.

use super::{counted, grouped, note, shown};
use crate::archive::WriterOptions;
use crate::flow::merge::{ChangeKind, MergeOptions, MergeReport, Prefer};
use std::path::PathBuf;

/// Changes and conflicts that are named; the others are counted.
const NAMED: usize = 10;

/// What is decided where archives differ.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "If archives differ")]
pub(super) struct MergeArgs {
    /// Which archive wins if several hold an object with different content
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Prefer::Fail)]
    prefer: Prefer,
    /// Join experiments that have the same name and different origins
    #[arg(long)]
    join_experiments: bool,
    /// Join registered models that have the same name and different origins; versions of the later ones get new numbers
    #[arg(long)]
    join_models: bool,
    /// Treat the origin OLD as NEW, for a server that moved (`mlark info` shows the origin); may be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    same_origin: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text
        .split_once('=')
        .filter(|(old, new)| !old.is_empty() && !new.is_empty());
    let (old, new) = pair.ok_or("expected OLD=NEW")?;
    Ok((old.to_owned(), new.to_owned()))
}

impl MergeArgs {
    /// Whether anything was decided.
    pub(super) fn is_given(&self) -> bool {
        let joins = self.join_experiments || self.join_models;
        self.prefer != Prefer::Fail || joins || !self.same_origin.is_empty()
    }

    pub(super) fn options(&self, writer: WriterOptions, copy: bool) -> MergeOptions {
        MergeOptions {
            writer,
            copy,
            prefer: self.prefer,
            join_experiments: self.join_experiments,
            join_models: self.join_models,
            same_origins: self.same_origin.iter().cloned().collect(),
        }
    }
}

/// Says what is called otherwise than in its archive, and what was decided.
pub(super) fn say_of_merge(inputs: &[PathBuf], report: &MergeReport) {
    let input = |number: usize| shown(&inputs[number - 1]);
    for change in report.changes.iter().take(NAMED) {
        let what = match change.what {
            ChangeKind::Joined if change.old == change.new => {
                "is joined with the one of the same id".to_owned()
            }
            ChangeKind::Joined => format!("is joined with `{}`", change.new),
            ChangeKind::Renumbered | ChangeKind::Renamed => format!("is now `{}`", change.new),
        };
        note(format_args!(
            "{} `{}` of {} {what}",
            change.kind.singular(),
            change.old,
            input(change.input)
        ));
    }
    note_rest(report.changes.len() as u64, "ids and names");
    for conflict in report.conflicts.iter().take(NAMED) {
        let inputs: Vec<_> = conflict.inputs.iter().map(|&number| input(number)).collect();
        note(format_args!(
            "{} `{}` differs in {}: taken from {}",
            conflict.kind.singular(),
            conflict.id,
            inputs.join(", "),
            input(conflict.taken)
        ));
    }
    note_rest(report.conflict_count, "objects that differ");
    for (notice, &count) in &report.notices {
        note(format_args!("{notice} ({})", counted(count, "times")));
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
