//! Rows for people and for programs: an aligned table on a terminal, tab-separated values in a pipe.

use super::Screen;
use super::screen::is_stdout_terminal;
use crate::report::list::{ColumnForm, Heading};
use crate::report::text::{printable, time_text, value_text};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Rows by which the widths of columns are chosen.
const MEASURED_ROWS: usize = 500;
/// Longer values are cut on a terminal.
const CELL_CHARACTERS: usize = 60;
/// Columns that are cut to fit the terminal keep this many characters.
const NARROWEST: usize = 12;
/// Spaces between two columns.
const GAP: usize = 2;
/// Longer values are cut in a pipe, where they end with length and digest.
const PIPED_CHARACTERS: usize = 1000;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For a person.
    Terminal,
    /// For a program.
    Piped,
    /// One JSON object a line.
    Json,
}

impl Form {
    /// The form for stdout.
    pub(super) fn of_stdout(json: bool) -> Self {
        match (json, is_stdout_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Terminal,
            (false, false) => Form::Piped,
        }
    }

    /// Where results of this form are printed.
    pub(super) fn screen(self) -> Screen<impl Write> {
        Screen::stdout(self == Form::Json)
    }
}

/// A heading, where colour is wanted.
pub(super) const HEADING: anstyle::Style = anstyle::Style::new().bold();

/// Prints rows as they come.
pub(super) struct Table<W: Write> {
    out: Screen<W>,
    form: Form,
    columns: Vec<Heading>,
    measured: Vec<Vec<String>>,
    /// None while rows are measured.
    widths: Option<Widths>,
    /// Columns of the terminal, where that is known.
    room: Option<usize>,
    /// Whether the first column may be cut too.
    has_narrow_keys: bool,
}

