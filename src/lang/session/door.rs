//! What an export remembers at the archive's door, so that `verify` accepts what it writes: what was refused, what objects
//! need, and the last artifact.

use super::Export;
use crate::archive::Owner;
use crate::format::typed::{Fault, Needed, is_artifact_path};
use crate::format::{Kind, Typed};
use crate::lang::session::ExportError;
use crate::model::OwnerKind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Ids by their places, per kind.
type Ids = BTreeMap<Kind, BTreeMap<Vec<u8>, String>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Objects that were not written, and so own nothing.
    refused: HashSet<(Kind, String)>,
    defined: BTreeMap<Kind, BTreeSet<Vec<u8>>>,
    needed: Ids,
    /// What was needed last; most objects need the same as the one before.
    last_needed: Option<Needed>,
    last_artifact: Option<(OwnerKind, String, String)>,
}

impl Door {
    /// Notes that an object was not written.
    pub(super) fn refuse(&mut self, kind: Kind, id: &str) {
        self.refused.insert((kind, id.to_owned()));
    }

    /// Whether an object was not written.
    pub(super) fn has_refused(&self, kind: Kind, id: &str) -> bool {
        // Nearly always nothing was.
        !self.refused.is_empty() && self.refused.contains(&(kind, id.to_owned()))
    }

    /// Notes what an object is and needs.
    pub(super) fn note<T: Typed>(&mut self, object: &T) {
        if let Some(Needed { kind, key, .. }) = object.defined() {
            self.defined
                .entry(kind)
                .or_default()
                .insert(key.as_bytes().to_vec());
        }
        for Needed { kind, key, id } in object.needed_datasets() {
            let ids = self.needed.entry(kind).or_default();
            ids.insert(key.as_bytes().to_vec(), id);
        }
        let needed = object.needed();
        if needed != self.last_needed
            && let Some(Needed { kind, key, id }) = &needed
        {
            let ids = self.needed.entry(*kind).or_default();
            ids.insert(key.as_bytes().to_vec(), id.clone());
        }
        self.last_needed = needed;
    }

    /// Ids of what is needed and not there.
    pub(super) fn missing(&mut self) -> BTreeMap<Kind, Vec<String>> {
        let defined = &self.defined;
        let missing = std::mem::take(&mut self.needed).into_iter().map(|(kind, ids)| {
            let is_there = |key: &Vec<u8>| defined.get(&kind).is_some_and(|keys| keys.contains(key));
            let ids = ids.into_iter().filter(|(key, _)| !is_there(key));
            (kind, ids.map(|(_, id)| id).collect::<Vec<_>>())
        });
        missing.filter(|(_, ids)| !ids.is_empty()).collect()
    }

    /// Checks the path of an owner's next artifact; what is wrong with it, or nothing where its owner was refused already.
    pub(super) fn artifact(
        &mut self,
        owner: &Owner,
        path: &str,
    ) -> Result<(), (&'static str, Option<&'static str>)> {
        if self.has_refused(kind_of_owner(owner.kind), &owner.id) {
            return Err(("", None));
        }
        if !is_artifact_path(path) {
            return Err(("wrong-path", Some("it is not a path below the owner's artifacts")));
        }
        if let Some((kind, id, last)) = &mut self.last_artifact
            && *kind == owner.kind
            && *id == owner.id
        {
            return match (*last).as_str().cmp(path) {
                std::cmp::Ordering::Less => {
                    path.clone_into(last);
                    Ok(())
                }
                std::cmp::Ordering::Equal => Err(("duplicate", Some("its path is listed twice"))),
                std::cmp::Ordering::Greater => Err(("unwritable", Some("it comes out of order"))),
            };
        }
        self.last_artifact = Some((owner.kind, owner.id.clone(), path.to_owned()));
        Ok(())
    }
}

impl Export<'_> {
    /// An object without the fields that it has under a name and of a type that no reader would accept; each is a failure.
    pub(super) fn mended<T: Typed>(&mut self, kind: Kind, id: &str, object: &T) -> Result<T, ExportError> {
        let (mut object, mut taken) = (object.clone(), Vec::new());
        object.take_misplaced("", &mut taken);
        for (field, value) in taken {
            let detail = format!(
                "field `{field}` holds {}, which MLflow would not write",
                kind_of(&value)
            );
            self.failure(kind.name(), id, &field, "wrong-type", &detail)?;
        }
        Ok(object)
    }

    /// Whether an object passes the check that `verify` makes; one that does not is a failure.
    pub(super) fn admits<T: Typed>(
        &mut self,
        kind: Kind,
        id: impl FnOnce() -> String,
        object: &T,
    ) -> Result<bool, ExportError> {
        let Some(Fault { field, reason, .. }) = object.fault() else {
            return Ok(true);
        };
        let id = id();
        self.door.refuse(kind, &id);
        self.failure(
            kind.name(),
            &id,
            "*",
            "wrong-id",
            &format!("its `{field}` {reason}"),
        )?;
        Ok(false)
    }

    /// Whether a list of artifacts can hold this path next; one that it cannot is a failure.
    pub(super) fn admits_artifact(&mut self, owner: &Owner, path: &str) -> Result<bool, ExportError> {
        let Err((reason, why)) = self.door.artifact(owner, path) else {
            return Ok(true);
        };
        if let Some(why) = why {
            let id = format!("{}/{path}", owner.id);
            self.failure(Kind::Artifacts.name(), &id, "*", reason, why)?;
        }
        Ok(false)
    }

    /// Reports what objects need and no source gave, where neither a choice nor a failure accounts for it.
    pub(super) fn report_missing(&mut self) -> Result<(), ExportError> {
        for (kind, ids) in self.door.missing() {
            let left_out = self.left_out.iter().filter(|((of, _), _)| of == kind.name());
            let accounted = left_out.map(|(_, count)| count).sum::<u64>() + self.writer.lost(kind);
            if self.is_survey() || ids.len() as u64 <= accounted {
                continue;
            }
            for id in ids {
                let detail = format!("something belongs to {kind} `{id}`, which the source does not have");
                self.failure(kind.name(), &id, "*", "listed-but-missing", &detail)?;
            }
        }
        Ok(())
    }
}

fn kind_of_owner(kind: OwnerKind) -> Kind {
    match kind {
        OwnerKind::Run => Kind::Runs,
        OwnerKind::LoggedModel => Kind::LoggedModels,
        OwnerKind::ModelVersion => Kind::ModelVersions,
        OwnerKind::Trace => Kind::Traces,
    }
}

/// What a person calls a JSON value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
