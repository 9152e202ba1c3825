//! Traces with assessments, spans and artifacts; only the newest layout has them.

use super::artifacts::Destination;
use super::dump::dict;
use super::experiments::Current;
use super::runs::short;
use super::scratch::Scratch;
use super::spans::{has_only_names, names};
use super::{Converter, Layout, Result, fields};
use crate::archive::walk::JoinedObjects;
use crate::archive::{Archive, ArchiveError, Result as ArchiveResult};
use crate::format::{Kind, Reason};
use crate::lang::exim::tags::canonical::tags_dict;
use crate::lang::spans::otlp::time_text;
use crate::lang::spans::write::span_file;
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
            let why = match &current.folder {
                Err(reason) => Some(*reason),
                Ok(_) if converter.layout == Layout::Old => Some(Reason::NotInOldLayout),
                Ok(_) => None,
            };
            let folder = match (why, &current.folder) {
                (None, Ok(experiment)) => converter.folder(&experiment.join("traces"), id, KIND, id)?,
                _ => None,
            };
            match folder {
                Some(folder) => self.trace(converter, &trace, &folder)?,
                None => self.leave_out(converter, why.unwrap_or(Reason::NotHeld))?,
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
    let mut info = vec![("trace_id", PyJson::from(trace.trace_id.as_str()))];
    match &own {
        None => info.push(("trace_location", plain)),
        Some(location) => {
            info.push(("trace_location", PyJson::from_free_json(location)));
            // Such a location may not tell the experiment.
            info.push(("experiment_id", PyJson::from(trace.experiment_id.as_str())));
        }
    }
    let mut put_some = |key, value: PyJson| {
        if !value.is_null() {
            info.push((key, value));
        }
    };
    let text = |text: &Option<String>| PyJson::from(text.as_deref());
    put_some("request_time", PyJson::from(trace.request_time));
    put_some("state", PyJson::from(trace.state.as_str()));
    put_some("trace_metadata", tags_dict(&trace.trace_metadata));
    let assessments: Vec<_> = trace
        .assessments
        .iter()
        .map(|found| assessment(found, &trace.trace_id))
        .collect();
    if !assessments.is_empty() {
        put_some("assessments", PyJson::List(assessments));
    }
    put_some("tags", tags_dict(&trace.tags));
    put_some("client_request_id", text(&trace.client_request_id));
    put_some("request_preview", text(&trace.request_preview));
    put_some("response_preview", text(&trace.response_preview));
    put_some("execution_duration", PyJson::from(trace.execution_duration));
    let info = info.into_iter().map(|(key, value)| (key.to_owned(), value));
    PyJson::Dict(info.chain(fields::extra(&extra)).collect())
}

fn assessment(found: &Assessment, trace_id: &str) -> PyJson {
    let source = found.source.iter();
    let source = source.map(|(key, value)| (key.clone(), PyJson::from(value.as_str())));
    let mut dict = vec![
        ("assessment_id", PyJson::from(found.assessment_id.as_str())),
        ("assessment_name", PyJson::from(found.assessment_name.as_str())),
        ("trace_id", PyJson::from(trace_id)),
        ("source", PyJson::Dict(source.collect())),
    ];
    let mut put_some = |key, value: PyJson| {
        if !value.is_null() {
            dict.push((key, value));
        }
    };
    let text = |text: &Option<String>| PyJson::from(text.as_deref());
    let kind = match (&found.feedback, &found.expectation, &found.issue) {
        (Some(_), _, _) => "feedback",
        (None, Some(_), _) => "expectation",
        (None, None, Some(_)) => "issue",
        (None, None, None) => "",
    };
    put_some("create_time", time(found.create_time));
    put_some("last_update_time", time(found.last_update_time));
    let free = |value: &serde_json::Value| PyJson::from_free_json(value);
    put_some("feedback", found.feedback.as_ref().map_or(PyJson::Null, free));
    put_some(
        "expectation",
        found.expectation.as_ref().map_or(PyJson::Null, expectation),
    );
    put_some("issue", found.issue.as_ref().map_or(PyJson::Null, free));
    put_some("rationale", text(&found.rationale));
    if !found.metadata.is_empty() {
        put_some("metadata", tags_dict(&found.metadata));
    }
    put_some("span_id", text(&found.span_id));
    put_some("overrides", text(&found.overrides));
    put_some("valid", found.valid.map_or(PyJson::Null, PyJson::Bool));
    put_some("assessment_type", PyJson::from(kind));
    let dict = dict.into_iter().map(|(key, value)| (key.to_owned(), value));
    PyJson::Dict(dict.chain(fields::extra(&found.extra)).collect())
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
