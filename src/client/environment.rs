//! The environment a client is set up from, as a value, so that tests bring their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Variables, and the home directory with its credential files.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Option<BTreeMap<String, String>>,
    home: Option<PathBuf>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be credentials.
        formatter
            .debug_struct("Environment")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Environment {
            variables: None,
            home: std::env::home_dir(),
        }
    }

    /// An environment of given variables.
    pub fn of(variables: &[(&str, &str)], home: Option<PathBuf>) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment {
            variables: Some(variables.collect()),
            home,
        }
    }

    /// A variable, where it is set and not empty.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match &self.variables {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// A file below the home directory.
    pub(crate) fn home_file(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path))
    }
}
