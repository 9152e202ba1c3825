//! Single places whose texts go for good: what `mlark scan --print-recipe` prints of the secrets that it found.

use super::artifacts::leave_out;
use crate::archive::walk::TextPlace;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::tags::MASK;
use crate::format::Kind;
use crate::model::{Digest, OwnerKind};
use crate::report::scan::ScanReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// What a name begins with that is not written out, before the SHA-256 of its text.
const BY_DIGEST: &str = "sha256:";

/// Places whose texts are erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasePlaces {
    /// The places. An id, a part of a key or a path may be written as `sha256:` and the SHA-256 of its text, where it must not be repeated.
    pub places: Vec<ErasedPlace>,
}

/// One place of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasedPlace {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// What becomes of the place.
    pub erase: Erased,
    /// The key of the field, in its parts; of an artifact, its path as the only part.
    pub key: Vec<String>,
}

/// What becomes of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Erased {
    /// `***` takes the place of the value.
    Mask,
    /// The key goes, with its value.
    Drop,
    /// The bytes of the artifact go; it stays listed.
    Artifact,
}

impl ErasePlaces {
    /// The places of secrets that were found; and how many secrets are where no recipe erases them: in ids, names and paths that others refer to,
    /// and outside of objects.
    pub fn of(report: &ScanReport) -> (Self, u64) {
        let (mut places, mut others) = (BTreeSet::new(), report.secrets - report.found.len() as u64);
        for found in &report.found {
            match place_of(found.at(), found.is_key()) {
                Some(place) => drop(places.insert(place)),
                None => others += 1,
            }
        }
        let places = places.into_iter().collect();
        (ErasePlaces { places }, others)
    }
}

/// The place that is erased where a secret was found.
fn place_of(at: &TextPlace, is_key: bool) -> Option<ErasedPlace> {
    let (erase, key) = match (&at.artifact, at.key.as_slice()) {
        // Only the bytes go: a path that holds a secret stays listed.
        (Some(_), _) if at.artifact_line.is_none() => return None,
        (Some(path), _) => (Erased::Artifact, std::slice::from_ref(path)),
        (None, key) if key.is_empty() || is_name(at.kind?, key) => return None,
        // Whoever reads it expects a document.
        (None, [exim]) if exim == "exim" => (Erased::Drop, at.key.as_slice()),
        (None, key) if is_key => (Erased::Drop, key),
        (None, key) => (Erased::Mask, key),
    };
    Some(ErasedPlace {
        kind: at.kind?,
        id: written(at.id.as_deref()?),
        erase,
        key: key.iter().map(|part| written(part)).collect(),
    })
}

/// Whether a field is an id or name, which other lines may refer to or order is made of.
fn is_name(kind: Kind, key: &[String]) -> bool {
    let parts: Vec<_> = key.iter().map(String::as_str).collect();
    match (kind, parts.as_slice()) {
        (Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts, _) => true,
        (Kind::Runs, ["info", name] | ["inputs" | "outputs", .., name]) => {
            matches!(*name, "run_id" | "experiment_id" | "name" | "digest" | "model_id")
        }
        (Kind::LoggedModels | Kind::Spans, ["name"]) => false,
        (_, [name]) => {
            matches!(*name, "name" | "digest" | "workspace" | "version")
                || name.ends_with("_id") && *name != "user_id"
        }
        _ => false,
    }
}

/// A name as a recipe writes it: by its digest where it holds a secret, or could be taken for one that does.
fn written(name: &str) -> String {
    if name.starts_with(BY_DIGEST) || crate::report::scan::has_secret(name) {
        by_digest(name)
    } else {
        name.to_owned()
    }
}

fn by_digest(name: &str) -> String {
    format!("{BY_DIGEST}{}", Digest(Sha256::digest(name).into()))
}

/// Whether a recipe means a name.
fn is_meant(wanted: &str, name: &str) -> bool {
    wanted == name || wanted.starts_with(BY_DIGEST) && wanted == by_digest(name)
}

