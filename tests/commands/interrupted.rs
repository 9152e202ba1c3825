//! Exports that are killed or asked to end: what they leave, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const META: &str =
    "artifact_location: ./mlruns/0\nexperiment_id: '0'\nlifecycle_stage: active\nname: Default\n";
const RUN: &str = "artifact_uri: ./mlruns/0/r/artifacts\nend_time: null\nexperiment_id: '0'\nlifecycle_stage: active\n\
    run_id: r\nrun_name: r\nstart_time: 1\nstatus: 3\nuser_id: u\n";

/// A file store with one artifact, of zeros that no disk has to hold.
fn store(folder: &Path, name: &str, artifact_bytes: u64) {
    let run = folder.join(name).join("0/r");
    for part in ["metrics", "params", "tags", "artifacts"] {
        fs::create_dir_all(run.join(part)).unwrap();
    }
    fs::write(folder.join(name).join("0/meta.yaml"), META).unwrap();
    fs::write(run.join("meta.yaml"), RUN).unwrap();
    let artifact = File::create(run.join("artifacts/zeros")).unwrap();
    artifact.set_len(artifact_bytes).unwrap();
}

fn mlark(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    command.args(args).current_dir(folder).stderr(Stdio::piped());
    command.stdout(Stdio::null());
    command
}

fn temporary(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

/// An export that does not end by itself, and is in the middle of it.
fn endless(folder: &Path) -> Child {
    store(folder, "endless", 1 << 40);
    let child = mlark(folder, &["export", "endless", "-o", "endless.zip"])
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let has_begun = |name: &String| fs::metadata(folder.join(name).join("archive.zip")).is_ok();
    while !temporary(folder).iter().any(has_begun) {
        assert!(Instant::now() < deadline, "it does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Exports a small store beside it; what is said on stderr.
fn export_beside(folder: &Path) -> String {
    store(folder, "small", 5);
    let output = mlark(folder, &["export", "small", "-o", "small.zip"])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_a_killed_export_leaves_goes_with_the_next_one_and_not_before_it_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = endless(folder.path());
    assert_eq!(export_beside(folder.path()), "");
    assert_eq!(temporary(folder.path()).len(), 1, "it lives and keeps its folder");
    child.kill().unwrap();
    child.wait().unwrap();
    let [left] = temporary(folder.path()).try_into().unwrap();
    fs::remove_file(folder.path().join("small.zip")).unwrap();
    assert_eq!(
        export_beside(folder.path()),
        format!("note: removed `./{left}`, left behind by an interrupted run\n")
    );
    assert_eq!(temporary(folder.path()), [""; 0]);
}

#[test]
fn an_export_that_is_asked_to_end_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let child = endless(folder.path());
        let asked = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(asked.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(9));
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "error: interrupted: nothing was made\n"
        );
        let mut names = fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.next().unwrap().unwrap().file_name(), "endless");
        assert!(names.next().is_none());
    }
}
