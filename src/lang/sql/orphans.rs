//! Rows whose owner is not in the database: SQLite enforces foreign keys only where a writer asks for it.

use super::exporter::{Exporter, Result};

/// A table of parts: its name, the column of the owner's id, the owners' table and id, and what a limit calls the rows.
type Parts = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str),
);

const PARTS: &[Parts] = &[
    ("params", "run_uuid", "runs", "run_uuid", ("runs", "params")),
    ("tags", "run_uuid", "runs", "run_uuid", ("runs", "tags")),
    (
        "latest_metrics",
        "run_uuid",
        "runs",
        "run_uuid",
        ("runs", "metrics"),
    ),
    ("metrics", "run_uuid", "runs", "run_uuid", ("metrics", "*")),
    (
        "logged_model_params",
        "model_id",
        "logged_models",
        "model_id",
        ("logged-models", "params"),
    ),
    (
        "logged_model_tags",
        "model_id",
        "logged_models",
        "model_id",
        ("logged-models", "tags"),
    ),
    (
        "logged_model_metrics",
        "model_id",
        "logged_models",
        "model_id",
        ("model-metrics", "*"),
    ),
    (
        "trace_tags",
        "request_id",
        "trace_info",
        "request_id",
        ("traces", "tags"),
    ),
    (
        "trace_request_metadata",
        "request_id",
        "trace_info",
        "request_id",
        ("traces", "trace_metadata"),
    ),
    (
        "assessments",
        "trace_id",
        "trace_info",
        "request_id",
        ("traces", "assessments"),
    ),
    ("spans", "trace_id", "trace_info", "request_id", ("spans", "*")),
];

impl Exporter<'_> {
    /// Counts rows without an owner. An export of everything has read each row once, so that a number tells.
    pub(super) fn count_orphans(&mut self) -> Result<()> {
        if !self.closure.takes_all() {
            return Ok(());
        }
        for (table, owner, owners, id, (kind, field)) in PARTS {
            if !self.tables.schema.has(table) {
                continue;
            }
            let all = self.tables.count(table)?;
            if all == self.tables.rows_read(table) {
                continue;
            }
            let orphans = all - self.tables.count_owned(table, owner, owners, id)?.min(all);
            self.limit_orphans(kind, field, orphans);
        }
        Ok(())
    }
}
