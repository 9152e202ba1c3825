//! Artifact and source URIs that lead to another place: one prefix becomes another, at the end of a part of the path.

use super::error::{Result, TransformError};
use super::recipe::Edit;
use super::step::{EditedLine, Fate, Step};
use crate::format::Kind;
use crate::model::printable::printable;
use crate::report::locations::{FIELDS, URI_TAGS, strings_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

const EDIT: &str = "relocate";

/// Places that become others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relocate {
    /// Each place, and its new location; if several fit a URI, the longest counts.
    pub places: Vec<RelocatePair>,
}

/// A place, and its new location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelocatePair {
    /// Start of a URI or path: all of it, or up to a `/`.
    pub old: String,
    /// The new value.
    pub new: String,
}

impl RelocatePair {
    /// Reads `OLD=NEW`; the first `=` parts them.
    pub fn parse(text: &str) -> Option<Self> {
        let (old, new) = text.split_once('=')?;
        (!old.is_empty() && !new.is_empty()).then(|| RelocatePair {
            old: old.to_owned(),
            new: new.to_owned(),
        })
    }
}

struct Relocation {
    /// The longest first.
    pairs: Vec<RelocatePair>,
    found: Vec<AtomicBool>,
    kinds: Vec<Kind>,
    seen: Mutex<Seen>,
}

/// URIs that lie where others come to, and those that come, by a hash.
#[derive(Default)]
struct Seen {
    lying: HashSet<u64>,
    coming: HashSet<u64>,
    /// One that is both.
    clash: Option<String>,
}

impl Seen {
    fn see(&mut self, uri: &str, is_coming: bool) {
        let mut hasher = DefaultHasher::new();
        uri.hash(&mut hasher);
        let hash = hasher.finish();
        let (own, other) = match is_coming {
            true => (&mut self.coming, &self.lying),
            false => (&mut self.lying, &self.coming),
        };
        own.insert(hash);
        // The first by its bytes, whatever thread meets it.
        if other.contains(&hash) && self.clash.as_deref().is_none_or(|first| uri < first) {
            self.clash = Some(uri.to_owned());
        }
    }
}

/// Refuses edits, of which each may be well, that together lead two places to one.
pub(super) fn refuse_shared(edits: &[Edit]) -> Result<()> {
    let places = edits.iter().filter_map(|edit| match edit {
        Edit::Relocate(relocate) => Some(&relocate.places),
        _ => None,
    });
    let mut led: BTreeMap<&str, &str> = BTreeMap::new();
    for pair in places.flatten() {
        let [old, new] = [&pair.old, &pair.new].map(|text| text.strip_suffix('/').unwrap_or(text));
        if let Some(other) = led.insert(new, old).filter(|other| *other != old) {
            let [a, b, new] = [other, old, new].map(printable);
            return Err(TransformError::because(
                EDIT,
                format!("`{a}` and `{b}` would both become `{new}`"),
            ));
        }
    }
    Ok(())
}

/// Works out which places become which.
pub(super) fn relocate(relocate: &Relocate) -> Result<Box<dyn Step>> {
    let refused = |reason: String| Err(TransformError::because(EDIT, reason));
    let trimmed = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
    let mut pairs: Vec<_> = relocate
        .places
        .iter()
        .map(|pair| RelocatePair {
            old: trimmed(&pair.old),
            new: trimmed(&pair.new),
        })
        .collect();
    let mut places = relocate.places.iter().flat_map(|pair| [&pair.old, &pair.new]);
    if let Some(none) = places.find(|place| trimmed(place).is_empty()) {
        return refused(format!(
            "`{none}` is not a place: give a URI, or a path with a name in it"
        ));
    }
    pairs.sort_by(|a, b| b.old.len().cmp(&a.old.len()).then_with(|| a.old.cmp(&b.old)));
    for (at, pair) in pairs.iter().enumerate() {
        for other in &pairs[at + 1..] {
            if other.old == pair.old || other.new == pair.new {
                let [a, b] = [&pair.old, &other.old].map(|old| printable(old));
                return refused(format!("`{a}` and `{b}` map to the same place, or are the same"));
            }
        }
    }
    Ok(Box::new(Relocation {
        found: pairs.iter().map(|_| AtomicBool::new(false)).collect(),
        pairs,
        kinds: FIELDS.iter().map(|(kind, ..)| *kind).collect(),
        seen: Mutex::default(),
    }))
}

