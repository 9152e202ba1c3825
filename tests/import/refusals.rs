//! What a target refuses is refused alone: named with the remedy, tried again by the next import, and nothing else is missing.

use crate::helpers::{scripted, whole};
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::import::{ImportOptions, ImportReport};
use mlark::format::Kind;
use mlark::model::{Double, Experiment, Point, Run, RunInfo};
use mlark::monitor::Silent;
use scripted::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use whole::{PARTS, Part, archive_of_everything};

/// What the target refuses at the moment, and all that it took.
#[derive(Default)]
struct Door {
    refuses: Option<(&'static str, u16)>,
    taken: String,
    /// Each writing request since it was last asked, taken or not.
    sent: Vec<String>,
}

/// A target that refuses each writing request that holds a text.
fn target_with_a_door() -> (Target, Arc<Mutex<Door>>) {
    let door: Arc<Mutex<Door>> = Arc::default();
    let shared = door.clone();
    let target = Target::start(move |request| {
        let is_read = request.method == "GET" || request.path().ends_with("/search");
        if is_read {
            return None;
        }
        let text = format!("{} {}\n", request.path(), String::from_utf8_lossy(&request.body));
        let mut door = shared.lock().unwrap();
        door.sent.push(text.clone());
        if let Some((_, status)) = door.refuses.filter(|(refused, _)| text.contains(refused)) {
            let refusal = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"not this"}"#;
            return Some(Fault::Before(Answer::new(status, refusal)));
        }
        door.taken.push_str(&text);
        None
    });
    (target, door)
}

fn import_all(archive: &Archive, target: &Target) -> ImportReport {
    let options = ImportOptions {
        // One at a time, so that reports can be compared.
        connections: 1,
        ..ImportOptions::default()
    };
    prepare(archive, target, options).unwrap().apply(&Silent).unwrap()
}

/// What a report says of things that did not arrive: kind, id and part.
fn named(report: &ImportReport) -> Vec<(Kind, String, String)> {
    let part = |detail: &str| detail.split(": ").next().unwrap_or_default().to_owned();
    let failures = report
        .failures
        .iter()
        .map(|failure| (failure.kind, failure.id.clone(), part(&failure.detail)));
    let changes = report.changes.named().iter();
    let changes = changes.map(|change| (change.kind, change.id.clone(), change.field.clone()));
    failures.chain(changes).collect()
}

/// It is named, with what can be done, and nothing else failed: as a failure, or as a limit where it can never come.
fn check_named(part: &Part, status: u16, report: &ImportReport, place: &str) {
    assert_eq!(report.failures.is_empty(), !part.is_sent_later, "{place}");
    for failure in &report.failures {
        assert_eq!(failure.kind, part.kind, "{place}");
        assert!(failure.detail.contains(&format!("answered {status}")), "{place}");
        assert!(failure.detail.contains("; "), "{place}");
    }
    let named = named(report).into_iter().any(|(kind, id, name)| {
        // Spans that are refused go as a file, which then is.
        let is_own = part.kind == Kind::Spans || id.contains(part.text);
        let is_it = name.starts_with(part.name) && (is_own || !part.name.is_empty());
        kind == part.kind && is_it
    });
    assert!(named, "{place}");
}

/// Objects that the journal beside an archive takes for perhaps made, for which the next import waits.
fn open_intents(folder: &Path) -> BTreeSet<(String, String)> {
    let mut open = BTreeSet::new();
    let journals = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for journal in journals.filter(|path| path.extension().is_some_and(|name| name == "jsonl")) {
        for line in std::fs::read_to_string(journal).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            for id in line["ids"].as_array().into_iter().flatten() {
                open.insert((text(&line["intent"]), text(id)));
            }
            for kind in [&line["made"], &line["refused"]]
                .into_iter()
                .filter(|kind| kind.is_string())
            {
                open.remove(&(text(kind), text(&line["id"])));
            }
        }
    }
    open
}

fn check(part: &Part, status: u16) {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_everything(directory.path());
    let (target, door) = target_with_a_door();
    door.lock().unwrap().refuses = Some((part.text, status));
    let report = import_all(&archive, &target);
    let place = format!("{} {status}: {:#?}", part.text, report.failures);
    check_named(part, status, &report, &place);
    assert_eq!(open_intents(directory.path()), BTreeSet::new(), "{place}");
    // Everything else arrived; the run is ended.
    let taken = door.lock().unwrap().taken.clone();
    for other in PARTS.iter().filter(|other| !part.takes_with(other)) {
        assert!(taken.contains(other.text), "{} is missing; {place}", other.text);
    }
    assert!(!taken.contains(part.text), "{place}");
    if part.text != "runs/update" {
        assert_eq!(target.state.lock().unwrap().runs[0]["info"]["status"], "FINISHED");
    }
    // The next import says the same, and sends nothing but what was refused; once that is taken, nothing is missing, and then
    // nothing is done.
    let sent = || std::mem::take(&mut door.lock().unwrap().sent);
    let is_all_about_it = |sent: Vec<String>| {
        let other = sent.iter().find(|request| !request.contains(part.text));
        assert_eq!(other, None, "{place}");
        assert_eq!(sent.is_empty(), !part.is_sent_later, "{place}");
    };
    sent();
    assert_eq!(named(&import_all(&archive, &target)), named(&report), "{place}");
    is_all_about_it(sent());
    door.lock().unwrap().refuses = None;
    let report = import_all(&archive, &target);
    assert!(report.failures.is_empty(), "{place} {:?}", report.failures);
    is_all_about_it(sent());
    if part.is_sent_later {
        assert!(door.lock().unwrap().taken.contains(part.text), "{place}");
    }
    let report = import_all(&archive, &target);
    assert!(report.failures.is_empty() && report.created.is_empty(), "{place}");
    assert_eq!(sent(), Vec::<String>::new(), "{place}");
}

