//! Options that decide what an import sends, and that a later comparison with the target must know.

use super::choice_args::{NameArgs, names};
use super::output_args::one_of;
use super::{CliError, Result, output_path};
use crate::flow::import::{ImportOptions, LongValues, OnConflict, Only};
use crate::format::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What of an archive goes to a target, and how.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ReplayArgs {
    /// What to do if a name is taken by an object that was not imported from this origin [default: fail]
    #[arg(long, value_name = "WHAT", value_parser = one_of(OnConflict::ALL, OnConflict::as_str))]
    on_conflict: Option<OnConflict>,
    /// What to do with values that are too long for the target [default: error]
    #[arg(long, value_name = "WHAT", value_parser = one_of(LongValues::ALL, LongValues::as_str))]
    long_values: Option<LongValues>,
    #[command(flatten)]
    names: NameArgs,
    /// Import only objects of this kind (runs, traces, …), or with workspace=NAME only those of a workspace; may be repeated
    #[arg(long, value_name = "WHAT")]
    only: Vec<String>,
    /// New name for the one experiment that is imported
    #[arg(long, value_name = "NAME")]
    experiment_name: Option<String>,
    /// Rename an experiment in the target; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    rename_experiment: Vec<String>,
    /// Rename a registered model in the target; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    rename_model: Vec<String>,
    /// Give the archive another origin, if two sources were read at the same address
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// User of every run, instead of the user in the archive
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Add the source tags that mlflow-export-import adds with --import-source-tags
    #[arg(long)]
    source_tags: bool,
    /// Replace run and model ids in MLmodel files with those of the target [default: true]
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    fix_mlmodel: Option<bool>,
    /// Path of the journal [default: beside the archive, named by origin and target]
    #[arg(long, value_name = "PATH", value_parser = output_path())]
    journal: Option<PathBuf>,
}

impl ReplayArgs {
    /// The options as the library takes them.
    pub(super) fn options(&self) -> Result<ImportOptions> {
        Ok(ImportOptions {
            on_conflict: self.on_conflict.unwrap_or_default(),
            long_values: self.long_values.unwrap_or_default(),
            only: parse_only(&self.only, self.names.clone())?,
            experiment_name: self.experiment_name.clone(),
            rename_experiments: parse_renames(&self.rename_experiment)?,
            rename_models: parse_renames(&self.rename_model)?,
            origin: self.origin.clone(),
            user: self.user.clone(),
            source_tags: self.source_tags,
            fix_mlmodel: self.fix_mlmodel.unwrap_or(true),
            journal: self.journal.clone(),
            ..ImportOptions::default()
        })
    }

    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        let lists = [&self.only, &self.rename_experiment, &self.rename_model];
        let texts = [&self.experiment_name, &self.origin, &self.user];
        self.on_conflict.is_some()
            || self.long_values.is_some()
            || self.fix_mlmodel.is_some()
            || self.journal.is_some()
            || self.source_tags
            || self.names.is_given()
            || lists.iter().any(|list| !list.is_empty())
            || texts.iter().any(|text| text.is_some())
    }
}

/// What `--only` and the names say; `--only experiment=NAME` and its kin are the older form of the names.
fn parse_only(texts: &[String], mut named: NameArgs) -> Result<Only> {
    let mut workspaces = Vec::new();
    let mut kinds = BTreeSet::new();
    for text in texts {
        match text.split_once('=') {
            Some(("experiment", name)) => named.experiments.push(name.to_owned()),
            Some(("run", id)) => named.runs.push(id.to_owned()),
            Some(("model", name)) => named.models.push(name.to_owned()),
            Some(("workspace", name)) => workspaces.push(name.to_owned()),
            _ => {
                let kind = Kind::from_name(text).ok_or_else(|| {
                    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                    CliError::usage(format!("`{text}` is not a kind of object")).hint(format!(
                        "--only takes workspace=NAME, or one of {}; --experiment, --run and --model take names",
                        names.join(", ")
                    ))
                })?;
                kinds.insert(kind);
            }
        }
    }
    Ok(Only {
        kinds,
        experiments: names(named.experiments)?,
        runs: named.runs.into_iter().collect(),
        filter: named.filter,
        models: names(named.models)?,
        workspaces: names(workspaces)?,
        ..Only::default()
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
