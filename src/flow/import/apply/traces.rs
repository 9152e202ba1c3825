//! Traces under their own ids, with spans, files and links; assessments once runs are deleted.

use super::Apply;
use super::assessments::ASSESSED_RUN;
use super::refusal::Whole;
use crate::client::{Body, ClientError};
use crate::flow::import::artifacts::Destination;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::report::Done;
use crate::flow::import::{Result, spans};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::TargetId;
use crate::lang::rest::mark;
use crate::lang::rest::routes::SEND_SPANS;
use crate::lang::rest::version::Feature;
use crate::lang::spans::otlp;
use crate::lang::spans::read::SPAN_FILE;
use crate::lang::spans::write::span_file;
use crate::model::Trace;
use crate::model::pyjson::PyJson;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

const KIND: Kind = Kind::Traces;
/// Tags that servers keep themselves.
const SERVER_TAGS: [&str; 4] = [
    "mlflow.artifactLocation",
    "mlflow.trace.spansLocation",
    "mlflow.trace.archiveLocation",
    "mlflow.trace.archivalFailure",
];
/// Metadata that servers set themselves.
const SERVER_METADATA: [&str; 1] = ["mlflow.trace.infoFinalized"];

pub(super) type Job = super::joined::Job<Trace>;

impl Apply<'_> {
    fn has_traces(&self) -> bool {
        self.target.has(Feature::TracesV2) && self.archive.manifest().count(KIND) > 0
    }

    /// Makes the traces.
    pub(super) fn traces(&self) -> Result<()> {
        if !self.has_traces() {
            return Ok(());
        }
        self.begin("traces", KIND);
        let begin = |_: &Trace, line: &[u8]| Sha256::new_with_prefix(line);
        let is_meant = |trace: &Trace, _: Option<&_>| {
            let chosen = &self.plan.chosen;
            chosen.in_experiment(KIND, &trace.experiment_id)
        };
        let feed = |send: &mut dyn FnMut(Job) -> bool| self.send_joined(Kind::Spans, begin, is_meant, send);
        self.in_parallel(feed, |job: Job| {
            self.attempt(KIND, &job.object.trace_id, || {
                if self.target.has(Feature::Traces) {
                    self.trace(&job)
                } else {
                    self.trace_v2(&job)
                }
            });
            self.monitor.advance(1);
        })
    }

    fn trace(&self, job: &Job) -> Result<()> {
        let trace = &job.object;
        let id = &trace.trace_id;
        let experiment_id = self.need(Kind::Experiments, &trace.experiment_id)?;
        let known = job.known.as_ref();
        if known.is_none() && !self.may_make(trace)? {
            return self.done(KIND, id, job.digest);
        }
        self.ledger.intend(KIND, &[id])?;
        let mut trace_info = self.trace_info(trace, &experiment_id);
        let answer = self.made_trace(job, &mut trace_info)?;
        self.ledger.made(KIND, id, &TargetId::kept(id), known.is_none())?;
        let info = &answer["trace"]["trace_info"];
        let location = info["tags"]["mlflow.artifactLocation"]
            .as_str()
            .unwrap_or_default();
        if self.spans(job, &experiment_id, location)? {
            // Spans that arrive change times and state of their trace, by a rule of the server's.
            self.api.create_trace(&trace_info)?;
        }
        self.put_files(job.whole(KIND), &TargetId::kept(id), location, &job.artifacts)?;
        self.links(job)?;
        let done = known.map_or(Done::Created, |_| Done::Completed);
        self.count(done, KIND);
        // Assessments come last; without any, this is all.
        if trace.assessments.is_empty() {
            self.done(KIND, id, job.digest)?;
        } else {
            super::lock(&self.seen.assessed).insert(id.clone(), job.digest);
        }
        Ok(())
    }

    /// Whether a trace of that id may be made: nobody else's is there. Where the experiment is new, nobody is asked.
    fn may_make(&self, trace: &Trace) -> Result<bool> {
        let is_new = self.ledger.get(Kind::Experiments, &trace.experiment_id);
        if is_new.is_some_and(|experiment| experiment.state.is_fresh) {
            return Ok(true);
        }
        let Some(found) = self.api.trace(&TargetId::kept(&trace.trace_id))? else {
            return Ok(true);
        };
        let expected = self.fitting.mark(KIND, &trace.trace_id).1;
        let info = &found["trace"]["trace_info"];
        let is_ours = info["tags"][mark::KEY].as_str() == Some(expected.as_str());
        if !is_ours {
            self.kept(KIND, &trace.trace_id, "*", Reason::TraceIdTaken);
        }
        Ok(is_ours)
    }

    fn trace_info(&self, trace: &Trace, experiment_id: &TargetId) -> Value {
        let (metadata, tags) = self.trace_texts(trace);
        let map = |texts: Texts| {
            let texts = texts.into_iter();
            texts
                .map(|(key, value)| (key, value.into()))
                .collect::<Map<String, Value>>()
        };
        let mut info = json!({
            "trace_id": trace.trace_id,
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id},
            },
            "state": trace.state,
            "trace_metadata": map(metadata),
            "tags": map(tags),
        });
        let optional = [
            ("client_request_id", trace.client_request_id.clone()),
            ("request_preview", trace.request_preview.clone()),
            ("response_preview", trace.response_preview.clone()),
            ("request_time", trace.request_time.and_then(otlp::time_text)),
            (
                "execution_duration",
                trace.execution_duration.map(otlp::duration_text),
            ),
        ];
        for (field, value) in optional {
            if let Some(value) = value {
                info[field] = value.into();
            }
        }
        info
    }

    /// Metadata and tags, the mark included; what of them does not fit the plan has said.
    pub(super) fn trace_texts(&self, trace: &Trace) -> (Texts, Texts) {
        let limit = self.fitting.limits.trace_text;
        let id = &trace.trace_id;
        let (mut tags, _) = self.fitting.other(KIND, id, PartKind::Tag, &trace.tags, limit);
        tags.retain(|(key, _)| !SERVER_TAGS.contains(&key.as_str()) && key != mark::KEY);
        tags.push(self.fitting.mark(KIND, id));
        let metadata = &trace.trace_metadata;
        let (mut metadata, _) = self.fitting.other(KIND, id, PartKind::Metadata, metadata, limit);
        metadata.retain(|(key, _)| !SERVER_METADATA.contains(&key.as_str()));
        for (key, value) in &mut metadata {
            *value = self.new_metadata(key, std::mem::take(value));
        }
        (metadata, tags)
    }

    /// Metadata whose value is an id, as the target's.
    pub(super) fn new_metadata(&self, key: &str, value: String) -> String {
        let kind = match key {
            "mlflow.sourceRun" | ASSESSED_RUN => Kind::Runs,
            "mlflow.modelId" => Kind::LoggedModels,
            _ => return value,
        };
        self.ledger.name(kind, &value).unwrap_or(value)
    }

    /// Spans, into the tracking store where it keeps all of them, else into a file; whether the trace is to be told once more.
    fn spans(&self, job: &Job, experiment_id: &TargetId, location: &str) -> Result<bool> {
        if job.lines.is_empty() {
            return Ok(false);
        }
        let spans = spans::parsed(self.archive, &job.lines)?;
        let whole = job.whole(Kind::Spans);
        let sent = if self.target.has(Feature::Otlp) && whole.wants_any(PartKind::Span) {
            spans::sent(&job.object, &spans)
        } else {
            None
        };
        if let Some(sent) = sent
            && self.send_spans(job, experiment_id, sent.spans)?
        {
            return Ok(sent.changes_trace);
        }
        self.put_span_file(whole, location, &span_file(&spans))?;
        Ok(false)
    }

    /// Sends spans to the tracking store; false where it refuses the first of them, as servers do that take no JSON here.
    fn send_spans(&self, job: &Job, experiment_id: &TargetId, spans: Vec<Value>) -> Result<bool> {
        let name = |span: &Value| PartKind::Span.of(span["spanId"].as_str().unwrap_or_default());
        let whole = job.whole(Kind::Spans);
        let mut calls = vec![Vec::new()];
        let mut size_bytes = 0;
        let spans = spans.into_iter().zip(&job.lines);
        for (span, line) in spans.filter(|(span, _)| whole.wants(&name(span))) {
            if size_bytes > 0 && size_bytes + line.len() > SEND_SPANS.bytes {
                calls.push(Vec::new());
                size_bytes = 0;
            }
            size_bytes += line.len();
            calls.last_mut().expect("there is one from the start").push(span);
        }
        let send = |call: &[Value]| self.api.send_spans(experiment_id, &otlp::request(call.to_vec()));
        for (number, call) in calls.iter().enumerate() {
            if number == 0 {
                match send(call) {
                    Err(ClientError::Status {
                        status: 400 | 415, ..
                    }) => return Ok(false),
                    Err(error) if error.is_refusal() => {}
                    sent => {
                        sent?;
                        continue;
                    }
                }
            }
            self.in_parts(whole, call, &name, &send)?;
        }
        Ok(true)
    }

    pub(super) fn put_span_file(&self, whole: Whole<'_>, location: &str, file: &PyJson) -> Result<()> {
        // Of a trace that is taken up, its spans may have gone another way.
        if !whole.wants_any(PartKind::Span) && !whole.wants_named(PartKind::Artifact, SPAN_FILE) {
            return Ok(());
        }
        let Destination::Proxy(root) = Destination::of(location) else {
            self.left_out(Kind::Spans, whole.id, "*", Reason::NoArtifactProxy);
            return Ok(());
        };
        let body = Body::Bytes(file.to_dumps_text().into_bytes());
        let send = || self.api.put_artifact(&format!("{root}/{SPAN_FILE}"), body);
        self.file_alone(Whole::new(Kind::Spans, whole.id), SPAN_FILE, send)
    }

    fn links(&self, job: &Job) -> Result<()> {
        let (trace, whole) = (&job.object, job.whole(KIND));
        let id = &trace.trace_id;
        let has_runs = self.target.has(Feature::TraceLinks);
        for run_id in trace.linked_runs.iter().filter(|_| has_runs) {
            match self.ledger.id(Kind::Runs, run_id) {
                Some(new_id) => {
                    let link = || self.api.link_traces(&[TargetId::kept(id)], &new_id);
                    self.alone(whole, &PartKind::LinkedRun.of(run_id), link)?;
                }
                None => self.left_out(KIND, id, PartKind::LinkedRun.of(run_id), Reason::RunNotInTarget),
            }
        }
        let mut prompts = Vec::new();
        let has_prompts = self.target.has(Feature::PromptLinks);
        for prompt in trace.linked_prompts.iter().filter(|_| has_prompts) {
            let parts = prompt.rsplit_once('/');
            let found = parts.and_then(|(name, _)| {
                let number = self.ledger.name(Kind::ModelVersions, prompt)?;
                Some((self.ledger.name(Kind::RegisteredModels, name)?, number))
            });
            match found {
                Some(found) => prompts.push(found),
                None => {
                    let part = PartKind::LinkedPrompt.of(prompt);
                    self.left_out(KIND, id, part, Reason::VersionNotInTarget);
                }
            }
        }
        let name = |(name, number): &(String, String)| PartKind::LinkedPrompt.of(&format!("{name}/{number}"));
        let new_id = TargetId::kept(id);
        let send = |prompts: &[_]| self.api.link_prompts(&new_id, prompts);
        self.in_parts(whole, &prompts, &name, &send)
    }
}
