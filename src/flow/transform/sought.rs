//! What an edit looks for by name, and whether there was any.

use super::TransformError;
use super::error::Result;
use crate::select::Patterns;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an edit looks for, as it was given.
pub(super) struct Sought {
    pub(super) edit: &'static str,
    pub(super) text: String,
    found: AtomicBool,
}

impl Sought {
    pub(super) fn new(edit: &'static str, text: &str) -> Self {
        Sought {
            edit,
            text: text.to_owned(),
            found: AtomicBool::new(false),
        }
    }

    /// Takes note of something that may be it; gives back whether it is.
    pub(super) fn see(&self, is_it: bool) -> bool {
        self.found.fetch_or(is_it, Ordering::Relaxed);
        is_it
    }

    pub(super) fn is_found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// The option, as it is told where it matched nothing.
    pub(super) fn silent(&self) -> Vec<String> {
        let told = (!self.is_found()).then(|| format!("--{} `{}`", self.edit, self.text));
        told.into_iter().collect()
    }
}

/// Names, or globs of names.
pub(super) fn names(edit: &'static str, texts: &[String]) -> Result<Patterns> {
    Patterns::names(texts.to_vec()).map_err(|error| TransformError::because(edit, error))
}
