//! Recipes: lists of edits as people write them, in JSON (`schema/recipe.json`) or as options of a command.

use super::descriptions::{self, Change, Described, SetDescription};
use super::error::{Result, TransformError};
use super::move_runs::MoveRuns;
use super::redact::{self, DropArtifacts, ErasePlaces, HashUsers, Plain, TracePart};
use super::relocate::Relocate;
use super::rename::{IntoWorkspace, Rename};
use super::select::{Exclude, Select};
use super::source_tags::{LineageTags, SourceTags, SourceTagsBeyond};
use super::step::Step;
use super::tags::{self, EraseTexts, Erasure, RenameText, SetText, Texts, UnsetText};
use super::view::View;
use crate::format::strict_json;
use crate::lang::sql::write::IntoStore;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a history calls a recipe of several edits.
const RECIPE: &str = "recipe";

/// Edits, carried out in their order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What is done, first things first.
    pub edits: Vec<Edit>,
}

/// One edit of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "edit", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Edit {
    /// Adds the tags that tell where each object came from.
    SourceTags(SourceTags),
    /// Adds source tags to kinds that mlflow-export-import gives none.
    SourceTagsBeyond(SourceTagsBeyond),
    /// Adds the first origin, written once, and the chain of all hops.
    LineageTags(LineageTags),
    /// Keeps what is chosen, and what that needs.
    Select(Select),
    /// Drops what is excluded, and what belongs to it.
    Exclude(Exclude),
    /// Gives experiments other names.
    RenameExperiment(Rename),
    /// Gives registered models and prompts other names; whatever refers to them by name follows.
    RenameModel(Rename),
    /// Gives workspaces other names.
    RenameWorkspace(Rename),
    /// Puts everything into one workspace.
    IntoWorkspace(IntoWorkspace),
    /// Gives users other names, for good; two may become one.
    RenameUser(Rename),
    /// Puts a keyed hash in the place of each user's name, for good.
    HashUsers(HashUsers),
    /// Moves runs to another experiment, with their children, logged models and traces.
    MoveRuns(MoveRuns),
    /// Changes artifact and source URIs to other places.
    Relocate(Relocate),
    /// Changes objects as `mlark restore` does for a store of MLflow.
    IntoStore(IntoStore),
    /// Sets a tag.
    SetTag(SetText),
    /// Removes a tag; what it was can be undone.
    UnsetTag(UnsetText),
    /// Gives a tag another key.
    RenameTag(RenameText),
    /// Removes tags for good.
    DropTag(EraseTexts),
    /// Puts `***` in the place of tags' values, for good.
    MaskTag(EraseTexts),
    /// Sets a param.
    SetParam(SetText),
    /// Removes a param; what it was can be undone.
    UnsetParam(UnsetText),
    /// Gives a param another key.
    RenameParam(RenameText),
    /// Removes params for good.
    DropParam(EraseTexts),
    /// Puts `***` in the place of params' values, for good.
    MaskParam(EraseTexts),
    /// Sets descriptions.
    SetDescription(SetDescription),
    /// Removes descriptions; what they were can be undone.
    UnsetDescription(Described),
    /// Removes descriptions for good, with the copies that source tags made of them.
    DropDescription(Described),
    /// Puts `***` in the place of descriptions, for good.
    MaskDescription(Described),
    /// Drops the bytes of artifacts for good; they stay listed.
    DropArtifact(DropArtifacts),
    /// Erases single texts and artifacts for good: what `mlark scan --print-recipe` prints.
    ErasePlaces(ErasePlaces),
    /// Drops the inputs of traces, for good.
    DropTraceInputs(Plain),
    /// Puts `***` in the place of what went into traces, for good.
    MaskTraceInputs(Plain),
    /// Drops the outputs of traces, for good.
    DropTraceOutputs(Plain),
    /// Puts `***` in the place of what came out of traces, for good.
    MaskTraceOutputs(Plain),
}

