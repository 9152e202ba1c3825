//! Tables and columns that are not exported: which are private, which are derived from others, and which are counted.

use super::tables::Tables;
use super::{columns, versions};
use crate::format::Reason;
use crate::lang::session::{Export, ExportError};
use std::collections::BTreeMap;

/// Secrets, and what is of no use without them or beyond its server; not even counted.
const PRIVATE: &str = "alembic_version budget_policies endpoint_bindings endpoint_model_mappings \
    endpoint_tags endpoints guardrail_configs guardrails job_locks jobs model_definitions scheduler_leases \
    secrets";
/// Tables of MLflow's basic-auth plugin, where it shares the database.
const AUTH: &str = "alembic_version_auth experiment_permissions gateway_endpoint_permissions \
    gateway_model_definition_permissions gateway_secret_permissions registered_model_permissions \
    role_permissions roles scorer_permissions user_role_assignments users workspace_permissions";

/// Tables that MLflow computes from others.
const DERIVED: &str = "span_metrics sql_assessment_daily_rollups sql_span_cost_daily_rollups \
    sql_trace_metric_daily_rollups sql_trace_rollup_rebuild_queue trace_metrics";

/// Tables that are exported, and of their columns those that later releases brought or that are not read: they say nothing of their own.
/// After `@` stands the MLflow release whose migrations brought it, where that was after 1.30; `never` is for what went again.
const EXPORTED: &[(&str, &str)] = &[
    (
        "assessments@3.2",
        "experiment_id@3.17 trace_timestamp_ms@3.17 aggregate_value@3.17 is_numeric_value@3.17",
    ),
    ("datasets@2.4", ""),
    (
        "entity_associations@3.3",
        "association_id source_type created_time",
    ),
    (
        "evaluation_dataset_records@3.4",
        "source_id source_type input_hash outputs@3.5",
    ),
    ("evaluation_dataset_tags@3.4", ""),
    ("evaluation_datasets@3.4", "workspace@3.10"),
    ("experiment_tags", ""),
    ("experiments", "workspace@3.10"),
    ("input_tags@2.4", ""),
    ("inputs@2.4", "source_type step@3.0"),
    ("latest_metrics", ""),
    ("logged_model_metrics@3.0", "experiment_id dataset_uuid"),
    ("logged_model_params@3.0", "experiment_id"),
    ("logged_model_tags@3.0", "experiment_id"),
    ("logged_models@3.0", ""),
    ("metrics", ""),
    ("model_version_tags", "workspace@3.10"),
    ("model_versions", "storage_location@2.9 workspace@3.10"),
    ("params", ""),
    ("registered_model_aliases@2.4", "workspace@3.10"),
    ("registered_model_tags", "workspace@3.10"),
    ("registered_models", "workspace@3.10"),
    ("runs", ""),
    ("scorer_versions@3.4", ""),
    ("scorers@3.4", ""),
    (
        "spans@3.3",
        "experiment_id parent_span_id name type status start_time_unix_nano end_time_unix_nano \
         duration_ns input_cost@3.17 output_cost@3.17 total_cost@3.17 model_name@3.17 \
         model_provider@3.17 dimension_attributes@never",
    ),
    ("tags", ""),
    (
        "trace_info@2.14",
        "client_request_id@3.2 request_preview@3.2 response_preview@3.2 db_payload_generation@3.13 \
         trace_name@3.17 session_id@3.17 input_tokens@3.17 output_tokens@3.17 total_tokens@3.17 \
         cache_read_input_tokens@3.17 cache_creation_input_tokens@3.17 \
         cache_creation_input_tokens_above_1hr@3.17 input_cost@3.17 output_cost@3.17 total_cost@3.17",
    ),
    ("trace_request_metadata@2.14", ""),
    ("trace_tags@2.14", ""),
    (
        "workspaces@3.10",
        "trace_archival_location@3.13 trace_archival_retention@3.13",
    ),
];

/// Whether a table is named in lists.
fn is_among(lists: [&str; 3], table: &str) -> bool {
    let mut names = lists.into_iter().flat_map(str::split_whitespace);
    names.any(|name| name == table)
}

/// Tables of every MLflow that ever had a database.
const ALWAYS: [&str; 3] = ["metrics", "params", "tags"];

/// A name, and the place of the release that brought it among those of [`versions`]; none where it need not be there.
fn since(name: &str) -> (&str, Option<usize>) {
    match name.split_once('@') {
        None => (name, Some(0)),
        Some((name, release)) => (name, versions::place_of(release)),
    }
}

/// The columns of a table that MLflow has, each with the place of the release that brought it.
fn columns_of(table: &str, more: &'static str) -> BTreeMap<&'static str, Option<usize>> {
    let read = columns::ALL.iter().filter(|read| read.name == table);
    let read = read
        .flat_map(|read| read.columns)
        .map(|column| (*column, Some(0)));
    read.chain(more.split_whitespace().map(since)).collect()
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
            let missing = columns_of(table, columns).into_iter();
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
        if is_among([PRIVATE, AUTH, DERIVED], table) {
            continue;
        }
        let Some((_, known)) = EXPORTED.iter().find(|(name, _)| since(name).0 == table) else {
            export.limit(table, "*", Reason::NotExported, tables.count(table)?);
            continue;
        };
        let known = columns_of(table, known);
        for column in columns.iter().filter(|column| !known.contains_key::<str>(column)) {
            let values = tables.count_values(table, column)?;
            export.limit(table, column, Reason::UnknownColumn, values);
            export.monitor().notice(&format!(
                "column {table}.{column} is not one this version knows; it is not exported"
            ));
        }
    }
    Ok(())
}
