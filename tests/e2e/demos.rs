//! Demonstrations with real servers, which check what they show.

use crate::helpers::servers;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn history_is_moved_merged_promoted_and_shared_and_says_where_it_came_from() {
    let Some(venv) = servers::venv("3.18.0") else {
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // What it says is read by whoever reads the log; it stops its servers itself.
    let mut command = Command::new("python3");
    command
        .arg(root.join("scripts/demo-lineage"))
        .args(["--mlflow", "3.18.0", "--mlark", env!("CARGO_BIN_EXE_mlark")])
        .env("MLARK_VENVS", venv.parent().unwrap())
        .env_remove("MLFLOW_TRACKING_URI")
        .stdin(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// The small form of the demonstration: its other engine and its bucket need minutes.
#[test]
fn dask_exports_shards_loses_workers_and_has_the_content_of_one_export() {
    let Some(venvs) = servers::venvs("no engine exports shards") else {
        return;
    };
    if !venvs.join("scale/bin/python").exists() {
        eprintln!("SKIPPED: scripts/scale-env was not run, so no engine exports shards");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("scripts/demo-scale"));
    command
        .arg("dask")
        .env("MLARK", env!("CARGO_BIN_EXE_mlark"))
        .env("MLARK_VENVS", venvs)
        .envs([("RUNS", "120"), ("SHARDS", "8")])
        .stdin(Stdio::null());
    assert!(command.status().unwrap().success());
}
