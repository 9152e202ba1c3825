//! Logged models, from `logged_model.json`.

use super::fields::{Fields, WrongType};
use super::points::{point, says_more, without};
use crate::model::pyjson::PyJson;
use crate::model::{LoggedModel, Point};
use std::collections::BTreeMap;

/// An exported logged model with its metrics.
pub(super) struct ExportedModel {
    pub(super) model: LoggedModel,
    pub(super) points: BTreeMap<String, Vec<Point>>,
    /// Points that are none.
    pub(super) bad_points: u64,
    /// Points with fields that are not known.
    pub(super) saying_more: u64,
    pub(super) wrong: Vec<WrongType>,
}

/// The line of an exported logged model, from the body of its file.
pub(super) fn logged_model(body: &PyJson) -> ExportedModel {
    let mut fields = Fields::new(body);
    let created = fields
        .int("creation_timestamp_ms")
        .or_else(|| fields.int("creation_time"));
    let mut model = LoggedModel {
        model_id: fields.required_text("model_id"),
        experiment_id: fields.required_text("experiment_id"),
        name: fields.text("name"),
        artifact_uri: fields.text("artifact_location"),
        creation_timestamp_ms: created.or_else(|| fields.int("creation_timestamp")),
        last_updated_timestamp_ms: fields.int("last_updated_timestamp"),
        status: status(&fields.text("status").unwrap_or_default()),
        status_message: fields.text("status_message"),
        // Servers do not export deleted ones.
        lifecycle_stage: "active".to_owned(),
        model_type: fields.text("model_type"),
        source_run_id: fields.text("source_run_id"),
        params: fields.text_map("params"),
        tags: fields.text_map("tags"),
        ..LoggedModel::default()
    };
    let exported = fields.list("metrics");
    let saying_more = exported.iter().filter(|metric| says_more(metric)).count() as u64;
    let (points, bad_points) = metrics(exported);
    // `models:/<id>`, and a copy of what the source run says.
    fields.ignore(&["model_uri", "dataset_inputs"]);
    let wrong = fields.finish(&mut model.extra);
    ExportedModel {
        model,
        points,
        bad_points,
        saying_more,
        wrong,
    }
}

/// The REST name of a status.
fn status(exported: &str) -> String {
    match exported {
        "FAILED" => "LOGGED_MODEL_UPLOAD_FAILED".to_owned(),
        "" | "UNSPECIFIED" => "LOGGED_MODEL_STATUS_UNSPECIFIED".to_owned(),
        full if full.starts_with("LOGGED_MODEL_") => full.to_owned(),
        short => format!("LOGGED_MODEL_{short}"),
    }
}

fn metrics(exported: &[PyJson]) -> (BTreeMap<String, Vec<Point>>, u64) {
    let mut points = BTreeMap::<_, Vec<_>>::new();
    let mut bad_points = 0;
    for metric in exported {
        let key = metric.get("key").and_then(PyJson::as_str);
        match key.zip(point(metric)) {
            Some((key, point)) => points
                .entry(key.to_owned())
                .or_default()
                .push(without(point, |link| &mut link.model_id)),
            None => bad_points += 1,
        }
    }
    (points, bad_points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_model_has_rest_names_and_series_by_metric() {
        let text = r#"{"model_id": "m-1", "experiment_id": "1", "name": "n", "creation_time": 5, "status": "READY",
            "tags": {"k": "v"}, "metrics": [{"key": "a", "value": NaN, "timestamp": 1, "step": 0, "model_id": "m-1",
            "run_id": "r"}, {"key": "a", "value": "x", "timestamp": 1, "step": 0}], "model_uri": "models:/m-1"}"#;
        let exported = logged_model(&PyJson::parse(text.as_bytes()).expect("the text parses"));
        assert_eq!(exported.model.status, "LOGGED_MODEL_READY");
        assert_eq!(exported.model.creation_timestamp_ms, Some(5));
        assert_eq!((exported.bad_points, exported.wrong), (1, vec![]));
        let link = exported.points["a"][0]
            .link
            .as_deref()
            .expect("the point has a link");
        assert_eq!((link.run_id.as_deref(), &link.model_id), (Some("r"), &None));
        assert!(exported.model.extra.is_empty());
    }
}
