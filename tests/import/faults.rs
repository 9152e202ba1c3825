//! Replay while something is wrong, against a scripted server: what is missing is named, and the next import brings it.

use crate::helpers::{bytes, scripted};
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::client::{Client, ClientError, Connection, Environment};
use mlark::flow::import::{ImportError, ImportOptions, ImportReport, PlannedImport};
use mlark::format::{Kind, Object as _};
use mlark::internals::order;
use mlark::model::{DatasetRecord, Double, Experiment, LoggedModel, Point};
use mlark::monitor::Silent;
use scripted::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a report says of parents: id of the run and reason.
fn orphans(report: &ImportReport) -> Vec<(String, String)> {
    let named = report.changes.named().iter();
    let named = named.filter(|change| change.field == "tag mlflow.parentRunId");
    named
        .map(|change| (change.id.clone(), change.reason.to_string()))
        .collect()
}

fn refusal() -> Answer {
    Answer::new(400, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}"#)
}

fn holds(request: &Received, text: &str) -> bool {
    String::from_utf8_lossy(&request.body).contains(text)
}

#[test]
fn a_child_without_its_parent_is_named_and_mended_when_the_parent_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let partial = archive_without(directory.path(), "partial", Some(3));
    let whole = archive(directory.path(), "whole");
    let target = Target::start(|_| None);
    for _ in 0..2 {
        let report = import(&partial, &target).unwrap();
        let child = (format!("{:032x}", 0xabc0 + 2), "parent-not-in-archive".to_owned());
        assert_eq!(orphans(&report), [child]);
    }
    let report = import(&whole, &target).unwrap();
    assert_eq!((orphans(&report).len(), report.failures.len()), (0, 0));
    assert_whole(&target);
}

#[test]
fn a_child_whose_parent_failed_is_named_and_mended_when_it_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| {
        let is_hit = request.path().ends_with("runs/create") && holds(request, "\"start_time\":1003");
        (is_hit && *switch.lock().unwrap()).then(|| Fault::Before(refusal()))
    });
    let report = import(&archive, &target).unwrap();
    let child = (format!("{:032x}", 0xabc0 + 2), "parent-not-in-target".to_owned());
    assert_eq!(orphans(&report), [child]);
    assert!(!report.failures.is_empty());
    *broken.lock().unwrap() = false;
    let report = import(&archive, &target).unwrap();
    assert_eq!((orphans(&report).len(), report.failures.len()), (0, 0));
    assert_whole(&target);
}

/// Imports while a fault lasts, which must be told as `expected` says, and once more when it is over.
fn assert_goes_on_after(fault: fn(&Received) -> Option<Fault>, expected: fn(&ImportError) -> bool) {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| match *switch.lock().unwrap() {
        true => fault(request),
        false => None,
    });
    let error = import(&archive, &target).unwrap_err();
    assert!(expected(&error), "{error}");
    *broken.lock().unwrap() = false;
    let report = import(&archive, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_whole(&target);
}

fn has_status(error: &ImportError, expected: u16) -> bool {
    matches!(error, ImportError::Client(ClientError::Status { status, .. }) if *status == expected)
}

#[test]
fn a_server_that_answers_429_for_long_ends_the_import_and_the_next_one_goes_on() {
    assert_goes_on_after(
        |request| {
            let answer = Answer::new(429, "{}").header("Retry-After", "0");
            request
                .path()
                .ends_with("runs/log-batch")
                .then_some(Fault::Before(answer))
        },
        |error| has_status(error, 429),
    );
}

#[test]
fn a_server_whose_disk_is_full_gets_the_rest_when_it_has_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| {
        let full = r#"{"error_code":"INTERNAL_ERROR","message":"database or disk is full"}"#;
        let is_write = matches!(request.path().rsplit('/').next(), Some("log-batch" | "update"));
        (is_write && *switch.lock().unwrap()).then(|| Fault::Before(Answer::new(500, full)))
    });
    let report = import(&archive, &target).unwrap();
    let named = report.failures.iter();
    let mut named: Vec<_> = named
        .map(|failure| (failure.id.clone(), failure.detail.contains("disk is full")))
        .collect();
    named.sort();
    let expected = (0..RUNS).map(|number| (format!("{:032x}", 0xabc0 + number), true));
    assert_eq!(named, expected.collect::<Vec<_>>());
    *broken.lock().unwrap() = false;
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn runs_that_an_import_filled_and_could_not_check_are_checked_by_the_next_one_that_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let is_filled = Arc::new(Mutex::new(0));
    let filled = is_filled.clone();
    let target = Target::start(move |request| {
        let mut filled = filled.lock().unwrap();
        *filled += usize::from(request.path().ends_with("runs/update"));
        let is_check = request.path().ends_with("runs/search") && *filled == RUNS;
        is_check.then(|| Fault::Before(refusal()))
    });
    target.state.lock().unwrap().param_chars = Some(5);
    let error = import(&archive, &target).unwrap_err();
    assert!(has_status(&error, 400), "{error}");
    *is_filled.lock().unwrap() = RUNS + 1;
    let report = import(&archive, &target).unwrap();
    assert_eq!(report.failures.len(), RUNS, "{:?}", report.failures);
    assert!(
        report.failures[0].detail.contains("param note"),
        "{:?}",
        report.failures[0]
    );
}

