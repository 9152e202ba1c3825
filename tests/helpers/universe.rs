//! Archives that each hold a part of one small universe, with something of every kind: what has one number is the same in all
//! of them, unless it is given another variant.

use mlark::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use mlark::format::LossCount;
use mlark::format::manifest::{SelectionRecord, SourceInfo};
use mlark::format::{Kind, Object as _, Reason};
use mlark::internals::{order, to_value};
use mlark::model::{
    Dataset, DatasetInput, DatasetRecord, Double, EvaluationDataset, Experiment, LoggedModel, ModelOutput,
    ModelVersion, OwnerKind, Point, RegisteredModel, Run, RunInfo, RunInputs, RunOutputs, Scorer, Span,
    Trace, Workspace,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Objects of each numbered kind.
pub(crate) const SIZE: u64 = 12;
const EXPERIMENTS: [&str; 4] = ["0", "1", "2", "x"];

/// Which part of the universe an archive holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holding {
    pub(crate) origin: &'static str,
    /// What ids begin with that two databases do not share.
    pub(crate) prefix: &'static str,
    /// Numbers of objects: bits.
    pub(crate) has: u64,
    /// Numbers of runs that are of another variant: bits.
    pub(crate) other: u64,
    /// In what those differ.
    pub(crate) difference: u8,
    /// When runs ended.
    pub(crate) changed: i64,
    /// Numbers of runs that ended at another time, and when: bits.
    pub(crate) old_runs: u64,
    pub(crate) old: i64,
    /// Whether experiments have other names than elsewhere.
    pub(crate) turned: bool,
    /// Numbers of objects that are lost, of which only their lines are there: bits.
    pub(crate) lost: u64,
    /// Kinds of them, by their place in [`OWNERS`]: bits.
    pub(crate) lost_kinds: u8,
    /// Whether lost objects have all of their lines; else they have no artifacts.
    pub(crate) has_all_lines: bool,
}

/// Kinds that own lines.
const OWNERS: [Kind; 5] = [
    Kind::Runs,
    Kind::LoggedModels,
    Kind::ModelVersions,
    Kind::Traces,
    Kind::EvaluationDatasets,
];

impl Holding {
    pub(crate) fn of(has: u64) -> Self {
        Holding {
            origin: "here",
            prefix: "",
            has,
            other: 0,
            difference: 0,
            changed: 0,
            old_runs: 0,
            old: 0,
            turned: false,
            lost: 0,
            lost_kinds: u8::MAX,
            has_all_lines: true,
        }
    }

    pub(crate) fn all() -> Self {
        Holding::of(u64::MAX)
    }

    fn has(&self, number: u64) -> bool {
        self.has >> number & 1 == 1
    }

    fn is_lost(&self, kind: Kind, number: u64) -> bool {
        let place = OWNERS.iter().position(|owner| *owner == kind);
        self.lost >> number & 1 == 1 && place.is_some_and(|place| self.lost_kinds >> place & 1 == 1)
    }

    /// Writes an object, unless it is lost.
    fn object<T: mlark::format::Object>(&self, writer: &mut ArchiveWriter, number: u64, object: &T) {
        if !self.is_lost(T::KIND, number) {
            writer.write(object).unwrap();
        }
    }

    /// How many objects are lost, as the manifest says.
    fn left_out(&self) -> Vec<LossCount> {
        let count = |kind: Kind| {
            let lost = self.numbers().filter(|number| self.is_lost(kind, *number));
            LossCount {
                kind: kind.name().to_owned(),
                field: "*".to_owned(),
                reason: Reason::Deleted.into(),
                count: lost.count() as u64,
            }
        };
        let counts = OWNERS.into_iter().map(count);
        counts.filter(|count| count.count > 0).collect()
    }

    fn id(&self, kind: &str, number: u64) -> String {
        format!("{}{kind}{number}", self.prefix)
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        let held = *self;
        (0..SIZE).filter(move |number| held.has(*number))
    }

    /// Makes the archive; a name that ends in `.zip` makes a zip.
    pub(crate) fn build(&self, out: &Path) -> Archive {
        let options = WriterOptions {
            no_sync: true,
            threads: 1,
            ..WriterOptions::default()
        };
        let mut writer = ArchiveWriter::create(out, options).unwrap();
        for kind in Kind::ALL {
            writer.sort_at_end(*kind);
        }
        self.named(&mut writer);
        for number in self.numbers() {
            self.run(&mut writer, number);
            self.logged_model(&mut writer, number);
            self.version(&mut writer, number);
            self.trace(&mut writer, number);
            self.evaluation(&mut writer, number);
        }
        writer.drain_artifacts(&mut |_, _| unreachable!()).unwrap();
        let head = ManifestHead {
            selection: SelectionRecord {
                left_out: self.left_out(),
                ..SelectionRecord::default()
            },
            origin: self.origin.into(),
            source: SourceInfo {
                kind: "sql".into(),
                uri: self.origin.into(),
                ..SourceInfo::default()
            },
            ..ManifestHead::default()
        };
        writer.finish(head, Duplicates::Refuse).unwrap();
        Archive::open(out).unwrap()
    }

