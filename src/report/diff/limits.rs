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

    /// Whether a limit names the field, or one that it lies within. `*` is a field of its own: the object as a
    /// whole.
    pub(super) fn covers(&self, kind: &str, field: &str) -> bool {
        let is_limit = |field: &str| self.fields.contains(&(kind.to_owned(), field.to_owned()));
        if field == WHOLE || is_limit(field) {
            return is_limit(field);
        }
        field.match_indices('.').any(|(end, _)| is_limit(&field[..end]))
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
            ]
            .into(),
        };
        assert!(limits.covers("runs", "info.deleted_time"));
        assert!(limits.covers("traces", "trace_metadata.mlflow.user"));
        assert!(limits.covers("metrics", "*"));
        assert!(!limits.covers("runs", "info"));
        assert!(!limits.covers("runs", "*"));
        assert!(!limits.covers("metrics", "values"));
        assert!(!limits.covers("traces", "trace_metadata_x"));
    }
}
