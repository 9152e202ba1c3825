//! An archive as rows of MLflow's tables, every id as it was.
//!
//! One pass over each kind makes the rows, in the order of foreign keys, and says what the tables do not hold; a plan is the same pass
//! without a database. The layouts of tables are those that the reader beside this module reads.
//!
//! | what the archive has | where it goes |
//! |---|---|
//! | URIs of artifacts | nowhere: the target has each owner's own place ([`place`], [`uris`]) |
//! | spans of a trace whose tag says that they are in the tracking store | `spans` |
//! | spans of other traces | the trace's artifact `traces.json`, where MLflow looks for them |
//! | derived columns of traces, spans and assessments | computed as MLflow computes them |

mod belonging;
mod clashes;
mod empty;
mod evaluation;
mod experiments;
mod fill;
mod fit;
mod known;
mod logged_models;
#[cfg(feature = "mysql")]
mod mysql;
mod outcome;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod registry;
mod rows;
mod rules;
mod runs;
mod sources;
mod spans;
mod sqlite;
mod target_tables;
mod traces;
mod uris;

use crate::archive::walk::{Head, for_each_artifact, text};
use crate::archive::{Archive, ArchiveError};
use crate::format::{Kind, Reason};
pub(crate) use crate::lang::sql::spans::ARTIFACT_LOCATION as TRACE_LOCATION;
use crate::model::{ArtifactFile, ArtifactList, Extra, Text};
use crate::monitor::Monitor;
pub(crate) use fill::{Load, LookedAt, OpenTarget};
pub(crate) use fit::LongValueRule;
pub(crate) use known::KnownExperiment;
pub(crate) use logged_models::CREATED;
pub use outcome::NewId;
pub(crate) use outcome::{StoreEdit, WriteOutcome};
pub(crate) use place::{StorePlace, StoreRoot};
pub(crate) use registry::{PROMPT_EXPERIMENTS, has_files};
use rows::Target;
use rows::{NoRows, RowSink};
pub use rules::IntoStore;
pub(crate) use rules::{RuleOptions, Rules};
use sha2::{Digest as _, Sha256};
use sqlite::NewDatabase;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
pub(crate) use target_tables::TableLayout;
pub(crate) use traces::{ARCHIVE_LOCATION, REQUEST_TIME};

/// Why rows cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The archive cannot be read, or a file cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database refuses.
    #[error("cannot write {what}: {detail}")]
    Database {
        /// What was written.
        what: String,
        /// Its words.
        detail: String,
    },
    /// The database cannot be reached, or is not one to be filled.
    #[error("{0}")]
    Target(String),
    /// Texts that are longer than their columns, where nobody said what becomes of them.
    #[error("{count} texts are longer than the columns of the target, such as {first}")]
    TooLong {
        /// How many.
        count: u64,
        /// Kind, id and field of one.
        first: String,
    },
    /// The archive is one that no such database can be made of.
    #[error("{0}")]
    Impossible(String),
}

pub(super) type Result<T, E = WriteError> = std::result::Result<T, E>;

/// Takes the files of owners.
pub(crate) trait FileSink {
    /// Takes an artifact of the owner that a list names and that keeps its files in a place; whether it can be there.
    ///
    /// # Errors
    /// It cannot be read or written.
    fn take(&mut self, list: &ArtifactList, place: &StorePlace, file: &ArtifactFile) -> Result<bool>;

    /// Begins a file of that owner which no artifact of the archive is; none where nothing is written.
    ///
    /// # Errors
    /// It cannot be made.
    fn create(&mut self, _place: &StorePlace, _name: &'static str) -> Result<Option<Box<dyn Write>>> {
        Ok(None)
    }
}

/// How a target is to be.
#[derive(Debug, Clone)]
pub(crate) struct TargetOptions {
    pub(crate) rules: RuleOptions,
    /// What the columns of the database hold of numbers.
    pub(crate) numbers: Numbers,
    /// Which tables and columns it has.
    pub(crate) layout: TableLayout,
}

