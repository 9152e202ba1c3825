//! What an import says before it does anything: another source's objects under the same ids, names that deleted objects keep, options
//! that are not those of the last one, targets that are no servers.

use crate::helpers::scripted;
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::import::{ImportError, ImportOptions, OnConflict};
use mlark::model::{Experiment, ModelVersion, RegisteredModel, Run, RunInfo};
use mlark::monitor::Silent;
use scripted::*;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};

/// An archive of origin `test`: experiment 1 of a name, made at a time, with a run and a version of `wine`.
fn archive_of(directory: &Path, name: &str, created: i64) -> Archive {
    let out = directory.join(name);
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "1".into(),
        name: name.into(),
        creation_time: Some(created),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    let run_id = format!("{created:032x}");
    let run = Run {
        info: RunInfo {
            run_id: run_id.clone(),
            experiment_id: "1".into(),
            run_name: Some(format!("run of {name}")),
            status: "FINISHED".into(),
            start_time: Some(created),
            end_time: Some(created + 1),
            lifecycle_stage: "active".into(),
            ..RunInfo::default()
        },
        ..Run::default()
    };
    writer.write(&run).unwrap();
    let model = RegisteredModel {
        name: "wine".into(),
        ..RegisteredModel::default()
    };
    writer.write(&model).unwrap();
    let version = ModelVersion {
        name: "wine".into(),
        version: 1,
        source: Some(format!("s3://bucket/{name}")),
        creation_timestamp: Some(created),
        ..ModelVersion::default()
    };
    writer.write(&version).unwrap();
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(&out).unwrap()
}

fn mlark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(arguments)
        .env_remove("MLFLOW_TRACKING_URI")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(archive: &Archive) -> &str {
    archive.path().to_str().unwrap()
}

#[test]
fn another_source_under_one_origin_is_a_conflict_and_an_origin_of_its_own_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let alpha = archive_of(directory.path(), "alpha project", 1_000);
    let beta = archive_of(directory.path(), "beta project", 2_000);
    let target = Target::start(|_| None);
    import(&alpha, &target).unwrap();
    for is_journal_lost in [false, true] {
        if is_journal_lost {
            journals(directory.path())
                .into_iter()
                .for_each(|journal| std::fs::remove_file(journal).unwrap());
        }
        let before = target.server.received().len();
        let output = mlark(&["import", path(&beta), &target.server.url()]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let named = "experiments 1 `beta project`, which is `alpha project` there";
        assert!(said.contains(named) && said.contains("--origin NAME"), "{said}");
        let received = target.server.received();
        let is_write = |request: &&Received| request.method != "GET" && !request.path().ends_with("/search");
        assert_eq!(received[before..].iter().filter(is_write).count(), 0);
    }
    // The journal knows versions too.
    import(&alpha, &target).unwrap();
    let error = prepare(&beta, &target, ImportOptions::default()).err().unwrap();
    let ImportError::OtherObjects { count, names } = error else {
        panic!("{error}")
    };
    assert_eq!(count, 2, "{names}");
    assert!(names.contains("model-versions wine/1"), "{names}");
    let own = || ImportOptions {
        origin: Some("beta".into()),
        on_conflict: OnConflict::Rename,
        ..ImportOptions::default()
    };
    for made in [1, 0] {
        let report = prepare(&beta, &target, own()).unwrap().apply(&Silent).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_eq!(
            report.created.get(&mlark::format::Kind::Runs),
            (made > 0).then_some(&made)
        );
    }
    assert_eq!(target.created(), (2, 2));
    // What one source renames, and what has no time of creation, stays the same object.
    let renamed = archive_of(directory.path(), "alpha, renamed", 1_000);
    import(&renamed, &target).unwrap();
    assert_eq!(target.created(), (2, 2));
}

