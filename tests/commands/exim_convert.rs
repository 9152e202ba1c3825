//! Archives as directories of mlflow-export-import: what comes back, what is said of the rest, what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::common;
use common::{History, RUN_A, START};
use mlark::archive::{Archive, ArchiveError};
use mlark::flow::convert::{ConvertError, ConvertOptions, ConvertReport, Layout, convert};
use mlark::flow::export::ExportOptions;
use mlark::flow::export::{detect, export};
use mlark::flow::transform::{TransformOptions, source_tags};
use mlark::format::{Kind, LossCount};
use mlark::model::{Absent, Double, LatestMetric, OwnerKind, Run, Text};
use mlark::monitor::Silent;
use mlark::report::{DiffOptions, Difference, diff};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LAYOUTS: [Layout; 2] = [Layout::New, Layout::Old];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Every source among the fixtures.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for version in fs::read_dir(fixtures()).unwrap() {
        let version = version.unwrap().path();
        let name = version.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("filestore-") {
            found.push(version.join("mlruns"));
        } else if name.starts_with("sql-") && version.join("mlflow.db").exists() {
            found.push(version.join("mlflow.db"));
        } else if name.starts_with("exim-") {
            let exports = fs::read_dir(&version).unwrap();
            found.extend(exports.map(|entry| entry.unwrap().path()).map(|path| {
                match path.ends_with("new-layout") {
                    true => path.join("all"),
                    false => path,
                }
            }));
        }
    }
    found.sort();
    found
}

fn exported(source: &Path, out: &Path) -> Archive {
    let mut options = ExportOptions {
        keep_going: true,
        include_deleted: true,
        ..ExportOptions::default()
    };
    options.writer.no_sync = true;
    let source = source.to_str().unwrap();
    export(detect::kind_of(source).unwrap(), source, out, options, &Silent).unwrap();
    Archive::open(out).unwrap()
}

fn converted(archive: &Archive, out: &Path, layout: Layout) -> ConvertReport {
    let options = ConvertOptions {
        layout,
        no_sync: true,
        ..ConvertOptions::default()
    };
    convert(archive, out, options, &Silent).unwrap()
}

fn differences(before: &Archive, after: &Archive) -> Vec<Difference> {
    let mut found = Vec::new();
    diff(
        before,
        after,
        DiffOptions::default(),
        &Silent,
        &mut |difference| {
            found.push(difference);
            Ok::<_, ArchiveError>(())
        },
    )
    .unwrap();
    found
}

/// Whether a limit is about what differs: its field, or the whole object where that is not there.
fn covers(limit: &LossCount, difference: &Difference) -> bool {
    let key = difference.key_text();
    let is_series = ["metrics", "model-metrics", "artifacts", "spans"].contains(&difference.kind.as_str());
    let within = key
        .strip_prefix(&limit.field)
        .is_some_and(|rest| rest.starts_with('.'));
    // A group is gone with the last of its fields.
    let is_group = difference.after.is_none()
        && limit
            .field
            .strip_prefix(&key)
            .is_some_and(|rest| rest.starts_with('.'));
    limit.kind == difference.kind
        && match limit.field.as_str() {
            "*" => key == "*" || is_series && difference.after.is_none(),
            field => key == field || within || is_group,
        }
}

/// Lines of a kind by id, but for the workspace, which an export names where MLflow had none.
fn without_workspace(archive: &Archive, kind: Kind) -> BTreeMap<String, Value> {
    let lines = archive.values(kind).map(Result::unwrap);
    lines
        .map(|mut line| {
            line.as_object_mut().unwrap().remove("workspace");
            (format!("{} {}", line["name"], line["version"]), line)
        })
        .collect()
}

/// Lines of the registry that differ though no limit says so.
fn unexplained_lines(before: &Archive, after: &Archive, limits: &[LossCount]) -> Vec<String> {
    let mut found = Vec::new();
    for kind in [Kind::RegisteredModels, Kind::ModelVersions] {
        let (before, after) = (without_workspace(before, kind), without_workspace(after, kind));
        let is_limit = |field: &str| {
            let mut limits = limits.iter();
            field == "exim" || limits.any(|limit| limit.kind == kind.name() && limit.field == field)
        };
        for (id, line) in &before {
            let Some(line_after) = after.get(id) else {
                found.extend((!is_limit("*")).then(|| format!("removed {kind} {id}")));
                continue;
            };
            let keys = line
                .as_object()
                .unwrap()
                .keys()
                .chain(line_after.as_object().unwrap().keys());
            let differ = keys.filter(|key| line.get(*key) != line_after.get(*key) && !is_limit(key));
            found.extend(differ.map(|key| format!("{kind} {id} {key}: {} {}", line[key], line_after[key])));
        }
        found.extend(
            after
                .keys()
                .filter(|id| !before.contains_key(*id))
                .map(|id| format!("added {kind} {id}")),
        );
    }
    found
}

