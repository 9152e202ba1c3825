use super::*;
use crate::report::list::Noun;
use serde_json::json;

fn printed(form: Form, noun: Noun, rows: &[Vec<Value>]) -> String {
    printed_in(None, form, noun, rows)
}

fn printed_in(room: Option<usize>, form: Form, noun: Noun, rows: &[Vec<Value>]) -> String {
    let mut out = Vec::new();
    let mut table = Table::new(Screen::text(&mut out), form, noun.headings());
    table.room = room;
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
fn a_table_fits_its_terminal() {
    let run = json!([
        "6f2c1f0a5d7e4b0c9a8b7c6d5e4f3a2b",
        "1",
        "a name that is rather long",
        "FINISHED",
        "active",
        1_670_836_055_960_i64,
        1_670_836_055_960_i64,
        "ana",
        2,
        10
    ]);
    let rows = [run.as_array().unwrap().clone()];
    for room in [40, 80, 120, 200] {
        let text = printed_in(Some(room), Form::Terminal, Noun::Runs, &rows);
        let (table, _) = text.split_at(text.match_indices('\n').nth(1).unwrap().0);
        assert!(
            table.lines().all(|line| line.width() <= room.max(54)),
            "{room}: {text}"
        );
        assert!(text.contains("6f2c1f0a5d7e4b0c9a8b7c6d5e4f3a2b"), "{text}");
    }
    insta::assert_snapshot!(printed_in(Some(80), Form::Terminal, Noun::Runs, &rows));
    insta::assert_snapshot!(printed_in(
        Some(60),
        Form::Terminal,
        Noun::Artifacts,
        &artifacts()
    ));
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
