//! `mlark verify` as a person and a program see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, rich};
use bytes::Bytes;
use mlark::archive::ContainerKind;
use mlark::internals::{LOSSES, MANIFEST};
use rich::Size;
use std::path::Path;
use std::process::Command;

/// Exit code, stdout and stderr as one text.
fn mlark(directory: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    format!("exit {}\n{stdout}{stderr}", output.status.code().unwrap())
}

#[test]
fn an_intact_archive_is_one_line_and_a_damaged_one_names_each_place() {
    let directory = tempfile::tempdir().unwrap();
    rich::build(&directory.path().join("a"), Size::Small);
    insta::assert_snapshot!("verify_intact", mlark(directory.path(), &["verify", "a"]));

    let mut bytes = Bytes::read(&directory.path().join("a"));
    bytes.bytes(LOSSES).clear();
    bytes.bytes("objects/runs-00000.jsonl")[9] = b'x';
    bytes.add("objects/notes.txt", Vec::new());
    bytes.write(&directory.path().join("b"), ContainerKind::Directory);
    insta::with_settings!({filters => [("[0-9a-f]{64}", "[digest]"), (r"[\d.]+ kB", "[size]")]}, {
        insta::assert_snapshot!("verify_damaged", mlark(directory.path(), &["verify", "b"]));
    });
    insta::with_settings!({filters => [("[0-9a-f]{64}", "[digest]"), (r"\d{4,}", "[bytes]")]}, {
        insta::assert_snapshot!("verify_json", mlark(directory.path(), &["verify", "b", "--json"]));
    });
}

#[test]
fn what_cannot_be_verified_has_an_exit_code_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("verify_gone", mlark(directory.path(), &["verify", "gone"]));
    insta::assert_snapshot!("verify_no_archive", mlark(directory.path(), &["verify", "."]));
    std::fs::write(directory.path().join("text"), "no zip").unwrap();
    insta::assert_snapshot!("verify_text", mlark(directory.path(), &["verify", "text"]));

    rich::build(&directory.path().join("a"), Size::Small);
    let mut bytes = Bytes::read(&directory.path().join("a"));
    let mut manifest: mlark::format::Manifest = serde_json::from_slice(bytes.bytes(MANIFEST)).unwrap();
    manifest.format.major = 1000;
    bytes.reseal_manifest(&manifest);
    bytes.write(&directory.path().join("future.zip"), ContainerKind::Zip);
    insta::assert_snapshot!(
        "verify_future",
        mlark(directory.path(), &["verify", "future.zip"])
    );
}
