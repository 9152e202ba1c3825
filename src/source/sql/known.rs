//! Tables and columns that are not exported: which are private, which are derived from others, and which are counted.

use super::super::{Export, ExportError};
use super::tables::Tables;

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
const EXPORTED: &[(&str, &str)] = &[
    (
        "assessments",
        "assessment_id trace_id name assessment_type value error created_timestamp last_updated_timestamp source_type \
         source_id run_id span_id rationale overrides valid assessment_metadata experiment_id trace_timestamp_ms \
         aggregate_value is_numeric_value",
    ),
    (
        "datasets",
        "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema dataset_profile",
    ),
    (
        "entity_associations",
        "association_id source_type source_id destination_type destination_id created_time",
    ),
    (
        "evaluation_dataset_records",
        "dataset_record_id dataset_id inputs expectations tags source source_id source_type created_time \
         last_update_time created_by last_updated_by input_hash outputs",
    ),
    ("evaluation_dataset_tags", "dataset_id key value"),
    (
        "evaluation_datasets",
        "dataset_id name schema profile digest created_time last_update_time created_by last_updated_by workspace",
    ),
    ("experiment_tags", "key value experiment_id"),
    (
        "experiments",
        "experiment_id name artifact_location lifecycle_stage creation_time last_update_time workspace",
    ),
    ("input_tags", "input_uuid name value"),
    (
        "inputs",
        "input_uuid source_type source_id destination_type destination_id step",
    ),
    ("latest_metrics", "key value timestamp step is_nan run_uuid"),
    (
        "logged_model_metrics",
        "model_id metric_name metric_timestamp_ms metric_step metric_value experiment_id run_id dataset_uuid \
         dataset_name dataset_digest",
    ),
    (
        "logged_model_params",
        "model_id experiment_id param_key param_value",
    ),
    ("logged_model_tags", "model_id experiment_id tag_key tag_value"),
    (
        "logged_models",
        "model_id experiment_id name artifact_location creation_timestamp_ms last_updated_timestamp_ms status \
         lifecycle_stage model_type source_run_id status_message",
    ),
    ("metrics", "key value timestamp run_uuid step is_nan"),
    ("model_version_tags", "key value name version workspace"),
    (
        "model_versions",
        "name version creation_time last_updated_time description user_id current_stage source run_id status \
         status_message run_link storage_location workspace",
    ),
    ("params", "key value run_uuid"),
    ("registered_model_aliases", "alias version name workspace"),
    ("registered_model_tags", "key value name workspace"),
    (
        "registered_models",
        "name creation_time last_updated_time description workspace",
    ),
    (
        "runs",
        "run_uuid name source_type source_name entry_point_name user_id status start_time end_time source_version \
         lifecycle_stage artifact_uri experiment_id deleted_time",
    ),
    (
        "scorer_versions",
        "scorer_id scorer_version serialized_scorer creation_time",
    ),
    ("scorers", "experiment_id scorer_name scorer_id"),
    (
        "spans",
        "trace_id experiment_id span_id parent_span_id name type status start_time_unix_nano end_time_unix_nano \
         duration_ns content input_cost output_cost total_cost model_name model_provider dimension_attributes",
    ),
    ("tags", "key value run_uuid"),
    (
        "trace_info",
        "request_id experiment_id timestamp_ms execution_time_ms status client_request_id request_preview \
         response_preview db_payload_generation trace_name session_id input_tokens output_tokens total_tokens \
         cache_read_input_tokens cache_creation_input_tokens cache_creation_input_tokens_above_1hr input_cost \
         output_cost total_cost",
    ),
    ("trace_request_metadata", "key value request_id"),
    ("trace_tags", "key value request_id"),
    (
        "workspaces",
        "name description default_artifact_root trace_archival_location trace_archival_retention",
    ),
];

/// Counts the rows of tables that are not exported, and the values of columns this version does not know.
pub(super) fn count(tables: &Tables, export: &mut Export<'_>) -> Result<(), ExportError> {
    let names: Vec<_> = tables.schema.tables().collect();
    for (table, columns) in names {
        if PRIVATE.contains(&table) || DERIVED.contains(&table) {
            continue;
        }
        let Some((_, known)) = EXPORTED.iter().find(|(name, _)| *name == table) else {
            let rows = tables.count(table)?;
            if rows > 0 {
                export.limit(table, "*", "not-exported", rows);
            }
            continue;
        };
        let is_known = |column: &String| known.split_whitespace().any(|known| known == column);
        for column in columns.iter().filter(|column| !is_known(column)) {
            let values = tables.count_values(table, column)?;
            if values > 0 {
                export.limit(table, column, "unknown-column", values);
            }
            export.monitor().notice(&format!(
                "column {table}.{column} is not one this version knows; it is not exported"
            ));
        }
    }
    Ok(())
}
