//! What the columns of a server's database hold: widths of texts, characters, numbers, and rows that foreign keys refuse.

use super::clashes::{Clashes, Weigh};
use super::outcome::StoreLoss;
use super::rows::{RowSink, Target};
use super::target_tables::{Column, TableLayout, TargetTables};
use super::{Result, WriteError, WriteOutcome};
use crate::format::Reason;
use crate::lang::sql::database::Cell;
use crate::model::printable::printable;
use std::collections::HashSet;

/// What is done with a text that is longer than its column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LongValueRule {
    /// Nothing is written.
    #[default]
    Fail,
    /// What fits is written.
    Truncate,
}

/// Rows on their way into columns.
pub(super) struct Fitted<'a> {
    layout: &'a TableLayout,
    columns: Vec<Vec<Column>>,
    takes_anything: bool,
    row_bytes: Option<usize>,
    inner: &'a mut dyn RowSink,
    long_values: LongValueRule,
    clashes: Option<Clashes<'a>>,
    /// Runs that are there, of which points of logged models name one.
    runs: HashSet<Vec<u8>>,
    losses: Vec<StoreLoss>,
    /// Texts that are too long, where that ends a restore.
    too_long: u64,
}

impl<'a> Fitted<'a> {
    pub(super) fn new(
        tables: &TargetTables,
        layout: &'a TableLayout,
        inner: &'a mut dyn RowSink,
        long_values: LongValueRule,
        weigh: Option<&'a Weigh>,
    ) -> Self {
        Fitted {
            layout,
            columns: Target::ALL.iter().map(|target| tables.columns(*target)).collect(),
            takes_anything: tables.takes_anything,
            row_bytes: tables.row_bytes,
            inner,
            long_values,
            clashes: weigh.map(Clashes::new),
            runs: HashSet::new(),
            losses: Vec::new(),
            too_long: 0,
        }
    }

