//! Archives built in memory for tests: one with an object of every kind, and changes to it.

use mlark::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use mlark::format::{Kind, Object as _, Reason};
use mlark::internals::{canonical, to_value};
use mlark::model::*;
use serde_json::json;
use std::path::Path;

/// The start time of the first run.
pub const START: i64 = 1_670_836_055_960;
pub const RUN_A: &str = "aaaa1111bbbb2222cccc3333dddd4444";
pub const RUN_B: &str = "bbbb1111bbbb2222cccc3333dddd4444";
pub const MODEL: &str = "m-0123456789abcdef0123456789abcdef";
pub const TRACE: &str = "tr-00112233445566778899aabbccddeeff";

/// Kind and id of the owner, path, bytes or the reason of their absence.
pub type Artifact = (OwnerKind, String, String, Result<Vec<u8>, Absent>);

/// Completes an archive of an origin; every file of it could be read.
pub fn finish(mut writer: ArchiveWriter, origin: &str) {
    writer
        .drain_artifacts(&mut |_, failure| panic!("{failure:?}"))
        .unwrap();
    let head = ManifestHead {
        origin: origin.to_owned(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
}

/// The content of an archive, to be changed before it is written.
pub struct History {
    pub experiments: Vec<Experiment>,
    pub runs: Vec<Run>,
    pub metrics: Vec<(String, String, Vec<Point>)>,
    pub datasets: Vec<Dataset>,
    pub logged_models: Vec<LoggedModel>,
    pub model_metrics: Vec<(String, String, Vec<Point>)>,
    pub registered_models: Vec<RegisteredModel>,
    pub model_versions: Vec<ModelVersion>,
    pub traces: Vec<Trace>,
    pub spans: Vec<Span>,
    pub evaluation_datasets: Vec<EvaluationDataset>,
    pub records: Vec<DatasetRecord>,
    pub scorers: Vec<Scorer>,
    pub artifacts: Vec<Artifact>,
    /// Kind, field, reason.
    pub limits: Vec<(&'static str, &'static str, Reason)>,
}

pub fn point(timestamp: i64, step: i64, value: f64) -> Point {
    Point {
        timestamp: START + timestamp,
        step,
        value: Double(value),
        link: None,
    }
}

fn tags(pairs: &[(&str, &str)]) -> TextMap {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Text::from(*value)))
        .collect()
}

fn run(run_id: &str, experiment_id: &str, start_time: i64, name: &str, status: &str) -> Run {
    Run {
        info: RunInfo {
            run_id: run_id.into(),
            experiment_id: experiment_id.into(),
            run_name: Some(name.into()),
            user_id: Some("ana".into()),
            status: status.into(),
            start_time: Some(start_time),
            end_time: (status == "FINISHED").then_some(start_time + 60_000),
            lifecycle_stage: "active".into(),
            artifact_uri: Some(format!("file:///tmp/mlruns/{experiment_id}/{run_id}/artifacts")),
            ..RunInfo::default()
        },
        params: tags(&[("lr", "0.1"), ("note", "two\nlines\u{1b}[31m")]),
        tags: tags(&[("mlflow.user", "ana"), ("mlflow.runName", name)]),
        ..Run::default()
    }
}

