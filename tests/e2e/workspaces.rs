//! Replay of workspaces into real servers, where `MLARK_E2E_VENVS` names a directory of virtualenvs made by `scripts/mlflow-env`.

use crate::helpers::common::finish;
use crate::helpers::servers;
use mlark::archive::{ArchiveWriter, ByteSource, Owner, WriterOptions};
use mlark::format::Object as _;
use mlark::model::{Experiment, ModelVersion, OwnerKind, RegisteredModel, Run, Workspace};
use serde_json::{Value, json};
use servers::{Server, venvs};
use std::path::Path;
use std::process::Command;

const VERSION: &str = "3.18.0";

/// The same names in three workspaces: an experiment with a run with a file, and a model.
fn write_archive(out: &Path) {
    let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
    let names = [("default", "0", "1"), ("team-a", "5", "2"), ("team-b", "6", "3")];
    let workspace = |name: &str| Some(name.to_owned());
    for (name, ..) in names {
        let of_name = Workspace {
            name: name.to_owned(),
            description: workspace(&format!("what {name} did")),
            ..Workspace::default()
        };
        writer.write(&of_name).unwrap();
    }
    for (name, id, _) in names {
        let experiment = Experiment {
            experiment_id: id.to_owned(),
            name: if id == "0" { "Default" } else { "fraud" }.to_owned(),
            lifecycle_stage: "active".to_owned(),
            workspace: workspace(name),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    let mut runs = Vec::new();
    for (_, experiment_id, number) in names {
        let mut run = Run::default();
        run.info.run_id = number.repeat(32);
        run.info.experiment_id = experiment_id.to_owned();
        run.info.run_name = Some(format!("run {number}"));
        run.info.status = "FINISHED".to_owned();
        run.info.lifecycle_stage = "active".to_owned();
        run.info.start_time = Some(1_000);
        run.info.end_time = Some(2_000);
        run.params.insert("own".into(), number.into());
        writer.write(&run).unwrap();
        runs.push(run);
    }
    for (name, _, number) in names {
        let model = RegisteredModel {
            name: "wine".to_owned(),
            workspace: workspace(name),
            aliases: [("best".to_owned(), 1)].into(),
            ..RegisteredModel::default()
        };
        writer.write(&model).unwrap();
        let version = ModelVersion {
            name: "wine".to_owned(),
            version: 1,
            source: Some(format!("runs:/{}/model", number.repeat(32))),
            run_id: Some(number.repeat(32)),
            workspace: workspace(name),
            ..ModelVersion::default()
        };
        writer.write(&version).unwrap();
    }
    for run in &runs {
        let owner = Owner {
            kind: OwnerKind::Run,
            id: run.id(),
            sort_key: run.sort_key(),
        };
        let bytes = ByteSource::Bytes(run.id().into_bytes());
        writer
            .artifact(&owner, "dir/own.txt".into(), bytes, &mut |_, failure| {
                panic!("{failure:?}")
            })
            .unwrap();
    }
    finish(writer, "lab");
}

/// What a command printed on stdout and on stderr, its exit code being as expected.
fn printed(arguments: &[&str], expected: i32) -> [String; 2] {
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(arguments)
        .output()
        .unwrap();
    let printed = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(expected), "{arguments:?}\n{printed:?}");
    printed
}

fn mlark(arguments: &[&str], expected: i32) -> String {
    printed(arguments, expected).concat()
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments, 0)[0]).unwrap()
}