#[test]
fn a_name_that_a_deleted_experiment_keeps_is_said_with_the_ways_out() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "reused name", 1_000);
    let target = Target::start(|_| None);
    let deleted = json!({
        "experiment_id": "1", "name": "reused name", "tags": [], "lifecycle_stage": "deleted", "artifact_location": "mlflow-artifacts:/1",
    });
    target.state.lock().unwrap().experiments.push(deleted);
    for more in [&[][..], &["--on-conflict", "merge"], &["--dry-run"]] {
        let url = target.server.url();
        let output = mlark(&[&["import", path(&archive), &url], more].concat());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in [
            "`reused name` (deleted there)",
            "mlflow experiments restore --experiment-id 1",
            "mlflow gc --experiment-ids 1",
            "--on-conflict rename",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("--on-conflict merge to add"), "{said}");
    }
    let options = ImportOptions {
        on_conflict: OnConflict::Rename,
        ..ImportOptions::default()
    };
    let report = prepare(&archive, &target, options)
        .unwrap()
        .apply(&Silent)
        .unwrap();
    assert!(report.failures.is_empty());
}

#[test]
fn options_that_are_not_those_of_the_last_import_are_said_first() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "alpha", 1_000);
    let target = Target::start(|_| None);
    let import = |more: &[&str]| {
        let url = target.server.url();
        let output = mlark(&[&["import", path(&archive), &url], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        text(&output)
    };
    let notes = |said: String| {
        let notes = said
            .lines()
            .filter(|line| line.starts_with("note: options differ"));
        notes.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(notes(import(&["--user", "ana", "--only", "runs"])), [""; 0]);
    assert_eq!(notes(import(&["--user", "ana", "--only", "runs"])), [""; 0]);
    let expected = [
        "note: options differ from the last import: --only was `runs`, is not given",
        "note: options differ from the last import: --source-tags was not given, is `true`",
        "note: options differ from the last import: --user was `ana`, is `bo`",
    ];
    for more in [&["--dry-run"][..], &[]] {
        assert_eq!(
            notes(import(&[&["--user", "bo", "--source-tags"], more].concat())),
            expected
        );
    }
    // A journal of an older mlark holds a digest of them only.
    let journal = &journals(directory.path())[0];
    let lines = std::fs::read_to_string(journal).unwrap();
    let old: String = lines.lines().map(without_options).collect();
    std::fs::write(journal, old).unwrap();
    let said = notes(import(&[]));
    assert!(said[0].ends_with("does not say which"), "{said:?}");
}

/// A line of a journal as an older mlark wrote it.
fn without_options(line: &str) -> String {
    let (text, _) = line.rsplit_once(",\"crc\"").unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&format!("{text}}}")).unwrap();
    value.as_object_mut().unwrap().remove("options");
    let mut text = value.to_string();
    text.pop();
    let crc = crc32fast::hash(text.as_bytes());
    format!("{text},\"crc\":\"{crc:08x}\"}}\n")
}

#[test]
fn a_comparison_with_the_target_names_each_version_that_could_not_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let versions: Vec<_> = (1..13)
        .map(|number| format!("a/{number} models:/gone/1"))
        .collect();
    let versions: Vec<_> = versions
        .iter()
        .map(String::as_str)
        .chain(["b/1 models:/a/1"])
        .collect();
    let archive = archive_of_models(directory.path(), "models", &versions);
    let target = Target::start(|_| None);
    import(&archive, &target).unwrap();
    let prepared = prepare(&archive, &target, ImportOptions::default()).unwrap();
    let plan = prepared.plans().next().unwrap();
    let text = plan.limits_text();
    assert!(
        text.contains("limit: 13 model-versions: source-version-not-in-target (left out)"),
        "{text}"
    );
    for id in versions.iter().filter_map(|version| version.split(' ').next()) {
        assert!(text.contains(&format!("  {id} source models:/")), "{id}: {text}");
    }
}

