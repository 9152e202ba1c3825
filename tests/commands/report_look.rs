//! `ls`, `show`, `cat` and `snapshot`.

use crate::helpers::{command, common};
use command::mlark;
use common::{History, MODEL, RUN_A, RUN_B, TRACE};
use mlark::report::{Redaction, Redactions, SnapshotOptions, snapshot, snapshot_with};
use std::path::Path;
use std::process::Command;

/// Stdout, stderr and exit code of several commands.
fn shown(directory: &Path, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for args in commands {
        let output = mlark(directory, args);
        text.push_str(&format!("$ mlark {}\n", args.join(" ")));
        text.push_str(&String::from_utf8(output.stdout).unwrap());
        text.push_str(&String::from_utf8(output.stderr).unwrap());
        match output.status.code() {
            Some(0) => {}
            code => text.push_str(&format!("exit {code:?}\n")),
        }
    }
    text
}

fn history() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a.zip"));
    directory
}

#[test]
fn every_list_is_tab_separated_in_a_pipe() {
    let directory = history();
    let nouns = [
        "overview",
        "experiments",
        "runs",
        "models",
        "versions",
        "prompts",
        "logged-models",
        "datasets",
        "traces",
        "evaluation-datasets",
        "scorers",
        "artifacts",
    ];
    let commands: Vec<Vec<&str>> = nouns.iter().map(|noun| vec!["ls", "a.zip", *noun]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    insta::assert_snapshot!(shown(directory.path(), &commands).replace('\t', " ⇥ "));
}

#[test]
fn lists_are_filtered_and_json_has_one_object_a_line() {
    let directory = history();
    insta::assert_snapshot!(shown(
        directory.path(),
        &[
            &["ls", "a.zip", "--json"],
            &["ls", "a.zip", "runs", "--status", "running", "--json"],
            &["ls", "a.zip", "runs", "--experiment", "train*", "--run", "aaaa"],
            &["ls", "a.zip", "runs", "--experiment", "2"],
            &["ls", "a.zip", "artifacts", "--path", "model/*", "--json"],
            &["ls", "a.zip", "artifacts", "--model", "churn"],
            &[
                "ls",
                "a.zip",
                "artifacts",
                "--experiment",
                "training",
                "--run",
                "bbbb"
            ],
            &["ls", "a.zip", "traces", "--run", RUN_A],
            &["ls", "a.zip", "models", "--status", "READY"],
            &["ls", "a.zip", "runs", "--experiment", "[x"],
        ],
    ));
}

#[test]
fn objects_are_shown_by_id_start_of_id_name_version_and_alias() {
    let directory = history();
    insta::assert_snapshot!(shown(
        directory.path(),
        &[
            &["show", "a.zip", "aaaa1"],
            &["show", "a.zip", RUN_B],
            &["show", "a.zip", "training"],
            &["show", "a.zip", "churn"],
            &["show", "a.zip", "churn@champion"],
            &["show", "a.zip", "greet/1"],
            &["show", "a.zip", MODEL],
            &["show", "a.zip", TRACE],
            &["show", "a.zip", "train"],
            &["show", "a.zip", "questions"],
        ],
    ));
}

#[test]
fn an_object_as_json_is_its_line() {
    let directory = history();
    insta::assert_snapshot!(shown(
        directory.path(),
        &[
            &["show", "a.zip", RUN_B, "--json"],
            &["show", "a.zip", "1", "--kind", "experiments", "--json"],
            &["show", "a.zip", "nothing"],
            &["show", "a.zip", "aaa"],
        ],
    ));
}

#[test]
fn a_start_that_several_ids_have_is_ambiguous() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[1].info.run_id = RUN_A.replace("4444", "4445");
    history.artifacts.retain(|(_, id, ..)| id != RUN_B);
    history.write(&directory.path().join("a.zip"));
    insta::assert_snapshot!(shown(directory.path(), &[&["show", "a.zip", "aaaa1"]]));
}

#[test]
fn cat_writes_the_bytes_and_nothing_else() {
    let directory = history();
    let output = mlark(directory.path(), &["cat", "a.zip", "aaaa", "model/MLmodel"]);
    assert_eq!(
        (output.stdout, output.stderr, output.status.code()),
        (b"flavors: {}\n".to_vec(), vec![], Some(0))
    );
    insta::assert_snapshot!(shown(
        directory.path(),
        &[
            &["cat", "a.zip", "churn/2", "MLmodel"],
            &["cat", "a.zip", "aaaa", "nothing"],
            &["cat", "a.zip", "zzzz", "MLmodel"],
            &["cat", "a.zip", RUN_B, "huge.bin"],
        ],
    ));
}

