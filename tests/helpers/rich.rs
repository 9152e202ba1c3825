//! An archive with something of every kind, built in memory of nothing but this file.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by tests that each use a part of it"
)]

use mlark::archive::{
    ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, PointSeries, WriterOptions,
};
use mlark::format::ArchivePath;
use mlark::format::Manifest;
use mlark::format::manifest::{FileDescriptor, HistoryEntry, SourceInfo, Tool};
use mlark::format::{Kind, Loss, LossClass, Object, Reason, UndoLine};
use mlark::internals::{JSONL_MEDIA_TYPE, STRING_BYTES, canonical, order, to_value};
use mlark::model::{
    Absent, Assessment, Dataset, DatasetInput, DatasetRecord, Digest, Double, EvaluationDataset, Experiment,
    LoggedModel, ModelInput, ModelOutput, ModelVersion, OwnerKind, Point, PointLink, RegisteredModel, Run,
    RunInfo, RunInputs, RunOutputs, Scorer, Span, SpanEvent, SpanLink, Text, Trace, Workspace,
};
use serde_json::json;
use sha2::Digest as _;
use std::path::Path;

/// Bytes that do not shrink, always the same.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(next).collect()
}

/// How much is in the archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Long texts, large artifacts, series and lists of several lines.
    Full,
    /// A line or two of everything, no more.
    Small,
}

/// Makes the archive; a name that ends in `.zip` makes a zip.
pub(crate) fn build(out: &Path, size: Size) -> Manifest {
    let options = WriterOptions {
        no_sync: true,
        threads: 2,
        ..WriterOptions::default()
    };
    let mut writer = ArchiveWriter::create(out, options).unwrap();
    workspaces_and_experiments(&mut writer);
    let runs = runs(&mut writer, size);
    let models = models(&mut writer);
    let versions = registry(&mut writer);
    let traces = traces(&mut writer);
    evaluation(&mut writer);
    artifacts(&mut writer, size, &runs, &models, &versions, &traces);
    failures(&mut writer);
    let undo = undo(&mut writer, size);
    writer.add_files(vec![undo]);
    writer.finish(head(), Duplicates::Refuse).unwrap()
}

fn head() -> ManifestHead {
    let entry = HistoryEntry {
        name: "source-tags".into(),
        parameters: [("profile".to_owned(), json!("export-import"))].into(),
        tool: Tool::current(),
        time: "2026-01-02T03:04:05Z".into(),
        parent_content_id: Digest([7; 32]),
        parent_content_ids: Vec::new(),
        counts: [("runs".to_owned(), 1)].into(),
    };
    ManifestHead {
        origin: "test".into(),
        source: SourceInfo {
            kind: "file-store".into(),
            uri: "file:///mlruns".into(),
            mlflow_version: Some("3.18.0".into()),
            details: Default::default(),
        },
        history: vec![entry],
        ..ManifestHead::default()
    }
}

fn workspaces_and_experiments(writer: &mut ArchiveWriter) {
    for name in ["blue", "default"] {
        let workspace = Workspace {
            name: name.into(),
            ..Workspace::default()
        };
        writer.write(&workspace).unwrap();
    }
    for (id, name) in [
        ("0", "Default"),
        ("9", "é\u{2028}\0"),
        ("10", "ten"),
        ("x", "not a number"),
    ] {
        let mut experiment = Experiment {
            experiment_id: id.into(),
            name: name.into(),
            lifecycle_stage: "active".into(),
            creation_time: Some(1_670_474_737_597),
            exim: (id == "10").then(|| "{\"tags\": {}}".to_owned()),
            ..Experiment::default()
        };
        experiment.tags.insert("line".into(), "a\r\nb".into());
        experiment
            .extra
            .insert("from_the_future".into(), json!({"a": [1, 2.5, null]}));
        writer.write(&experiment).unwrap();
    }
}