impl Edit {
    /// The name that recipes and histories know it by, and whether what was there before must not survive.
    fn facts(&self) -> (&'static str, bool) {
        match self {
            Edit::SourceTags(_) => (super::source_tags::NAME, false),
            Edit::SourceTagsBeyond(_) => ("source-tags-beyond", false),
            Edit::LineageTags(_) => ("lineage-tags", false),
            Edit::Select(_) => ("select", true),
            Edit::Exclude(_) => ("exclude", true),
            Edit::RenameExperiment(_) => (super::rename::EXPERIMENT, false),
            Edit::RenameModel(_) => (super::rename::MODEL, false),
            Edit::RenameWorkspace(_) => (super::rename::WORKSPACE, false),
            Edit::IntoWorkspace(_) => (super::rename::INTO_WORKSPACE, false),
            Edit::RenameUser(_) => ("rename-user", true),
            Edit::HashUsers(_) => ("hash-users", true),
            Edit::MoveRuns(_) => ("move-runs", false),
            Edit::Relocate(_) => ("relocate", false),
            Edit::IntoStore(_) => (super::store::EDIT, false),
            Edit::SetTag(_) => ("set-tag", false),
            Edit::UnsetTag(_) => ("unset-tag", false),
            Edit::RenameTag(_) => ("rename-tag", false),
            Edit::DropTag(_) => ("drop-tag", true),
            Edit::MaskTag(_) => ("mask-tag", true),
            Edit::SetParam(_) => ("set-param", false),
            Edit::UnsetParam(_) => ("unset-param", false),
            Edit::RenameParam(_) => ("rename-param", false),
            Edit::DropParam(_) => ("drop-param", true),
            Edit::MaskParam(_) => ("mask-param", true),
            Edit::SetDescription(_) => ("set-description", false),
            Edit::UnsetDescription(_) => ("unset-description", false),
            Edit::DropDescription(_) => ("drop-description", true),
            Edit::MaskDescription(_) => ("mask-description", true),
            Edit::DropArtifact(_) => ("drop-artifact", true),
            Edit::ErasePlaces(_) => ("erase-places", true),
            Edit::DropTraceInputs(_) => ("drop-trace-inputs", true),
            Edit::MaskTraceInputs(_) => ("mask-trace-inputs", true),
            Edit::DropTraceOutputs(_) => ("drop-trace-outputs", true),
            Edit::MaskTraceOutputs(_) => ("mask-trace-outputs", true),
        }
    }

