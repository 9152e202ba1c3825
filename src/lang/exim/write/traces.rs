//! Traces with assessments, spans and artifacts; only the newest layout has them.

use super::artifacts::Destination;
use super::dump::dict;
use super::experiments::Current;
use super::runs::short;
use super::scratch::Scratch;
use super::spans::{has_only_names, names};
use super::{Converter, Result};
use crate::archive::walk::JoinedObjects;
use crate::archive::{Archive, ArchiveError, Result as ArchiveResult};
use crate::format::{Kind, Reason};
use crate::lang::exim::dict::Dict;
use crate::lang::exim::tags::canonical::tags_dict;
use crate::lang::spans::otlp::time_text;
use crate::lang::spans::write::span_file;
use crate::model::lifecycle;
use crate::model::pyjson::PyJson;
use crate::model::{Assessment, Extra, Span, Trace};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const KIND: Kind = Kind::Traces;
/// Name of the file that holds a trace's spans.
const SPAN_FILE: &str = "traces.json";
/// Metadata that names the run of a trace.
const SOURCE_RUN: &str = "mlflow.sourceRun";

/// The traces of an archive, in step with what belongs to them.
pub(super) struct Traces<'a> {
    traces: JoinedObjects<'a, Trace>,
    /// Ids of the current experiment's traces, by their run.
    by_run: HashMap<[u8; 16], Vec<String>>,
    /// Ids of the current experiment's traces that were written.
    pub(super) written: Scratch,
}

impl<'a> Traces<'a> {
    pub(super) fn new(archive: &'a Archive, scratch: &Path) -> ArchiveResult<Self> {
        Ok(Traces {
            traces: JoinedObjects::new(archive, &[Kind::Spans, Kind::Artifacts])?,
            by_run: HashMap::new(),
            written: Scratch::create(scratch)?,
        })
    }

    /// The experiment of the next trace.
    pub(super) fn next_experiment(&mut self) -> ArchiveResult<Option<String>> {
        Ok(self.traces.peek()?.map(|trace| trace.experiment_id.clone()))
    }

    /// The traces of a run of the current experiment.
    pub(super) fn of_run(&self, run_id: &str) -> &[String] {
        self.by_run.get(&short(&[run_id])).map_or(&[], Vec::as_slice)
    }

