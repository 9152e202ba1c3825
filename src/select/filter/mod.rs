//! MLflow's search filter for runs: what it says, and which runs meet it. No IO.
//!
//! `docs/reference/filter.md` is the language on a page. The judge is MLflow 3.18 on a file store: `fixtures/filter` holds its answers, and a test
//! replays them and lists where this differs by choice.
//!
//! A filter is cut into words ([`token`]), these are put together ([`group`]), and what stands between `AND`s becomes clauses
//! ([`parse`]), which a run meets or not ([`matching`]).

mod clause;
mod column;
mod error;
mod group;
mod identifier;
mod like;
mod matching;
mod order;
mod parse;
mod quoted;
mod token;

pub use column::RunColumn;
pub use error::FilterError;
pub use order::OrderBy;

use crate::model::Run;
use crate::model::printable::printable;
use clause::Clause;
use std::fmt;
use std::str::FromStr;

/// A filter of runs in MLflow's search syntax; an empty one takes every run.
///
/// ```
/// use mlark::model::{Run, Text};
/// use mlark::select::RunFilter;
///
/// let filter = RunFilter::parse("params.optimizer LIKE 'ad%' AND tags.team IS NULL")?;
/// let mut run = Run::default();
/// run.params.insert("optimizer".to_owned(), Text::from("adam"));
/// assert!(filter.takes(&run));
/// # Ok::<(), mlark::select::FilterError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    text: String,
    clauses: Vec<Clause>,
}

impl RunFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What MLflow refuses, with its reason and the place.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(RunFilter {
            text: text.to_owned(),
            clauses: parse::clauses(text)?,
        })
    }

    /// Whether a run meets all of it.
    pub fn takes(&self, run: &Run) -> bool {
        self.clauses.iter().all(|clause| clause.is_met(run))
    }

    /// The option that gave it, as it is told.
    pub(crate) fn told(&self) -> String {
        format!("--filter `{}`", printable(&self.text))
    }

    /// Whether it compares a metric of this name.
    pub(crate) fn asks_of_metric(&self, key: &str) -> bool {
        let mut clauses = self.clauses.iter();
        clauses.any(|clause| matches!(&clause.subject, clause::Subject::Metric(metric) if metric == key))
    }

    /// The filter as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for RunFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for RunFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        RunFilter::parse(text)
    }
}
