//! A whole archive as one stable text, for snapshot tests and for review.
//!
//! The text has a part per kind and a paragraph per object. What differs between two recordings of the same
//! history is replaced by placeholders that keep identity: the second run is `run-2` wherever its id stands.
//! Experiments are ordered by name and their runs by start time, since ids are often random. The text and what
//! it is made of are held in memory: this is for archives of tests, not of years. Texts too long for a line are not:
//! the start of one is shown, with the size and digest that it has in the archive, its ids and times included.

mod redact;
mod redactions;

pub use redactions::{Redaction, Redactions};

use super::long_text::start_of;
use super::object::lines_of;
use super::series::for_each_series;
use super::text::{json_text, printable, shortened};
use crate::archive::walk::{PLAIN, Wanted, for_each_artifact, newer_fields, newer_kinds};
use crate::archive::{Archive, ArchiveError, Result, blob_reference, blob_reference_of};
use crate::format::{Kind, LossCount};
use redact::Redactor;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display, Write as _};

/// Longer texts are cut, and end with their length and digest.
const VALUE_CHARACTERS: usize = 200;

/// What a snapshot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotOptions {
    /// What is replaced by placeholders: all of it, unless said.
    pub redact: Redactions,
    /// Shows sizes of artifacts.
    pub sizes: bool,
    /// Shows digests of artifacts.
    pub digests: bool,
}

/// An archive as lines of text, object by object. It is displayed as the text, and serialized as the same lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Snapshot {
    /// What was replaced by placeholders.
    pub redacted: Redactions,
    /// The objects, by kind; those of a kind are in the order of the text.
    pub objects: Vec<SnapshotObject>,
    /// What a newer minor version of the format brought, a line for each field and kind.
    pub newer: Vec<String>,
    /// What the archive says that it does not hold, a line for each reason.
    pub losses: Vec<String>,
}

/// An object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SnapshotObject {
    /// Its kind, such as `runs`.
    pub kind: String,
    /// Its name or id, or what stands for it, such as `run-2`.
    pub name: String,
    /// Its values, such as `info.status = "FINISHED"`, then its metric histories and artifacts.
    pub lines: Vec<String>,
}

/// A stable, redacted text of an archive, to be compared with an earlier one.
///
/// ```
/// # use mlark::archive::{ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("history.zip");
/// # let mut writer = ArchiveWriter::create(&path, WriterOptions::default())?;
/// # let mut experiment = mlark::model::Experiment::default();
/// # (experiment.experiment_id, experiment.name) = ("847".into(), "training".into());
/// # experiment.lifecycle_stage = "active".into();
/// # writer.write(&experiment)?;
/// # writer.finish(ManifestHead::default(), Duplicates::Refuse)?;
/// let archive = mlark::archive::Archive::open(&path)?;
/// insta::assert_snapshot!(mlark::report::snapshot(&archive)?, @r#"
/// == experiments: 1
///
/// experiment-1
///   lifecycle_stage = "active"
///   name = "training"
/// "#);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The archive cannot be read.
pub fn snapshot(archive: &Archive) -> Result<String> {
    snapshot_with(archive, &SnapshotOptions::default())
}

/// A stable text of an archive, with what is replaced chosen.
///
/// ```
/// use mlark::report::{Redaction, Redactions, SnapshotOptions, snapshot_with};
///
/// let archive = mlark::Archive::open("fixtures/golden/v1.0/archive.zip".as_ref())?;
/// let redact = Redactions::from_iter([Redaction::Times, Redaction::Users]);
/// let text = snapshot_with(&archive, &SnapshotOptions { redact, ..SnapshotOptions::default() })?;
/// assert!(text.contains("info.start_time = [time]") && text.contains("info.user_id = user-1"));
/// # Ok::<(), mlark::ArchiveError>(())
/// ```
///
/// # Errors
/// The archive cannot be read.
pub fn snapshot_with(archive: &Archive, options: &SnapshotOptions) -> Result<String> {
    Ok(Snapshot::read(archive, options)?.to_string())
}

impl Snapshot {
    /// The snapshot of an archive.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn read(archive: &Archive, options: &SnapshotOptions) -> Result<Self> {
        let ordered = ordered_objects(archive)?;
        let mut redactor = Redactor::new(options.redact);
        for (kind, lines) in &ordered {
            for line in lines {
                redactor.learn(*kind, line);
            }
        }
        let mut belongings = Belongings::default();
        belongings.read(archive, options, &mut redactor)?;
        let mut objects = Vec::new();
        for (kind, lines) in &ordered {
            for line in lines {
                objects.push(object(archive, *kind, line, &mut redactor, &mut belongings)?);
            }
        }
        Ok(Snapshot {
            redacted: options.redact,
            objects,
            newer: newer(archive)?,
            losses: losses(archive),
        })
    }
}

