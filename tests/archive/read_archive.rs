//! the Python package reads archives without the program: the proof that the format is a document.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, rich};
use bytes::Bytes;
use mlark::archive::{Archive, ContainerKind};
use mlark::format::Kind;
use mlark::model::OwnerKind;
use rich::Size;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the package's own small program, or says that it cannot be run.
fn python(args: &[&Path]) -> Option<Output> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut command = Command::new("python3");
    command.args(["-m", "mlark.read"]).env("PYTHONPATH", package);
    match command.args(args).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: python3 cannot be run: {error}");
            None
        }
    }
}

#[test]
fn a_runs_artifacts_are_rebuilt_without_mlark() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a", "a.zip"] {
        let path = directory.path().join(name);
        rich::build(&path, Size::Full);
        let Some(output) = python(&[&path]) else { return };
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(String::from_utf8_lossy(&output.stdout).contains("\nr3 run r3\n"));

        let out = directory.path().join(format!("tree of {name}"));
        let output = python(&[&path, Path::new("r1"), &out]).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let archive = Archive::open(&path).unwrap();
        let lists = archive.values(Kind::Artifacts).map(Result::unwrap);
        let lists = lists.map(|list| serde_json::from_value::<mlark::model::ArtifactList>(list).unwrap());
        let mut files = 0;
        for list in lists.filter(|list| list.owner_kind == OwnerKind::Run && list.owner_id == "r1") {
            for file in list.files {
                let bytes = fs::read(out.join(&file.path)).unwrap();
                assert_eq!(Some(bytes::sha256(&bytes)), file.sha256, "{}", file.path);
                files += 1;
            }
        }
        assert_eq!(files, 5);
    }
}

#[test]
fn damage_is_seen_without_mlark() {
    let directory = tempfile::tempdir().unwrap();
    rich::build(&directory.path().join("a"), Size::Small);
    let intact = Bytes::read(&directory.path().join("a"));
    for number in 0..intact.entries.len() {
        let mut damaged = intact.clone();
        let bytes = &mut damaged.entries[number].bytes;
        match bytes.last_mut() {
            Some(last) => *last ^= 1,
            None => bytes.push(0),
        }
        let path = directory.path().join(format!("damaged {number}"));
        damaged.write(&path, ContainerKind::Directory);
        let Some(output) = python(&[&path]) else { return };
        assert!(!output.status.success(), "{}", damaged.entries[number].name);
    }
}
