//! Replay against a scripted server that remembers what it was told, with faults where a test puts them.

use crate::helpers::bytes::Bytes;
use crate::helpers::scripted;
use mlark::archive::{Archive, ContainerKind, ErrorKind};
use mlark::client::ClientError;
use mlark::flow::import::{ImportError, ImportOptions, ImportReport, OnConflict, Only};
use mlark::format::Kind;
use mlark::internals::object_path;
use mlark::monitor::Silent;
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
    mlark::flow::transform::source_tags::inject(&first, &tagged, &Default::default()).unwrap();
    let report = import(&Archive::open(&tagged).unwrap(), &target).unwrap();
    assert_eq!(report.completed[&Kind::Runs], RUNS as u64);
    assert_whole(&target);
    let state = target.state.lock().unwrap();
    let tags = state.runs[0]["data"]["tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["key"] == "mlflow_exim.run_info.status"));
}

#[test]
fn a_line_whose_run_is_not_there_ends_an_import_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    archive(directory.path(), "a");
    for kind in [Kind::Metrics, Kind::Artifacts] {
        let mut bytes = Bytes::read(&directory.path().join("a"));
        let text = bytes.bytes(&object_path(kind, 0));
        let lines = String::from_utf8(std::mem::take(text)).unwrap();
        let lost = format!("{:032x}", 0xabc0 + 1);
        *text = lines.replace(&lost, &"0".repeat(32)).into_bytes();
        bytes.reseal();
        let out = directory.path().join(kind.name());
        bytes.write(&out, ContainerKind::Directory);
        let target = Target::start(|_| None);
        let error = import(&Archive::open(&out).unwrap(), &target).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::Damaged), "{error}");
        assert!(error.to_string().contains("missing or out of order"), "{error}");
        assert!(target.state.lock().unwrap().runs.is_empty());
    }
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
fn an_answer_that_names_nothing_stops_the_import_or_what_it_made_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    for route in ["experiments/create", "runs/create"] {
        for body in [
            "{}",
            "[]",
            "\"x\"",
            "{\"run\": \"x\", \"experiment_id\": {}}",
            "{\"run\": {\"info\": {\"run_id\": \"\"}}}",
        ] {
            let broken = Arc::new(Mutex::new(true));
            let switch = broken.clone();
            let target = Target::start(move |request| {
                let is_hit = request.path().ends_with(route) && *switch.lock().unwrap();
                is_hit.then(|| Fault::After(Answer::json(body)))
            });
            match import(&archive, &target) {
                Ok(report) => assert!(report.failures.is_empty(), "{route} {body}"),
                Err(error) => assert!(matches!(error, ImportError::Client(_)), "{route} {body}: {error}"),
            }
            *broken.lock().unwrap() = false;
            let report = import(&archive, &target).unwrap();
            assert!(
                report.failures.is_empty(),
                "{route} {body}: {:?}",
                report.failures
            );
            assert_whole(&target);
        }
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

/// Imports models, twice; versions in the target, and those that were left out, as the second report names them.
fn imported_models(versions: &[&str]) -> (Vec<String>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_models(directory.path(), "models", versions);
    let target = Target::start(|_| None);
    let report = import(&archive, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let again = import(&archive, &target).unwrap();
    assert!(again.created.is_empty() && again.failures.is_empty(), "{again:?}");
    let named = |report: &ImportReport| {
        let mut named = report.changes.named().to_vec();
        named.sort();
        named
    };
    assert_eq!(named(&report), named(&again));
    let left_out = again.changes.named().iter().filter(|change| {
        (change.kind, change.reason.as_str()) == (Kind::ModelVersions, "source-version-not-in-target")
    });
    let mut left_out: Vec<_> = left_out.map(|change| change.id.clone()).collect();
    left_out.sort();
    let shown = target.state.lock().unwrap().registry.shown();
    (shown, left_out)
}

#[test]
fn copies_of_versions_arrive_in_the_order_of_their_sources() {
    for versions in [
        // A chain against the order of names; copies within one model; models that copy from each other; aliases.
        &[
            "a/1 models:/b/1",
            "b/1 models:/c/1",
            "c/1 models:/d/1",
            "d/1 s3://b/p",
        ][..],
        &["a/1 s3://b/p", "a/2 models:/a/1", "a/3 models:/a/2"],
        &[
            "a/1 s3://b/p",
            "a/2 models:/b/1",
            "b/1 models:/a/1",
            "b/2 models:/a/2",
            "b/3 models:/a/1",
        ],
    ] {
        let (shown, left_out) = imported_models(versions);
        assert_eq!(shown, versions);
        assert_eq!(left_out, [""; 0]);
    }
    let (shown, _) = imported_models(&["a/1 models:/m-b@first", "m-b/1 models:/c@first", "c/1 s3://b/p"]);
    assert_eq!(shown, ["a/1 models:/m-b/1", "c/1 s3://b/p", "m-b/1 models:/c/1"]);
}

#[test]
fn copies_that_cannot_be_made_are_limits_of_each_import() {
    // A source that is not in the archive, what was made from that, one that is deleted; the numbers of the others stay.
    let (shown, left_out) = imported_models(&[
        "a/1 models:/gone/1",
        "a/2 s3://b/p",
        "b/1 models:/a/1",
        "c/1",
        "c/2 s3://b/p",
        "d/1 models:/c/1",
        "d/2 models:/c@first",
    ]);
    assert_eq!(shown, ["a/2 s3://b/p", "c/2 s3://b/p"]);
    assert_eq!(left_out, ["a/1", "b/1", "d/1", "d/2"]);
    // Versions that wait for each other: the first goes without.
    let (shown, left_out) = imported_models(&["a/1 models:/b/1", "b/1 models:/a/1", "b/2 s3://b/p"]);
    assert_eq!(shown, ["b/2 s3://b/p"]);
    assert_eq!(left_out, ["a/1", "b/1"]);
}

#[test]
fn an_import_by_filter_takes_the_runs_that_meet_it_and_what_they_need() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "archive");
    let by = |filter: &str| {
        let mut only = Only::default();
        only.filter = Some(filter.parse().unwrap());
        ImportOptions {
            only,
            ..ImportOptions::default()
        }
    };
    let target = Target::start(|_| None);
    // Nothing meets it, and nothing is made.
    let none = prepare(&archive, &target, by("datasets.name = 'train'")).unwrap();
    none.apply(&Silent).unwrap();
    assert_eq!(target.created().1, 0);
    // Each run is the child of the next, and comes with its parents.
    let names = |target: &Target| {
        let state = target.state.lock().unwrap();
        let mut names: Vec<_> = state
            .runs
            .iter()
            .map(|run| run["info"]["run_name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let some = prepare(
        &archive,
        &target,
        by("attributes.run_name = 'run 3' AND params.note LIKE 'longer%'"),
    );
    some.unwrap().apply(&Silent).unwrap();
    assert_eq!(names(&target), ["run 3", "run 4", "run 5"]);
    // A wider one goes on from there.
    prepare(&archive, &target, by("start_time >= 1001"))
        .unwrap()
        .apply(&Silent)
        .unwrap();
    assert_eq!(names(&target), ["run 1", "run 2", "run 3", "run 4", "run 5"]);
}
