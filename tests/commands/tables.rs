//! Tables: their columns are documented and stable, their values are the archive's bit for bit, and there are all of them or none.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{command, common, rich};
use common::{History, RUN_A, RUN_B, START};
use mlark::archive::{Archive, ErrorKind};
use mlark::flow::convert::{TableForm, TablesOptions, TablesReport, documentation, write_tables};
use mlark::format::Kind;
use mlark::model::{Double, LatestMetric, MetricSlice, ModelMetricSlice, Point, Run, Text};
use mlark::monitor::Silent;
use mlark::select::{Names, RunFilter, Sought};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn made(archive: &Archive, out: &Path, options: &TablesOptions) -> TablesReport {
    let options = TablesOptions {
        no_sync: true,
        ..options.clone()
    };
    write_tables(archive, out, &options, &Silent).unwrap()
}

fn csv() -> TablesOptions {
    TablesOptions::new(TableForm::Csv)
}

/// A history whose points are the hardest of all numbers.
fn hard_numbers() -> History {
    let mut history = History::new();
    let points = common::hard_points(12_000);
    history.metrics.push((RUN_B.into(), "hard".into(), points));
    history
}

#[test]
fn the_page_on_tables_has_every_table_and_column() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/tables.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- tables -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- end of tables -->\n").unwrap();
    let wanted = format!("\n{}", documentation());
    if std::env::var_os("MLARK_UPDATE").is_some() {
        let text = format!("{before}<!-- tables -->\n{wanted}<!-- end of tables -->\n{after}");
        return fs::write(&page, text).unwrap();
    }
    assert_eq!(
        found, wanted,
        "columns are a promise: a change of one raises the version of tables (MLARK_UPDATE=1 writes the page anew)"
    );
}

/// The records of a CSV file of RFC 4180; an empty text is told from nothing.
fn records(path: &Path) -> Vec<Vec<Option<String>>> {
    let text = fs::read_to_string(path).unwrap();
    let (mut records, mut record, mut rest) = (Vec::new(), Vec::new(), text.as_str());
    while !rest.is_empty() {
        let field = if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut from = quoted;
            loop {
                let (piece, after) = from.split_once('"').unwrap();
                field.push_str(piece);
                match after.strip_prefix('"') {
                    Some(after) => {
                        field.push('"');
                        from = after;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            Some(field)
        } else {
            let end = rest.find([',', '\r', '\n']).unwrap();
            let field = &rest[..end];
            assert!(!field.contains('"'));
            rest = &rest[end..];
            (!field.is_empty()).then(|| field.to_owned())
        };
        record.push(field);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else {
            rest = rest.strip_prefix("\r\n").unwrap();
            records.push(std::mem::take(&mut record));
        }
    }
    let columns = records[0].len();
    assert!(records.iter().all(|record| record.len() == columns));
    records
}

/// Rows of a CSV table as maps of what is there.
fn rows(folder: &Path, table: &str) -> Vec<serde_json::Map<String, Value>> {
    let mut records = records(&folder.join(format!("{table}.csv"))).into_iter();
    let names = records.next().unwrap();
    records
        .map(|record| {
            let cells = names.iter().zip(record);
            cells
                .filter_map(|(name, cell)| Some((name.clone().unwrap(), json!(cell?))))
                .collect()
        })
        .collect()
}

fn column(folder: &Path, table: &str, name: &str) -> Vec<String> {
    let rows = rows(folder, table);
    rows.iter()
        .map(|row| row.get(name).map_or("", |cell| cell.as_str().unwrap()).to_owned())
        .collect()
}

/// Every point of an archive's runs: run, key, step, timestamp, bits of the value.
fn points_of(archive: &Archive) -> Vec<(String, String, i64, i64, u64)> {
    let mut points = Vec::new();
    let mut lines = archive.lines(Kind::Metrics);
    while let Some(line) = lines.next_line().unwrap() {
        let slice: MetricSlice = serde_json::from_slice(line.bytes).unwrap();
        points.extend(slice.points().map(|point| {
            let Point {
                timestamp,
                step,
                value,
                ..
            } = point;
            (
                slice.run_id.clone(),
                slice.key.clone(),
                step,
                timestamp,
                value.0.to_bits(),
            )
        }));
    }
    points
}

#[test]
fn csv_has_every_point_bit_for_bit() {
    let temporary = tempfile::tempdir().unwrap();
    let archive = hard_numbers().write(&temporary.path().join("a"));
    let out = temporary.path().join("tables");
    made(&archive, &out, &csv());
    let found: Vec<_> = rows(&out, "metrics")
        .into_iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let value: f64 = match text("value").as_str() {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                number => number.parse().unwrap(),
            };
            (
                text("run_id"),
                text("key"),
                text("step").parse().unwrap(),
                text("timestamp").parse().unwrap(),
                value.to_bits(),
            )
        })
        .collect();
    assert!(found == points_of(&archive));
    assert!(found.len() > 12_000);
}

