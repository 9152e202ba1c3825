//! What `lineage` prints in the forms of standards, judged by the standards' own schemas and validators; and chains that begin at
//! real stores.
//!
//! `MLARK_STANDARDS` names a folder with `OpenLineage.json` (the event schema 2-0-2) and `ro-crate-context-1.1.jsonld`, which belong to
//! others and are not kept here; `scripts/lineage-env` makes the virtualenv with the validators. Without either the test says so.

use crate::helpers::servers::{self, mlark, run, script};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The validators and the standards, or nothing and a word on stderr.
struct Judge {
    python: PathBuf,
    standards: PathBuf,
}

impl Judge {
    fn find() -> Option<Self> {
        let venv = servers::venvs("forms of lineage are not judged")?.join("lineage");
        if !venv.join(".complete").exists() {
            eprintln!("SKIPPED: MLARK_E2E_VENVS has no lineage");
            return None;
        }
        let Some(standards) = std::env::var_os("MLARK_STANDARDS").map(PathBuf::from) else {
            eprintln!("SKIPPED: MLARK_STANDARDS is not set, so forms of lineage are not judged");
            return None;
        };
        let python = venv.join("bin/python");
        Some(Judge { python, standards })
    }

    fn command(&self, form: &str, path: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(script("validate_lineage.py")).arg(&self.standards);
        command.arg(form).arg(path);
        command
    }

