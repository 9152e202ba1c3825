//! Stores that are there, of any MLflow, are filled as far as their columns go, or left as they were.

use crate::common::with_deleted;
use crate::helpers::law::{Told, assert_law};
use mlark::archive::Archive;
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportOptions, export};
use mlark::flow::restore::{FillOptions, RestoreError, RestoreOptions, fill, ids_in};
use mlark::flow::transform::{Edit, Recipe, TransformOptions, apply};
use mlark::monitor::Silent;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A store as MLflow of a version makes it, with nothing in it but what MLflow puts there.
fn empty_store(version: &str, path: &Path) -> String {
    std::fs::copy(fixture(&format!("sql-{version}/mlflow.db")), path).unwrap();
    let database = Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('alembic_version', 'workspaces')";
    let mut statement = database.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let deletes = names.map(|name| format!("DELETE FROM \"{}\";", name.unwrap()));
    let deletes: String = deletes.collect();
    let insert = "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active');";
    let all = format!("PRAGMA foreign_keys = OFF; {deletes} {insert}");
    database.execute_batch(&all).unwrap();
    let _ = database.execute_batch("DELETE FROM workspaces WHERE name <> 'default'");
    format!("sqlite:///{}", path.display())
}

fn archive_of(source: &str, out: &Path) -> Archive {
    let kind = match source.ends_with(".db") {
        true => SourceKind::Sql,
        false => SourceKind::FileStore,
    };
    let options = ExportOptions {
        keep_going: true,
        ..with_deleted()
    };
    export(kind, fixture(source).to_str().unwrap(), out, options, &Silent).unwrap();
    Archive::open(out).unwrap()
}

/// Fills a store, and checks what comes back of it.
fn check_law(before: &Archive, uri: &str, directory: &Path, name: &str) -> serde_json::Value {
    let path = |part: &str| directory.join(format!("{name}-{part}"));
    let mut options = FillOptions {
        is_dry: true,
        ..FillOptions::default()
    };
    let planned = fill(before, uri, &path("artifacts"), &options, &Silent).unwrap();
    options.is_dry = false;
    let into = options.store.database_edit(uri, &path("artifacts")).unwrap();
    let report = fill(before, uri, &path("artifacts"), &options, &Silent).unwrap();
    assert_eq!(
        (&planned.lost, planned.files),
        (&report.lost, report.files),
        "{name}"
    );
    assert_eq!(report.into_store, into, "{name}");
    let recipe = Recipe {
        edits: vec![Edit::IntoStore(into)],
    };
    apply(before, &recipe, &path("edited"), &TransformOptions::default()).unwrap();
    let back = ExportOptions {
        artifacts_destination: Some(path("artifacts")),
        ..with_deleted()
    };
    export(SourceKind::Sql, uri, &path("back"), back, &Silent).unwrap();
    let open = |part: &str| Archive::open(&path(part)).unwrap();
    let report = serde_json::to_value(&report).unwrap();
    assert_law(&open("edited"), &open("back"), &Told::of(&report), name);
    report
}

#[test]
fn stores_of_any_mlflow_are_filled_as_far_as_their_columns_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("everything")).unwrap();
    let whole = crate::helpers::whole::archive_of_everything(&path("everything"));
    for version in ["1.30.1", "2.9.2", "2.22.5", "3.18.0"] {
        let mlruns = format!("filestore-{version}/mlruns");
        let archives = [
            ("own", archive_of(&mlruns, &path(&format!("{version}-own-in")))),
            (
                "new",
                archive_of("sql-3.18.0/mlflow.db", &path(&format!("{version}-new-in"))),
            ),
            ("whole", whole.clone()),
        ];
        for (name, archive) in archives {
            let name = format!("{version}-{name}");
            let uri = empty_store(version, &path(&format!("{name}.db")));
            let report = check_law(&archive, &uri, directory.path(), &name);
            let limits = report["limits"].to_string();
            let is_old = limits.contains("\"logged-models\"") && limits.contains("not-held");
            assert_eq!(
                is_old && !name.ends_with("own"),
                !version.starts_with('3') && !name.ends_with("own")
            );
        }
    }
}

