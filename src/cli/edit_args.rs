//! Edits as options, in the order in which they are given.

use super::edit_options::{OPTIONS, read};
use super::{CliError, select_edits};
use crate::flow::transform::redact::HashUsers;
use crate::flow::transform::{Edit, Recipe};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::path::{Path, PathBuf};

/// The option that hashes users, and the one that names its key.
const HASH_USERS: &str = "hash-users";
const KEY_FILE: &str = "hash-key-file";

/// The edits that are asked for, or what is wrong with a value: the parser of arguments would say it beside the usage of `mlark` itself.
#[derive(Debug, Clone)]
pub(super) struct EditArgs {
    recipe: Option<PathBuf>,
    edits: Result<Vec<Edit>, String>,
}

impl EditArgs {
    /// No edit at all.
    pub(super) fn none() -> Self {
        EditArgs {
            recipe: None,
            edits: Ok(Vec::new()),
        }
    }

    /// Whether no edit is asked for by an option of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.recipe.is_none() && self.edits.as_ref().is_ok_and(Vec::is_empty)
    }

    /// Whether source tags are all that is asked for.
    pub(super) fn are_source_tags(&self) -> bool {
        self.recipe.is_none() && matches!(self.edits.as_deref(), Ok([Edit::SourceTags(_)]))
    }

    /// The recipe: that of a file, or the options in their order.
    pub(super) fn into_recipe(self) -> super::error::Result<Recipe> {
        match &self.recipe {
            Some(path) => read_recipe(path),
            None => Ok(Recipe {
                edits: self.edits.map_err(CliError::usage)?,
            }),
        }
    }
}

/// The recipe of a file.
pub(super) fn read_recipe(path: &Path) -> super::error::Result<Recipe> {
    Ok(Recipe::parse(read(path).map_err(CliError::usage)?.as_bytes())?)
}

/// The names of all options that are edits.
fn names() -> impl Iterator<Item = &'static str> {
    let own = OPTIONS.iter().map(|option| option.name);
    select_edits::names().chain(own)
}

impl clap::Args for EditArgs {
    fn augment_args(command: Command) -> Command {
        let edits = OPTIONS.iter().map(|option| {
            let arg = Arg::new(option.name).long(option.name).help(option.help);
            match option.value {
                Some(name) => arg.value_name(name).action(ArgAction::Append),
                None => arg.action(ArgAction::SetTrue),
            }
        });
        let key_file = Arg::new(KEY_FILE)
            .long(KEY_FILE)
            .value_name("FILE")
            .help("File with the key for --hash-users; the key is never stored")
            .value_parser(clap::value_parser!(PathBuf))
            .requires(HASH_USERS);
        let recipe = Arg::new("recipe")
            .long("recipe")
            .value_name("FILE")
            .help("Apply the edits of this recipe (JSON, as printed by --print-recipe)")
            .value_parser(clap::value_parser!(PathBuf))
            .conflicts_with_all(names());
        command
            .next_help_heading("Edits, applied in the order given")
            .args(select_edits::args())
            .args(edits)
            .arg(key_file)
            .arg(recipe)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The edits that options are, in their order.
fn edits(matches: &ArgMatches) -> Result<Vec<Edit>, String> {
    let mut edits: Vec<_> = select_edits::edit(matches)?.into_iter().collect();
    for option in OPTIONS {
        let is_given = matches.value_source(option.name) == Some(ValueSource::CommandLine);
        let indices = matches.indices_of(option.name).into_iter().flatten();
        let texts: Vec<&str> = match option.value {
            Some(_) => {
                let texts = matches.get_many::<String>(option.name).into_iter().flatten();
                texts.map(String::as_str).collect()
            }
            None => vec![""],
        };
        for (index, text) in indices.zip(texts).filter(|_| is_given) {
            let key_file = matches.get_one::<PathBuf>(KEY_FILE);
            let edit = match key_file.filter(|_| option.name == HASH_USERS) {
                Some(key_file) => Ok(Edit::HashUsers(HashUsers {
                    key_file: key_file.clone(),
                })),
                None => (option.edit)(text),
            };
            edits.push((
                index,
                edit.map_err(|reason| format!("--{}: {reason}", option.name))?,
            ));
        }
    }
    edits.sort_by_key(|(index, _)| *index);
    Ok(edits.into_iter().map(|(_, edit)| edit).collect())
}

impl clap::FromArgMatches for EditArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(EditArgs {
            recipe: matches.get_one::<PathBuf>("recipe").cloned(),
            edits: edits(matches),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
