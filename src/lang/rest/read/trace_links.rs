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
    elsewhere: BTreeMap<String, BTreeSet<String>>,
}

impl Links {
    /// Takes note of the traces that a search by a run or prompt found; `is_elsewhere` tells those of another shard.
    pub(super) fn add(
        &mut self,
        what: &str,
        id: &str,
        rows: &[Value],
        is_elsewhere: impl Fn(&Value) -> bool,
    ) {
        for row in rows {
            let links = match what {
                "run" if is_elsewhere(row) => &mut self.elsewhere,
                "run" => &mut self.runs,
                _ => &mut self.prompts,
            };
            // A search by run also finds traces that name the run in their metadata.
            let named = row["trace_metadata"]["mlflow.sourceRun"].as_str();
            if let Some(trace_id) = trace_wire::id_of(row)
                && (what != "run" || named != Some(id))
            {
                links.entry(trace_id).or_default().insert(id.to_owned());
            }
        }
    }

    /// Runs by the traces of other shards that are linked to them.
    pub(super) fn take_elsewhere(&mut self) -> BTreeMap<String, BTreeSet<String>> {
        std::mem::take(&mut self.elsewhere)
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
