//! Rows on their way into tables: which tables, in the order of their foreign keys, and with which columns.

use super::WriteError;
use crate::format::Kind;
use crate::lang::sql::columns::{self, Table};
use crate::lang::sql::database::Cell;

impl<'v, T: AsRef<str> + ?Sized> From<&'v T> for Cell<'v> {
    fn from(text: &'v T) -> Self {
        Cell::Bytes(text.as_ref().as_bytes())
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

/// What is known of a table and its columns.
pub(super) struct Facts {
    table: Columns,
    only_written: &'static [&'static str],
    pub(super) kind: Kind,
    /// Columns whose values make the id of the object that a row is or belongs to.
    pub(super) id: &'static [usize],
    /// The field whose keys stand in a column, and that column.
    pub(super) map: Option<(&'static str, usize)>,
    /// Columns of keys, which cannot be cut.
    pub(super) keys: &'static [usize],
}

macro_rules! targets {
    ($($(#[$doc:meta])* $variant:ident = $table:expr, $more:expr, $kind:ident $id:expr, $map:expr, $keys:expr;)*) => {
        /// A table that is written, in the order of foreign keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Target {
            $($(#[$doc])* $variant,)*
        }

        impl Target {
            /// Every table.
            pub(super) const ALL: &'static [Target] = &[$(Target::$variant),*];

            pub(super) fn facts(self) -> Facts {
                match self {
                    $(Target::$variant => Facts {
                        table: $table,
                        only_written: &$more,
                        kind: Kind::$kind,
                        id: &$id,
                        map: $map,
                        keys: &$keys,
                    },)*
                }
            }
        }
    };
}

targets! {
    Workspaces = of(columns::WORKSPACES), [], Workspaces [0], None, [0];
    Experiments = of(columns::EXPERIMENTS), [], Experiments [0], None, [0, 1, 2];
    ExperimentTags = of(columns::EXPERIMENT_TAGS), [], Experiments [0], Some(("tags", 1)), [1];
    Datasets = of(columns::DATASETS), [], Datasets [1, 2, 3], None, [2, 3];
    Runs = of(columns::RUNS), [], Runs [0], None, [0];
    Params = of(columns::PARAMS), [], Runs [0], Some(("params", 1)), [0, 1];
    Tags = of(columns::TAGS), [], Runs [0], Some(("tags", 1)), [0, 1];
    Metrics = of(columns::METRICS), [], Metrics [0], Some(("", 1)), [0, 1];
    LatestMetrics = of(columns::LATEST), [], Runs [0], Some(("metrics", 1)), [0, 1];
    LoggedModels = of(columns::LOGGED_MODELS), [], LoggedModels [0], None, [0];
    LoggedModelParams = of(columns::LOGGED_MODEL_PARAMS), ["experiment_id"],
        LoggedModels [0], Some(("params", 1)), [0, 1];
    LoggedModelTags = of(columns::LOGGED_MODEL_TAGS), ["experiment_id"], LoggedModels [0], Some(("tags", 1)), [0, 1];
    LoggedModelMetrics = of(columns::LOGGED_MODEL_METRICS), ["experiment_id", "dataset_uuid"],
        ModelMetrics [0], Some(("", 1)), [0, 1, 5];
    Inputs = ("inputs", &[
        "input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step",
    ]), [], Runs [2], None, [0, 1, 2, 3, 4];
    InputTags = of(columns::INPUT_TAGS), [], Runs [0], Some(("inputs", 1)), [0, 1];
    RegisteredModels = of(columns::MODELS), [], RegisteredModels [1], None, [0, 1];
    RegisteredModelTags = of(columns::MODEL_TAGS), [], RegisteredModels [1], Some(("tags", 2)), [0, 1, 2];
    ModelVersions = of(columns::VERSIONS), [], ModelVersions [1, 2], None, [0, 1];
    ModelVersionTags = of(columns::VERSION_TAGS), [], ModelVersions [1, 2], Some(("tags", 3)), [0, 1, 3];
    Aliases = of(columns::ALIASES), [], RegisteredModels [1], Some(("aliases", 2)), [0, 1, 2];
    Traces = of(columns::TRACES), [], Traces [0], None, [0];
    TraceTags = of(columns::TRACE_TAGS), [], Traces [0], Some(("tags", 1)), [0, 1];
    TraceMetadata = of(columns::TRACE_METADATA), [], Traces [0], Some(("trace_metadata", 1)), [0, 1];
    Spans = ("spans", &[
        "trace_id", "experiment_id", "span_id", "parent_span_id", "name", "type", "status", "start_time_unix_nano",
        "end_time_unix_nano", "content", "input_cost", "output_cost", "total_cost", "model_name", "model_provider",
    ]), [], Spans [0, 2], None, [0, 2];
    Assessments = of(columns::ASSESSMENTS), ["experiment_id", "trace_timestamp_ms", "aggregate_value", "is_numeric_value"],
        Traces [0], Some(("assessments", 1)), [0, 1];
    Associations = ("entity_associations", &[
        "association_id", "source_type", "source_id", "destination_type", "destination_id", "created_time",
    ]), [], Traces [2], None, [0, 1, 2, 3, 4];
    EvaluationDatasets = of(columns::EVALUATION_DATASETS), [], EvaluationDatasets [0], None, [0, 1];
    EvaluationDatasetTags = of(columns::EVALUATION_DATASET_TAGS), [],
        EvaluationDatasets [0], Some(("tags", 1)), [0, 1];
    DatasetRecords = of(columns::RECORDS), ["source_id", "source_type", "input_hash"],
        DatasetRecords [1, 0], None, [0, 1];
    Scorers = of(columns::SCORERS), [], Scorers [1, 2], None, [0, 2];
    ScorerVersions = of(columns::SCORER_VERSIONS), [], Scorers [0, 1], None, [0];
}

impl Target {
    /// The table's name.
    pub(super) fn name(self) -> &'static str {
        self.facts().table.0
    }

    /// Columns that are written and never read.
    pub(super) fn columns_only_written(self) -> &'static [&'static str] {
        self.facts().only_written
    }

    /// The columns of a row, in order.
    pub(super) fn columns(self) -> Vec<&'static str> {
        let Facts {
            table: (_, read),
            only_written,
            ..
        } = self.facts();
        read.iter().chain(only_written).copied().collect()
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
