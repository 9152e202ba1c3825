//! Spans: in the table where the trace says that they are there, else in the trace's artifact, where MLflow looks for them.

use super::rows::Target;
use super::{Result, StorePlace, Subject, WriteError, Writer};
use crate::archive::ArchiveError;
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::spans::read::{SPAN_FILE, SpanFile as SpanSource};
use crate::lang::spans::write::{REQUEST_ID, span_dict, span_dict_v2};
use crate::lang::sql::database::Cell;
use crate::lang::sql::spans::{IN_ARCHIVE, IN_TABLE, SPANS_LOCATION};
use crate::lang::sql::trace_parts::finite_double;
use crate::model::pyjson::PyJson;
use crate::model::trace::COST_KEYS;
use crate::model::{ArtifactFile, ArtifactList, Span, Trace};
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;

const SPAN_TYPE: &str = "mlflow.spanType";
const SPAN_COST: &str = "mlflow.llm.cost";
const SPAN_MODEL: &str = "mlflow.llm.model";
const SPAN_PROVIDER: &str = "mlflow.llm.provider";
/// What the file of MLflow 2 says of a trace, and the attributes of the root that say it.
const ROOT_TEXTS: [(&str, &str); 2] = [
    ("request", "mlflow.spanInputs"),
    ("response", "mlflow.spanOutputs"),
];
/// Characters of a model's name that a column holds.
const DIMENSION_CHARS: usize = 500;

impl Writer<'_> {
    /// Writes the spans of a trace, and the file of them that is among its artifacts, with the URI of these.
    pub(super) fn spans(
        &mut self,
        trace: &Trace,
        experiment: i64,
        place: &StorePlace,
        file: Option<(ArtifactList, Option<&str>)>,
        traces: &mut JoinedObjects<'_, Trace>,
    ) -> Result<()> {
        let location = trace.tags.get(SPANS_LOCATION).and_then(|tag| tag.as_str());
        let is_in_table = matches!(location, Some(IN_TABLE | IN_ARCHIVE)) && self.layout.has(Target::Spans);
        if is_in_table {
            if let Some((list, stated)) = file {
                self.artifacts(place, &list, stated)?;
            }
            while let Some(span) = traces.child::<Span>()? {
                self.outcome.count(Kind::Spans);
                self.span(&span, experiment)?;
            }
            return Ok(());
        }
        let Some((list, stated)) = file else {
            return self.own_span_file(place, traces, Vec::new());
        };
        let mut spans = Vec::new();
        while let Some(span) = traces.child::<Span>()? {
            spans.push(span);
        }
        if spans.is_empty() || self.says(&list, &spans) {
            let counted = self.outcome.written.entry(Kind::Spans).or_default();
            *counted += spans.len() as u64;
            return self.artifacts(place, &list, stated);
        }
        // A server reads the file, and would show other spans than the archive has.
        for file in &list.files {
            self.outcome
                .lose(Kind::Artifacts, &list.owner_id, &file.path, Reason::Duplicate);
        }
        self.own_span_file(place, traces, spans)
    }

    /// Whether the file of a trace's artifacts says the spans that the archive has.
    fn says(&self, list: &ArtifactList, spans: &[Span]) -> bool {
        let blob = list.files.first().and_then(ArtifactFile::blob);
        let reader = blob.and_then(|blob| self.archive.blob(&blob).ok());
        let file = reader.and_then(|reader| SpanSource::read(reader, &list.owner_id).ok());
        file.is_some_and(|file| file.spans == spans)
    }

    /// Writes spans, and those that follow, into the file where a server looks for them.
    fn own_span_file(
        &mut self,
        place: &StorePlace,
        traces: &mut JoinedObjects<'_, Trace>,
        spans: Vec<Span>,
    ) -> Result<()> {
        let mut file = SpanFile {
            // MLflow 2 reads no later form, and every later one reads this.
            is_of_v2: !self.layout.has(Target::LoggedModels),
            ..SpanFile::default()
        };
        let mut spans = spans.into_iter();
        while let Some(span) = match spans.next() {
            Some(span) => Some(span),
            None => traces.child::<Span>()?,
        } {
            self.outcome.count(Kind::Spans);
            if file.is_new() {
                file.out = self.files.create(place, SPAN_FILE)?;
            }
            if file.is_of_v2 {
                self.lose_in_v2(&span);
            }
            file.push(&span).map_err(write_error)?;
        }
        file.finish().map_err(write_error)
    }

    /// Notes what a span of MLflow 2 always says.
    fn lose_in_v2(&mut self, span: &Span) {
        let id = format!("{}/{}", span.trace_id, span.span_id);
        let subject = Subject::of(Kind::Spans, &id);
        if span.status_code.is_none() {
            self.lose(subject, "status_code", Reason::AbsentAsDefault);
        }
        let named = span.attributes.get(REQUEST_ID);
        if named != Some(&Value::from(span.trace_id.as_str()).to_string().into()) {
            self.lose(
                subject,
                &format!("attributes.{REQUEST_ID}"),
                Reason::AbsentAsDefault,
            );
        }
    }

    fn span(&mut self, span: &Span, experiment: i64) -> Result<()> {
        let id = format!("{}/{}", span.trace_id, span.span_id);
        let subject = Subject::of(Kind::Spans, &id);
        let content = span_dict(span).to_unicode_dumps_text();
        let text = |key: &str| json_string(span.attributes.get(key)?);
        let bounded = |key: &str| Some(text(key)?.chars().take(DIMENSION_CHARS).collect::<String>());
        let cost = span.attributes.get(SPAN_COST).and_then(json_value);
        let costs = COST_KEYS.map(|key| cost.as_ref().and_then(|cost| finite_double(cost.get(key)?)));
        let (kind, model, provider) = (text(SPAN_TYPE), bounded(SPAN_MODEL), bounded(SPAN_PROVIDER));
        if span.start_time_unix_nano.is_none() {
            self.lose(subject, "start_time_unix_nano", Reason::AbsentAsDefault);
        }
        let row = [
            Cell::from(&span.trace_id),
            experiment.into(),
            Cell::from(&span.span_id),
            span.parent_span_id.as_deref().into(),
            Cell::from(&span.name),
            kind.as_deref().into(),
            span.status_code.as_deref().unwrap_or("UNSET").into(),
            span.start_time_unix_nano.unwrap_or(0).into(),
            span.end_time_unix_nano.into(),
            Cell::from(&content),
            costs[0].into(),
            costs[1].into(),
            costs[2].into(),
            model.as_deref().into(),
            provider.as_deref().into(),
        ];
        self.rows.insert(Target::Spans, &row)
    }
}

