//! `mlark compare`.

use super::table::{Form, HEADING, Table, room};
use super::{Exit, Result, Screen, grouped, print_json};
use crate::archive::Archive;
use crate::report::compare::{ComparedRow, ComparedRun, Comparison, Part, compare};
use crate::report::list::{ColumnForm, Heading};
use crate::report::text::time_text;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Compare runs side by side
///
/// Each run is a column. The rows are params, latest metrics, datasets, tags and other properties: first the rows that differ,
/// then the rows that are equal.
///
/// When piped, each row is one line: `differs` or `same`, the key, and a value for each run, separated by tabs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark compare history.zip 6f2c 9a1e
  mlark compare history.zip baseline tuned --different
  mlark compare history.zip 6f2c 9a1e 77b0 --json")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Runs to compare, each by id, the start of its id, or name
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<String>,
    /// Show only rows that differ
    #[arg(short, long)]
    different: bool,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let mut comparison = compare(&archive, &self.runs)?;
        if self.different {
            comparison.rows.retain(|row| row.differs);
        }
        match Form::of_stdout(self.json) {
            Form::Json => print_json(&comparison)?,
            form => {
                let mut screen = Screen::stdout(false);
                print_rows(&mut screen, &comparison, form, room())?;
                screen.flush()?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Prints rows on a screen with room for so many columns.
fn print_rows<W: Write>(
    screen: &mut Screen<W>,
    comparison: &Comparison,
    form: Form,
    room: Option<usize>,
) -> io::Result<()> {
    let runs = comparison.runs.iter().map(run_column);
    if form == Form::Piped {
        let columns = [text_column("differs"), text_column("key")]
            .into_iter()
            .chain(runs);
        let mut table = Table::new(screen.lent(), form, columns.collect());
        for row in &comparison.rows {
            let word = if row.differs { "differs" } else { "same" };
            let mut cells = vec![json!(word), json!(key(row))];
            cells.extend(row.values.iter().map(|value| shown(row, value)));
            table.row(&cells)?;
        }
        return table.finish();
    }
    let split = comparison.rows.partition_point(|row| row.differs);
    let (differing, same) = comparison.rows.split_at(split);
    // Of what is the same one column does for all.
    let parts: [(&str, &[ComparedRow], Vec<Heading>); 2] = [
        ("differs", differing, runs.collect()),
        ("the same in all", same, vec![text_column("value")]),
    ];
    for (title, rows, columns) in parts.into_iter().filter(|(_, rows, _)| !rows.is_empty()) {
        screen.styled(HEADING, format_args!("{title}: {}", grouped(rows.len() as u64)))?;
        writeln!(screen)?;
        let count = columns.len();
        let columns = std::iter::once(text_column("key")).chain(columns).collect();
        let table = Table::new(screen.lent(), form, columns);
        let mut table = table.in_room(room).with_narrow_keys();
        for row in rows {
            let values = row.values.iter().take(count).map(|value| shown(row, value));
            let cells: Vec<_> = std::iter::once(json!(key(row))).chain(values).collect();
            table.row(&cells)?;
        }
        table.finish()?;
    }
    Ok(())
}

fn text_column(name: &str) -> Heading {
    Heading {
        name: name.to_owned(),
        form: ColumnForm::Text,
    }
}

/// A run's column: its name, and enough of its id.
fn run_column(run: &ComparedRun) -> Heading {
    let start: String = run.run_id.chars().take(8).collect();
    let name = match &run.name {
        Some(name) if !name.is_empty() => format!("{name} ({start})"),
        _ => format!("({start})"),
    };
    text_column(&name)
}

fn key(row: &ComparedRow) -> String {
    format!("{}.{}", row.part.as_str(), row.key)
}

fn shown(row: &ComparedRow, value: &Value) -> Value {
    match value.as_i64() {
        Some(time) if row.part == Part::Info && row.key.ends_with("_time") => json!(time_text(time)),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    fn comparison() -> Comparison {
        let run = |name: Option<&str>, id: &str| ComparedRun {
            run_id: id.to_owned(),
            experiment_id: "1".to_owned(),
            name: name.map(str::to_owned),
        };
        let row = |part, key: &str, differs, values: Value| ComparedRow {
            part,
            key: key.to_owned(),
            differs,
            values: values.as_array().cloned().unwrap_or_default(),
        };
        Comparison {
            runs: vec![
                run(Some("a_base_line"), "aaaa1111bbbb2222"),
                run(None, "b3059ce2bbbb2222"),
                run(Some("tuned\u{1b}[2J日本"), "c4f1d2b3bbbb2222"),
            ],
            rows: vec![
                row(
                    Part::Params,
                    "a key that is so long that hardly a terminal has room for it",
                    true,
                    json!(["x".repeat(70), "y", null]),
                ),
                row(Part::Params, "lr", true, json!(["0.1", "0.05", null])),
                row(Part::Metrics, "auc", true, json!([0.91, "NaN", 0.94])),
                row(
                    Part::Info,
                    "start_time",
                    true,
                    json!([1_670_836_055_960_i64, null, 1_670_836_055_961_i64]),
                ),
                row(Part::Params, "depth", false, json!(["4", "4", "4"])),
            ],
        }
    }

    fn printed(form: Form, room: Option<usize>) -> String {
        let mut out = Vec::new();
        print_rows(&mut Screen::text(&mut out), &comparison(), form, room).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn runs_stand_side_by_side_and_fit_the_terminal() {
        let wide = printed(Form::Terminal, Some(110));
        let named = wide.lines().nth(1).unwrap();
        assert!(
            named.contains("a_base_line (aaaa1111)") && named.contains(" (b3059ce2)"),
            "{wide}"
        );
        assert!(named.contains("tuned\\u{1b}[2J日本 (c4f1d2b3)"), "{wide}");
        let auc = wide.lines().find(|line| line.starts_with("metrics.auc")).unwrap();
        assert_eq!(
            auc.split_whitespace().collect::<Vec<_>>(),
            ["metrics.auc", "0.91", "NaN", "0.94"]
        );
        let piped = printed(Form::Piped, None);
        assert!(
            piped
                .lines()
                .any(|line| line == "differs\tparams.lr\t0.1\t0.05\t"),
            "{piped}"
        );
        assert_eq!(piped.lines().last().unwrap(), "same\tparams.depth\t4\t4\t4");
        for room in [60, 80, 110] {
            let text = printed(Form::Terminal, Some(room));
            assert!(text.lines().all(|line| line.width() <= room), "{room}: {text}");
            assert!(
                text.contains("0.05") && text.contains("the same in all: 1"),
                "{text}"
            );
        }
    }
}
