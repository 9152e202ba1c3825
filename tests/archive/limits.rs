//! The limits of the format (docs/format.md): what mlark writes it reads, in both containers, and what no line can hold is told by
//! object and field, by writer and reader alike.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, common};
use bytes::Bytes;
use common::History;
use mlark::archive::verify::{VerifyOptions, VerifyReport, verify};
use mlark::archive::{
    Archive, ArchiveWriter, ByteSource, ContainerKind, Duplicates, FileFailure, ManifestHead, Owner,
    WriterOptions,
};
use mlark::flow::export::{ExportError, ExportOptions};
use mlark::flow::transform::source_tags::inject;
use mlark::flow::transform::{TransformOptions, undo};
use mlark::format::{Kind, Loss, LossClass, Reason};
use mlark::internals::{JSON_DEPTH, LINE_BYTES, MANIFEST, SEAL, STRING_BYTES, exim, object_path};
use mlark::model::{Double, Experiment, OwnerKind, Point, PointLink, Run, RunInfo, TextMap};
use mlark::monitor::Silent;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const BOTH: [&str; 2] = ["a", "a.zip"];

fn report(archive: &Path) -> VerifyReport {
    verify(archive, &VerifyOptions::default(), &Silent).unwrap()
}

fn writer(out: &Path) -> ArchiveWriter {
    let options = WriterOptions {
        no_sync: true,
        ..WriterOptions::default()
    };
    ArchiveWriter::create(out, options).unwrap()
}

fn experiment() -> Experiment {
    Experiment {
        experiment_id: "1".into(),
        name: "e".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    }
}

fn run() -> Run {
    let info = RunInfo {
        run_id: "r".into(),
        experiment_id: "1".into(),
        status: "FINISHED".into(),
        lifecycle_stage: "active".into(),
        ..RunInfo::default()
    };
    Run {
        info,
        ..Run::default()
    }
}

fn owner() -> Owner {
    Owner {
        kind: OwnerKind::Run,
        id: "r".into(),
        sort_key: run().info.sort_key(),
    }
}

/// JSON lists in one another.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn the_largest_values_are_read_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut large = run();
    large.params = (0..100_000)
        .map(|number| {
            (
                format!("param {number:06}"),
                format!("value {number}").as_str().into(),
            )
        })
        .collect();
    let value = "\u{1}é".repeat(6 << 20);
    large
        .params
        .insert("16 MB and more".into(), value.as_str().into());
    large
        .params
        .insert("\u{7f}k".repeat(32 << 10), "a key of 64 KiB".into());
    let folders = ["\u{1}\n\"\\é".repeat(40), "d".repeat(255)];
    let path = format!("{}/{}", folders.join("/").repeat(8), "\u{1f}".repeat(255));
    assert!(path.len() > 4000);
    let mut record = History::new().records.remove(0);
    // The record itself is the first level.
    record.inputs = Some(nested(JSON_DEPTH - 1));
    for name in BOTH {
        let out = directory.path().join(name);
        let mut writer = writer(&out);
        writer.write(&experiment()).unwrap();
        writer.write(&large).unwrap();
        let mut ignored = |_: &mut ArchiveWriter, _| Ok(());
        let source = ByteSource::Bytes(b"x".to_vec());
        writer
            .artifact(&owner(), path.clone(), source, &mut ignored)
            .unwrap();
        writer.drain_artifacts(&mut ignored).unwrap();
        writer.limit("evaluation-datasets", "*", Reason::NotHeld, 1);
        writer.write(&record).unwrap();
        writer
            .finish(ManifestHead::default(), Duplicates::Refuse)
            .unwrap();
        assert_eq!(report(&out).errors, 0, "{:?}", report(&out).findings);
        let archive = Archive::open(&out).unwrap();
        let runs: Vec<Run> = archive.objects().map(Result::unwrap).collect();
        assert!(runs == [large.clone()]);
        let list = archive.values(Kind::Artifacts).next().unwrap().unwrap();
        assert_eq!(list["files"][0]["path"], json!(path));
        let records: Vec<mlark::model::DatasetRecord> = archive.objects().map(Result::unwrap).collect();
        assert_eq!(records, [record.clone()]);
        if name == BOTH[1] {
            let [tagged, again] =
                ["tagged", "again"].map(|made| directory.path().join(format!("{made} {name}")));
            inject(&archive, &tagged, &TransformOptions::default()).unwrap();
            undo(
                &Archive::open(&tagged).unwrap(),
                &again,
                &TransformOptions::default(),
            )
            .unwrap();
            assert_eq!(report(&again).content_id, report(&out).content_id);
        }
    }
}

