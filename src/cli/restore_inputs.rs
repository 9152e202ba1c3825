//! What a restore takes: one archive, several that are merged first, or what was chosen of them.

use super::choice_args::run_filter;
use super::merge_args::{MergeArgs, say_of_merge};
use super::restoring::Target;
use super::{CliError, Result, merge, refuse_input, select_edits};
use crate::archive::{Archive, ContainerKind, TemporaryFolder, WriterOptions};
use crate::flow::transform::select::Select;
use crate::flow::transform::{Edit, Recipe, TransformOptions, apply};
use clap::builder::NonEmptyStringValueParser;
use std::path::{Path, PathBuf};

/// Which objects are restored, with all that they need.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Choice")]
pub(super) struct ChoiceArgs {
    /// Experiments of this name, id or glob, and what they need; may be repeated
    #[arg(short, long = "experiment", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    experiments: Vec<String>,
    /// Runs of this id, or the start of it, and what they need; may be repeated
    #[arg(short, long = "run", value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    runs: Vec<String>,
    /// Registered models of this name or glob, and what they need; may be repeated
    #[arg(short, long = "model", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    models: Vec<String>,
    /// Runs that meet this filter in MLflow's search syntax, and what they need
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    filter: Option<String>,
    /// Only objects of this kind (runs, traces, …), or with workspace=NAME only those of a workspace; may be repeated
    #[arg(long, value_name = "WHAT", value_parser = only)]
    only: Vec<String>,
}

fn only(text: &str) -> std::result::Result<String, String> {
    select_edits::only(&mut Select::default(), text).map(|()| text.to_owned())
}

fn filter(text: &str) -> std::result::Result<String, crate::select::FilterError> {
    run_filter(text).map(|_| text.to_owned())
}

impl ChoiceArgs {
    /// The edit that chooses, where something is chosen.
    fn edit(&self) -> Option<Edit> {
        let mut select = Select {
            experiments: self.experiments.clone(),
            runs: self.runs.clone(),
            models: self.models.clone(),
            filter: self.filter.clone(),
            ..Select::default()
        };
        for text in &self.only {
            select_edits::only(&mut select, text).expect("it was read before");
        }
        (select != Select::default()).then_some(Edit::Select(select))
    }
}

/// The archive that is restored.
pub(super) struct Inputs {
    pub(super) archive: Archive,
    /// What was chosen of it, as an edit.
    pub(super) choice: Option<Edit>,
    // What it lies in goes with it.
    _folder: Option<TemporaryFolder>,
}

impl Inputs {
    /// Opens the archives; what is made of them on the way lies beside the target, whose files can share its bytes.
    pub(super) fn open(
        inputs: &[PathBuf],
        choice: &ChoiceArgs,
        merge: &MergeArgs,
        target: &Target,
        is_looked_at: bool,
    ) -> Result<Self> {
        for input in inputs {
            refuse_input(target.output(), input)?;
        }
        let choice = choice.edit();
        if inputs.len() == 1 && merge.is_given() {
            return Err(CliError::usage(
                "--prefer and the --join options need several archives, but only one was given",
            ));
        }
        if let ([input], None) = (inputs, &choice) {
            return Ok(Inputs {
                archive: Archive::open(input)?,
                choice,
                _folder: None,
            });
        }
        let folder = target.scratch(is_looked_at)?;
        let merged = merged(inputs, merge, &folder.path().join("merged"))?;
        let archive = match &choice {
            Some(edit) => chosen(&merged, edit, &folder.path().join("chosen"))?,
            None => merged,
        };
        Ok(Inputs {
            archive,
            choice,
            _folder: Some(folder),
        })
    }
}

/// For what nobody keeps.
fn writer_options() -> WriterOptions {
    WriterOptions {
        container: Some(ContainerKind::Directory),
        no_sync: true,
        ..WriterOptions::default()
    }
}

fn merged(inputs: &[PathBuf], merge: &MergeArgs, out: &Path) -> Result<Archive> {
    if let [input] = inputs {
        return Ok(Archive::open(input)?);
    }
    let archives = inputs.iter().map(|input| merge::open(input));
    let archives: Vec<Archive> = archives.collect::<Result<_>>()?;
    let options = merge.options(writer_options(), false);
    let report = crate::flow::merge::merge(&archives, Some(out), &options)?;
    say_of_merge(inputs, &report);
    Ok(Archive::open(out)?)
}

fn chosen(archive: &Archive, edit: &Edit, out: &Path) -> Result<Archive> {
    let recipe = Recipe {
        edits: vec![edit.clone()],
    };
    let options = TransformOptions {
        writer: writer_options(),
        copy: false,
    };
    let report = apply(archive, &recipe, out, &options)?;
    match report.silent.first() {
        Some(option) => Err(CliError::usage(format!("nothing matches {option}"))),
        None => Ok(Archive::open(out)?),
    }
}
