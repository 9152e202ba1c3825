//! Typed views of parsed lines, for reading.

use super::error::Result;
use crate::archive::Archive;
use crate::model::{Run, Text, TextMap};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A typed view of a line.
pub(super) fn typed<T: DeserializeOwned>(archive: &Archive, value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| archive.damaged("objects", &error.to_string()).into())
}

/// A typed view of a run's line without its params, which its reader does not need and which can be many.
pub(super) fn typed_run(archive: &Archive, value: &mut Value) -> Result<Run> {
    let params = value.as_object_mut().and_then(|line| line.remove("params"));
    let run = typed(archive, value)?;
    if let Some(params) = params {
        match &params {
            Value::Object(texts) => texts
                .values()
                .try_for_each(|text| typed::<Text>(archive, text).map(drop))?,
            other => typed::<TextMap>(archive, other).map(drop)?,
        }
        value["params"] = params;
    }
    Ok(run)
}
