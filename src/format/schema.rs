//! JSON Schemas of the archive's documents, made from the types that read and write them.
//!
//! `schema/*.schema.json` are these texts; a test keeps them equal.

use super::{Kind, Loss, Manifest, OriginLine, UndoLine, each_object};
use crate::model::text::blob_schema;
use crate::model::{ArtifactList, MetricSlice, ModelMetricSlice, Span};
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

/// The JSON Schema dialect.
pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Name of the definition of a text that stands as a blob.
const BLOB: &str = "LongText";

/// Every schema by the name of its file: the manifest, a line of each kind, of losses and of undo records.
pub fn all() -> Vec<(String, Value)> {
    let kinds = Kind::ALL
        .iter()
        .map(|&kind| (format!("{kind}.schema.json"), of_kind(kind)));
    let others = [
        ("mlark.schema.json", schema::<Manifest>("mlark.json", false)),
        ("losses.schema.json", schema::<Loss>("losses.jsonl", false)),
        (
            "origins.schema.json",
            schema::<OriginLine>("origins.jsonl", false),
        ),
        ("undo.schema.json", schema::<UndoLine>("undo/*.jsonl", false)),
    ];
    kinds
        .chain(others.map(|(name, schema)| (name.to_owned(), schema)))
        .collect()
}

macro_rules! objects {
    ($($kind:ident $type:ident $(.$inside:ident)? [$($id:tt)*] [$($key:tt)*];)*) => {
        /// The schema of a line of a kind.
        pub fn of_kind(kind: Kind) -> Value {
            let file = format!("objects/{kind}-*.jsonl");
            match kind {
                $(Kind::$kind => schema::<crate::model::$type>(&file, true),)*
                Kind::Metrics => schema::<MetricSlice>(&file, false),
                Kind::ModelMetrics => schema::<ModelMetricSlice>(&file, false),
                Kind::Spans => schema::<Span>(&file, true),
                Kind::Artifacts => schema::<ArtifactList>(&file, false),
            }
        }
    };
}

each_object!(objects);

/// The schema of a type; in lines of objects each text may stand as a blob.
fn schema<T: JsonSchema>(title: &str, has_blobs: bool) -> Value {
    let mut schema = Value::from(schema_for!(T));
    schema["title"] = title.into();
    tidy(&mut schema, has_blobs);
    if has_blobs {
        schema["$defs"][BLOB] = blob_schema();
        schema["$defs"][BLOB]["description"] = "A text over 1 MiB, in a blob".into();
    }
    schema
}

/// Says what the types do not: a field without a value is absent, not null; a long text is a blob.
fn tidy(schema: &mut Value, has_blobs: bool) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, has_blobs)),
        Value::Object(map) => {
            for name in ["properties", "$defs"] {
                if let Some(Value::Object(schemas)) = map.get_mut(name) {
                    schemas.values_mut().for_each(without_null);
                }
            }
            map.values_mut().for_each(|item| tidy(item, has_blobs));
            if has_blobs && is_plain_text(map) {
                map.remove("type");
                let blob = json!({"$ref": format!("#/$defs/{BLOB}")});
                map.insert("anyOf".to_owned(), json!([{"type": "string"}, blob]));
            }
        }
        _ => {}
    }
}

fn is_plain_text(map: &Map<String, Value>) -> bool {
    let is_text = map.get("type").is_some_and(|kind| kind == "string");
    is_text
        && map
            .keys()
            .all(|key| matches!(key.as_str(), "type" | "description"))
        && map.contains_key("description")
}

/// An optional field may be absent and never null.
fn without_null(schema: &mut Value) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
    }
    // A default is what a reader takes where the field is absent; the schema says nothing of it.
    if let Some(map) = schema.as_object_mut() {
        map.remove("default");
    }
}