fn runs(writer: &mut ArchiveWriter, size: Size) -> Vec<Run> {
    let is_full = size == Size::Full;
    let mut runs = Vec::new();
    for (id, experiment, start) in [
        ("r1", "0", None),
        ("r3", "0", Some(5)),
        ("r2", "0", Some(9)),
        ("r0", "10", Some(1)),
    ] {
        let mut run = Run {
            info: RunInfo {
                run_id: id.into(),
                experiment_id: experiment.into(),
                run_name: Some(format!("run {id}")),
                status: "FINISHED".into(),
                start_time: start,
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        run.params.insert("bytes".into(), Text::from_bytes(vec![0xff, 0]));
        run.tags.insert("mlflow.parentRunId".into(), "r1".into());
        if id == "r3" && is_full {
            run.tags
                .insert("long".into(), "x".repeat(STRING_BYTES + 1).as_str().into());
            run.params
                .insert("long".into(), Text::from_bytes(vec![0xfe; STRING_BYTES]));
        }
        if id == "r3" {
            fill_inputs(&mut run);
        }
        for (key, points, scale) in [("loss", 12_000, 0.1), ("nan", 3, f64::NAN), ("one", 1, 1e300)] {
            let series = series(writer, if id == "r3" && is_full { points } else { 2 }, scale);
            run.metrics.insert(key.into(), series.latest().unwrap().clone());
            writer
                .write_metric(&run.info.sort_key(), id, key, series)
                .unwrap();
        }
        writer.write(&run).unwrap();
        runs.push(run);
    }
    for name in ["iris", "wine"] {
        let dataset = Dataset {
            experiment_id: "0".into(),
            name: name.into(),
            digest: "d1".into(),
            profile: Some("{}".into()),
            ..Dataset::default()
        };
        writer.write(&dataset).unwrap();
    }
    runs
}

fn fill_inputs(run: &mut Run) {
    let input = |name: &str| DatasetInput {
        name: name.into(),
        digest: "d1".into(),
        tags: [("mlflow.data.context".to_owned(), "train".into())].into(),
    };
    run.inputs = RunInputs {
        dataset_inputs: vec![input("iris"), input("wine")],
        model_inputs: vec![ModelInput {
            model_id: "m-1".into(),
        }],
    };
    run.outputs = RunOutputs {
        model_outputs: vec![ModelOutput {
            model_id: "m-2".into(),
            step: 3,
        }],
    };
}

fn series(writer: &ArchiveWriter, points: i64, scale: f64) -> PointSeries {
    let mut series = writer.point_series();
    for step in 0..points {
        let link = PointLink {
            dataset_name: (step % 2 == 0).then(|| "iris".into()),
            dataset_digest: (step % 2 == 0).then(|| "d1".into()),
            ..PointLink::default()
        };
        let point = Point {
            timestamp: 5 + step / 3,
            step,
            value: Double(scale * step as f64),
            link: link.boxed(),
        };
        series.push(point).unwrap();
    }
    series
}

fn models(writer: &mut ArchiveWriter) -> Vec<LoggedModel> {
    let mut models = Vec::new();
    for id in ["m-1", "m-2"] {
        let model = LoggedModel {
            model_id: id.into(),
            experiment_id: "0".into(),
            creation_timestamp_ms: Some(7),
            status: "LOGGED_MODEL_READY".into(),
            lifecycle_stage: "active".into(),
            source_run_id: Some("r1".into()),
            ..LoggedModel::default()
        };
        let series = series(writer, 4, 0.5);
        writer
            .write_model_metric(&model.sort_key(), id, "accuracy", series)
            .unwrap();
        writer.write(&model).unwrap();
        models.push(model);
    }
    models
}

fn registry(writer: &mut ArchiveWriter) -> Vec<ModelVersion> {
    let mut versions = Vec::new();
    for name in ["credit", "fraud"] {
        let mut model = RegisteredModel {
            name: name.into(),
            description: Some(String::new()),
            ..RegisteredModel::default()
        };
        model.aliases.insert("champion".into(), 2);
        writer.write(&model).unwrap();
        for number in [1, 2, 10] {
            let version = ModelVersion {
                name: name.into(),
                version: number,
                run_id: Some("r1".into()),
                model_id: Some("m-1".into()),
                ..ModelVersion::default()
            };
            writer.write(&version).unwrap();
            versions.push(version);
        }
    }
    versions
}

fn traces(writer: &mut ArchiveWriter) -> Vec<Trace> {
    let mut traces = Vec::new();
    for (id, time) in [("tr-b", 1), ("tr-a", 2)] {
        let mut trace = Trace {
            trace_id: id.into(),
            experiment_id: "0".into(),
            request_time: Some(time),
            state: "OK".into(),
            linked_runs: vec!["r1".into(), "r2".into()],
            ..Trace::default()
        };
        trace
            .trace_metadata
            .insert("mlflow.sourceRun".into(), "r1".into());
        trace.assessments.push(Assessment {
            assessment_id: "a-1".into(),
            assessment_name: "correct".into(),
            feedback: Some(json!({"value": {"$$blob": 1, "big": {"$int": "99999999999999999999"}}})),
            ..Assessment::default()
        });
        writer.write(&trace).unwrap();
        for (span_id, start) in [("02", Some(1)), ("01", Some(2)), ("03", Some(2))] {
            let mut span = Span {
                trace_id: id.into(),
                span_id: span_id.into(),
                name: "work".into(),
                start_time_unix_nano: start,
                ..Span::default()
            };
            span.attributes
                .insert("mlflow.spanInputs".into(), json!("{\"a\": 1}"));
            span.events.push(SpanEvent {
                name: "e".into(),
                ..SpanEvent::default()
            });
            span.links.push(SpanLink {
                trace_id: "tr-elsewhere".into(),
                span_id: "09".into(),
                ..SpanLink::default()
            });
            let key = order::span(&trace.sort_key(), start, span_id);
            let line = writer.line_of(to_value(&span)).unwrap();
            writer.write_line(Kind::Spans, key, span_id, &line).unwrap();
        }
        traces.push(trace);
    }
    traces
}

fn evaluation(writer: &mut ArchiveWriter) {
    for id in ["d-1", "d-2"] {
        let dataset = EvaluationDataset {
            dataset_id: id.into(),
            name: "golden questions".into(),
            experiment_ids: vec!["9".into(), "10".into()],
            ..EvaluationDataset::default()
        };
        writer.write(&dataset).unwrap();
        for record in ["dr-1", "dr-2"] {
            let record = DatasetRecord {
                dataset_record_id: record.into(),
                dataset_id: id.into(),
                inputs: Some(json!({"question": "why?", "$$blob": null})),
                ..DatasetRecord::default()
            };
            writer.write(&record).unwrap();
        }
    }
    for version in [1, 2, 10] {
        let scorer = Scorer {
            experiment_id: "0".into(),
            name: "politeness".into(),
            version,
            serialized_scorer: Some("{}".into()),
            ..Scorer::default()
        };
        writer.write(&scorer).unwrap();
    }
}

fn artifacts(
    writer: &mut ArchiveWriter,
    size: Size,
    runs: &[Run],
    models: &[LoggedModel],
    versions: &[ModelVersion],
    traces: &[Trace],
) {
    let (large, many) = match size {
        Size::Full => (1_300_000, 1_200),
        Size::Small => (3_000, 5),
    };
    let owner = |kind, id: &str, sort_key| Owner {
        kind,
        id: id.to_owned(),
        sort_key,
    };
    let mut add = |owner: &Owner, path: &str, bytes: Vec<u8>| {
        let source = ByteSource::Bytes(bytes);
        writer
            .artifact(owner, path.to_owned(), source, &mut |_, _| unreachable!())
            .unwrap();
    };
    let run = owner(OwnerKind::Run, "r1", runs[0].info.sort_key());
    add(&run, "large.bin", noise(large));
    add(&run, "model/MLmodel", b"flavors: {}\n".to_vec());
    add(&run, "model/empty", Vec::new());
    add(&run, "model/same", noise(large));
    add(&run, "text.txt", b"shrinks well. ".repeat(large / 14));
    let run = owner(OwnerKind::Run, "r3", runs[1].info.sort_key());
    for number in 0..many {
        add(
            &run,
            &format!("many/{number:04}.txt"),
            format!("{}", number % 7).into_bytes(),
        );
    }
    let run = owner(OwnerKind::Run, "r2", runs[2].info.sort_key());
    for (path, absent, size) in [
        ("gone", Absent::Failed, None),
        ("not taken", Absent::NotSelected, Some(9)),
    ] {
        writer
            .absent_artifact(&run, path.into(), absent, size, &mut |_, _| unreachable!())
            .unwrap();
    }
    let mut add = |owner: &Owner, path: &str, bytes: Vec<u8>| {
        let source = ByteSource::Bytes(bytes);
        writer
            .artifact(owner, path.to_owned(), source, &mut |_, _| unreachable!())
            .unwrap();
    };
    for model in models {
        let owner = owner(OwnerKind::LoggedModel, &model.model_id, model.sort_key());
        add(&owner, "MLmodel", b"a model".to_vec());
    }
    for version in versions {
        let owner = owner(OwnerKind::ModelVersion, &version.id(), version.sort_key());
        add(&owner, "MLmodel", version.id().into_bytes());
    }
    for trace in traces {
        let owner = owner(OwnerKind::Trace, &trace.trace_id, trace.sort_key());
        add(&owner, "traces.json", b"{\"spans\": []}".to_vec());
    }
    writer.drain_artifacts(&mut |_, _| unreachable!()).unwrap();
}

fn failures(writer: &mut ArchiveWriter) {
    for id in ["gone", "lost"] {
        let loss = Loss {
            class: LossClass::Failure,
            detail: "it vanished".into(),
            field: "*".into(),
            id: format!("r2/{id}"),
            kind: "artifacts".into(),
            reason: Reason::Unreadable.into(),
        };
        writer.failure(&loss).unwrap();
    }
    writer.limit("artifacts", "*", Reason::EmptyDirectory, 2);
}

fn undo(writer: &mut ArchiveWriter, size: Size) -> FileDescriptor {
    let mut text = Vec::new();
    let long = match size {
        Size::Full => "y".repeat(STRING_BYTES + 5),
        Size::Small => "short".to_owned(),
    };
    let long = writer.line_of(json!([long])).unwrap();
    let long: serde_json::Value = serde_json::from_slice(&long).unwrap();
    for id in ["r1", "r3"] {
        let line = UndoLine {
            kind: "runs".into(),
            id: id.into(),
            added: vec!["mlflow_exim.run_info.run_id".into()],
            replaced: [("long".to_owned(), long[0].clone())].into(),
            ..UndoLine::default()
        };
        text.extend(canonical(&to_value(&line)));
        text.push(b'\n');
    }
    let path = ArchivePath::undo(1, 0);
    let full = path.below(writer.root());
    std::fs::create_dir_all(full.parent().unwrap()).unwrap();
    std::fs::write(&full, &text).unwrap();
    FileDescriptor {
        path,
        media_type: JSONL_MEDIA_TYPE.into(),
        sha256: Digest(sha2::Sha256::digest(&text).into()),
        size_bytes: text.len() as u64,
        count: 2,
    }
}
