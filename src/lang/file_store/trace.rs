//! Traces (MLflow 2.14 and later): `<experiment>/traces/<trace id>/`, under the names of either API.

use super::artifacts::{FoundArtifacts, find};
use super::assessment;
use super::folder::Folder;
use super::index::{Described, Indexed, Place, id_mismatch, open};
use super::key_files::{KeyOwner, read_values, walk};
use super::meta::Meta;
use super::notes::{Fault, Notes};
use super::store::Store;
use super::yaml::Node;
use crate::archive::open_input;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::OwnerRef;
use crate::lang::artifacts::walk::FoundFile;
use crate::lang::spans::read::{SPAN_FILE, SpanFile};
use crate::model::pyjson::PyJsonReadError;
use crate::model::{Assessment, OwnerKind, Trace};
use std::path::{Path, PathBuf};

/// Tag of where a trace's artifacts are.
const LOCATION_TAG: &str = "mlflow.artifactLocation";
/// A longer file of spans is read by the thread that writes.
const SMALL_BYTES: u64 = 1 << 20;

impl Described for Trace {
    const KIND: Kind = Kind::Traces;
    const FILE: &'static str = "trace_info.yaml";

    fn parse(bytes: &[u8], id: &str, place: &Place, path: &Path, notes: &mut Notes) -> Result<Self, Fault> {
        let mut meta = Meta::at(path, bytes)?;
        // `request_id` is the name of API v2, in which the times, the state and the experiment have other names too.
        let trace_id = meta
            .text("trace_id")
            .or_else(|| meta.text("request_id"))
            .unwrap_or_default();
        if trace_id != id {
            return Err(id_mismatch(path, "trace_id", &trace_id, id));
        }
        for name in ["tags", "request_metadata", "trace_metadata"] {
            meta.ignore_empty(name);
        }
        let mut trace = Trace {
            trace_id,
            experiment_id: place.experiment_id.clone(),
            client_request_id: meta.text("client_request_id"),
            request_time: meta.time("request_time").or_else(|| meta.int("timestamp_ms")),
            execution_duration: meta
                .int("execution_duration_ms")
                .or_else(|| meta.int("execution_time_ms")),
            state: state(meta.text("state").or_else(|| meta.text("status"))),
            request_preview: meta.text("request_preview"),
            response_preview: meta.text("response_preview"),
            // Copies of what the folder of assessments holds, where there is one.
            assessments: inline_assessments(meta.take("assessments"), id, path, notes),
            ..Trace::default()
        };
        keep_odd_location(&mut trace, &mut meta, place);
        trace.extra.extend(meta.finish(Kind::Traces, id, path, notes));
        Ok(trace)
    }

    fn time(&self) -> Option<i64> {
        self.request_time
    }

    fn is_deleted(&self) -> bool {
        // A trace goes with its experiment; the index asks for that.
        false
    }
}

/// The state, by its name in API v3.
fn state(text: Option<String>) -> String {
    match text.as_deref() {
        None | Some("TRACE_STATUS_UNSPECIFIED") => "STATE_UNSPECIFIED".to_owned(),
        Some(state) => state.to_owned(),
    }
}

/// The location says which experiment a trace is in, which its folder tells; one that says anything else is kept.
fn keep_odd_location(trace: &mut Trace, meta: &mut Meta, place: &Place) {
    let own = meta.text("experiment_id").filter(|id| *id != place.experiment_id);
    if let Some(other) = own {
        trace
            .extra
            .insert("stated_experiment_id".to_owned(), other.into());
    }
    let Some(location) = meta.take("trace_location") else {
        return;
    };
    let resolved = location.resolve();
    let mut fields = Meta::of(Some(location));
    let kind = fields.text("type");
    let mut experiment = Meta::of(fields.take("mlflow_experiment"));
    let is_plain = kind.as_deref() == Some("MLFLOW_EXPERIMENT")
        && experiment.text("experiment_id").as_deref() == Some(&place.experiment_id)
        && fields.is_empty()
        && experiment.is_empty();
    if !is_plain {
        trace
            .extra
            .insert("trace_location".to_owned(), resolved.to_free_json());
    }
}

