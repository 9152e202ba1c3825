//! Traces with tags, metadata, links and assessments, and with the columns that MLflow computes from them.

use super::rows::Target;
use super::{Result, StorePlace, Subject, Unique, Writer};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::spans::read::SPAN_FILE;
use crate::lang::sql::database::Cell;
use crate::lang::sql::spans::{ARTIFACT_LOCATION, SPANS_LOCATION};
use crate::lang::sql::trace_parts::{ASSESSMENT_RUN, NAME_TAG, Promoted, SESSION, rebuild};
use crate::lang::sql::traces::SOURCE_RUN;
use crate::model::pyjson::{PyInt, PyJson};
use crate::model::trace::{TRACE_COST, TRACE_USAGE};
use crate::model::{ArtifactFile, ArtifactList, Assessment, Text, Trace};
use serde_json::Value;

/// The time by which traces are ordered.
pub(crate) const REQUEST_TIME: &str = "request_time";
/// Where a server looks for the spans that it moved out of the tracking store.
pub(crate) const ARCHIVE_LOCATION: &str = "mlflow.trace.archiveLocation";

impl Writer<'_> {
    pub(super) fn traces(&mut self) -> Result<()> {
        self.begin(Kind::Traces);
        self.unique = Unique::default();
        let children = [Kind::Spans, Kind::Artifacts];
        let mut traces = JoinedObjects::<Trace>::new(self.archive, &children)?;
        while let Some(trace) = traces.next()? {
            self.monitor.advance(1);
            let Some((experiment, place)) = self.trace(&trace)? else {
                continue;
            };
            self.outcome.count(Kind::Traces);
            let location = trace.tags.get(ARTIFACT_LOCATION).and_then(|tag| tag.as_str());
            let mut span_file = None;
            while let Some(mut list) = traces.child::<ArtifactList>()? {
                let is_span_file = |file: &ArtifactFile| file.path == SPAN_FILE && file.absent.is_none();
                if let Some(at) = list.files.iter().position(is_span_file) {
                    let files = vec![list.files.remove(at)];
                    span_file = Some(ArtifactList {
                        files,
                        owner_id: list.owner_id.clone(),
                        owner_kind: list.owner_kind,
                    });
                }
                self.artifacts(&place, &list, location)?;
            }
            let span_file = span_file.map(|list| (list, location));
            self.spans(&trace, experiment, &place, span_file, &mut traces)?;
        }
        Ok(())
    }

    /// Writes a trace; its experiment in the target and where it keeps artifacts.
    fn trace(&mut self, trace: &Trace) -> Result<Option<(i64, StorePlace)>> {
        let subject = Subject::of(Kind::Traces, &trace.trace_id);
        let Some(experiment) = self.rules.experiment(&trace.experiment_id).cloned() else {
            self.lose(subject, "*", Reason::ExperimentNotInArchive);
            return Ok(None);
        };
        let promoted = self.promoted(subject, trace);
        let time = self.ordering(Kind::Traces, REQUEST_TIME, trace.request_time);
        let [name, session] =
            [&promoted.name, &promoted.session].map(|text| text.as_ref().map(Text::to_display));
        let mut row = vec![
            Cell::from(&trace.trace_id),
            experiment.id.into(),
            time.into(),
            trace.execution_duration.into(),
            Cell::from(&trace.state),
            trace.client_request_id.as_deref().into(),
            trace.request_preview.as_deref().into(),
            trace.response_preview.as_deref().into(),
            name.as_deref().into(),
            session.as_deref().into(),
        ];
        row.extend(promoted.tokens.map(Cell::from));
        row.extend(promoted.costs.map(Cell::from));
        self.rows.insert(Target::Traces, &row)?;
        self.lose_extra(subject, &trace.extra, "");
        let place = experiment.place().trace(&trace.trace_id);
        self.trace_texts(subject, trace, &place)?;
        let source_run = trace.trace_metadata.get(SOURCE_RUN).and_then(|run| run.as_str());
        for run_id in &trace.linked_runs {
            if Some(run_id.as_str()) == source_run {
                // The metadata says it already, and a store says it once.
                self.lose(subject, &format!("linked_runs[{run_id}]"), Reason::Duplicate);
            }
            self.associate(["trace", subject.id, "run", run_id], trace.request_time)?;
        }
        for prompt in &trace.linked_prompts {
            self.associate(
                ["trace", subject.id, "prompt_version", prompt],
                trace.request_time,
            )?;
        }
        for assessment in &trace.assessments {
            self.assessment(subject, trace, experiment.id, assessment)?;
        }
        Ok(Some((experiment.id, place)))
    }

    /// What columns hold of the tags and metadata, as MLflow computes it, and what they do not.
    fn promoted(&mut self, subject: Subject<'_>, trace: &Trace) -> Promoted {
        if !self.layout.has_trace_numbers() {
            return Promoted::default();
        }
        let promoted = Promoted::of(trace);
        let mut rebuilt = Trace {
            tags: trace.tags.clone(),
            trace_metadata: trace.trace_metadata.clone(),
            ..Trace::default()
        };
        rebuild(&mut rebuilt, &promoted);
        for key in [TRACE_USAGE, TRACE_COST] {
            if rebuilt.trace_metadata.get(key) != trace.trace_metadata.get(key) {
                self.lose(
                    subject,
                    &format!("trace_metadata.{key}"),
                    Reason::RewrittenByServer,
                );
            }
        }
        promoted
    }

    /// Writes tags and metadata, and in place of what they say of places the trace's own.
    fn trace_texts(&mut self, subject: Subject<'_>, trace: &Trace, place: &StorePlace) -> Result<()> {
        let id = Cell::from(subject.id);
        let stated = |key: &str| trace.tags.get(key).map(Text::to_display);
        let location = stated(ARTIFACT_LOCATION);
        let location = self.set_place(
            Kind::Traces,
            "tags.mlflow.artifactLocation",
            place,
            location.as_deref(),
        );
        let row = [id, ARTIFACT_LOCATION.into(), Cell::from(&location)];
        self.rows.insert(Target::TraceTags, &row)?;
        if let Some(archived) = stated(ARCHIVE_LOCATION) {
            let uri = self.set_place(
                Kind::Traces,
                "tags.mlflow.trace.archiveLocation",
                place,
                Some(&archived),
            );
            let row = [id, ARCHIVE_LOCATION.into(), Cell::from(&uri)];
            self.rows.insert(Target::TraceTags, &row)?;
        }
        let has_columns = self.layout.has_trace_numbers();
        self.tags(subject, &trace.tags, &mut |writer, key, value| match key {
            ARTIFACT_LOCATION | ARCHIVE_LOCATION => Ok(()),
            NAME_TAG if has_columns => Ok(()),
            // They lie among the artifacts there.
            SPANS_LOCATION if !writer.layout.has(Target::Spans) => {
                writer.lose(subject, &format!("tags.{key}"), Reason::NotHeld);
                Ok(())
            }
            _ => writer
                .rows
                .insert(Target::TraceTags, &[id, key.into(), value.into()]),
        })?;
        self.map(
            subject,
            "trace_metadata",
            &trace.trace_metadata,
            &mut |writer, key, value| match key {
                SESSION | TRACE_USAGE | TRACE_COST if has_columns => Ok(()),
                _ => writer
                    .rows
                    .insert(Target::TraceMetadata, &[id, key.into(), value.into()]),
            },
        )
    }

    fn assessment(
        &mut self,
        subject: Subject<'_>,
        trace: &Trace,
        experiment: i64,
        assessment: &Assessment,
    ) -> Result<()> {
        let whole = format!("assessments[{}]", assessment.assessment_id);
        if !self.unique.claim(&assessment.assessment_id) {
            self.lose(subject, &whole, Reason::Duplicate);
            return Ok(());
        }
        let field = |name: &str| format!("{whole}.{name}");
        let mut extra = assessment.extra.clone();
        let (kind, value, error) = self.judgement(subject, assessment, &mut extra);
        let metadata = self.assessment_metadata(subject, assessment);
        let run_id = linked_run(assessment, &mut extra);
        for name in extra.keys() {
            self.lose(subject, &field(name), Reason::NotHeld);
        }
        let (aggregate, is_numeric) = aggregate(&value);
        let source = |key: &str| assessment.source.get(key).map(String::as_str);
        let valid = assessment.valid.unwrap_or_else(|| {
            self.lose(subject, &field("valid"), Reason::AbsentAsDefault);
            true
        });
        let (value, error) = (value.to_dumps_text(), error.map(|error| error.to_dumps_text()));
        let created = self.required(subject, &field("create_time"), assessment.create_time);
        let updated = self.required(subject, &field("last_update_time"), assessment.last_update_time);
        let of_source = match assessment.source.is_empty() {
            true => "source",
            false => "source.source_type",
        };
        let source_type = self.required_text(subject, &field(of_source), source("source_type"));
        let row = [
            Cell::from(&trace.trace_id),
            Cell::from(&assessment.assessment_id),
            Cell::from(&assessment.assessment_name),
            Cell::from(&kind),
            Cell::from(&value),
            error.as_deref().into(),
            created.into(),
            updated.into(),
            source_type.into(),
            source("source_id").into(),
            run_id.as_deref().into(),
            assessment.span_id.as_deref().into(),
            assessment.rationale.as_deref().into(),
            assessment.overrides.as_deref().into(),
            valid.into(),
            metadata.as_deref().into(),
            experiment.into(),
            trace.request_time.into(),
            aggregate.into(),
            is_numeric.into(),
        ];
        self.rows.insert(Target::Assessments, &row)
    }

    /// What is judged: the type, the value, and the error in its place.
    fn judgement(
        &mut self,
        subject: Subject<'_>,
        assessment: &Assessment,
        extra: &mut crate::model::Extra,
    ) -> (String, PyJson, Option<PyJson>) {
        let of = |value: &Value, key: &str| value.get(key).map(PyJson::from_free_json);
        let value_of = |value: &Value| of(value, "value").unwrap_or(PyJson::Null);
        let mut known: &[&str] = &["value"];
        let (kind, whole, value, error) = match assessment {
            Assessment {
                feedback: Some(feedback),
                ..
            } => {
                known = &["value", "error"];
                ("feedback", feedback, value_of(feedback), of(feedback, "error"))
            }
            Assessment {
                expectation: Some(expectation),
                ..
            } => ("expectation", expectation, value_of(expectation), None),
            Assessment {
                issue: Some(issue), ..
            } => {
                return ("issue".to_owned(), PyJson::from_free_json(issue), None);
            }
            _ => {
                let kind = extra.remove("assessment_type");
                let kind = kind
                    .as_ref()
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                let value = extra.remove("value").unwrap_or(Value::Null);
                return (kind, PyJson::from_free_json(&value), None);
            }
        };
        for key in whole
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
        {
            if !known.contains(&key) {
                let field = format!("assessments[{}].{kind}.{key}", assessment.assessment_id);
                self.lose(subject, &field, Reason::NotHeld);
            }
        }
        (kind.to_owned(), value, error)
    }

    fn assessment_metadata(&mut self, subject: Subject<'_>, assessment: &Assessment) -> Option<String> {
        if assessment.metadata.is_empty() {
            return None;
        }
        let field = format!("assessments[{}].metadata", assessment.assessment_id);
        let entries = assessment.metadata.iter().map(|(key, value)| {
            let value = self.text(subject, &field, key, value);
            (key.clone(), PyJson::Str(value.into_owned()))
        });
        Some(PyJson::Dict(entries.collect()).to_dumps_text())
    }
}

