//! What a person is told of a request that cannot be carried out: a sentence with the place, a remedy, an exit code, and
//! nothing made or lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// Exit code, stdout and stderr as one text.
fn mlark<A: AsRef<OsStr>>(folder: &Path, args: &[A]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let texts = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    format!("exit {}\n{}", output.status.code().unwrap(), texts.concat())
}

/// A folder with a store of one experiment, and an archive of it in both containers.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let experiment = "artifact_location: ./a\nexperiment_id: '0'\nlifecycle_stage: active\nname: Default\n";
    fs::create_dir_all(folder.path().join("mlruns/0")).unwrap();
    fs::write(folder.path().join("mlruns/0/meta.yaml"), experiment).unwrap();
    for out in ["a.zip", "a"] {
        let said = mlark(folder.path(), &["export", "mlruns", "-o", out]);
        assert!(said.starts_with("exit 0\n"), "{said}");
    }
    folder
}

#[test]
fn force_replaces_no_directory_of_something_else() {
    let folder = workplace();
    fs::create_dir(folder.path().join("home")).unwrap();
    fs::write(folder.path().join("home/thesis.tex"), "years of work").unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["export", "mlruns", "-o", "home", "--force"]), @r"
    exit 2
    error: `home` is a directory without `mlark.json`, so mlark did not make it
    hint: give another path to -o, or remove it yourself
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["transform", "a", "-o", "home", "--force", "--source-tags"]), @r"
    exit 2
    error: `home` is a directory without `mlark.json`, so mlark did not make it
    hint: give another path to -o, or remove it yourself
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["convert", "a.zip", "-o", "a", "--to", "exim", "--force"]), @r"
    exit 2
    error: `a` is a directory without `manifest.json`, so mlark did not make it
    hint: give another path to -o, or remove it yourself
    ");
    assert!(folder.path().join("home/thesis.tex").exists() && folder.path().join("a/mlark.json").exists());
    let again = ["export", "mlruns", "-o", "a", "--force"];
    assert!(mlark(folder.path(), &again).starts_with("exit 0\n"));
}

#[test]
fn an_output_that_cannot_be_is_said_to_be_so() {
    let folder = workplace();
    let export = |out: &str| mlark(folder.path(), &["export", "mlruns", "-o", out]);
    insta::assert_snapshot!(export("-"), @r"
    exit 2
    error: invalid value '-' for '--output <OUT>': the output is written to disk, not to stdout; write `./-` for a file named `-`

    For more information, try '--help'.
    ");
    fs::write(folder.path().join("file"), "").unwrap();
    insta::assert_snapshot!(export("file/x.zip"), @r"
    exit 6
    error: cannot create directory `file`
      because: Not a directory (os error 20)
    ");
    insta::assert_snapshot!(export("file/x/y.zip"), @r"
    exit 6
    error: cannot create directory `file/x`
      because: Not a directory (os error 20)
    ");
}

#[test]
fn nothing_is_made_under_a_scheme_by_any_command() {
    let folder = workplace();
    let uri = "s3://bucket/x.zip";
    let target = "http://127.0.0.1:1";
    let commands: [&[&str]; 9] = [
        &["export", "mlruns", "-o", "ftp://host/x.zip"],
        &["transform", "a", "--source-tags", "-o", "ftp://host/x.zip"],
        &["convert", "a", "--to", "exim", "-o", "ftp://host/x"],
        &["extract", "a", "-o", "ftp://host/x"],
        &["report", "a", "-o", uri],
        &["plan", "mlruns", "--shards", "2", "-o", uri],
        &["import", "a", target, "--journal", uri],
        &["verify", "a", "--against", target, "--journal", uri],
        &["map", "a", target, "--journal", uri],
    ];
    for command in commands {
        let said = mlark(folder.path(), command);
        let [why, rest] = [
            "this output cannot be written to a `",
            ":` URI; write it to a disk and copy it",
        ];
        assert!(
            said.starts_with("exit 2\n") && said.contains(why) && said.contains(rest),
            "{said}"
        );
    }
    assert!(!folder.path().join("s3:").exists() && !folder.path().join("ftp:").exists());
    let plain = mlark(folder.path(), &["export", "mlruns", "-o", "./s3:/x"]);
    assert!(plain.starts_with("exit 0\n"), "{plain}");
}

#[test]
fn what_is_no_source_is_told_what_it_may_be() {
    let folder = workplace();
    fs::write(folder.path().join("mlruns.tar.gz"), b"\x1f\x8b\x08 and more").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["export", "mlruns.tar.gz", "-o", "b"]), @r"
    exit 7
    error: no MLflow data at `mlruns.tar.gz`: it has neither an mlruns tree (folders with meta.yaml) nor an export of mlflow-export-import (experiment.json, model.json, …)
    hint: it is packed with gzip, as a .tar.gz is: unpack it, and give the path of its content
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["ls", "mlruns.tar.gz"]), @r"
    exit 7
    error: `mlruns.tar.gz` is not an mlark archive: it is not a zip
    hint: it is packed with gzip, as a .tar.gz is: unpack it, and give the path of its content
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["export", "localhost:5000", "-o", "b"]), @r"
    exit 7
    error: no MLflow data at `localhost:5000`: mlark does not read URIs with this scheme
    hint: for a server, give the scheme too: `http://localhost:5000` or `https://localhost:5000`
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["ls", "mlflow.example.org/mlflow"]), @r"
    exit 6
    error: cannot open `mlflow.example.org/mlflow`
      because: No such file or directory (os error 2)
    hint: for a server, give the scheme too: `http://mlflow.example.org/mlflow` or `https://mlflow.example.org/mlflow`
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["info", "ftp://host/x.zip"]), @r"
    exit 6
    error: cannot open `ftp://host/x.zip`
      because: No such file or directory (os error 2)
    hint: archives can be read from a disk, or from s3:, gs:, abfss: or wasbs:
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["verify", "empty"]), @r"
    exit 7
    error: `empty` is not an mlark archive: there is no `mlark.json` in it
    hint: an archive is a zip or a folder with `mlark.json`, made by `mlark export`
    ");
    insta::assert_snapshot!(mlark(folder.path(), &["diff", "a", "a.zip", "-e", "x"]), @r"
    exit 2
    error: options for reading a source were given, but both sides are archives
    hint: leave these options out: archives are compared as they are
    ");
}