#[test]
fn a_server_that_dies_in_the_middle_ends_the_import_and_the_next_one_goes_on() {
    assert_goes_on_after(
        |request| {
            let is_dead = request.number > 12;
            is_dead.then(|| Fault::Before(Answer::json(r#"{"run": {}}"#).cut_after(0)))
        },
        |error| matches!(error, ImportError::Client(error) if error.status().is_none()),
    );
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_leaves_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut connection = Connection::of(&format!("http://{port}"), &Environment::of(&[], None)).unwrap();
    connection.options.max_retries = 0;
    let client = Client::new(connection.base, connection.options).unwrap();
    let error = PlannedImport::new(&archive, client, ImportOptions::default())
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::Client(_)), "{error}");
    assert!(journals(directory.path()).is_empty());
}

#[test]
fn an_experiment_that_is_refused_is_named_with_what_needs_it_and_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| {
        let is_hit = request.path().ends_with("experiments/create") && *switch.lock().unwrap();
        is_hit.then(|| Fault::Before(refusal()))
    });
    let report = import(&archive, &target).unwrap();
    let failed: std::collections::BTreeSet<_> = report
        .failures
        .iter()
        .map(|failure| (failure.kind, failure.id.clone()))
        .collect();
    assert!(
        failed.contains(&(Kind::Experiments, "7".to_owned())),
        "{failed:?}"
    );
    assert_eq!(failed.len(), 1 + RUNS, "{failed:?}");
    assert_eq!(report.failures.len(), failed.len(), "each once");
    assert_eq!(target.created(), (0, 0));
    *broken.lock().unwrap() = false;
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_damaged_blob_ends_the_import_and_a_mended_archive_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let digest = {
        use sha2::Digest as _;
        let bytes: [u8; 32] = sha2::Sha256::digest(b"model of 3").into();
        mlark::model::Digest(bytes).to_string()
    };
    let blob = directory
        .path()
        .join(format!("a/blobs/sha256/{}/{digest}", &digest[..2]));
    let whole = std::fs::read(&blob).unwrap();
    let write = |bytes: &[u8]| {
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&blob, bytes).unwrap();
    };
    write(b"model of X");
    let target = Target::start(|_| None);
    let error = import(&archive, &target).unwrap_err();
    assert_eq!(error.kind(), Some(mlark::archive::ErrorKind::Damaged), "{error}");
    assert!(
        !target
            .state
            .lock()
            .unwrap()
            .files
            .values()
            .any(|file| file == b"model of X")
    );
    write(&whole);
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_journal_that_is_damaged_or_of_another_archive_is_refused_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    import(&archive, &target).unwrap();
    let journal = journals(directory.path()).remove(0);
    let text = std::fs::read_to_string(&journal).unwrap();
    let before = target.server.received().len();
    let (old, new) = ("\"new\":\"1\"", "\"new\":\"2\"");
    assert!(text.contains(old), "{text}");
    std::fs::write(&journal, text.replacen(old, new, 1)).unwrap();
    let error = import(&archive, &target).unwrap_err();
    assert_eq!(error.kind(), Some(mlark::archive::ErrorKind::Damaged), "{error}");
    std::fs::write(&journal, &text).unwrap();
    let other = Target::start(|_| None);
    let options = ImportOptions {
        journal: Some(journal),
        ..ImportOptions::default()
    };
    let error = prepare(&archive, &other, options).err().unwrap().to_string();
    assert!(
        error.contains("belongs to another import: its target is"),
        "{error}"
    );
    assert_eq!(
        (target.server.received().len(), other.server.received().len()),
        (before, 0)
    );
}

#[test]
fn a_second_import_at_the_same_time_is_refused_by_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    // Runs the second import when the first is in the middle of its work, and once.
    type Hook = Box<dyn FnOnce() + Send>;
    let second: Arc<Mutex<Option<Hook>>> = Arc::default();
    let hook = second.clone();
    let target = Arc::new(Target::start(move |request| {
        let run = match request.path().ends_with("runs/create") {
            true => hook.lock().unwrap().take(),
            false => None,
        };
        if let Some(run) = run {
            run();
        }
        None
    }));
    let outcome: Arc<Mutex<Option<String>>> = Arc::default();
    let (told, again, other) = (outcome.clone(), archive.clone(), target.clone());
    *second.lock().unwrap() = Some(Box::new(move || {
        let error = import(&again, &other).unwrap_err().to_string();
        *told.lock().unwrap() = Some(error);
    }));
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    let told = outcome.lock().unwrap().take().unwrap();
    assert!(told.ends_with("is in use by another import"), "{told}");
    assert_whole(&target);
}