/// An export of one run with 100,000 params of 250 bytes, a metric and an artifact.
fn too_large(folder: &Path) -> String {
    let params: TextMap = (0..100_000)
        .map(|number| (format!("{number:06}"), "v".repeat(250).as_str().into()))
        .collect();
    let info =
        json!({"run_id": "r", "experiment_id": "1", "status": "FINISHED", "lifecycle_stage": "active"});
    let metrics = json!({"m": [{"value": 1.0, "timestamp": 5, "step": 1}]});
    let run = json!({"info": info, "params": params, "metrics": metrics, "tags": {"k": "v".repeat(2 << 20)}});
    let experiment = json!({"experiment_id": "1", "name": "e", "lifecycle_stage": "active"});
    let system = json!({"package_version": "1.2.0", "mlflow_version": "3.18.0"});
    let root = folder.join("export");
    fs::create_dir_all(root.join("r/artifacts")).unwrap();
    fs::write(root.join("r/artifacts/a.txt"), "text").unwrap();
    let experiment = json!({"experiment": experiment, "runs": ["r"]});
    for (path, content) in [("experiment.json", experiment), ("r/run.json", run)] {
        let document = json!({"system": system, "info": {}, "mlflow": content});
        fs::write(root.join(path), document.to_string()).unwrap();
    }
    root.to_str().unwrap().to_owned()
}

#[test]
fn a_field_that_makes_a_line_too_long_ends_an_export_or_is_left_out_of_its_object() {
    let folder = tempfile::tempdir().unwrap();
    let source = too_large(folder.path());
    for name in BOTH {
        let out = folder.path().join(name);
        let export = |keep_going| {
            let mut options = ExportOptions {
                keep_going,
                ..ExportOptions::default()
            };
            options.writer.no_sync = true;
            exim::read::export(&source, &out, options, &Silent)
        };
        if name == BOTH[0] {
            let error = export(false).unwrap_err();
            assert!(matches!(error, ExportError::Failure { .. }));
            assert_eq!(
                error.to_string(),
                "runs `r`: its line would have 26200395 bytes, more than 16777216; `params` has 26200011 of them"
            );
            assert!(!out.exists());
        }
        export(true).unwrap();
        assert_eq!(report(&out).findings, []);
        let archive = Archive::open(&out).unwrap();
        let runs: Vec<Run> = archive.objects().map(Result::unwrap).collect();
        assert!(runs[0].params.is_empty() && runs[0].tags.len() == 1 && runs[0].metrics.len() == 1);
        let failures = &archive.manifest().losses.failures;
        assert_eq!(failures.len(), 1);
        assert_eq!(
            (
                failures[0].kind.as_str(),
                failures[0].field.as_str(),
                failures[0].reason.as_str()
            ),
            ("runs", "params", "unwritable")
        );
        assert_eq!(archive.manifest().totals.artifact_files, 1);
    }
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |write: &dyn Fn(&mut ArchiveWriter) -> mlark::archive::Result<()>| {
        let mut writer = writer(&directory.path().join("x"));
        write(&mut writer).unwrap_err().to_string()
    };
    let mut record = History::new().records.remove(0);
    record.inputs = Some(nested(JSON_DEPTH));
    let id = format!("{}/{}", record.dataset_id, record.dataset_record_id);
    assert_eq!(
        refused(&|writer| writer.write(&record)),
        format!("dataset-records `{id}` cannot be written: `inputs` is nested deeper than 100 levels")
    );
    let mut writer = writer(&directory.path().join("x"));
    writer.write(&experiment()).unwrap();
    let mut head = ManifestHead::default();
    head.selection
        .options
        .insert("run".into(), json!("r".repeat(65 << 20)));
    let error = writer.finish(head, Duplicates::Refuse).unwrap_err().to_string();
    assert!(
        error.starts_with("manifest `mlark.json` cannot be written: it would have 68"),
        "{error}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// What was stored for files and lines that are then refused or dropped is neither counted nor left in the archive.
#[test]
fn what_is_dropped_leaves_no_blob_and_no_count() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a", "a.zip"] {
        let out = directory.path().join(name);
        let mut writer = writer(&out);
        writer.write(&experiment()).unwrap();
        for kind in [Kind::Runs, Kind::Metrics] {
            writer.sort_at_end(kind);
        }
        let texts = ["kept", "kept", "dropped"].map(|text| text.repeat(STRING_BYTES));
        for text in &texts {
            let mut run = run();
            run.tags.insert("long".into(), text.as_str().into());
            writer.write(&run).unwrap();
            let mut series = writer.point_series();
            for step in 0..3 {
                let (timestamp, value, link) = (step, Double(1.0), None);
                let point = Point {
                    timestamp,
                    step,
                    value,
                    link,
                };
                series.push(point).unwrap();
            }
            let key = run.info.sort_key();
            writer.write_metric(&key, "r", "m", series).unwrap();
        }
        let mut refused = Vec::new();
        let mut note = |_: &mut ArchiveWriter, failure: FileFailure| {
            refused.push(failure.reason);
            Ok(())
        };
        for number in 0..1000 {
            let path = format!("{number:04}{}", "/\u{1}\u{1}\u{1}".repeat(1000));
            let bytes = ByteSource::Bytes(path.clone().into_bytes());
            writer.artifact(&owner(), path, bytes, &mut note).unwrap();
        }
        writer.drain_artifacts(&mut note).unwrap();
        assert_eq!(refused, [Reason::Unwritable; 123]);
        let manifest = writer
            .finish(ManifestHead::default(), Duplicates::KeepFirst)
            .unwrap();
        assert_eq!(report(&out).errors, 0, "{:?}", report(&out).findings);
        let totals = manifest.totals;
        assert_eq!(
            (totals.metric_points, totals.artifact_files, totals.blobs),
            (3, 877, 878)
        );
        let lost: Vec<_> = manifest
            .losses
            .failures
            .iter()
            .map(|loss| (loss.kind.as_str(), loss.count))
            .collect();
        assert_eq!(lost, [("metrics", 2), ("runs", 2)]);
    }
}

