//! Spans that came to real servers by each way in, as either door tells them; and random traces, which arrive as they are or are named.
//!
//! But for the model of a server, this runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s environments; MLARK_E2E_VERSIONS lists which; those
//! before 3.4 are passed over.

use crate::helpers::{common, random_traces, servers};
use common::History;
use mlark::archive::Archive;
use mlark::format::{Kind, Object as _};
use mlark::internals::{Sent, sent};
use mlark::model::{Span, Trace};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use serde_json::Value;
use servers::{Server, mlark, run, script, venv};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn exported(folder: &Path, name: &str, source: &str, options: &[&str]) -> Archive {
    let out = folder.join(name);
    let arguments = ["export", source, "-o", out.to_str().unwrap()];
    mlark(&[&arguments[..], options].concat());
    Archive::open(&out).unwrap()
}

/// Beside spans in the database the client leaves its file as well, where it loses a race: here it always does.
fn leave_files(folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join("mlflow.db")).unwrap();
    let sql = "SELECT a.value FROM trace_tags a JOIN trace_tags s ON s.request_id = a.request_id
        WHERE a.key = 'mlflow.artifactLocation' AND s.key = 'mlflow.trace.spansLocation' AND s.value = 'TRACKING_STORE'";
    let mut statement = connection.prepare(sql).unwrap();
    let locations = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for location in locations.map(Result::unwrap) {
        let below = location.strip_prefix("mlflow-artifacts:/").unwrap();
        let place = folder.join("artifacts").join(below);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("traces.json"), r#"{"spans": []}"#).unwrap();
    }
}

/// Spans by (trace, span).
fn spans(archive: &Archive) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let spans = archive.values(Kind::Spans).map(Result::unwrap);
    spans
        .map(|span| ((text(&span["trace_id"]), text(&span["span_id"])), span))
        .collect()
}

/// Whether a server of this version takes spans by OpenTelemetry, as those from 3.4 on do.
fn takes_spans(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap());
    (numbers.next(), numbers.next()) >= (Some(3), Some(4))
}

#[test]
fn both_doors_tell_the_same_spans_but_for_those_that_no_route_tells() {
    let versions = std::env::var("MLARK_E2E_VERSIONS").unwrap_or_else(|_| "3.18.0".to_owned());
    for version in versions.split_whitespace() {
        if !takes_spans(version) {
            continue;
        }
        let Some(venv) = venv(version) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        let fill = Command::new(venv.join("bin/python"))
            .arg(script("fill_spans.py"))
            .arg(&server.url)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .status();
        assert!(fill.unwrap().success());
        leave_files(folder.path());
        let rest = exported(folder.path(), "rest", &server.url, &[]);
        let artifacts = folder.path().join("artifacts");
        let destination = ["--artifacts-destination", artifacts.to_str().unwrap()];
        let database = folder.path().join("mlflow.db");
        let sql = exported(folder.path(), "sql", database.to_str().unwrap(), &destination);

        let (by_rest, by_sql) = (spans(&rest), spans(&sql));
        assert_eq!(by_sql.len(), 4, "{version}");
        // Servers before 3.6 keep what came by OpenTelemetry in their database, and have no route to it.
        let is_told = !matches!(version, "3.4.0" | "3.5.0" | "3.5.1");
        assert_eq!(by_rest.len(), if is_told { 4 } else { 2 }, "{version}");
        for (id, span) in &by_rest {
            assert_eq!(span, &by_sql[id], "{version}");
        }
        let limits = &rest.manifest().losses.limits;
        let missing = limits
            .iter()
            .filter(|loss| loss.reason.as_str() == "missing-file");
        let missing: u64 = missing.map(|loss| loss.count).sum();
        assert_eq!(missing, u64::from(!is_told), "{version}");
        let lists = |archive: &Archive| -> Vec<Value> {
            archive.values(Kind::Artifacts).map(Result::unwrap).collect()
        };
        assert_eq!(lists(&rest), lists(&sql), "{version}");
        assert_eq!(lists(&rest).len(), if is_told { 2 } else { 0 }, "{version}");
        let mut compared = Command::new(env!("CARGO_BIN_EXE_mlark"));
        compared.args(["diff", "--ignore-limits"]);
        run(compared
            .arg(folder.path().join("rest"))
            .arg(folder.path().join("sql")));
    }
}

/// What MLflow 3.18 makes of the fields of a trace, call by call: `start_trace` and `log_spans` of its SQL store, told anew.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    request_time: i64,
    execution_duration: Option<i64>,
    state: String,
    previews: [Option<String>; 2],
    metadata: Vec<String>,
    tags: Vec<String>,
}

impl Kept {
    fn started(trace: &Trace) -> Self {
        Kept {
            request_time: trace.request_time.unwrap(),
            execution_duration: trace.execution_duration,
            state: trace.state.clone(),
            previews: [trace.request_preview.clone(), trace.response_preview.clone()],
            metadata: trace.trace_metadata.keys().cloned().collect(),
            tags: trace.tags.keys().cloned().collect(),
        }
    }