#[test]
fn a_target_that_is_no_server_is_told_so_and_one_that_is_not_there_ends_with_8() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "alpha", 1_000);
    let archive = path(&archive);
    let folder = directory.path().to_str().unwrap();
    for (target, what) in [
        ("sqlite:///mlflow.db", "a database"),
        ("postgresql+psycopg2://ana:hunter2@host/db", "a database"),
        (folder, "a folder"),
        ("arn:aws:sagemaker:eu-west-1:1:mlflow-tracking-server/x", "an ARN"),
    ] {
        for command in [
            &["import", archive, target][..],
            &["import", archive, target, "--dry-run"],
            &["verify", archive, "--against", target],
            &["map", archive, target],
        ] {
            // An archive is compared with a database too.
            if command[0] == "verify" && what == "a database" {
                continue;
            }
            let output = mlark(command);
            let said = text(&output);
            // A database that was filled has ids too; one of these holds nothing, the other is not there.
            if command[0] == "map" && what == "a database" {
                let code = output.status.code();
                assert!(
                    matches!(code, Some(2 | 8)) && !said.contains("hunter2"),
                    "{command:?}: {said}"
                );
                continue;
            }
            assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
            assert!(
                said.contains(what) && said.contains("mlflow server"),
                "{command:?}: {said}"
            );
            assert!(
                !said.contains("same command") && !said.contains("hunter2"),
                "{said}"
            );
        }
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{port}");
    for (command, code) in [
        (&["import", archive, &url][..], 8),
        (&["import", archive, &url, "--dry-run"], 8),
        (&["verify", archive, "--against", &url], 8),
        // As sources they are read.
        (&["ls", &url], 7),
        (&["diff", archive, &url], 7),
        (&["diff", &url, archive], 7),
        (&["export", &url, "-o", "never"], 7),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .args(command)
            .current_dir(directory.path())
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", text(&output));
    }
}

#[test]
fn what_an_import_leaves_behind_holds_no_header_value_and_no_credential() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "alpha", 1_000);
    let target = Target::start(|_| None);
    let url = target.server.url().replace("http://", "http://zoe77:Sec%2Fret@");
    let header = "--header=X-Key: hush-header-1";
    for _ in 0..2 {
        let output = mlark(&["import", path(&archive), &url, header]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    let sent = target.server.received();
    assert!(
        sent.iter()
            .all(|request| request.header("x-key") == Some("hush-header-1"))
    );
    assert!(
        sent.iter()
            .all(|request| request.header("authorization") == Some("Basic em9lNzc6U2VjL3JldA=="))
    );
    let journals = journals(directory.path());
    assert_eq!(journals.len(), 1);
    let journal = std::fs::read_to_string(&journals[0]).unwrap();
    assert!(journal.lines().count() > 3, "{journal}");
    for secret in [
        "hush-header-1",
        "zoe77",
        "Sec/ret",
        "Sec%2Fret",
        "em9lNzc6U2VjL3JldA",
    ] {
        assert!(!journal.contains(secret), "`{secret}`: {journal}");
    }
}

#[test]
fn a_page_of_the_ui_is_no_target_and_nothing_is_sent_there() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "a", 1);
    let target = Target::start(|_| None);
    let page = format!("{}/#/experiments/1", target.server.url());
    for arguments in [
        &["import", path(&archive), &page][..],
        &["import", path(&archive), &page, "--dry-run"],
        &["verify", path(&archive), "--against", &page],
    ] {
        let output = mlark(arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let expected = format!("give `{}`, without the part after `#`", target.server.url());
        assert!(said.contains(&expected), "{said}");
    }
    assert!(target.server.received().is_empty());
}

#[test]
fn a_workspace_that_is_not_there_is_an_error_by_name_and_a_last_line_by_glob() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "a", 1);
    let target = Target::start(|_| None);
    let import = |only: &str| mlark(&["import", path(&archive), &target.server.url(), "--only", only]);
    let output = import("workspace=team-*");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.contains("nothing matches --only workspace `team-*`"),
        "{said}"
    );
    let output = import("workspace=team-a");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("nothing matches --only workspace `team-a`"),
        "{said}"
    );
    assert_eq!(target.created(), (0, 0));
}

#[test]
fn a_registry_elsewhere_has_no_part_in_a_comparison_with_the_target() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of(directory.path(), "a", 1);
    let (target, elsewhere) = (Target::start(|_| None), Target::start(|_| None));
    import(&archive, &target).unwrap();
    let compare = |variables: &[(&str, &str)]| {
        let before = target.server.received().len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        command.args(["verify", path(&archive), "--against", &target.server.url()]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let asked = target.server.received().split_off(before);
        let asked: Vec<_> = asked
            .into_iter()
            .map(|request| (request.target, request.body))
            .collect();
        (output.stdout, output.status.code(), asked.len())
    };
    let expected = compare(&[]);
    assert_eq!(
        compare(&[("MLFLOW_REGISTRY_URI", &elsewhere.server.url())]),
        expected
    );
    assert!(elsewhere.server.received().is_empty());
}