    fn named(&self, writer: &mut ArchiveWriter) {
        for name in ["default", "team"] {
            let workspace = Workspace {
                name: name.into(),
                ..Workspace::default()
            };
            writer.write(&workspace).unwrap();
        }
        let names = if self.turned {
            ["Default", "test", "train", "text"]
        } else {
            ["Default", "train", "test", "text"]
        };
        for (number, id) in EXPERIMENTS.into_iter().enumerate() {
            let experiment = Experiment {
                experiment_id: id.into(),
                name: names[number].into(),
                lifecycle_stage: "active".into(),
                workspace: (number == 3).then(|| "team".into()),
                ..Experiment::default()
            };
            writer.write(&experiment).unwrap();
            let dataset = Dataset {
                experiment_id: id.into(),
                name: "iris".into(),
                digest: "d".into(),
                ..Dataset::default()
            };
            writer.write(&dataset).unwrap();
            let scorer = Scorer {
                experiment_id: id.into(),
                name: "polite".into(),
                version: 1,
                ..Scorer::default()
            };
            // One database has one scorer of a name in an experiment, and so have two of which the experiments become one.
            if number > 0 {
                writer.write(&scorer).unwrap();
            }
        }
        for name in ["credit", "fraud"] {
            let mut model = RegisteredModel {
                name: name.into(),
                workspace: (name == "fraud").then(|| "team".into()),
                ..RegisteredModel::default()
            };
            model.aliases.insert("best".into(), 1);
            model.aliases.insert("dangles".into(), 99);
            writer.write(&model).unwrap();
        }
    }

    fn start(number: u64) -> Option<i64> {
        // Some at one time, one at none; three months.
        (number != 5).then(|| 1_700_000_000_000 + (number as i64 % 3) * 2_700_000_000)
    }

