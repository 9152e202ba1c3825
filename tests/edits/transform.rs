//! Source tags injected and undone, on archives built in memory.

use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::transform::{self, TransformOptions, source_tags};
use mlark::format::Kind;
use mlark::model::{Experiment, ModelVersion, RegisteredModel, Run, RunInfo, Text};
use std::path::Path;

const LONG: usize = (1 << 20) + 1;

fn build(out: &Path) {
    let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
    let mut experiment = Experiment {
        experiment_id: "7".into(),
        name: "Crédit".into(),
        lifecycle_stage: "active".into(),
        creation_time: Some(1_670_474_737_597),
        last_update_time: Some(2_500),
        ..Experiment::default()
    };
    experiment
        .tags
        .insert("mlflow.experiment.sourceName".into(), "/a".into());
    writer.write(&experiment).unwrap();
    for (run_id, user) in [("a", "ana"), ("b", "ben")] {
        let mut run = Run {
            info: RunInfo {
                run_id: run_id.into(),
                experiment_id: "7".into(),
                user_id: Some(user.into()),
                status: "FINISHED".into(),
                start_time: Some(1_670_836_055_960),
                lifecycle_stage: "active".into(),
                artifact_uri: Some(format!("s3://bucket/7/{run_id}/artifacts")),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        run.tags.insert("mlflow.user".into(), user.into());
        run.tags
            .insert("mlflow_exim.run_info.run_id".into(), "an earlier id".into());
        if run_id == "b" {
            run.tags
                .insert("mlflow.long".into(), "x".repeat(LONG).as_str().into());
            let bytes = Text::from_bytes(vec![0xff, 0]);
            run.tags.insert("mlflow_exim.mlflow_tag.user".into(), bytes);
            run.tags.insert(
                "mlflow_exim.run_info.status".into(),
                "y".repeat(LONG).as_str().into(),
            );
        }
        writer.write(&run).unwrap();
    }
    let mut model = RegisteredModel {
        name: "m".into(),
        ..RegisteredModel::default()
    };
    model.aliases.insert("champion".into(), 2);
    writer.write(&model).unwrap();
    for version in [1, 2] {
        let version = ModelVersion {
            name: "m".into(),
            version,
            run_id: Some("a".into()),
            creation_timestamp: (version == 2).then_some(1_670_474_737_597),
            last_updated_timestamp: (version == 2).then_some(1_670_474_737_597),
            ..ModelVersion::default()
        };
        writer.write(&version).unwrap();
    }
    writer.add_bytes(b"a blob of its own".to_vec()).unwrap();
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
}

fn inject(from: &Path, to: &Path) -> transform::TransformReport {
    let archive = Archive::open(from).unwrap();
    source_tags::inject(&archive, to, &TransformOptions::default()).unwrap()
}

fn undo(from: &Path, to: &Path) -> transform::TransformReport {
    let archive = Archive::open(from).unwrap();
    transform::undo(&archive, to, &TransformOptions::default()).unwrap()
}

#[test]
fn tags_are_those_of_the_original_and_undo_brings_the_first_content_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    build(&path("plain"));
    build(&path("plain.zip"));
    let first = Archive::open(&path("plain")).unwrap().manifest().clone();
    let mut ids = Vec::new();
    // From each container to each container.
    for (from, to) in [
        ("plain", "d"),
        ("plain", "d.zip"),
        ("plain.zip", "z"),
        ("plain.zip", "z.zip"),
    ] {
        let report = inject(&path(from), &path(to));
        assert_eq!(report.counts["runs"], 2);
        assert_eq!(report.counts["tags replaced"], 4);
        ids.push(report.manifest.content_id);
        let back = undo(&path(to), &path(&format!("back-{to}"))).manifest;
        assert_eq!(back.content_id, first.content_id);
        assert_eq!(
            (back.counts, back.totals, back.history),
            (first.counts.clone(), first.totals, vec![])
        );
    }
    assert!(ids.iter().all(|id| *id == ids[0] && *id != first.content_id));

    let archive = Archive::open(&path("z.zip")).unwrap();
    let runs: Vec<Run> = archive.objects().map(Result::unwrap).collect();
    let tag = |run: &Run, key: &str| run.tags.get(key).and_then(Text::as_str).map(str::to_owned);
    assert_eq!(
        tag(&runs[0], "mlflow_exim.run_info.start_time").unwrap(),
        "1670836055960"
    );
    assert_eq!(tag(&runs[0], "mlflow_exim.run_info.run_id").unwrap(), "a");
    assert_eq!(tag(&runs[1], "mlflow_exim.mlflow_tag.long").unwrap().len(), LONG);
    let versions: Vec<ModelVersion> = archive.objects().map(Result::unwrap).collect();
    let field = |version: &ModelVersion, key: &str| {
        let key = format!("mlflow_exim.field.{key}");
        version.tags.get(&key).and_then(Text::as_str).map(str::to_owned)
    };
    assert_eq!(field(&versions[1], "aliases").unwrap(), "['champion']");
    assert_eq!(field(&versions[0], "_experiment_name").unwrap(), "Crédit");
    assert_eq!(
        field(&versions[1], "_creation_timestamp").unwrap(),
        "2022-12-08 04:45:38"
    );
    assert_eq!(archive.manifest().history.len(), 1);
}

#[test]
fn a_second_injection_changes_nothing_and_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    build(&path("plain"));
    let once = inject(&path("plain"), &path("once"));
    let twice = inject(&path("once"), &path("twice.zip"));
    assert_eq!(twice.counts.len(), 0);
    assert_eq!(twice.manifest.content_id, once.manifest.content_id);
    assert_eq!(twice.manifest.history, once.manifest.history);
    assert_eq!(
        twice.manifest.files, once.manifest.files,
        "the first undo record travels along"
    );
}

#[test]
fn an_archive_without_transforms_has_nothing_to_undo() {
    let directory = tempfile::tempdir().unwrap();
    build(&directory.path().join("plain"));
    let archive = Archive::open(&directory.path().join("plain")).unwrap();
    let error = transform::undo(
        &archive,
        &directory.path().join("out"),
        &TransformOptions::default(),
    );
    assert!(matches!(
        error,
        Err(transform::TransformError::NothingToUndo { .. })
    ));
    assert!(!directory.path().join("out").exists());
}

#[test]
fn blobs_are_shared_with_the_input_unless_copied() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    build(&path("plain"));
    inject(&path("plain"), &path("linked"));
    let archive = Archive::open(&path("plain")).unwrap();
    let options = TransformOptions {
        copy: true,
        ..TransformOptions::default()
    };
    source_tags::inject(&archive, &path("copied"), &options).unwrap();
    let inodes = |name: &str| -> Vec<u64> {
        let blobs = walkdir::WalkDir::new(path(name).join("blobs")).sort_by_file_name();
        let files = blobs
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file());
        files.map(|file| file.metadata().unwrap().ino()).collect()
    };
    assert!(
        inodes("plain")
            .iter()
            .all(|inode| !inodes("copied").contains(inode))
    );
    assert_eq!(inodes("plain").len(), inodes("linked").len());
    assert_eq!(archive.manifest().count(Kind::Runs), 2);
}