#[test]
fn cat_of_a_damaged_artifact_ends_with_the_code_for_damage() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a"));
    let list = mlark(directory.path(), &["ls", "a", "artifacts", "--path", "notes*"]);
    let list = String::from_utf8(list.stdout).unwrap();
    let digest = list.trim_end().split('\t').nth(4).unwrap().to_owned();
    let blob = directory
        .path()
        .join(format!("a/blobs/sha256/{}/{digest}", &digest[..2]));
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, b"12346").unwrap();
    let output = mlark(directory.path(), &["cat", "a", RUN_A, "notes é.txt"]);
    assert_eq!(
        output.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_closed_pipe_is_no_error_and_hides_no_finding() {
    let directory = history();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/exim-3.18.0/experiment");
    std::fs::write(directory.path().join("damaged.zip"), "").unwrap();
    let cases: [(&[&str], i32); 10] = [
        (&["snapshot", "a.zip"], 0),
        (&["info", "a.zip"], 0),
        (&["ls", "a.zip", "runs"], 0),
        (&["ls", "a.zip"], 0),
        (&["show", "a.zip", RUN_A], 0),
        (&["extract", "a.zip", "-o", "files"], 0),
        (&["export", fixture, "-o", "exported.zip"], 0),
        (
            &["transform", "exported.zip", "-o", "tagged.zip", "--source-tags"],
            0,
        ),
        (&["diff", "exported.zip", "tagged.zip"], 1),
        (&["verify", "damaged.zip"], 1),
    ];
    for (args, code) in cases {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .current_dir(directory.path())
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("error"),
            "{args:?}: {stderr}"
        );
    }
}

#[test]
fn a_snapshot_is_stable_text() {
    let directory = tempfile::tempdir().unwrap();
    let archive = History::new().write(&directory.path().join("a.zip"));
    insta::assert_snapshot!(snapshot(&archive).unwrap());
}

#[test]
fn a_snapshot_shows_everything_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let archive = History::new().write(&directory.path().join("a.zip"));
    let options = SnapshotOptions {
        redact: Redactions::NONE,
        sizes: true,
        digests: true,
    };
    insta::assert_snapshot!(snapshot_with(&archive, &options).unwrap());
}

/// The same history, recorded again: other ids, later, elsewhere.
#[test]
fn another_recording_of_the_same_history_gives_the_same_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let first = History::new().write(&directory.path().join("a.zip"));
    let mut again = History::new();
    let other_ids = |text: &mut String| {
        *text = text
            .replace(RUN_A, "9".repeat(32).as_str())
            .replace(RUN_B, "8".repeat(32).as_str());
    };
    again.experiments.swap(0, 1);
    again.experiments[0].experiment_id = "5".into();
    again.experiments[1].experiment_id = "873245987324598732".into();
    for (number, experiment) in (0..).zip(&mut again.experiments) {
        experiment.artifact_location = Some(format!("file:///home/ben/{number}"));
        experiment.creation_time = experiment.creation_time.map(|time| time + 7);
    }
    for run in &mut again.runs {
        other_ids(&mut run.info.run_id);
        run.info.experiment_id = "873245987324598732".into();
        run.info.start_time = run.info.start_time.map(|time| time + 1000);
        run.info.end_time = run.info.end_time.map(|time| time + 2000);
        run.info.user_id = Some("ben".into());
        run.info.artifact_uri = Some(format!("s3://bucket/{}", run.info.run_id));
        run.tags.insert("mlflow.user".into(), "ben".into());
    }
    again.runs[1]
        .tags
        .insert("mlflow.parentRunId".into(), "9".repeat(32).as_str().into());
    for (id, ..) in &mut again.metrics {
        other_ids(id);
    }
    for (_, id, ..) in &mut again.artifacts {
        other_ids(id);
    }
    for model in &mut again.logged_models {
        model.experiment_id = "873245987324598732".into();
        model.source_run_id.as_mut().map(other_ids);
    }
    for version in &mut again.model_versions {
        version.run_id.as_mut().map(other_ids);
    }
    again.model_metrics[0].2[0]
        .link
        .as_mut()
        .unwrap()
        .run_id
        .as_mut()
        .map(other_ids);
    again.traces[0].experiment_id = "873245987324598732".into();
    again.traces[0]
        .trace_metadata
        .insert("mlflow.sourceRun".into(), "9".repeat(32).as_str().into());
    again.datasets[0].experiment_id = "873245987324598732".into();
    again.datasets[0].source = Some(r#"{"uri": "/home/ben/train.csv"}"#.into());
    again.scorers[0].experiment_id = "873245987324598732".into();
    again.evaluation_datasets[0].experiment_ids = vec!["873245987324598732".into()];
    let again = again.write(&directory.path().join("b"));
    assert_eq!(snapshot(&first).unwrap(), snapshot(&again).unwrap());
}

/// A history in which texts name ids, hosts and times.
fn talkative() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let note = format!(
        "of run {RUN_A} at http://127.0.0.1:40713/#/runs, then http://ana:pw@127.0.0.1:40713 (2024-01-31 12:00:00), s3://bucket/a."
    );
    history.runs[1].tags.insert("note".into(), note.as_str().into());
    history.write(&directory.path().join("a.zip"));
    directory
}