#[test]
fn every_line_of_an_archive_has_its_rows() {
    let temporary = tempfile::tempdir().unwrap();
    let manifest = rich::build(&temporary.path().join("a"), rich::Size::Full);
    let archive = Archive::open(&temporary.path().join("a")).unwrap();
    let out = temporary.path().join("tables");
    let report = made(&archive, &out, &csv());
    let count = |table: &str| {
        let report = report.tables.iter().find(|report| report.name == table).unwrap();
        assert_eq!(report.rows as usize, rows(&out, table).len(), "{table}");
        report.rows
    };
    let kinds = [
        ("workspaces", Kind::Workspaces),
        ("experiments", Kind::Experiments),
        ("runs", Kind::Runs),
        ("datasets", Kind::Datasets),
        ("logged_models", Kind::LoggedModels),
        ("models", Kind::RegisteredModels),
        ("versions", Kind::ModelVersions),
        ("traces", Kind::Traces),
        ("spans", Kind::Spans),
        ("evaluation_datasets", Kind::EvaluationDatasets),
        ("dataset_records", Kind::DatasetRecords),
        ("scorers", Kind::Scorers),
    ];
    for (table, kind) in kinds {
        assert_eq!(count(table), manifest.count(kind), "{table}");
        assert!(count(table) > 0, "{table}");
    }
    let points: usize = archive
        .objects_of_model_metrics()
        .iter()
        .map(|slice| slice.values.len())
        .sum();
    assert_eq!(count("model_metrics") as usize, points);
    assert_eq!(
        count("metrics") + count("model_metrics"),
        manifest.totals.metric_points
    );
    assert_eq!(count("artifacts"), manifest.totals.artifact_files);
    let runs: Vec<Run> = archive.objects().map(Result::unwrap).collect();
    let sum = |entries: fn(&Run) -> usize| runs.iter().map(entries).sum::<usize>() as u64;
    assert_eq!(count("params"), sum(|run| run.params.len()));
    assert_eq!(count("tags"), sum(|run| run.tags.len()));
    assert_eq!(count("latest_metrics"), sum(|run| run.metrics.len()));
    assert_eq!(count("assessments"), 2);
    // Everything has a table, and what is no table says what they are.
    let stated: Value = serde_json::from_slice(&fs::read(out.join("tables.json")).unwrap()).unwrap();
    assert_eq!(stated, json!(report));
    assert_eq!(fs::read_dir(&out).unwrap().count(), report.tables.len() + 1);
}

trait Slices {
    fn objects_of_model_metrics(&self) -> Vec<ModelMetricSlice>;
}

impl Slices for Archive {
    fn objects_of_model_metrics(&self) -> Vec<ModelMetricSlice> {
        let mut slices = Vec::new();
        let mut lines = self.lines(Kind::ModelMetrics);
        while let Some(line) = lines.next_line().unwrap() {
            slices.push(serde_json::from_slice(line.bytes).unwrap());
        }
        slices
    }
}