#[test]
fn a_database_beside_a_store_is_named() {
    let folder = workplace();
    fs::write(folder.path().join("mlflow.db"), b"SQLite format 3\0 and more").unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["export", ".", "-o", "b"]), @r"
    exit 0
    b: 1 experiment, 0 metric points, 0 artifacts (0 B)
    content id 9782e659e553b95f40a25bbd769416fa031801c41b0d0b8896e18a33545644d2
    warning: the files in `.` were exported, not the database next to them; to export the database, give `sqlite:///./mlflow.db`
    ");
    let of_the_store = mlark(folder.path(), &["export", "mlruns", "-o", "c"]);
    assert!(!of_the_store.contains("database"), "{of_the_store}");
}

#[test]
fn an_archive_for_a_source_and_a_source_for_an_archive_are_told_apart() {
    let folder = workplace();
    for archive in ["a", "a.zip"] {
        let said = mlark(folder.path(), &["export", archive, "-o", "b"]).replace("`a.zip`", "`a`");
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @r"
            exit 7
            error: cannot read `a`: it is already an mlark archive; `mlark info` shows what it holds
            ");
        }
    }
    insta::assert_snapshot!(mlark(folder.path(), &["info", "mlruns"]), @r"
    exit 7
    error: `mlruns` is not an mlark archive: there is no `mlark.json` in it
    hint: it is a source: make an archive of it with `mlark export mlruns -o history.zip`
    ");
    fs::write(folder.path().join("mlflow.db"), b"SQLite format 3\0 and more").unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["transform", "mlflow.db", "-o", "b", "--source-tags"]), @r"
    exit 7
    error: `mlflow.db` is not an mlark archive: it is not a zip
    hint: it is a source: make an archive of it with `mlark export mlflow.db -o history.zip`
    ");
}

