//! Rows whose owner is not in the database: SQLite enforces foreign keys only where a writer asks for it.

use super::columns::{
    ASSESSMENTS, LATEST, LOGGED_MODEL_METRICS, LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS, LOGGED_MODELS,
    METRICS, PARAMS, RUNS, SPANS, TAGS, TRACE_METADATA, TRACE_TAGS, TRACES, Table,
};
use super::exporter::{Exporter, Result};
use crate::format::Reason;

/// Tables of parts, and the tables of their owners; the first column of each is the owner's id.
const PARTS: [(Table, Table); 11] = [
    (PARAMS, RUNS),
    (TAGS, RUNS),
    (LATEST, RUNS),
    (METRICS, RUNS),
    (LOGGED_MODEL_PARAMS, LOGGED_MODELS),
    (LOGGED_MODEL_TAGS, LOGGED_MODELS),
    (LOGGED_MODEL_METRICS, LOGGED_MODELS),
    (TRACE_TAGS, TRACES),
    (TRACE_METADATA, TRACES),
    (ASSESSMENTS, TRACES),
    (SPANS, TRACES),
];

impl Exporter<'_> {
    /// Counts rows without an owner. An export of everything has read each row once, so that a number tells.
    pub(super) fn count_orphans(&mut self) -> Result<()> {
        if !self.closure.takes_all() {
            return Ok(());
        }
        for (parts, owners) in PARTS {
            if !self.tables.schema.has(parts.name) {
                continue;
            }
            let all = self.tables.count(parts.name)?;
            if all == self.tables.rows_read(parts.name) {
                continue;
            }
            let orphans = all - self.tables.count_owned(parts, owners)?.min(all);
            self.export
                .limit(parts.kind, parts.field.unwrap_or("*"), Reason::Orphan, orphans);
        }
        Ok(())
    }
}
