//! What a newer minor version brought: fields and kinds that this build reads past.
//!
//! Most objects carry fields they do not know along. Lines of metrics and artifacts, and some groups within objects, have
//! no place for any; whatever is made from them has to say so. The schemas of the kinds tell which fields are known.

use super::line_values;
use crate::archive::{Archive, Result};
use crate::format::line::canonical;
use crate::format::{Kind, schema};
use crate::model::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Kinds whose lines have no place for unknown fields.
pub(crate) const PLAIN: &[Kind] = &[Kind::Metrics, Kind::ModelMetrics, Kind::Artifacts];

/// A field that this build does not know, in all lines of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewerField {
    /// Lines and groups that have it.
    pub(crate) count: u64,
    /// Digest of its values and of whose they are.
    pub(crate) sha256: Digest,
}

/// Which unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every one.
    All,
    /// Those that the types of this build drop.
    Dropped,
}

/// Fields of these kinds that this build does not know, by kind and name; none where no newer version wrote the archive.
///
/// # Errors
/// The archive cannot be read.
pub(crate) fn newer_fields(
    archive: &Archive,
    kinds: &[Kind],
    wanted: Wanted,
) -> Result<BTreeMap<(Kind, String), NewerField>> {
    let mut fields = BTreeMap::new();
    if !archive.manifest().is_newer() {
        return Ok(fields);
    }
    for &kind in kinds {
        let schema = schema::of_kind(kind);
        let mut found = Found {
            schema: &schema,
            wanted,
            place: Value::Null,
            fields: BTreeMap::new(),
        };
        for line in line_values(archive, kind)? {
            let line = line?;
            found.place = json!([line["owner_id"], line["run_id"], line["model_id"], line["key"]]);
            found.walk(&line, &schema, "");
        }
        fields.extend(found.fields.into_iter().map(|(name, (count, hasher))| {
            let sha256 = Digest(hasher.finalize().into());
            ((kind, name), NewerField { count, sha256 })
        }));
    }
    Ok(fields)
}

/// Lines of kinds that this build does not know, by the names of the kinds.
pub(crate) fn newer_kinds(archive: &Archive) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for file in archive
        .manifest()
        .files
        .iter()
        .filter(|file| file.path.is_newer())
    {
        let count: &mut u64 = kinds
            .entry(file.path.kind_name().unwrap_or_default().to_owned())
            .or_default();
        *count = count.saturating_add(file.count);
    }
    kinds
}

struct Found<'s> {
    schema: &'s Value,
    wanted: Wanted,
    /// Whose line it is.
    place: Value,
    fields: BTreeMap<String, (u64, Sha256)>,
}

impl<'s> Found<'s> {
    fn walk(&mut self, value: &Value, schema: &'s Value, name: &str) {
        let schema = self.resolved(schema);
        match (value, &schema["properties"], &schema["additionalProperties"]) {
            (Value::Object(map), Value::Object(known), rest) => {
                for (key, item) in map {
                    let name = match name {
                        "" => key.clone(),
                        name => format!("{name}.{key}"),
                    };
                    match known.get(key) {
                        Some(schema) => self.walk(item, schema, &name),
                        None if self.wanted == Wanted::Dropped && *rest == true => {}
                        None => self.note(name, item),
                    }
                }
            }
            (Value::Object(map), _, of_each @ Value::Object(_)) => {
                map.values().for_each(|item| self.walk(item, of_each, name));
            }
            (Value::Array(items), ..) => {
                items
                    .iter()
                    .for_each(|item| self.walk(item, &schema["items"], name));
            }
            _ => {}
        }
    }

    /// The schema itself; of several, the one that is not a text's.
    fn resolved(&self, mut schema: &'s Value) -> &'s Value {
        loop {
            let choices = schema["anyOf"].as_array().into_iter().flatten();
            let mut others =
                choices.filter(|choice| choice["$ref"] != "#/$defs/LongText" && choice["type"] != "string");
            let next = match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#")) {
                Some(pointer) => self.schema.pointer(pointer),
                None => others.next(),
            };
            match next {
                Some(next) => schema = next,
                None => return schema,
            }
        }
    }

    fn note(&mut self, name: String, value: &Value) {
        let (count, hasher) = self.fields.entry(name).or_default();
        *count += 1;
        hasher.update(canonical(&json!([self.place, value])));
        hasher.update(b"\n");
    }
}
