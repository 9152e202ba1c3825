//! What differs between two archives, down to the value; content alone, never manifests.
//!
//! Both archives are in the same canonical order, so that one pass over each is enough, and memory holds a few
//! lines (of spans: those of one trace). Lines that are equal byte for byte are passed over unparsed. An object
//! whose place in the order differs, such as a run with another start time, is one object less and one more.

mod files;
mod limits;
mod merge;
mod objects;
mod points;
mod spans;
mod value;

use crate::archive::walk::{PLAIN, Wanted, newer_fields};
use crate::archive::{Archive, ArchiveError, Result as ArchiveResult};
use crate::format::manifest::FileDescriptor;
use crate::format::{ArchivePath, Kind, Manifest};
use crate::model::OwnerKind;
use crate::model::named::named;
use crate::monitor::Monitor;
use limits::Limits;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// What to compare and what to leave out.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiffOptions {
    /// Leaves out differences in what either archive counts as a limit, by kind and field.
    pub ignore_limits: bool,
}

named! {
    serialized
    /// What happened to a key between the two archives.
    pub enum Change {
        /// Only in the second.
        Added = "added",
        /// Only in the first.
        Removed = "removed",
        /// In both, with different values.
        Changed = "changed",
    }
}

/// One difference: a key of an object, or a whole object.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// What happened.
    pub change: Change,
    /// Kind of the object.
    pub kind: String,
    /// Id of the object; of metrics, spans and artifacts that of the owner.
    pub id: String,
    /// Kind of the owner, for artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_kind: Option<OwnerKind>,
    /// Where in the object: field names and keys, `[…]` for an element of a list; empty for the whole object. For
    /// metrics the name comes first, for artifacts the path.
    pub key: Vec<String>,
    /// Value in the first archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value in the second archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Points of a metric that is in both archives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<PointDifferences>,
}

/// How the points of one metric differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct PointDifferences {
    /// Points only in the second archive.
    pub added: u64,
    /// Points only in the first.
    pub removed: u64,
    /// Points of the same time and step, with another value or link.
    pub changed: u64,
    /// The first few of them.
    pub first: Vec<PointDifference>,
}

/// One point that differs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PointDifference {
    /// Epoch milliseconds.
    pub timestamp: i64,
    /// Step.
    pub step: i64,
    /// Value in the first archive, with its links where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value in the second archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Difference {
    /// The key as one text: parts joined with `.`, `*` for the whole object.
    pub fn key_text(&self) -> String {
        if self.key.is_empty() {
            "*".to_owned()
        } else {
            value::joined(&self.key)
        }
    }
}

/// Compares two archives and hands each difference to `sink`, in the order of the archive. Equal content ids end
/// it at once.
///
/// ```no_run
/// use mlark::archive::{Archive, ArchiveError};
/// use mlark::report::{DiffOptions, diff};
/// # fn main() -> Result<(), ArchiveError> {
/// let (before, after) = (Archive::open("a.zip".as_ref())?, Archive::open("b.zip".as_ref())?);
/// diff(&before, &after, DiffOptions::default(), &mlark::monitor::Silent, &mut |difference| {
///     println!("{} {} {}", difference.kind, difference.id, difference.key_text());
///     Ok::<_, ArchiveError>(())
/// })
/// # }
/// ```
///
/// # Errors
/// An archive cannot be read or is out of order, or `sink` fails.
pub fn diff<E: From<ArchiveError>>(
    before: &Archive,
    after: &Archive,
    options: DiffOptions,
    monitor: &dyn Monitor,
    sink: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<(), E> {
    let manifests = [before.manifest(), after.manifest()];
    if manifests[0].content_id == manifests[1].content_id {
        return Ok(());
    }
    let total: u64 = manifests
        .iter()
        .flat_map(|manifest| manifest.counts.values())
        .sum();
    monitor.begin("compare", Some(total));
    let limits = if options.ignore_limits {
        Limits::of(manifests)
    } else {
        Limits::default()
    };
    let mut pair = Pair {
        before,
        after,
        limits,
        hidden: HashSet::new(),
        monitor,
        passed_lines: 0,
        sink,
    };
    for &kind in Kind::ALL {
        if !same_files(manifests, kind.name()) {
            pair.compare(kind)?;
        }
    }
    pair.compare_newer_fields()?;
    pair.compare_unknown_kinds()
}

/// Files of a kind, by its name, known or not.
fn files_of<'m>(manifest: &'m Manifest, kind: &str) -> impl Iterator<Item = &'m FileDescriptor> {
    let is_of_kind = move |file: &&FileDescriptor| file.path.kind_name() == Some(kind);
    manifest.files.iter().filter(is_of_kind)
}

fn same_files([before, after]: [&Manifest; 2], kind: &str) -> bool {
    let digests = |manifest| files_of(manifest, kind).map(|file| file.sha256);
    digests(before).eq(digests(after))
}

