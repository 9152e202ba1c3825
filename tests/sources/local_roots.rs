//! Which folders of this machine a source may read: every door is fed paths that lead elsewhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::loopback;
use loopback::{Answer, Loopback};
use mlark::archive::{Archive, ContainerKind, WriterOptions};
use mlark::client::Environment;
use mlark::flow::export::RestOptions;
use mlark::flow::export::{ExportError, ExportOptions};
use mlark::flow::export::{detect, export};
use mlark::format::Kind;
use mlark::model::ArtifactList;
use mlark::monitor::Silent;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const RUN: &str = "0123456789abcdef0123456789abcdef";
const MODEL: &str = "m-0123456789abcdef0123456789abcdef";
const TRACE: &str = "tr-0123456789abcdef0123456789abcdef";
const SECRET: &str = "the content of a file outside";

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A folder with a secret in it, and paths to it that a source may state.
struct Outside {
    directory: tempfile::TempDir,
}

impl Outside {
    fn new() -> Self {
        let outside = Outside {
            directory: tempfile::tempdir().unwrap(),
        };
        write(&outside.path("secret/token.txt"), SECRET);
        write(&outside.path("project/artifacts/token.txt"), SECRET);
        // What ends as MLflow's own folders do, and is a link.
        for folder in [
            RUN.to_owned(),
            format!("models/{MODEL}"),
            format!("traces/{TRACE}"),
        ] {
            fs::create_dir_all(outside.path(&folder)).unwrap();
            symlink(outside.path("secret"), outside.path(&folder).join("artifacts")).unwrap();
        }
        outside
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(below)
    }

    /// URIs for an owner, `{tree}` standing for the source's own tree, and whether a folder is there that is refused.
    fn uris(&self, owner: &str) -> Vec<(String, bool)> {
        let secret = self.path("secret").display().to_string();
        let encoded = secret.replace("secret", "%73ecret");
        vec![
            (secret.clone(), true),
            (format!("file://{secret}"), true),
            (format!("file:{secret}"), true),
            (format!("file://localhost{secret}"), true),
            (format!("file://{encoded}"), true),
            (format!("{{tree}}/../..{secret}"), true),
            (format!("file://{{tree}}/..//../.{secret}/"), true),
            ("file:///etc".to_owned(), true),
            ("/proc/self".to_owned(), true),
            ("../secret".to_owned(), false),
            ("file://elsewhere/etc".to_owned(), false),
            (self.path("project/artifacts").display().to_string(), true),
            (self.path(owner).join("artifacts").display().to_string(), true),
        ]
    }
}

fn options() -> ExportOptions {
    ExportOptions {
        keep_going: true,
        writer: WriterOptions {
            container: Some(ContainerKind::Directory),
            no_sync: true,
            ..WriterOptions::default()
        },
        rest: RestOptions {
            environment: Some(Environment::of(&[("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")], None)),
            ..RestOptions::default()
        },
        ..ExportOptions::default()
    }
}

/// What an export took and what it said.
struct Taken {
    paths: Vec<String>,
    losses: String,
}

fn export_from(source: &str, options: ExportOptions) -> Result<Taken, ExportError> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let kind = detect::kind_of(source)?;
    export(kind, source, &out, options, &Silent)?;
    let archive = Archive::open(&out).unwrap();
    let lists = archive.values(Kind::Artifacts).map(|value| {
        let list: ArtifactList = serde_json::from_value(value.unwrap()).unwrap();
        list
    });
    let files = lists.flat_map(|list| list.files);
    Ok(Taken {
        paths: files.map(|file| file.path).collect(),
        losses: fs::read_to_string(out.join("losses.jsonl")).unwrap_or_default(),
    })
}

fn assert_refused(door: &str, uri: &str, is_there: bool, taken: &Taken) {
    let place = format!("{door}, {uri}: {:?} {}", taken.paths, taken.losses);
    assert!(taken.paths.is_empty(), "{place}");
    if is_there {
        assert!(taken.losses.contains("outside-source"), "{place}");
        assert!(taken.losses.contains("--artifacts-under"), "{place}");
    }
}

/// The three owners of a file store, each with the folder that MLflow would make for it.
const OWNERS: [&str; 3] = [
    RUN,
    "models/m-0123456789abcdef0123456789abcdef",
    "traces/tr-0123456789abcdef0123456789abcdef",
];