fn check_round_trip(archive: &Archive, folder: &Path, layout: Layout, name: &str) -> ConvertReport {
    let (out, again) = (folder.join("exim"), folder.join("again"));
    let report = converted(archive, &out, layout);
    let again = exported(&out, &again);
    let failures = &again.manifest().losses.failures;
    assert_eq!(failures, &[], "{name} {layout:?}");
    let limits = &report.limits;
    let names_workspaces = limits
        .iter()
        .any(|limit| limit.field == "workspace" && limit.reason.as_str() == "absent-as-default");
    let in_registry = ["registered-models", "model-versions"];
    let mut removed = BTreeMap::<String, u64>::new();
    let mut unexplained = Vec::new();
    for difference in differences(archive, &again) {
        let is_elsewhere = names_workspaces && in_registry.contains(&difference.kind.as_str());
        if is_elsewhere || limits.iter().any(|limit| covers(limit, &difference)) {
            if difference.key.is_empty() && difference.after.is_none() && !is_elsewhere {
                *removed.entry(difference.kind).or_insert(0) += 1;
            }
        } else {
            unexplained.push(difference);
        }
    }
    // It stands where source tags need it, and another test compares those.
    unexplained.retain(|difference| difference.key_text() != "exim");
    assert_eq!(unexplained, [], "{name} {layout:?}");
    if names_workspaces {
        assert_eq!(
            unexplained_lines(archive, &again, limits),
            [""; 0],
            "{name} {layout:?}"
        );
    }
    for (kind, count) in removed {
        let counted = limits
            .iter()
            .filter(|limit| limit.kind == kind && limit.field == "*");
        let counted: u64 = counted.map(|limit| limit.count).sum();
        assert_eq!(count, counted, "{name} {layout:?}: {kind} left out");
    }
    fs::remove_dir_all(&out).unwrap();
    fs::remove_dir_all(again.path()).unwrap();
    report
}

#[test]
fn what_comes_back_differs_from_the_archive_in_nothing_but_listed_limits() {
    let folder = tempfile::tempdir().unwrap();
    let sources = sources();
    assert!(sources.len() > 18, "{sources:?}");
    let mut table = String::new();
    for (number, source) in sources.iter().enumerate() {
        let archive = exported(source, &folder.path().join(number.to_string()));
        let name = source.strip_prefix(fixtures()).unwrap().display().to_string();
        for layout in LAYOUTS {
            let report = check_round_trip(&archive, folder.path(), layout, &name);
            table += &format!("{name} {layout:?}\n");
            for limit in report.limits {
                table += &format!(
                    "  {} {} {} {}\n",
                    limit.count, limit.kind, limit.field, limit.reason
                );
            }
        }
    }
    insta::assert_snapshot!(table);
}

fn latest(timestamp: i64, step: i64, value: f64) -> LatestMetric {
    LatestMetric {
        timestamp,
        step,
        value: Double(value),
    }
}

#[test]
fn an_archive_with_an_object_of_every_kind_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let raw = Text::from_bytes(vec![b'a', 0xff]);
    history.runs[0].params.insert("raw".to_owned(), raw);
    history.runs[0]
        .metrics
        .insert("auc".to_owned(), latest(START + 5, 0, f64::NAN));
    let archive = history.write(&folder.path().join("a"));
    for layout in LAYOUTS {
        let report = check_round_trip(&archive, folder.path(), layout, "history");
        let raw = report
            .limits
            .iter()
            .find(|limit| limit.reason.as_str() == "not-utf8")
            .unwrap();
        assert_eq!((raw.field.as_str(), raw.count), ("params", 2));
    }
}