    fn run(&self, writer: &mut ArchiveWriter, number: u64) {
        let is_other = self.other >> number & 1 == 1;
        let differs = |difference| is_other && self.difference == difference;
        let id = self.id("r", number);
        // One that differs in its place, also where no start is known.
        let started = Self::start(number);
        let elsewhere = started.unwrap_or(0) + 1;
        let mut run = Run {
            info: RunInfo {
                run_id: id.clone(),
                experiment_id: EXPERIMENTS[number as usize % 4].into(),
                status: "FINISHED".into(),
                start_time: if differs(3) { Some(elsewhere) } else { started },
                end_time: Some(if self.old_runs >> number & 1 == 1 {
                    self.old
                } else {
                    self.changed
                }),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        if differs(0) {
            run.params.insert("p".into(), "other".into());
        }
        if number % 3 == 2 {
            let parent = self.id("r", number - 1);
            run.tags
                .insert("mlflow.parentRunId".into(), parent.as_str().into());
        }
        run.tags.insert(
            "model".into(),
            format!("models:/credit/{}", number + 1).as_str().into(),
        );
        run.inputs = RunInputs {
            dataset_inputs: vec![DatasetInput {
                name: "iris".into(),
                digest: "d".into(),
                tags: Default::default(),
            }],
            ..RunInputs::default()
        };
        run.outputs = RunOutputs {
            model_outputs: vec![ModelOutput {
                model_id: self.id("m-", number),
                step: 0,
            }],
        };
        let mut series = writer.point_series();
        // One that differs in its history has the same line: the point is none of the latest.
        for step in -i64::from(differs(1))..=(number as i64 % 3) {
            let point = Point {
                timestamp: step,
                step,
                value: Double(step as f64),
                link: None,
            };
            series.push(point).unwrap();
        }
        run.metrics
            .insert("loss".into(), series.latest().unwrap().clone());
        writer
            .write_metric(&run.info.sort_key(), &id, "loss", series)
            .unwrap();
        let text = if differs(2) {
            "other".to_owned()
        } else {
            format!("text {}", number % 4)
        };
        if self.has_all_lines || !self.is_lost(Kind::Runs, number) {
            self.file(writer, OwnerKind::Run, &id, run.info.sort_key(), text);
        }
        self.object(writer, number, &run);
    }

    fn file(
        &self,
        writer: &mut ArchiveWriter,
        kind: OwnerKind,
        id: &str,
        sort_key: mlark::format::SortKey,
        text: String,
    ) {
        let owner = Owner {
            kind,
            id: id.to_owned(),
            sort_key,
        };
        let source = ByteSource::Bytes(text.into_bytes());
        writer
            .artifact(&owner, "file.txt".to_owned(), source, &mut |_, _| unreachable!())
            .unwrap();
    }

    fn logged_model(&self, writer: &mut ArchiveWriter, number: u64) {
        let model = LoggedModel {
            model_id: self.id("m-", number),
            experiment_id: EXPERIMENTS[number as usize % 4].into(),
            creation_timestamp_ms: Self::start(number),
            status: "LOGGED_MODEL_READY".into(),
            lifecycle_stage: "active".into(),
            source_run_id: (number % 4 != 3).then(|| self.id("r", number)),
            ..LoggedModel::default()
        };
        let mut series = writer.point_series();
        let point = Point {
            timestamp: 1,
            step: 1,
            value: Double(0.5),
            link: None,
        };
        series.push(point).unwrap();
        writer
            .write_model_metric(&model.sort_key(), &model.model_id, "accuracy", series)
            .unwrap();
        let text = format!("model {}", number % 5);
        self.file(
            writer,
            OwnerKind::LoggedModel,
            &model.model_id,
            model.sort_key(),
            text,
        );
        self.object(writer, number, &model);
    }

    fn version(&self, writer: &mut ArchiveWriter, number: u64) {
        let name = if number.is_multiple_of(2) {
            "credit"
        } else {
            "fraud"
        };
        let version = ModelVersion {
            name: name.into(),
            version: number + 1,
            run_id: (number % 6 != 4).then(|| self.id("r", number)),
            model_id: number
                .is_multiple_of(3)
                .then(|| self.id("m-", (number + 1) % SIZE)),
            source: Some(format!("models:/credit/{}", number.max(1))),
            workspace: (name == "fraud").then(|| "team".into()),
            ..ModelVersion::default()
        };
        let text = format!("version {number}");
        self.file(
            writer,
            OwnerKind::ModelVersion,
            &version.id(),
            version.sort_key(),
            text,
        );
        self.object(writer, number, &version);
    }

    fn trace(&self, writer: &mut ArchiveWriter, number: u64) {
        let id = self.id("tr-", number);
        let mut trace = Trace {
            trace_id: id.clone(),
            experiment_id: EXPERIMENTS[(number as usize + 1) % 4].into(),
            request_time: Self::start(number),
            state: "OK".into(),
            ..Trace::default()
        };
        if number.is_multiple_of(2) {
            let run = self.id("r", number);
            trace
                .trace_metadata
                .insert("mlflow.sourceRun".into(), run.as_str().into());
        }
        if number % 4 == 1 {
            trace.linked_prompts.push("credit/3".into());
        }
        self.object(writer, number, &trace);
        for (span_id, start) in [("b", 1), ("a", 2)] {
            let span = Span {
                trace_id: id.clone(),
                span_id: span_id.into(),
                name: "work".into(),
                start_time_unix_nano: Some(start),
                ..Span::default()
            };
            let key = order::span(&trace.sort_key(), Some(start), span_id);
            let line = writer.line_of(to_value(&span)).unwrap();
            writer.write_line(Kind::Spans, key, span_id, &line).unwrap();
        }
        let text = format!("trace {number}");
        self.file(writer, OwnerKind::Trace, &id, trace.sort_key(), text);
    }

    fn evaluation(&self, writer: &mut ArchiveWriter, number: u64) {
        let dataset = EvaluationDataset {
            dataset_id: self.id("d-", number),
            name: format!("questions {number}"),
            experiment_ids: match number % 3 {
                0 => Vec::new(),
                1 => vec!["1".into()],
                _ => vec!["1".into(), "2".into(), "404".into()],
            },
            workspace: (number % 5 == 4).then(|| "team".into()),
            ..EvaluationDataset::default()
        };
        self.object(writer, number, &dataset);
        let record = DatasetRecord {
            dataset_record_id: self.id("dr-", number),
            dataset_id: dataset.dataset_id,
            inputs: Some(json!({"number": number})),
            ..DatasetRecord::default()
        };
        writer.write(&record).unwrap();
    }
}

/// A path below a directory, a zip or a directory by its number.
pub(crate) fn place(directory: &Path, name: &str, is_zip: bool) -> PathBuf {
    directory.join(if is_zip {
        format!("{name}.zip")
    } else {
        name.to_owned()
    })
}

/// What `verify` finds.
pub(crate) fn verified(path: &Path) -> mlark::archive::verify::VerifyReport {
    mlark::verify(path, &Default::default(), &mlark::monitor::Silent).unwrap()
}