impl Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for objects in self.objects.chunk_by(|one, next| one.kind == next.kind) {
            parts.push(format!("== {}: {}", objects[0].kind, objects.len()));
            for object in objects {
                let mut part = object.name.clone();
                object.lines.iter().for_each(|line| part.extend(["\n  ", line]));
                parts.push(part);
            }
        }
        for (heading, lines) in [("of a newer version", &self.newer), ("losses", &self.losses)] {
            if !lines.is_empty() {
                parts.extend([format!("== {heading}"), lines.join("\n")]);
            }
        }
        writeln!(f, "{}", parts.join("\n\n"))
    }
}

/// Objects by kind, in the order of the text; kinds without objects are left out.
fn ordered_objects(archive: &Archive) -> Result<Vec<(Kind, Vec<Value>)>> {
    let mut ranks = Ranks::default();
    let mut objects = Vec::new();
    for &kind in Kind::ALL {
        if matches!(kind, Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts) {
            continue;
        }
        let mut lines = lines_of(archive, kind, |_| true)?;
        lines.sort_by_cached_key(|line| ranks.key(kind, line));
        ranks.learn(kind, &lines);
        if !lines.is_empty() {
            objects.push((kind, lines));
        }
    }
    Ok(objects)
}

/// Places of experiments, traces and evaluation datasets, by which what belongs to them is ordered.
#[derive(Default)]
struct Ranks {
    places: HashMap<String, usize>,
}

impl Ranks {
    /// A sort is stable: what has equal keys stays in the archive's order.
    fn key(&self, kind: Kind, line: &Value) -> (usize, Option<i64>, String) {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let rank = |pointer: &str| self.places.get(text(pointer)).copied().unwrap_or(usize::MAX);
        match kind {
            Kind::Experiments | Kind::EvaluationDatasets => (0, None, text("/name").to_owned()),
            Kind::Runs => {
                let start_time = line.pointer("/info/start_time").and_then(Value::as_i64);
                let name = text("/info/run_name").to_owned();
                (rank("/info/experiment_id"), start_time, name)
            }
            Kind::Datasets | Kind::LoggedModels | Kind::Traces | Kind::Scorers => {
                (rank("/experiment_id"), None, String::new())
            }
            Kind::Spans => (rank("/trace_id"), None, String::new()),
            Kind::DatasetRecords => (rank("/dataset_id"), None, line["inputs"].to_string()),
            _ => (0, None, String::new()),
        }
    }

    fn learn(&mut self, kind: Kind, lines: &[Value]) {
        let field = match kind {
            Kind::Experiments => "experiment_id",
            Kind::Traces => "trace_id",
            Kind::EvaluationDatasets => "dataset_id",
            _ => return,
        };
        let ids = lines.iter().filter_map(|line| line[field].as_str());
        self.places
            .extend(ids.enumerate().map(|(place, id)| (id.to_owned(), place)));
    }
}

/// Metrics and artifacts as lines of text, by kind and id of their owner.
#[derive(Default)]
struct Belongings {
    lines: BTreeMap<(Kind, String), Vec<String>>,
}

impl Belongings {
    fn read(&mut self, archive: &Archive, options: &SnapshotOptions, redactor: &mut Redactor) -> Result<()> {
        for (kind, owner) in [
            (Kind::Metrics, Kind::Runs),
            (Kind::ModelMetrics, Kind::LoggedModels),
        ] {
            for_each_series(archive, kind, None, &mut |series| {
                let line = series_line(&series);
                self.lines.entry((owner, series.owner_id)).or_default().push(line);
                Ok::<_, ArchiveError>(())
            })?;
        }
        for_each_artifact(archive, &mut |entry| {
            let file = entry.file;
            let mut line = format!("artifact {}", printable(&redactor.text(&file.path)));
            if let Some(absent) = file.absent {
                let _ = write!(line, " absent: {}", json_text(&absent).trim_matches('"'));
            }
            if let Some(size_bytes) = file.size_bytes.filter(|_| options.sizes) {
                let _ = write!(line, " {size_bytes} bytes");
            }
            if let Some(digest) = file.sha256.filter(|_| options.digests) {
                let _ = write!(line, " sha256 {digest}");
            }
            let kind = Kind::from(entry.owner.kind);
            self.lines
                .entry((kind, entry.owner.id.clone()))
                .or_default()
                .push(line);
            Ok::<_, ArchiveError>(())
        })
    }
}