#[test]
fn numbers_and_times_that_cannot_be_are_refused_before_anything_is_read() {
    let folder = workplace();
    let export = |options: &[&str]| {
        let said = mlark(
            folder.path(),
            &[&["export", "mlruns", "-o", "b"], options].concat(),
        );
        assert!(!folder.path().join("b").exists());
        said
    };
    insta::assert_snapshot!(export(&["--since", "2025-01-01", "--until", "2024-01-01"]), @r"
    exit 2
    error: --since `2025-01-01` is not before --until `2024-01-01`
    hint: --since must be the earlier of the two; the time of --until itself is excluded
    ");
    insta::assert_snapshot!(export(&["--threads", "99999"]), @r"
    exit 2
    error: invalid value '99999' for '--threads <N>': 99999 is not in 0..=1024

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(export(&["--connections", "0"]), @r"
    exit 2
    error: invalid value '0' for '--connections <N>': 0 is not in 1..=1024

    For more information, try '--help'.
    ");
    for rate in ["0", "nan", "inf", "-1", "x"] {
        let said = export(&[&format!("--max-rate={rate}")]);
        assert!(
            said.contains("': it is not a number from 0.001 to 1000000\n"),
            "{said}"
        );
    }
    insta::assert_snapshot!(export(&["--origin", ""]), @r"
    exit 2
    error: a value is required for '--origin <NAME>' but none was supplied

    For more information, try '--help'.
    ");
}

#[test]
fn a_path_that_is_no_text_is_named_where_only_text_can_be_read() {
    let folder = workplace();
    let name = |suffix: &str| {
        let mut name = OsString::from(OsStr::from_bytes(b"n\xff"));
        name.push(suffix);
        name
    };
    fs::rename(folder.path().join("mlruns"), folder.path().join(name(""))).unwrap();
    let arg = |text: &str| OsString::from(text);
    insta::assert_snapshot!(mlark(folder.path(), &[arg("export"), name(""), arg("-o"), arg("b")]), @r"
    exit 2
    error: `n\xff` is not UTF-8; only the paths of archives and outputs may have other bytes
    hint: make a symbolic link to it with a UTF-8 name
    ");
    insta::assert_snapshot!(mlark(folder.path(), &[arg("ls"), name("")]), @r"
    exit 2
    error: `n\xff` is not UTF-8; only the paths of archives and outputs may have other bytes
    hint: make a symbolic link to it with a UTF-8 name
    ");
    std::os::unix::fs::symlink(name(""), folder.path().join("plain")).unwrap();
    let export = [arg("export"), arg("plain"), arg("-o"), name(".zip")];
    assert!(mlark(folder.path(), &export).starts_with("exit 0\nn\u{fffd}.zip: 1 experiment"));
    assert!(mlark(folder.path(), &[arg("verify"), name(".zip")]).starts_with("exit 0\n"));
}

#[test]
fn names_with_line_ends_stay_on_their_line() {
    let folder = workplace();
    let said = mlark(folder.path(), &["export", "mlruns", "-o", "b\n\u{1b}[31m\\.zip"]);
    assert!(
        said.starts_with("exit 0\nb\\n\\u{1b}[31m\\\\.zip: 1 experiment"),
        "{said}"
    );
    insta::assert_snapshot!(mlark(folder.path(), &["info", "no\nsuch\u{1b}[31m"]), @r"
    exit 6
    error: cannot open `no\nsuch\u{1b}[31m`
      because: No such file or directory (os error 2)
    ");
}

#[test]
fn a_tar_with_a_zip_near_its_end_is_said_to_be_a_tar() {
    let folder = workplace();
    let mut tar = vec![0; 512];
    tar[..5].copy_from_slice(b"a.zip");
    tar[257..262].copy_from_slice(b"ustar");
    tar.extend(fs::read(folder.path().join("a.zip")).unwrap());
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    fs::write(folder.path().join("history.tar"), tar).unwrap();
    for args in [
        &["export", "history.tar", "-o", "out.zip"][..],
        &["ls", "history.tar"],
        &["info", "history.tar"],
    ] {
        let said = mlark(folder.path(), args);
        assert!(
            said.contains("a tar file") && !said.contains("damaged"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_plan_of_a_choice_divides_that_choice_and_no_other() {
    let folder = workplace();
    let run = |arguments: &[&str]| mlark(folder.path(), arguments);
    let plan = ["plan", "mlruns", "--shards", "2", "-o", "plan.json"];
    let said = run(&[&plan[..], &["--experiment", "Default"]].concat());
    assert!(said.starts_with("exit 0\n"), "{said}");
    let shard = |out: &str, choice: &[&str]| {
        let planned = [
            "export",
            "mlruns",
            "--plan",
            "plan.json",
            "--shard",
            "1/2",
            "-o",
            out,
        ];
        run(&[&planned[..], choice].concat())
    };
    for choice in [&[][..], &["--experiment", "0"], &["--since", "2024-01-01"]] {
        let said = shard("refused.zip", choice);
        assert!(
            said.starts_with("exit 2\n")
                && said.contains("`plan.json` was made for another choice")
                && said.contains("--experiment"),
            "{said}"
        );
    }
    let said = shard("part.zip", &["--experiment", "Default", "--no-artifacts"]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    // A plan of everything divides every choice.
    let said = run(&[&plan[..], &["--force"]].concat());
    assert!(said.starts_with("exit 0\n"), "{said}");
    let said = shard("chosen.zip", &["--experiment", "Default"]);
    assert!(said.starts_with("exit 0\n"), "{said}");
}