/// The source tags that the importer would make of each object, by kind and id.
fn tags(archive: &Archive, out: &Path) -> BTreeMap<String, Value> {
    source_tags::inject(archive, out, &TransformOptions::default()).unwrap();
    let archive = Archive::open(out).unwrap();
    let mut found = BTreeMap::new();
    for kind in [Kind::Experiments, Kind::Runs, Kind::ModelVersions] {
        let lines = archive.values(kind).map(Result::unwrap);
        for line in lines.filter(|line| line["tags"]["mlflow.prompt.is_prompt"].is_null()) {
            let id = ["experiment_id", "name", "version"].map(|key| line[key].to_string());
            found.insert(
                format!("{kind} {id:?} {}", line["info"]["run_id"]),
                line["tags"].clone(),
            );
        }
    }
    found
}

#[test]
fn the_importer_makes_the_source_tags_that_the_transform_makes() {
    for source in [
        "exim-1.30.1/all",
        "exim-2.9.2/all",
        "exim-3.18.0/all",
        "filestore-3.18.0/mlruns",
        "filestore-1.30.1/mlruns",
    ] {
        for layout in LAYOUTS {
            let folder = tempfile::tempdir().unwrap();
            let archive = exported(&fixtures().join(source), &folder.path().join("a"));
            converted(&archive, &folder.path().join("exim"), layout);
            let again = exported(&folder.path().join("exim"), &folder.path().join("b"));
            let before = tags(&archive, &folder.path().join("a-tagged"));
            let after = tags(&again, &folder.path().join("b-tagged"));
            assert!(after.len() > 60 || source.starts_with("exim"), "{}", after.len());
            for (object, tags) in after {
                assert_eq!(before.get(&object), Some(&tags), "{source} {layout:?} {object}");
            }
        }
    }
}

#[test]
fn injected_tags_are_in_the_directory_and_the_kept_dict_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let archive = exported(&fixtures().join("exim-2.9.2/all"), &folder.path().join("a"));
    source_tags::inject(&archive, &folder.path().join("t"), &TransformOptions::default()).unwrap();
    let tagged = Archive::open(&folder.path().join("t")).unwrap();
    check_round_trip(&tagged, folder.path(), Layout::Old, "tagged");

    // Untouched, the file of a run says what the tool's own file says, but for the run's datasets.
    converted(&archive, &folder.path().join("exim"), Layout::Old);
    let run = archive.objects::<Run>().next().unwrap().unwrap();
    let file = format!(
        "experiments/{}/{}/run.json",
        run.info.experiment_id, run.info.run_id
    );
    let parsed = |root: &Path| {
        let text = fs::read(root.join(&file)).unwrap();
        let parsed = mlark::internals::PyJson::parse(&text).unwrap();
        let body = parsed.get("mlflow").unwrap();
        ["info", "tags"].map(|key| body.get(key).unwrap().to_json_text())
    };
    assert_eq!(
        parsed(&folder.path().join("exim")),
        parsed(&fixtures().join("exim-2.9.2/all"))
    );
}

#[test]
fn a_run_whose_latest_point_has_no_history_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[0]
        .metrics
        .insert("alone".to_owned(), latest(7, 3, 0.5));
    let archive = history.write(&folder.path().join("a"));
    let report = converted(&archive, &folder.path().join("exim"), Layout::New);
    assert!(
        report
            .limits
            .iter()
            .any(|limit| limit.reason.as_str() == "latest-as-history" && limit.count == 1)
    );
    let again = exported(&folder.path().join("exim"), &folder.path().join("b"));
    let run = again
        .objects::<Run>()
        .map(Result::unwrap)
        .find(|run| run.info.run_id == RUN_A);
    assert_eq!(run.unwrap().metrics["alone"].step, 3);
}

fn with_artifact(owner_id: &str, path: &str, folder: &Path) -> Archive {
    let mut history = History::new();
    let bytes = Ok(b"x".to_vec());
    history.artifacts = vec![(OwnerKind::Run, owner_id.to_owned(), path.to_owned(), bytes)];
    history.write(&folder.join("a"))
}

