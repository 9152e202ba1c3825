//! Runs in an order that was asked for, and by columns of their params, metrics and tags.

use super::{Chosen, ColumnForm, Heading, ListFilter, Noun, list};
use crate::archive::walk::Cursor;
use crate::archive::{Archive, ArchiveError, SpillSorter};
use crate::format::Kind;
use crate::model::Run;
use crate::report::error::ReportError;
use crate::select::{OrderBy, RunColumn};
use serde_json::Value;
use std::io;

/// How runs are listed; the default is as every list is.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunShape {
    /// What is shown beside a run's id; where it is empty, what every list of runs shows.
    pub columns: Vec<RunColumn>,
    /// In which order; where it is empty, the archive's.
    pub order_by: OrderBy,
}

impl RunShape {
    /// Whether it is as every list is.
    pub(crate) fn is_plain(&self) -> bool {
        self.columns.is_empty() && self.order_by.is_empty()
    }

    /// The headings of the columns.
    pub(crate) fn headings(&self) -> Vec<Heading> {
        if self.columns.is_empty() {
            return Noun::Runs.headings();
        }
        let shown = self.columns.iter().map(|column| Heading {
            name: column.name().to_owned(),
            form: if column.is_time() {
                ColumnForm::Time
            } else {
                ColumnForm::Text
            },
        });
        let id = Noun::Runs.headings().into_iter().take(1);
        id.chain(shown).collect()
    }

    fn row(&self, object: &Value, run: &Run) -> Vec<Value> {
        if self.columns.is_empty() {
            return Noun::Runs
                .columns()
                .iter()
                .map(|column| column.value(object))
                .collect();
        }
        let id = Value::from(run.info.run_id.as_str());
        let shown = self.columns.iter().map(|column| column.value(run));
        std::iter::once(id).chain(shown).collect()
    }
}

/// Hands one row per run to `sink`; runs in an order that was asked for are sorted in bounded memory.
///
/// # Errors
/// The archive cannot be read, no temporary file can be written, or `sink` fails.
pub(crate) fn list_runs<E: From<ReportError>>(
    archive: &Archive,
    filter: &ListFilter,
    shape: &RunShape,
    sink: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    if shape.is_plain() {
        return list(archive, Noun::Runs, filter, sink);
    }
    let failed = |error: ArchiveError| ReportError::from(error);
    let not_sorted = |error: io::Error| failed(ArchiveError::temporary(error));
    let chosen = Chosen::new(archive, filter)?;
    let mut sorter = (!shape.order_by.is_empty()).then(|| SpillSorter::new(&std::env::temp_dir()));
    let mut cursor = Cursor::new(archive, Kind::Runs).map_err(failed)?;
    while cursor.line().is_some() {
        let object = cursor.value().map_err(failed)?;
        if chosen.takes(Noun::Runs, &object) {
            let run: Run = cursor.parse().or_else(|_| cursor.object()).map_err(failed)?;
            let row = shape.row(&object, &run);
            match &mut sorter {
                None => sink(row)?,
                Some(sorter) => {
                    let bytes = serde_json::to_vec(&row).map_err(io::Error::other);
                    let pushed = bytes.and_then(|bytes| sorter.push(shape.order_by.sort_key(&run), bytes));
                    pushed.map_err(not_sorted)?;
                }
            }
        }
        cursor.advance().map_err(failed)?;
    }
    let Some(sorter) = sorter else { return Ok(()) };
    for record in sorter.finish().map_err(not_sorted)? {
        let row = record.and_then(|(_, bytes)| serde_json::from_slice(&bytes).map_err(io::Error::other));
        sink(row.map_err(not_sorted)?)?;
    }
    Ok(())
}
