//! An export in progress: the archive being written, and one place for what cannot be.

mod artifacts;
mod credentials;
mod datasets;
mod door;
mod error;
mod keep_going;
mod options;
mod parts;
mod server_options;
mod shard;
mod survey_counts;
mod zip_limits;

pub(crate) use datasets::DatasetBody;
pub use error::ExportError;
pub(crate) use keep_going::refuse;
pub use options::ExportOptions;
pub use server_options::RestOptions;
pub use survey_counts::{Survey, SurveyCounts};
pub use zip_limits::UnpackLimits;

use self::door::Door;
use crate::archive::{ArchiveError, ArchiveWriter, Duplicates, ManifestHead};
use crate::format::fit::{Misfit, Weighed};
use crate::format::line::{take_value, to_value};
use crate::format::manifest::{FORMER_ORIGIN, SelectionRecord, SourceInfo};
use crate::format::{Kind, LossCount, Manifest, Object, Reason};
use crate::model::Run;
use crate::model::mask;
use crate::model::uri;
use crate::monitor::Monitor;
use crate::select::Matched;
use credentials::Suspicion;
use datasets::SeenDatasets;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// What an export made.
#[derive(Debug, Clone)]
pub struct ExportReport {
    /// The manifest of the archive.
    pub manifest: Manifest,
    /// Things that could not be read; only with `--keep-going`.
    pub failures: u64,
    /// What a survey counted.
    pub survey: SurveyCounts,
    /// What was found for what was asked by name.
    pub matched: Matched,
}

/// An export in progress. A source calls [`Export::write`] for each object, [`Export::failure`] for what it
/// cannot read and [`Export::limit`] for what cannot be held, and [`Export::finish`] at the end.
pub(crate) struct Export<'m> {
    /// The archive being written.
    pub writer: ArchiveWriter,
    /// What was asked for.
    pub options: ExportOptions,
    /// Options that choose, of what the source's URI leads to, the data that is read; never secrets.
    pub chosen: Vec<(String, String)>,
    monitor: &'m dyn Monitor,
    left_out: BTreeMap<(String, Reason), u64>,
    survey: SurveyCounts,
    door: Door,
    matched: Matched,
    /// Datasets that runs told of one by one.
    pub(crate) datasets: SeenDatasets,
    shard: shard::ShardState,
}

impl<'m> Export<'m> {
    /// Begins an export to `out`.
    ///
    /// # Errors
    /// The output exists, or cannot be written.
    pub(crate) fn create(
        out: &Path,
        options: ExportOptions,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, ExportError> {
        Ok(Export {
            writer: ArchiveWriter::create(out, options.writer.clone())?,
            options,
            chosen: Vec::new(),
            monitor,
            left_out: BTreeMap::new(),
            survey: SurveyCounts::default(),
            door: Door::default(),
            matched: Matched::default(),
            datasets: SeenDatasets::default(),
            shard: shard::ShardState::default(),
        })
    }

    /// Who is told of progress.
    pub(crate) fn monitor(&self) -> &'m dyn Monitor {
        self.monitor
    }

    /// Writes an object; one that the format cannot hold, or that comes twice, is a failure.
    ///
    /// # Errors
    /// The archive cannot be written, or a failure without `--keep-going`.
    pub(crate) fn write<T: Object>(&mut self, object: &T) -> Result<(), ExportError> {
        match self.admitted(object)? {
            Some(object) => self.write_admitted(&*object, to_value(&*object)),
            None => Ok(()),
        }
    }

