//! An archive becomes a store and comes back: what differs is what the report lists, and no more.

use crate::common::with_deleted;
use crate::helpers::law::{Told, assert_law, differences};
use mlark::archive::{Archive, ArchiveError, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportOptions, export};
use mlark::flow::restore::{
    ARTIFACTS, DATABASE, RestoreError, RestoreOptions, RestoreReport, artifacts_of, plan, restore,
};
use mlark::flow::transform::{Edit, Recipe, TransformOptions, apply};
use mlark::model::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, RunInfo, Trace, Workspace};
use mlark::monitor::Silent;
use std::path::{Path, PathBuf};

/// Stores that MLflow itself made, each with everything that it can hold.
const FIXTURES: [&str; 10] = [
    "filestore-0.9.1/mlruns",
    "filestore-1.30.1/mlruns",
    "filestore-2.9.2/mlruns",
    "filestore-2.22.5/mlruns",
    "filestore-3.18.0/mlruns",
    "sql-1.30.1/mlflow.db",
    "sql-2.9.2/mlflow.db",
    "sql-2.22.5/mlflow.db",
    "sql-3.18.0/mlflow.db",
    "sql-migrated-3.18.0/mlflow.db",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn archive_of(fixture_name: &str, out: &Path) -> Archive {
    let source = fixture(fixture_name);
    let kind = if fixture_name.ends_with(".db") {
        SourceKind::Sql
    } else {
        SourceKind::FileStore
    };
    let options = ExportOptions {
        keep_going: true,
        ..with_deleted()
    };
    export(kind, source.to_str().unwrap(), out, options, &Silent).unwrap();
    Archive::open(out).unwrap()
}

/// The archive of a store that a restore made.
fn archive_of_store(store: &Path, out: &Path) -> Archive {
    let options = ExportOptions {
        artifacts_destination: Some(store.join(ARTIFACTS)),
        ..with_deleted()
    };
    let database = store.join(DATABASE);
    export(SourceKind::Sql, database.to_str().unwrap(), out, options, &Silent).unwrap();
    Archive::open(out).unwrap()
}

/// Restores an archive, and checks what comes back of it; its losses.
fn check_law(before: &Archive, options: &RestoreOptions, directory: &Path, name: &str) -> RestoreReport {
    let path = |name: &str| directory.join(name);
    let planned = plan(before, &path("store"), options, &Silent).unwrap();
    assert!(!path("store").exists());
    let report = restore(before, &path("store"), options, &Silent).unwrap();
    assert_eq!(
        (
            &planned.lost,
            &planned.edits,
            planned.files,
            planned.metric_points
        ),
        (&report.lost, &report.edits, report.files, report.metric_points),
        "{name}"
    );
    let after = archive_of_store(&path("store"), &path("after"));
    let into = options.store_edit(&artifacts_of(&path("store")).unwrap());
    let recipe = Recipe {
        edits: vec![Edit::IntoStore(into)],
    };
    let read = Recipe::parse(recipe.to_text().as_bytes()).unwrap();
    assert_eq!(read, recipe);
    apply(before, &read, &path("edited"), &TransformOptions::default()).unwrap();
    let edited = Archive::open(&path("edited")).unwrap();
    assert_law(
        &edited,
        &after,
        &Told::of(&serde_json::to_value(&report).unwrap()),
        name,
    );
    let verified = mlark::archive::verify::verify(&path("edited"), &Default::default(), &Silent).unwrap();
    assert!(verified.is_intact(), "{name}: {:#?}", verified.findings);
    mlark::flow::transform::undo(&edited, &path("undone"), &TransformOptions::default()).map_or_else(
        |_| {
            assert_eq!(
                edited.manifest().content_id,
                before.manifest().content_id,
                "{name}"
            )
        },
        |undone| assert_eq!(undone.manifest.content_id, before.manifest().content_id, "{name}"),
    );
    report
}

#[test]
fn what_comes_back_of_a_store_is_what_the_recipe_makes() {
    for name in FIXTURES {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let before = archive_of(name, &path("before"));
        let options = RestoreOptions::default();
        check_law(&before, &options, directory.path(), name);
        // What a store of this MLflow holds comes back whole.
        let after = Archive::open(&path("after")).unwrap();
        let again = restore(&after, &path("again"), &options, &Silent).unwrap();
        assert_eq!((again.lost, again.edits), (vec![], vec![]), "{name}");
        let twice = archive_of_store(&path("again"), &path("twice"));
        assert_eq!(twice.manifest().content_id, after.manifest().content_id, "{name}");
    }
}

#[test]
fn the_recipe_follows_the_options() {
    let directory = tempfile::tempdir().unwrap();
    let before = archive_of("filestore-3.18.0/mlruns", &directory.path().join("before"));
    for (name, options) in [
        (
            "direct",
            RestoreOptions {
                direct_uris: true,
                ..RestoreOptions::default()
            },
        ),
        (
            "workspace",
            RestoreOptions {
                workspace: Some("team-a".to_owned()),
                ..RestoreOptions::default()
            },
        ),
    ] {
        let folder = directory.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        check_law(&before, &options, &folder, name);
    }
}

#[test]
fn the_law_holds_for_every_kind_and_for_hostile_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("whole")).unwrap();
    let whole = crate::helpers::whole::archive_of_everything(&path("whole"));
    crate::helpers::rich::build(&path("rich"), crate::helpers::rich::Size::Small);
    let rich = Archive::open(&path("rich")).unwrap();
    for (name, before) in [
        ("whole", whole),
        ("rich", rich),
        ("hostile", hostile(&path("hostile-in"))),
    ] {
        let folder = path(&format!("{name}-law"));
        std::fs::create_dir(&folder).unwrap();
        check_law(&before, &RestoreOptions::default(), &folder, name);
    }
}

