//! Traces (MLflow 2.14 and later): scanned once, their parts read a batch at a time.

use super::batches::stretches;
use super::columns::{ASSESSMENTS, NAMING, TRACE_LINKS, TRACE_METADATA, TRACE_TAGS, TRACES};
use super::exporter::{Exporter, Result};
use super::fields::{Fields, pick};
use super::run_parts::read_map;
use super::spans::ARTIFACT_LOCATION;
use super::spool::Spool;
use super::tables::{BATCH, Tables};
use super::trace_parts::{self, rebuild};
use crate::archive::Owner;
use crate::format::{Kind, Object, Reason};
use crate::model::{OwnerKind, Text, TextMap, Trace};
use crate::select::{NAMING_METADATA, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A trace and the values that MLflow 3.17 moved out of its tags and metadata.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FoundTrace {
    pub(super) trace: Trace,
    pub(super) promoted: Option<trace_parts::Promoted>,
}

/// Metadata key of the run in which a trace was made.
pub(in crate::lang::sql) const SOURCE_RUN: &str = "mlflow.sourceRun";

/// The first of the columns that MLflow 3.17 added.
const PROMOTED_COLUMN: usize = 8;

fn trace(row: &Fields<'_>, has_promoted: bool) -> FoundTrace {
    let mut trace: Trace = pick(row);
    if trace.state == "TRACE_STATUS_UNSPECIFIED" {
        trace.state = "STATE_UNSPECIFIED".to_owned();
    }
    FoundTrace {
        trace,
        promoted: has_promoted.then(|| trace_parts::promoted(row, PROMOTED_COLUMN)),
    }
}

impl Exporter<'_> {
    /// Writes the traces with their spans and artifacts.
    pub(super) fn traces(&mut self) -> Result<()> {
        let mut sorted = self.taken_traces()?.finish()?;
        loop {
            let batch: Vec<FoundTrace> = sorted.batch(BATCH)?;
            if batch.is_empty() {
                return Ok(());
            }
            let ids: Vec<&str> = batch.iter().map(|found| found.trace.trace_id.as_str()).collect();
            let parts = [TRACE_TAGS, TRACE_METADATA, ASSESSMENTS];
            let stretches = stretches(&self.tables, &parts, &ids)?;
            let mut batch = batch.into_iter();
            for length in stretches {
                self.trace_batch(batch.by_ref().take(length).collect())?;
            }
        }
    }

    fn taken_traces(&mut self) -> Result<Spool<FoundTrace>> {
        let has_promoted = self
            .tables
            .schema
            .has_column(TRACES.name, TRACES.columns[PROMOTED_COLUMN]);
        let mut named = match self.closure.takes_all() {
            true => HashMap::new(),
            false => named_by_traces(&self.tables)?,
        };
        let mut spool = Spool::new(self.export.writer.scratch());
        self.tables.scan(TRACES, |row| {
            if row.is_elsewhere(&self.closure, 1, 2) {
                return Ok(());
            }
            let mut found = trace(row, has_promoted);
            let Named { metadata, linked } = named.remove(&found.trace.trace_id).unwrap_or_default();
            found.trace.trace_metadata = metadata;
            match self.closure.trace(&found.trace, &linked) {
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Traces, reason, 1),
                Verdict::Kept => spool.push(&found.trace.sort_key(), &found)?,
            }
            Ok(())
        })?;
        Ok(spool)
    }

    fn trace_batch(&mut self, mut batch: Vec<FoundTrace>) -> Result<()> {
        let ids: Vec<String> = batch.iter().map(|found| found.trace.trace_id.clone()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let tables = &self.tables;
        read_map(tables, TRACE_TAGS, &ids, |place, key, value| {
            batch[place].trace.tags.insert(key, value);
        })?;
        read_map(tables, TRACE_METADATA, &ids, |place, key, value| {
            batch[place].trace.trace_metadata.insert(key, value);
        })?;
        trace_parts::read_assessments(tables, &ids, &mut batch)?;
        read_links(tables, &ids, &mut batch)?;
        let locations = batch
            .iter()
            .map(|found| found.trace.tags.get(ARTIFACT_LOCATION)?.as_str());
        self.list_ahead(locations)?;
        for FoundTrace { mut trace, promoted } in batch {
            if let Some(promoted) = promoted {
                rebuild(&mut trace, &promoted);
            }
            let source_run = trace.trace_metadata.get(SOURCE_RUN).and_then(|run| run.as_str());
            trace
                .linked_runs
                .retain(|run_id| Some(run_id.as_str()) != source_run);
            self.export.write(&trace)?;
            let owner = Owner::of(OwnerKind::Trace, &trace);
            self.spans_and_artifacts(&owner, &trace)?;
        }
        Ok(())
    }
}

/// What a trace names that made it, and the runs that it is linked to.
#[derive(Default)]
struct Named {
    metadata: TextMap,
    linked: Vec<String>,
}

/// What each trace names.
fn named_by_traces(tables: &Tables) -> Result<HashMap<String, Named>> {
    let mut named: HashMap<String, Named> = HashMap::new();
    let key = tables.dialect().quote("key");
    for name in NAMING_METADATA {
        tables.scan_where(NAMING, &format!("WHERE {key} = ?"), &[name], |row| {
            // One that no line holds is told of when the trace is read.
            let value = row.bytes(1).map(Text::from_bytes);
            let value = value.map(|value| (name.to_owned(), value));
            let trace = named.entry(row.required_text(0)).or_default();
            trace.metadata.extend(value);
            Ok(())
        })?;
    }
    let condition = "WHERE source_type = 'trace' AND destination_type = 'run'";
    tables.scan_where(TRACE_LINKS, condition, &[], |row| {
        let trace = named.entry(row.required_text(0)).or_default();
        trace.linked.extend(row.text(2));
        Ok(())
    })?;
    Ok(named)
}

fn read_links(tables: &Tables, ids: &[&str], batch: &mut [FoundTrace]) -> Result<()> {
    tables.of_owners(TRACE_LINKS, "source_type = 'trace' AND", ids, |place, row| {
        let trace = &mut batch[place].trace;
        match row.text(1).as_deref() {
            Some("run") => trace.linked_runs.extend(row.text(2)),
            Some("prompt_version") => trace.linked_prompts.extend(row.text(2)),
            _ => tables.oddities.count("traces", "links", Reason::NotHeld),
        }
        Ok(())
    })?;
    for found in batch {
        found.trace.linked_runs.sort();
        found.trace.linked_prompts.sort();
    }
    Ok(())
}
