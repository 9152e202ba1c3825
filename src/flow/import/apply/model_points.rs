//! Metric points of logged models, which go through the runs that measured them.

use super::Apply;
use super::batch::Batch;
use super::joined::Job;
use super::refusal::Whole;
use crate::client::ClientError;
use crate::flow::import::Result;
use crate::flow::import::part::PartKind;
use crate::format::{Kind, Reason};
use crate::lang::rest::api::{MetricOut, TargetId};
use crate::model::{Double, LoggedModel, ModelMetricSlice};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Points of NaN in one call.
const NANS: usize = 1_000;

impl Apply<'_> {
    /// Points go through the runs that measured them.
    pub(super) fn model_points(&self, job: &Job<LoggedModel>, new_id: &TargetId) -> Result<()> {
        let id = &job.object.model_id;
        let mut by_run: BTreeMap<TargetId, Vec<(usize, usize)>> = BTreeMap::new();
        let slices: Vec<ModelMetricSlice> = self.parsed(Kind::ModelMetrics, &job.lines)?;
        let whole = job.whole(Kind::ModelMetrics);
        let wanted = slices.iter().enumerate();
        let wanted = wanted.filter(|(_, slice)| whole.wants_named(PartKind::Metric, &slice.key));
        for (at, slice) in wanted {
            for row in 0..slice.values.len() {
                let run_id = slice.run_ids.as_ref().and_then(|runs| runs.get(row)?.as_deref());
                match run_id.and_then(|run_id| self.ledger.id(Kind::Runs, run_id)) {
                    Some(run_id) if slice.timestamps[row] >= 0 => {
                        by_run.entry(run_id).or_default().push((at, row))
                    }
                    _ => {
                        let part = PartKind::Metric.of(&slice.key);
                        self.left_out(Kind::ModelMetrics, id, part, Reason::RunNotInTarget);
                    }
                }
            }
        }
        for (run_id, points) in &by_run {
            let mut batch = Batch::new(self, whole, run_id);
            let mut of_nan = Vec::new();
            let mut nans: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
            for &(at, row) in points {
                let mut point = point(&slices[at], row, new_id);
                // A store that has no NaN here keeps 0 in its place; the run's own point says which it was.
                if point.value.0 == 0.0 {
                    let known = match nans.entry(point.key) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(self.api.nan_points(run_id, point.key)?),
                    };
                    if known.contains(&(point.timestamp, point.step)) {
                        point.value = Double(f64::NAN);
                    }
                }
                if point.value.0.is_nan() {
                    of_nan.push(point)
                } else {
                    batch.metric(point)?
                }
            }
            batch.send()?;
            self.nan_points(whole, run_id, &of_nan)?;
        }
        Ok(())
    }

    /// Points of NaN, which the run has too: servers before some version after 3.10 do not know that they have them, and refuse the whole call.
    fn nan_points(&self, whole: Whole<'_>, run_id: &TargetId, points: &[MetricOut<'_>]) -> Result<()> {
        let name = |point: &MetricOut<'_>| PartKind::Metric.of(point.key);
        let send = |points: &[MetricOut<'_>]| match self.api.log_batch(run_id, &[], &[], points) {
            Err(ClientError::Status { status: 400, .. }) if points.len() == 1 => {
                self.left_out(whole.kind, whole.id, name(&points[0]), Reason::NanRefused);
                Ok(())
            }
            sent => sent,
        };
        let mut chunks = points.chunks(NANS);
        chunks.try_for_each(|points| self.in_parts(whole, points, &name, &send))
    }
}

fn point<'s>(slice: &'s ModelMetricSlice, row: usize, model_id: &TargetId) -> MetricOut<'s> {
    let cell = |column: &'s Option<Vec<Option<String>>>| {
        column.as_ref().and_then(|column| column.get(row)?.as_deref())
    };
    MetricOut {
        key: &slice.key,
        value: slice.values[row],
        timestamp: slice.timestamps[row],
        step: slice.steps[row],
        model_id: Some(model_id.clone()),
        dataset_name: cell(&slice.dataset_names),
        dataset_digest: cell(&slice.dataset_digests),
    }
}