/// MLflow 2 reads no later form of spans; real servers of 2.14.3 and 2.22.5 were asked.
#[test]
fn spans_for_a_store_of_mlflow_2_have_the_form_that_it_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let archive = archive_of("sql-3.18.0/mlflow.db", &path("a"));
    for (version, is_old) in [("2.22.5", true), ("3.18.0", false)] {
        let uri = empty_store(version, &path(&format!("{version}.db")));
        let files = path(&format!("{version}-files"));
        fill(&archive, &uri, &files, &FillOptions::default(), &Silent).unwrap();
        let walked = walkdir::WalkDir::new(&files).into_iter().map(Result::unwrap);
        let files: Vec<_> = walked
            .filter(|entry| entry.file_name() == "traces.json")
            .collect();
        assert_eq!(files.is_empty(), !is_old, "3.18 has a table for them");
        for file in files {
            let text = std::fs::read_to_string(file.path()).unwrap();
            let said: serde_json::Value = serde_json::from_str(&text).unwrap();
            let spans = said["spans"].as_array().unwrap();
            let root = spans.iter().find(|span| span["parent_id"].is_null()).unwrap();
            assert_eq!(said["request"], root["attributes"]["mlflow.spanInputs"], "{text}");
            for span in spans {
                let id = span["context"]["span_id"].as_str().unwrap();
                assert!(
                    u64::from_str_radix(id, 16).is_ok() && span["start_time"].is_u64(),
                    "{span}"
                );
                assert!(span["attributes"]["mlflow.traceRequestId"].is_string(), "{span}");
            }
        }
    }
}

/// A choice by kind and by workspace, as `import --only` has it.
#[test]
fn only_what_is_named_by_kind_or_workspace_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let source = fixture("sql-3.18.0/mlflow.db");
    let export = [
        "export",
        source.to_str().unwrap(),
        "-o",
        &path("a"),
        "--include-deleted",
    ];
    assert!(mlark(&export).status.success());
    let restored = |name: &str, only: &[&str]| {
        let only: Vec<_> = only.iter().flat_map(|what| ["--only", what]).collect();
        let (from, to) = (path("a"), path(name));
        let output = mlark(&[&["restore", &from, "-o", &to, "--json"], &only[..]].concat());
        assert!(output.status.success(), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // The law holds for a choice too.
        let recipe = mlark(
            &[
                &["restore", &from, "-o", &path("new"), "--print-recipe"],
                &only[..],
            ]
            .concat(),
        );
        assert!(String::from_utf8(recipe.stdout).unwrap().contains("select"));
        report["counts"].clone()
    };
    let all = restored("all", &["workspace=*"]);
    let runs = restored("runs", &["runs"]);
    assert_eq!(
        (&runs["runs"], &runs["experiments"]),
        (&all["runs"], &all["experiments"])
    );
    for kind in [
        "traces",
        "logged-models",
        "registered-models",
        "scorers",
        "evaluation-datasets",
    ] {
        assert!(
            all[kind].as_u64().unwrap() > 0 && runs[kind].is_null(),
            "{kind}: {runs}"
        );
    }
    let models = restored("models", &["registered-models"]);
    assert_eq!(models["registered-models"], all["registered-models"]);
    assert!(
        models["model-versions"].is_null() && models["runs"].is_null(),
        "{models}"
    );
    let versions = restored("versions", &["model-versions", "traces"]);
    assert_eq!(versions["model-versions"], all["model-versions"]);
    assert_eq!(versions["traces"], all["traces"]);
    for (what, code, said) in [
        ("workspace=nobody", 2, "nothing matches --only workspace=nobody"),
        (
            "metrics",
            2,
            "neither workspace=NAME nor one of experiments, runs",
        ),
    ] {
        let output = mlark(&["restore", &path("a"), "-o", &path("none"), "--only", what]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(code) && text.contains(said),
            "{text}"
        );
    }
}

