//! Tables and columns that are not exported: which are private, which are derived from others, and which are counted.

use super::tables::Tables;
use super::versions;
use crate::format::Reason;
use crate::lang::session::{Export, ExportError};

/// Secrets, and what is of no use without them or beyond its server; not even counted.
const PRIVATE: &[&str] = &[
    "alembic_version",
    "budget_policies",
    "endpoint_bindings",
    "endpoint_model_mappings",
    "endpoint_tags",
    "endpoints",
    "guardrail_configs",
    "guardrails",
    "job_locks",
    "jobs",
    "model_definitions",
    "scheduler_leases",
    "secrets",
    // Tables of MLflow's basic-auth plugin, where it shares the database.
    "alembic_version_auth",
    "experiment_permissions",
    "gateway_endpoint_permissions",
    "gateway_model_definition_permissions",
    "gateway_secret_permissions",
    "registered_model_permissions",
    "role_permissions",
    "roles",
    "scorer_permissions",
    "user_role_assignments",
    "users",
    "workspace_permissions",
];

/// Tables that MLflow computes from others.
const DERIVED: &[&str] = &[
    "span_metrics",
    "sql_assessment_daily_rollups",
    "sql_span_cost_daily_rollups",
    "sql_trace_metric_daily_rollups",
    "sql_trace_rollup_rebuild_queue",
    "trace_metrics",
];

/// Tables that are exported, and all their columns: those that are exported too, and those that say nothing of their own.
/// After `@` stands the MLflow release whose migrations brought it, where that was after 1.30; `never` is for what went again.
const EXPORTED: &[(&str, &str)] = &[
    (
        "assessments@3.2",
        "assessment_id trace_id name assessment_type value error created_timestamp last_updated_timestamp \
         source_type source_id run_id span_id rationale overrides valid assessment_metadata \
         experiment_id@3.17 trace_timestamp_ms@3.17 aggregate_value@3.17 is_numeric_value@3.17",
    ),
    (
        "datasets@2.4",
        "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema \
         dataset_profile",
    ),
    (
        "entity_associations@3.3",
        "association_id source_type source_id destination_type destination_id created_time",
    ),
    (
        "evaluation_dataset_records@3.4",
        "dataset_record_id dataset_id inputs expectations tags source source_id source_type created_time \
         last_update_time created_by last_updated_by input_hash outputs@3.5",
    ),
    ("evaluation_dataset_tags@3.4", "dataset_id key value"),
    (
        "evaluation_datasets@3.4",
        "dataset_id name schema profile digest created_time last_update_time created_by last_updated_by \
         workspace@3.10",
    ),
    ("experiment_tags", "key value experiment_id"),
    (
        "experiments",
        "experiment_id name artifact_location lifecycle_stage creation_time last_update_time workspace@3.10",
    ),
    ("input_tags@2.4", "input_uuid name value"),
    (
        "inputs@2.4",
        "input_uuid source_type source_id destination_type destination_id step@3.0",
    ),
    ("latest_metrics", "key value timestamp step is_nan run_uuid"),
    (
        "logged_model_metrics@3.0",
        "model_id metric_name metric_timestamp_ms metric_step metric_value experiment_id run_id dataset_uuid \
         dataset_name dataset_digest",
    ),
    (
        "logged_model_params@3.0",
        "model_id experiment_id param_key param_value",
    ),
    (
        "logged_model_tags@3.0",
        "model_id experiment_id tag_key tag_value",
    ),
    (
        "logged_models@3.0",
        "model_id experiment_id name artifact_location creation_timestamp_ms last_updated_timestamp_ms status \
         lifecycle_stage model_type source_run_id status_message",
    ),
    ("metrics", "key value timestamp run_uuid step is_nan"),
    ("model_version_tags", "key value name version workspace@3.10"),
    (
        "model_versions",
        "name version creation_time last_updated_time description user_id current_stage source run_id status \
         status_message run_link storage_location@2.9 workspace@3.10",
    ),
    ("params", "key value run_uuid"),
    (
        "registered_model_aliases@2.4",
        "alias version name workspace@3.10",
    ),
    ("registered_model_tags", "key value name workspace@3.10"),
    (
        "registered_models",
        "name creation_time last_updated_time description workspace@3.10",
    ),
    (
        "runs",
        "run_uuid name source_type source_name entry_point_name user_id status start_time end_time \
         source_version lifecycle_stage artifact_uri experiment_id deleted_time",
    ),
    (
        "scorer_versions@3.4",
        "scorer_id scorer_version serialized_scorer creation_time",
    ),
    ("scorers@3.4", "experiment_id scorer_name scorer_id"),
    (
        "spans@3.3",
        "trace_id experiment_id span_id parent_span_id name type status start_time_unix_nano \
         end_time_unix_nano duration_ns content input_cost@3.17 output_cost@3.17 total_cost@3.17 \
         model_name@3.17 model_provider@3.17 dimension_attributes@never",
    ),
    ("tags", "key value run_uuid"),
    (
        "trace_info@2.14",
        "request_id experiment_id timestamp_ms execution_time_ms status client_request_id@3.2 \
         request_preview@3.2 response_preview@3.2 db_payload_generation@3.13 trace_name@3.17 session_id@3.17 \
         input_tokens@3.17 output_tokens@3.17 total_tokens@3.17 cache_read_input_tokens@3.17 \
         cache_creation_input_tokens@3.17 cache_creation_input_tokens_above_1hr@3.17 input_cost@3.17 \
         output_cost@3.17 total_cost@3.17",
    ),
    ("trace_request_metadata@2.14", "key value request_id"),
    ("trace_tags@2.14", "key value request_id"),
    (
        "workspaces@3.10",
        "name description default_artifact_root trace_archival_location@3.13 trace_archival_retention@3.13",
    ),
];

