//! Rows whose owner is not in the database: SQLite enforces foreign keys only where a writer asks for it. And links of
//! kinds that MLflow has not.

use super::columns::{
    ASSESSMENTS, DATASET_EXPERIMENTS, INPUT_IDS, INPUT_TAGS, INPUTS, LATEST, LOGGED_MODEL_METRICS,
    LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS, LOGGED_MODELS, METRICS, PARAMS, RUNS, SPANS, TAGS, TRACE_LINKS,
    TRACE_METADATA, TRACE_TAGS, TRACES, Table,
};
use super::exporter::{Exporter, Result};
use crate::format::Reason;

/// Tables of parts, and the tables of their owners; the first column of each is the owner's id.
const PARTS: [(Table, Table); 12] = [
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
    (INPUT_TAGS, INPUT_IDS),
];

/// Links: the table, which of its rows are looked at, which of these an object takes along, the table that this asks, and
/// why the others are not taken. Owners are asked for with `IN`, which every database answers in one pass; `NOT IN` is not.
const LINKS: [(Table, &str, &str, &str, Reason); 4] = [
    (
        INPUTS,
        "1 = 1",
        "source_type = 'DATASET' AND destination_type = 'RUN' OR source_type = 'RUN_INPUT' AND destination_type = \
         'MODEL_INPUT' OR source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT'",
        "inputs",
        Reason::NotHeld,
    ),
    (
        TRACE_LINKS,
        "1 = 1",
        "source_type = 'trace' OR source_type = 'evaluation_dataset' AND destination_type = 'experiment'",
        "entity_associations",
        Reason::NotHeld,
    ),
    (
        TRACE_LINKS,
        "source_type = 'trace'",
        "source_id IN (SELECT request_id FROM trace_info)",
        "trace_info",
        Reason::Orphan,
    ),
    (
        DATASET_EXPERIMENTS,
        "source_type = 'evaluation_dataset'",
        "source_id IN (SELECT dataset_id FROM evaluation_datasets)",
        "evaluation_datasets",
        Reason::Orphan,
    ),
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
        for (links, all, taken, asked, reason) in LINKS {
            if self.tables.schema.has(links.name) && self.tables.schema.has(asked) {
                let count = |condition: &str| self.tables.count_where(links.name, condition);
                let (all, taken) = (count(all)?, count(&format!("{all} AND ({taken})"))?);
                let left = all.saturating_sub(taken);
                self.export
                    .limit(links.kind, links.field.unwrap_or("*"), reason, left);
            }
        }
        Ok(())
    }
}
