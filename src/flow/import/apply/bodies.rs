//! Bodies of the datasets that runs read, an experiment's at a time.

use super::Apply;
use crate::archive::{ArchiveError, Objects};
use crate::flow::import::Result;
use crate::model::{Dataset, Run};
use std::collections::HashMap;
use std::sync::Arc;

/// Dataset bodies of one experiment, by name and digest.
pub(super) type Bodies = Arc<HashMap<(String, String), Dataset>>;

/// Dataset bodies, read experiment by experiment.
pub(super) struct DatasetBodies<'a> {
    datasets: std::iter::Peekable<Objects<'a, Dataset>>,
    experiment_id: Option<String>,
    bodies: Bodies,
}

impl<'a> DatasetBodies<'a> {
    pub(super) fn new(apply: &Apply<'a>) -> Self {
        DatasetBodies {
            datasets: apply.archive.objects::<Dataset>().peekable(),
            experiment_id: None,
            bodies: Bodies::default(),
        }
    }

    /// The bodies of a run's experiment.
    pub(super) fn of(&mut self, run: &Run) -> Result<Bodies> {
        let id = &run.info.experiment_id;
        if self.experiment_id.as_ref() == Some(id) {
            return Ok(self.bodies.clone());
        }
        let wanted = crate::format::order::experiment(id);
        let mut bodies = HashMap::new();
        let is_behind = |next: &Dataset| crate::format::order::experiment(&next.experiment_id) <= wanted;
        let is_next = |next: &Result<Dataset, ArchiveError>| next.as_ref().map_or(true, is_behind);
        while let Some(dataset) = self.datasets.next_if(is_next) {
            let dataset = dataset?;
            if dataset.experiment_id == *id {
                bodies.insert((dataset.name.clone(), dataset.digest.clone()), dataset);
            }
        }
        self.experiment_id = Some(id.clone());
        self.bodies = Arc::new(bodies);
        Ok(self.bodies.clone())
    }
}
