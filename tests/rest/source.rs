//! Exports of a scripted server: answers that are cut, refused, late or not what they should be.

use crate::helpers::loopback;
use crate::helpers::served::export_of;
use loopback::{Answer, Loopback, Received};
use mlark::archive::Archive;
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportOptions, Survey};
use mlark::flow::export::{export, survey};
use mlark::format::Kind;
use mlark::model::{MetricSlice, Run};
use mlark::monitor::Silent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Points that a bulk answer holds at most.
const POINTS: usize = 25_000;

/// A server with one experiment and some runs, each with one metric.
#[derive(Clone)]
struct Fake {
    /// Points of each run's metric.
    points: BTreeMap<String, usize>,
    runs_per_bulk_call: usize,
    has_bulk: bool,
    /// Paths of artifacts of every run, with their content.
    artifacts: Vec<(&'static str, &'static [u8])>,
}

impl Fake {
    fn new(points: &[usize]) -> Self {
        let points = points
            .iter()
            .zip(0..)
            .map(|(&points, number)| (format!("{number:032x}"), points));
        Fake {
            points: points.collect(),
            runs_per_bulk_call: 100,
            has_bulk: true,
            artifacts: Vec::new(),
        }
    }

    fn run(&self, (run_id, points): (&String, &usize)) -> Value {
        let last = points.saturating_sub(1);
        let latest = json!([{"key": "loss", "value": value(last), "timestamp": last, "step": last}]);
        json!({
            "info": {"run_id": run_id, "experiment_id": "1", "status": "FINISHED", "start_time": 5, "end_time": 6,
                     "lifecycle_stage": "active", "artifact_uri": format!("mlflow-artifacts:/1/{run_id}/artifacts")},
            "data": {"metrics": if *points > 0 { latest } else { json!([]) }},
        })
    }

