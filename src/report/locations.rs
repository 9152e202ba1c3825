//! Where artifacts and sources lie: the URIs of an archive's objects, and the places that these have in common.

use crate::archive::Archive;
use crate::archive::walk::line_values;
use crate::format::Kind;
use crate::report::error::ReportError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields with URIs of a kind of line: those that are one, and those in which some stand within a text of JSON. A run's are in its `info`.
pub(crate) const FIELDS: [(Kind, &[&str], &[&str]); 7] = [
    (Kind::Workspaces, &["default_artifact_root"], &[]),
    (Kind::Experiments, &["artifact_location"], &[]),
    (Kind::Runs, &["artifact_uri", "source_name"], &[]),
    (Kind::Datasets, &[], &["source"]),
    (Kind::LoggedModels, &["artifact_uri"], &[]),
    (Kind::ModelVersions, &["source", "storage_location"], &[]),
    (Kind::Traces, &[], &[]),
];
/// Tags that are a URI.
pub(crate) const URI_TAGS: [&str; 1] = ["mlflow.artifactLocation"];

/// The strings within a value.
pub(crate) fn strings_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings_of).collect(),
        Value::Object(map) => map.values().flat_map(strings_of).collect(),
        _ => Vec::new(),
    }
}

/// The places of a line, each with its field.
fn places_of(
    line: &Value,
    kind: Kind,
    uris: &[&'static str],
    texts: &[&'static str],
) -> Vec<(&'static str, String)> {
    let object = if kind == Kind::Runs { &line["info"] } else { line };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut found: Vec<_> = uris
        .iter()
        .filter_map(|field| Some((*field, text(&object[*field])?)))
        .collect();
    found.extend(
        URI_TAGS
            .iter()
            .filter_map(|key| Some((*key, text(&line["tags"][*key])?))),
    );
    for field in texts {
        let value = serde_json::from_str(object[*field].as_str().unwrap_or_default()).unwrap_or(Value::Null);
        found.extend(strings_of(&value).into_iter().map(|uri| (*field, uri)));
    }
    // What names an object is no place.
    found.retain(|(_, uri)| {
        let is_uri = uri.contains(":/") || uri.starts_with('/');
        is_uri && !uri.starts_with("runs:/") && !uri.starts_with("models:/")
    });
    found
        .into_iter()
        .map(|(field, uri)| (field, place_of(&uri).to_owned()))
        .collect()
}

/// What a URI has in common with those of other objects: all before the first part of its path that is an id.
fn place_of(uri: &str) -> &str {
    let uri = &uri[..uri.find(['?', '#']).unwrap_or(uri.len())];
    let start = uri.find("://").map_or(0, |at| at + 3);
    let mut at = start;
    for part in uri[start..].split('/') {
        if is_id(part) && at > start {
            return &uri[..at - 1];
        }
        at += part.len() + 1;
    }
    uri
}

fn is_id(part: &str) -> bool {
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let without_prefix = part
        .strip_prefix("m-")
        .or_else(|| part.strip_prefix("tr-"))
        .unwrap_or(part);
    is_hex(without_prefix) || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Hands a row per kind, field and place to `sink`: these, and how many URIs lie there.
pub(super) fn list<E: From<ReportError>>(
    archive: &Archive,
    sink: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    for (kind, uris, texts) in FIELDS {
        let mut places: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for line in line_values(archive, kind).map_err(ReportError::from)? {
            let line = line.map_err(ReportError::from)?;
            for place in places_of(&line, kind, uris, texts) {
                *places.entry(place).or_insert(0) += 1;
            }
        }
        for ((field, place), count) in places {
            sink(vec![json!(kind), json!(field), json!(place), json!(count)])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_ends_before_the_first_id() {
        let run = "0123456789abcdef0123456789abcdef";
        for (uri, place) in [
            (
                format!("s3://bucket/mlruns/12/{run}/artifacts"),
                "s3://bucket/mlruns",
            ),
            (
                format!("mlflow-artifacts:/12/{run}/artifacts"),
                "mlflow-artifacts:",
            ),
            (format!("/data/mlruns/12/models/m-{run}"), "/data/mlruns"),
            ("s3://123/x?versionId=1".to_owned(), "s3://123/x"),
            ("file:///C:/mlruns/0".to_owned(), "file:///C:/mlruns"),
        ] {
            assert_eq!(place_of(&uri), place);
        }
    }
}