#[test]
fn an_interrupted_import_ends_after_the_requests_under_way_and_the_next_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let options = ImportOptions::default();
    let interrupt = options.interrupt.clone();
    let target = Target::start(move |request| {
        let is_third = request.path().ends_with("runs/create") && holds(request, "\"run_name\":\"run 3\"");
        if is_third {
            interrupt.set();
        }
        None
    });
    let error = prepare(&archive, &target, options)
        .unwrap()
        .apply(&Silent)
        .unwrap_err();
    assert!(matches!(error, ImportError::Interrupted), "{error}");
    assert_eq!(target.created(), (1, 3));
    let switched_off = import(&archive, &target).unwrap();
    assert!(switched_off.failures.is_empty());
    assert_whole(&target);
}

#[test]
fn ctrl_c_ends_an_import_with_exit_code_9_and_says_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let child: Arc<Mutex<Option<u32>>> = Arc::default();
    let pid = child.clone();
    let target = Target::start(move |request| {
        if request.path().ends_with("runs/create") && holds(request, "\"run_name\":\"run 4\"") {
            let pid = pid.lock().unwrap().unwrap().to_string();
            let killed = std::process::Command::new("kill").args(["-INT", &pid]).status();
            assert!(killed.unwrap().success());
            // The handler runs on a thread of its own, and the answer must not overtake it.
            std::thread::sleep(Duration::from_millis(300));
        }
        None
    });
    let command = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mlark"));
        command.arg("import").arg(archive.path()).arg(target.server.url());
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command
    };
    let output = {
        let mut slot = child.lock().unwrap();
        let running = command().spawn().unwrap();
        *slot = Some(running.id());
        drop(slot);
        running.wait_with_output().unwrap()
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{errors}");
    assert!(
        errors.contains("hint: run the same command again to continue"),
        "{errors}"
    );
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn an_import_goes_on_under_the_origin_by_which_an_earlier_version_knew_the_source() {
    let directory = tempfile::tempdir().unwrap();
    let old = archive(directory.path(), "old");
    let mut renamed = bytes::Bytes::read(old.path());
    let mut manifest = old.manifest().clone();
    manifest.origin = "test, schema a".to_owned();
    manifest.source.details = [("former_origin".to_owned(), "test".to_owned())].into();
    renamed.reseal_manifest(&manifest);
    renamed.write(
        &directory.path().join("new"),
        mlark::archive::ContainerKind::Directory,
    );
    let new = mlark::archive::Archive::open(&directory.path().join("new")).unwrap();
    let target = Target::start(|_| None);
    import(&old, &target).unwrap();
    let made = target.created();
    import(&new, &target).unwrap();
    assert_eq!(target.created(), made);
    // Without a journal of the former origin it is a source of its own.
    let other = Target::start(|_| None);
    let prepared = prepare(&new, &other, ImportOptions::default()).unwrap();
    assert!(
        prepared
            .plans()
            .all(|plan| plan.to_json()["origin"] == "test, schema a")
    );
}

#[test]
fn a_line_of_no_object_is_found_before_anything_is_written() {
    let points = |writer: &mut ArchiveWriter| {
        let mut points = writer.point_series();
        let point = Point {
            timestamp: 5,
            step: 0,
            value: Double(0.5),
            link: None,
        };
        points.push(point).unwrap();
        points
    };
    let of_nobody: [&dyn Fn(&mut ArchiveWriter); 3] = [
        &|writer| {
            let series = points(writer);
            let key = order::run("7", Some(1), "r");
            writer.write_metric(&key, "r", "loss", series).unwrap();
        },
        &|writer| {
            let series = points(writer);
            let model = LoggedModel {
                model_id: "m-1".into(),
                ..LoggedModel::default()
            };
            writer
                .write_model_metric(&model.sort_key(), "m-1", "loss", series)
                .unwrap();
        },
        &|writer| {
            let record = DatasetRecord {
                dataset_record_id: "dr-1".into(),
                dataset_id: "d-1".into(),
                ..DatasetRecord::default()
            };
            writer.write(&record).unwrap();
        },
    ];
    for (number, write) in of_nobody.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("archive");
        let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
        let experiment = Experiment {
            experiment_id: "7".into(),
            name: "fraud".into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
        write(&mut writer);
        writer
            .finish(ManifestHead::default(), Duplicates::Refuse)
            .unwrap();
        let target = Target::start(|_| None);
        let prepared = prepare(&Archive::open(&out).unwrap(), &target, ImportOptions::default());
        let error = prepared.err().unwrap();
        assert!(matches!(error, ImportError::Archive(_)), "{number}: {error}");
        assert_eq!(target.created(), (0, 0));
    }
}
