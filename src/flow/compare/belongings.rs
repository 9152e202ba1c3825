//! What belongs to an object, as a side of the comparison keeps it: metric histories, files and spans.

use super::sides::artifact_key;
use crate::archive::walk::{Child, JoinedObjects, Slice};
use crate::archive::{ArchiveError, ArchiveWriter};
use crate::flow::import::Result;
use crate::format::line::{canonical, to_value};
use crate::format::{Kind, Object, SortKey};
use crate::model::metric::PointLink;
use crate::model::{ArtifactFile, ArtifactList, Double, Point, Span};

/// An object that a side holds: its id and place there.
pub(super) struct Holder {
    id: String,
    place: SortKey,
}

impl Holder {
    pub(super) fn of(object: &impl Object) -> Self {
        Holder {
            id: object.id(),
            place: object.sort_key(),
        }
    }

    /// Writes the metric histories of the object that was taken last. `as_kept` also gets the metric and the point before.
    pub(super) fn histories<T: Object, S: Child + Slice>(
        &self,
        writer: &mut ArchiveWriter,
        objects: &mut JoinedObjects<'_, T>,
        as_kept: impl Fn(&str, Option<&Point>, Point) -> Option<Point>,
    ) -> Result<()> {
        let mut ahead = objects.child::<S>()?;
        while let Some(first) = &ahead {
            let key = first.key().to_owned();
            let mut series = writer.point_series();
            let mut last: Option<Point> = None;
            while let Some(slice) = ahead.take_if(|slice| slice.key() == key) {
                for point in slice.all_points() {
                    if let Some(point) = as_kept(&key, last.as_ref(), point) {
                        let pushed = series.push(point.clone());
                        pushed.map_err(ArchiveError::io("write", "points"))?;
                        last = Some(point);
                    }
                }
                ahead = objects.child()?;
            }
            match S::KIND {
                _ if series.is_empty() => {}
                Kind::Metrics => writer.write_metric(&self.place, &self.id, &key, series)?,
                _ => writer.write_model_metric(&self.place, &self.id, &key, series)?,
            }
        }
        Ok(())
    }

    /// Writes the files of the object that was taken last, one a line; `as_kept` says which stay, and may change them.
    pub(super) fn files<T: Object>(
        &self,
        writer: &mut ArchiveWriter,
        objects: &mut JoinedObjects<'_, T>,
        mut as_kept: impl FnMut(&mut ArtifactFile) -> Result<bool>,
    ) -> Result<()> {
        while let Some(ArtifactList {
            files, owner_kind, ..
        }) = objects.child()?
        {
            for mut file in files {
                if !as_kept(&mut file)? {
                    continue;
                }
                let key = artifact_key(owner_kind, &self.place, 0).text(&file.path);
                let list = ArtifactList {
                    files: vec![file],
                    owner_id: self.id.clone(),
                    owner_kind,
                };
                writer.write_line(Kind::Artifacts, key, &self.id, &canonical(&to_value(&list)))?;
            }
        }
        Ok(())
    }

    /// Writes a span of a trace as the target keeps it, which may rest on the trace's id there.
    pub(super) fn span(
        &self,
        writer: &mut ArchiveWriter,
        mut span: Span,
        as_kept: impl FnOnce(&mut Span),
    ) -> Result<()> {
        span.trace_id.clone_from(&self.id);
        as_kept(&mut span);
        let place = self.place.clone().optional_time(span.start_time_unix_nano);
        let line = writer.line_of(to_value(&span))?;
        Ok(writer.write_line(Kind::Spans, place.text(&span.span_id), &span.span_id, &line)?)
    }
}

/// A point of a run as SQL stores keep it.
pub(super) fn run_point(point: Point) -> Point {
    Point {
        value: point.value.as_stored(),
        link: None,
        ..point
    }
}

/// A point of a logged model as SQL stores keep it: they have no NaN there.
pub(super) fn model_point(point: Point, link: PointLink) -> Point {
    let value = if point.value.0.is_nan() {
        Double(0.0)
    } else {
        point.value.as_stored()
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
