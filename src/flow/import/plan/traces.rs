//! Traces: which are made, and what of them the target cannot hold.

use super::Action;
use super::build::Builder;
use crate::archive::walk::JoinedObjects;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::part::PartKind;
use crate::flow::import::{Result, spans};
use crate::format::{Kind, Reason};
use crate::lang::rest::version::Feature;
use crate::model::Trace;

const KIND: Kind = Kind::Traces;

impl Builder<'_> {
    pub(super) fn traces(&mut self) -> Result<()> {
        if !self.target.has(Feature::TracesV2) {
            return Ok(());
        }
        let mut traces = JoinedObjects::<Trace>::new(self.archive, &[Kind::Spans, Kind::Artifacts])?;
        while let Some(trace) = traces.next()? {
            if !self.plan.chosen.is_here(&trace.experiment_id) {
                continue;
            }
            let action = self.by_experiment(KIND, &trace.experiment_id, &trace.trace_id);
            let known = self.mapping.id(KIND, &trace.trace_id);
            self.count(KIND, &trace.trace_id, action, known, None);
            if action != Action::Skip {
                self.files(&mut traces)?;
                self.trace(&trace);
                self.kinds(&trace, &traces.lines(Kind::Spans)?)?;
            }
        }
        Ok(())
    }

    fn trace(&mut self, trace: &Trace) {
        let (id, limit) = (&trace.trace_id, self.fitting.limits.trace_text);
        let (_, changes) = self.fitting.other(KIND, id, PartKind::Tag, &trace.tags, limit);
        self.plan.changes.extend(changes);
        let metadata = &trace.trace_metadata;
        let (_, changes) = self.fitting.other(KIND, id, PartKind::Metadata, metadata, limit);
        self.plan.changes.extend(changes);
        let has_numbers = self.target.has(Feature::TraceNumbers);
        for (key, _) in metadata
            .iter()
            .filter(|(key, text)| spans::is_rewritten(key, text))
        {
            if has_numbers {
                let field = PartKind::Metadata.of(key);
                self.limit(KIND, id, &field, Reason::RewrittenByServer, Outcome::Replaced);
            }
        }
        let has_links = self.target.has(Feature::TraceLinks);
        let has_prompts = self.target.has(Feature::PromptLinks);
        let is_old = self.target.has_only_old_traces();
        let is_told = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let lost = [
            ("linked_runs", !has_links && !trace.linked_runs.is_empty()),
            ("linked_prompts", !has_prompts && !trace.linked_prompts.is_empty()),
            ("assessments", is_old && !trace.assessments.is_empty()),
            ("client_request_id", is_old && is_told(&trace.client_request_id)),
            ("request_preview", is_old && is_told(&trace.request_preview)),
            ("response_preview", is_old && is_told(&trace.response_preview)),
        ];
        for (field, _) in lost.into_iter().filter(|(_, is_lost)| *is_lost) {
            self.limit(KIND, id, field, Reason::TargetTooOld, Outcome::LeftOut);
        }
        if is_old {
            let changes = &mut self.plan.changes;
            changes.count(KIND, Reason::IdChosenByServer, Outcome::Replaced, 1);
        }
    }

    /// Spans without a kind, which get one.
    fn kinds(&mut self, trace: &Trace, lines: &[Vec<u8>]) -> Result<()> {
        if self.target.has(Feature::Otlp) {
            for span in spans::without_kind(self.archive, trace, lines)? {
                let id = format!("{}/{}", span.trace_id, span.span_id);
                let reason = Reason::KindSetByServer;
                self.limit(Kind::Spans, &id, "kind", reason, Outcome::Replaced);
            }
        }
        Ok(())
    }
}