    /// The call that makes a trace, once more: what spans brought stays, the rest is said anew.
    fn started_again(self, trace: &Trace) -> Self {
        let told = Kept::started(trace);
        let [request, response] = told.previews;
        Kept {
            previews: [
                request.or(self.previews[0].clone()),
                response.or(self.previews[1].clone()),
            ],
            metadata: self.metadata,
            tags: self.tags,
            ..Kept::started(trace)
        }
    }

    fn with_spans(mut self, spans: &[Span]) -> Self {
        let millis = |nanos: Option<i64>| nanos.unwrap() / 1_000_000;
        let first = spans
            .iter()
            .map(|span| millis(span.start_time_unix_nano))
            .min()
            .unwrap();
        let last = spans
            .iter()
            .map(|span| millis(span.end_time_unix_nano))
            .max()
            .unwrap();
        let end = self
            .execution_duration
            .map_or(last, |duration| last.max(self.request_time + duration));
        self.request_time = self.request_time.min(first);
        self.execution_duration = Some(end - self.request_time);
        let roots: Vec<_> = spans
            .iter()
            .filter(|span| span.parent_span_id.is_none())
            .collect();
        if let (Some(root), "IN_PROGRESS" | "STATE_UNSPECIFIED") = (roots.first(), self.state.as_str()) {
            let is_error = root.status_code.as_deref() == Some("ERROR");
            self.state = if is_error { "ERROR" } else { "OK" }.to_owned();
        }
        for (at, key) in ["mlflow.spanInputs", "mlflow.spanOutputs"]
            .into_iter()
            .enumerate()
        {
            let text = roots.last().and_then(|root| root.attributes.get(key)?.as_str());
            self.previews[at] = self.previews[at].take().or(text.map(str::to_owned));
        }
        for (attribute, key) in [
            ("session.id", "mlflow.trace.session"),
            ("user.id", "mlflow.trace.user"),
            ("mlflow.chat.tokenUsage", "mlflow.trace.tokenUsage"),
            ("mlflow.llm.cost", "mlflow.trace.cost"),
        ] {
            let has = spans.iter().any(|span| span.attributes.contains_key(attribute));
            if has && !self.metadata.iter().any(|found| found == key) {
                self.metadata.push(key.to_owned());
            }
        }
        for key in roots.iter().flat_map(|root| root.attributes.keys()) {
            self.tags
                .extend(key.strip_prefix("mlflow.traceTag.").map(str::to_owned));
        }
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_trace_is_in_the_end_what_the_archive_says_whichever_way_its_spans_go(seed in any::<u64>()) {
        let (trace, spans) = random_traces::make(seed);
        let told = Kept::started(&trace);
        let kept = match sent(&trace, &spans).filter(|_| !spans.is_empty()) {
            Some(Sent { changes_trace: true, .. }) => told.clone().with_spans(&spans).started_again(&trace),
            Some(_) => told.clone().with_spans(&spans),
            None => told.clone(),
        };
        prop_assert_eq!(kept, told);
    }
}

#[test]
fn random_traces_arrive_as_they_are_or_are_named_before_the_first_write() {
    let Some(venv) = venv("3.18.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("archive");
    let mut history = History::new();
    let made = (0..80).map(random_traces::make);
    let (mut traces, spans): (Vec<Trace>, Vec<Vec<Span>>) = made.unzip();
    let in_store = traces
        .iter()
        .zip(&spans)
        .filter(|(trace, spans)| !spans.is_empty() && sent(trace, spans).is_some());
    let in_store = in_store.count();
    assert!(
        (15..65).contains(&in_store),
        "both ways are gone: {in_store} in the store"
    );
    traces.sort_by_key(|trace| trace.sort_key());
    let mut by_trace: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in spans.into_iter().flatten() {
        by_trace.entry(span.trace_id.clone()).or_default().push(span);
    }
    let of_trace = |trace: &Trace| by_trace.get(&trace.trace_id).cloned().unwrap_or_default();
    history.spans = traces.iter().flat_map(of_trace).collect();
    history.traces = traces;
    history.artifacts.clear();
    history.model_metrics.clear();
    let without_kind = history.write(&out);

    let server = Server::start_of(&venv, folder.path());
    let archive = out.to_str().unwrap();
    let plan = mlark(&[
        "import",
        archive,
        &server.url,
        "--on-conflict",
        "merge",
        "--dry-run",
    ]);
    let plan = String::from_utf8(plan.stdout).unwrap();
    for reason in ["spans: kind-set-by-server", "traces: rewritten-by-server"] {
        assert!(plan.contains(reason), "{plan}");
    }
    let text = mlark(&[
        "import",
        archive,
        &server.url,
        "--on-conflict",
        "merge",
        "--verify",
    ]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("the target matches the archive"), "{text}");
    // Nothing else than what was named: every kind that the archive has is the same, byte for byte.
    let back = exported(folder.path(), "back", &server.url, &[]);
    let (before, after) = (self::spans(&without_kind), self::spans(&back));
    assert_eq!(before.len(), after.len());
    for (id, span) in &before {
        let mut found = after[id].clone();
        if span.get("kind").is_none() && found["kind"] == "SPAN_KIND_INTERNAL" {
            found.as_object_mut().unwrap().remove("kind");
        }
        assert_eq!(&found, span);
    }
}
