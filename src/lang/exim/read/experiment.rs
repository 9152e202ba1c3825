//! Experiments of an export.

use super::fields::{Fields, WrongType};
use crate::lang::exim::tags::canonical::experiment_dict;
use crate::lang::exim::tags::rules::experiment_overlay;
use crate::model::Experiment;
use crate::model::field::FieldTable as _;
use crate::model::pyjson::PyJson;

/// The line of an exported experiment.
pub(super) fn experiment(exported: &PyJson) -> (Experiment, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let mut experiment = Experiment::pick(&mut fields);
    // Computed by the server from its own settings.
    fields.ignore(&["effective_trace_archival_retention"]);
    let wrong = fields.finish(&mut experiment.extra);
    let as_exported = experiment_overlay(exported);
    if !as_exported.has_tags_of(&experiment_overlay(&experiment_dict(&experiment))) {
        experiment.exim = Some(exported.to_json_text());
    }
    (experiment, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(text: &str) -> Experiment {
        let (experiment, wrong) = experiment(&PyJson::parse(text.as_bytes()).expect("it parses"));
        assert_eq!(wrong, []);
        experiment
    }

    const NEW: &str = r#"{"experiment_id": "1", "name": "n", "artifact_location": "s3://b/1", "lifecycle_stage": "active",
        "tags": {"a": "1"}, "creation_time": 1500, "last_update_time": 1500, "workspace": "default", "trace_location": null,
        "effective_trace_archival_retention": null, "_creation_time": "1970-01-01 00:00:02",
        "_last_update_time": "1970-01-01 00:00:02"}"#;

    #[test]
    fn an_export_of_mlflow_3_18_needs_no_dict() {
        let experiment = converted(NEW);
        assert_eq!(experiment.exim, None);
        assert_eq!(experiment.creation_time, Some(1500));
    }

    #[test]
    fn an_older_export_keeps_its_dict() {
        let old = NEW.replace(r#""workspace": "default", "#, "");
        let experiment = converted(&old);
        let exported = PyJson::parse(old.as_bytes()).expect("it parses");
        assert_eq!(experiment.exim, Some(exported.to_json_text()));
        assert_eq!(experiment.workspace, None);
    }

    #[test]
    fn tags_as_a_list_are_tags() {
        let list = NEW.replace(r#"{"a": "1"}"#, r#"[{"key": "a", "value": "1"}]"#);
        assert_eq!(converted(&list).tags, converted(NEW).tags);
    }
}