#[test]
fn whatever_a_target_refuses_is_refused_alone() {
    for part in PARTS {
        for status in [400, 403, 413, 422] {
            check(part, status);
        }
    }
}

#[test]
fn one_refusal_of_any_call_costs_nothing_but_a_second_import() {
    let directory = tempfile::tempdir().unwrap();
    let calls = {
        let archive = archive_of_everything(directory.path());
        let (target, _) = target_with_a_door();
        let report = import_all(&archive, &target);
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        target.server.received().len()
    };
    for (number, status) in (0..calls).zip([400, 403, 413, 422].into_iter().cycle()) {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive_of_everything(directory.path());
        let taken: Arc<Mutex<String>> = Arc::default();
        let sink = taken.clone();
        let target = Target::start(move |request| {
            let is_read = request.method == "GET" || request.path().ends_with("/search");
            if request.number == number && !is_read {
                return Some(Fault::Before(Answer::new(status, "no")));
            }
            let text = format!("{} {}\n", request.path(), String::from_utf8_lossy(&request.body));
            sink.lock().unwrap().push_str(&text);
            None
        });
        import_all(&archive, &target);
        let report = import_all(&archive, &target);
        let place = format!("call {number} answered {status}: {:?}", report.failures);
        assert!(report.failures.is_empty(), "{place}");
        let taken = taken.lock().unwrap();
        for part in PARTS.iter().filter(|part| part.is_sent_later) {
            assert!(taken.contains(part.text), "{} is missing; {place}", part.text);
        }
        assert_eq!(target.created(), (1, 1), "{place}");
    }
}

#[test]
fn an_account_that_may_write_nothing_ends_the_import_soon() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_everything(directory.path());
    let target = Target::start(|request| {
        let is_batch = request.path().ends_with("runs/log-batch");
        is_batch.then(|| Fault::Before(Answer::new(403, "Permission denied")))
    });
    let prepared = prepare(&archive, &target, ImportOptions::default()).unwrap();
    let error = prepared.apply(&Silent).unwrap_err();
    assert!(
        matches!(error, mlark::flow::import::ImportError::Denied),
        "{error}"
    );
    assert!(target.calls("runs/log-batch") < 250);
}

/// A run whose lines come in several chunks, and one with a param that a target may refuse.
fn archive_of_a_long_run(directory: &Path) -> Archive {
    let out = directory.join("long");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "7".into(),
        name: "fraud".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    for number in 0..2 {
        let mut run = Run {
            info: RunInfo {
                run_id: format!("{number:032x}"),
                experiment_id: "7".into(),
                status: "FINISHED".into(),
                start_time: Some(1_000 + number),
                end_time: Some(2_000),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        run.params.insert(format!("param-{number}"), "value".into());
        writer.write(&run).unwrap();
        let mut points = writer.point_series();
        for step in 0..if number == 0 { 60_000 } else { 1 } {
            let point = Point {
                timestamp: 1_700_000_000_000,
                step,
                value: Double(0.123_456_789),
                link: None,
            };
            points.push(point).unwrap();
        }
        writer
            .write_metric(&run.info.sort_key(), &run.info.run_id, "loss", points)
            .unwrap();
    }
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    Archive::open(&out).unwrap()
}

#[test]
fn a_long_run_is_not_sent_again_since_something_else_or_a_part_of_it_was_refused() {
    for (refused, of) in [("param-0", 0), ("param-1", 1)] {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive_of_a_long_run(directory.path());
        let lines = archive.manifest().totals.metric_points / 5_000;
        assert!(lines > 10, "{lines}");
        let (target, door) = target_with_a_door();
        door.lock().unwrap().refuses = Some((refused, 400));
        let report = import_all(&archive, &target);
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        assert!(std::mem::take(&mut door.lock().unwrap().sent).len() > 60);
        import_all(&archive, &target);
        let sent = std::mem::take(&mut door.lock().unwrap().sent);
        let others = sent.iter().filter(|request| !request.contains(refused));
        assert_eq!(others.count(), 0, "{of}: {} requests", sent.len());
        assert!(!sent.is_empty());
    }
}
