//! Rows for people and for programs: an aligned table on a terminal, tab-separated values in a pipe.

use super::screen::{Screen, is_stdout_terminal};
use crate::report::list::{Column, ColumnForm};
use crate::report::text::{printable, time_text, value_text};
use serde_json::Value;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Rows by which the widths of columns are chosen.
const MEASURED_ROWS: usize = 500;
/// Longer values are cut on a terminal.
const CELL_CHARACTERS: usize = 60;
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
    columns: &'static [Column],
    measured: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: Screen<W>, form: Form, columns: &'static [Column]) -> Self {
        Table {
            out,
            form,
            columns,
            measured: Vec::new(),
            widths: None,
        }
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
                    .map(|(column, value)| (column.name.to_owned(), value.clone()))
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
                    Some(widths) => writeln!(self.out, "{}", row_text(self.columns, widths, &cells)),
                    None => {
                        self.measured.push(cells);
                        match self.measured.len() < MEASURED_ROWS {
                            true => Ok(()),
                            false => self.measure(),
                        }
                    }
                }
            }
        }
    }

    /// Prints what is held.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.form == Form::Terminal && self.widths.is_none() && !self.measured.is_empty() {
            self.measure()?;
        }
        self.out.flush()
    }

    fn measure(&mut self) -> io::Result<()> {
        let width = |index: usize, column: &Column| {
            let cells = self.measured.iter().map(|row| row[index].width());
            cells.chain([heading(column).width()]).max().unwrap_or(0)
        };
        let columns = self.columns.iter().enumerate();
        let widths: Vec<usize> = columns.map(|(index, column)| width(index, column)).collect();
        let names: Vec<_> = self.columns.iter().map(heading).collect();
        let names = row_text(self.columns, &widths, &names);
        self.out.styled(HEADING, names)?;
        writeln!(self.out)?;
        for cells in std::mem::take(&mut self.measured) {
            writeln!(self.out, "{}", row_text(self.columns, &widths, &cells))?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

/// A column's name over a table; units stand in the cells there.
fn heading(column: &Column) -> String {
    let name = column.name.strip_suffix("_bytes").unwrap_or(column.name);
    name.replace('_', " ")
}

fn row_text(columns: &[Column], widths: &[usize], cells: &[String]) -> String {
    let mut line = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let gap = " ".repeat(width.saturating_sub(cell.width()));
        match column.form {
            ColumnForm::Number | ColumnForm::Bytes => line.extend([gap.as_str(), cell]),
            ColumnForm::Text | ColumnForm::Time => line.extend([cell, gap.as_str()]),
        }
        line.push_str("  ");
    }
    line.truncate(line.trim_end().len());
    line
}

fn piped_cell(column: &Column, value: &Value) -> String {
    match (column.form, value) {
        (_, Value::Null) => String::new(),
        (ColumnForm::Time, Value::Number(number)) => {
            number.as_i64().map_or_else(|| number.to_string(), time_text)
        }
        _ => value_text(value, PIPED_CHARACTERS),
    }
}

fn terminal_cell(column: &Column, value: &Value) -> String {
    match (column.form, value) {
        (_, Value::Null) => "-".to_owned(),
        (ColumnForm::Time, Value::Number(number)) => {
            let time = number.as_i64().map_or_else(|| number.to_string(), time_text);
            time.split_once('.')
                .map_or(time.clone(), |(start, _)| start.replace('T', " "))
        }
        (ColumnForm::Bytes, Value::Number(number)) => number
            .as_u64()
            .map_or_else(|| number.to_string(), super::common::bytes),
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
mod tests {
    use super::*;
    use crate::report::list::Noun;
    use serde_json::json;

    fn printed(form: Form, noun: Noun, rows: &[Vec<Value>]) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(Screen::text(&mut out), form, noun.columns());
        rows.iter().for_each(|row| table.row(row).unwrap());
        table.finish().unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        String::from_utf8(text).unwrap()
    }

    fn artifacts() -> Vec<Vec<Value>> {
        let digest = "ab".repeat(32);
        vec![
            json!(["run", "r1", "a/b.txt", 12, digest, null]),
            json!(["run", "r1", "日本\u{1b}[2J\t\n", 12_345_678, digest, null]),
            json!(["model_version", "churn/3", "x", null, null, "failed"]),
        ]
        .into_iter()
        .map(|row| row.as_array().unwrap().clone())
        .collect()
    }

    #[test]
    fn a_terminal_gets_aligned_columns_under_their_names() {
        insta::assert_snapshot!(printed(Form::Terminal, Noun::Artifacts, &artifacts()));
        let run = json!([
            "r1",
            "1",
            "x".repeat(80),
            "FINISHED",
            "active",
            1_670_836_055_960_i64,
            null,
            null,
            2,
            10
        ]);
        let rows = [run.as_array().unwrap().clone()];
        insta::assert_snapshot!(printed(Form::Terminal, Noun::Runs, &rows));
        assert_eq!(printed(Form::Terminal, Noun::Runs, &[]), "");
    }

    #[test]
    fn a_pipe_gets_one_row_a_line_whatever_it_holds() {
        insta::assert_snapshot!(printed(Form::Piped, Noun::Artifacts, &artifacts()).replace('\t', " | "));
        insta::assert_snapshot!(printed(Form::Json, Noun::Artifacts, &artifacts()));
    }

    #[test]
    fn rows_after_the_measured_ones_come_at_once() {
        let row = artifacts().remove(0);
        let text = printed(Form::Terminal, Noun::Artifacts, &vec![row; MEASURED_ROWS + 3]);
        assert_eq!(text.lines().count(), MEASURED_ROWS + 4);
    }
}
