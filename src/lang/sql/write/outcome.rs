//! What a target cannot hold, what was set anew in it, and how much it has.

use crate::format::{Kind, Reason};
use crate::model::named::named;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most losses that are named one by one; beyond, they are counted alone.
const NAMED_LOSSES: usize = 100_000;

/// Something that the target does not hold as the archive has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StoreLoss {
    pub(crate) kind: Kind,
    /// Id of the object, or of the owner of metrics.
    pub(crate) id: String,
    /// The field, as `mlark diff` names it.
    pub(crate) field: String,
    pub(crate) reason: Reason,
}

named! {
    serialized
    /// A value that the target has in place of the archive's.
    pub enum StoreEdit {
        /// A URI became the place of its owner.
        Place = "place",
        /// A URI that named this machine did, in any spelling.
        LocalPlace = "local-place",
        /// An object came into a workspace.
        Workspace = "workspace",
        /// A workspace that is named and not in the archive was made.
        MadeWorkspace = "made-workspace",
        /// A deleted experiment, whose name another has, was renamed.
        Renamed = "renamed",
        /// An experiment has another id.
        NewId = "new-id",
        /// A time that is not there is 0, since a store orders by it.
        Default = "default",
    }
}

/// An experiment that has another id in the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewId {
    /// The id in the archive.
    pub experiment_id: String,
    /// The id in the target.
    pub target_id: i64,
}

/// What came of a restore, or would come of it.
#[derive(Debug, Default)]
pub(crate) struct WriteOutcome {
    /// Lines of the archive that became rows, by kind.
    pub(crate) written: BTreeMap<Kind, u64>,
    pub(crate) metric_points: u64,
    pub(crate) files: u64,
    pub(crate) file_bytes: u64,
    /// How often each edit was made to a field of a kind.
    pub(crate) edits: BTreeMap<(StoreEdit, Kind, &'static str), u64>,
    /// Counts by kind, field without the user's own keys, and reason.
    pub(crate) losses: BTreeMap<(Kind, String, Reason), u64>,
    /// The losses one by one, the first of them.
    pub(crate) named_losses: Vec<StoreLoss>,
    /// Experiments whose ids are others.
    pub(crate) new_ids: Vec<NewId>,
    /// Workspaces beside the default one.
    pub(crate) has_workspaces: bool,
}

impl WriteOutcome {
    /// Counts a line.
    pub(crate) fn count(&mut self, kind: Kind) {
        *self.written.entry(kind).or_default() += 1;
    }

    /// Counts an edit.
    pub(crate) fn edit(&mut self, edit: impl Into<Option<StoreEdit>>, kind: Kind, field: &'static str) {
        if let Some(edit) = edit.into() {
            *self.edits.entry((edit, kind, field)).or_default() += 1;
        }
    }

    /// Notes a loss; the field may have a key of the user's after its name and a point.
    pub(crate) fn lose(&mut self, kind: Kind, id: &str, field: &str, reason: Reason) {
        self.lose_so(StoreLoss {
            kind,
            id: id.to_owned(),
            field: field.to_owned(),
            reason,
        });
    }

    pub(super) fn lose_so(&mut self, loss: StoreLoss) {
        let name = match loss.kind {
            Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts => "*",
            _ => loss.field.split(['.', '[']).next().unwrap_or(&loss.field),
        };
        let counted = (loss.kind, name.to_owned(), loss.reason);
        *self.losses.entry(counted).or_default() += 1;
        if self.named_losses.len() < NAMED_LOSSES {
            self.named_losses.push(loss);
        }
    }
}
