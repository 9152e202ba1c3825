//! Each field of each document, file and table of a source is, once, something else than MLflow writes: it is in the archive
//! as it is, or told, unless it says nothing of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::any_types::{files, fixture, options};
use crate::odd_values::{
    Held, Judge, ODD, add_field, assert_no_fault, fault, is_leaf, is_of_type_of, names, pointers, replace,
};
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::export;
use mlark::monitor::Silent;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A source, once for each thread, and what its archive holds.
struct Source {
    kind: SourceKind,
    roots: [(TempDir, PathBuf); 2],
    file: &'static str,
    sound: Held,
}

impl Source {
    fn of(kind: SourceKind, name: &str, file: &'static str) -> Self {
        let roots = [fixture(name), fixture(name)];
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let source = roots[0].1.join(file);
        let report = export(kind, source.to_str().unwrap(), &out, options(true), &Silent).unwrap();
        let sound = Held::of(&out, &report);
        Source {
            kind,
            roots,
            file,
            sound,
        }
    }

    fn root(&self, thread: usize) -> &Path {
        &self.roots[thread].1
    }

    /// What is wrong with an export of the source as it is now.
    fn fault(&self, thread: usize, judge: Judge) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let source = self.root(thread).join(self.file);
        match export(self.kind, source.to_str().unwrap(), &out, options(true), &Silent) {
            Ok(report) => fault(&report, &out, &self.sound, judge),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Changes a file while something is asked.
fn with_text<T>(file: &Path, text: &str, ask: impl FnOnce() -> T) -> T {
    let before = fs::read(file).unwrap();
    fs::write(file, text).unwrap();
    let answer = ask();
    fs::write(file, before).unwrap();
    answer
}

/// Names within the documents of mlflow-export-import that say nothing of their own: what the exporter counts and says of
/// itself, lists of what lies beside it, copies.
const OF_THE_EXPORTER: &[&str] = &[
    "system.",
    "info.",
    "mlflow.experiments.",
    "mlflow.runs.",
    "mlflow.traces.",
    "mlflow.logged_models.",
    "mlflow.models.",
    "mlflow.failed_exports.",
    "mlflow.successful_exports.",
    "mlflow.total_",
    "mlflow.model_uri.",
    "mlflow.dataset_inputs.",
    "mlflow.prompt.variables.",
    "mlflow.prompt.uri.",
    "mlflow.data.trace_id.",
    "mlflow.info.assessments.trace_id.",
    "mlflow.evaluation_dataset.source",
    "mlflow.evaluation_dataset.records.source_type.",
    "mlflow.evaluation_dataset.records.source_id.",
    "mlflow.info.assessments.expectation.serialized_value.",
    "mlflow.datasets.",
];

/// The documents of an export, each with its path; indexes of what lies beside them are none.
fn documents(root: &Path) -> Vec<(PathBuf, Value)> {
    let indexes = [
        "logged_models.json",
        "traces.json",
        "manifest.json",
        "prompts_summary.json",
    ];
    let is_artifact = |path: &Path| path.components().any(|part| part.as_os_str() == "artifacts");
    let documents = files(root, &[".json"]).into_iter();
    let documents = documents.map(|path| {
        (
            path.strip_prefix(root).unwrap().to_owned(),
            fs::read(&path).unwrap(),
        )
    });
    let documents =
        documents.filter(|(path, _)| !is_artifact(path) && !indexes.iter().any(|name| path.ends_with(name)));
    // Python's bare `NaN` is no JSON.
    documents
        .filter_map(|(path, bytes)| Some((path, serde_json::from_slice(&bytes).ok()?)))
        .collect()
}

/// A change of a document, once for each name of a file and each way of names within it.
struct Changed {
    path: PathBuf,
    text: String,
    names: String,
    is_leaf: bool,
}

fn assert_no_fault_of_documents(changes: &[Changed], source: &Source) {
    assert_no_fault(changes, |changed, thread| {
        let names = &changed.names;
        let of_exporter = OF_THE_EXPORTER.iter().any(|name| names.starts_with(name));
        // The run that a point is of is the run around it.
        let is_run_of_point = names.starts_with("mlflow.metrics.") && names.ends_with(".run_id.");
        let judge = Judge {
            is_leaf: changed.is_leaf,
            is_said: !of_exporter && !is_run_of_point,
        };
        let file = source.root(thread).join(&changed.path);
        let fault = with_text(&file, &changed.text, || source.fault(thread, judge))?;
        Some(format!("{} {names}: {fault}", changed.path.display()))
    });
}

#[test]
fn of_an_export_directory_nothing_is_lost_silently() {
    let source = Source::of(SourceKind::ExportImport, "exim-3.18.0/new-layout/all", "");
    let (mut seen, mut changes) = (BTreeSet::new(), Vec::new());
    for (path, document) in documents(source.root(0)) {
        let name = path.file_name().unwrap().to_owned();
        for with in [json!(ODD), json!({ODD: [null]})] {
            for pointer in pointers(&document) {
                let mut changed = document.clone();
                let before = replace(&mut changed, &pointer, &with);
                let (names, is_leaf) = (names(&pointer), is_leaf(&before));
                let is_new = seen.insert((name.clone(), names.clone(), with.to_string(), is_leaf));
                if is_new && !is_of_type_of(&before, &with) && !names.contains("._") {
                    let (path, text) = (path.clone(), changed.to_string());
                    changes.push(Changed {
                        path,
                        text,
                        names,
                        is_leaf,
                    });
                }
            }
        }
    }
    assert_no_fault_of_documents(&changes, &source);
}

#[test]
fn of_an_export_directory_a_field_that_nobody_knows_is_held_or_told() {
    let source = Source::of(SourceKind::ExportImport, "exim-3.18.0/new-layout/all", "");
    let (mut seen, mut changes) = (BTreeSet::new(), Vec::new());
    for (path, document) in documents(source.root(0)) {
        let name = path.file_name().unwrap().to_owned();
        // Lists of what lies beside them, and of spans that an artifact holds.
        let lists = [
            "experiments.json",
            "models.json",
            "evaluation_datasets_summary.json",
        ];
        let is_list = lists.iter().any(|list| name == *list);
        let of_objects = pointers(&document).into_iter();
        for pointer in of_objects.filter(|pointer| !is_list && !pointer.starts_with("/mlflow/data/")) {
            let mut changed = document.clone();
            let names = names(&pointer);
            if add_field(&mut changed, &pointer) && seen.insert((name.clone(), names.clone())) {
                let (path, text) = (path.clone(), changed.to_string());
                changes.push(Changed {
                    path,
                    text,
                    names,
                    is_leaf: true,
                });
            }
        }
    }
    assert_no_fault_of_documents(&changes, &source);
}

/// Fields of files that say nothing of their own: the folder says it, or other files do.
const OF_THE_FOLDER: &[&str] = &[
    "lifecycle_stage",
    "destination_type",
    "destination_id",
    "source_type",
    "source_id",
    "trace_id",
    "aliases",
    "tags",
];

#[test]
fn of_a_file_store_nothing_is_lost_silently() {
    let source = Source::of(SourceKind::FileStore, "filestore-3.18.0/mlruns", "");
    let root = source.root(0);
    let (mut seen, mut changes) = (BTreeSet::new(), Vec::new());
    for path in files(root, &[".yaml"]) {
        let path = path.strip_prefix(root).unwrap().to_owned();
        let text = fs::read_to_string(root.join(&path)).unwrap();
        let (depth, name) = (path.components().count(), path.file_name().unwrap().to_owned());
        let mut try_once = |field: &str, with: &Value| {
            let is_new = seen.insert((depth, name.clone(), field.to_owned(), with.to_string()));
            if is_new {
                let others = text
                    .lines()
                    .filter(|line| !line.starts_with(&format!("{field}:")));
                let (others, changed) = (others.collect::<Vec<_>>().join("\n"), format!("{field}: {with}"));
                changes.push((path.clone(), format!("{others}\n{changed}\n"), changed));
            }
        };
        for with in [json!(ODD), json!([ODD]), json!({ODD: [null]})] {
            let fields = text.lines().filter(|line| !line.starts_with(' '));
            fields
                .filter_map(|line| line.split_once(": "))
                .for_each(|(field, _)| try_once(field, &with));
        }
        try_once("odd_field", &json!(ODD));
    }
    assert_no_fault(&changes, |(path, text, changed), thread| {
        let judge = Judge {
            is_leaf: true,
            is_said: !OF_THE_FOLDER.contains(&changed.split(':').next().unwrap()),
        };
        let file = source.root(thread).join(path);
        let fault = with_text(&file, text, || source.fault(thread, judge))?;
        Some(format!("{} {changed}: {fault}", path.display()))
    });
}

/// Columns that say nothing of their own: MLflow works them out of others, or they number rows.
const DERIVED: &[&str] = &[
    "assessments.aggregate_value",
    "assessments.experiment_id",
    "assessments.is_numeric_value",
    "assessments.trace_timestamp_ms",
    "entity_associations.association_id",
    "entity_associations.created_time",
    "evaluation_dataset_records.input_hash",
    "evaluation_dataset_records.source_id",
    "evaluation_dataset_records.source_type",
    "inputs.input_uuid",
    "inputs.step",
    "spans.end_time_unix_nano",
    "spans.name",
    "spans.parent_span_id",
    "spans.span_id",
    "spans.start_time_unix_nano",
    "spans.status",
    "spans.type",
    "trace_info.db_payload_generation",
];

#[test]
fn of_a_database_nothing_is_lost_silently() {
    let source = Source::of(SourceKind::Sql, "sql-3.18.0", "mlflow.db");
    let open = |thread: usize| rusqlite::Connection::open(source.root(thread).join("mlflow.db")).unwrap();
    let connection = open(0);
    let sql = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' \
               AND t.name NOT LIKE 'sqlite%' AND t.name <> 'alembic_version' ORDER BY 1, 2";
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let columns: Vec<_> = columns.unwrap().map(Result::unwrap).collect();
    let values = [format!("'{ODD}'"), "x'00ff'".to_owned()];
    let changes: Vec<_> = columns
        .iter()
        .flat_map(|(table, column)| values.clone().map(|with| (table, column, with)))
        .collect();
    assert_no_fault(&changes, |(table, column, with), thread| {
        let path = source.root(thread).join("mlflow.db");
        let before = fs::read(&path).unwrap();
        let one = format!("(SELECT rowid FROM \"{table}\" WHERE \"{column}\" IS NOT NULL LIMIT 1)");
        let changed = open(thread).execute(
            &format!("UPDATE \"{table}\" SET \"{column}\" = {with} WHERE rowid = {one}"),
            [],
        );
        // A constraint may say no, and there may be no row.
        let is_changed = changed.is_ok_and(|rows| rows > 0);
        let name = format!("{table}.{column}");
        // Bytes are not looked for: a text of bytes has a form of its own.
        let judge = Judge {
            is_leaf: true,
            is_said: !DERIVED.contains(&name.as_str()) && !with.starts_with('x'),
        };
        let fault = is_changed.then(|| source.fault(thread, judge)).flatten();
        fs::write(&path, before).unwrap();
        Some(format!("{name} -> {with}: {}", fault?))
    });
}