#[test]
fn a_snapshot_replaces_what_is_named_and_keeps_identity() {
    let directory = talkative();
    let options: [&[&str]; 6] = [
        &[],
        &["--redact", "ids"],
        &["--redact", "times,users"],
        &["--redact", "hosts"],
        &["--redact", "ids", "--redact", "hosts,ids"],
        &["--no-redact"],
    ];
    let mut text = String::new();
    for options in options {
        let output = mlark(directory.path(), &[&["snapshot", "a.zip"], options].concat());
        assert_eq!(output.status.code(), Some(0));
        text.push_str(&format!("$ mlark snapshot a.zip {}\n", options.join(" ")));
        let told = String::from_utf8(output.stdout).unwrap();
        let wanted = [
            "run-",
            "  info.artifact_uri",
            "  info.end_time",
            "  info.run_id",
            "  info.user_id",
            "  tags.note",
        ];
        let runs = told.split("== runs").nth(1).unwrap().split("== ").next().unwrap();
        let kept = runs.lines().filter(|line| {
            wanted.iter().any(|start| line.starts_with(start)) || line.starts_with(['a', 'b'])
        });
        kept.for_each(|line| text.push_str(&format!("{line}\n")));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn names_of_redactions_are_checked() {
    let directory = history();
    insta::assert_snapshot!(shown(
        directory.path(),
        &[
            &["snapshot", "a.zip", "--redact", "ids,hours"],
            &["snapshot", "a.zip", "--redact", "ids", "--no-redact"],
        ],
    ));
}

#[test]
fn a_snapshot_as_json_has_the_lines_of_the_text() {
    let directory = talkative();
    for redact in [None, Some("ids"), Some("times,users")] {
        let mut args = vec!["snapshot", "a.zip", "--sizes"];
        args.extend(redact.iter().flat_map(|names| ["--redact", *names]));
        let text = mlark(directory.path(), &args).stdout;
        args.push("--json");
        let json = mlark(directory.path(), &args).stdout;
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let names = json["redacted"].as_array().unwrap();
        let names: Vec<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(names.join(","), redact.unwrap_or("ids,times,hosts,users"));
        let text = String::from_utf8(text).unwrap();
        let shown: Vec<_> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("== "))
            .map(str::trim_start)
            .collect();
        let lines =
            |value: &serde_json::Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
        let mut said = Vec::new();
        for object in json["objects"].as_array().unwrap() {
            let kind = object["kind"].as_str().unwrap();
            assert!(text.contains(&format!("== {kind}: ")), "{kind}");
            said.push(object["name"].as_str().unwrap().to_owned());
            said.extend(lines(&object["lines"]));
        }
        said.extend(lines(&json["newer"]));
        said.extend(lines(&json["losses"]));
        assert_eq!(said, shown);
    }
}

#[test]
fn redactions_are_a_set() {
    let two = Redactions::from_iter([Redaction::Users, Redaction::Ids, Redaction::Users]);
    assert!(two.has(Redaction::Ids) && !two.has(Redaction::Times));
    assert_eq!(
        serde_json::to_value(two).unwrap(),
        serde_json::json!(["ids", "users"])
    );
    assert_eq!(Redactions::from_iter(Redaction::ALL), Redactions::default());
    assert_eq!(Redactions::from_iter([]), Redactions::NONE);
}

#[test]
fn help_says_what_can_be_relied_on() {
    let directory = tempfile::tempdir().unwrap();
    let commands = ["ls", "show", "cat", "extract", "snapshot", "diff"].map(|command| [command, "--help"]);
    let commands: Vec<&[&str]> = commands.iter().map(<[&str; 2]>::as_slice).collect();
    insta::assert_snapshot!(shown(directory.path(), &commands));
}

#[test]
fn a_text_too_long_for_a_line_is_shown_by_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    // Two bytes a character, so that no piece of a power of two ends with one.
    let text = format!("x{}\u{9b}", "é".repeat(600_000));
    history.runs[0].tags.insert("long".into(), text.as_str().into());
    let run = history.runs[0].info.run_id.clone();
    let archive = history.write(&directory.path().join("a.zip"));
    let digest = mlark::model::Digest(<sha2::Sha256 as sha2::Digest>::digest(&text).into());
    let start = format!(
        "x{}… (1200003 bytes, sha256 {})",
        "é".repeat(199),
        &digest.hex().as_str()[..12]
    );
    let redacted = snapshot(&archive).unwrap();
    assert!(
        redacted.contains(&format!("  tags.long = \"{start}\"\n")),
        "{redacted}"
    );
    let show = shown(directory.path(), &[&["show", "a.zip", &run]]);
    assert!(show.lines().any(|line| line.ends_with(&start)), "{show}");
    let json = mlark(directory.path(), &["show", "a.zip", &run, "--json"]).stdout;
    let line: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(line["tags"]["long"], text);
}