#[test]
fn points_of_a_slice_that_is_refused_are_not_counted() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a");
    let mut writer = writer(&out);
    writer.write(&experiment()).unwrap();
    writer.write(&run()).unwrap();
    let mut series = writer.point_series();
    for step in 0..6_000 {
        // The second slice has names of 20,000 bytes.
        let name = (step >= 5_000).then(|| "n".repeat(20_000));
        let link = PointLink {
            dataset_name: name,
            ..PointLink::default()
        };
        let (timestamp, value) = (step, Double(1.0));
        let link = link.boxed();
        series
            .push(Point {
                timestamp,
                step,
                value,
                link,
            })
            .unwrap();
    }
    let error = writer
        .write_metric(&run().info.sort_key(), "r", "m", series)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "metrics `r/m` cannot be written: its line would exceed 16 MiB"
    );
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    assert_eq!(report(&out).errors, 0, "{:?}", report(&out).findings);
    assert_eq!(
        Archive::open(&out).unwrap().manifest().totals.metric_points,
        5_000
    );
}

#[test]
fn a_failure_with_a_huge_id_is_listed_by_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a");
    let mut writer = writer(&out);
    writer
        .failure(&Loss {
            class: LossClass::Failure,
            detail: "it is too long".into(),
            field: "*".into(),
            id: "é".repeat(LINE_BYTES),
            kind: "metrics".into(),
            reason: Reason::Unwritable.into(),
        })
        .unwrap();
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    assert_eq!(report(&out).findings, []);
    let line: Value = serde_json::from_str(&fs::read_to_string(out.join("losses.jsonl")).unwrap()).unwrap();
    assert!(line["id"].as_str().unwrap().ends_with("é… (33554432 bytes)"));
}

