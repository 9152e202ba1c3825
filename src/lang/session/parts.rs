//! Lines that belong to an object: spans of a trace, points of a metric.

use super::{Export, ExportError, is_text_of};
use crate::archive::PointSeries;
use crate::format::line::to_value;
use crate::format::{Kind, Object, SortKey, order, typed::Typed as _};
use crate::model::{Span, Trace};

impl Export<'_> {
    /// Writes the spans of a trace, which may come in any order.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub(crate) fn write_spans(&mut self, trace: &Trace, mut spans: Vec<Span>) -> Result<(), ExportError> {
        let trace_key = trace.sort_key();
        spans.sort_by_cached_key(|span| {
            order::span(&SortKey::new(), span.start_time_unix_nano, &span.span_id)
        });
        spans
            .iter()
            .try_for_each(|span| self.write_span(&trace_key, span))
    }

    /// Writes a span of the trace with this key.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub(crate) fn write_span(&mut self, trace: &SortKey, span: &Span) -> Result<(), ExportError> {
        if self.is_survey() {
            self.count(Kind::Spans, 1);
            return Ok(());
        }
        let id = format!("{}/{}", span.trace_id, span.span_id);
        let mended;
        let span = if span.has_misplaced() {
            mended = self.mended(Kind::Spans, &id, span)?;
            &mended
        } else {
            span
        };
        if !self.door.takes_parts(Kind::Traces, &span.trace_id, trace)
            || !self.admits(Kind::Spans, || id.clone(), span)?
        {
            return Ok(());
        }
        let key = order::span(trace, span.start_time_unix_nano, &span.span_id);
        let value = self.fit(Kind::Spans, &id, to_value(span), is_text_of::<Span>)?;
        let written = self.writer.write_keyed(Kind::Spans, key, &id, value);
        self.accept(Kind::Spans, written)
    }

    /// Writes the points of one metric of a run or logged model.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub(crate) fn write_points(
        &mut self,
        owner_kind: Kind,
        owner: &SortKey,
        id: &str,
        key: &str,
        series: PointSeries,
    ) -> Result<(), ExportError> {
        if self.is_survey() {
            self.writer.count_points(series.len());
            return Ok(());
        }
        if !self.door.takes_parts(owner_kind, id, owner) {
            return Ok(());
        }
        if owner_kind == Kind::LoggedModels {
            let written = self.writer.write_model_metric(owner, id, key, series);
            self.accept(Kind::ModelMetrics, written)
        } else {
            let written = self.writer.write_metric(owner, id, key, series);
            self.accept(Kind::Metrics, written)
        }
    }
}
