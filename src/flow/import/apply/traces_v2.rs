//! Traces into servers of MLflow 2.14 to 3.1: under ids of the server's, spans in a file of MLflow 2's form.

use super::Apply;
use super::refusal::Whole;
use super::traces::Job;
use crate::client::ClientError;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::report::Done;
use crate::flow::import::{ImportError, Result, spans};
use crate::format::Kind;
use crate::lang::rest::api::{TargetId, TargetTrace};
use crate::lang::rest::mark;
use crate::lang::spans::write::span_file_v2;
use crate::model::Trace;

const KIND: Kind = Kind::Traces;
/// Metadata that says which form the spans have, and MLflow 2's.
const SCHEMA: (&str, &str) = ("mlflow.trace_schema.version", "2");

impl Apply<'_> {
    pub(super) fn trace_v2(&self, job: &Job) -> Result<()> {
        let trace = &job.object;
        let id = &trace.trace_id;
        let (target, done) = match self.ledger.id(KIND, id) {
            Some(new_id) => (self.known_trace(job, new_id)?, Done::Completed),
            None => (self.start_trace(trace)?, Done::Created),
        };
        if let Some((end, status)) = end_of(trace) {
            let send = || self.api.end_trace(&target.id, end, status);
            self.alone(job.whole(KIND), "state and execution_duration", send)?;
        }
        if !job.lines.is_empty() {
            let file = span_file_v2(&spans::parsed(self.archive, &job.lines)?, target.id.as_str());
            self.put_span_file(job.whole(Kind::Spans), &target.artifact_location, &file)?;
        }
        self.put_files(
            job.whole(KIND),
            &target.id,
            &target.artifact_location,
            &job.artifacts,
        )?;
        self.count(done, KIND);
        self.done(KIND, id, job.digest)
    }

    /// A trace that is there; of one that is taken up, with the texts that are missing.
    fn known_trace(&self, job: &Job, new_id: TargetId) -> Result<TargetTrace> {
        let id = &job.object.trace_id;
        let found = self
            .api
            .trace_v2(&new_id)?
            .ok_or_else(|| ImportError::gone(KIND, id, &new_id))?;
        if job.only.is_some() {
            let (metadata, tags) = self.texts_v2(&job.object);
            self.add_texts_v2(job.whole(KIND), &found.id, &metadata, &tags)?;
        }
        Ok(found)
    }

    fn texts_v2(&self, trace: &Trace) -> (Texts, Texts) {
        let (mut metadata, tags) = self.trace_texts(trace);
        for (key, value) in &mut metadata {
            if key == SCHEMA.0 {
                SCHEMA.1.clone_into(value);
            }
        }
        (metadata, tags)
    }

    /// Adds metadata and tags one by one.
    fn add_texts_v2(
        &self,
        whole: Whole<'_>,
        new_id: &TargetId,
        metadata: &Texts,
        tags: &Texts,
    ) -> Result<()> {
        let texts = metadata.iter().map(|(key, value)| (true, key, value));
        let texts = texts.chain(tags.iter().map(|(key, value)| (false, key, value)));
        for (is_metadata, key, value) in texts.filter(|(_, key, _)| *key != mark::KEY) {
            let set = || self.api.set_trace_text(new_id, is_metadata, key, value);
            let kind = if is_metadata {
                PartKind::Metadata
            } else {
                PartKind::Tag
            };
            self.alone(whole, &kind.of(key), set)?;
        }
        Ok(())
    }

    fn start_trace(&self, trace: &Trace) -> Result<TargetTrace> {
        let id = &trace.trace_id;
        let experiment_id = self.need(Kind::Experiments, &trace.experiment_id)?;
        let experiment = self.ledger.get(Kind::Experiments, &trace.experiment_id);
        // Without a journal only the mark knows what is in an experiment that was there.
        let is_new = experiment.is_some_and(|experiment| experiment.state.is_fresh);
        let maybe_there = !is_new || self.ledger.is_intended(KIND, id);
        self.ledger.intend(KIND, &[id])?;
        let (metadata, tags) = self.texts_v2(trace);
        let mark = self.fitting.mark(KIND, id).1;
        let find = || -> Result<_, ClientError> { self.api.marked_trace(&experiment_id, &mark) };
        let begin = trace.request_time.unwrap_or(0);
        let create = || self.api.start_trace(&experiment_id, begin, &metadata, &tags);
        let whole = Whole::new(KIND, id);
        let made = self.create_once(whole, maybe_there, find, create);
        let bare = [self.fitting.mark(KIND, id)];
        let bare = || self.api.start_trace(&experiment_id, begin, &[], &bare);
        let (target, is_fresh) = self.or_bare(whole, made, bare)?;
        if self.is_bare(KIND, id) {
            self.add_texts_v2(whole, &target.id, &metadata, &tags)?;
        }
        self.ledger.made(KIND, id, &target.id, is_fresh)?;
        Ok(target)
    }
}

/// When and how a trace ended; none where it has not.
fn end_of(trace: &Trace) -> Option<(i64, &str)> {
    let duration = trace.execution_duration.unwrap_or(0);
    let end = trace.request_time.unwrap_or(0).saturating_add(duration);
    match trace.state.as_str() {
        // Servers say 0 of a trace that has not ended, and would take it for an end.
        "IN_PROGRESS" if duration == 0 => None,
        "STATE_UNSPECIFIED" => Some((end, "TRACE_STATUS_UNSPECIFIED")),
        state => Some((end, state)),
    }
}