/// A file store in which one owner states a URI.
fn file_store(tree: &Path, owner: &str, uri: &str) {
    write(&tree.join("1/meta.yaml"), "experiment_id: '1'\nname: one\n");
    match owner {
        RUN => write(
            &tree.join(format!("1/{RUN}/meta.yaml")),
            &format!("run_id: {RUN}\nexperiment_id: '1'\nstatus: 3\nstart_time: 1\nartifact_uri: '{uri}'\n"),
        ),
        _ if owner.starts_with("models") => write(
            &tree.join(format!("1/models/{MODEL}/meta.yaml")),
            &format!("model_id: {MODEL}\nexperiment_id: '1'\nartifact_location: '{uri}'\n"),
        ),
        _ => {
            let folder = tree.join(format!("1/traces/{TRACE}"));
            let info = format!("trace_id: {TRACE}\nrequest_time: '2024-01-01T00:00:00Z'\nstate: OK\n");
            write(&folder.join("trace_info.yaml"), &info);
            write(&folder.join("tags/mlflow.artifactLocation"), uri);
        }
    }
}

/// A zip of all files below a folder.
fn zip_of(folder: &Path, zip: &Path) {
    let mut writer = zip::ZipWriter::new(fs::File::create(zip).unwrap());
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder.parent().unwrap()).unwrap();
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(name.to_str().unwrap(), options).unwrap();
            writer.write_all(&fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    writer.finish().unwrap();
}

#[test]
fn a_file_store_and_a_zip_of_it_read_nothing_outside() {
    for owner in OWNERS {
        let outside = Outside::new();
        for (uri, is_there) in outside.uris(owner) {
            let work = tempfile::tempdir().unwrap();
            let tree = work.path().canonicalize().unwrap().join("mlruns");
            let uri = uri.replace("{tree}", &"/..".repeat(12).replacen("/..", "/tmp/..", 1));
            file_store(&tree, owner, &uri);
            let taken = export_from(&tree.display().to_string(), options()).unwrap();
            assert_refused("file store", &uri, is_there, &taken);
            let zip = work.path().join("tree.zip");
            zip_of(&tree, &zip);
            let taken = export_from(&zip.display().to_string(), options()).unwrap();
            assert_refused("zip", &uri, is_there, &taken);
        }
    }
}

#[test]
fn a_link_out_of_the_tree_is_no_artifact_root_unless_it_is_named() {
    for owner in OWNERS {
        let outside = Outside::new();
        let work = tempfile::tempdir().unwrap();
        let tree = work.path().join("mlruns");
        file_store(&tree, owner, "");
        let own = tree.join("1").join(owner);
        let path = own.join("artifacts");
        file_store(&tree, owner, &path.display().to_string());
        symlink(outside.path("secret"), &path).unwrap();
        let source = tree.display().to_string();
        assert_refused("link", owner, true, &export_from(&source, options()).unwrap());
        let named = ExportOptions {
            artifacts_under: vec![outside.path("secret")],
            ..options()
        };
        assert_eq!(
            export_from(&source, named).unwrap().paths,
            ["token.txt"],
            "{owner}"
        );
    }
}

#[test]
fn what_mlflow_makes_outside_is_read_where_it_is_and_of_a_zip_where_it_is_named() {
    for owner in OWNERS {
        let work = tempfile::tempdir().unwrap();
        let (tree, data) = (work.path().join("mlruns"), work.path().join("data"));
        let folder = data.join(owner).join("artifacts");
        write(&folder.join("model.bin"), "bytes");
        file_store(&tree, owner, &folder.display().to_string());
        let taken = export_from(&tree.display().to_string(), options()).unwrap();
        assert_eq!(taken.paths, ["model.bin"], "{owner}: {}", taken.losses);
        let zip = work.path().join("tree.zip");
        zip_of(&tree, &zip);
        let zip = zip.display().to_string();
        assert_refused("zip", owner, true, &export_from(&zip, options()).unwrap());
        let named = ExportOptions {
            artifacts_under: vec![data],
            ..options()
        };
        assert_eq!(export_from(&zip, named).unwrap().paths, ["model.bin"], "{owner}");
    }
}

#[test]
fn a_zip_is_believed_about_its_own_tree_before_any_folder_of_this_machine() {
    let work = tempfile::tempdir().unwrap();
    let tree = work.path().join("mlruns");
    let own = tree.join(format!("1/{RUN}/artifacts"));
    write(&own.join("a.txt"), "in the zip");
    file_store(&tree, RUN, &own.display().to_string());
    let zip = work.path().join("tree.zip");
    zip_of(&tree, &zip);
    write(&own.join("b.txt"), "made later");
    let taken = export_from(&zip.display().to_string(), options()).unwrap();
    assert_eq!(taken.paths, ["a.txt"], "{}", taken.losses);
}

