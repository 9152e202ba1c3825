//! Dicts of points and datasets, as MLflow's client makes them of its own objects.

use super::dump::dict;
use crate::lang::exim::dict::Dict;
use crate::model::metric::PointLink;
use crate::model::pyjson::PyJson;
use crate::model::{Dataset, Double, Point};

/// A point as the client's own object names its fields.
pub(super) fn point_dict(point: &Point) -> PyJson {
    let Double(value) = point.value;
    let link = point.link.as_deref();
    let text =
        |of: fn(&PointLink) -> &Option<String>| PyJson::from(link.and_then(|link| of(link).as_deref()));
    dict([
        ("value", PyJson::Float(value)),
        ("timestamp", PyJson::from(point.timestamp)),
        ("step", PyJson::from(point.step)),
        ("model_id", text(|link| &link.model_id)),
        ("dataset_name", text(|link| &link.dataset_name)),
        ("dataset_digest", text(|link| &link.dataset_digest)),
        ("run_id", text(|link| &link.run_id)),
    ])
}

pub(super) fn dataset_dict(dataset: &Dataset) -> PyJson {
    let mut dict = Dict::default();
    dict.put("name", dataset.name.as_str());
    dict.put("digest", dataset.digest.as_str());
    dict.put("source_type", dataset.source_type.as_deref());
    dict.put("source", dataset.source.as_deref());
    dict.put("schema", dataset.schema.as_deref());
    dict.put("profile", dataset.profile.as_deref());
    dict.put_extra(&dataset.extra);
    dict.finish()
}
