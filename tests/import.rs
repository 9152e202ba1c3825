//! Replay against a scripted server that remembers what it was told, with faults where a test puts them.

mod scripted;

use mlark::archive::Archive;
use mlark::client::ClientError;
use mlark::format::Kind;
use mlark::monitor::Silent;
use mlark::sink::rest::{ImportError, ImportOptions, OnConflict};
use scripted::*;
use serde_json::json;
use std::sync::{Arc, Mutex};

#[test]
fn a_second_import_does_nothing_and_a_lost_journal_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    let report = import(&archive, &target).unwrap();
    assert_eq!(
        (report.created[&Kind::Runs], report.failures.len()),
        (RUNS as u64, 0)
    );
    assert_whole(&target);
    let before = target.server.received().len();
    let report = import(&archive, &target).unwrap();
    assert_eq!(report.reused[&Kind::Runs], RUNS as u64);
    assert!(target.server.received().len() - before < 5);

    let journal = journals(directory.path());
    assert_eq!(journal.len(), 1);
    std::fs::remove_file(&journal[0]).unwrap();
    let report = import(&archive, &target).unwrap();
    assert!(!report.created.contains_key(&Kind::Runs) && report.failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_tagged_copy_of_the_archive_continues_the_same_history() {
    let directory = tempfile::tempdir().unwrap();
    let first = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    import(&first, &target).unwrap();
    let tagged = directory.path().join("tagged");
    mlark::transform::source_tags::inject(&first, &tagged, &Default::default()).unwrap();
    let report = import(&Archive::open(&tagged).unwrap(), &target).unwrap();
    assert_eq!(report.completed[&Kind::Runs], RUNS as u64);
    assert_whole(&target);
    let state = target.state.lock().unwrap();
    let tags = state.runs[0]["data"]["tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["key"] == "mlflow_exim.run_info.status"));
}

/// Faults that strike each creating call once, after or before the work is done.
fn once(
    fault: impl Fn() -> Fault + Send + Sync + 'static,
) -> impl Fn(&Received) -> Option<Fault> + Send + Sync {
    let struck = Mutex::new(Vec::new());
    move |request| {
        let mut struck = struck.lock().unwrap();
        let is_creating = request.path().ends_with("/create");
        if !is_creating || struck.contains(&request.body) {
            return None;
        }
        struck.push(request.body.clone());
        Some(fault())
    }
}

#[test]
fn what_was_made_without_an_answer_is_found_and_not_made_again() {
    let faults: [fn() -> Fault; 4] = [
        || Fault::After(Answer::new(500, "{}")),
        || Fault::After(Answer::json(r#"{"run": {}}"#).cut_after(3)),
        || Fault::Before(Answer::new(500, "{}")),
        || Fault::Before(Answer::new(429, "{}").header("Retry-After", "0")),
    ];
    for fault in faults {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path(), "a");
        let target = Target::start(once(fault));
        let report = import(&archive, &target).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_whole(&target);
    }
}

#[test]
fn a_page_that_is_not_mlflow_stops_the_import_and_the_next_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    for route in [
        "runs/create",
        "runs/log-batch",
        "runs/update",
        "ü.txt",
        "experiments/create",
    ] {
        let broken = Arc::new(Mutex::new(true));
        let switch = broken.clone();
        let target = Target::start(move |request| {
            let is_hit =
                request.path().ends_with(route) || (route == "ü.txt" && request.path().ends_with(".txt"));
            (is_hit && *switch.lock().unwrap())
                .then(|| Fault::Before(Answer::new(200, "<html><title>proxy</title>")))
        });
        let error = import(&archive, &target).unwrap_err();
        assert!(
            matches!(error, ImportError::Client(ClientError::NotMlflow { .. })),
            "{route}: {error}"
        );
        *broken.lock().unwrap() = false;
        let report = import(&archive, &target).unwrap();
        assert!(report.failures.is_empty(), "{route}: {:?}", report.failures);
        assert_whole(&target);
    }
}

#[test]
fn a_name_that_is_taken_is_a_conflict_unless_told_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let start = || {
        let target = Target::start(|_| None);
        let other = json!({"experiment_id": "1", "name": "fraud", "tags": [], "artifact_location": "mlflow-artifacts:/1"});
        target.state.lock().unwrap().experiments.push(other);
        target
    };
    let target = start();
    let error = import(&archive, &target).unwrap_err();
    assert!(matches!(error, ImportError::Conflict { count: 1, .. }), "{error}");
    assert_eq!(target.calls("/create"), 0);
    for (on_conflict, experiments) in [(OnConflict::Merge, 1), (OnConflict::Rename, 2)] {
        let target = start();
        let options = || ImportOptions {
            on_conflict,
            ..ImportOptions::default()
        };
        prepare(&archive, &target, options())
            .unwrap()
            .apply(&Silent)
            .unwrap();
        assert_eq!(target.created(), (experiments, RUNS));
        // Later imports know what the first one did, and need not be told again.
        import(&archive, &target).unwrap();
        assert_eq!(target.created(), (experiments, RUNS));
        std::fs::remove_file(&journals(directory.path())[0]).ok();
        for journal in journals(directory.path()) {
            std::fs::remove_file(journal).unwrap();
        }
    }
}

#[test]
fn the_plan_says_what_would_be_done_and_does_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    let prepared = prepare(&archive, &target, ImportOptions::default()).unwrap();
    let plan = prepared.plans().next().unwrap().to_json();
    assert_eq!(plan["kinds"]["runs"]["create"], RUNS);
    assert_eq!(plan["kinds"]["experiments"]["merge"], 1);
    assert_eq!((target.created(), target.calls("/create")), ((0, 0), 0));
    assert!(journals(directory.path()).is_empty());
}

#[test]
fn a_target_that_forgot_everything_is_not_taken_for_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    import(&archive, &target).unwrap();
    target.state.lock().unwrap().experiments.truncate(1);
    let error = import(&archive, &target).unwrap_err();
    assert!(matches!(error, ImportError::Gone { .. }), "{error}");
}
