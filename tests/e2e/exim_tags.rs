//! Source tags: a folder of mlflow-export-import, imported by that tool with `--import-source-tags` into one real server and by
//! mlark with `--source-tags` into another, leaves the same tags on both.

use crate::helpers::servers;
use mlark::archive::Archive;
use mlark::model::{Experiment, ModelVersion, Run, TextMap};
use servers::{Server, mlark, run, tool, venv};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tags by key, of each object by a name that is the same on both servers.
type Tagged = BTreeMap<String, BTreeMap<String, String>>;

const RUN_ID: &str = "mlflow_exim.run_info.run_id";
const VERSION: &str = "mlflow_exim.field.version";
const PARENT: &str = "mlflow.parentRunId";
/// What an import adds of its own: mlark its mark, the tool the importing user.
const OF_THE_IMPORT: [&str; 3] = [
    "mlflow_exim.mlark.origin",
    "mlflow_exim.mlark.identity",
    "mlflow.user",
];

/// Two servers that hold nothing, one for each tool.
struct Both {
    by_tool: Server,
    by_mlark: Server,
    importer: PathBuf,
    work: tempfile::TempDir,
}

impl Both {
    /// The tool sees the artifacts of its server on its own disk, as it must to make versions.
    fn start() -> Option<Self> {
        let (venv, importer) = (venv("3.18.0")?, venv("exim")?);
        let work = tempfile::tempdir().unwrap();
        Some(Both {
            by_tool: Server::start_with_local_artifacts(&venv, &work.path().join("by-tool")),
            by_mlark: Server::start_of(&venv, &work.path().join("by-mlark")),
            importer,
            work,
        })
    }

    fn import_by_tool(&self, script: &str, arguments: &[&str]) {
        let tags = ["--import-source-tags", "True"];
        let (code, text) = tool(
            &self.importer,
            script,
            &self.by_tool,
            self.work.path(),
            &[arguments, &tags].concat(),
        );
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains("Traceback"), "{text}");
    }

    fn import_by_mlark(&self, folder: &Path) {
        let archive = self.path("archive");
        mlark(&["export", text(folder), "-o", &archive, "--no-sync"]);
        mlark(&["import", &archive, &self.by_mlark.url, "--source-tags"]);
    }

    /// What both servers hold now.
    fn arrived(&self) -> [Archive; 2] {
        [("tool", &self.by_tool), ("mlark", &self.by_mlark)].map(|(name, server)| {
            let out = self.path(&format!("arrived-by-{name}"));
            let mut arguments = vec!["export", &server.url, "-o", &out, "--no-sync"];
            let local = self.path(&format!("by-{name}/artifacts"));
            if Path::new(&local).is_dir() {
                arguments.extend(["--artifacts-under", &local]);
            }
            mlark(&arguments);
            Archive::open(Path::new(&out)).unwrap()
        })
    }

    fn path(&self, name: &str) -> String {
        self.work.path().join(name).display().to_string()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/exim-3.18.0")
        .join(name)
}

fn tags(tags: &TextMap) -> BTreeMap<String, String> {
    let own = tags
        .iter()
        .filter(|(key, _)| !OF_THE_IMPORT.contains(&key.as_str()));
    own.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn experiments(archive: &Archive) -> Tagged {
    let experiments = archive.objects::<Experiment>().map(Result::unwrap);
    let others = experiments.filter(|experiment| experiment.experiment_id != "0");
    others
        .map(|experiment| (experiment.name.clone(), tags(&experiment.tags)))
        .collect()
}

/// Runs by the id that they had in the folder; a parent is said by that id, too.
fn runs(archive: &Archive) -> Tagged {
    let runs: Vec<Run> = archive.objects::<Run>().map(Result::unwrap).collect();
    let old_id = |run: &Run| run.tags[RUN_ID].as_str().unwrap().to_owned();
    let old_ids: BTreeMap<_, _> = runs
        .iter()
        .map(|run| (run.info.run_id.clone(), old_id(run)))
        .collect();
    let tagged = |run: &Run| {
        let mut tags = tags(&run.tags);
        if let Some(parent) = tags.get_mut(PARENT) {
            *parent = format!("run that was {}", old_ids[parent]);
        }
        (old_id(run), tags)
    };
    runs.iter().map(tagged).collect()
}

fn versions(archive: &Archive) -> Tagged {
    let versions = archive.objects::<ModelVersion>().map(Result::unwrap);
    let tagged = |version: ModelVersion| {
        let tags = tags(&version.tags);
        (format!("{} {}", version.name, tags[VERSION]), tags)
    };
    versions.map(tagged).collect()
}

/// The tags of the objects of both sides, which must be many enough to say something.
fn assert_same(archives: &[Archive; 2], of: impl Fn(&Archive) -> Tagged, at_least: usize) {
    let [by_tool, by_mlark] = [of(&archives[0]), of(&archives[1])];
    assert!(by_tool.len() >= at_least, "{:?}", by_tool.keys());
    let tagged = by_tool
        .values()
        .all(|tags| tags.keys().any(|key| key.starts_with("mlflow_exim.")));
    assert!(tagged, "{by_tool:#?}");
    assert_eq!(by_tool, by_mlark);
}

#[test]
fn an_experiment_and_its_runs_get_the_tags_that_mlflow_export_import_gives() {
    let Some(both) = Both::start() else {
        return;
    };
    let folder = fixture("experiment");
    let document = std::fs::read(folder.join("experiment.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let name = document["mlflow"]["experiment"]["name"].as_str().unwrap();
    both.import_by_tool(
        "import-experiment",
        &["--input-dir", text(&folder), "--experiment-name", name],
    );
    both.import_by_mlark(&folder);
    let archives = both.arrived();
    assert_same(&archives, experiments, 1);
    assert_same(&archives, runs, 5);
    assert!(runs(&archives[0]).values().any(|tags| tags.contains_key(PARENT)));
}

#[test]
fn versions_of_a_model_and_their_runs_get_the_tags_that_mlflow_export_import_gives() {
    let Some(both) = Both::start() else {
        return;
    };
    let folder = PathBuf::from(both.path("model"));
    run(Command::new("cp").arg("-r").arg(fixture("model")).arg(&folder));
    // The tool takes what follows the first "artifacts" for the path below the run, and there finds `mlflow-artifacts:`.
    let document = std::fs::read_to_string(folder.join("model.json")).unwrap();
    let document = document.replace("\"mlflow-artifacts:/", "\"s3://bucket/");
    std::fs::write(folder.join("model.json"), document).unwrap();
    both.import_by_tool(
        "import-model",
        &[
            "--input-dir",
            text(&folder),
            "--model",
            "wine",
            "--experiment-name",
            "any",
            "--sleep-time",
            "1",
        ],
    );
    both.import_by_mlark(&folder);
    let archives = both.arrived();
    assert_same(&archives, versions, 2);
    assert_same(&archives, runs, 1);
}
