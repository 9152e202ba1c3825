//! Options that choose objects and artifacts, the same in every command.

use super::{CliError, Result};
use crate::archive::Archive;
use crate::select::{FilterError, Matched, Names, PatternError, Patterns, RunFilter, Selection, Sought};
use clap::builder::NonEmptyStringValueParser;

/// Objects by name or id.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct NameArgs {
    /// Select experiments by name, id or glob; may be repeated
    #[arg(short, long = "experiment", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub experiments: Vec<String>,
    /// Select runs by id, or by a start that only one id has; may be repeated
    #[arg(short, long = "run", value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub runs: Vec<String>,
    /// Select registered models by name or glob (in `ls` and `extract` also logged models); may be repeated
    #[arg(short, long = "model", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub models: Vec<String>,
    /// Select runs by a filter in MLflow's search syntax, such as "metrics.auc > 0.9 AND params.lr = '0.1'"
    #[arg(long, value_name = "FILTER", value_parser = run_filter)]
    pub filter: Option<RunFilter>,
}

impl NameArgs {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        [&self.experiments, &self.runs, &self.models]
            .iter()
            .any(|list| !list.is_empty())
            || self.filter.is_some()
    }

    /// The names as an archive has them, with whole ids of runs; and the options whose globs match nothing.
    pub(super) fn find(self, archive: &Archive) -> Result<(Names, Vec<String>)> {
        let mut names = self.into_names()?;
        let Matched { runs, silent } = names.find(archive, Sought::AllModels)?;
        names.runs = runs.into_iter().collect();
        Ok((names, silent))
    }

    /// A choice by these names alone.
    pub(super) fn into_selection(self) -> Result<Selection> {
        Ok(Selection {
            experiments: names(self.experiments)?,
            runs: self.runs,
            models: names(self.models)?,
            filter: self.filter,
            ..Selection::default()
        })
    }

    pub(super) fn into_names(self) -> Result<Names> {
        Ok(Names {
            experiments: names(self.experiments)?,
            runs: self.runs.into_iter().collect(),
            models: names(self.models)?,
            filter: self.filter,
        })
    }
}

/// Artifacts by path.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ArtifactArgs {
    /// Select artifacts whose path matches this glob; may be repeated
    #[arg(short = 'p', long, aliases = ["path", "glob"], value_name = "GLOB")]
    artifact_include: Vec<String>,
    /// Leave out artifacts whose path matches this glob; may be repeated
    #[arg(long, value_name = "GLOB")]
    artifact_exclude: Vec<String>,
}

impl ArtifactArgs {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        !self.artifact_include.is_empty() || !self.artifact_exclude.is_empty()
    }

    /// The globs of what is taken, and of what is not.
    pub(super) fn patterns(self) -> Result<(Patterns, Patterns)> {
        Ok((
            Patterns::paths(self.artifact_include).map_err(not_a_glob)?,
            Patterns::paths(self.artifact_exclude).map_err(not_a_glob)?,
        ))
    }
}

/// Reads a filter of runs.
pub(super) fn run_filter(text: &str) -> std::result::Result<RunFilter, FilterError> {
    RunFilter::parse(text)
}

/// Names, or globs of them.
pub(super) fn names(texts: Vec<String>) -> Result<Patterns> {
    Patterns::names(texts).map_err(not_a_glob)
}

fn not_a_glob(error: PatternError) -> CliError {
    CliError::usage(error)
}