#[test]
fn tables_that_no_known_mlflow_makes_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let archive = archive_of("filestore-2.9.2/mlruns", &path("a"));
    for (change, told) in [
        (
            "DROP TABLE params; CREATE TABLE params (run_uuid, key, value, novelty TEXT NOT NULL)",
            "table `params` needs a value for column `novelty`",
        ),
        ("DROP TABLE params", "table `params` is missing"),
        (
            "ALTER TABLE tags RENAME COLUMN key TO name",
            "table `tags` has no column `key`",
        ),
        ("DELETE FROM alembic_version", "no version"),
        (
            "UPDATE alembic_version SET version_num = 'ffffffffffff'",
            "of a version that this mlark does not know",
        ),
        (
            "DELETE FROM experiments; INSERT INTO experiments (experiment_id, name) VALUES (0, 'Mine')",
            "`experiments`",
        ),
        (
            "INSERT INTO runs (run_uuid, experiment_id) VALUES ('r', 0)",
            "table `runs` already has rows",
        ),
    ] {
        let uri = empty_store("2.22.5", &path("store.db"));
        Connection::open(path("store.db"))
            .unwrap()
            .execute_batch(change)
            .unwrap();
        let before = std::fs::read(path("store.db")).unwrap();
        let filled = fill(&archive, &uri, &path("files"), &FillOptions::default(), &Silent);
        let error = filled.unwrap_err();
        assert!(matches!(error, RestoreError::Target { .. }), "{change}: {error}");
        assert!(error.to_string().contains(told), "{change}: {error}");
        assert!(!path("files").exists(), "{change}");
        assert!(before == std::fs::read(path("store.db")).unwrap(), "{change}");
    }
}

#[test]
fn a_store_without_workspaces_takes_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let archive = archive_of("filestore-2.9.2/mlruns", &path("a"));
    let uri = empty_store("2.9.2", &path("store.db"));
    let options = FillOptions {
        store: RestoreOptions {
            workspace: Some("team".to_owned()),
            ..RestoreOptions::default()
        },
        ..FillOptions::default()
    };
    let error = fill(&archive, &uri, &path("files"), &options, &Silent).unwrap_err();
    assert!(error.to_string().contains("has no workspaces"), "{error}");
    let ids = ids_in(&archive, &uri, &RestoreOptions::default()).unwrap();
    assert!(ids.iter().all(|id| id.experiment_id == id.target_id.to_string()));
    assert!(!ids.is_empty());
}

