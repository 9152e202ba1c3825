//! The archive's metric points, as stores keep them.

use super::expected::Expected;
use super::found::parse;
use super::sides::stored;
use crate::archive::{ArchiveError, PointSeries};
use crate::flow::import::Result;
use crate::format::Kind;
use crate::model::metric::PointLink;
use crate::model::{Double, MetricSlice, ModelMetricSlice, OwnerKind, Point};
use std::collections::HashMap;

impl Expected<'_, '_, '_> {
    pub(crate) fn metrics(&mut self) -> Result<()> {
        let mut series: Option<(String, String, PointSeries, Option<Point>)> = None;
        let mut lines = self.context.archive.lines(Kind::Metrics);
        while let Some(line) = lines.next_line()? {
            let slice: MetricSlice = parse(self.context.archive, &line)?;
            let is_next = series
                .as_ref()
                .is_none_or(|(run, key, ..)| *run != slice.run_id || *key != slice.key);
            if is_next {
                self.finish_series(series.take())?;
                series = Some((
                    slice.run_id.clone(),
                    slice.key.clone(),
                    self.writer.point_series(),
                    None,
                ));
            }
            let Some((_, key, points, last)) = &mut series else {
                continue;
            };
            if self.context.fitting.limits.key_fault(key).is_some() {
                continue;
            }
            for point in slice.points().filter(|point| point.timestamp >= 0) {
                let point = Point {
                    value: stored(point.value),
                    link: None,
                    ..point
                };
                if last.as_ref() != Some(&point) {
                    points
                        .push(point.clone())
                        .map_err(ArchiveError::io("write", "points"))?;
                    *last = Some(point);
                }
            }
        }
        self.finish_series(series.take())
    }

    fn finish_series(&mut self, series: Option<(String, String, PointSeries, Option<Point>)>) -> Result<()> {
        let Some((run_id, key, points, _)) = series else {
            return Ok(());
        };
        match self.owners.get(&(OwnerKind::Run, run_id.clone())) {
            Some(owner) if !points.is_empty() => {
                Ok(self.writer.write_metric(owner, &run_id, &key, points)?)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn model_metrics(&mut self) -> Result<()> {
        let mut all: HashMap<(String, String), PointSeries> = HashMap::new();
        let mut lines = self.context.archive.lines(Kind::ModelMetrics);
        while let Some(line) = lines.next_line()? {
            let slice: ModelMetricSlice = parse(self.context.archive, &line)?;
            let owner = (OwnerKind::LoggedModel, slice.model_id.clone());
            if !self.owners.contains_key(&owner) {
                continue;
            }
            let series = all.entry((slice.model_id.clone(), slice.key.clone()));
            let series = series.or_insert_with(|| self.writer.point_series());
            for point in slice.points() {
                let link = point.link.clone().unwrap_or_default();
                let is_there = link
                    .run_id
                    .as_ref()
                    .is_some_and(|run| self.context.mapping.id(Kind::Runs, run).is_some());
                if is_there && point.timestamp >= 0 {
                    let point = model_point(point, *link);
                    series.push(point).map_err(ArchiveError::io("write", "points"))?;
                }
            }
        }
        for ((model_id, key), series) in all {
            if let Some(owner) = self.owners.get(&(OwnerKind::LoggedModel, model_id.clone()))
                && !series.is_empty()
            {
                self.writer.write_model_metric(owner, &model_id, &key, series)?;
            }
        }
        Ok(())
    }
}

/// A point of a logged model as SQL stores keep it: they have no NaN there.
pub(crate) fn model_point(point: Point, link: PointLink) -> Point {
    let value = if point.value.0.is_nan() {
        Double(0.0)
    } else {
        stored(point.value)
    };
    let link = PointLink {
        model_id: None,
        ..link
    };
    Point {
        value,
        link: link.boxed(),
        ..point
    }
}