#[test]
fn a_hostile_path_is_refused_and_nothing_is_made() {
    for path in ["a\\b", "c:d"] {
        let folder = tempfile::tempdir().unwrap();
        let archive = with_artifact(RUN_A, path, folder.path());
        let out = folder.path().join("exim");
        let error = convert(&archive, &out, ConvertOptions::default(), &Silent).unwrap_err();
        assert!(matches!(error, ConvertError::Name { .. }), "{error}");
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing but the archive is there");

        let options = ConvertOptions {
            keep_going: true,
            ..ConvertOptions::default()
        };
        let report = convert(&archive, &out, options, &Silent).unwrap();
        assert_eq!(report.refused.len(), 1);
    }
}

#[test]
fn a_model_whose_name_leads_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.registered_models[0].name = "../../evil".to_owned();
    history.model_versions.clear();
    history.artifacts.retain(|(kind, ..)| *kind == OwnerKind::Run);
    let archive = history.write(&folder.path().join("a"));
    let error = convert(
        &archive,
        &folder.path().join("exim"),
        ConvertOptions::default(),
        &Silent,
    );
    assert!(error.unwrap_err().to_string().contains("registered-models"));
    assert!(!folder.path().parent().unwrap().join("evil").exists());
}

#[test]
fn what_the_archive_lacks_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.artifacts = vec![(
        OwnerKind::Run,
        RUN_A.to_owned(),
        "gone".to_owned(),
        Err(Absent::NotSelected),
    )];
    let archive = history.write(&folder.path().join("a"));
    let report = converted(&archive, &folder.path().join("exim"), Layout::New);
    let limit = report
        .limits
        .iter()
        .find(|limit| limit.reason.as_str() == "not-in-archive")
        .unwrap();
    assert_eq!((limit.kind.as_str(), limit.count), ("artifacts", 1));
}

#[test]
fn a_child_whose_parent_is_not_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    for (run, parent) in history.runs.iter_mut().zip(["gone", RUN_A]) {
        run.info.experiment_id = "1".into();
        run.tags.insert("mlflow.parentRunId".into(), parent.into());
    }
    let archive = history.write(&folder.path().join("a"));
    for layout in LAYOUTS {
        let out = folder.path().join(format!("{layout:?}"));
        let report = converted(&archive, &out, layout);
        let orphans: Vec<_> = report
            .orphans
            .iter()
            .map(|run| (&*run.id, &*run.parent))
            .collect();
        assert_eq!(orphans, [(RUN_A, "gone")]);
        let limits = report.limits.iter();
        let limits: Vec<_> = limits
            .filter(|limit| limit.reason.as_str() == "parent-not-in-export")
            .map(|limit| (limit.kind.as_str(), limit.field.as_str(), limit.count))
            .collect();
        assert_eq!(limits, [("runs", "tags.mlflow.parentRunId", 1)]);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    let output = command
        .current_dir(folder.path())
        .args(["convert", "a", "-o", "exim", "--to", "exim", "--no-sync"])
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&format!("  run {RUN_A}: its parent gone is missing\n")),
        "{text}"
    );
}

#[test]
fn the_command_says_what_was_made_and_refuses_what_it_must() {
    let folder = tempfile::tempdir().unwrap();
    History::new().write(&folder.path().join("a"));
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        let output = command
            .current_dir(folder.path())
            .args(args)
            .env_clear()
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap();
        format!("{}{}exit {code}", text(&output.stdout), text(&output.stderr))
    };
    let convert = ["convert", "a", "-o", "exim", "--to", "exim", "--no-sync"];
    insta::assert_snapshot!(run(&convert));
    let there = run(&convert);
    assert!(
        there.contains("hint: use --force to replace it") && there.ends_with("exit 2"),
        "{there}"
    );
    let forced = run(&[&convert[..], &["--force", "--layout", "old"]].concat());
    assert!(forced.ends_with("exit 0"), "{forced}");
    assert!(!folder.path().join("exim/evaluation_datasets").exists());
    // What export-import cannot hold is said either way; `--strict` makes it a failure of the whole.
    let strict = run(&[&convert[..], &["--force", "--strict"]].concat());
    assert!(strict.contains("limit") && strict.ends_with("exit 3"), "{strict}");
    let same = run(&["convert", "a", "-o", "a", "--to", "exim", "--force"]);
    assert!(
        same.contains("is the input") && same.ends_with("exit 2"),
        "{same}"
    );
    assert!(run(&["verify", "a"]).ends_with("exit 0"));
    insta::assert_snapshot!(run(&["convert", "--help"]));
}
