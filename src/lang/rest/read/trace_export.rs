//! Writing traces with spans, links and attachments.

use super::artifacts::{Listed, Route};
use super::assessment;
use super::exporter::Exporter;
use super::server::{Server, told, told_io};
use super::trace_links::{Links, linked};
use crate::archive::parallel::map_ordered;
use crate::archive::{OpenFn, Owner};
use crate::client::AtMost;
use crate::format::{Kind, Reason};
use crate::lang::rest::read::trace_wire::{self, Api};
use crate::lang::rest::resume::Key;
use crate::lang::rest::routes::{self, Call};
use crate::lang::rest::version::HIDES_INCOMPLETE_TRACES;
use crate::lang::session::ExportError;
use crate::lang::spans::read::{SPAN_FILE, SpanFile};
use crate::model::{OwnerKind, Trace};
use crate::select::Verdict;
use serde_json::{Value, json};
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

/// Tag of where a trace's artifacts are.
const LOCATION_TAG: &str = "mlflow.artifactLocation";
/// Tag of where a trace's spans are.
const SPANS_TAG: &str = "mlflow.trace.spansLocation";
/// The part that the file of spans is.
const SPANS: &str = "spans";
/// Bytes of a file of spans that are read: as many as are held.
const SPAN_FILE_BYTES: u64 = 256 << 20;
/// The part that says that there is no such file.
const NO_SPANS: &str = "no-spans";
/// Why there are none of a trace that MLflow 3.6 hides.
const INCOMPLETE: &str =
    "the server gives none: fewer came than the client of this trace counted, or the trace is gone";

/// What became of asking for a trace's spans.
enum FoundSpans {
    NotAsked,
    None,
    Some(SpanFile),
    /// They came, and cannot be read as spans.
    Unread(String),
    Failed(String),
}

/// A trace with what hangs on it.
struct FoundTrace {
    trace: Trace,
    key: Key,
    spans: FoundSpans,
    route: Route,
    listed: Result<(Vec<Listed>, u64), String>,
}

impl Exporter<'_, '_> {
    /// Writes the traces of all experiments.
    pub(super) fn traces(&mut self, prompts: &[String]) -> Result<(), ExportError> {
        let Some(first) = self.experiments.keys().next() else {
            return Ok(());
        };
        let Some(api) = Api::of(&self.server, first)? else {
            return Ok(());
        };
        let with_traces = self.experiments_with_traces(api, self.open_experiments())?;
        let links = match self.links.clone() {
            Some(links) => links,
            None => {
                let elsewhere = self.experiments_with_traces(api, self.experiments_elsewhere())?;
                Rc::new(self.find_links(api, &with_traces, &elsewhere, prompts)?)
            }
        };
        self.links = Some(links.clone());
        for chunk in with_traces.chunks(routes::SEARCH_TRACES.most) {
            let search = |server: &Server, ids: &[String]| api.search(server, ids, None);
            self.each_page(search, Kind::Traces, chunk, |exporter, rows| {
                exporter.trace_page(rows, &links)
            })?;
        }
        Ok(())
    }

    /// Experiments that are of other shards, whose traces may be linked to runs of this one.
    fn experiments_elsewhere(&self) -> Vec<String> {
        let closure = self.closure.borrow();
        let others = self.experiments.keys().filter(|id| closure.is_all_elsewhere(id));
        match self.run_ids.is_empty() {
            true => Vec::new(),
            false => others.cloned().collect(),
        }
    }

    fn experiments_with_traces(&mut self, api: Api, ids: Vec<String>) -> Result<Vec<String>, ExportError> {
        let (server, pool) = (self.server.clone(), self.pool.clone());
        let work = move |id: String| {
            let first = api.search(&server, std::slice::from_ref(&id), None).first();
            (id, first)
        };
        let mut found = Vec::new();
        map_ordered(&pool, pool.threads() * 2, ids, work, |(id, first)| {
            match first {
                Ok(true) => found.push(id),
                Ok(false) => {}
                Err(error) => self.fail(Kind::Traces, &id, Reason::Unreadable, &told(&error))?,
            }
            Ok::<_, ExportError>(())
        })?;
        Ok(found)
    }