    /// The name that recipes and histories know it by.
    pub fn name(&self) -> &'static str {
        self.facts().0
    }

    /// Whether what was there before must not survive: such a recipe keeps no undo record, and deletes those there are.
    pub fn removes(&self) -> bool {
        self.facts().1
    }

    /// What a history tells of it beside its name.
    fn told(&self) -> BTreeMap<String, Value> {
        match self {
            Edit::SourceTags(_) => {
                [("profile".to_owned(), super::source_tags::DEFAULT_PROFILE.into())].into()
            }
            _ => BTreeMap::new(),
        }
    }

    /// Works out what it means for an archive, as the edits before it leave that.
    pub(super) fn plan(&self, view: &View<'_>) -> Result<Box<dyn Step>> {
        let name = self.name();
        match self {
            Edit::SourceTags(tags) => tags.plan(view),
            Edit::SourceTagsBeyond(beyond) => Ok(beyond.plan(view)),
            Edit::LineageTags(lineage) => lineage.plan(view),
            Edit::Select(select) => super::select::choose(select, view),
            Edit::Exclude(exclude) => super::select::exclude(exclude, view),
            Edit::RenameExperiment(rename) => super::rename::experiments(rename, view),
            Edit::RenameModel(rename) => super::rename::models(rename, view),
            Edit::RenameWorkspace(rename) => super::rename::workspaces(rename, view),
            Edit::IntoWorkspace(into) => super::rename::into_workspace(into, view),
            Edit::RenameUser(rename) => redact::rename_users(name, rename),
            Edit::HashUsers(hash) => redact::hash_users(name, hash),
            Edit::MoveRuns(moved) => super::move_runs::move_runs(moved, view),
            Edit::Relocate(places) => super::relocate::relocate(places),
            Edit::IntoStore(into) => super::store::into_store(into, view),
            Edit::SetTag(set) => tags::set(name, set, Texts::Tags),
            Edit::UnsetTag(unset) => tags::unset(name, unset, Texts::Tags),
            Edit::RenameTag(rename) => tags::rename(name, rename, Texts::Tags),
            Edit::DropTag(erase) => tags::erase(name, erase, Erasure::Drop, Texts::Tags),
            Edit::MaskTag(erase) => tags::erase(name, erase, Erasure::Mask, Texts::Tags),
            Edit::SetParam(set) => tags::set(name, set, Texts::Params),
            Edit::UnsetParam(unset) => tags::unset(name, unset, Texts::Params),
            Edit::RenameParam(rename) => tags::rename(name, rename, Texts::Params),
            Edit::DropParam(erase) => tags::erase(name, erase, Erasure::Drop, Texts::Params),
            Edit::MaskParam(erase) => tags::erase(name, erase, Erasure::Mask, Texts::Params),
            Edit::SetDescription(set) => descriptions::set(name, set),
            Edit::UnsetDescription(of) => descriptions::change(name, of, Change::Unset),
            Edit::DropDescription(of) => descriptions::change(name, of, Change::Drop),
            Edit::MaskDescription(of) => descriptions::change(name, of, Change::Mask),
            Edit::DropArtifact(drop) => redact::drop_artifacts(name, drop),
            Edit::ErasePlaces(erase) => Ok(redact::erase_places(name, erase)),
            Edit::DropTraceInputs(_) => Ok(redact::erase_traces(TracePart::INPUTS, Erasure::Drop)),
            Edit::MaskTraceInputs(_) => Ok(redact::erase_traces(TracePart::INPUTS, Erasure::Mask)),
            Edit::DropTraceOutputs(_) => Ok(redact::erase_traces(TracePart::OUTPUTS, Erasure::Drop)),
            Edit::MaskTraceOutputs(_) => Ok(redact::erase_traces(TracePart::OUTPUTS, Erasure::Mask)),
        }
    }
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// It is no JSON, or an edit or a field is not known; the error says where.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let failed = |place: &str| {
            let place = place.to_owned();
            move |source| TransformError::Recipe { place, source }
        };
        let document = strict_json::parse(text).map_err(failed("the recipe"))?;
        if !document.is_object() {
            let reason = "it should be an object with one field, `edits`, which is a list";
            return Err(failed("the recipe")(serde::de::Error::custom(reason)));
        }
        let list = Edits::deserialize(&document).map_err(failed("the recipe"))?;
        let numbered = list.edits.iter().zip(1..);
        let edits = numbered.map(|(edit, number)| {
            Edit::deserialize(edit).map_err(failed(&format!("edit {number} of the recipe")))
        });
        Ok(Recipe {
            edits: edits.collect::<Result<_>>()?,
        })
    }

    /// Its text: JSON for people.
    pub fn to_text(&self) -> String {
        let value = crate::format::line::to_value(self);
        format!("{value:#}\n")
    }

    /// Whether what was there before must not survive.
    pub fn removes(&self) -> bool {
        self.edits.iter().any(Edit::removes)
    }

    /// Its name and parameters in an archive's history. Names and values of objects are never told: an edit may be there to remove them.
    pub(super) fn told(&self) -> (String, BTreeMap<String, Value>) {
        if let [only] = self.edits.as_slice() {
            return (only.name().to_owned(), only.told());
        }
        let edits = self.edits.iter().map(|edit| {
            let mut told = edit.told();
            told.insert("edit".to_owned(), edit.name().into());
            told.into_iter().collect::<Value>()
        });
        (RECIPE.to_owned(), [("edits".to_owned(), edits.collect())].into())
    }
}

/// The frame of a recipe, so that a fault in an edit is told with its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    edits: Vec<Value>,
}

/// The JSON Schema of recipes.
pub fn schema() -> Value {
    let mut schema = Value::from(schema_for!(Recipe));
    schema["title"] = "a recipe of edits".into();
    schema
}