/// Two archives under comparison.
struct Pair<'a, E> {
    before: &'a Archive,
    after: &'a Archive,
    limits: Limits,
    /// Kind and id of objects that only one archive has, by a limit.
    hidden: HashSet<(String, String)>,
    monitor: &'a dyn Monitor,
    passed_lines: u64,
    sink: &'a mut dyn FnMut(Difference) -> Result<(), E>,
}

impl<E: From<ArchiveError>> Pair<'_, E> {
    fn compare(&mut self, kind: Kind) -> Result<(), E> {
        match kind {
            Kind::Metrics | Kind::ModelMetrics => self.compare_points(kind),
            Kind::Artifacts => self.compare_files(),
            Kind::Spans => self.compare_spans(),
            _ => self.compare_objects(kind),
        }
    }

    /// Hands on a difference unless a limit covers all its fields, each given by the parts of its key.
    fn tell(&mut self, fields: &[&[&str]], difference: Difference) -> Result<(), E> {
        let is_covered = |field: &&[&str]| self.limits.covers(&difference.kind, field);
        if fields.iter().all(is_covered) {
            if difference.key.is_empty() {
                self.hidden.insert((difference.kind, difference.id));
            }
            return Ok(());
        }
        if self.is_of_hidden(&difference) {
            Ok(())
        } else {
            (self.sink)(difference)
        }
    }

    /// Whether it is about something of an object that a limit hides as a whole; such objects are compared first.
    fn is_of_hidden(&self, difference: &Difference) -> bool {
        let owner = match (difference.owner_kind, difference.kind.as_str()) {
            (Some(owner_kind), _) => Kind::from(owner_kind),
            (None, "metrics") => Kind::Runs,
            (None, "model-metrics") => Kind::LoggedModels,
            _ => return false,
        };
        let is_hidden = |id: &str| self.hidden.contains(&(owner.name().to_owned(), id.to_owned()));
        !self.hidden.is_empty() && is_hidden(&difference.id)
    }

    /// Tells of progress now and then.
    fn pass_lines(&mut self, lines: u64) {
        self.passed_lines += lines;
        if self.passed_lines >= 256 {
            self.monitor.advance(self.passed_lines);
            self.passed_lines = 0;
        }
    }

    /// Fields of a newer minor version in lines that are compared by what this build knows of them.
    fn compare_newer_fields(&mut self) -> Result<(), E> {
        let mut fields: BTreeMap<(Kind, String), [Option<Value>; 2]> = BTreeMap::new();
        for (side, archive) in [self.before, self.after].into_iter().enumerate() {
            for (field, found) in newer_fields(archive, PLAIN, Wanted::All)? {
                let value = json!({"count": found.count, "sha256": found.sha256});
                fields.entry(field).or_default()[side] = Some(value);
            }
        }
        for ((kind, field), [before, after]) in fields {
            if before != after {
                let difference = Difference::new(kind.name(), WHOLE, vec![field], before, after);
                (self.sink)(difference)?;
            }
        }
        Ok(())
    }

    /// Kinds of a newer minor version: which of their files differ.
    fn compare_unknown_kinds(&mut self) -> Result<(), E> {
        let mut files: BTreeMap<ArchivePath, [Option<Value>; 2]> = BTreeMap::new();
        for (side, archive) in [self.before, self.after].into_iter().enumerate() {
            let manifest = archive.manifest();
            for file in manifest.files.iter().filter(|file| file.path.is_newer()) {
                let value = json!({"count": file.count, "sha256": file.sha256});
                files.entry(file.path.clone()).or_default()[side] = Some(value);
            }
        }
        for (path, [before, after]) in files {
            if before != after {
                let kind = path.kind_name().unwrap_or_default();
                let difference = Difference::new(kind, path.as_str(), Vec::new(), before, after);
                (self.sink)(difference)?;
            }
        }
        Ok(())
    }
}

impl Difference {
    fn new(
        kind: impl Into<String>,
        id: impl Into<String>,
        key: Vec<String>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Self {
        let change = match (&before, &after) {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            _ => Change::Changed,
        };
        Difference {
            change,
            kind: kind.into(),
            id: id.into(),
            owner_kind: None,
            key,
            before,
            after,
            points: None,
        }
    }
}

/// Parts of a key as one text: joined with `.`, elements of lists as they are.
pub(super) fn joined_key(key: &[String]) -> String {
    value::joined(key)
}

/// Field that stands for an object as a whole in limits.
const WHOLE: &str = "*";

/// Whether the archives have the same content, limits aside or not.
///
/// # Errors
/// An archive cannot be read.
pub(crate) fn is_equal(before: &Archive, after: &Archive, options: DiffOptions) -> ArchiveResult<bool> {
    enum Stop {
        Different,
        Error(ArchiveError),
    }
    impl From<ArchiveError> for Stop {
        fn from(error: ArchiveError) -> Self {
            Stop::Error(error)
        }
    }
    let found = diff(before, after, options, &crate::monitor::Silent, &mut |_| {
        Err(Stop::Different)
    });
    match found {
        Ok(()) => Ok(true),
        Err(Stop::Different) => Ok(false),
        Err(Stop::Error(error)) => Err(error),
    }
}
