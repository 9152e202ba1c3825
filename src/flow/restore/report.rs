//! What a restore made or would make, for people and as JSON.

use super::RestoreError;
use crate::archive::Archive;
use crate::archive::walk::{Wanted, newer_fields, newer_kinds};
use crate::format::{Kind, LossCount, Reason};
use crate::lang::sql::write::{IntoStore, NewId, StoreEdit, WriteOutcome};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a restore made or would make.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct RestoreReport {
    /// Content id of the archive.
    pub content_id: String,
    /// Objects by kind; of metrics, lines.
    pub counts: BTreeMap<String, u64>,
    /// Points of metrics, those of logged models included.
    pub metric_points: u64,
    /// Artifacts.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the target has in place of what the archive says.
    pub edits: Vec<EditCount>,
    /// What the target cannot hold.
    pub limits: Vec<LossCount>,
    /// The same one by one; of very many, the first.
    pub lost: Vec<LostField>,
    /// Experiments that have another id in the target.
    pub new_ids: Vec<NewId>,
    /// Whether there are workspaces beside the default one, for which a server needs an option.
    pub has_workspaces: bool,
    /// The edit `into-store` of a recipe that changes the archive as the restore does.
    pub into_store: IntoStore,
}

/// How often a field was given another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EditCount {
    /// What was done: `place`, `local-place`, `workspace`, `made-workspace`, `renamed`, `new-id`, `default`.
    #[schemars(with = "String")]
    pub edit: StoreEdit,
    /// Kind of the objects.
    pub kind: String,
    /// The field.
    pub field: String,
    /// How many objects.
    pub count: u64,
}

/// A field that the target does not hold as the archive has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LostField {
    /// Kind of the object.
    pub kind: String,
    /// Its id; of metrics and artifacts that of the owner.
    pub id: String,
    /// The field, and the key within it; of metrics the name, of artifacts the path.
    pub field: String,
    /// Why, as `docs/losses.md` says.
    pub reason: String,
}

impl EditCount {
    /// The edit for a person.
    pub fn words(&self) -> &'static str {
        match self.edit {
            StoreEdit::Place => "now point below the destination",
            StoreEdit::LocalPlace => {
                "pointed to a folder of another machine, and now point below the destination"
            }
            StoreEdit::Workspace => "moved into a workspace",
            StoreEdit::MadeWorkspace => "made, because a target needs them",
            StoreEdit::Default => "were missing, and are now 0, because a store sorts by them",
            StoreEdit::Renamed => "deleted ones renamed, because another one has the name",
            StoreEdit::NewId => "have a new id, because the column holds numbers",
        }
    }
}

impl RestoreReport {
    pub(super) fn new(
        archive: &Archive,
        outcome: WriteOutcome,
        into_store: IntoStore,
    ) -> Result<Self, RestoreError> {
        let counts = outcome.written.iter();
        let edits = outcome
            .edits
            .iter()
            .map(|((edit, kind, field), count)| EditCount {
                edit: *edit,
                kind: kind.name().to_owned(),
                field: (*field).to_owned(),
                count: *count,
            });
        let limits = outcome
            .losses
            .iter()
            .map(|((kind, field, reason), count)| LossCount {
                kind: kind.name().to_owned(),
                field: field.clone(),
                reason: (*reason).into(),
                count: *count,
            });
        let limits = limits.chain(of_newer_versions(archive)?);
        Ok(RestoreReport {
            content_id: archive.manifest().content_id.to_string(),
            counts: counts
                .map(|(kind, count)| (kind.name().to_owned(), *count))
                .collect(),
            metric_points: outcome.metric_points,
            files: outcome.files,
            bytes: outcome.file_bytes,
            edits: edits.collect(),
            limits: limits.collect(),
            has_workspaces: outcome.has_workspaces,
            into_store,
            new_ids: outcome.new_ids,
            lost: outcome
                .named_losses
                .into_iter()
                .map(|loss| LostField {
                    kind: loss.kind.name().to_owned(),
                    id: loss.id,
                    field: loss.field,
                    reason: loss.reason.as_str().to_owned(),
                })
                .collect(),
        })
    }
}

/// What a newer version of the format brought, and this one reads past.
fn of_newer_versions(archive: &Archive) -> Result<Vec<LossCount>, RestoreError> {
    let newer = |kind: &str, field: &str, count| LossCount {
        kind: kind.to_owned(),
        field: field.to_owned(),
        reason: Reason::NewerVersion.into(),
        count,
    };
    let fields = newer_fields(archive, Kind::ALL, Wanted::Dropped)?;
    let fields = fields
        .iter()
        .map(|((kind, name), field)| newer(kind.name(), name, field.count));
    let kinds = newer_kinds(archive);
    let kinds = kinds.iter().map(|(kind, count)| newer(kind, "*", *count));
    Ok(fields.chain(kinds).collect())
}