    /// Asks run by run, and prompt version by prompt version, which traces are linked to them. What a trace of another shard is linked to,
    /// the merge of all shards puts into it.
    fn find_links(
        &mut self,
        api: Api,
        with_traces: &[String],
        elsewhere: &[String],
        prompts: &[String],
    ) -> Result<Links, ExportError> {
        let mut links = Links::default();
        let survey = self.export.options.survey.as_ref();
        let experiments = [with_traces, elsewhere].concat();
        if api == Api::V2 || experiments.is_empty() || survey.is_some_and(|survey| !survey.links) {
            return Ok(links);
        }
        let wanted = self.run_ids.iter().map(|id| ("run", id.clone()));
        // Prompts are searched by every shard for its own traces.
        let prompts = prompts.iter().filter(|_| !with_traces.is_empty());
        let wanted: Vec<_> = wanted.chain(prompts.map(|id| ("prompt", id.clone()))).collect();
        let (server, pool, closure) = (self.server.clone(), self.pool.clone(), self.closure.clone());
        let is_elsewhere = |row: &Value| {
            let closure = closure.borrow();
            closure.is_a_share() && {
                let trace = trace_wire::read(row.clone());
                closure.is_elsewhere(&trace.experiment_id, trace.request_time)
            }
        };
        let work = move |(what, id)| linked(&server, api, &experiments, what, id);
        map_ordered(&pool, pool.threads() * 4, wanted, work, |(what, id, rows)| {
            match rows {
                Ok(rows) => links.add(what, &id, &rows, is_elsewhere),
                Err(detail) => {
                    let field = format!("linked_{what}s");
                    self.export
                        .failure(Kind::Traces, &id, &field, Reason::Unreadable, &detail)?;
                }
            }
            Ok::<_, ExportError>(())
        })?;
        let lost = links.take_elsewhere().into_iter();
        let lost = lost.map(|(trace, runs)| self.export.linked_from_elsewhere(trace, runs));
        let count = lost.sum();
        self.limit(Kind::Traces, "linked_runs", Reason::LinkedFromOtherShard, count);
        Ok(links)
    }

    fn trace_page(&mut self, rows: Vec<Value>, links: &Links) -> Result<(), ExportError> {
        let mut kept = Vec::new();
        for row in rows {
            let mut trace = trace_wire::read(row);
            let is_elsewhere = (self.closure.borrow()).is_elsewhere(&trace.experiment_id, trace.request_time);
            if is_elsewhere {
                continue;
            }
            links.put_into(&mut trace);
            let verdict = self.closure.borrow_mut().trace(&trace, &trace.linked_runs);
            match verdict {
                Verdict::Kept => kept.push(trace),
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Traces, reason, 1),
            }
        }
        let (server, pool) = (self.server.clone(), self.pool.clone());
        let parts = Parts {
            artifacts: self.export.looks_at(&[Kind::Artifacts]),
            spans: !self.export.is_survey(),
        };
        if !parts.spans {
            self.export.not_asked(Kind::Spans, kept.len() as u64);
        }
        let work = move |trace: Trace| find(&server, trace, parts);
        map_ordered(&pool, pool.threads() * 2, kept, work, |found| {
            self.tell_notices();
            self.write_trace(found)
        })
    }

    fn write_trace(&mut self, found: FoundTrace) -> Result<(), ExportError> {
        let FoundTrace {
            trace,
            key: kept,
            spans,
            route,
            listed,
        } = found;
        let (metadata, tags) = trace_wire::full_values(&trace);
        let export = &mut *self.export;
        export.limit(Kind::Traces, "trace_metadata", Reason::CutByServer, metadata);
        export.limit(Kind::Traces, "tags", Reason::CutByServer, tags);
        let doubles = trace.assessments.iter().map(assessment::whole_doubles).sum();
        export.limit(Kind::Traces, "assessments", Reason::IntegersAsDoubles, doubles);
        self.export.write(&trace)?;
        let owner = Owner::of(OwnerKind::Trace, &trace);
        let keeps_file = self.write_spans(&owner, spans)?;
        let listed = listed.map(|(mut files, empty)| {
            // Of spans that are not in the store, it is what was read.
            let takes_listed = are_in_store(&trace) && !keeps_file;
            let count = files.len();
            files.retain(|file| file.path != SPAN_FILE || takes_listed);
            let has_two = are_in_store(&trace) && files.len() < count;
            self.limit(Kind::Artifacts, "*", Reason::NameTaken, u64::from(has_two));
            (files, empty)
        });
        self.trace_artifacts(&owner, &kept, &route, listed, keeps_file)
    }

    /// Writes spans; whether what was read stays an artifact, since the spans do not say all of it.
    fn write_spans(&mut self, owner: &Owner, spans: FoundSpans) -> Result<bool, ExportError> {
        let file = match spans {
            FoundSpans::NotAsked => return Ok(false),
            FoundSpans::None => {
                self.limit(Kind::Traces, "spans", Reason::MissingFile, 1);
                return Ok(false);
            }
            FoundSpans::Some(file) => file,
            FoundSpans::Unread(ref detail) | FoundSpans::Failed(ref detail) => {
                self.fail(Kind::Spans, &owner.id, Reason::Unreadable, detail)?;
                return Ok(matches!(spans, FoundSpans::Unread(_)));
            }
        };
        for span in &file.spans {
            self.export.write_span(&owner.sort_key, span)?;
        }
        if !file.is_whole {
            self.limit(Kind::Spans, "*", Reason::KeptAsArtifact, 1);
        }
        Ok(!file.is_whole)
    }

    /// Queues attachments, and the file of spans where the spans do not say all of it.
    fn trace_artifacts(
        &mut self,
        owner: &Owner,
        key: &Key,
        route: &Route,
        listed: Result<(Vec<Listed>, u64), String>,
        keeps_file: bool,
    ) -> Result<(), ExportError> {
        match (listed, keeps_file) {
            (listed, false) => self.artifacts(owner, key, route, listed),
            (Err(detail), true) => self.artifacts(owner, key, route, Err(detail)),
            (Ok((files, empty)), true) => {
                let (before, after): (Vec<_>, Vec<_>) =
                    files.into_iter().partition(|file| file.path.as_str() < SPAN_FILE);
                self.artifacts(owner, key, route, Ok((before, empty)))?;
                let source = self
                    .server
                    .kept
                    .file(key, SPANS, span_file(&self.server, &owner.id));
                self.export.artifact(owner, SPAN_FILE.to_owned(), None, source)?;
                self.artifacts(owner, key, route, Ok((after, 0)))
            }
        }
    }
}