fn inline_assessments(node: Option<Node>, id: &str, path: &Path, notes: &mut Notes) -> Vec<Assessment> {
    match node {
        Some(Node::List(items)) => {
            let items = items.into_iter().map(|item| Meta::of(Some(item)));
            items
                .map(|meta| assessment::read(meta, id, path, notes))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// A trace as a worker thread found it.
pub(super) struct FoundTrace {
    pub(super) trace: Trace,
    pub(super) spans: FoundSpans,
    /// Its artifacts, less the file of spans.
    pub(super) artifacts: FoundArtifacts,
}

/// The spans of a trace.
pub(super) enum FoundSpans {
    /// There is no file of spans.
    None,
    /// They were read from this file.
    Read(PathBuf, Result<SpanFile, PyJsonReadError>),
    /// The file is large, and to be read when its turn comes.
    Later(PathBuf),
}

impl FoundSpans {
    /// The file and what is in it.
    pub(super) fn read(self, trace_id: &str) -> Option<(PathBuf, Result<SpanFile, PyJsonReadError>)> {
        match self {
            FoundSpans::None => None,
            FoundSpans::Read(path, read) => Some((path, read)),
            FoundSpans::Later(path) => {
                let read = read_spans(&path, trace_id);
                Some((path, read))
            }
        }
    }
}

fn read_spans(path: &Path, trace_id: &str) -> Result<SpanFile, PyJsonReadError> {
    SpanFile::read(open_input(path)?, trace_id)
}

/// Reads a trace; none where its file cannot be read.
pub(super) fn read(
    store: &Store,
    folder: &Path,
    place: &Place,
    found: Indexed<Trace>,
) -> (Option<FoundTrace>, Notes) {
    let mut notes = Notes::default();
    let id = found.id;
    let mut buffer = Vec::new();
    let opened = open(store, folder, place, &id, found.held, &mut buffer, &mut notes);
    let Some((mut trace, own)) = opened else {
        return (None, notes);
    };
    let values = |field: &'static str| KeyOwner::of(Kind::Traces, &id, field);
    trace.tags = read_values(store, &own, "tags", values("tags"), &mut buffer, &mut notes);
    let metadata = values("trace_metadata");
    trace.trace_metadata = read_values(store, &own, "request_metadata", metadata, &mut buffer, &mut notes);
    read_assessments(&own, &mut trace, &mut buffer, &mut notes);
    let location = trace.tags.get(LOCATION_TAG).and_then(|tag| tag.as_str());
    let own_artifacts = own.path_of(b"artifacts");
    let owner = OwnerRef {
        kind: OwnerKind::Trace,
        id: &id,
    };
    let mut artifacts = find(store, owner, location, &own_artifacts, &mut notes);
    let spans = take_spans(store, &mut artifacts, &id);
    if matches!(spans, FoundSpans::None) {
        notes.limit(Kind::Traces, "spans", Reason::MissingFile);
    }
    let found = FoundTrace {
        trace,
        spans,
        artifacts,
    };
    (Some(found), notes)
}

/// The files of assessments, which stand before what the trace's own file says of them.
fn read_assessments(own: &Folder, trace: &mut Trace, buffer: &mut Vec<u8>, notes: &mut Notes) {
    let id = trace.trace_id.clone();
    let owner = KeyOwner::of(Kind::Traces, &id, "assessments");
    if own.has("assessments") {
        trace.assessments.clear();
    }
    walk(
        own,
        "assessments",
        owner,
        notes,
        &mut |key, folder, file, notes| {
            let path = folder.path_of(file);
            match folder.read(file, buffer) {
                Ok(_) if !key.ends_with(".yaml") => notes.limit(Kind::Traces, "assessments", Reason::Stray),
                Ok(bytes) => trace
                    .assessments
                    .extend(assessment::parse(bytes, &id, &path, notes)),
                Err(error) => super::key_files::unreadable(owner, folder, file, &error, notes),
            }
        },
    );
    trace
        .assessments
        .sort_by(|a, b| (a.create_time, &a.assessment_id).cmp(&(b.create_time, &b.assessment_id)));
}

/// Takes the file of spans out of a trace's artifacts, and reads it if it is small.
fn take_spans(store: &Store, artifacts: &mut FoundArtifacts, trace_id: &str) -> FoundSpans {
    let path = match artifacts {
        FoundArtifacts::None => None,
        FoundArtifacts::Many(folder) => store.roots().file_in(folder, SPAN_FILE),
        FoundArtifacts::Listed(files) => {
            let is_it = |file: &FoundFile| matches!(file, FoundFile::File(name, _) if name == SPAN_FILE);
            let index = files.iter().position(is_it);
            index.and_then(|index| match files.remove(index) {
                FoundFile::File(_, path) => Some(path),
                _ => None,
            })
        }
    };
    match path {
        None => FoundSpans::None,
        Some(path) if path.metadata().is_ok_and(|metadata| metadata.len() > SMALL_BYTES) => {
            FoundSpans::Later(path)
        }
        Some(path) => {
            let read = read_spans(&path, trace_id);
            FoundSpans::Read(path, read)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(yaml: &str) -> Trace {
        let place = Place {
            experiment_id: "1".to_owned(),
            is_deleted: false,
        };
        let mut notes = Notes::default();
        let trace = Trace::parse(yaml.as_bytes(), "t", &place, Path::new("t.yaml"), &mut notes).unwrap();
        assert_eq!(notes.problems(), []);
        trace
    }

    #[test]
    fn both_apis_give_the_same_trace() {
        let v2 = parse(
            "assessments: []\nexecution_time_ms: 1234\nexperiment_id: '1'\nrequest_id: t\nstatus: OK\ntimestamp_ms: 1714979290123\n",
        );
        let v3 = parse(
            "execution_duration_ms: 1234\nrequest_time: '2024-05-06T07:08:10.123Z'\nstate: OK\ntrace_id: t\ntrace_location:\n  mlflow_experiment:\n    experiment_id: '1'\n  type: MLFLOW_EXPERIMENT\n",
        );
        assert_eq!(v2, v3);
        assert_eq!(v3.request_time, Some(1_714_979_290_123));
        assert!(v3.extra.is_empty());
    }

    #[test]
    fn another_location_is_kept() {
        let trace = parse("trace_id: t\ntrace_location:\n  type: INFERENCE_TABLE\n");
        assert_eq!(trace.extra["trace_location"], json!({"type": "INFERENCE_TABLE"}));
        assert_eq!(trace.state, "STATE_UNSPECIFIED");
    }
}
