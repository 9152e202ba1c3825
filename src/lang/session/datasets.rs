//! One body of a dataset for the many runs that read it.

use crate::format::Object as _;
use crate::format::line::{canonical, to_value};
use crate::model::Dataset;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Digests of the keys and of the lines of datasets that were told of one by one.
#[derive(Debug, Default)]
pub(crate) struct SeenDatasets(HashMap<[u8; 32], [u8; 32]>);

/// What is known of a dataset that a run tells of.
pub(crate) enum DatasetBody {
    New,
    /// Another run told of it, in the same words.
    Known,
    /// Another run told of it in other words.
    Other,
}

impl SeenDatasets {
    /// Takes note of a dataset that a run tells of: MLflow keeps one body per experiment, name and digest.
    pub(crate) fn see(&mut self, dataset: &Dataset) -> DatasetBody {
        let digest = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
        let body = digest(&canonical(&to_value(dataset)));
        match self.0.entry(digest(dataset.sort_key().as_bytes())) {
            Entry::Vacant(new) => {
                new.insert(body);
                DatasetBody::New
            }
            Entry::Occupied(first) if *first.get() == body => DatasetBody::Known,
            Entry::Occupied(_) => DatasetBody::Other,
        }
    }
}