fn mlark(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Some of what the command line takes, and the law for it.
#[test]
fn what_was_chosen_of_several_archives_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let text = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    archive_of("filestore-3.18.0/mlruns", directory.path().join("a").as_ref());
    let (a, b, out) = (text("a"), text("b"), text("out"));
    let told = |arguments: &[&str]| {
        let output = mlark(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let runs = |report: &serde_json::Value| report["counts"]["runs"].as_u64().unwrap();
    let one = runs(&told(&["restore", &a, "-o", &out, "--dry-run", "--json"]));
    let filter = "attributes.status = 'FAILED'";
    for (name, filter) in [("b", filter), ("c", "attributes.status = 'FINISHED'")] {
        assert!(
            mlark(&["transform", &a, "-o", &text(name), "--filter", filter])
                .status
                .success()
        );
    }
    let part = |name: &str| {
        runs(&told(&[
            "restore",
            &text(name),
            "-o",
            &text("no"),
            "--dry-run",
            "--json",
        ]))
    };
    let both = told(&["restore", &b, &text("c"), "-o", &out, "--json"]);
    assert_eq!(runs(&both), part("b") + part("c"), "{both}");
    let some = ["restore", &a, "-o", &text("some"), "--filter", filter];
    let recipe = mlark(&[&some[..], &["--print-recipe"]].concat());
    std::fs::write(text("recipe"), recipe.stdout).unwrap();
    let chosen = told(&[&some[..], &["--json"]].concat());
    assert!((1..one).contains(&runs(&chosen)), "{chosen}");
    let edited = [
        "transform",
        &a,
        "-o",
        &text("edited"),
        "--recipe",
        &text("recipe"),
    ];
    assert!(mlark(&edited).status.success());
    let database = format!("{}/mlflow.db", text("some"));
    let artifacts = format!("{}/artifacts", text("some"));
    let options = ["--include-deleted", "--artifacts-destination", &artifacts];
    assert!(
        mlark(&[&["export", &database, "-o", &text("back")], &options[..]].concat())
            .status
            .success()
    );
    let open = |name: &str| Archive::open(text(name).as_ref()).unwrap();
    assert_law(&open("edited"), &open("back"), &Told::of(&chosen), "chosen");

    for (arguments, code) in [
        (vec!["restore", &a, "-o", "x", "--experiment", "no such"], 2),
        (vec!["restore", &a], 2),
        (vec!["restore", &a, "-o", "x", "--join-models"], 2),
    ] {
        let output = mlark(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
}

#[test]
fn local_uris_stay_below_a_folder_that_is_trusted_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    archive_of("sql-3.18.0/mlflow.db", &path("a"));
    let uris = |store: &str| -> Vec<String> {
        let database = Connection::open(path(store).join("mlflow.db")).unwrap();
        let mut statement = database.prepare("SELECT artifact_uri FROM runs").unwrap();
        let uris = statement.query_map([], |row| row.get(0)).unwrap();
        uris.map(Result::unwrap).collect()
    };
    // The archive of a store that names its folder.
    let restore = [
        "restore",
        &text("a"),
        "-o",
        &text("old"),
        "--artifact-uris",
        "direct",
    ];
    assert!(mlark(&restore).status.success());
    assert!(
        mlark(&["export", &format!("{}/mlflow.db", text("old")), "-o", &text("b")])
            .status
            .success()
    );
    for (name, trusted, stays) in [
        ("trusted", text("old"), true),
        ("not", text("old/artifacts/none"), false),
    ] {
        let restore = [
            "restore",
            &text("b"),
            "-o",
            &text(name),
            "--trust-local",
            &trusted,
        ];
        let output = mlark(&restore);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let own = format!("file://{}/", text("old"));
        assert!(
            uris(name).iter().all(|uri| uri.starts_with(&own) == stays),
            "{name}"
        );
        let files = walkdir::WalkDir::new(path(name).join("artifacts")).into_iter();
        let files = files.filter(|entry| entry.as_ref().unwrap().file_type().is_file());
        assert_eq!(files.count() == 0, stays, "{name}");
    }
    let output = mlark(&["restore", &text("b"), "-o", &text("x"), "--trust-local", "/"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_disk_that_is_full_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let text = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    archive_of("sql-3.18.0/mlflow.db", directory.path().join("a").as_ref());
    empty_store("3.18.0", directory.path().join("there.db").as_ref());
    Connection::open(text("there.db"))
        .unwrap()
        .execute_batch("VACUUM")
        .unwrap();
    let before = std::fs::read(text("there.db")).unwrap();
    let there = format!("sqlite:///{}", text("there.db"));
    let new = format!("sqlite:///{}", text("new.db"));
    let files = text("files");
    for target in [
        vec!["-o".to_owned(), text("store")],
        vec![new, "--artifacts-destination".to_owned(), files.clone()],
        vec![there.clone(), "--artifacts-destination".to_owned(), files.clone()],
    ] {
        // In blocks of 1 KiB. A write beyond is refused, as one to a full disk is, and what is there can be written over.
        let most = before.len() / 1024 + 8;
        let script = format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_mlark"), "restore", &text("a")]);
        let output = command.args(&target).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("error"),
            "{target:?}: {said}"
        );
        let names = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a", "there.db"], "{target:?}: {said}");
    }
    assert!(before == std::fs::read(text("there.db")).unwrap());
    let archive = Archive::open(text("a").as_ref()).unwrap();
    fill(&archive, &there, files.as_ref(), &FillOptions::default(), &Silent).unwrap();
}
