//! Rows on their way into tables: which tables, in the order of their foreign keys, and with which columns.

use super::WriteError;
use crate::lang::sql::columns::{self, Table};
use crate::lang::sql::database::Cell;
use std::borrow::Cow;

impl<'v> From<&'v str> for Cell<'v> {
    fn from(text: &'v str) -> Self {
        Cell::Bytes(text.as_bytes())
    }
}

impl<'v> From<&'v String> for Cell<'v> {
    fn from(text: &'v String) -> Self {
        Cell::Bytes(text.as_bytes())
    }
}

impl<'v> From<&'v Cow<'_, str>> for Cell<'v> {
    fn from(text: &'v Cow<'_, str>) -> Self {
        Cell::Bytes(text.as_bytes())
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Cell::Integer(number)
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Cell::Real(number)
    }
}

impl From<bool> for Cell<'_> {
    fn from(truth: bool) -> Self {
        Cell::Integer(i64::from(truth))
    }
}

impl<'v, T: Into<Cell<'v>>> From<Option<T>> for Cell<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A table's name and columns.
type Columns = (&'static str, &'static [&'static str]);

/// A table as it is read.
const fn of(table: Table) -> Columns {
    (table.name, table.columns)
}

macro_rules! targets {
    ($($(#[$doc:meta])* $variant:ident = $table:expr, $more:expr;)*) => {
        /// A table that is written, in the order of foreign keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Target {
            $($(#[$doc])* $variant,)*
        }

        impl Target {
            /// Every table.
            pub(super) const ALL: &'static [Target] = &[$(Target::$variant),*];

            /// The table as it is read, and columns that are only written.
            fn parts(self) -> (Columns, &'static [&'static str]) {
                match self { $(Target::$variant => ($table, $more),)* }
            }
        }
    };
}

targets! {
    Workspaces = of(columns::WORKSPACES), &[];
    Experiments = of(columns::EXPERIMENTS), &[];
    ExperimentTags = of(columns::EXPERIMENT_TAGS), &[];
    Datasets = of(columns::DATASETS), &[];
    Runs = of(columns::RUNS), &[];
    Params = of(columns::PARAMS), &[];
    Tags = of(columns::TAGS), &[];
    Metrics = of(columns::METRICS), &[];
    LatestMetrics = of(columns::LATEST), &[];
    LoggedModels = of(columns::LOGGED_MODELS), &[];
    LoggedModelParams = of(columns::LOGGED_MODEL_PARAMS), &["experiment_id"];
    LoggedModelTags = of(columns::LOGGED_MODEL_TAGS), &["experiment_id"];
    LoggedModelMetrics = of(columns::LOGGED_MODEL_METRICS), &["experiment_id", "dataset_uuid"];
    Inputs = ("inputs", &[
        "input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step",
    ]), &[];
    InputTags = of(columns::INPUT_TAGS), &[];
    RegisteredModels = of(columns::MODELS), &[];
    RegisteredModelTags = of(columns::MODEL_TAGS), &[];
    ModelVersions = of(columns::VERSIONS), &[];
    ModelVersionTags = of(columns::VERSION_TAGS), &[];
    Aliases = of(columns::ALIASES), &[];
    Traces = of(columns::TRACES), &[];
    TraceTags = of(columns::TRACE_TAGS), &[];
    TraceMetadata = of(columns::TRACE_METADATA), &[];
    Spans = ("spans", &[
        "trace_id", "experiment_id", "span_id", "parent_span_id", "name", "type", "status", "start_time_unix_nano",
        "end_time_unix_nano", "content", "input_cost", "output_cost", "total_cost", "model_name", "model_provider",
    ]), &[];
    Assessments = of(columns::ASSESSMENTS),
        &["experiment_id", "trace_timestamp_ms", "aggregate_value", "is_numeric_value"];
    Associations = ("entity_associations", &[
        "association_id", "source_type", "source_id", "destination_type", "destination_id", "created_time",
    ]), &[];
    EvaluationDatasets = of(columns::EVALUATION_DATASETS), &[];
    EvaluationDatasetTags = of(columns::EVALUATION_DATASET_TAGS), &[];
    DatasetRecords = of(columns::RECORDS), &["source_id", "source_type", "input_hash"];
    Scorers = of(columns::SCORERS), &[];
    ScorerVersions = of(columns::SCORER_VERSIONS), &[];
}

impl Target {
    /// The table's name.
    pub(super) fn name(self) -> &'static str {
        self.parts().0.0
    }

    /// Columns that are written and never read.
    pub(super) fn columns_only_written(self) -> &'static [&'static str] {
        self.parts().1
    }

    /// The columns of a row, in order.
    pub(super) fn columns(self) -> Vec<&'static str> {
        let ((_, read), more) = self.parts();
        read.iter().chain(more).copied().collect()
    }
}

/// Takes rows.
pub(super) trait RowSink {
    /// Takes a row of a table; its values are those of [`Target::columns`], or, of a sink for a database, those that the database has.
    ///
    /// # Errors
    /// The database refuses it.
    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<(), WriteError>;

    /// Sends what waits.
    ///
    /// # Errors
    /// The database refuses it.
    fn flush(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
}

/// Counts nothing and keeps nothing: what a plan writes into.
#[derive(Debug, Default)]
pub(super) struct NoRows;

impl RowSink for NoRows {
    fn insert(&mut self, _: Target, _: &[Cell<'_>]) -> Result<(), WriteError> {
        Ok(())
    }
}
