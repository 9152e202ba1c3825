//! What the columns of a server's database hold: widths of texts, characters, numbers, and rows that foreign keys refuse.

use super::rows::{RowSink, Target};
use super::{Outcome, Result, WriteError};
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::model::printable::printable;
use std::collections::{BTreeMap, HashSet};

/// What is done with a text that is longer than its column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LongValues {
    /// Nothing is written.
    #[default]
    Fail,
    /// What fits is written.
    Truncate,
}

/// A column of a target.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Column {
    /// Characters of a text, where they are bounded.
    pub(super) width: Option<usize>,
    /// Whether a number of 32 bits stands there.
    pub(super) is_narrow: bool,
}

/// The tables of a target.
#[derive(Debug, Default)]
pub(super) struct TargetTables(BTreeMap<String, BTreeMap<String, Column>>);

impl TargetTables {
    pub(super) fn add(&mut self, table: &str, column: &str, facts: Column) {
        let columns = self.0.entry(table.to_owned()).or_default();
        columns.insert(column.to_owned(), facts);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The columns that are written, in the order of [`Target::columns`].
    fn columns(&self, target: Target) -> Result<Vec<Column>> {
        let table = self.0.get(target.name());
        let column = |name: &&str| table.and_then(|table| table.get(*name)).copied();
        let found: Option<Vec<_>> = target.columns().iter().map(column).collect();
        found.ok_or_else(|| {
            let text = format!(
                "table `{}` is not as MLflow makes it, or not there",
                target.name()
            );
            WriteError::Target(text)
        })
    }
}

/// A loss that a column is the reason of.
#[derive(Debug)]
struct ColumnLoss {
    kind: Kind,
    id: String,
    field: String,
    reason: Reason,
}

/// Rows on their way into columns.
pub(super) struct Fitted<'a> {
    columns: Vec<Vec<Column>>,
    inner: &'a mut dyn RowSink,
    long_values: LongValues,
    /// Runs that are there, of which points of logged models name one.
    runs: HashSet<Vec<u8>>,
    losses: Vec<ColumnLoss>,
    /// Texts that are too long, where that ends a restore.
    too_long: u64,
}

impl<'a> Fitted<'a> {
    pub(super) fn new(
        tables: &TargetTables,
        inner: &'a mut dyn RowSink,
        long_values: LongValues,
    ) -> Result<Self> {
        let columns = Target::ALL.iter().map(|target| tables.columns(*target));
        Ok(Fitted {
            columns: columns.collect::<Result<_>>()?,
            inner,
            long_values,
            runs: HashSet::new(),
            losses: Vec::new(),
            too_long: 0,
        })
    }

    /// Adds what columns do not hold to an outcome.
    ///
    /// # Errors
    /// Texts are too long, and nobody said what becomes of them.
    pub(super) fn finish(&mut self, mut outcome: Outcome) -> Result<Outcome> {
        let first = self
            .losses
            .iter()
            .find(|loss| loss.reason == Reason::ValueTooLong);
        if let (Some(loss), 1..) = (first, self.too_long) {
            return Err(WriteError::TooLong {
                count: self.too_long,
                first: format!(
                    "{} of {} `{}`",
                    printable(&loss.field),
                    loss.kind,
                    printable(&loss.id)
                ),
            });
        }
        for loss in self.losses.drain(..) {
            outcome.lose(loss.kind, &loss.id, &loss.field, loss.reason);
        }
        Ok(outcome)
    }

    fn lose(&mut self, target: Target, row: &[Cell<'_>], column: usize, reason: Reason) {
        let (kind, id, field) = target.place(row, column);
        self.losses.push(ColumnLoss {
            kind,
            id,
            field,
            reason,
        });
    }

    /// Whether a row refers to a run that is not there, which a foreign key refuses.
    fn is_orphan(&mut self, target: Target, row: &[Cell<'_>]) -> bool {
        match (target, row) {
            (Target::Runs, [Cell::Bytes(run), ..]) => {
                self.runs.insert(run.to_vec());
                false
            }
            (Target::LoggedModelMetrics, [_, _, _, _, _, Cell::Bytes(run), ..]) => !self.runs.contains(*run),
            _ => false,
        }
    }

    /// A text as the column holds it, where that is another than it is.
    fn fitted(&mut self, target: Target, row: &[Cell<'_>], at: usize, text: &[u8]) -> Result<Option<String>> {
        let text = String::from_utf8_lossy(text);
        let mut fitted = None;
        if text.contains('\0') {
            self.lose(target, row, at, Reason::NulReplaced);
            fitted = Some(text.replace('\0', "\u{fffd}"));
        }
        let held = fitted.as_deref().unwrap_or(&text);
        let Some(width) = self.columns[target as usize][at].width else {
            return Ok(fitted);
        };
        let Some((end, _)) = held.char_indices().nth(width) else {
            return Ok(fitted);
        };
        if target.is_key(at) {
            return Err(does_not_fit(target, row, at, &format!("{width} characters")));
        }
        let cut = held[..end].to_owned();
        self.lose(target, row, at, Reason::ValueTooLong);
        self.too_long += u64::from(self.long_values == LongValues::Fail);
        Ok(Some(cut))
    }
}

impl RowSink for Fitted<'_> {
    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        if self.is_orphan(target, row) {
            self.lose(target, row, 0, Reason::RunNotInTarget);
            return Ok(());
        }
        let mut texts = vec![None; row.len()];
        for (at, cell) in row.iter().enumerate() {
            match *cell {
                Cell::Bytes(text) => texts[at] = self.fitted(target, row, at, text)?,
                Cell::Integer(number) => {
                    if self.columns[target as usize][at].is_narrow && i32::try_from(number).is_err() {
                        return Err(does_not_fit(target, row, at, "32 bits"));
                    }
                }
                Cell::Real(_) | Cell::Null => {}
            }
        }
        let cells = row.iter().zip(&texts);
        let fitted: Vec<Cell<'_>> = cells
            .map(|(cell, text)| text.as_ref().map_or(*cell, Cell::from))
            .collect();
        self.inner.insert(target, &fitted)
    }
}

/// What names an object, or is a number, cannot be cut.
fn does_not_fit(target: Target, row: &[Cell<'_>], at: usize, size: &str) -> WriteError {
    let (kind, id, field) = target.place(row, at);
    let (table, column) = (target.name(), target.columns()[at]);
    WriteError::Impossible(format!(
        "{field} of {kind} `{}` does not fit column `{table}.{column}`, which holds {size}",
        printable(&id)
    ))
}
