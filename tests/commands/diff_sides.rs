//! `mlark diff` with stores and servers as sides.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    path.display().to_string()
}

fn mlark(scratch: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    command
        .env("TMPDIR", scratch)
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn archive(scratch: &Path, source: &[&str], name: &str) -> PathBuf {
    let out = scratch.join(name);
    let mut arguments = vec!["export"];
    arguments.extend(source);
    arguments.extend(["-o", out.to_str().unwrap()]);
    let output = mlark(scratch, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    out
}

#[test]
fn a_store_of_each_kind_equals_its_archive_and_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path();
    let artifacts = fixture("sql-3.18.0/mlartifacts");
    let database = fixture("sql-3.18.0/mlflow.db");
    let uri = format!("sqlite:///{database}");
    let cases: [(&str, &[&str]); 4] = [
        (&fixture("filestore-2.9.2/mlruns"), &[]),
        (&fixture("exim-3.18.0/experiment"), &["--keep-going"]),
        (&database, &["--artifacts-destination", &artifacts]),
        (&uri, &["--artifacts-destination", &artifacts]),
    ];
    for (number, (source, options)) in cases.into_iter().enumerate() {
        let mut from = vec![source];
        from.extend(options);
        let archive = archive(scratch, &from, &format!("{number}.zip"));
        for sides in [[archive.to_str().unwrap(), source], [source, source]] {
            let mut arguments = vec!["diff"];
            arguments.extend(sides);
            arguments.extend(options);
            let output = mlark(scratch, &arguments);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{sides:?} {}",
                text(&output.stderr)
            );
            assert_eq!(text(&output.stdout), "", "{sides:?}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(scratch)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".zip"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_choice_is_taken_of_the_live_sides() {
    let scratch = tempfile::tempdir().unwrap();
    let store = fixture("filestore-2.9.2/mlruns");
    let choice = ["--no-artifacts", "--include-deleted"];
    let mut from = vec![store.as_str()];
    from.extend(choice);
    let archive = archive(scratch.path(), &from, "a.zip");
    let archive = archive.to_str().unwrap();
    let mut arguments = vec!["diff", archive, &store];
    let output = mlark(scratch.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("artifacts\t"),
        "{}",
        text(&output.stdout)
    );
    arguments.extend(choice);
    let output = mlark(scratch.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));

    let output = mlark(scratch.path(), &["diff", archive, archive, "--no-artifacts"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("both sides are archives"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_side_that_cannot_be_read_is_an_error_without_its_credentials() {
    let scratch = tempfile::tempdir().unwrap();
    let archive = archive(scratch.path(), &[&fixture("filestore-2.9.2/mlruns")], "a.zip");
    let archive = archive.to_str().unwrap();
    for (side, exit) in [
        ("http://ana:hunter2@127.0.0.1:1", 7),
        ("ftp://ana:hunter2@example.org/mlruns", 7),
        ("sqlite:////nowhere/mlflow.db", 7),
        ("/nowhere/archive.zip", 6),
    ] {
        let output = mlark(scratch.path(), &["diff", archive, side]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
        assert!(errors.starts_with("error: "), "{errors}");
    }
}
