//! An archive with one of everything that an import sends, each with a text of its own.

use super::common::finish;
use mlark::archive::{Archive, ArchiveWriter, ByteSource, Owner, WriterOptions};
use mlark::format::{Kind, Object as _};
use mlark::internals::{canonical, to_value};
use mlark::model::{
    Assessment, Dataset, DatasetInput, DatasetRecord, Double, EvaluationDataset, Experiment, LoggedModel,
    ModelOutput, ModelVersion, OwnerKind, Point, RegisteredModel, Run, RunInfo, Scorer, Span, TextMap, Trace,
};
use serde_json::json;
use std::path::Path;

/// Something that an import sends.
pub(crate) struct Part {
    /// What only requests about it hold.
    pub(crate) text: &'static str,
    /// Kind of the object that it is a part of.
    pub(crate) kind: Kind,
    /// How a failure names it; nothing where it is an object of its own.
    pub(crate) name: &'static str,
    /// Whether a later import can bring it.
    pub(crate) is_sent_later: bool,
    /// Texts of what cannot arrive without it.
    needed_by: &'static [&'static str],
}

impl Part {
    /// Whether another part cannot arrive without this one.
    pub(crate) fn takes_with(&self, other: &Part) -> bool {
        self.text == other.text || self.needed_by.contains(&other.text)
    }
}

const fn part(text: &'static str, kind: Kind, name: &'static str) -> Part {
    Part {
        text,
        kind,
        name,
        is_sent_later: true,
        needed_by: &[],
    }
}

/// What only the call that makes an object can bring.
const fn once(text: &'static str, kind: Kind, name: &'static str) -> Part {
    Part {
        is_sent_later: false,
        ..part(text, kind, name)
    }
}

pub(crate) const PARTS: &[Part] = &[
    part("experiment-tag", Kind::Experiments, "tag experiment-tag"),
    part("run-tag", Kind::Runs, "tag run-tag"),
    once("run-name", Kind::Runs, "tag mlflow.runName"),
    part("param-50", Kind::Runs, "param param-50"),
    part("metric-b", Kind::Runs, "metric metric-b"),
    part("input-b", Kind::Runs, "input input-b digest"),
    part("runs/outputs", Kind::Runs, "output model m-"),
    part("runs/update", Kind::Runs, "status and end_time"),
    part("run-file-b", Kind::Runs, "artifact run-file-b"),
    part("model-tag", Kind::LoggedModels, "tag model-tag"),
    part("model-param", Kind::LoggedModels, "param model-param"),
    part("model-file", Kind::LoggedModels, "artifact model-file"),
    part("LOGGED_MODEL_READY", Kind::LoggedModels, "status"),
    part("wine-tag", Kind::RegisteredModels, "tag wine-tag"),
    part("wine-text", Kind::RegisteredModels, "description"),
    part("wine-alias", Kind::RegisteredModels, "alias wine-alias"),
    part("version-tag", Kind::ModelVersions, "tag version-tag"),
    part("version-text", Kind::ModelVersions, "description"),
    once("version-link", Kind::ModelVersions, "run_link"),
    part("transition-stage", Kind::ModelVersions, "current_stage"),
    part("trace-tag", Kind::Traces, "tag trace-tag"),
    part("trace-metadata", Kind::Traces, "metadata trace-metadata"),
    part("trace-preview", Kind::Traces, "request_preview"),
    part("trace-file", Kind::Traces, "artifact trace-file"),
    part("link-to-run", Kind::Traces, "linked run "),
    part("assessment-b", Kind::Traces, "assessment a-"),
    part("span-b", Kind::Spans, ""),
    part("golden-tag", Kind::EvaluationDatasets, "tag golden-tag"),
    part("record-b", Kind::EvaluationDatasets, "record dr-"),
    part("scorer-a", Kind::Scorers, ""),
];

fn texts(pairs: &[(&str, &str)]) -> TextMap {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect()
}

fn hex(number: u64) -> String {
    format!("{number:032x}")
}

pub(crate) fn archive_of_everything(directory: &Path) -> Archive {
    let out = directory.join("everything");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "7".into(),
        name: "fraud".into(),
        lifecycle_stage: "active".into(),
        tags: texts(&[("experiment-tag", "x"), ("other", "y")]),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    let run = run(&mut writer);
    let model = logged_model(&mut writer);
    registry(&mut writer);
    let trace = trace(&mut writer);
    evaluation(&mut writer);
    let owners = [
        (
            OwnerKind::Run,
            run.info.run_id.clone(),
            run.sort_key(),
            &["run-file-a", "run-file-b", "run-file-c"][..],
        ),
        (
            OwnerKind::LoggedModel,
            model.model_id.clone(),
            model.sort_key(),
            &["model-file"],
        ),
        (
            OwnerKind::Trace,
            trace.trace_id.clone(),
            trace.sort_key(),
            &["trace-file"],
        ),
    ];
    for (kind, id, sort_key, files) in owners {
        let owner = Owner { kind, id, sort_key };
        for file in files {
            let bytes = ByteSource::Bytes(format!("bytes of {file}").into_bytes());
            writer
                .artifact(&owner, (*file).into(), bytes, &mut |_, failure| {
                    panic!("{failure:?}")
                })
                .unwrap();
        }
    }
    finish(writer, "test");
    Archive::open(&out).unwrap()
}