/// Which parts of traces are asked for.
#[derive(Clone, Copy)]
struct Parts {
    artifacts: bool,
    spans: bool,
}

/// Asks for what hangs on a trace.
fn find(server: &Arc<Server>, trace: Trace, parts: Parts) -> FoundTrace {
    let key = Key::of_trace(&trace);
    let tag = |name: &str| trace.tags.get(name).and_then(|text| text.as_str());
    let route = if parts.artifacts {
        Route::of(server, OwnerKind::Trace, &trace.trace_id, tag(LOCATION_TAG))
    } else {
        Route::None
    };
    let listed = route.list(server, &key);
    let spans = if parts.spans {
        find_spans(server, &trace, &key)
    } else {
        FoundSpans::NotAsked
    };
    FoundTrace {
        spans,
        trace,
        key,
        route,
        listed,
    }
}

/// Whether a trace's spans are in the server's database; else they are its artifact `traces.json`.
fn are_in_store(trace: &Trace) -> bool {
    let location = trace.tags.get(SPANS_TAG).and_then(|text| text.as_str());
    location == Some("TRACKING_STORE")
}

/// The spans of a trace, where it has any.
fn find_spans(server: &Arc<Server>, trace: &Trace, key: &Key) -> FoundSpans {
    let kept = &server.kept;
    if kept.bytes(key, NO_SPANS).is_some() {
        return FoundSpans::None;
    }
    match kept.read(key, SPANS, span_file(server, &trace.trace_id)) {
        Ok(file) => match SpanFile::read(file, &trace.trace_id) {
            Ok(file) => FoundSpans::Some(file),
            Err(error) => FoundSpans::Unread(format!("spans of trace `{}`: {error}", trace.trace_id)),
        },
        // A trace may have none; one whose spans are in the store has some.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !are_in_store(trace) => {
            kept.keep(key, NO_SPANS, b"");
            FoundSpans::None
        }
        Err(error) => FoundSpans::Failed(told_io(&error)),
    }
}

fn span_file(server: &Arc<Server>, trace_id: &str) -> OpenFn {
    let (server, trace_id) = (server.clone(), trace_id.to_owned());
    Box::new(move || {
        let asked = json!({"request_id": trace_id});
        let request = || Call::from(routes::SPANS).with(&server.client, &asked);
        if server.told_version() == Some(HIDES_INCOMPLETE_TRACES) {
            match request().attempts(1).download() {
                Ok(download) => return Ok(Box::new(AtMost::new(download, SPAN_FILE_BYTES))),
                Err(error) if error.status() == Some(500) && is_hidden(&server, &trace_id) => {
                    return Err(io::Error::other(INCOMPLETE));
                }
                Err(_) => {}
            }
        }
        let download = AtMost::new(request().download()?, SPAN_FILE_BYTES);
        Ok(Box::new(download) as Box<dyn Read + Send>)
    })
}

/// Whether a server that hides incomplete traces hides this one: asked for it by another route, it tells of none, and of no
/// trouble either.
fn is_hidden(server: &Server, trace_id: &str) -> bool {
    let request = Call::from(routes::TRACES_BY_ID).with(&server.client, &json!({"trace_ids": trace_id}));
    let answer = request.parse::<Value>();
    answer.is_ok_and(|answer| answer["traces"].as_array().is_none_or(Vec::is_empty))
}
