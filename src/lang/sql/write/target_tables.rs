//! The tables of a target as they are: what its columns hold, and which of those that are written it has.
//!
//! A store of any MLflow from 1.30 on is filled as far as its columns go; which version it is of decides only that it is known.

use super::rows::Target;
use super::{Result, WriteError};
use std::collections::BTreeMap;

/// Tables that every store has since MLflow 1.30.
const CORE: [Target; 11] = [
    Target::Experiments,
    Target::ExperimentTags,
    Target::Runs,
    Target::Params,
    Target::Tags,
    Target::Metrics,
    Target::LatestMetrics,
    Target::RegisteredModels,
    Target::RegisteredModelTags,
    Target::ModelVersions,
    Target::ModelVersionTags,
];
/// The column of objects in workspaces, which stores before these do without.
const WORKSPACE: &str = "workspace";

/// A column of a target.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    /// Characters of a text, where they are bounded.
    pub(super) width: Option<usize>,
    /// Bytes of a text, where they are bounded.
    pub(super) octets: Option<usize>,
    /// Whether a number of 32 bits stands there.
    pub(super) is_narrow: bool,
    /// Whether a row needs a value, and gets none by itself.
    pub(super) is_required: bool,
    /// By which order of texts two of them are one, where that is not by their bytes.
    pub(super) collation: Option<String>,
}

/// The tables of a target.
#[derive(Debug, Default)]
pub(super) struct TargetTables {
    pub(super) tables: BTreeMap<String, BTreeMap<String, Column>>,
    /// Whether texts are kept as they are, NUL included, and rows without what they refer to.
    pub(super) takes_anything: bool,
    /// Bytes of a row that can be sent, where they are bounded.
    pub(super) row_bytes: Option<usize>,
}

impl TargetTables {
    pub(super) fn add(&mut self, table: &str, column: &str, facts: Column) {
        let columns = self.tables.entry(table.to_owned()).or_default();
        columns.insert(column.to_owned(), facts);
    }

    #[cfg(feature = "postgres")]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Which tables and columns are written.
    ///
    /// # Errors
    /// A table is not as MLflow makes it, is older than 1.30, or wants what nobody knows.
    pub(super) fn layout(&self) -> Result<TableLayout> {
        let columns = Target::ALL.iter().map(|target| self.places(*target));
        let layout = TableLayout(columns.collect::<Result<_>>()?);
        match CORE.iter().find(|target| !layout.has(**target)) {
            Some(target) => Err(unlike(target.name(), "is missing")),
            None => Ok(layout),
        }
    }

    /// The places of the columns of a table that it has; none where it is not there.
    fn places(&self, target: Target) -> Result<Option<Vec<usize>>> {
        let Some(table) = self.tables.get(target.name()) else {
            return Ok(None);
        };
        let written = target.columns();
        let unknown =
            |(name, column): &(&String, &Column)| column.is_required && !written.contains(&name.as_str());
        if let Some((name, _)) = table.iter().find(unknown) {
            let what = format!("needs a value for column `{name}`, which this mlark does not know");
            return Err(unlike(target.name(), &what));
        }
        let is_there = |at: &usize| table.contains_key(written[*at]);
        let is_lacking = |at: &usize| target.is_key(*at) && !is_there(at) && written[*at] != WORKSPACE;
        if let Some(at) = (0..written.len()).find(is_lacking) {
            return Err(unlike(target.name(), &format!("has no column `{}`", written[at])));
        }
        Ok(Some((0..written.len()).filter(is_there).collect()))
    }

    /// What the columns of a table hold, in the order of [`Target::columns`]; that of one that is not there is any.
    pub(super) fn columns(&self, target: Target) -> Vec<Column> {
        let table = self.tables.get(target.name());
        let column = |name: &&str| {
            table
                .and_then(|table| table.get(*name))
                .cloned()
                .unwrap_or_default()
        };
        target.columns().iter().map(column).collect()
    }
}

fn unlike(table: &str, what: &str) -> WriteError {
    WriteError::Target(format!(
        "table `{table}` {what}: the tables are not those of an MLflow from 1.30 to 3.18; name a database without tables"
    ))
}

/// Which tables and columns a target has of those that are written.
#[derive(Debug, Clone)]
pub(crate) struct TableLayout(Vec<Option<Vec<usize>>>);

impl Default for TableLayout {
    /// That of the newest MLflow.
    fn default() -> Self {
        let all = |target: &Target| Some((0..target.columns().len()).collect());
        TableLayout(Target::ALL.iter().map(all).collect())
    }
}

impl TableLayout {
    /// Whether there is a table.
    pub(super) fn has(&self, target: Target) -> bool {
        self.places(target).is_some()
    }

    /// The places of the columns of a table, in the order of [`Target::columns`].
    pub(super) fn places(&self, target: Target) -> Option<&[usize]> {
        self.0[target as usize].as_deref()
    }

    /// The names of these columns.
    pub(super) fn names(&self, target: Target) -> Vec<&'static str> {
        let columns = target.columns();
        let places = self.places(target).unwrap_or_default();
        places.iter().map(|at| columns[*at]).collect()
    }

    /// Whether there is a column.
    pub(super) fn has_column(&self, target: Target, name: &str) -> bool {
        self.names(target).contains(&name)
    }

    /// Whether objects can be in workspaces.
    pub(crate) fn has_workspaces(&self) -> bool {
        self.has_column(Target::Experiments, WORKSPACE)
    }

    /// Whether traces have columns for their name, session, tokens and costs.
    pub(super) fn has_trace_numbers(&self) -> bool {
        self.has_column(Target::Traces, "trace_name")
    }
}

impl Target {
    /// Whether a value is no loss in a table without its column: it follows from others, or an edit says it.
    pub(super) fn is_spare(self, column: &str) -> bool {
        match self {
            Target::Spans => !self.columns()[..10].contains(&column),
            Target::Assessments | Target::DatasetRecords | Target::LoggedModelMetrics => {
                self.columns_only_written().contains(&column)
            }
            _ => column == WORKSPACE,
        }
    }
}