struct Erase {
    edit: &'static str,
    kinds: Vec<Kind>,
    /// By kind and id.
    places: BTreeMap<(Kind, String), Vec<ErasedPlace>>,
    has_digests: bool,
    /// Objects that were not there so far.
    missing: Mutex<BTreeSet<(Kind, String)>>,
}

/// Erases the texts of places.
pub(in super::super) fn erase_places(edit: &'static str, erase: &ErasePlaces) -> Box<dyn Step> {
    let (mut places, mut kinds) = (BTreeMap::<_, Vec<_>>::new(), BTreeSet::new());
    for place in &erase.places {
        let is_artifact = place.erase == Erased::Artifact;
        kinds.insert(if is_artifact { Kind::Artifacts } else { place.kind });
        let list = places.entry((place.kind, place.id.clone())).or_default();
        list.push(place.clone());
    }
    let has_digests = erase.places.iter().any(|place| place.id.starts_with(BY_DIGEST));
    Box::new(Erase {
        edit,
        kinds: kinds.into_iter().collect(),
        missing: Mutex::new(places.keys().cloned().collect()),
        places,
        has_digests,
    })
}

impl Erase {
    /// What is to be erased of an object.
    fn of(&self, kind: Kind, id: String) -> Vec<&ErasedPlace> {
        let digest = self.has_digests.then(|| by_digest(&id));
        let mut all = Vec::new();
        for id in [Some(id), digest].into_iter().flatten() {
            let key = (kind, id);
            if let Some(list) = self.places.get(&key) {
                all.extend(list);
                self.missing
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&key);
            }
        }
        all
    }

    fn artifacts(&self, line: &mut EditedLine) {
        let owner: Option<OwnerKind> = serde_json::from_value(line.value()["owner_kind"].clone()).ok();
        let Some(kind) = owner.map(Kind::from) else {
            return;
        };
        let wanted = self.of(kind, line.text("owner_id").to_owned());
        let is_wanted = |path: &str| {
            let mut meant = wanted.iter().filter(|place| place.erase == Erased::Artifact);
            meant.any(|place| place.key.iter().all(|wanted| is_meant(wanted, path)))
        };
        line.rewrite(|line| leave_out(line, is_wanted));
    }
}

impl Step for Erase {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if line.kind() == Kind::Artifacts {
            self.artifacts(line);
            return Ok(Fate::Kept);
        }
        for place in self.of(line.kind(), line.id()) {
            line.rewrite(|line| match place.erase {
                Erased::Mask => mask(line, &place.key),
                Erased::Drop => remove(line, &place.key),
                Erased::Artifact => false,
            });
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        match missing.first() {
            None => Ok(Vec::new()),
            Some((kind, id)) => Err(TransformError::because(
                self.edit,
                format!(
                    "no {kind} `{}` in the archive",
                    crate::model::printable::printable(id)
                ),
            )),
        }
    }
}

/// What stands at a key, given in its parts.
fn at<'v>(value: &'v mut Value, key: &[String]) -> Option<&'v mut Value> {
    key.iter().try_fold(value, |value, part| match value {
        Value::Array(items) => {
            let number: usize = part.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
            items.get_mut(number)
        }
        Value::Object(map) => {
            let name = map.keys().find(|name| is_meant(part, name))?.clone();
            map.get_mut(&name)
        }
        _ => None,
    })
}

fn mask(line: &mut Value, key: &[String]) -> bool {
    let Some(value) = at(line, key).filter(|value| **value != MASK) else {
        return false;
    };
    *value = MASK.into();
    true
}

fn remove(line: &mut Value, key: &[String]) -> bool {
    let Some((last, above)) = key.split_last() else {
        return false;
    };
    let Some(map) = at(line, above).and_then(Value::as_object_mut) else {
        return false;
    };
    let names: Vec<_> = map.keys().filter(|name| is_meant(last, name)).cloned().collect();
    names
        .iter()
        .fold(false, |is_changed, name| map.remove(name).is_some() | is_changed)
}