fn series_line(series: &super::SeriesFacts) -> String {
    let number = |value: &crate::model::Double| json_text(value).trim_matches('"').to_owned();
    let mut line = format!("history {}: ", printable(&series.key));
    let points = if series.points == 1 { "point" } else { "points" };
    let _ = write!(
        line,
        "{} {points}, steps {} to {}",
        series.points, series.first_step, series.last_step
    );
    let _ = write!(
        line,
        ", first {}, last {}",
        number(&series.first),
        number(&series.last)
    );
    if let (Some(min), Some(max)) = (&series.min, &series.max) {
        let _ = write!(line, ", min {}, max {}", number(min), number(max));
    }
    line
}

fn object(
    archive: &Archive,
    kind: Kind,
    line: &Value,
    redactor: &mut Redactor,
    belongings: &mut Belongings,
) -> Result<SnapshotObject> {
    let id = crate::archive::walk::Head::read(kind, &crate::format::line::canonical(line))
        .map(|head| head.id(kind));
    let id = id.unwrap_or_default();
    let name = printable(&redactor.heading(kind, line, &id)).into_owned();
    let mut lines = Vec::new();
    fields(&mut lines, archive, line, &mut Vec::new(), kind, redactor)?;
    lines.extend(belongings.lines.remove(&(kind, id)).unwrap_or_default());
    let kind = kind.to_string();
    Ok(SnapshotObject { kind, name, lines })
}

/// A line per value, its key before it.
fn fields(
    lines: &mut Vec<String>,
    archive: &Archive,
    value: &Value,
    key: &mut Vec<String>,
    kind: Kind,
    redactor: &mut Redactor,
) -> Result<()> {
    match value {
        Value::Object(map) if is_latest_metric(kind, key) => {
            let value = map.get("value").map(json_text).unwrap_or_default();
            let step = map.get("step").map(json_text).unwrap_or_default();
            let (key, value) = (key.join("."), value.trim_matches('"'));
            lines.push(format!("{} = {value} (step {step})", printable(&key)));
        }
        Value::Object(map) if blob_reference_of(map).is_none() => {
            for (name, value) in map {
                key.push(name.clone());
                fields(lines, archive, value, key, kind, redactor)?;
                key.pop();
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                key.push(format!("[{index}]"));
                fields(lines, archive, value, key, kind, redactor)?;
                key.pop();
            }
        }
        value => {
            // The heading says this already.
            if kind.is_id(key) {
                return Ok(());
            }
            // The start of a long text is short already, and says so at its end.
            let (value, limit) = match blob_reference(value) {
                Some(blob) => (Cow::Owned(Value::String(start_of(archive, &blob)?)), usize::MAX),
                None => (Cow::Borrowed(value), VALUE_CHARACTERS),
            };
            let shown = match redactor.value(kind, key, &value) {
                redact::Shown::Placeholder(placeholder) => placeholder,
                redact::Shown::Value(Value::String(value)) => json_text(&shortened(&value, limit)),
                redact::Shown::Value(value) => json_text(&value),
            };
            lines.push(format!("{} = {shown}", printable(&super::diff::joined_key(key))));
        }
    }
    Ok(())
}

fn is_latest_metric(kind: Kind, key: &[String]) -> bool {
    kind == Kind::Runs && key.len() == 2 && key[0] == "metrics"
}

/// What a newer minor version of the format brought and no object above shows.
fn newer(archive: &Archive) -> Result<Vec<String>> {
    let fields = newer_fields(archive, PLAIN, Wanted::All)?;
    let fields = fields.iter().map(|((kind, field), found)| {
        format!("{kind} {}: {} ({})", printable(field), found.count, found.sha256)
    });
    let kinds = newer_kinds(archive)
        .into_iter()
        .map(|(kind, count)| format!("{kind}: {count}"));
    Ok(fields.chain(kinds).collect())
}

/// What the archive says that it does not hold.
fn losses(archive: &Archive) -> Vec<String> {
    let manifest = archive.manifest();
    let parts: [(&str, &[LossCount]); 3] = [
        ("left out", &manifest.selection.left_out),
        ("limit", &manifest.losses.limits),
        ("failure", &manifest.losses.failures),
    ];
    let all = parts
        .into_iter()
        .flat_map(|(label, losses)| losses.iter().map(move |loss| (label, loss)));
    all.map(|(label, loss)| {
        format!(
            "{label} {} {}: {} ({})",
            printable(&loss.kind),
            printable(&loss.field),
            printable(loss.reason.as_str()),
            loss.count
        )
    })
    .collect()
}
