//! Whose a part is, and whether it is still what the server would answer.

use crate::format::line::{canonical, to_value};
use crate::model::{LoggedModel, Run, Trace};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Digest of what a listing says of an object: while it stays, parts of the object are taken for unchanged.
pub(crate) type Freshness = [u8; 16];

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    /// What the listing said.
    pub(crate) freshness: Freshness,
}

impl Key {
    /// The key of an object whose line says all that is to be compared.
    pub(crate) fn new(kind: &'static str, id: impl Into<String>, line: &impl Serialize) -> Self {
        Self::of(kind, id, &to_value(line))
    }

    fn of(kind: &'static str, id: impl Into<String>, line: &Value) -> Self {
        let digest: [u8; 32] = Sha256::digest(canonical(line)).into();
        Key {
            kind,
            id: id.into(),
            freshness: std::array::from_fn(|index| digest[index]),
        }
    }

    pub(crate) fn object(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// The key of a run: all that every server's search says of it, thus not the models it read and made.
    pub(crate) fn of_run(run: &Run) -> Self {
        let mut value = to_value(run);
        if let Some(inputs) = value.get_mut("inputs").and_then(Value::as_object_mut) {
            inputs.remove("model_inputs");
        }
        // No inputs are no field.
        if value["inputs"].as_object().is_some_and(serde_json::Map::is_empty)
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("inputs");
        }
        if let Some(fields) = value.as_object_mut() {
            fields.remove("outputs");
        }
        Self::of("run", &run.info.run_id, &value)
    }

    /// The key of a logged model.
    pub(crate) fn of_model(model: &LoggedModel) -> Self {
        Key::new("logged-model", &model.model_id, model)
    }

    /// The key of a trace, without the links that other searches tell.
    pub(crate) fn of_trace(trace: &Trace) -> Self {
        let mut value = to_value(trace);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("linked_runs");
            fields.remove("linked_prompts");
        }
        Self::of("trace", &trace.trace_id, &value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelInput, ModelOutput, Text};

    #[test]
    fn a_run_is_as_fresh_as_its_search_line() {
        let run = Run::default();
        let mut with_model = run.clone();
        with_model.inputs.model_inputs = vec![ModelInput {
            model_id: "m-1".into(),
        }];
        with_model.outputs.model_outputs = vec![ModelOutput {
            model_id: "m-2".into(),
            step: 0,
        }];
        let mut with_tag = run.clone();
        with_tag.tags.insert("a".into(), Text::from("b"));
        assert_eq!(Key::of_run(&run), Key::of_run(&with_model));
        assert_ne!(Key::of_run(&run), Key::of_run(&with_tag));
    }
}
