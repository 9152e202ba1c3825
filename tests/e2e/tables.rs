//! Tables in the tools that people have: every value of an archive, bit for bit, in pyarrow, DuckDB, pandas and polars; and what the page
//! on queries shows. `scripts/tables-env` makes the virtualenv; without it the tests say so.

use crate::helpers::common::{History, RUN_A, RUN_B, START, hard_points, point};
use crate::helpers::rich;
use crate::helpers::servers::{self, mlark, run, script};
use mlark::model::{LatestMetric, Run, Text};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn python() -> Option<PathBuf> {
    let venv = servers::venvs("tables are not read by other tools")?.join("tables");
    if !venv.join(".complete").exists() {
        eprintln!("SKIPPED: MLARK_E2E_VENVS has no tables");
        return None;
    }
    Some(venv.join("bin/python"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn other_tools_read_every_value_bit_for_bit() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut history = History::new();
    history
        .metrics
        .push((RUN_B.into(), "hard".into(), hard_points(20_000)));
    history.runs[1]
        .params
        .insert("".into(), Text::from("a,\"b\"\r\n c "));
    history.runs[1].info.run_name = Some(String::new());
    history.write(&path("hard"));
    rich::build(&path("rich"), rich::Size::Full);
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filestore-3.18.0/mlruns");
    mlark(&[
        "export",
        text(&store),
        "-o",
        text(&path("store")),
        "--keep-going",
        "--include-deleted",
    ]);
    for archive in ["hard", "rich", "store"] {
        let [parquet, csv] = ["parquet", "csv"].map(|form| path(&format!("{archive}-{form}")));
        let archive = path(archive);
        mlark(&["convert", text(&archive), "-o", text(&parquet), "--to", "parquet"]);
        mlark(&["convert", text(&archive), "-o", text(&csv), "--to", "csv"]);
        let mut command = Command::new(&python);
        command.arg(script("compare_tables.py"));
        let output = run(command.args([&archive, &parquet, &csv]));
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Three runs of one experiment, for the page on queries.
fn three_runs(out: &Path) {
    let mut history = History::new();
    let template = history.runs[0].clone();
    history.metrics.clear();
    history.runs.clear();
    let runs = [
        ("forest", RUN_A, 0.91, "0.1", 6.0),
        ("boosted", "b3059ce2aaaa4bbbb0cccc1dddd2eeee", 0.94, "0.05", 8.0),
        ("linear", "c4f1d2b3aaaa4bbbb0cccc1dddd2eeee", f64::NAN, "0.1", 2.0),
    ];
    for (number, (name, id, auc, lr, rate)) in (0..).zip(runs) {
        let mut run = Run {
            params: [("lr", lr), ("depth", "4"), ("model", name)]
                .map(|(key, value)| (key.to_owned(), Text::from(value)))
                .into(),
            ..template.clone()
        };
        if name == "linear" {
            run.params.remove("depth");
        }
        run.info.run_id = id.into();
        run.info.run_name = Some(name.into());
        run.info.start_time = Some(START + number);
        if number > 0 {
            run.inputs = Default::default();
            run.outputs = Default::default();
        }
        let losses =
            (0..5_i32).map(|step| point(step.into(), step.into(), 1.0 / (1.0 + rate * f64::from(step))));
        let series = [("auc", vec![point(9, 0, auc)]), ("loss", losses.collect())];
        for (key, points) in series {
            let last = points.last().unwrap();
            let latest = LatestMetric {
                timestamp: last.timestamp,
                step: last.step,
                value: last.value,
            };
            run.metrics.insert(key.into(), latest);
            history.metrics.push((id.into(), key.into(), points));
        }
        history.runs.push(run);
    }
    history
        .artifacts
        .retain(|(_, id, ..)| !id.starts_with("bbbb1111"));
    history.write(out);
}

/// A block of a page: its language, its text, and where it ends.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some((_, text)), _) => writeln!(text, "{line}").unwrap(),
            (None, None) => {}
        }
    }
    blocks
}

/// The virtualenv with PySpark, which needs Java.
fn spark() -> Option<PathBuf> {
    let python = servers::venvs("Spark is not asked")?.join("scale/bin/python");
    let is_there = python.exists() && Command::new("java").arg("-version").output().is_ok();
    if !is_there {
        eprintln!("SKIPPED: there is no PySpark, or no Java");
    }
    is_there.then_some(python)
}

/// Runs each block of the page on queries: what it prints follows it. `MLARK_UPDATE` writes that anew.
#[test]
fn the_page_on_queries_shows_what_they_answer() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    three_runs(&directory.path().join("history.zip"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/howto/query.md");
    let page = fs::read_to_string(&path).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_mlark"))
        .parent()
        .unwrap()
        .to_owned();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([program].into_iter().chain(std::env::split_paths(&paths))).unwrap();
    let mut made = page.clone();
    let mut asked = 0;
    for (language, block) in blocks(&page) {
        let mut command = match language.as_str() {
            "sql" => {
                let mut command = Command::new(&python);
                command.args([
                    "-c",
                    "import duckdb, sys; duckdb.sql(sys.argv[1]).show(max_width=120)",
                ]);
                command.arg(&block);
                command
            }
            "python" => {
                let python = match block.contains("pyspark") {
                    true => spark(),
                    false => Some(python.clone()),
                };
                let Some(python) = python else { continue };
                let mut command = Command::new(python);
                command.args(["-c", &block]);
                command
            }
            "sh" => {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("set -e\n{block}")]);
                command
            }
            _ => continue,
        };
        command
            .current_dir(directory.path())
            .env("PATH", &paths)
            .env("LANG", "C.UTF-8")
            .env_remove("LC_ALL");
        let answer = String::from_utf8(run(&mut command).stdout).unwrap();
        let shown = format!("```{language}\n{block}```\n");
        let answered = format!("{shown}\n```text\n{}\n```\n", answer.trim_end());
        // What mlark itself prints is held by its own tests: here it must run.
        if block.starts_with("mlark ") {
            continue;
        }
        asked += 1;
        if std::env::var_os("MLARK_UPDATE").is_some() {
            let start = made.find(&shown).unwrap() + shown.len();
            let end = match made[start..].strip_prefix("\n```text\n") {
                Some(old) => start + "\n```text\n".len() + old.find("```\n").unwrap() + "```\n".len(),
                None => start,
            };
            made.replace_range(start - shown.len()..end, &answered);
        } else {
            assert!(page.contains(&answered), "{shown}answers\n{answer}");
        }
    }
    assert!(asked >= 14, "{asked}");
    fs::write(&path, made).unwrap();
}
