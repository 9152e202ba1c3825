//! Which differences the limits of two archives account for.

use super::WHOLE;
use crate::format::Manifest;
use std::collections::BTreeSet;

/// Limits by kind and field.
#[derive(Debug, Default)]
pub(super) struct Limits {
    fields: BTreeSet<(String, String)>,
}

impl Limits {
    /// The limits that either manifest counts.
    pub(super) fn of(manifests: [&Manifest; 2]) -> Self {
        let limits = manifests.iter().flat_map(|manifest| &manifest.losses.limits);
        Limits {
            fields: limits
                .map(|limit| (limit.kind.clone(), limit.field.clone()))
                .collect(),
        }
    }

    /// Whether a limit names the field at a key, or one that it lies within: whole parts of keys, since a part may have dots of its own.
    /// `*` is a field of its own: the object as a whole.
    pub(super) fn covers(&self, kind: &str, key: &[&str]) -> bool {
        let is_limit = |kind: &str, field: &str| self.fields.contains(&(kind.to_owned(), field.to_owned()));
        let mut within = (1..=key.len()).map(|parts| key[..parts].join("."));
        within.any(|field| is_limit(kind, &field))
            || other_names(kind, key)
                .iter()
                .any(|(kind, field)| is_limit(kind, field))
    }
}

/// Under which other kinds and fields a limit may count the same loss.
fn other_names(kind: &str, key: &[&str]) -> &'static [(&'static str, &'static str)] {
    match (kind, key) {
        ("metrics", ["points"]) => &[("metrics", WHOLE)],
        ("model-metrics", ["points"]) => &[("model-metrics", WHOLE)],
        ("metrics", ["values"]) => &[("metrics", "value")],
        ("model-metrics", ["values"]) => &[("model-metrics", "value")],
        ("spans", [WHOLE]) => &[("traces", "spans")],
        // A run's line repeats the latest point of each metric.
        ("runs", ["metrics", _, "value"]) => &[("metrics", "value"), ("metrics", "values")],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_covers_its_field_and_what_lies_within() {
        let limit = |kind: &str, field: &str| (kind.to_owned(), field.to_owned());
        let limits = Limits {
            fields: [
                limit("runs", "info.deleted_time"),
                limit("traces", "trace_metadata"),
                limit("metrics", "*"),
                limit("model-metrics", "value"),
                limit("traces", "spans"),
                limit("params-of", "lr"),
            ]
            .into(),
        };
        assert!(limits.covers("runs", &["info", "deleted_time"]));
        assert!(limits.covers("traces", &["trace_metadata", "mlflow.user"]));
        assert!(limits.covers("metrics", &["*"]));
        assert!(!limits.covers("runs", &["info"]));
        assert!(!limits.covers("runs", &["*"]));
        assert!(!limits.covers("metrics", &["values"]));
        assert!(limits.covers("metrics", &["points"]));
        assert!(!limits.covers("traces", &["trace_metadata_x"]));
        assert!(limits.covers("spans", &["*"]) && !limits.covers("spans", &["name"]));
        // Whole parts: a key's own dots do not end one.
        assert!(limits.covers("params-of", &["lr"]) && limits.covers("params-of", &["lr", "x"]));
        assert!(!limits.covers("params-of", &["lr.x"]) && !limits.covers("params-of", &["xlr"]));
        assert!(
            limits.covers("model-metrics", &["values"])
                && !limits.covers("runs", &["metrics", "loss", "value"])
        );
    }
}
