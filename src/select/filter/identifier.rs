//! What is compared, by its name: `metrics.auc`.

use super::clause::{Attribute, DatasetField, Subject};
use super::error::cut;
use super::quoted::unquoted;

/// What a key such as ``metrics."my loss"`` names, or why it names nothing.
pub(super) fn identifier(
    text: &str,
    attribute: impl Fn(&str) -> Option<Attribute>,
) -> std::result::Result<Subject, String> {
    let (entity, _) = text.split_once('.').unwrap_or(("attribute", text));
    let entity = unquoted(entity, '`').unwrap_or(entity);
    let key = key_of(text);
    match entity {
        "metric" | "metrics" => Ok(Subject::Metric(key.to_owned())),
        "param" | "params" | "parameter" | "parameters" => Ok(Subject::Param(key.to_owned())),
        "tag" | "tags" => Ok(Subject::Tag(key.to_owned())),
        "attr" | "attribute" | "attributes" | "run" => {
            attribute(key).map(Subject::Attribute).ok_or_else(|| {
                let keys =
                    "'artifact_uri', 'end_time', 'run_id', 'run_name', 'start_time', 'status', 'user_id'";
                format!(
                    "Invalid attribute key '{}' specified. Valid keys are {keys}",
                    cut(key)
                )
            })
        }
        "dataset" | "datasets" => DatasetField::of(key).map(Subject::Dataset).ok_or_else(|| {
            let keys = "'name', 'digest', 'context'";
            format!(
                "Invalid dataset key '{}' specified. Valid keys are {keys}",
                cut(key)
            )
        }),
        _ => Err(format!(
            "Invalid entity type '{}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
            cut(entity)
        )),
    }
}

/// The key without its entity and its quotes.
pub(super) fn key_of(text: &str) -> &str {
    let key = text.split_once('.').map_or(text, |(_, key)| key);
    let key = unquoted(key, '\'').or_else(|| unquoted(key, '"')).unwrap_or(key);
    unquoted(key, '`').unwrap_or(key)
}