#[test]
fn direct_uris_name_the_folder_that_was_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let before = archive_of("filestore-3.18.0/mlruns", &path("before"));
    let options = RestoreOptions {
        direct_uris: true,
        ..RestoreOptions::default()
    };
    restore(&before, &path("store"), &options, &Silent).unwrap();
    // Found by the URIs alone, without a destination.
    let database = path("store").join(DATABASE);
    export(
        SourceKind::Sql,
        database.to_str().unwrap(),
        &path("after"),
        with_deleted(),
        &Silent,
    )
    .unwrap();
    let after = Archive::open(&path("after")).unwrap();
    assert_eq!(
        after.manifest().totals.artifact_files,
        before.manifest().totals.artifact_files
    );
    let found = differences(&before, &after);
    assert!(
        found.iter().all(|difference| difference.kind != "artifacts"),
        "{found:#?}"
    );
}

#[test]
fn what_is_restored_may_be_changed_and_the_archive_stays() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let before = archive_of("filestore-3.18.0/mlruns", &path("before"));
    restore(&before, &path("store"), &RestoreOptions::default(), &Silent).unwrap();
    let files = walkdir::WalkDir::new(path("store").join(ARTIFACTS))
        .into_iter()
        .map(Result::unwrap);
    let files: Vec<_> = files.filter(|entry| entry.file_type().is_file()).collect();
    assert!(files.len() > 10);
    for file in files {
        let metadata = file.metadata().unwrap();
        assert_eq!(
            (metadata.mode() & 0o777, metadata.nlink()),
            (0o644, 1),
            "{:?}",
            file.path()
        );
    }
}

#[test]
fn a_store_is_whole_or_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let archive = archive_of("sql-3.18.0/mlflow.db", &path("a"));
    let names = || std::fs::read_dir(directory.path()).unwrap().count();
    std::fs::create_dir(path("taken")).unwrap();
    let error = restore(&archive, &path("taken"), &RestoreOptions::default(), &Silent).unwrap_err();
    assert!(
        matches!(error, RestoreError::Archive(ArchiveError::OutputExists { .. })),
        "{error}"
    );
    let mut blobs = walkdir::WalkDir::new(path("a").join("blobs"))
        .into_iter()
        .map(Result::unwrap);
    let blob = blobs
        .find(|entry| entry.metadata().unwrap().len() > 1 && entry.file_type().is_file())
        .unwrap();
    let mut bytes = std::fs::read(blob.path()).unwrap();
    bytes[0] ^= 1;
    std::fs::remove_file(blob.path()).unwrap();
    std::fs::write(blob.path(), bytes).unwrap();
    let error = restore(&archive, &path("store"), &RestoreOptions::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(names(), 2, "nothing else is left");
}

/// Spellings of a place of the target's machine.
const LOCAL: [&str; 16] = [
    "/etc/hostile",
    "hostile",
    "./hostile",
    "../../hostile",
    "file:///etc/hostile",
    "FILE:///etc/hostile",
    "file:/etc/hostile",
    "file:hostile",
    "file://localhost/etc/hostile",
    "%2Fetc/hostile",
    "mlflow-artifacts:/../../etc/hostile",
    "mlflow-artifacts:/%2e%2e/%2e%2e/etc/hostile",
    "mlflow-artifacts://other/hostile",
    "runs:/0123/../../../etc/hostile",
    "models:/m-1/%252e%252e/%252e%252e/hostile",
    " /etc/hostile",
];