/// Tables of every MLflow that ever had a database.
const ALWAYS: [&str; 3] = ["metrics", "params", "tags"];

/// A name, and the place of the release that brought it among those of [`versions`]; none where it need not be there.
fn since(name: &str) -> (&str, Option<usize>) {
    match name.split_once('@') {
        None => (name, Some(0)),
        Some((name, release)) => (name, versions::place_of(release)),
    }
}

/// Names tables and columns that MLflow of this schema has and this database has not, and views in the place of tables.
/// `release` is the place of the release whose migrations the database had, where that is known.
pub(super) fn check(
    tables: &Tables,
    release: Option<usize>,
    export: &mut Export<'_>,
) -> Result<(), ExportError> {
    let schema = &tables.schema;
    // Without a known head, what the release before the newest trace of one has must be there.
    let seen = EXPORTED
        .iter()
        .map(|(name, _)| since(name))
        .filter(|(name, _)| schema.has(name));
    let seen = seen.filter_map(|(_, place)| place).max().unwrap_or(0);
    let must_have = |place: Option<usize>| match (place, release) {
        (Some(place), Some(release)) => place <= release,
        (Some(place), None) => place < seen,
        (None, _) => false,
    };
    for (name, columns) in EXPORTED {
        let (table, place) = since(name);
        if schema.has(table) {
            let missing = columns.split_whitespace().map(since);
            let missing =
                missing.filter(|(column, place)| must_have(*place) && !schema.has_column(table, column));
            for (column, _) in missing {
                let detail =
                    format!("MLflow's table `{table}` has no column `{column}` in this database{REMEDY}");
                export.failure(table, table, column, Reason::MissingColumn, &detail)?;
            }
        } else if schema.has_view(table) {
            let detail =
                format!("`{table}` is a view and no table; SQL that a database holds is not run{REMEDY}");
            export.failure(table, table, "*", Reason::NotATable, &detail)?;
        } else if must_have(place) || ALWAYS.contains(&table) {
            let detail = format!("MLflow's table `{table}` is not in this database{REMEDY}");
            export.failure(table, table, "*", Reason::MissingTable, &detail)?;
        }
    }
    Ok(())
}

/// What helps against a schema that is not whole.
const REMEDY: &str = "; export a backup that is whole, or the rest with `--keep-going`";

/// Counts the rows of tables that are not exported, and the values of columns this version does not know.
pub(super) fn count(tables: &Tables, export: &mut Export<'_>) -> Result<(), ExportError> {
    let names: Vec<_> = tables.schema.tables().collect();
    for (table, columns) in names {
        if PRIVATE.contains(&table) || DERIVED.contains(&table) {
            continue;
        }
        let Some((_, known)) = EXPORTED.iter().find(|(name, _)| since(name).0 == table) else {
            let rows = tables.count(table)?;
            if rows > 0 {
                export.limit(table, "*", Reason::NotExported, rows);
            }
            continue;
        };
        let is_known = |column: &str| known.split_whitespace().any(|known| since(known).0 == column);
        for column in columns.iter().filter(|column| !is_known(column)) {
            let values = tables.count_values(table, column)?;
            if values > 0 {
                export.limit(table, column, Reason::UnknownColumn, values);
            }
            export.monitor().notice(&format!(
                "column {table}.{column} is not one this version knows; it is not exported"
            ));
        }
    }
    Ok(())
}
