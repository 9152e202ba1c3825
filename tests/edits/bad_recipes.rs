//! Edits, merges and checks that cannot be carried out as they were asked for: a sentence, an exit code, and nothing made.

use crate::helpers::bytes::Bytes;
use crate::helpers::command::mlark;
use mlark::archive::ContainerKind;
use std::path::Path;

fn fixture() -> String {
    format!("{}/fixtures/golden/v1.0/archive.zip", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command, whose words are told apart by `|`, in a folder with some archives and recipes.
fn refused(directory: &Path, command: &str) -> (i32, String) {
    let words: Vec<&str> = command.split('|').collect();
    let output = mlark(directory, &words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What is wrong, perhaps why, and perhaps what to do: no usage of another command, no list of all options.
    assert!(said.lines().count() <= 3, "{command}: {said}");
    (output.status.code().unwrap(), said)
}

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::copy(fixture(), at("a.zip")).unwrap();
    std::fs::write(at("unknown.json"), r#"{"edits":[{"edit":"frobnicate"}]}"#).unwrap();
    std::fs::write(at("cut.json"), r#"{"edits":["#).unwrap();
    std::fs::write(at("list.json"), "[]").unwrap();
    let dropped = mlark(
        directory.path(),
        &[
            "transform",
            "a.zip",
            "-o",
            "dropped.zip",
            "--drop-tag",
            "mlflow.user",
        ],
    );
    assert!(dropped.status.success());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/v1.0/directory");
    let mut newer = Bytes::read(&golden);
    newer.edit_manifest(|manifest| manifest["format"]["major"] = 2.into());
    newer.write(&at("newer"), ContainerKind::Directory);
    directory
}

#[test]
fn what_cannot_be_edited_is_said_and_nothing_is_made() {
    let directory = folder();
    let edits = [
        ("--recipe|unknown.json", "cannot read edit 1 of the recipe"),
        ("--recipe|cut.json", "cannot read the recipe"),
        (
            "--recipe|list.json",
            "it should be an object with one field, `edits`, which is a list",
        ),
        ("--json", "no edit was given"),
        ("--set-tag|team", "--set-tag: expected KEY=VALUE"),
        ("--relocate|/=s3://b", "`/` is not a place"),
        (
            "--rename-tag|run:mlflow.user=mlflow.runName",
            "already has `mlflow.runName`",
        ),
        (
            "--rename-experiment|nothing=x",
            "nothing matches --rename-experiment `nothing`",
        ),
        (
            "--rename-model|nothing=x",
            "nothing matches --rename-model `nothing`",
        ),
        ("--experiment|nothing", "nothing matches --experiment `nothing`"),
        ("--run|ffffffffff", "nothing matches --run `ffffffffff`"),
        ("--model|nothing", "nothing matches --model `nothing`"),
        (
            "--exclude|run:ffffffffff",
            "nothing matches --exclude run `ffffffffff`",
        ),
        (
            "--move-runs|ffffffffff=main",
            "nothing matches --move-runs `ffffffffff`",
        ),
        (
            "--move-runs|29c19d56=nothing",
            "nothing matches --move-runs to `nothing`",
        ),
        ("--model|wine|--version|99", "no chosen model has the version 99"),
        (
            "--model|wine|--alias|nobody",
            "no chosen model has the alias `nobody`",
        ),
        ("--rename-experiment|main=Default", "the name `Default` is taken"),
        ("--rename-model|wine=greeting", "the name `greeting` is taken"),
        (
            "--relocate|s3://a=s3://c|--relocate|s3://b=s3://c/",
            "`s3://a` and `s3://b` would both become `s3://c`",
        ),
        ("--filter|metrics.m >", "Invalid clause(s) in filter string"),
        (
            "--filter|metrics.m > 'x'",
            "Expected numeric value type for metric",
        ),
        ("--latest|0", "`0` is not a whole number of 1 or more"),
        ("--undo", "has no transform to undo"),
    ];
    for (edit, reason) in edits {
        let (code, said) = refused(directory.path(), &format!("transform|a.zip|-o|out.zip|{edit}"));
        assert!(code == 2 && said.contains(reason), "{edit}: exit {code}: {said}");
        assert!(!directory.path().join("out.zip").exists(), "{edit}");
    }
    let (code, said) = refused(directory.path(), "transform|dropped.zip|-o|out.zip|--undo");
    assert!(
        code == 2 && said.contains("cannot be undone"),
        "exit {code}: {said}"
    );
    for command in [
        "merge|a.zip|newer|-o|out.zip",
        "transform|newer|-o|out.zip|--drop-tag|x",
    ] {
        let (code, said) = refused(directory.path(), command);
        assert!(
            code >= 2 && said.contains("`newer`"),
            "{command}: exit {code}: {said}"
        );
    }
    let mut left = crate::helpers::command::names(directory.path());
    left.sort();
    assert_eq!(
        left,
        [
            "a.zip",
            "cut.json",
            "dropped.zip",
            "list.json",
            "newer",
            "unknown.json"
        ]
    );
}

#[test]
fn globs_filters_and_times_that_match_nothing_are_said_and_are_no_error() {
    let directory = folder();
    for edit in [
        "--experiment|nothing*",
        "--filter|metrics.m > 1e9",
        "--since|2090-01-01",
        "--ended-before|1960-01-02",
        "--drop-tag|nothing*",
        "--rename-experiment|nothing*=x*",
        "--drop-artifact|**/nothing",
        "--relocate|s3://nowhere=s3://somewhere",
    ] {
        let words: Vec<&str> = edit.split('|').collect();
        let words = [&["transform", "a.zip", "-o", "out.zip"], words.as_slice()].concat();
        let output = mlark(directory.path(), &words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{edit}: {said}");
        assert!(said.contains("nothing matches"), "{edit}: {said}");
        std::fs::remove_file(directory.path().join("out.zip")).unwrap();
    }
}

#[test]
fn an_undo_record_that_does_not_bring_back_what_was_there_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::copy(fixture(), at("a.zip")).unwrap();
    let tagged = refused(directory.path(), "transform|a.zip|-o|tagged|--set-tag|a=b|-q");
    assert_eq!(tagged, (0, String::new()));
    let mut cut = Bytes::read(&at("tagged"));
    let mut names = cut.entries.iter().map(|entry| entry.name.clone());
    let record = names.rfind(|name| name.starts_with("undo/")).unwrap();
    let bytes = cut.bytes(&record);
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    bytes.drain(..=first);
    cut.reseal();
    cut.write(&at("cut"), ContainerKind::Directory);
    let (code, said) = refused(directory.path(), "transform|cut|-o|out|--undo");
    let reason = "error: the undo record of `cut` does not fit its objects: what it restores differs from what was there before\n";
    assert_eq!((code, said.as_str()), (4, reason));
    assert!(!at("out").exists());
}