#[test]
fn what_columns_do_not_hold_is_counted_and_kept() {
    let temporary = tempfile::tempdir().unwrap();
    rich::build(&temporary.path().join("a"), rich::Size::Full);
    let archive = Archive::open(&temporary.path().join("a")).unwrap();
    let out = temporary.path().join("tables");
    let report = made(&archive, &out, &csv());
    let limits: Vec<_> = report
        .limits
        .iter()
        .map(|limit| format!("{} {} {} {}", limit.kind, limit.field, limit.reason, limit.count))
        .collect();
    insta::assert_snapshot!(limits.join("\n"), @r"
    runs params not-utf8 4
    runs params value-too-long 1
    runs tags value-too-long 1
    ");
    let params = rows(&out, "params");
    let bytes = params.iter().find(|row| row["key"] == "bytes").unwrap();
    assert_eq!(bytes["value"], r#"{"$bytes":"/wA="}"#);
    let long = params.iter().find(|row| row["key"] == "long").unwrap();
    assert!(
        long["value"]
            .as_str()
            .unwrap()
            .starts_with(r#"{"$bytes":{"$blob":{"sha256":"#)
    );
    let experiments = rows(&out, "experiments");
    let ten = experiments
        .iter()
        .find(|row| row["experiment_id"] == "10")
        .unwrap();
    assert_eq!(
        ten["extra"],
        r#"{"exim":"{\"tags\": {}}","from_the_future":{"a":[1,2.5,null]}}"#
    );
    assert_eq!(ten["tags"], r#"{"line":"a\r\nb"}"#);
    assert_eq!(ten["creation_time"], "2022-12-08T04:45:37.597Z");
    let nine = experiments
        .iter()
        .find(|row| row["experiment_id"] == "9")
        .unwrap();
    assert_eq!(nine["name"], "é\u{2028}\0");
    let feedback = &rows(&out, "assessments")[0]["feedback"];
    assert_eq!(
        feedback,
        r#"{"value":{"$$blob":1,"big":{"$int":"99999999999999999999"}}}"#
    );
    let span = &rows(&out, "spans")[0];
    assert_eq!(span["attributes"], r#"{"mlflow.spanInputs":"{\"a\": 1}"}"#);
    assert_eq!(span["start_time"], "1970-01-01T00:00:00.000000001Z");
    // An empty text is one, and what is not there is nothing.
    let models = fs::read_to_string(out.join("models.csv")).unwrap();
    assert_eq!(
        models.lines().nth(1).unwrap(),
        r#"credit,,,"","{""champion"":2}",{},,"#
    );
}

#[test]
fn a_moment_that_no_calendar_has_stands_in_extra() {
    let temporary = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[0].info.end_time = Some(1_700_000_000_000_000_000);
    history.runs[1].info.end_time = Some(253_370_764_799_999);
    let archive = history.write(&temporary.path().join("a"));
    let out = temporary.path().join("tables");
    let report = made(&archive, &out, &csv());
    assert_eq!(column(&out, "runs", "end_time"), ["", "9998-12-31T23:59:59.999Z"]);
    assert_eq!(
        column(&out, "runs", "extra"),
        [r#"{"info":{"end_time":1700000000000000000}}"#, ""]
    );
    let limit = report.limits.iter().find(|limit| limit.field == "info.end_time");
    assert_eq!(
        limit.map(|limit| (limit.reason.as_str(), limit.count)),
        Some(("not-held", 1))
    );
}

#[test]
fn wide_runs_have_a_column_a_key_and_tell_nan_from_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[1].metrics.insert(
        "auc".into(),
        LatestMetric {
            timestamp: START,
            step: 0,
            value: Double(f64::NAN),
        },
    );
    history.runs[1].params.insert("empty".into(), Text::from(""));
    let archive = history.write(&temporary.path().join("a"));
    let out = temporary.path().join("tables");
    let options = TablesOptions { wide: true, ..csv() };
    let report = made(&archive, &out, &options);
    let runs = report.tables.iter().find(|table| table.name == "runs").unwrap();
    let names = runs.columns.iter().map(|column| column.name.as_str());
    let names: Vec<_> = names.skip_while(|name| *name != "entry_point_name").collect();
    assert_eq!(
        names.join(" "),
        "entry_point_name params.bytes params.empty params.lr params.note metrics.auc metrics.loss \
         tags.mlflow.parentRunId tags.mlflow.runName tags.mlflow.user inputs outputs extra"
    );
    let rows = rows(&out, "runs");
    assert_eq!(
        (rows[0].get("metrics.auc"), rows[1]["metrics.auc"].as_str()),
        (None, Some("NaN"))
    );
    assert_eq!(
        (rows[0].get("params.empty"), rows[1]["params.empty"].as_str()),
        (None, Some(""))
    );
    assert_eq!(rows[0]["metrics.loss"], "0.08333333333333333");
    assert_eq!(rows[1]["tags.mlflow.parentRunId"], RUN_A);
}

#[test]
fn wide_columns_that_are_alike_or_too_many_make_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[1].params.insert("LR".into(), Text::from("0.2"));
    let archive = history.write(&temporary.path().join("alike"));
    let mut history = History::new();
    for number in 0..10_001 {
        history.runs[0]
            .params
            .insert(format!("p{number}"), Text::from("1"));
    }
    let many = history.write(&temporary.path().join("many"));
    for (archive, words) in [
        (&archive, ["params.LR", "params.lr"]),
        (&many, ["10000", "more than"]),
    ] {
        let out = temporary.path().join("tables");
        let options = TablesOptions { wide: true, ..csv() };
        let error = write_tables(archive, &out, &options, &Silent).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(
            words.iter().all(|word| error.to_string().contains(word)),
            "{error}"
        );
        assert!(!out.exists());
        // Where one of the two runs is chosen, nothing is alike.
        if words[0] == "params.LR" {
            let names = Names {
                runs: [RUN_A.to_owned()].into(),
                ..Names::default()
            };
            made(
                archive,
                &temporary.path().join("one"),
                &TablesOptions { names, ..options },
            );
        }
    }
    let left: Vec<_> = fs::read_dir(temporary.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn a_choice_takes_rows_of_chosen_runs_and_what_belongs_to_them() {
    let temporary = tempfile::tempdir().unwrap();
    let archive = hard_numbers().write(&temporary.path().join("a"));
    let names = Names {
        filter: Some(RunFilter::parse("metrics.loss < 1").unwrap()),
        ..Names::default()
    };
    let found = |names: Names, out: &str| {
        let matched = names.find(&archive, Sought::AllModels).unwrap();
        let names = Names {
            runs: matched.runs.into_iter().collect(),
            ..names
        };
        let out = temporary.path().join(out);
        made(&archive, &out, &TablesOptions { names, ..csv() });
        out
    };
    let out = found(names, "filtered");
    assert_eq!(column(&out, "runs", "run_id"), [RUN_A]);
    assert_eq!(column(&out, "experiments", "experiment_id"), ["1"]);
    assert!(column(&out, "metrics", "run_id").iter().all(|id| id == RUN_A));
    assert_eq!(column(&out, "datasets", "name"), ["train"]);
    assert_eq!(column(&out, "versions", "name"), ["churn", "churn"]);
    assert_eq!(column(&out, "models", "name"), ["churn"]);
    assert_eq!(
        (rows(&out, "spans").len(), rows(&out, "assessments").len()),
        (4, 1)
    );
    assert_eq!(rows(&out, "model_metrics").len(), 1);
    let owners = ["run", "run", "run", "logged_model", "model_version", "trace"];
    assert_eq!(column(&out, "artifacts", "owner_kind"), owners);
    let one = Names {
        runs: [RUN_B.to_owned()].into(),
        ..Names::default()
    };
    let out = found(one, "one");
    assert_eq!(column(&out, "runs", "run_id"), [RUN_B]);
    for table in [
        "datasets",
        "versions",
        "models",
        "traces",
        "spans",
        "logged_models",
    ] {
        assert!(rows(&out, table).is_empty(), "{table}");
    }
    let experiment = Names {
        experiments: mlark::select::Patterns::names(vec!["Def*".to_owned()]).unwrap(),
        ..Names::default()
    };
    let out = found(experiment, "experiment");
    assert_eq!(column(&out, "experiments", "name"), ["Default"]);
    assert!(rows(&out, "runs").is_empty() && rows(&out, "traces").is_empty());
    assert!(rows(&out, "evaluation_datasets").is_empty() && rows(&out, "dataset_records").is_empty());
}

#[test]
fn a_damaged_archive_makes_no_tables() {
    let temporary = tempfile::tempdir().unwrap();
    let archive = History::new().write(&temporary.path().join("a"));
    let path = archive.path().join("objects/traces-00000.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"OK\"", "\"NO\"")).unwrap();
    let out = temporary.path().join("tables");
    let error = write_tables(&archive, &out, &csv(), &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("traces-00000.jsonl"), "{error}");
    assert!(!out.exists());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
}

#[test]
fn the_command_says_what_it_made_and_what_it_could_not() {
    let temporary = tempfile::tempdir().unwrap();
    History::new().write(&temporary.path().join("a"));
    let shown = |args: &[&str]| command::shown(&command::mlark(temporary.path(), args));
    insta::assert_snapshot!(shown(&["convert", "a", "-o", "tables", "--to", "csv"]), @r"
    tables: 7 artifacts, 1 assessments, 1 dataset_records, 1 datasets, 1 evaluation_datasets, 2 experiments, 1 latest_metrics, 1 logged_models, 13 metrics, 1 model_metrics, 2 models, 5 params, 2 runs, 1 scorers, 4 spans, 5 tags, 1 traces, 3 versions
    limit: 1 runs params: not-utf8
    exit 0
    ");
    insta::assert_snapshot!(shown(&["convert", "a", "-o", "tables", "--to", "csv", "--filter", "metrics.loss > 5"]), @r"
    note: nothing matches --filter `metrics.loss > 5`
    error: `tables` exists
    hint: use --force to replace it
    exit 2
    ");
    insta::assert_snapshot!(shown(&["convert", "a", "-o", "one", "--to", "csv", "--filter", "metrics.loss > 5"]), @r"
    one: no rows
    note: nothing matches --filter `metrics.loss > 5`
    exit 0
    ");
    insta::assert_snapshot!(shown(&["convert", "a", "-o", "two", "--to", "csv", "--strict", "--layout", "old"]), @r"
    error: --layout and --keep-going are for `--to exim`
    exit 2
    ");
    insta::assert_snapshot!(shown(&["convert", "a", "-o", "two", "--to", "exim", "--wide"]), @r"
    error: --wide, --experiment, --run and --filter are for tables
    hint: choose with `mlark transform` and the same options first, then convert its output
    exit 2
    ");
    assert!(
        shown(&[
            "convert", "a", "-o", "tables", "--to", "csv", "--strict", "--force"
        ])
        .ends_with("exit 3")
    );
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::*;
    use ::parquet::basic::{Compression, LogicalType, TimeUnit};
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::{Field, Row};
    use std::fs::File;

    fn parquet() -> TablesOptions {
        TablesOptions::new(TableForm::Parquet)
    }

    fn reader(folder: &Path, table: &str) -> SerializedFileReader<File> {
        let file = File::open(folder.join(format!("{table}.parquet"))).unwrap();
        SerializedFileReader::new(file).unwrap()
    }

    fn rows(folder: &Path, table: &str) -> Vec<Row> {
        let reader = reader(folder, table);
        reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
    }

    /// A field as CSV has it.
    fn csv_text(field: &Field) -> Option<String> {
        let entry = |field: &Field| match field {
            Field::Str(text) => json!(text),
            Field::Long(number) => json!(number),
            Field::Double(value) => json!(Double(*value)),
            other => panic!("{other:?} in a map"),
        };
        Some(match field {
            Field::Null => return None,
            Field::Str(text) => text.clone(),
            Field::Long(number) => number.to_string(),
            Field::Bool(value) => value.to_string(),
            Field::Double(value) => match json!(Double(*value)) {
                Value::String(text) => text,
                number => number.to_string(),
            },
            Field::TimestampMillis(number) => {
                format!("{:.3}", jiff::Timestamp::from_millisecond(*number).unwrap())
            }
            Field::ListInternal(list) => {
                Value::from(list.elements().iter().map(entry).collect::<Vec<_>>()).to_string()
            }
            Field::MapInternal(map) => {
                let entries = map.entries().iter();
                let entries =
                    entries.map(|(key, value)| (entry(key).as_str().unwrap().to_owned(), entry(value)));
                Value::Object(entries.collect()).to_string()
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn parquet_has_every_point_bit_for_bit() {
        let temporary = tempfile::tempdir().unwrap();
        let archive = hard_numbers().write(&temporary.path().join("a"));
        let out = temporary.path().join("tables");
        made(&archive, &out, &parquet());
        let found: Vec<_> = rows(&out, "metrics")
            .iter()
            .map(|row| {
                let fields: Vec<_> = row.get_column_iter().map(|(_, field)| field).collect();
                match fields[..5] {
                    [
                        Field::Str(run),
                        Field::Str(key),
                        Field::Long(step),
                        Field::Long(time),
                        Field::Double(value),
                    ] => (run.clone(), key.clone(), *step, *time, value.to_bits()),
                    _ => panic!("{row}"),
                }
            })
            .collect();
        assert!(found == points_of(&archive));
    }

    #[test]
    fn both_forms_have_the_same_cells() {
        let temporary = tempfile::tempdir().unwrap();
        rich::build(&temporary.path().join("a"), rich::Size::Full);
        let archive = Archive::open(&temporary.path().join("a")).unwrap();
        let folder = |name: &str| temporary.path().join(name);
        for wide in [false, true] {
            let [one, two] = [format!("csv-{wide}"), format!("parquet-{wide}")].map(|name| folder(&name));
            let report = made(&archive, &one, &TablesOptions { wide, ..csv() });
            made(&archive, &two, &TablesOptions { wide, ..parquet() });
            for table in &report.tables {
                let records = records(&one.join(&table.file));
                let names: Vec<_> = records[0].iter().map(|name| name.clone().unwrap()).collect();
                let rows = rows(&two, &table.name);
                assert_eq!(rows.len() as u64, table.rows, "{}", table.name);
                for (record, row) in records[1..].iter().zip(rows) {
                    for ((name, cell), (column, field)) in names.iter().zip(record).zip(row.get_column_iter())
                    {
                        assert_eq!(name, column);
                        let nanos = table.name == "spans" && name.ends_with("_time");
                        let text = match field {
                            Field::Long(number) if nanos => {
                                let moment = jiff::Timestamp::from_nanosecond((*number).into()).unwrap();
                                Some(format!("{moment:.9}"))
                            }
                            field => csv_text(field),
                        };
                        assert_eq!(*cell, text, "{} {name}", table.name);
                    }
                }
            }
        }
    }

    #[test]
    fn files_say_what_they_are_of_and_are_the_same_each_time() {
        let temporary = tempfile::tempdir().unwrap();
        let archive = hard_numbers().write(&temporary.path().join("a"));
        let [one, two] = ["one", "two"].map(|name| temporary.path().join(name));
        let report = made(&archive, &one, &parquet());
        made(&archive, &two, &parquet());
        for table in &report.tables {
            let bytes = fs::read(one.join(&table.file)).unwrap();
            assert!(
                bytes == fs::read(two.join(&table.file)).unwrap(),
                "{}",
                table.file
            );
        }
        let reader = reader(&one, "metrics");
        let file = reader.metadata().file_metadata();
        let facts = file.key_value_metadata().unwrap();
        let fact = |key: &str| {
            let found = facts.iter().find(|fact| fact.key == key).unwrap();
            found.value.clone().unwrap()
        };
        assert_eq!(
            fact("mlark.content_id"),
            archive.manifest().content_id.to_string()
        );
        assert_eq!(
            (fact("mlark.table"), fact("mlark.tables")),
            ("metrics".into(), "1".into())
        );
        let column = reader.metadata().row_group(0).column(4);
        assert_eq!(column.compression(), Compression::SNAPPY);
        let spans = self::reader(&one, "spans");
        let start = spans.metadata().file_metadata().schema_descr().column(5);
        assert_eq!(
            start.logical_type_ref(),
            Some(&LogicalType::timestamp(true, TimeUnit::NANOS))
        );
    }

    #[test]
    fn row_groups_have_a_quarter_of_a_million_points_and_at_most_a_million_rows() {
        let temporary = tempfile::tempdir().unwrap();
        let mut history = History::new();
        let points = (0..1_100_000).map(|step| common::point(step, step, 0.5));
        history.metrics = vec![(RUN_A.into(), "loss".into(), points.collect())];
        let archive = history.write(&temporary.path().join("a"));
        let out = temporary.path().join("tables");
        made(&archive, &out, &parquet());
        let groups = reader(&out, "metrics");
        let groups: Vec<_> = groups
            .metadata()
            .row_groups()
            .iter()
            .map(|group| group.num_rows())
            .collect();
        assert_eq!(groups.iter().sum::<i64>(), 1_100_000);
        let (last, full) = groups.split_last().unwrap();
        let is_full = |rows: &i64| (250_000..=1 << 20).contains(rows);
        assert!(
            full.len() == 4 && full.iter().all(is_full) && *last > 0,
            "{groups:?}"
        );
    }
}