    /// Writes the traces of an experiment, or counts them.
    pub(super) fn write(&mut self, converter: &mut Converter<'_>, current: &Current<'_>) -> Result<()> {
        self.written.clear()?;
        self.by_run.clear();
        while let Some(trace) = self
            .traces
            .next_if(|trace| trace.experiment_id == current.experiment_id)?
        {
            let id = &trace.trace_id;
            match current.member(converter, KIND, id, lifecycle::ACTIVE)? {
                Ok(folder) => self.trace(converter, &trace, &folder)?,
                Err(why) => self.leave_out(converter, why)?,
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, converter: &mut Converter<'_>, why: Reason) -> Result<()> {
        converter.limit(KIND, "*", why, 1);
        while self.traces.child::<Span>()?.is_some() {
            converter.limit(Kind::Spans, "*", why, 1);
        }
        converter.artifacts(&mut self.traces, &Destination::Nowhere(why), None)?;
        Ok(())
    }

    fn trace(&mut self, converter: &mut Converter<'_>, trace: &Trace, folder: &Path) -> Result<()> {
        let id = &trace.trace_id;
        let mut spans = Vec::new();
        while let Some(span) = self.traces.child()? {
            spans.push(span);
            converter.wrote(Kind::Spans);
        }
        converter.count_not_utf8(KIND, "trace_metadata", &trace.trace_metadata);
        converter.count_not_utf8(KIND, "tags", &trace.tags);
        converter.not_held(
            KIND,
            [
                ("linked_runs", !trace.linked_runs.is_empty()),
                ("linked_prompts", !trace.linked_prompts.is_empty()),
            ],
        );
        let body = dict([("info", trace_info(trace)), ("data", names(&spans))]);
        converter.document(&folder.join("trace.json"), "export_trace.py", None, &body)?;
        let artifacts = folder.join("artifacts");
        let destination = Destination::Folder(&artifacts);
        let has_file = converter.artifacts(&mut self.traces, &destination, Some(SPAN_FILE))?;
        if !has_file && !has_only_names(&spans) {
            let path = artifacts.join(SPAN_FILE);
            fs::create_dir_all(&artifacts).map_err(ArchiveError::io("create directory", &artifacts))?;
            let text = span_file(&spans).to_dumps_text();
            fs::write(&path, text).map_err(ArchiveError::io("write", &path))?;
        }
        let run_id = trace.trace_metadata.get(SOURCE_RUN).and_then(|id| id.as_str());
        if let Some(run_id) = run_id {
            self.by_run.entry(short(&[run_id])).or_default().push(id.clone());
        }
        converter.wrote(KIND);
        Ok(self.written.push(&PyJson::from(id.as_str())).map(drop)?)
    }
}

/// The dict of a trace as the client makes it, with times in milliseconds as the exporter has them.
fn trace_info(trace: &Trace) -> PyJson {
    let plain = dict([
        ("type", PyJson::from("MLFLOW_EXPERIMENT")),
        (
            "mlflow_experiment",
            dict([("experiment_id", PyJson::from(trace.experiment_id.as_str()))]),
        ),
    ]);
    let mut extra: Extra = trace.extra.clone();
    let own = extra.remove("trace_location");
    let mut info = Dict::default();
    info.put("trace_id", trace.trace_id.as_str());
    match &own {
        None => info.put("trace_location", plain),
        Some(location) => {
            info.put("trace_location", PyJson::from_free_json(location));
            info.put("experiment_id", trace.experiment_id.as_str());
        }
    }
    info.put_some("request_time", trace.request_time);
    info.put("state", trace.state.as_str());
    info.put("trace_metadata", tags_dict(&trace.trace_metadata));
    let assessments = trace.assessments.iter();
    let assessments: Vec<_> = assessments
        .map(|found| assessment(found, &trace.trace_id))
        .collect();
    if !assessments.is_empty() {
        info.put("assessments", PyJson::List(assessments));
    }
    info.put("tags", tags_dict(&trace.tags));
    info.put_some("client_request_id", trace.client_request_id.as_deref());
    info.put_some("request_preview", trace.request_preview.as_deref());
    info.put_some("response_preview", trace.response_preview.as_deref());
    info.put_some("execution_duration", trace.execution_duration);
    info.put_extra(&extra);
    info.finish()
}

fn assessment(found: &Assessment, trace_id: &str) -> PyJson {
    let source = found.source.iter();
    let source = source.map(|(key, value)| (key.clone(), PyJson::from(value.as_str())));
    let mut dict = Dict::default();
    dict.put("assessment_id", found.assessment_id.as_str());
    dict.put("assessment_name", found.assessment_name.as_str());
    dict.put("trace_id", trace_id);
    dict.put("source", PyJson::Dict(source.collect()));
    let kind = match (&found.feedback, &found.expectation, &found.issue) {
        (Some(_), _, _) => "feedback",
        (None, Some(_), _) => "expectation",
        (None, None, Some(_)) => "issue",
        (None, None, None) => "",
    };
    dict.put_some("create_time", time(found.create_time));
    dict.put_some("last_update_time", time(found.last_update_time));
    dict.put_some("feedback", found.feedback.as_ref().map(PyJson::from_free_json));
    dict.put_some("expectation", found.expectation.as_ref().map(expectation));
    dict.put_some("issue", found.issue.as_ref().map(PyJson::from_free_json));
    dict.put_some("rationale", found.rationale.as_deref());
    if !found.metadata.is_empty() {
        dict.put("metadata", tags_dict(&found.metadata));
    }
    dict.put_some("span_id", found.span_id.as_deref());
    dict.put_some("overrides", found.overrides.as_deref());
    dict.put_some("valid", found.valid.map(PyJson::Bool));
    dict.put("assessment_type", kind);
    dict.put_extra(&found.extra);
    dict.finish()
}

/// A time as REST prints it; one beyond any calendar as its number.
fn time(millis: Option<i64>) -> PyJson {
    match millis.and_then(time_text) {
        Some(text) => PyJson::from(text),
        None => PyJson::from(millis),
    }
}

/// What is no plain value goes as its JSON text, as in REST.
fn expectation(expectation: &serde_json::Value) -> PyJson {
    let value = PyJson::from_free_json(&expectation["value"]);
    match value {
        PyJson::List(_) | PyJson::Dict(_) => {
            let serialized = dict([
                ("serialization_format", PyJson::from("JSON_FORMAT")),
                ("value", PyJson::from(value.to_dumps_text())),
            ]);
            dict([("serialized_value", serialized)])
        }
        value => dict([("value", value)]),
    }
}