/// What columns hold of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// SQLite: whole numbers of 64 bits, and zero without a sign.
    Sqlite,
    /// PostgreSQL: ids of experiments of 32 bits.
    Postgres,
    /// MySQL: the same, and finite numbers alone.
    Mysql,
}

impl Numbers {
    /// The largest id of an experiment.
    pub(crate) fn largest_experiment(self) -> i64 {
        match self {
            Numbers::Sqlite => i64::MAX,
            Numbers::Postgres | Numbers::Mysql => i32::MAX.into(),
        }
    }
}

/// An archive on its way into a database.
struct Writer<'a> {
    archive: &'a Archive,
    rows: &'a mut dyn RowSink,
    files: &'a mut dyn FileSink,
    rules: Rules,
    numbers: Numbers,
    layout: TableLayout,
    monitor: &'a dyn Monitor,
    /// Ids of the rows of datasets.
    datasets: HashSet<String>,
    /// Ids that a table holds once, whatever they belong to.
    unique: Unique,
    outcome: WriteOutcome,
}

/// Says what [`create`] would write, and writes nothing.
///
/// # Errors
/// The archive is damaged or cannot be a database at all.
pub(crate) fn plan(
    archive: &Archive,
    files: &mut dyn FileSink,
    options: TargetOptions,
    monitor: &dyn Monitor,
) -> Result<WriteOutcome> {
    write(archive, &mut NoRows, files, options, monitor)
}

/// Makes a SQLite file of an archive, and hands over the files of its objects.
///
/// # Errors
/// The archive is damaged or cannot be a database at all, or the file cannot be written.
pub(crate) fn create(
    path: &Path,
    archive: &Archive,
    files: &mut dyn FileSink,
    options: TargetOptions,
    monitor: &dyn Monitor,
) -> Result<WriteOutcome> {
    let database = NewDatabase::create(path)?;
    let outcome = write(archive, &mut database.rows(), files, options, monitor)?;
    database.finish()?;
    Ok(outcome)
}

fn write(
    archive: &Archive,
    rows: &mut dyn RowSink,
    files: &mut dyn FileSink,
    options: TargetOptions,
    monitor: &dyn Monitor,
) -> Result<WriteOutcome> {
    let mut writer = Writer {
        archive,
        rows,
        files,
        rules: Rules::new(options.rules),
        numbers: options.numbers,
        layout: options.layout,
        monitor,
        datasets: HashSet::new(),
        unique: Unique::default(),
        outcome: WriteOutcome::default(),
    };
    writer.workspaces_and_experiments()?;
    writer.held(Target::Datasets, &[Kind::Datasets], Writer::datasets)?;
    writer.find_sources()?;
    writer.runs()?;
    let models = [Kind::LoggedModels, Kind::ModelMetrics];
    writer.held(Target::LoggedModels, &models, Writer::logged_models)?;
    writer.registry()?;
    writer.held(Target::Traces, &[Kind::Traces, Kind::Spans], Writer::traces)?;
    let datasets = [Kind::EvaluationDatasets, Kind::DatasetRecords];
    writer.held(Target::EvaluationDatasets, &datasets, Writer::evaluation_datasets)?;
    writer.held(Target::Scorers, &[Kind::Scorers], Writer::scorers)?;
    Ok(writer.outcome)
}

/// The two halves of a script that makes tables, which a mark divides.
fn halves(script: &'static str, mark: &str) -> (&'static str, &'static str) {
    script
        .split_once(mark)
        .expect("the script that makes it puts the mark there")
}

/// Ids of one kind after the other, each by the begin of its digest.
#[derive(Default)]
struct Unique(HashSet<[u8; 16]>);

impl Unique {
    /// Takes an id; false where another has it.
    fn claim(&mut self, id: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(id).into();
        let mut begin = [0; 16];
        begin.copy_from_slice(&digest[..16]);
        self.0.insert(begin)
    }
}

/// Which object of the archive a row is made of.
#[derive(Debug, Clone, Copy)]
struct Subject<'s> {
    kind: Kind,
    id: &'s str,
}

