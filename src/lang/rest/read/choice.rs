//! What a choice takes of a server, looked for before a shard takes its share of it.
//!
//! Which runs, versions, logged models and traces a choice brings follows from one another across experiments, and so across shards. So each
//! shard looks first, as `mlark ls` does, and asks then for the metrics, spans and files of its own objects alone.

use super::server::Server;
use super::trace_links::Links;
use super::workspaces;
use crate::format::Kind;
use crate::lang::session::{Export, ExportError, ExportOptions, Survey};
use crate::monitor::Silent;
use crate::select::{Closure, Selection};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// A run, its experiment and its start time.
pub(super) type Placed = (String, String, Option<i64>);

/// What is taken of a workspace.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) closure: Closure,
    /// Runs of experiments that are not looked through, which something else brings.
    pub(super) beyond: Vec<Placed>,
    /// Runs and prompts by the traces linked to them.
    pub(super) links: Rc<Links>,
}

/// What is taken, by workspace.
pub(super) type Choices = BTreeMap<Option<String>, Chosen>;

/// Looks for all that is chosen, where only a share of it is exported.
pub(super) fn look(
    export: &Export<'_>,
    server: &Arc<Server>,
    registry: &Arc<Server>,
) -> Result<Option<Choices>, ExportError> {
    let options = &export.options;
    let selection = &options.selection;
    if selection.share.is_none() || selection.takes_all_objects() {
        return Ok(None);
    }
    export.monitor().begin("what is chosen", None);
    let options = ExportOptions {
        selection: Selection {
            share: None,
            ..selection.clone()
        },
        survey: Some(Survey {
            kinds: [
                Kind::Experiments,
                Kind::Runs,
                Kind::LoggedModels,
                Kind::RegisteredModels,
                Kind::ModelVersions,
                Kind::Traces,
            ]
            .into(),
            links: true,
        }),
        ..options.clone()
    };
    let mut look = Export::create(&export.writer.scratch().join("chosen"), options, &Silent)?;
    for &kind in Kind::ALL {
        look.writer.sort_at_end(kind);
    }
    workspaces::export_each(&mut look, server, registry, None).map(Some)
}