    /// What the validator counted; it must find nothing wrong.
    fn accepts(&self, form: &str, path: &Path) -> Value {
        let output = run(&mut self.command(form, path));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the validator has against a document from which a field was taken.
    fn refuses(&self, form: &str, path: &Path, file: &Path, field: &str) -> String {
        let text = fs::read_to_string(file).unwrap();
        let broken = text.replace(&format!("\"{field}\""), &format!("\"not_{field}\""));
        assert_ne!(broken, text, "{field}");
        fs::write(file, broken).unwrap();
        let output = self.command(form, path).output().unwrap();
        fs::write(file, text).unwrap();
        assert_eq!(output.status.code(), Some(1), "{form} without {field}");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An archive of the store that MLflow 3.18 made.
fn archive(directory: &Path) -> PathBuf {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filestore-3.18.0/mlruns");
    let out = directory.join("a.zip");
    mlark(&[
        "export",
        text(&store),
        "-o",
        text(&out),
        "--keep-going",
        "--no-sync",
    ]);
    out
}

/// Versions with a run and artifacts, as `name/version`.
fn versions(archive: &Path) -> Vec<String> {
    let listed = mlark(&["ls", text(archive), "versions", "--json"]).stdout;
    let rows = serde_json::Deserializer::from_slice(&listed).into_iter::<Value>();
    let version = |row: Value| Some(format!("{}/{}", row["name"].as_str()?, row["version"]));
    rows.filter_map(|row| version(row.unwrap())).collect()
}

#[test]
fn every_form_is_accepted_by_the_validator_of_its_standard() {
    let Some(judge) = Judge::find() else { return };
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let archive = archive(root);
    let tree = root.join("tree");
    mlark(&["extract", text(&archive), "-o", text(&tree), "--keep-going"]);

    let events = root.join("events");
    fs::write(
        &events,
        mlark(&["lineage", text(&archive), "--format", "openlineage"]).stdout,
    )
    .unwrap();
    let seen = judge.accepts("openlineage", &events);
    assert!(
        seen["START"].as_u64() > Some(3) && seen["COMPLETE"].as_u64() > Some(2),
        "{seen}"
    );
    assert!(seen["datasets"].as_u64() > Some(1), "{seen}");
    for field in ["runId", "eventTime", "namespace"] {
        judge.refuses("openlineage", &events, &events, field);
    }

    let versions = versions(&archive);
    assert!(!versions.is_empty());
    let (mut derivations, mut actions) = (0, 0);
    for version in &versions {
        let prov = root.join("prov");
        fs::write(
            &prov,
            mlark(&["lineage", text(&archive), version, "--format", "prov-json"]).stdout,
        )
        .unwrap();
        let seen = judge.accepts("prov-json", &prov);
        derivations += seen["ProvGeneration"].as_u64().unwrap_or(0);
    }
    let crated = tree.join("ro-crate-metadata.json");
    for version in versions.iter().take(2) {
        let made = [
            "lineage",
            text(&archive),
            version,
            "--format",
            "ro-crate",
            "--tree",
            text(&tree),
        ];
        mlark(&[&made[..], &["--license", "https://spdx.org/licenses/CC-BY-4.0"]].concat());
        let seen = judge.accepts("ro-crate", &tree);
        actions += seen["CreateAction"].as_u64().unwrap_or(0);
        if actions > 0 {
            judge.refuses("ro-crate", &tree, &crated, "instrument");
        }
        fs::remove_file(&crated).unwrap();
    }
    assert!(derivations > 0 && actions > 0);
}

/// The chain of a version, and the hops of its root and of the run that made it.
fn hops_of(archives: &[&str], version: &str) -> (Value, Vec<Vec<Value>>) {
    let arguments = [&["lineage"], archives, &[version, "--json"]].concat();
    let chain: Value = serde_json::from_slice(&mlark(&arguments).stdout).unwrap();
    let nodes = chain["nodes"].as_array().unwrap();
    let root = &nodes[chain["roots"][0].as_u64().unwrap() as usize];
    let made_by = |node: &&Value| node["kind"] == "runs" && node["origin"] == root["origin"];
    let run = nodes.iter().find(made_by).unwrap();
    let hops = [root, run].map(|node| node["hops"].as_array().unwrap().clone());
    (chain.clone(), hops.into())
}

#[test]
fn after_a_file_store_and_two_servers_the_lineage_names_the_file_store() {
    let Some(venv) = servers::venv("3.18.0") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let path = |name: &str| root.join(name).display().to_string();
    let tags = ["--source-tags", "--source-tags-beyond", "all", "--lineage-tags"];
    let first = archive(root);
    let [one, two] = ["one", "two"].map(|name| servers::Server::start_of(&venv, &root.join(name)));
    mlark(&[&["transform", text(&first), "-o", &path("a2.zip")], &tags[..]].concat());
    mlark(&["import", &path("a2.zip"), &one.url]);
    mlark(&["export", &one.url, "-o", &path("b.zip"), "--no-sync"]);
    mlark(&[&["transform", &path("b.zip"), "-o", &path("b2.zip")], &tags[..]].concat());
    mlark(&["import", &path("b2.zip"), &two.url]);
    // The last server by its address, its database, and a directory of mlflow-export-import.
    mlark(&["export", &two.url, "-o", &path("rest.zip"), "--no-sync"]);
    let database = format!("sqlite:///{}", path("two/mlflow.db"));
    let artifacts = path("two/artifacts");
    mlark(&[
        "export",
        &database,
        "-o",
        &path("sql.zip"),
        "--artifacts-destination",
        &artifacts,
        "--no-sync",
    ]);
    mlark(&[
        "convert",
        &path("rest.zip"),
        "-o",
        &path("exim"),
        "--to",
        "exim",
        "--keep-going",
    ]);
    mlark(&[
        "export",
        &path("exim"),
        "-o",
        &path("exim.zip"),
        "--keep-going",
        "--no-sync",
    ]);
    for name in ["rest.zip", "sql.zip", "exim.zip"] {
        let (_, hops) = hops_of(&[&path(name)], "wine@champion");
        for (hops, id) in hops.iter().zip(["wine/3", "d15279d0725f4d3d8e1925376330654a"]) {
            assert_eq!(hops.len(), 2, "{name}: {hops:?}");
            assert_eq!(hops[0]["id"], id, "{name}");
            assert!(
                hops[0]["server"]
                    .as_str()
                    .unwrap()
                    .ends_with("/fixtures/filestore-3.18.0/mlruns"),
                "{hops:?}"
            );
            assert_eq!(hops[1]["server"], one.url.as_str(), "{name}");
            assert!(
                hops.iter().all(|hop| hop["recovered"].is_null()),
                "{name}: {hops:?}"
            );
        }
    }
    // All archives together: each version is a copy of the one before it.
    let archives = ["rest.zip", "b.zip"].map(path);
    let (chain, _) = hops_of(&[&archives[0], &archives[1], text(&first)], "wine@champion");
    let copies = chain["edges"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|edge| edge["relation"] == "copy-of");
    assert!(copies.count() >= 4, "{chain:#}");
    // MLflow itself finds what came from the first origin.
    let search = "import sys, mlflow
client = mlflow.MlflowClient(sys.argv[1])
experiments = [one.experiment_id for one in client.search_experiments()]
print(len(client.search_runs(experiments, sys.argv[2])))";
    let filter = "tags.`mlflow_exim.origin.id` = 'd15279d0725f4d3d8e1925376330654a'";
    let mut python = Command::new(venv.join("bin/python"));
    let found = run(python.args(["-c", search, &two.url, filter])).stdout;
    assert_eq!(String::from_utf8(found).unwrap().trim(), "1");
}
