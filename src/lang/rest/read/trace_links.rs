//! Which runs and prompts a trace is linked to.

use super::server::{Server, told};
use super::trace_wire::Api;
use crate::lang::rest::routes::trace_id;
use crate::model::Trace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
            if let Some(found) = trace_id(row)
                && (what != "run" || named != Some(id))
            {
                links.entry(found).or_default().insert(id.to_owned());
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

/// What a search by a run or prompt is about, and the traces that it found.
pub(super) type Linked = (&'static str, String, Result<Vec<Value>, String>);

/// Searches the traces that are linked to a run or prompt.
pub(super) fn linked(
    server: &Arc<Server>,
    api: Api,
    experiments: &[String],
    what: &'static str,
    id: String,
) -> Linked {
    let field = if what == "run" { "run_id" } else { "prompt" };
    let Some(literal) = quoted(&id) else {
        return (what, id, Err("its name cannot be searched for".to_owned()));
    };
    let filter = format!("{field} = {literal}");
    let rows = match api.search(server, experiments, Some(&filter)).all() {
        // A server that does not know such links.
        Err(error) if error.status() == Some(400) => Ok(Vec::new()),
        found => found.map(|(rows, _)| rows).map_err(|error| told(&error)),
    };
    (what, id, rows)
}

/// A literal of MLflow's filter language.
fn quoted(text: &str) -> Option<String> {
    let quote = ['\'', '"'].into_iter().find(|quote| !text.contains(*quote))?;
    Some(format!("{quote}{text}{quote}"))
}