/// Changes an archive, seals it again, and says what `verify` and what reading the kind say, in both containers.
fn told(kind: Kind, change: impl FnOnce(&mut Bytes)) -> String {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a"));
    let mut bytes = Bytes::read(&directory.path().join("a"));
    change(&mut bytes);
    bytes.reseal();
    let said = [ContainerKind::Directory, ContainerKind::Zip].map(|container| {
        let out = directory.path().join(format!("{container:?}"));
        bytes.write(&out, container);
        let found = report(&out).findings;
        let codes: Vec<_> = found.iter().map(|finding| finding.code.as_str()).collect();
        let archive = Archive::open(&out).unwrap();
        let error = archive.values(kind).find_map(Result::err);
        let error = error.map_or_else(String::new, |error| error.to_string());
        let place = format!("`{}` is damaged: ", out.display());
        format!("{}; {}", codes.join(" "), error.trim_start_matches(&place))
    });
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

/// Replaces the first line of a kind by what a function makes of its value.
fn first_line(bytes: &mut Bytes, kind: Kind, edit: impl FnOnce(&mut Value)) {
    let content = bytes.bytes(&object_path(kind, 0));
    let end = content.iter().position(|byte| *byte == b'\n').unwrap();
    let mut value = serde_json::from_slice(&content[..end]).unwrap();
    edit(&mut value);
    content.splice(..end, serde_json::to_vec(&value).unwrap());
}

#[test]
fn a_reader_names_the_place_of_what_is_over_a_limit() {
    assert_eq!(
        told(Kind::Scorers, |bytes| {
            first_line(bytes, Kind::Scorers, |scorer| {
                scorer["list"] = json!(vec!["x".repeat(1 << 20); 16])
            });
        }),
        "line latest-metric; objects/scorers-00000.jsonl line 1: the line exceeds 16 MiB"
    );
    assert_eq!(
        told(Kind::DatasetRecords, |bytes| {
            first_line(bytes, Kind::DatasetRecords, |record| {
                record["inputs"] = nested(JSON_DEPTH)
            });
        }),
        "json latest-metric; objects/dataset-records-00000.jsonl line 1: nested deeper than 100 levels at line 1 column 219"
    );
    let repeated = |value: &mut Value, count: usize| {
        let first = value[0].clone();
        *value = json!(vec![first; count]);
    };
    let slice = told(Kind::Metrics, |bytes| {
        first_line(bytes, Kind::Metrics, |line| {
            let columns = line.as_object_mut().unwrap().values_mut();
            columns
                .filter(|column| column.is_array())
                .for_each(|column| repeated(column, 5_001));
        });
    });
    assert_eq!(slice, "slice total latest-metric; ");
    let files = told(Kind::Artifacts, |bytes| {
        first_line(bytes, Kind::Artifacts, |line| {
            line["files"] = (0..1001)
                .map(|number| json!({"absent": "failed", "path": format!("{number:04}")}))
                .collect();
        });
    });
    assert!(files.starts_with("artifact-list"), "{files}");
}

#[test]
fn a_manifest_of_more_than_64_mib_is_refused_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a"));
    let mut bytes = Bytes::read(&directory.path().join("a"));
    let mut manifest: mlark::format::Manifest = serde_json::from_slice(bytes.bytes(MANIFEST)).unwrap();
    manifest.origin = "o".repeat(64 << 20);
    bytes.reseal_manifest(&manifest);
    assert_eq!(bytes.bytes(SEAL).len(), 77);
    for container in [ContainerKind::Directory, ContainerKind::Zip] {
        let out = directory.path().join(format!("{container:?}"));
        bytes.write(&out, container);
        let error = Archive::open(&out).err().unwrap().to_string();
        assert!(
            error.ends_with("is damaged: mlark.json: it exceeds 67108864 bytes"),
            "{error}"
        );
        assert!(report(&out).errors > 0);
    }
}

#[test]
fn many_small_artifacts_that_do_not_shrink_are_written_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let contents = BOTH.map(|name| {
        let out = directory.path().join(name);
        let mut writer = writer(&out);
        writer.write(&experiment()).unwrap();
        writer.write(&run()).unwrap();
        let mut ignored = |_: &mut ArchiveWriter, _| Ok(());
        for number in 0..1_500_u32 {
            // 384 bytes as evenly spread as random ones.
            let digests =
                (0..12_u8).flat_map(|part| bytes::sha256(&[&number.to_le_bytes()[..], &[part]].concat()).0);
            let source = ByteSource::Bytes(digests.collect());
            writer
                .artifact(&owner(), format!("{number:05}"), source, &mut ignored)
                .unwrap();
        }
        writer.drain_artifacts(&mut ignored).unwrap();
        writer
            .finish(ManifestHead::default(), Duplicates::Refuse)
            .unwrap();
        let report = report(&out);
        assert_eq!((report.findings, report.checked.blobs), (vec![], 1_500));
        report.content_id
    });
    assert_eq!(contents[0], contents[1]);
}