/// How wide the columns are.
struct Widths {
    /// 0 for a column that does not fit.
    columns: Vec<usize>,
    /// Whether texts had to be cut or columns dropped; then no later row is wider.
    is_cut: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: Screen<W>, form: Form, columns: Vec<Heading>) -> Self {
        Table {
            out,
            form,
            columns,
            measured: Vec::new(),
            widths: None,
            room: room(),
            has_narrow_keys: false,
        }
    }

    /// Fits the table into so many columns, where that is said.
    pub(super) fn in_room(mut self, room: Option<usize>) -> Self {
        self.room = room;
        self
    }

    /// Lets the first column be cut, which else is an id.
    pub(super) fn with_narrow_keys(mut self) -> Self {
        self.has_narrow_keys = true;
        self
    }

    /// Prints a row, or holds it until widths are known.
    pub(super) fn row(&mut self, values: &[Value]) -> io::Result<()> {
        match self.form {
            Form::Json => {
                let fields = self
                    .columns
                    .iter()
                    .zip(values)
                    .filter(|(_, value)| !value.is_null());
                let object: serde_json::Map<_, _> = fields
                    .map(|(column, value)| (column.name.clone(), value.clone()))
                    .collect();
                writeln!(self.out, "{}", crate::report::text::json_text(&object))
            }
            Form::Piped => {
                let cells = self.columns.iter().zip(values);
                let cells: Vec<_> = cells.map(|(column, value)| piped_cell(column, value)).collect();
                writeln!(self.out, "{}", cells.join("\t"))
            }
            Form::Terminal => {
                let cells = self.columns.iter().zip(values);
                let cells: Vec<_> = cells
                    .map(|(column, value)| terminal_cell(column, value))
                    .collect();
                match &self.widths {
                    Some(widths) => writeln!(self.out, "{}", row_text(&self.columns, widths, &cells)),
                    None => {
                        self.measured.push(cells);
                        if self.measured.len() < MEASURED_ROWS {
                            Ok(())
                        } else {
                            self.measure()
                        }
                    }
                }
            }
        }
    }

    /// Prints what is held, and names the columns that did not fit.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.form == Form::Terminal && self.widths.is_none() && !self.measured.is_empty() {
            self.measure()?;
        }
        let widths = self.widths.iter().flat_map(|widths| &widths.columns);
        let dropped: Vec<_> = self
            .columns
            .iter()
            .zip(widths)
            .filter(|(_, width)| **width == 0)
            .map(|(column, _)| heading(column))
            .collect();
        if !dropped.is_empty() {
            let names = dropped.join(", ");
            writeln!(
                self.out,
                "not shown, for lack of room: {names} (--json and pipes have all)"
            )?;
        }
        self.out.flush()
    }

    fn measure(&mut self) -> io::Result<()> {
        let width = |index: usize, column: &Heading| {
            let cells = self.measured.iter().map(|row| row[index].width());
            cells.chain([heading(column).width()]).max().unwrap_or(0)
        };
        let columns = self.columns.iter().enumerate();
        let mut widths: Vec<usize> = columns.map(|(index, column)| width(index, column)).collect();
        let is_cut = self
            .room
            .is_some_and(|room| fit(&self.columns, &mut widths, room, self.has_narrow_keys));
        let widths = Widths {
            columns: widths,
            is_cut,
        };
        let names: Vec<_> = self.columns.iter().map(heading).collect();
        let names = row_text(&self.columns, &widths, &names);
        self.out.styled(HEADING, names)?;
        writeln!(self.out)?;
        for cells in std::mem::take(&mut self.measured) {
            writeln!(self.out, "{}", row_text(&self.columns, &widths, &cells))?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

/// The columns of the terminal, where that is known.
pub(super) fn room() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// A column's name over a table; units stand in the cells there.
fn heading(column: &Heading) -> String {
    if column.name.contains(['.', '(']) {
        // A key or the name of a run is as its user chose it.
        return printable(&column.name).into_owned();
    }
    let name = column.name.strip_suffix("_bytes").unwrap_or(&column.name);
    name.replace('_', " ")
}

/// Makes a row fit, and says whether something had to go: the widest texts are cut first, then columns are dropped from the
/// right. The first column stays.
fn fit(columns: &[Heading], widths: &mut [usize], room: usize, has_narrow_keys: bool) -> bool {
    let taken = |widths: &[usize]| {
        let shown = widths.iter().filter(|width| **width > 0);
        shown.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    let mut is_cut = false;
    loop {
        let excess = taken(widths).saturating_sub(room);
        if excess == 0 {
            return is_cut;
        }
        is_cut = true;
        // An id that is cut is of no use.
        let can_shrink = |index: &usize| {
            columns[*index].form == ColumnForm::Text
                && (*index > 0 || has_narrow_keys)
                && widths[*index] > NARROWEST
        };
        let widest = (0..widths.len())
            .filter(can_shrink)
            .max_by_key(|index| widths[*index]);
        if let Some(index) = widest {
            // Down to the next widest, so that no column pays for all.
            let next = (0..widths.len())
                .filter(|other| *other != index && can_shrink(other) && widths[*other] < widths[index])
                .map(|other| widths[other])
                .max()
                .unwrap_or(NARROWEST);
            widths[index] = next.max(widths[index].saturating_sub(excess));
        } else if let Some(last) = (1..widths.len()).rfind(|index| widths[*index] > 0) {
            widths[last] = 0;
        } else {
            return is_cut;
        }
    }
}

/// A text that takes no more than `width` columns of a terminal.
fn within(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut taken = 0;
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken >= width {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    Cow::Owned(kept)
}

fn row_text(columns: &[Heading], widths: &Widths, cells: &[String]) -> String {
    let mut line = String::new();
    for ((column, &width), cell) in columns.iter().zip(&widths.columns).zip(cells) {
        if width == 0 {
            continue;
        }
        // A number or a time is never cut.
        let cell = if widths.is_cut && column.form == ColumnForm::Text {
            within(cell, width)
        } else {
            Cow::Borrowed(cell.as_str())
        };
        let gap = " ".repeat(width.saturating_sub(cell.width()));
        match column.form {
            ColumnForm::Number | ColumnForm::Double | ColumnForm::Bytes => line.extend([gap.as_str(), &cell]),
            ColumnForm::Text | ColumnForm::Time => line.extend([&cell, gap.as_str()]),
        }
        line.push_str(&" ".repeat(GAP));
    }
    line.truncate(line.trim_end().len());
    line
}

fn piped_cell(column: &Heading, value: &Value) -> String {
    match (column.form, value) {
        (_, Value::Null) => String::new(),
        (ColumnForm::Time, Value::Number(number)) => {
            number.as_i64().map_or_else(|| number.to_string(), time_text)
        }
        _ => value_text(value, PIPED_CHARACTERS),
    }
}

fn terminal_cell(column: &Heading, value: &Value) -> String {
    match (column.form, value) {
        (_, Value::Null) => "-".to_owned(),
        (ColumnForm::Time, Value::Number(number)) => {
            let time = number.as_i64().map_or_else(|| number.to_string(), time_text);
            time.split_once('.')
                .map_or(time.clone(), |(start, _)| start.replace('T', " "))
        }
        (ColumnForm::Bytes, Value::Number(number)) => number
            .as_u64()
            .map_or_else(|| number.to_string(), crate::cli::humanize::bytes),
        (_, Value::String(text)) if column.name == "path" => printable(text).into_owned(),
        (_, Value::String(text)) if column.name == "sha256" => text.chars().take(12).collect(),
        (_, Value::String(text)) => cut(&printable(text)),
        (_, other) => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