fn run(writer: &mut ArchiveWriter) -> Run {
    let mut run = Run {
        info: RunInfo {
            run_id: hex(1),
            experiment_id: "7".into(),
            run_name: Some("run-name".into()),
            user_id: Some("ana".into()),
            status: "FINISHED".into(),
            start_time: Some(1_000),
            end_time: Some(2_000),
            lifecycle_stage: "active".into(),
            ..RunInfo::default()
        },
        tags: texts(&[("run-tag", "x"), ("other", "y")]),
        ..Run::default()
    };
    for number in 0..100 {
        run.params.insert(format!("param-{number}"), "value".into());
    }
    for name in ["input-a", "input-b"] {
        run.inputs.dataset_inputs.push(DatasetInput {
            name: name.into(),
            digest: "digest".into(),
            tags: TextMap::new(),
        });
        let dataset = Dataset {
            experiment_id: "7".into(),
            name: name.into(),
            digest: "digest".into(),
            source_type: Some("local".into()),
            source: Some("{}".into()),
            ..Dataset::default()
        };
        writer.write(&dataset).unwrap();
    }
    run.outputs.model_outputs.push(ModelOutput {
        model_id: format!("m-{}", hex(2)),
        step: 0,
    });
    writer.write(&run).unwrap();
    for key in ["metric-a", "metric-b", "metric-c"] {
        let mut points = writer.point_series();
        for step in 0..50 {
            let point = Point {
                timestamp: 5,
                step,
                value: Double(0.5),
                link: None,
            };
            points.push(point).unwrap();
        }
        writer
            .write_metric(&run.info.sort_key(), &run.info.run_id, key, points)
            .unwrap();
    }
    run
}

fn logged_model(writer: &mut ArchiveWriter) -> LoggedModel {
    let model = LoggedModel {
        model_id: format!("m-{}", hex(2)),
        experiment_id: "7".into(),
        name: Some("forest".into()),
        status: "LOGGED_MODEL_READY".into(),
        lifecycle_stage: "active".into(),
        source_run_id: Some(hex(1)),
        params: texts(&[("model-param", "x"), ("other", "y")]),
        tags: texts(&[("model-tag", "x"), ("other", "y")]),
        ..LoggedModel::default()
    };
    writer.write(&model).unwrap();
    model
}

fn registry(writer: &mut ArchiveWriter) {
    let model = RegisteredModel {
        name: "wine".into(),
        description: Some("wine-text".into()),
        aliases: [("wine-alias".to_owned(), 1)].into(),
        tags: texts(&[("wine-tag", "x"), ("other", "y")]),
        ..RegisteredModel::default()
    };
    writer.write(&model).unwrap();
    let version = ModelVersion {
        name: "wine".into(),
        version: 1,
        source: Some("s3://bucket/model".into()),
        description: Some("version-text".into()),
        run_link: Some("http://host/version-link".into()),
        current_stage: Some("Staging".into()),
        tags: texts(&[("version-tag", "x"), ("other", "y")]),
        ..ModelVersion::default()
    };
    writer.write(&version).unwrap();
}

fn trace(writer: &mut ArchiveWriter) -> Trace {
    let id = format!("tr-{}", hex(3));
    let assessment = |number: u64, name: &str| Assessment {
        assessment_id: format!("a-{}", hex(number)),
        assessment_name: name.into(),
        feedback: Some(json!({"value": true})),
        source: [("source_type".to_owned(), "HUMAN".to_owned())].into(),
        ..Assessment::default()
    };
    let trace = Trace {
        trace_id: id.clone(),
        experiment_id: "7".into(),
        state: "OK".into(),
        request_time: Some(1_000),
        request_preview: Some("trace-preview".into()),
        response_preview: Some("response".into()),
        trace_metadata: texts(&[("trace-metadata", "x"), ("other", "y")]),
        tags: texts(&[("trace-tag", "x"), ("other", "y")]),
        assessments: vec![assessment(4, "assessment-a"), assessment(5, "assessment-b")],
        linked_runs: vec![hex(1)],
        ..Trace::default()
    };
    writer.write(&trace).unwrap();
    for (number, name) in ["span-a", "span-b", "span-c"].into_iter().enumerate() {
        let span = Span {
            trace_id: id.clone(),
            span_id: format!("{:016x}", number + 1),
            name: name.into(),
            start_time_unix_nano: Some(1),
            end_time_unix_nano: Some(2),
            attributes: [("mlflow.traceRequestId".to_owned(), json!(json!(id).to_string()))].into(),
            ..Span::default()
        };
        let line = canonical(&to_value(&span));
        let key = trace.sort_key().number(number as u64);
        writer.write_line(Kind::Spans, key, &span.span_id, &line).unwrap();
    }
    trace
}

fn evaluation(writer: &mut ArchiveWriter) {
    let dataset = EvaluationDataset {
        dataset_id: format!("d-{}", hex(6)),
        name: "golden".into(),
        experiment_ids: vec!["7".into()],
        tags: texts(&[("golden-tag", "x"), ("other", "y")]),
        ..EvaluationDataset::default()
    };
    writer.write(&dataset).unwrap();
    for (number, text) in [(7, "record-a"), (8, "record-b")] {
        let record = DatasetRecord {
            dataset_record_id: format!("dr-{}", hex(number)),
            dataset_id: dataset.dataset_id.clone(),
            inputs: Some(json!({"question": text})),
            ..DatasetRecord::default()
        };
        writer.write(&record).unwrap();
    }
    let scorer = Scorer {
        experiment_id: "7".into(),
        name: "scorer-a".into(),
        version: 1,
        serialized_scorer: Some("{}".into()),
        ..Scorer::default()
    };
    writer.write(&scorer).unwrap();
}