/// What follows a place in a URI that lies there.
fn below<'u>(uri: &'u str, place: &str) -> Option<&'u str> {
    let rest = uri.strip_prefix(place)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

impl Relocation {
    fn new_uri(&self, uri: &str) -> Option<String> {
        let see = |uri: &str, is_coming| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.see(uri, is_coming);
        };
        for (pair, found) in self.pairs.iter().zip(&self.found) {
            if let Some(rest) = below(uri, &pair.old) {
                found.store(true, Ordering::Relaxed);
                let new = format!("{}{rest}", pair.new);
                see(&new, true);
                return Some(new);
            }
        }
        if self.pairs.iter().any(|pair| below(uri, &pair.new).is_some()) {
            see(uri, false);
        }
        None
    }

    fn uri(&self, object: &mut Map<String, Value>, key: &str) -> bool {
        let new = object
            .get(key)
            .and_then(Value::as_str)
            .and_then(|uri| self.new_uri(uri));
        let is_new = new.is_some();
        if let Some(new) = new {
            object.insert(key.to_owned(), new.into());
        }
        is_new
    }

    /// Rewrites strings within a text of JSON where they begin at a place, and leaves all else of the text as it is.
    fn text(&self, object: &mut Map<String, Value>, key: &str) -> bool {
        let Some(text) = object.get(key).and_then(Value::as_str) else {
            return false;
        };
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return false;
        };
        let mut new = text.to_owned();
        for uri in strings_of(&value) {
            if let Some(moved) = self.new_uri(&uri) {
                let [old, moved] = [uri, moved].map(|uri| Value::from(uri).to_string());
                new = new.replace(&old, &moved);
            }
        }
        let is_new = new != text;
        if is_new {
            object.insert(key.to_owned(), new.into());
        }
        is_new
    }
}

impl Step for Relocation {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let kind = line.kind();
        let Some((_, uris, texts)) = FIELDS.iter().find(|(one, ..)| *one == kind) else {
            return Ok(Fate::Kept);
        };
        for key in URI_TAGS {
            let old = line.tags().and_then(|tags| tags.get(key)).and_then(Value::as_str);
            if let Some(new) = old.and_then(|uri| self.new_uri(uri)) {
                line.set_tag(key, new.into());
            }
        }
        line.rewrite_fields(|object| {
            let is_changed = uris
                .iter()
                .fold(false, |is_changed, field| self.uri(object, field) | is_changed);
            texts.iter().fold(is_changed, |is_changed, field| {
                self.text(object, field) | is_changed
            })
        });
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uri) = &seen.clash {
            return Err(TransformError::because(
                EDIT,
                format!(
                    "`{}` is already in use, and two places cannot become one",
                    printable(uri)
                ),
            ));
        }
        let unfound = self
            .pairs
            .iter()
            .zip(&self.found)
            .filter(|(_, found)| !found.load(Ordering::Relaxed));
        Ok(unfound
            .map(|(pair, _)| format!("--relocate `{}`", pair.old))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(pairs: &[(&str, &str)], uri: &str) -> Option<String> {
        let pair = |&(old, new): &(&str, &str)| RelocatePair {
            old: old.into(),
            new: new.into(),
        };
        let relocation = Relocation {
            pairs: pairs.iter().map(pair).collect(),
            found: pairs.iter().map(|_| AtomicBool::new(false)).collect(),
            kinds: Vec::new(),
            seen: Mutex::default(),
        };
        relocation.new_uri(uri)
    }

    #[test]
    fn a_place_ends_where_a_part_of_a_path_ends() {
        let pairs = [("s3://old/a", "gs://new")];
        assert_eq!(moved(&pairs, "s3://old/a/1/x").as_deref(), Some("gs://new/1/x"));
        assert_eq!(moved(&pairs, "s3://old/a").as_deref(), Some("gs://new"));
        assert_eq!(moved(&pairs, "s3://old/ab"), None);
    }

    #[test]
    fn two_places_do_not_become_one() {
        let places = |texts: &[&str]| Relocate {
            places: texts
                .iter()
                .filter_map(|text| RelocatePair::parse(text))
                .collect(),
        };
        for texts in [
            ["s3://a=s3://c", "s3://b=s3://c/"],
            ["s3://a=s3://b", "s3://a/=s3://c"],
        ] {
            assert!(
                matches!(relocate(&places(&texts)), Err(TransformError::Edit { .. })),
                "{texts:?}"
            );
        }
        assert!(relocate(&places(&["s3://a=s3://b", "s3://b=s3://a"])).is_ok());
    }
}
