//! The examples of `examples/testing`, as they stand there. The one in Python is run by `scripts/test-wheel`.

use std::path::Path;
use std::process::{Command, Output};

#[path = "../../examples/testing/history_test.rs"]
mod history_test;

/// Runs the example in shell with this mlark on the PATH.
fn shell(learning_rate: &str) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_mlark")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    Command::new("sh")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/examples/testing/test_history.sh"
        ))
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("LEARNING_RATE", learning_rate)
        .output()
        .unwrap()
}

#[test]
fn the_example_in_shell_passes_and_can_fail() {
    let passes = shell("0.1");
    let errors = String::from_utf8_lossy(&passes.stderr).into_owned();
    assert_eq!((passes.status.code(), errors.as_str()), (Some(0), ""));
    let fails = shell("0.3");
    assert_eq!(fails.status.code(), Some(1));
    let text = String::from_utf8(fails.stdout).unwrap();
    for line in [
        "-  params.learning_rate = \"0.1\"",
        "+  params.learning_rate = \"0.3\"",
    ] {
        assert!(text.lines().any(|told| told == line), "{text}");
    }
}

/// The options and functions that the page shows are there.
#[test]
fn the_page_on_testing_shows_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/howto/test.md")).unwrap();
    for name in [
        "history_test.rs",
        "test_history.py",
        "test_history.sh",
        "train.sh",
    ] {
        assert!(root.join("examples/testing").join(name).exists(), "{name}");
        assert!(page.contains(name), "{name}");
    }
}

/// What stands for Slurm's own command: runs each task of an array, the second of them again since its node was lost, or one job.
const SBATCH: &str = r#"#!/usr/bin/env bash
array=
while [[ $1 == --* ]]; do
    [[ $1 == --array=* ]] && array=${1#--array=1-}
    echo "$1" >>sbatch.log
    shift
done
if [[ -z $array ]]; then
    "$@" >merge.txt || exit
else
    for task in $(seq "$array"); do
        [[ $task == 2 ]] && (SLURM_ARRAY_TASK_ID=$task timeout --signal=KILL 0.001 "$@")
        SLURM_ARRAY_TASK_ID=$task "$@" >/dev/null || exit
    done
fi
echo '7;cluster'
"#;

/// As a Slurm array runs it, with a node that was lost on the way.
#[test]
fn the_example_for_slurm_exports_shards_and_merges_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("sbatch"), SBATCH).unwrap();
    std::fs::set_permissions(path("sbatch"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("examples/engines/slurm_export.sh");
    let source = root.join("fixtures/sql-3.18.0/mlflow.db");
    let checked = Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success());
    let paths = std::env::join_paths(
        std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        )),
    );
    let submitted = |options: &[&str]| {
        let mut command = Command::new("bash");
        command
            .current_dir(folder.path())
            .arg(&script)
            .arg(&source)
            .args(options)
            .env("PATH", paths.as_ref().unwrap())
            .env("MLARK", env!("CARGO_BIN_EXE_mlark"))
            .env("SHARDS", "3")
            .env("OUT", path("out"));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    submitted(&[]);
    let log = std::fs::read_to_string(path("sbatch.log")).unwrap();
    assert!(
        log.contains("--array=1-3") && log.contains("--dependency=afterok:7\n"),
        "{log}"
    );
    let whole = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(["export", source.to_str().unwrap(), "-o", &path("whole.zip")])
        .output()
        .unwrap();
    assert!(whole.status.success());
    let content_id = |name: &str| {
        let archive = mlark::archive::Archive::open(Path::new(&path(name))).unwrap();
        archive.manifest().content_id
    };
    assert_eq!(content_id("out/all.zip"), content_id("whole.zip"));
    // The same command goes on after whatever stopped it.
    std::fs::remove_file(path("out/part-00003.zip")).unwrap();
    submitted(&[]);
    assert_eq!(content_id("out/all.zip"), content_id("whole.zip"));
}