impl<'s> Subject<'s> {
    fn of(kind: Kind, id: &'s str) -> Self {
        Subject { kind, id }
    }
}

impl Writer<'_> {
    /// Writes kinds of objects; or, where the target has no table for them, says of each that it is not held, and of each artifact.
    fn held(&mut self, target: Target, kinds: &[Kind], write: fn(&mut Self) -> Result<()>) -> Result<()> {
        if self.layout.has(target) {
            return write(self);
        }
        for &kind in kinds {
            for line in self.archive.values(kind) {
                let line = line?;
                let head = Head::of_value(kind, &line);
                if kind == Kind::LoggedModels {
                    self.learn_lost_model(&head, line["artifact_uri"].as_str());
                }
                let id = match kind {
                    Kind::ModelMetrics => text(head.owner(kind)).to_owned(),
                    _ => head.id(kind),
                };
                self.lose(Subject::of(kind, &id), "*", Reason::NotHeld);
            }
        }
        let archive = self.archive;
        for_each_artifact(archive, &mut |entry| {
            if Kind::from(entry.owner.kind) == kinds[0] {
                let (kind, path) = (Kind::Artifacts, &entry.file.path);
                self.outcome.lose(kind, &entry.owner.id, path, Reason::NotHeld);
            }
            Ok::<_, ArchiveError>(())
        })?;
        Ok(())
    }

    /// Learns where a logged model that the target cannot hold would keep its files: versions may say that they come from there.
    fn learn_lost_model(&mut self, model: &Head, stated: Option<&str>) {
        let (id, experiment) = (text(&model.model_id), text(&model.experiment_id));
        let place = self
            .rules
            .experiment(experiment)
            .map(|known| known.place().logged_model(id));
        if let Some(place) = place {
            let (uri, _) = self.rules.place(&place, stated);
            self.rules.learn_root(id, stated, &uri);
        }
    }

    fn begin(&self, kind: Kind) {
        self.monitor
            .begin(kind.name(), Some(self.archive.manifest().count(kind)));
    }

    /// A text as UTF-8, which all that MLflow reads has to be.
    fn text<'t>(&mut self, subject: Subject<'_>, field: &str, key: &str, text: &'t Text) -> Cow<'t, str> {
        if text.as_str().is_none() {
            self.lose(subject, &format!("{field}.{key}"), Reason::ReplacedCharacters);
        }
        text.to_display()
    }

    fn lose(&mut self, subject: Subject<'_>, field: &str, reason: Reason) {
        self.outcome.lose(subject.kind, subject.id, field, reason);
    }

    /// Fields for which the tables have no column.
    fn lose_extra(&mut self, subject: Subject<'_>, extra: &Extra, within: &str) {
        for name in extra.keys() {
            self.lose(subject, &format!("{within}{name}"), Reason::NotHeld);
        }
    }

    /// A number, or 0 in a column that must have one.
    fn required(&mut self, subject: Subject<'_>, field: &str, number: Option<i64>) -> i64 {
        number.unwrap_or_else(|| {
            self.lose(subject, field, Reason::AbsentAsDefault);
            0
        })
    }

    /// A time by which a store orders, or 0.
    fn ordering(&mut self, kind: Kind, field: &'static str, time: Option<i64>) -> i64 {
        time.unwrap_or_else(|| {
            self.outcome.edit(StoreEdit::Default, kind, field);
            0
        })
    }

    /// A text, or an empty one in a column that must have one.
    fn required_text<'t>(&mut self, subject: Subject<'_>, field: &str, text: Option<&'t str>) -> &'t str {
        text.unwrap_or_else(|| {
            self.lose(subject, field, Reason::AbsentAsDefault);
            ""
        })
    }

    /// The URI of a place, in place of what the archive says.
    fn set_place(
        &mut self,
        kind: Kind,
        field: &'static str,
        place: &StorePlace,
        stated: Option<&str>,
    ) -> String {
        let (uri, edit) = self.rules.place(place, stated);
        self.outcome.edit(edit, kind, field);
        uri
    }
}