    /// Adds what columns do not hold to an outcome.
    ///
    /// # Errors
    /// Texts are too long, and nobody said what becomes of them.
    pub(super) fn finish(&mut self, mut outcome: WriteOutcome) -> Result<WriteOutcome> {
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
            outcome.lose_so(loss);
        }
        Ok(outcome)
    }

    fn lose(&mut self, target: Target, row: &[Cell<'_>], column: usize, reason: Reason) {
        self.losses.push(target.loss(row, column, reason));
    }

    /// Whether a row refers to a run that is not there, which a foreign key refuses.
    fn is_orphan(&mut self, target: Target, row: &[Cell<'_>]) -> bool {
        match (target, row) {
            _ if self.takes_anything => false,
            (Target::Runs, [Cell::Bytes(run), ..]) => {
                self.runs.insert(run.to_vec());
                false
            }
            (Target::LoggedModelMetrics, [_, _, _, _, _, Cell::Bytes(run), ..]) => !self.runs.contains(*run),
            _ => false,
        }
    }

    /// Whether a row has a name that is one with another of the same owner, to this target.
    fn is_as_another(&mut self, target: Target, row: &[Cell<'_>]) -> Result<bool> {
        let (Some(clashes), Some(named)) = (&mut self.clashes, target.named()) else {
            return Ok(false);
        };
        let Some(collation) = &self.columns[target as usize][named.1].collation else {
            return Ok(false);
        };
        if !clashes.is_as_another(target, row, collation, named)? {
            return Ok(false);
        }
        if target.is_part() {
            self.lose(target, row, named.1, Reason::NameAsAnother);
            return Ok(true);
        }
        let (kind, id, _) = target.place(row, named.1);
        Err(WriteError::Impossible(format!(
            "the name of {kind} `{}` equals the name of another one in this database, which ignores case and trailing spaces: rename one first",
            printable(&id)
        )))
    }

    /// Notes what a table has no column for.
    fn lose_lacking(&mut self, target: Target, row: &[Cell<'_>]) {
        let Some(places) = self.layout.places(target) else {
            return self.lose(target, row, 0, Reason::NotHeld);
        };
        let columns = target.columns();
        if places.len() == columns.len() {
            return;
        }
        for at in (0..columns.len()).filter(|at| !places.contains(at)) {
            let says_nothing = match row[at] {
                Cell::Null => true,
                Cell::Integer(0) => columns[at] == "step",
                _ => false,
            };
            if !says_nothing && !target.is_spare(columns[at]) {
                self.lose(target, row, at, Reason::NotHeld);
            }
        }
    }

    /// Refuses a row that cannot be sent.
    fn check_size(&self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        let Some(most) = self.row_bytes else { return Ok(()) };
        let quotes = |text: &[u8]| text.iter().filter(|byte| **byte == b'\'').count();
        let bytes = row.iter().map(|cell| match cell {
            Cell::Bytes(text) => text.len() + quotes(text),
            _ => 32,
        });
        let bytes: usize = bytes.sum();
        if bytes <= most {
            return Ok(());
        }
        let (kind, id, _) = target.place(row, 0);
        Err(WriteError::Impossible(format!(
            "a row of {kind} `{}` has {bytes} bytes, more than the {most} that the server accepts: raise its `max_allowed_packet`",
            printable(&id)
        )))
    }

    /// A text as the column holds it, where that is another than it is.
    fn fitted(&mut self, target: Target, row: &[Cell<'_>], at: usize, text: &[u8]) -> Result<Option<String>> {
        let text = String::from_utf8_lossy(text);
        let mut fitted = None;
        if text.contains('\0') && !self.takes_anything {
            self.lose(target, row, at, Reason::NulReplaced);
            fitted = Some(text.replace('\0', "\u{fffd}"));
        }
        let held = fitted.as_deref().unwrap_or(&text);
        let column = &self.columns[target as usize][at];
        let by_width = column.width.and_then(|width| held.char_indices().nth(width));
        let by_octets = column.octets.filter(|octets| held.len() > *octets);
        let by_octets =
            by_octets.and_then(|octets| (0..=octets).rev().find(|end| held.is_char_boundary(*end)));
        let Some(end) = by_width.map(|(end, _)| end).into_iter().chain(by_octets).min() else {
            return Ok(fitted);
        };
        if target.is_key(at) {
            let size = match (column.width, column.octets) {
                (Some(width), _) => format!("{width} characters"),
                (None, octets) => format!("{} bytes", octets.unwrap_or_default()),
            };
            return Err(does_not_fit(target, row, at, &size));
        }
        let cut = held[..end].to_owned();
        self.lose(target, row, at, Reason::ValueTooLong);
        self.too_long += u64::from(self.long_values == LongValueRule::Fail);
        Ok(Some(cut))
    }
}

impl RowSink for Fitted<'_> {
    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        if self.is_orphan(target, row) {
            self.lose(target, row, 0, Reason::RunNotInTarget);
            return Ok(());
        }
        self.lose_lacking(target, row);
        let layout = self.layout;
        let Some(places) = layout.places(target) else {
            return Ok(());
        };
        if self.is_as_another(target, row)? {
            return Ok(());
        }
        self.check_size(target, row)?;
        let mut texts = vec![None; row.len()];
        for &at in places {
            match row[at] {
                Cell::Bytes(text) => texts[at] = self.fitted(target, row, at, text)?,
                Cell::Integer(number) => {
                    if self.columns[target as usize][at].is_narrow && i32::try_from(number).is_err() {
                        return Err(does_not_fit(target, row, at, "32 bits"));
                    }
                }
                Cell::Real(_) | Cell::Null => {}
            }
        }
        let cell = |at: &usize| texts[*at].as_ref().map_or(row[*at], Cell::from);
        let fitted: Vec<Cell<'_>> = places.iter().map(cell).collect();
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