    /// Writes a run and takes its params and tags, which can be many, so that none of them is held twice.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub(crate) fn write_run(&mut self, run: &mut Run) -> Result<(), ExportError> {
        let mended = match self.admitted(run)? {
            Some(Cow::Borrowed(_)) => None,
            Some(Cow::Owned(mended)) => Some(mended),
            None => return Ok(()),
        };
        if let Some(mended) = mended {
            *run = mended;
        }
        let value = take_value(run);
        self.write_admitted(run, value)
    }

    /// The object as it can be written, where it can.
    fn admitted<'o, T: Object>(&mut self, object: &'o T) -> Result<Option<Cow<'o, T>>, ExportError> {
        self.check_interrupt()?;
        let object = if object.has_misplaced() {
            Cow::Owned(self.mended(T::KIND, &object.id(), object)?)
        } else {
            Cow::Borrowed(object)
        };
        let is_admitted = self.admits(T::KIND, || object.id(), &*object)? && self.admits_place(&*object)?;
        Ok(is_admitted.then_some(object))
    }

    fn write_admitted<T: Object>(&mut self, object: &T, value: Value) -> Result<(), ExportError> {
        if !self.is_survey() {
            for Suspicion { place, what } in credentials::scan(&value) {
                let (kind, id) = (T::KIND, object.id());
                self.monitor.notice(&format!(
                    "{kind} `{id}`: {place} looks like {what}; it is kept as it is"
                ));
            }
        }
        let value = self.fit(T::KIND, &object.id(), value, is_text_of::<T>)?;
        let written = self.writer.write_weighed(object, value);
        let is_written = written.is_ok();
        self.accept(T::KIND, written)?;
        if is_written {
            self.door.note(object);
        } else {
            self.door.refuse(T::KIND, &object.id());
        }
        Ok(())
    }

    /// Leaves out fields that no line can hold, each a failure, so that the object is kept with the rest.
    fn fit(
        &mut self,
        kind: Kind,
        id: &str,
        value: Value,
        is_whole: impl Fn(&Value) -> bool,
    ) -> Result<Weighed, ExportError> {
        let mut value = Weighed::new(value);
        // Where the field must stand, writing the object says why it cannot be.
        while let Some(Misfit { field, reason }) = value.leave_out(&is_whole) {
            self.failure(kind, id, &field, Reason::Unwritable, &reason)?;
        }
        Ok(value)
    }

    /// Takes note of what was found for what was asked: from here on, ids of runs are whole.
    pub(crate) fn matched(&mut self, matched: Matched) {
        self.options.selection.runs.clone_from(&matched.runs);
        self.matched = matched;
    }

    /// Takes note of an option that nothing matches, as it is told.
    pub(crate) fn silent(&mut self, option: String) {
        self.matched.silent.push(option);
    }

    /// Whether the source is looked at only.
    pub(crate) fn is_survey(&self) -> bool {
        self.options.survey.is_some()
    }

    /// Whether any of these kinds is taken or looked at.
    pub(crate) fn looks_at(&self, kinds: &[Kind]) -> bool {
        let survey = self.options.survey.as_ref();
        survey.is_none_or(|survey| kinds.iter().any(|kind| survey.kinds.contains(kind)))
    }

    /// Counts objects that a survey does not list.
    pub(crate) fn count(&mut self, kind: Kind, count: u64) {
        *self.survey.counted.entry(kind).or_insert(0) += count;
    }

    /// Counts metrics or traces whose points or spans a survey does not ask for.
    pub(crate) fn not_asked(&mut self, kind: Kind, count: u64) {
        *self.survey.not_asked.entry(kind).or_insert(0) += count;
    }

    /// Ends the work where that was asked for.
    ///
    /// # Errors
    /// It was.
    pub(crate) fn check_interrupt(&self) -> Result<(), ExportError> {
        if self.options.interrupt.is_set() {
            Err(ExportError::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Turns an object that the format cannot hold into a failure.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub(crate) fn accept(
        &mut self,
        kind: Kind,
        written: Result<(), ArchiveError>,
    ) -> Result<(), ExportError> {
        match written {
            Err(ArchiveError::Object { id, reason, .. }) => {
                self.failure(kind, &id, "*", Reason::Unwritable, &reason)
            }
            written => Ok(written?),
        }
    }

    /// Counts what the source or the format cannot hold.
    pub(crate) fn limit(&mut self, kind: impl AsRef<str>, field: &str, reason: Reason, count: u64) {
        if !self.counts_elsewhere() {
            self.writer.limit(kind.as_ref(), field, reason, count);
        }
    }

    /// Counts objects that the choices left out; `reason` is `deleted` or `not-selected`.
    pub(crate) fn left_out(&mut self, kind: Kind, reason: Reason, count: u64) {
        if count > 0 && !self.counts_elsewhere() {
            let key = (kind.name().to_owned(), reason);
            *self.left_out.entry(key).or_insert(0) += count;
        }
    }

    /// Completes the archive.
    ///
    /// # Errors
    /// As [`Export::drain`].
    pub(crate) fn finish(mut self, mut source: SourceInfo) -> Result<ExportReport, ExportError> {
        self.drain()?;
        self.check_interrupt()?;
        self.report_missing()?;
        let left_out = self.left_out.iter().map(|((kind, reason), &count)| LossCount {
            kind: kind.clone(),
            field: "*".to_owned(),
            reason: (*reason).into(),
            count,
        });
        let selection = SelectionRecord {
            options: self.options.selection.to_manifest(self.options.include_deleted),
            left_out: left_out.collect(),
        };
        if let Some(source_uri) = &self.options.source_uri {
            source.uri = mask::redact(source_uri);
        }
        let named = self.options.origin.take();
        if named.is_none() && !self.chosen.is_empty() {
            // What an earlier version called both parts: its journals are still found.
            let former = uri::origin_of(&source.uri);
            source.details.insert(FORMER_ORIGIN.to_owned(), former);
        }
        let head = ManifestHead {
            origin: named.unwrap_or_else(|| uri::origin_of_part(&source.uri, &self.chosen)),
            source,
            selection,
            shard: self.shard_of_source(),
            ..ManifestHead::default()
        };
        let duplicates = if self.options.keep_going {
            Duplicates::KeepFirst
        } else {
            Duplicates::Refuse
        };
        let manifest = self.writer.finish(head, duplicates)?;
        let failures = manifest.losses.failures.iter().map(|loss| loss.count).sum();
        Ok(ExportReport {
            manifest,
            failures,
            survey: self.survey,
            matched: self.matched,
        })
    }
}

/// Whether a value is that of an object, all that must stand included.
fn is_text_of<T: Serialize + DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok_and(|object| to_value(&object) == *value)
}
