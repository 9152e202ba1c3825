//! Exports of servers that do not end, answer too much, refuse readers, or change while they are read.

use crate::helpers::loopback;
use crate::helpers::served::export_of;
use loopback::{Answer, Loopback, Received};
use mlark::archive::Archive;
use mlark::flow::export::ExportReport;
use mlark::format::Kind;
use serde_json::{Value, json};

const RUN: &str = "0123456789abcdef0123456789abcdef";
const EXPERIMENTS: &str = "/api/2.0/mlflow/experiments/search";
const RUNS: &str = "/api/2.0/mlflow/runs/search";
const FILES: &str = "/api/2.0/mlflow-artifacts/artifacts";
const OWN_FILES: &str = "/api/2.0/mlflow/artifacts/list";

fn run(status: &str, param: &str) -> Value {
    json!({
        "info": {"run_id": RUN, "experiment_id": "1", "status": status, "start_time": 5, "end_time": 6,
                 "lifecycle_stage": "active", "artifact_uri": "mlflow-artifacts:/1/r"},
        "data": {"params": [{"key": "p", "value": param}]},
    })
}

fn runs() -> Value {
    json!({"runs": [run("FINISHED", "1")]})
}

fn experiments() -> Value {
    json!({"experiments": [{"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}]})
}

fn files() -> Value {
    json!({"files": [{"path": "a.txt", "is_dir": false, "file_size": 5}]})
}

fn answer(value: &Value) -> Answer {
    Answer::json(&value.to_string())
}

/// What every server here says.
fn common(request: &Received) -> Answer {
    match request.path() {
        "/version" => Answer::new(200, "3.18.0"),
        EXPERIMENTS => answer(&experiments()),
        RUNS => answer(&runs()),
        FILES => answer(&json!({})),
        _ => Answer::new(404, "<!doctype html><title>404 Not Found</title>"),
    }
}

/// Reasons of the limits and failures of a kind, with their fields.
fn losses(report: &ExportReport, kind: &str) -> Vec<String> {
    let losses = &report.manifest.losses;
    let found = losses
        .limits
        .iter()
        .chain(&losses.failures)
        .filter(|loss| loss.kind == kind);
    found
        .map(|loss| format!("{} {}", loss.field, loss.reason))
        .collect()
}

#[test]
fn listings_whose_tokens_never_end_are_failures() {
    let listings = [(EXPERIMENTS, experiments()), (RUNS, runs()), (FILES, files())];
    for (endless, page) in listings {
        let server = Loopback::start(move |request| {
            let mut page = page.clone();
            page["next_page_token"] = format!("token {}", request.number).into();
            if request.path() == endless {
                answer(&page)
            } else {
                common(request)
            }
        });
        let (_folder, report) = export_of(&server.url(), false);
        let error = report.unwrap_err().to_string();
        assert!(
            error.contains("does not end: 100 pages in a row brought nothing new"),
            "{endless}: {error}"
        );
        assert!(
            server.received().len() < 150,
            "{endless}: {}",
            server.received().len()
        );
    }
}

#[test]
fn a_page_over_its_size_is_asked_again_with_fewer_rows() {
    let rows_of = |request: &Received| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        body["max_results"].as_u64().unwrap_or(0)
    };
    let server = Loopback::start(move |request| match request.path() {
        RUNS if rows_of(request) > 1 => Answer::new(200, vec![b' '; (64 << 20) + 1]),
        _ => common(request),
    });
    let (_folder, report) = export_of(&server.url(), false);
    assert_eq!(report.unwrap().manifest.count(Kind::Runs), 1);
    let asked = server.received();
    let asked: Vec<u64> = asked
        .iter()
        .filter(|request| request.path() == RUNS)
        .map(rows_of)
        .collect();
    assert_eq!(asked, [100, 25, 6, 1]);
}

#[test]
fn a_run_over_the_size_of_answers_is_a_failure() {
    let server = Loopback::start(|request| match request.path() {
        RUNS => Answer::new(200, vec![b' '; (64 << 20) + 1]),
        _ => common(request),
    });
    let (_folder, report) = export_of(&server.url(), true);
    assert_eq!(losses(&report.unwrap(), "runs"), ["* unreadable"]);
}

#[test]
fn a_run_that_changes_while_it_is_read_is_a_limit() {
    for (status, now, expected) in [
        ("RUNNING", "2", true),
        ("RUNNING", "1", false),
        ("FINISHED", "2", false),
    ] {
        let server = Loopback::start(move |request| match request.path() {
            RUNS => answer(&json!({"runs": [run(status, "1")]})),
            "/api/2.0/mlflow/runs/get" => answer(&json!({"run": run(status, now)})),
            _ => common(request),
        });
        let (_folder, report) = export_of(&server.url(), false);
        let changed = losses(&report.unwrap(), "runs").contains(&"params changed-while-read".to_owned());
        assert_eq!(changed, expected, "{status} {now}");
    }
}

#[test]
fn readers_ask_for_evaluation_datasets_by_experiment() {
    let server = Loopback::start(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match request.path() {
            "/api/3.0/mlflow/datasets/search" if body["experiment_ids"] == json!(["1"]) => {
                answer(&json!({"datasets": [{"dataset_id": "d-1", "name": "d"}]}))
            }
            "/api/3.0/mlflow/datasets/search" => Answer::new(403, "Permission denied"),
            "/api/3.0/mlflow/datasets/d-1/experiment-ids" => answer(&json!({"experiment_ids": ["1"]})),
            "/api/3.0/mlflow/datasets/d-1/records" => answer(&json!({"records": "[]"})),
            _ => common(request),
        }
    });
    let (_folder, report) = export_of(&server.url(), false);
    let report = report.unwrap();
    assert_eq!(report.manifest.count(Kind::EvaluationDatasets), 1);
    assert_eq!(losses(&report, "evaluation-datasets"), ["* asked-by-experiment"]);
}

/// A server whose proxy lists one folder as empty; by the run's own route it holds what `own` lists.
fn with_folder(name: &'static str, own: Value) -> Loopback {
    Loopback::start(move |request| match request.path() {
        FILES if request.target.ends_with("path=1%2Fr") => {
            answer(&json!({"files": [{"path": name, "is_dir": true}]}))
        }
        OWN_FILES => answer(&own),
        path if path.starts_with(FILES) && path.len() > FILES.len() => Answer::new(200, "bytes"),
        _ => common(request),
    })
}

#[test]
fn an_empty_listing_is_not_believed_where_the_server_can_be_asked_otherwise() {
    for name in ["a#b", "50%", "a:b"] {
        let own = json!({"files": [{"path": format!("{name}/a.txt"), "is_dir": false, "file_size": 5}]});
        let (_folder, report) = export_of(&with_folder(name, own).url(), false);
        assert_eq!(report.unwrap().manifest.totals.artifact_files, 1, "{name}");
        let server = with_folder(name, json!({}));
        let (_folder, report) = export_of(&server.url(), false);
        let error = report.unwrap_err().to_string();
        assert!(
            error.contains("the server lists nothing there"),
            "{name}: {error}"
        );
        let (_folder, report) = export_of(&server.url(), true);
        assert_eq!(
            losses(&report.unwrap(), "artifacts"),
            ["* name-not-served"],
            "{name}"
        );
    }
    // Of these another folder may be listed, by every route.
    for name in ["fine?", "semicolon;", "tab\t"] {
        let own = json!({"files": [{"path": format!("{name}/a.txt"), "is_dir": false, "file_size": 5}]});
        let (_folder, report) = export_of(&with_folder(name, own).url(), true);
        let report = report.unwrap();
        assert_eq!(losses(&report, "artifacts"), ["* name-not-served"], "{name}");
        assert_eq!(report.manifest.totals.artifact_files, 0, "{name}");
    }
    let (_folder, report) = export_of(&with_folder("plain", json!({})).url(), false);
    assert_eq!(losses(&report.unwrap(), "artifacts"), ["* empty-directory"]);
}

#[test]
fn an_address_of_a_page_exports_what_the_page_shows() {
    let server = Loopback::start(|request| match request.path() {
        "/api/2.0/mlflow/runs/get" => answer(&json!({"run": run("FINISHED", "1")})),
        _ => common(request),
    });
    let page = format!("{}/#/experiments/1/runs/{RUN}?a=b", server.url());
    let (folder, report) = export_of(&page, false);
    let manifest = report.unwrap().manifest;
    assert_eq!(manifest.source.uri, server.url());
    assert_eq!(manifest.selection.options["run"], json!([RUN]));
    assert_eq!(
        Archive::open(&folder.path().join("out"))
            .unwrap()
            .manifest()
            .count(Kind::Runs),
        1
    );
    let (_folder, report) = export_of(&format!("{}/#/models/m/versions/3", server.url()), false);
    let error = report.unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("give `{}` with --model 'm'", server.url())),
        "{error}"
    );
}

#[test]
fn a_run_that_one_answer_has_twice_is_a_failure_and_the_first_is_kept() {
    let server = Loopback::start(|request| match request.path() {
        RUNS => {
            // An id that is no text is not known from one page to the next.
            let runs = ["first", "second"].map(|param| {
                let mut run = run("FINISHED", param);
                run["info"]["run_id"] = 7.into();
                run
            });
            answer(&json!({"runs": runs}))
        }
        _ => common(request),
    });
    let (folder, report) = export_of(&server.url(), true);
    let report = report.unwrap();
    assert!(losses(&report, "runs").contains(&"* duplicate".to_owned()));
    let archive = Archive::open(&folder.path().join("out")).unwrap();
    let params: Vec<_> = archive
        .values(Kind::Runs)
        .map(|run| run.unwrap()["params"]["p"].clone())
        .collect();
    assert_eq!(params, ["first"]);
}
