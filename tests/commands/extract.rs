//! Artifacts as a tree: what is written, what is refused, what is left behind.

use crate::helpers::{command, common};
use command::{mlark, shown};
use common::{History, MODEL, RUN_A, RUN_B, TRACE};
use mlark::model::{Absent, OwnerKind};
use std::path::Path;

/// Paths of all files and folders below a directory.
fn tree(root: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    let entries = entries
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir());
    entries
        .map(|entry| {
            entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// Everything in a directory but the archive.
fn beside(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name != "a.zip")
        .collect();
    names.sort();
    names
}

/// Kind and id of the owner, path, bytes or the reason of their absence.
type Artifact<'a> = (OwnerKind, &'a str, &'a str, Result<Vec<u8>, Absent>);

fn history(artifacts: Vec<Artifact<'_>>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let own = |(kind, id, path, content): Artifact<'_>| (kind, id.to_owned(), path.to_owned(), content);
    history.artifacts = artifacts.into_iter().map(own).collect();
    history.write(&directory.path().join("a.zip"));
    directory
}

#[test]
fn a_tree_has_a_folder_per_owner() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a.zip"));
    let output = mlark(directory.path(), &["extract", "a.zip", "-o", "out/files"]);
    insta::assert_snapshot!(shown(&output));
    assert_eq!(
        tree(&directory.path().join("out/files")),
        [
            format!("{RUN_A}/model/MLmodel"),
            format!("{RUN_A}/model/data.bin"),
            format!("{RUN_A}/notes é.txt"),
            format!("{MODEL}/MLmodel"),
            "models/churn/2/MLmodel".to_owned(),
            format!("{TRACE}/attachment.txt"),
        ]
    );
    let bytes = std::fs::read(directory.path().join("out/files").join(RUN_A).join("notes é.txt")).unwrap();
    assert_eq!(bytes, b"12345");
    assert_eq!(beside(directory.path()), ["out"]);
}

#[test]
fn filters_choose_what_is_written() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a.zip"));
    let cases: [(&[&str], usize); 6] = [
        (&["--run", "aaaa"], 3),
        (&["--experiment", "training"], 5),
        (&["--experiment", "Default"], 0),
        (&["--path", "**/MLmodel"], 3),
        (&["--model", "churn"], 1),
        (&["--model", "forest", "--glob", "MLmodel"], 1),
    ];
    for (index, (filter, files)) in cases.into_iter().enumerate() {
        let out = format!("out{index}");
        let output = mlark(
            directory.path(),
            &[&["extract", "a.zip", "-o", &out], filter].concat(),
        );
        assert_eq!(output.status.code(), Some(0), "{filter:?}");
        assert_eq!(tree(&directory.path().join(out)).len(), files, "{filter:?}");
    }
}

#[test]
fn an_output_that_exists_is_never_touched() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a.zip"));
    std::fs::create_dir(directory.path().join("out")).unwrap();
    std::os::unix::fs::symlink("elsewhere", directory.path().join("link")).unwrap();
    for out in ["out", "link", "a.zip"] {
        let output = mlark(directory.path(), &["extract", "a.zip", "-o", out]);
        assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
        assert!(shown(&output).contains(&format!("`{out}` exists")));
    }
    assert_eq!(beside(directory.path()), ["link", "out"]);
}

#[test]
fn names_that_lead_elsewhere_are_refused_and_nothing_is_made() {
    let hostile = [
        "../x",
        "a/../../x",
        "/etc/x",
        "a//b",
        "a/./b",
        "a\\b",
        "C:/x",
        "a/c:x",
        "a\0b",
        "a/",
        "..",
        "",
        "a/..",
        "\\\\server\\share",
        &"n".repeat(256),
    ];
    for path in hostile {
        let directory = history(vec![(OwnerKind::Run, RUN_A, path, Ok(b"x".to_vec()))]);
        let output = mlark(directory.path(), &["extract", "a.zip", "-o", "out"]);
        assert_eq!(output.status.code(), Some(2), "{path:?}: {}", shown(&output));
        assert_eq!(beside(directory.path()), [""; 0], "{path:?}");
    }
}

#[test]
fn a_hostile_owner_is_refused_as_a_hostile_path_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[1].info.run_id = "../../up".into();
    for version in &mut history.model_versions {
        if version.name == "churn" {
            version.name = "a/../churn".into();
        }
    }
    history.artifacts = vec![
        (OwnerKind::Run, "../../up".into(), "x".into(), Ok(b"x".to_vec())),
        (
            OwnerKind::ModelVersion,
            "a/../churn/2".into(),
            "x".into(),
            Ok(b"x".to_vec()),
        ),
    ];
    history.registered_models.clear();
    history.model_versions.remove(2);
    history.write(&directory.path().join("a.zip"));
    let output = mlark(directory.path(), &["extract", "a.zip", "-o", "out"]);
    insta::assert_snapshot!(shown(&output));
    let output = mlark(
        directory.path(),
        &["extract", "a.zip", "-o", "out", "--keep-going", "--json"],
    );
    insta::assert_snapshot!(shown(&output));
    assert_eq!(
        (beside(directory.path()), tree(&directory.path().join("out"))),
        (vec!["out".to_owned()], vec![])
    );
}

#[test]
fn a_file_cannot_be_a_folder_too() {
    let directory = history(vec![
        (OwnerKind::Run, RUN_A, "a", Ok(b"x".to_vec())),
        (OwnerKind::Run, RUN_A, "a/b", Ok(b"y".to_vec())),
    ]);
    let output = mlark(directory.path(), &["extract", "a.zip", "-o", "out"]);
    insta::assert_snapshot!(shown(&output));
    assert_eq!(beside(directory.path()), [""; 0]);
}

#[test]
fn what_is_absent_is_said_and_failures_decide_the_exit_code() {
    let directory = history(vec![
        (OwnerKind::Run, RUN_A, "here", Ok(b"x".to_vec())),
        (OwnerKind::Run, RUN_A, "lost", Err(Absent::Failed)),
        (OwnerKind::Run, RUN_B, "left", Err(Absent::NotSelected)),
    ]);
    let output = mlark(directory.path(), &["extract", "a.zip", "-o", "out"]);
    insta::assert_snapshot!(shown(&output));
    assert_eq!(tree(&directory.path().join("out")), [format!("{RUN_A}/here")]);
}

#[test]
fn a_damaged_artifact_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a"));
    let blobs = walkdir::WalkDir::new(directory.path().join("a/blobs")).sort_by_file_name();
    let blob = blobs
        .into_iter()
        .map(Result::unwrap)
        .find(|entry| entry.file_type().is_file())
        .unwrap();
    let length = blob.metadata().unwrap().len();
    std::fs::remove_file(blob.path()).unwrap();
    std::fs::write(blob.path(), vec![b'!'; usize::try_from(length).unwrap()]).unwrap();
    let output = mlark(directory.path(), &["extract", "a", "-o", "out"]);
    assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
    assert_eq!(beside(directory.path()), ["a"]);
}
