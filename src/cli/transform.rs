//! `mlark transform`.

use super::edit_args::EditArgs;
use super::json::Transformed;
use super::merge_args::MergeArgs;
use super::transform_inputs::Inputs;
use super::{
    CliError, Exit, OutputArgs, Result, counted, grouped, note, print_json, print_json_text, print_summary,
    remove_on_signal, say_silent, shown,
};
use crate::archive::Archive;
use crate::flow::transform::{self, Example, Preview, Recipe, TransformOptions};
use crate::model::printable::one_line;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Edit an archive offline and write the result as a new archive
///
/// The new archive shares blobs with the input if the file system can (reflinks, or hard links in a directory). It records what
/// was changed, so that --undo gives back the content id of the input. Edits that remove something for good record nothing of
/// what they remove. Several archives are merged first, as by `mlark merge`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "mlark transform [OPTIONS] IN… -o OUT EDIT…",
    after_help = "Examples:
  mlark transform history.zip -o tagged.zip --source-tags
  mlark transform history.zip -o renamed.zip --rename-experiment fraud=fraud-2024 --source-tags
  mlark transform history.zip --rename-experiment 'dev/*=prod/*' --dry-run
  mlark transform paris.zip rome.zip -o both.zip --prefer newer --into-workspace europe
  mlark transform tagged.zip -o again.zip --undo",
    mut_arg("output", |output| output.required(false).required_unless_present_any(["dry_run", "print_recipe"]))
)]
pub(super) struct Args {
    /// Archive to read; several are merged first
    #[arg(value_name = "IN", required_unless_present = "print_recipe")]
    inputs: Vec<PathBuf>,
    /// Print the edits as a recipe and change nothing
    #[arg(long, conflicts_with_all = ["undo", "dry_run"])]
    print_recipe: bool,
    /// Show what would change, with examples, and change nothing
    #[arg(long, conflicts_with = "undo")]
    dry_run: bool,
    /// Undo the last transform
    #[arg(long)]
    undo: bool,
    /// Copy blobs instead of linking them to those of the input
    #[arg(long)]
    copy: bool,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output: Option<OutputArgs>,
    #[command(flatten)]
    edits: EditArgs,
    #[command(flatten)]
    merge: MergeArgs,
}

impl Args {
    pub(super) fn run(mut self) -> Result {
        if !self.undo && self.edits.is_empty() {
            let hint = "`mlark transform --help` lists the edits; --undo undoes the last transform";
            return Err(CliError::usage("no edit was given").hint(hint));
        }
        if self.undo && !self.edits.is_empty() && !self.edits.are_source_tags() {
            return Err(CliError::usage("--undo cannot be combined with edits"));
        }
        if self.undo && self.inputs.len() > 1 {
            return Err(CliError::usage("--undo takes one archive"));
        }
        let undoes_source_tags = self.undo && !self.edits.is_empty();
        let edits = std::mem::replace(&mut self.edits, EditArgs::none());
        let recipe = if self.undo {
            Recipe::default()
        } else {
            edits.into_recipe()?
        };
        if self.print_recipe {
            print_json_text(recipe.to_text())?;
            return Ok(Exit::Done);
        }
        let output = self.output.take().filter(|_| !self.dry_run);
        if let Some(output) = &output {
            output.clear_leftovers()?;
        }
        remove_on_signal();
        let inputs = Inputs::open(&self.inputs, &self.merge, self.copy, output.as_ref())?;
        let Some(output) = output else {
            return self.look(&inputs, &recipe);
        };
        let archive = &inputs.archive;
        let options = TransformOptions {
            writer: output.writer_options(),
            copy: self.copy,
        };
        if undoes_source_tags {
            refuse_other_transform(archive)?;
        }
        let report = if self.undo {
            transform::undo(archive, &output.output, &options)?
        } else {
            transform::apply(archive, &recipe, &output.output, &options)?
        };
        if self.json {
            let made = Transformed::new(&output.output, &report).of_merge(&self.inputs, &inputs.merged);
            print_json(&made)?;
        } else {
            inputs.say(&self.inputs);
            say_notices(&report.notices);
            let out = shown(&output.output);
            let done = listed(&report.counts);
            let id = report.manifest.content_id;
            print_summary(format!("{out}: {done}\ncontent id {id}\n"))?;
            say_silent(&report.silent);
        }
        Ok(Exit::Done)
    }

    /// Says what would change.
    fn look(&self, inputs: &Inputs, recipe: &Recipe) -> Result {
        let preview = transform::preview(&inputs.archive, recipe)?;
        if self.json {
            let made = Transformed::would_be(&preview).of_merge(&self.inputs, &inputs.merged);
            print_json(&made)?;
            return Ok(Exit::Done);
        }
        inputs.say(&self.inputs);
        say_notices(&preview.notices);
        print_json_text(told(&preview))?;
        say_silent(&preview.silent);
        Ok(Exit::Done)
    }
}

/// `--source-tags --undo` undoes source tags and nothing else.
fn refuse_other_transform(archive: &Archive) -> Result<()> {
    match archive.manifest().history.last() {
        Some(entry) if entry.name != transform::source_tags::NAME => Err(CliError::usage(format!(
            "the last transform of `{}` is `{}`, not `{}`",
            shown(archive.path()),
            entry.name,
            transform::source_tags::NAME
        ))),
        _ => Ok(()),
    }
}

fn say_notices(notices: &BTreeMap<String, u64>) {
    for (notice, &count) in notices {
        note(format_args!("{notice} ({})", counted(count, "objects")));
    }
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{name} {}", grouped(*count)))
        .collect();
    if counts.is_empty() {
        "nothing to change".to_owned()
    } else {
        counts.join(", ")
    }
}

/// What would change, for a person.
fn told(preview: &Preview) -> String {
    let mut text = format!("would change: {}\n", listed(&preview.counts));
    for example in &preview.examples {
        let Example {
            kind,
            id,
            fields,
            is_dropped,
        } = example;
        let change = if *is_dropped {
            "dropped".to_owned()
        } else {
            fields.join(", ")
        };
        let line = format!("{kind} {id}: {change}");
        let _ = writeln!(text, "  {}", one_line(&line));
    }
    text
}