/// The value of an attribute, which nearly always is JSON text in a string.
fn json_value(attribute: &Value) -> Option<PyJson> {
    match attribute {
        Value::String(text) => PyJson::parse(text.as_bytes()).ok(),
        other => Some(PyJson::from_free_json(other)),
    }
}

/// The text of an attribute, where it is one; text that is no JSON stands for itself.
fn json_string(attribute: &Value) -> Option<String> {
    let text = attribute.as_str()?;
    match PyJson::parse(text.as_bytes()) {
        Ok(PyJson::Str(text)) => Some(text),
        _ => Some(text.to_owned()),
    }
}

/// The file of a trace's spans, written span by span.
#[derive(Default)]
struct SpanFile {
    out: Option<Box<dyn Write>>,
    spans: u64,
    is_of_v2: bool,
    /// What the file of MLflow 2 says of the root, where there is one, beside the spans.
    root: Option<[Option<String>; 2]>,
}

impl SpanFile {
    fn is_new(&self) -> bool {
        self.spans == 0
    }

    fn push(&mut self, span: &Span) -> io::Result<()> {
        let before = if self.is_new() { "{\"spans\": [" } else { ", " };
        self.spans += 1;
        let Some(out) = &mut self.out else { return Ok(()) };
        let dict = match self.is_of_v2 {
            true => span_dict_v2(span, &span.trace_id),
            false => span_dict(span),
        };
        if span.parent_span_id.is_none() && self.root.is_none() {
            let text = |key: &str| Some(span.attributes.get(key)?.as_str()?.to_owned());
            self.root = Some(ROOT_TEXTS.map(|(_, key)| text(key)));
        }
        out.write_all(before.as_bytes())?;
        out.write_all(dict.to_dumps_text().as_bytes())
    }

    fn finish(mut self) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        out.write_all(b"]")?;
        let texts = self.root.iter().flatten().filter(|_| self.is_of_v2);
        for ((name, _), text) in ROOT_TEXTS.iter().zip(texts) {
            let text = PyJson::from(text.as_deref()).to_dumps_text();
            write!(out, ", \"{name}\": {text}")?;
        }
        out.write_all(b"}")?;
        out.flush()
    }
}

fn write_error(error: io::Error) -> WriteError {
    ArchiveError::io("write", Path::new(SPAN_FILE))(error).into()
}