#[test]
fn a_database_reads_nothing_outside() {
    let outside = Outside::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sql-3.18.0/mlflow.db");
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("mlflow.db");
    fs::copy(fixture, &path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    for (uri, is_there) in outside.uris(RUN) {
        let uri = uri.replace("{tree}", "/tmp/../../../../../../..");
        for statement in [
            "UPDATE runs SET artifact_uri = ?1",
            "UPDATE logged_models SET artifact_location = ?1",
            "UPDATE trace_tags SET value = ?1 WHERE key = 'mlflow.artifactLocation'",
        ] {
            database.execute(statement, [&uri]).unwrap();
        }
        let taken = export_from(&path.display().to_string(), options()).unwrap();
        assert_refused("database", &uri, is_there, &taken);
    }
}

#[test]
fn a_database_reads_what_mlflow_made_for_a_run() {
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("mlflow.db");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sql-3.18.0/mlflow.db");
    fs::copy(fixture, &path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' LIMIT 1";
    let id: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
    let folder = work.path().join(format!("elsewhere/{id}/artifacts"));
    write(&folder.join("model.bin"), "bytes");
    let uri = format!("file://{}", folder.display());
    database
        .execute(
            "UPDATE runs SET artifact_uri = ?1 WHERE run_uuid = ?2",
            [&uri, &id],
        )
        .unwrap();
    let taken = export_from(&path.display().to_string(), options()).unwrap();
    assert_eq!(taken.paths, ["model.bin"], "{}", taken.losses);
}

#[test]
fn a_server_on_loopback_chooses_no_folder() {
    let outside = Outside::new();
    let answers = |uri: String| {
        Loopback::start(move |request| {
            match request.path() {
            "/version" => Answer::new(200, "3.18.0"),
            "/api/2.0/mlflow/experiments/search" => Answer::json(
                r#"{"experiments": [{"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}]}"#,
            ),
            "/api/2.0/mlflow/runs/search" => Answer::json(
                &json!({"runs": [{
                    "info": {"run_id": RUN, "experiment_id": "1", "status": "FINISHED", "start_time": 5,
                             "end_time": 6, "lifecycle_stage": "active", "artifact_uri": uri},
                    "data": {},
                }]})
                .to_string(),
            ),
            "/api/2.0/mlflow/artifacts/list" => Answer::json("{}"),
            "/api/3.0/mlflow/traces/search" => Answer::json(
                &json!({"traces": [{
                    "trace_id": TRACE, "request_time": "2024-01-01T00:00:00Z", "state": "OK",
                    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
                    "tags": {"mlflow.artifactLocation": uri},
                }]})
                .to_string(),
            ),
            _ => Answer::new(404, "<!doctype html><title>404 Not Found</title>"),
        }
        })
    };
    for (uri, is_there) in outside.uris(OWNERS[2]) {
        let uri = uri.replace("{tree}", "/tmp/../../../../../../..");
        let taken = export_from(&answers(uri.clone()).url(), options()).unwrap();
        assert_refused("server", &uri, is_there, &taken);
    }
    let uri = outside.path("secret").display().to_string();
    let named = ExportOptions {
        artifacts_under: vec![outside.path("")],
        ..options()
    };
    let taken = export_from(&answers(uri).url(), named).unwrap();
    assert_eq!(
        taken.paths,
        ["token.txt", "token.txt"],
        "of the run and of the trace"
    );
}

/// An export of mlflow-export-import with a run.
fn exim(root: &Path) -> PathBuf {
    let body = json!({"system": {"mlflow_version": "3.18.0"}, "mlflow": {
        "experiment": {"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}, "runs": [RUN],
    }});
    write(&root.join("experiment.json"), &body.to_string());
    let run = root.join(RUN);
    write(&run.join("run.json"), &run_json().to_string());
    run
}

fn run_json() -> serde_json::Value {
    json!({"system": {"mlflow_version": "3.18.0"}, "mlflow": {
        "info": {"run_id": RUN, "experiment_id": "1", "status": "FINISHED", "lifecycle_stage": "active",
                 "start_time": 1, "end_time": 2, "artifact_uri": "file:///etc", "user_id": "u", "run_name": "n"},
        "params": {}, "metrics": {}, "tags": {},
    }})
}

#[test]
fn an_export_of_the_other_tool_and_a_zip_of_it_read_nothing_outside() {
    let outside = Outside::new();
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("exported");
    let run = exim(&root);
    let source = root.display().to_string();
    // Where its run says that its artifacts are is never asked.
    assert!(export_from(&source, options()).unwrap().paths.is_empty());
    let zip = work.path().join("exported.zip");
    zip_of(&root, &zip);
    assert!(
        export_from(&zip.display().to_string(), options())
            .unwrap()
            .paths
            .is_empty()
    );

    symlink(outside.path("secret"), run.join("artifacts")).unwrap();
    assert_refused(
        "artifacts",
        &source,
        true,
        &export_from(&source, options()).unwrap(),
    );
    let named = ExportOptions {
        artifacts_under: vec![outside.path("secret")],
        ..options()
    };
    assert_eq!(export_from(&source, named).unwrap().paths, ["token.txt"]);

    fs::remove_file(run.join("artifacts")).unwrap();
    fs::rename(run.join("run.json"), outside.path("run.json")).unwrap();
    symlink(outside.path("run.json"), run.join("run.json")).unwrap();
    let taken = export_from(&source, options()).unwrap();
    assert_refused("run.json", &source, true, &taken);
    fs::remove_dir_all(&run).unwrap();
    fs::create_dir_all(outside.path("run")).unwrap();
    fs::rename(outside.path("run.json"), outside.path("run/run.json")).unwrap();
    symlink(outside.path("run"), &run).unwrap();
    assert_refused("run", &source, true, &export_from(&source, options()).unwrap());
}

/// A copy of a fixture.
fn copied(fixture: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(fixture);
    for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
        let to = directory.path().join(entry.path().strip_prefix(&from).unwrap());
        match entry.file_type() {
            kind if kind.is_dir() => fs::create_dir_all(to).unwrap(),
            kind if kind.is_file() => drop(fs::copy(entry.path(), to).unwrap()),
            _ => {}
        }
    }
    directory
}

/// Names that MLflow and the other tool give: what else a path is made of is an id, a name or a key.
const NAMES: &[&str] = &[
    ".trash",
    "aliases",
    "artifacts",
    "assessments",
    "datasets",
    "inputs",
    "logged_models",
    "metrics",
    "models",
    "outputs",
    "params",
    "prompts",
    "request_metadata",
    "runs",
    "tags",
    "traces",
];

/// One path of each kind of file and folder that describes something: those that differ in ids, names and keys are of one kind.
fn one_of_each_kind(root: &Path) -> Vec<PathBuf> {
    let mut kinds = std::collections::BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let below = entry.path().strip_prefix(root).unwrap().to_owned();
        let kind: Vec<_> = below
            .iter()
            .map(|part| part.to_str().unwrap())
            .map(
                |part| match NAMES.contains(&part) || part.ends_with(".json") || part.ends_with(".yaml") {
                    true => part,
                    false => "*",
                },
            )
            .collect();
        let is_artifact = kind.contains(&"artifacts") && kind.last() != Some(&"traces.json");
        if !is_artifact {
            kinds.entry(kind.join("/")).or_insert(below);
        }
    }
    kinds.into_values().collect()
}

#[test]
fn no_file_and_no_folder_of_a_tree_is_read_through_a_link_out_of_it() {
    for fixture in [
        "filestore-3.18.0/mlruns",
        "exim-3.18.0/new-layout/all",
        "exim-3.18.0/all",
    ] {
        let tree = copied(fixture);
        let everything = ExportOptions {
            include_deleted: true,
            ..options()
        };
        let source = tree.path().display().to_string();
        let said = export_from(&source, everything.clone()).unwrap().losses;
        assert!(!said.contains("outside"), "{said}");
        let kinds = one_of_each_kind(tree.path());
        assert!(kinds.len() > 10, "{kinds:?}");
        for path in kinds {
            let outside = tempfile::tempdir().unwrap();
            let (own, moved) = (tree.path().join(&path), outside.path().join("moved"));
            fs::rename(&own, &moved).unwrap();
            symlink(&moved, &own).unwrap();
            let losses = export_from(&source, everything.clone()).unwrap().losses;
            // A file of spans lies among artifacts, of which links are told so.
            let reason = if path.ends_with("traces.json") && fixture.starts_with("filestore") {
                "link-outside"
            } else {
                "outside-source"
            };
            assert!(losses.contains(reason), "{}: {losses}", path.display());
            fs::remove_file(&own).unwrap();
            fs::rename(&moved, &own).unwrap();
        }
    }
}

#[test]
fn a_named_folder_that_is_not_there_is_a_mistake_of_usage() {
    let work = tempfile::tempdir().unwrap();
    file_store(&work.path().join("mlruns"), RUN, "/nowhere");
    let named = ExportOptions {
        artifacts_under: vec![work.path().join("none")],
        ..options()
    };
    let error = export_from(&work.path().join("mlruns").display().to_string(), named)
        .err()
        .unwrap();
    assert_eq!(error.kind(), mlark::archive::ErrorKind::Usage, "{error}");
}