impl History {
    /// Two experiments, two runs, and one of everything else.
    pub fn new() -> Self {
        let (experiments, runs) = experiments_and_runs();
        let (registered_models, model_versions) = registry();
        let (traces, spans) = traces();
        History {
            experiments,
            runs,
            metrics: vec![
                (RUN_A.into(), "auc".into(), vec![point(5, 0, f64::NAN)]),
                (
                    RUN_A.into(),
                    "loss".into(),
                    (0..12_i32)
                        .map(|step| point(step.into(), step.into(), 1.0 / f64::from(step + 1)))
                        .collect(),
                ),
            ],
            datasets: vec![Dataset {
                experiment_id: "1".into(),
                name: "train".into(),
                digest: "9d1f".into(),
                source_type: Some("local".into()),
                source: Some(r#"{"uri": "/data/train.csv"}"#.into()),
                ..Dataset::default()
            }],
            logged_models: vec![LoggedModel {
                model_id: MODEL.into(),
                experiment_id: "1".into(),
                name: Some("forest".into()),
                creation_timestamp_ms: Some(START + 50),
                status: "LOGGED_MODEL_READY".into(),
                lifecycle_stage: "active".into(),
                source_run_id: Some(RUN_A.into()),
                ..LoggedModel::default()
            }],
            model_metrics: vec![(MODEL.into(), "f1".into(), vec![linked_point()])],
            registered_models,
            model_versions,
            traces,
            spans,
            evaluation_datasets: vec![EvaluationDataset {
                dataset_id: "d-00000000000000000000000000000001".into(),
                name: "questions".into(),
                experiment_ids: vec!["1".into()],
                created_time: Some(START),
                ..EvaluationDataset::default()
            }],
            records: vec![DatasetRecord {
                dataset_record_id: "dr-00000000000000000000000000000001".into(),
                dataset_id: "d-00000000000000000000000000000001".into(),
                inputs: Some(json!({"question": "why?"})),
                ..DatasetRecord::default()
            }],
            scorers: vec![Scorer {
                experiment_id: "1".into(),
                name: "polite".into(),
                version: 1,
                ..Scorer::default()
            }],
            artifacts: artifacts(),
            limits: Vec::new(),
        }
    }

    /// Writes the archive.
    pub fn write(self, out: &Path) -> Archive {
        self.write_of("test", out)
    }

    /// Writes the archive of an origin.
    pub fn write_of(self, origin: &str, out: &Path) -> Archive {
        let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
        macro_rules! write_all {
            ($($objects:ident),*) => {$(
                for object in &self.$objects {
                    writer.write(object).unwrap();
                }
            )*};
        }
        write_all!(
            experiments,
            runs,
            datasets,
            logged_models,
            registered_models,
            model_versions,
            traces,
            evaluation_datasets,
            records,
            scorers
        );
        self.write_points(&mut writer);
        for (number, span) in (0..).zip(&self.spans) {
            let trace = self
                .traces
                .iter()
                .find(|trace| trace.trace_id == span.trace_id)
                .unwrap();
            let key = trace.sort_key().number(number);
            let line = canonical(&to_value(span));
            writer.write_line(Kind::Spans, key, &span.span_id, &line).unwrap();
        }
        self.write_artifacts(&mut writer);
        for (kind, field, reason) in &self.limits {
            writer.limit(kind, field, *reason, 1);
        }
        let head = ManifestHead {
            origin: origin.into(),
            ..ManifestHead::default()
        };
        writer.finish(head, Duplicates::Refuse).unwrap();
        Archive::open(out).unwrap()
    }

    fn write_points(&self, writer: &mut ArchiveWriter) {
        let series_of = |writer: &ArchiveWriter, points: &[Point]| {
            let mut series = writer.point_series();
            points
                .iter()
                .for_each(|point| series.push(point.clone()).unwrap());
            series
        };
        for (run_id, key, points) in &self.metrics {
            let run = self.runs.iter().find(|run| run.info.run_id == *run_id).unwrap();
            let series = series_of(writer, points);
            writer.write_metric(&run.sort_key(), run_id, key, series).unwrap();
        }
        for (model_id, key, points) in &self.model_metrics {
            let model = self
                .logged_models
                .iter()
                .find(|model| model.model_id == *model_id)
                .unwrap();
            let series = series_of(writer, points);
            writer
                .write_model_metric(&model.sort_key(), model_id, key, series)
                .unwrap();
        }
    }

    fn write_artifacts(&self, writer: &mut ArchiveWriter) {
        for (kind, id, path, content) in &self.artifacts {
            let sort_key = match kind {
                OwnerKind::Run => self.runs.iter().find(|run| run.id() == *id).unwrap().sort_key(),
                OwnerKind::LoggedModel => self
                    .logged_models
                    .iter()
                    .find(|model| model.id() == *id)
                    .unwrap()
                    .sort_key(),
                OwnerKind::ModelVersion => self
                    .model_versions
                    .iter()
                    .find(|version| version.id() == *id)
                    .unwrap()
                    .sort_key(),
                OwnerKind::Trace => self
                    .traces
                    .iter()
                    .find(|trace| trace.id() == *id)
                    .unwrap()
                    .sort_key(),
            };
            let owner = Owner {
                kind: *kind,
                id: id.clone(),
                sort_key,
            };
            let path = path.clone();
            match content {
                Ok(bytes) => writer
                    .artifact(
                        &owner,
                        path,
                        ByteSource::Bytes(bytes.clone()),
                        &mut |_, _| unreachable!(),
                    )
                    .unwrap(),
                Err(absent) => writer
                    .absent_artifact(&owner, path, *absent, Some(7), &mut |_, _| unreachable!())
                    .unwrap(),
            }
        }
        writer.drain_artifacts(&mut |_, _| unreachable!()).unwrap();
    }
}

fn linked_point() -> Point {
    let link = PointLink {
        run_id: Some(RUN_A.into()),
        ..PointLink::default()
    };
    Point {
        link: link.boxed(),
        ..point(0, 0, 0.5)
    }
}

fn experiments_and_runs() -> (Vec<Experiment>, Vec<Run>) {
    let experiment = |id: &str, name: &str, stage: &str| Experiment {
        experiment_id: id.into(),
        name: name.into(),
        lifecycle_stage: stage.into(),
        creation_time: Some(START - 1000),
        artifact_location: Some(format!("file:///tmp/mlruns/{id}")),
        ..Experiment::default()
    };
    let mut experiments = vec![
        experiment("1", "training", "active"),
        experiment("2", "Default", "deleted"),
    ];
    experiments[0].tags = tags(&[("team", "risk")]);
    let mut first = run(RUN_A, "1", START, "forest", "FINISHED");
    first.metrics.insert(
        "loss".into(),
        LatestMetric {
            timestamp: START + 11,
            step: 11,
            value: Double(1.0 / 12.0),
        },
    );
    first.inputs = RunInputs {
        dataset_inputs: vec![DatasetInput {
            name: "train".into(),
            digest: "9d1f".into(),
            tags: tags(&[("mlflow.data.context", "training")]),
        }],
        ..RunInputs::default()
    };
    first.outputs = RunOutputs {
        model_outputs: vec![ModelOutput {
            model_id: MODEL.into(),
            step: 0,
        }],
    };
    let mut second = run(RUN_B, "1", START + 5, "child", "RUNNING");
    second.tags.insert("mlflow.parentRunId".into(), RUN_A.into());
    second
        .params
        .insert("bytes".into(), Text::from_bytes(vec![0xff, 0]));
    (experiments, vec![first, second])
}

fn registry() -> (Vec<RegisteredModel>, Vec<ModelVersion>) {
    let mut model = RegisteredModel {
        name: "churn".into(),
        creation_timestamp: Some(START),
        ..RegisteredModel::default()
    };
    model.aliases.insert("champion".into(), 2);
    let prompt = RegisteredModel {
        name: "greet".into(),
        tags: tags(&[("mlflow.prompt.is_prompt", "true")]),
        ..RegisteredModel::default()
    };
    let version = |name: &str, version: u64| ModelVersion {
        name: name.into(),
        version,
        creation_timestamp: Some(START + 100),
        current_stage: Some("None".into()),
        status: Some("READY".into()),
        run_id: (name == "churn").then(|| RUN_A.into()),
        source: Some(format!("models:/{MODEL}")),
        ..ModelVersion::default()
    };
    let mut greeting = version("greet", 1);
    greeting.tags = tags(&[
        ("mlflow.prompt.is_prompt", "true"),
        ("mlflow.prompt.text", "Hello {{name}}"),
    ]);
    (
        vec![model, prompt],
        vec![version("churn", 1), version("churn", 2), greeting],
    )
}

fn traces() -> (Vec<Trace>, Vec<Span>) {
    let trace = Trace {
        trace_id: TRACE.into(),
        experiment_id: "1".into(),
        request_time: Some(START),
        execution_duration: Some(12),
        state: "OK".into(),
        request_preview: Some("why?".into()),
        trace_metadata: tags(&[("mlflow.sourceRun", RUN_A)]),
        assessments: vec![Assessment {
            assessment_id: "a-00000000000000000000000000000001".into(),
            assessment_name: "correct".into(),
            rationale: Some("it is".into()),
            ..Assessment::default()
        }],
        ..Trace::default()
    };
    let span = |id: &str, parent: Option<&str>, name: &str, start: i64| Span {
        trace_id: TRACE.into(),
        span_id: id.into(),
        parent_span_id: parent.map(str::to_owned),
        name: name.into(),
        kind: Some("SPAN_KIND_INTERNAL".into()),
        start_time_unix_nano: Some(START * 1_000_000 + start),
        end_time_unix_nano: Some(START * 1_000_000 + start + 2_500_000),
        status_code: Some("OK".into()),
        ..Span::default()
    };
    let root = "1000000000000001";
    let spans = vec![
        span(root, None, "answer", 0),
        span("1000000000000002", Some(root), "retrieve", 10),
        span("1000000000000003", Some("1000000000000002"), "embed", 20),
        span("1000000000000004", Some(root), "generate", 30),
    ];
    (vec![trace], spans)
}

fn artifacts() -> Vec<Artifact> {
    let file =
        |kind, id: &str, path: &str, text: &str| (kind, id.to_owned(), path.to_owned(), Ok(text.into()));
    vec![
        file(OwnerKind::Run, RUN_A, "model/MLmodel", "flavors: {}\n"),
        file(OwnerKind::Run, RUN_A, "model/data.bin", "12345"),
        file(OwnerKind::Run, RUN_A, "notes é.txt", "12345"),
        (
            OwnerKind::Run,
            RUN_B.into(),
            "huge.bin".into(),
            Err(Absent::NotSelected),
        ),
        file(OwnerKind::LoggedModel, MODEL, "MLmodel", "flavors: {}\n"),
        file(OwnerKind::ModelVersion, "churn/2", "MLmodel", "flavors: {}\n"),
        file(OwnerKind::Trace, TRACE, "attachment.txt", "hello"),
    ]
}

/// Points of which any careless reading or writing changes some, and as many of any bits.
pub fn hard_points(random_points: i64) -> Vec<Point> {
    let values = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        5e-324,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::MIN,
        0.1,
        1e16,
        123_456_789_012_345_680.0,
    ];
    let times = [
        i64::MIN,
        -1,
        0,
        9_007_199_254_740_993,
        1_700_000_000_000_000_000,
        i64::MAX,
    ];
    let steps = [i64::MIN, -7, -1, 0, 9_007_199_254_740_993, i64::MAX];
    let point = |timestamp, step, value| Point {
        timestamp,
        step,
        value: Double(value),
        link: None,
    };
    let mut points = Vec::new();
    for (timestamp, step) in times.iter().flat_map(|time| steps.map(|step| (*time, step))) {
        points.extend(values.map(|value| point(timestamp, step, value)));
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    points.extend((0..random_points).map(|step| {
        let value = f64::from_bits(random());
        // Of all NaNs one is kept.
        let value = if value.is_nan() { f64::NAN } else { value };
        point((random() >> 1) as i64, step, value)
    }));
    points.sort_by(Point::archive_cmp);
    points
}