    fn answer(&self, request: &Received) -> Answer {
        match request.path() {
            "/version" => Answer::new(200, "3.18.0"),
            "/api/2.0/mlflow/experiments/search" => Answer::json(
                r#"{"experiments": [{"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}]}"#,
            ),
            "/api/2.0/mlflow/runs/search" => {
                let runs: Vec<Value> = self.points.iter().map(|run| self.run(run)).collect();
                Answer::json(&json!({ "runs": runs }).to_string())
            }
            "/ajax-api/2.0/mlflow/metrics/get-history-bulk" if self.has_bulk => self.bulk(request),
            "/api/2.0/mlflow/metrics/get-history" => self.history(request),
            "/api/2.0/mlflow-artifacts/artifacts" => self.listing(),
            path => match path.rsplit_once("/artifacts/") {
                Some((_, name)) => match self.artifacts.iter().find(|(found, _)| *found == name) {
                    Some((_, bytes)) => Answer::new(200, *bytes),
                    None => Answer::new(
                        404,
                        r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}"#,
                    ),
                },
                None => Answer::new(404, "<!doctype html><title>404 Not Found</title>"),
            },
        }
    }

    fn bulk(&self, request: &Received) -> Answer {
        let run_ids = queries(request, "run_id");
        if run_ids.len() > self.runs_per_bulk_call {
            let message = format!(
                "GetMetricHistoryBulk request cannot specify more than {} run_ids. Received {} run_ids.",
                self.runs_per_bulk_call,
                run_ids.len()
            );
            return Answer::new(
                400,
                json!({"error_code": "INVALID_PARAMETER_VALUE", "message": message}).to_string(),
            );
        }
        let points = run_ids
            .iter()
            .flat_map(|run_id| (0..self.points[run_id]).map(move |number| (run_id, number)));
        let points: Vec<String> = points
            .take(POINTS)
            .map(|(run_id, number)| {
                // As Python writes it: NaN is bare.
                let value = value(number).as_f64().map_or("NaN".to_owned(), |value| value.to_string());
                format!(r#"{{"key":"loss","run_id":"{run_id}","step":{number},"timestamp":{number},"value":{value}}}"#)
            })
            .collect();
        Answer::json(&format!(r#"{{"metrics":[{}]}}"#, points.join(",")))
    }

    fn history(&self, request: &Received) -> Answer {
        let run_id = &queries(request, "run_id")[0];
        let Some(rows) = queries(request, "max_results")
            .first()
            .map(|rows| rows.parse::<usize>().unwrap())
        else {
            // The trap of 3.1 to 3.13.
            return Answer::json(r#"{"next_page_token": "e30="}"#);
        };
        let begin: usize = queries(request, "page_token")
            .first()
            .map_or(0, |token| token.parse().unwrap());
        let end = (begin + rows).min(self.points[run_id]);
        let points: Vec<Value> = (begin..end)
            .map(|number| json!({"key": "loss", "value": value(number), "timestamp": number, "step": number}))
            .collect();
        let mut answer = json!({ "metrics": points });
        if end < self.points[run_id] {
            answer["next_page_token"] = end.to_string().into();
        }
        Answer::json(&answer.to_string())
    }

    fn listing(&self) -> Answer {
        let files: Vec<Value> = self
            .artifacts
            .iter()
            .map(|(path, bytes)| json!({"path": path, "is_dir": false, "file_size": bytes.len()}))
            .collect();
        Answer::json(&json!({ "files": files }).to_string())
    }
}

/// NaN now and then, as protobuf prints it.
fn value(number: usize) -> Value {
    match number % 1000 {
        7 => json!("NaN"),
        _ => json!(number as f64 + 0.5),
    }
}

fn queries(request: &Received, name: &str) -> Vec<String> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// Points in an archive, by run, each checked.
fn points_of(folder: &tempfile::TempDir) -> BTreeMap<String, usize> {
    let archive = Archive::open(&folder.path().join("out")).unwrap();
    let mut found = BTreeMap::new();
    let mut lines = archive.lines(mlark::format::Kind::Metrics);
    while let Some(line) = lines.next_line().unwrap() {
        let slice: MetricSlice = serde_json::from_slice(line.bytes).unwrap();
        let count = found.entry(slice.run_id.clone()).or_insert(0);
        for point in slice.points() {
            assert_eq!(point.step, i64::try_from(*count).unwrap());
            let expected = value(*count).as_f64();
            assert_eq!((!point.value.0.is_nan()).then_some(point.value.0), expected);
            *count += 1;
        }
    }
    found
}

#[test]
fn no_point_is_lost_where_answers_are_full() {
    for fake in [
        Fake::new(&[
            10_000, 10_000, 10_000, 10_000, 5, 24_999, 25_000, 25_001, 60_000, 1,
        ]),
        Fake {
            runs_per_bulk_call: 3,
            ..Fake::new(&[20; 50])
        },
        Fake {
            has_bulk: false,
            ..Fake::new(&[30_000, 1, 2])
        },
    ] {
        let (script, calls) = (fake.clone(), std::sync::Arc::new(AtomicUsize::new(0)));
        let counter = calls.clone();
        let server = Loopback::start(move |request| {
            counter.fetch_add(
                usize::from(request.path().contains("get-history")),
                Ordering::Relaxed,
            );
            script.answer(request)
        });
        let (folder, report) = export_of(&server.url(), false);
        let report = report.unwrap();
        assert_eq!(points_of(&folder), fake.points);
        assert_eq!(report.manifest.losses.failures, []);
        assert!(
            report
                .manifest
                .losses
                .limits
                .iter()
                .all(|limit| limit.reason.as_str() != "latest-not-in-history")
        );
        assert!(calls.load(Ordering::Relaxed) < 40, "{calls:?} calls");
    }
}

#[test]
fn a_run_whose_history_fails_is_named() {
    let fake = Fake::new(&[3, 3, 3]);
    let bad = fake.points.keys().nth(1).unwrap().clone();
    let server = Loopback::start(move |request| {
        match request.path().contains("get-history") && queries(request, "run_id").contains(&bad) {
            true => Answer::new(500, r#"{"error_code": "INTERNAL_ERROR", "message": "corrupt"}"#),
            false => fake.answer(request),
        }
    });
    let (_, report) = export_of(&server.url(), false);
    let text = report.unwrap_err().to_string();
    assert!(
        text.contains("loss") && text.contains("INTERNAL_ERROR: corrupt"),
        "{text}"
    );
    let (folder, report) = export_of(&server.url(), true);
    assert_eq!(report.unwrap().failures, 1);
    assert_eq!(points_of(&folder).len(), 2);
    let losses = std::fs::read_to_string(folder.path().join("out/losses.jsonl")).unwrap();
    assert!(
        losses.contains("00000000000000000000000000000001/loss"),
        "{losses}"
    );
}

#[test]
fn an_artifact_that_is_gone_or_of_another_size_is_named() {
    let mut fake = Fake::new(&[0]);
    fake.artifacts = vec![("a.txt", b"text"), ("b.txt", b"longer"), ("c%20d.txt", b"x")];
    let script = fake.clone();
    let server = Loopback::start(move |request| match request.path() {
        path if path.ends_with("/a.txt") => Answer::new(404, r#"{"error_code": "RESOURCE_DOES_NOT_EXIST"}"#),
        path if path.ends_with("/b.txt") => Answer::new(200, "long"),
        _ => script.answer(request),
    });
    let (folder, report) = export_of(&server.url(), true);
    assert_eq!(report.unwrap().failures, 3);
    let losses = std::fs::read_to_string(folder.path().join("out/losses.jsonl")).unwrap();
    for expected in [
        "answered 404",
        "4 bytes came of a file listed with 6",
        "name-not-served",
    ] {
        assert!(losses.contains(expected), "{expected}: {losses}");
    }
    let (_, report) = export_of(&server.url(), false);
    assert!(report.is_err());
}

#[test]
fn what_is_no_tracking_server_is_said_so() {
    let page = "<!doctype html><html><head><title>Welcome</title></head></html>";
    for (answer, expected) in [
        (Answer::new(200, page), "an HTML page titled `Welcome`"),
        (Answer::new(401, "no"), "MLFLOW_TRACKING_USERNAME"),
        (
            Answer::new(
                403,
                "Invalid Host header - possible DNS rebinding attack detected",
            ),
            "--allowed-hosts",
        ),
        (Answer::new(404, "nothing here"), "answered 404"),
    ] {
        let server = Loopback::start(move |_| answer.clone());
        let (folder, report) = export_of(&server.url(), true);
        let text = report.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "nothing is left"
        );
    }
}

#[test]
fn a_server_that_dies_leaves_nothing_but_what_can_be_gone_on_with() {
    let fake = Fake::new(&[5; 10]);
    let server = Loopback::start(move |request| match request.path().contains("get-history") {
        true => Answer::json("{}").cut_after(1),
        false => fake.answer(request),
    });
    let (folder, report) = export_of(&server.url(), false);
    assert!(report.unwrap_err().to_string().contains("the connection broke"));
    let left = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let left: Vec<_> = left.collect();
    let kept = mlark::flow::export::resume_folder(&folder.path().join("out"));
    assert!(left.is_empty() || left == [kept], "{left:?}");
}

#[test]
fn a_run_written_to_meanwhile_keeps_its_newest_point() {
    let fake = Fake::new(&[3]);
    let mut later = fake.clone();
    later.points.values_mut().for_each(|points| *points += 2);
    let server = Loopback::start(move |request| match request.path().contains("get-history") {
        true => later.answer(request),
        false => fake.answer(request),
    });
    let (folder, report) = export_of(&server.url(), false);
    report.unwrap();
    let archive = Archive::open(&folder.path().join("out")).unwrap();
    let run: Run = archive.objects().next().unwrap().unwrap();
    assert_eq!(run.metrics["loss"].step, 4);
}

#[test]
fn a_survey_asks_for_neither_history_nor_bytes() {
    let mut fake = Fake::new(&[3, 40, 0]);
    fake.artifacts = vec![("model.bin", b"12345"), ("notes.txt", b"abc")];
    let server = Loopback::start(move |request| fake.answer(request));
    let surveyed = survey(
        SourceKind::Rest,
        &server.url(),
        Survey::whole(),
        ExportOptions::default(),
        &Silent,
    )
    .unwrap();
    let report = &surveyed.report;
    assert_eq!(report.survey.not_asked, BTreeMap::from([(Kind::Metrics, 2)]));
    assert_eq!(surveyed.archive.objects::<Run>().count(), 3);
    let totals = &report.manifest.totals;
    assert_eq!(
        (totals.artifact_files, totals.artifact_bytes, totals.blobs),
        (6, 24, 0)
    );
    let asked = |part: &str| {
        let received = server.received();
        received
            .iter()
            .filter(|request| request.path().contains(part))
            .count()
    };
    assert_eq!((asked("get-history"), asked("/artifacts/")), (0, 0));
    assert!(asked("mlflow-artifacts/artifacts") > 0);
}

#[test]
fn a_survey_of_experiments_asks_for_nothing_else() {
    let fake = Fake::new(&[3]);
    let server = Loopback::start(move |request| fake.answer(request));
    let nothing = Survey {
        kinds: [].into(),
        links: false,
    };
    let options = ExportOptions::default();
    let surveyed = survey(SourceKind::Rest, &server.url(), nothing, options, &Silent).unwrap();
    assert_eq!(surveyed.report.manifest.count(Kind::Experiments), 1);
    let received = server.received();
    let paths: Vec<_> = received.iter().map(Received::path).collect();
    let who = [
        "/version",
        "/api/2.0/mlflow/experiments/search",
        "/api/3.0/mlflow/server-info",
    ];
    assert!(paths.iter().all(|path| who.contains(path)), "{paths:?}");
}

#[test]
fn a_filtered_view_is_pointed_out() {
    let fake = Fake::new(&[1]);
    let server = Loopback::start(
        move |request| match (request.header("authorization"), request.path()) {
            (None, path) if path != "/version" => Answer::new(401, "who?"),
            (_, "/api/2.0/mlflow/users/get") => {
                Answer::json(r#"{"user": {"username": "ana", "is_admin": false}}"#)
            }
            _ => fake.answer(request),
        },
    );
    let folder = tempfile::tempdir().unwrap();
    let url = server.url().replace("http://", "http://ana:pw@");
    let report = export(
        SourceKind::Rest,
        &url,
        &folder.path().join("out"),
        ExportOptions::default(),
        &Silent,
    )
    .unwrap();
    let view = &report.manifest.source.details["view"];
    assert!(view.contains("`ana` is not an administrator"), "{view}");
    assert_eq!(report.manifest.source.uri, server.url());
}