/// An archive in which everything names places and ids that would lead out of the store.
fn hostile(out: &Path) -> Archive {
    let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
    let some = |text: &str| Some(text.to_owned());
    let ids = ["..", "../../hostile", "/etc/hostile", "models", "a\0b", "%2e%2e"];
    writer
        .write(&Workspace {
            name: "../hostile".into(),
            default_artifact_root: some("file:///etc/hostile"),
            extra: [("trace_archival_location".to_owned(), "/etc/hostile".into())].into(),
            ..Workspace::default()
        })
        .unwrap();
    for (at, uri) in LOCAL.iter().enumerate() {
        writer
            .write(&Experiment {
                experiment_id: (at + 1).to_string(),
                name: format!("e{at}"),
                artifact_location: some(uri),
                lifecycle_stage: "active".into(),
                workspace: some(if at == 0 { "../hostile" } else { "default" }),
                ..Experiment::default()
            })
            .unwrap();
    }
    for (at, uri) in LOCAL.iter().enumerate() {
        let run_id = ids
            .get(at)
            .map_or_else(|| format!("run{at}"), |id| (*id).to_owned());
        let info = RunInfo {
            run_id,
            experiment_id: (at + 1).to_string(),
            artifact_uri: some(uri),
            status: "FINISHED".into(),
            lifecycle_stage: "active".into(),
            ..RunInfo::default()
        };
        writer
            .write(&Run {
                info,
                ..Run::default()
            })
            .unwrap();
    }
    for (at, uri) in LOCAL.iter().enumerate() {
        writer
            .write(&LoggedModel {
                model_id: ids
                    .get(at)
                    .map_or_else(|| format!("m-{at}"), |id| (*id).to_owned()),
                experiment_id: (at + 1).to_string(),
                artifact_uri: some(uri),
                status: "LOGGED_MODEL_READY".into(),
                lifecycle_stage: "active".into(),
                ..LoggedModel::default()
            })
            .unwrap();
    }
    writer
        .write(&RegisteredModel {
            name: "../hostile-name".into(),
            ..RegisteredModel::default()
        })
        .unwrap();
    for (at, uri) in LOCAL.iter().enumerate() {
        writer
            .write(&ModelVersion {
                name: "../hostile-name".into(),
                version: at as u64 + 1,
                source: some(uri),
                storage_location: some(LOCAL[LOCAL.len() - 1 - at]),
                run_id: some("run7"),
                ..ModelVersion::default()
            })
            .unwrap();
    }
    for (at, uri) in LOCAL.iter().enumerate() {
        let tags = ["mlflow.artifactLocation", "mlflow.trace.archiveLocation"];
        writer
            .write(&Trace {
                trace_id: ids
                    .get(at)
                    .map_or_else(|| format!("tr-{at}"), |id| (*id).to_owned()),
                experiment_id: (at + 1).to_string(),
                request_time: Some(1),
                state: "OK".into(),
                tags: tags.map(|key| (key.to_owned(), (*uri).into())).into(),
                ..Trace::default()
            })
            .unwrap();
    }
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    Archive::open(out).unwrap()
}

/// All that a database has in columns of places.
fn places_in(database: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(database).unwrap();
    let queries = [
        "SELECT artifact_location FROM experiments",
        "SELECT artifact_uri FROM runs",
        "SELECT artifact_location FROM logged_models",
        "SELECT source FROM model_versions",
        "SELECT storage_location FROM model_versions",
        "SELECT value FROM trace_tags",
        "SELECT default_artifact_root FROM workspaces",
        "SELECT trace_archival_location FROM workspaces",
    ];
    let mut found = Vec::new();
    for query in queries {
        let mut statement = database.prepare(query).unwrap();
        let rows = statement
            .query_map([], |row| row.get::<_, Option<String>>(0))
            .unwrap();
        found.extend(rows.filter_map(Result::unwrap));
    }
    found
}

#[test]
fn nothing_of_an_archive_names_a_place_of_this_machine() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let archive = hostile(&path("a"));
    for keep_uris in [false, true] {
        let store = path(&format!("store-{keep_uris}"));
        let options = RestoreOptions {
            keep_uris,
            ..RestoreOptions::default()
        };
        let report = restore(&archive, &store, &options, &Silent).unwrap();
        let places = places_in(&store.join(DATABASE));
        assert!(places.len() > 6 * LOCAL.len(), "{}", places.len());
        for place in places {
            let is_own = place.strip_prefix("mlflow-artifacts:/").is_some_and(|path| {
                let is_name = |name: &str| {
                    !name.is_empty()
                        && name
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                };
                path.split('/').all(is_name)
            });
            assert!(is_own && !place.contains("hostile"), "{place}");
        }
        let local = report
            .edits
            .iter()
            .filter(|edit| edit.edit.as_str() == "local-place");
        assert!(local.map(|edit| edit.count).sum::<u64>() > 5 * LOCAL.len() as u64);
    }
}

#[test]
fn remote_uris_stay_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut writer = ArchiveWriter::create(&path("a"), WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "1".into(),
        name: "e".into(),
        artifact_location: Some("s3://bucket/1".into()),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    let archive = Archive::open(&path("a")).unwrap();
    for (keep_uris, expected) in [(false, "mlflow-artifacts:/1"), (true, "s3://bucket/1")] {
        let store = path(&format!("store-{keep_uris}"));
        let options = RestoreOptions {
            keep_uris,
            ..RestoreOptions::default()
        };
        restore(&archive, &store, &options, &Silent).unwrap();
        assert_eq!(places_in(&store.join(DATABASE)), [expected]);
    }
}