#[test]
fn each_workspace_arrives_in_its_own_and_is_not_brought_twice() {
    let Some(venvs) = venvs("workspaces are not tried on real servers") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("a.zip");
    write_archive(&archive);
    let archive = archive.to_str().unwrap();
    let enabled = [("MLFLOW_ENABLE_WORKSPACES", "true")];
    let server = Server::start_with(&venvs, VERSION, &directory.path().join("server"), &enabled);
    let plan = json_of(&["import", archive, &server.url, "--dry-run", "--json"]);
    let tallies: Vec<_> = plan["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| {
            (
                plan["workspace"].clone(),
                plan["kinds"]["workspaces"]["create"].clone(),
            )
        })
        .collect();
    assert_eq!(
        tallies,
        [
            (json!("default"), Value::Null),
            (json!("team-a"), json!(1)),
            (json!("team-b"), json!(1))
        ]
    );
    let text = mlark(&["import", archive, &server.url, "--verify"], 0);
    assert!(
        text.contains("created: 2 workspaces, 2 experiments, 3 runs"),
        "{text}"
    );
    let report = json_of(&["import", archive, &server.url, "--json"]);
    assert_eq!(
        (&report["created"], &report["failures"]),
        (&json!({}), &json!([]))
    );

    // What MLflow says of each workspace, and that they are apart.
    let export = directory.path().join("back");
    mlark(&["export", &server.url, "-o", export.to_str().unwrap()], 0);
    let back = mlark::archive::Archive::open(&export).unwrap();
    let mut found: Vec<_> = back
        .objects::<Experiment>()
        .map(|experiment| experiment.unwrap())
        .map(|experiment| (experiment.workspace.unwrap(), experiment.name))
        .collect();
    found.sort();
    let expected = [("default", "Default"), ("team-a", "fraud"), ("team-b", "fraud")];
    assert_eq!(
        found,
        expected.map(|(workspace, name)| (workspace.to_owned(), name.to_owned()))
    );
    let described: Vec<_> = back
        .objects::<Workspace>()
        .map(|workspace| workspace.unwrap().description.unwrap())
        .collect();
    assert_eq!(described[1..], ["what team-a did", "what team-b did"]);
    let map = mlark(&["map", archive, &server.url], 0);
    assert!(
        map.lines().any(|line| line == "registered-models\twine\twine"),
        "{map}"
    );
    assert!(
        map.lines()
            .any(|line| line == "registered-models\twine\twine\tteam-b"),
        "{map}"
    );

    let registry = Server::start(&venvs, VERSION, &directory.path().join("registry"));
    check_origins(&server.url, &registry.url, directory.path());

    // Without the journals the marks tell the same.
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("mlark-import-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let report = json_of(&["import", archive, &server.url, "--json"]);
    assert_eq!(report["failures"], json!([]));
    for kind in ["workspaces", "experiments", "runs", "registered-models"] {
        assert_eq!(report["created"][kind], Value::Null, "{report}");
    }
}

/// What is chosen behind one URL is an origin of its own: its ids and names are not those of the rest.
fn check_origins(url: &str, registry: &str, directory: &Path) {
    let mut origins = std::collections::BTreeSet::new();
    let choices: [&[(&str, &str)]; 4] = [
        &[],
        &[("MLFLOW_WORKSPACE", "team-a")],
        &[("MLFLOW_WORKSPACE", "team-b")],
        &[("MLFLOW_REGISTRY_URI", registry)],
    ];
    for (number, variables) in choices.into_iter().enumerate() {
        let out = directory.join(format!("origin-{number}"));
        let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .args(["export", url, "-o"])
            .arg(&out)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        origins.insert(
            mlark::archive::Archive::open(&out)
                .unwrap()
                .manifest()
                .origin
                .clone(),
        );
    }
    assert_eq!(origins.len(), 4, "{origins:?}");
}

#[test]
fn a_server_without_workspaces_takes_one_at_a_time_and_says_what_that_loses() {
    let Some(venvs) = venvs("workspaces are not tried on real servers") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("a.zip");
    write_archive(&archive);
    let archive = archive.to_str().unwrap();
    let server = Server::start(&venvs, VERSION, &directory.path().join("server"));
    let text = mlark(&["import", archive, &server.url], 2);
    assert!(
        text.contains("3 workspaces (`default`, `team-a`, `team-b`)")
            && text.contains("--only workspace=NAME"),
        "{text}"
    );
    let one = |name: &str| format!("workspace={name}");
    let text = mlark(
        &[
            "import",
            archive,
            &server.url,
            "--only",
            &one("team-a"),
            "--verify",
        ],
        0,
    );
    assert!(
        text.contains("limit: 1 workspaces: no-workspaces-in-target (left out)"),
        "{text}"
    );
    // The second one's names are taken by the first, which is another's.
    let again = ["import", archive, &server.url, "--only", &one("team-b")];
    let text = mlark(&again, 2);
    assert!(
        text.contains("experiments `fraud`, registered-models `wine`"),
        "{text}"
    );
    let renamed = [&again[..], &["--on-conflict", "rename", "--verify"]].concat();
    mlark(&renamed, 0);
    let report = json_of(&[&again[..], &["--json"]].concat());
    assert_eq!(
        (&report["created"], &report["failures"]),
        (&json!({}), &json!([]))
    );
    let map = mlark(&["map", archive, &server.url], 0);
    assert!(
        map.lines()
            .any(|line| line == "registered-models\twine\twine-2\tteam-b"),
        "{map}"
    );
}
