//! Dicts of points and datasets, as MLflow's client makes them of its own objects.

use super::dump::dict;
use super::fields;
use crate::model::pyjson::PyJson;
use crate::model::{Dataset, Double, Point};

/// A point as the client's own object names its fields.
pub(super) fn point_dict(point: &Point) -> PyJson {
    let Double(value) = point.value;
    let link = point.link.as_deref();
    let text = |text: Option<&String>| PyJson::from(text.map(String::as_str));
    dict([
        ("value", PyJson::Float(value)),
        ("timestamp", PyJson::from(point.timestamp)),
        ("step", PyJson::from(point.step)),
        ("model_id", text(link.and_then(|link| link.model_id.as_ref()))),
        (
            "dataset_name",
            text(link.and_then(|link| link.dataset_name.as_ref())),
        ),
        (
            "dataset_digest",
            text(link.and_then(|link| link.dataset_digest.as_ref())),
        ),
        ("run_id", text(link.and_then(|link| link.run_id.as_ref()))),
    ])
}

pub(super) fn dataset_dict(dataset: &Dataset) -> PyJson {
    let text = |text: &Option<String>| PyJson::from(text.as_deref());
    let PyJson::Dict(mut entries) = dict([
        ("name", PyJson::from(dataset.name.as_str())),
        ("digest", PyJson::from(dataset.digest.as_str())),
        ("source_type", text(&dataset.source_type)),
        ("source", text(&dataset.source)),
        ("schema", text(&dataset.schema)),
        ("profile", text(&dataset.profile)),
    ]) else {
        unreachable!("`dict` makes a dict")
    };
    entries.extend(fields::extra(&dataset.extra));
    PyJson::Dict(entries)
}