/// The number that MLflow sorts and averages a value by, and whether the value is one.
fn aggregate(value: &PyJson) -> (Option<f64>, bool) {
    let yes = |is_yes: bool| (Some(if is_yes { 1.0 } else { 0.0 }), false);
    match value {
        PyJson::Bool(truth) => yes(*truth),
        PyJson::Int(number) => {
            finite(int_as_double(number)).map_or((None, false), |number| (Some(number), true))
        }
        PyJson::Float(number) => finite(*number).map_or((None, false), |number| (Some(number), true)),
        PyJson::Str(text) => match text.trim().to_lowercase().as_str() {
            "yes" => yes(true),
            "no" => yes(false),
            _ => (None, false),
        },
        _ => (None, false),
    }
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

fn int_as_double(number: &PyInt) -> f64 {
    number.to_string().parse().unwrap_or(f64::INFINITY)
}

/// The run that an assessment names: of its own, or in its metadata.
fn linked_run(assessment: &Assessment, extra: &mut crate::model::Extra) -> Option<String> {
    let own = extra
        .remove("run_id")
        .and_then(|run| Some(run.as_str()?.to_owned()));
    let told = || Some(assessment.metadata.get(ASSESSMENT_RUN)?.as_str()?.to_owned());
    own.or_else(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aggregated_as_mlflow_does() {
        for (text, expected) in [
            ("true", (Some(1.0), false)),
            ("3", (Some(3.0), true)),
            ("0.5", (Some(0.5), true)),
            ("NaN", (None, false)),
            ("\" Yes \"", (Some(1.0), false)),
            ("\"no\"", (Some(0.0), false)),
            ("\"maybe\"", (None, false)),
            ("[1]", (None, false)),
        ] {
            assert_eq!(
                aggregate(&PyJson::parse(text.as_bytes()).unwrap()),
                expected,
                "{text}"
            );
        }
    }
}
