//! Edits as options, in the order in which they are given.

use super::edit_options::{OPTIONS, read};
use super::error::CliError;
use super::select_edits;
use crate::flow::transform::redact::HashUsers;
use crate::flow::transform::{Edit, Recipe};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use std::path::{Path, PathBuf};

/// The option that hashes users, and the one that names its key.
const HASH_USERS: &str = "hash-users";
const KEY_FILE: &str = "hash-key-file";
/// The group of all that asks for an edit.
const GROUP: &str = "edits";

/// The edits that are asked for.
#[derive(Debug, Clone)]
pub(super) struct EditArgs {
    recipe: Option<PathBuf>,
    edits: Vec<Edit>,
}

impl EditArgs {
    /// No edit at all.
    pub(super) fn none() -> Self {
        EditArgs {
            recipe: None,
            edits: Vec::new(),
        }
    }

    /// Whether no edit is asked for by an option of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.recipe.is_none() && self.edits.is_empty()
    }

    /// Whether source tags are all that is asked for.
    pub(super) fn are_source_tags(&self) -> bool {
        self.recipe.is_none() && matches!(self.edits.as_slice(), [Edit::SourceTags(_)])
    }

    /// The recipe: that of a file, or the options in their order.
    pub(super) fn into_recipe(self) -> super::error::Result<Recipe> {
        match &self.recipe {
            Some(path) => read_recipe(path),
            None => Ok(Recipe { edits: self.edits }),
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

fn wrong_value(reason: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n"))
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
            .group(
                ArgGroup::new(GROUP)
                    .args(names().chain(["recipe", "undo"]))
                    .required(true)
                    .multiple(true),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for EditArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut edits: Vec<_> = select_edits::edit(matches)
            .map_err(wrong_value)?
            .into_iter()
            .collect();
        for option in OPTIONS {
            let is_given = matches.value_source(option.name) == Some(clap::parser::ValueSource::CommandLine);
            let indices = matches.indices_of(option.name).into_iter().flatten();
            let texts: Vec<&str> = match option.value {
                Some(_) => matches
                    .get_many::<String>(option.name)
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect(),
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
                let edit = edit.map_err(|reason| wrong_value(format!("--{}: {reason}", option.name)))?;
                edits.push((index, edit));
            }
        }
        edits.sort_by_key(|(index, _)| *index);
        Ok(EditArgs {
            recipe: matches.get_one::<PathBuf>("recipe").cloned(),
            edits: edits.into_iter().map(|(_, edit)| edit).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
