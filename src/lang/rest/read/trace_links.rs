//! Which runs and prompts a trace is linked to.

use super::trace_wire;
use crate::model::Trace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Runs and prompts by the traces linked to them.
#[derive(Debug, Default)]
pub(super) struct Links {
    runs: BTreeMap<String, BTreeSet<String>>,
    prompts: BTreeMap<String, BTreeSet<String>>,
}

impl Links {
    pub(super) fn add(&mut self, what: &str, id: &str, rows: &[Value]) {
        let links = if what == "run" {
            &mut self.runs
        } else {
            &mut self.prompts
        };
        for row in rows {
            // A search by run also finds traces that name the run in their metadata.
            let named = row["trace_metadata"]["mlflow.sourceRun"].as_str();
            if let Some(trace_id) = trace_wire::id_of(row)
                && (what != "run" || named != Some(id))
            {
                links.entry(trace_id).or_default().insert(id.to_owned());
            }
        }
    }

    /// Links to runs.
    pub(super) fn count_of_runs(&self) -> u64 {
        self.runs.values().map(|runs| runs.len() as u64).sum()
    }

    pub(super) fn put_into(&self, trace: &mut Trace) {
        let of = |links: &BTreeMap<String, BTreeSet<String>>| {
            links
                .get(&trace.trace_id)
                .into_iter()
                .flatten()
                .cloned()
                .collect()
        };
        (trace.linked_runs, trace.linked_prompts) = (of(&self.runs), of(&self.prompts));
    }
}
