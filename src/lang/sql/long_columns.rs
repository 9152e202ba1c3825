//! Tests: a long text in any column of any table that is read.

use super::columns::{ALEMBIC, ALL, Table};
use super::export_within;
use crate::archive::Archive;
use crate::archive::verify::{Severity, VerifyOptions, verify};
use crate::format::Kind;
use crate::lang::session::ExportOptions;
use crate::monitor::Silent;
use rusqlite::{Connection, config::DbConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest text of these tests' archives.
const TEXT_BYTES: u64 = 2 << 20;

/// Stands as a blob where one may.
const LONG: usize = (1 << 20) + 2;
/// No archive of these tests holds it.
const LONGER: usize = 3 << 20;

/// A column of a table, and the text that is put into a row of it.
#[derive(Debug, Clone, Copy)]
struct Case {
    table: Table,
    column: usize,
    bytes: usize,
}

impl Case {
    fn name(self) -> &'static str {
        self.table.columns[self.column]
    }

    /// Which rows are read: tables of links have others, too.
    fn condition(self) -> &'static str {
        match (self.table.name, self.table.kind) {
            ("entity_associations", "traces") => "WHERE source_type = 'trace'",
            ("entity_associations", _) => "WHERE source_type = 'evaluation_dataset'",
            ("inputs", _) if self.table.columns.contains(&"input_uuid") => "WHERE source_type = 'DATASET'",
            ("inputs", _) => "WHERE source_type LIKE 'RUN%'",
            _ => "",
        }
    }

    /// Whether the column says which rows are asked for: a row with another text there belongs to nothing.
    fn is_asked_for(self) -> bool {
        let of_owner =
            self.table.field.is_some() || ["metrics", "spans", "model-metrics"].contains(&self.table.kind);
        let is_scanned = [
            "experiments",
            "evaluation-datasets",
            "registered-models",
            "model-versions",
        ]
        .contains(&self.table.kind);
        (self.column == 0 && of_owner && !is_scanned)
            || (self.table.name == "inputs" && self.name() == "destination_type")
    }

    /// What stands before and after the text in quotes, so that it fits the column.
    fn frame(self) -> (&'static str, &'static str) {
        match self.name() {
            "content" => (r#"{"span_id": "10a913d3a983ac53", "name": "#, "}"),
            "assessment_metadata" => (r#"{"long": "#, "}"),
            _ => ("", ""),
        }
    }

    /// Makes a database with the long text in it, as JSON.
    fn make(self, folder: &Path) -> PathBuf {
        let path = folder.join("mlflow.db");
        fs::copy(fixture(), &path).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)
            .unwrap();
        let (begin, end) = self.frame();
        let sql = format!(
            "PRAGMA ignore_check_constraints = 1; UPDATE {table} SET \"{column}\" = '{begin}\"' || hex(zeroblob({half})) || '\"{end}'
             WHERE rowid = (SELECT min(rowid) FROM {table} {condition})",
            table = self.table.name,
            column = self.name(),
            half = self.bytes / 2,
            condition = self.condition(),
        );
        connection.execute_batch(&sql).unwrap();
        assert_eq!(connection.changes(), 1, "{self:?}: a row to change");
        path
    }

    /// What is wrong with an export of it.
    fn fault(self, whole: &Lines) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        export(&self.make(folder.path()), &out);
        let losses = fs::read_to_string(out.join("losses.jsonl")).unwrap_or_default();
        let is_named = losses.lines().any(|line| {
            line.contains("\"unwritable\"")
                && line.contains(&format!("`{}` of row", self.name()))
                && line.contains(&format!("table `{}`", self.table.name))
        });
        let has_blob = fs::read_to_string(out.join("SHA256SUMS"))
            .unwrap()
            .lines()
            .any(|line| {
                let path = line.split_once("  ").unwrap().1;
                path.starts_with("blobs/") && fs::metadata(out.join(path)).unwrap().len() > 1 << 20
            });
        if is_named == (has_blob && self.bytes == LONG) {
            return Some(format!("{self:?}: named {is_named}, blob {has_blob}: {losses}"));
        }
        for (kind, lost) in lost(whole, &lines(&out)) {
            let is_key = self.column < self.table.keys && self.table.field.is_none();
            let most = match kind {
                // What belongs to an object goes with it.
                _ if is_key && kind.name() != self.table.kind => continue,
                Kind::Artifacts | Kind::Spans if self.table.name != "spans" => continue,
                // A scorer has two versions.
                Kind::Scorers if is_key => 2,
                _ => 1,
            };
            if lost.len() > most {
                return Some(format!("{self:?}: {kind}: {lost:#?}\n{losses}"));
            }
        }
        None
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sql-3.18.0/mlflow.db")
}

fn export(database: &Path, out: &Path) {
    let options = ExportOptions {
        keep_going: true,
        include_deleted: true,
        ..ExportOptions::default()
    };
    export_within(TEXT_BYTES, database.to_str().unwrap(), out, options, &Silent).unwrap();
    let report = verify(out, &VerifyOptions::default(), &Silent).unwrap();
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    assert_eq!(errors.count(), 0, "{:#?}", report.findings);
}

/// Lines by kind.
type Lines = BTreeMap<Kind, BTreeSet<String>>;

fn lines(archive: &Path) -> Lines {
    let archive = Archive::open(archive).unwrap();
    let of_kind = |kind| {
        archive
            .values(kind)
            .map(|line| line.unwrap().to_string())
            .collect()
    };
    Kind::ALL.iter().map(|&kind| (kind, of_kind(kind))).collect()
}

/// Lines that are not there any more as they were.
fn lost<'l>(before: &'l Lines, after: &'l Lines) -> Vec<(Kind, Vec<&'l String>)> {
    let lost = before
        .iter()
        .map(|(kind, lines)| (*kind, lines.difference(&after[kind]).collect()));
    lost.collect()
}

/// Each column once, with a text that stands as a blob where one may, and with one that no archive holds.
fn cases() -> Vec<Case> {
    let connection = Connection::open(fixture()).unwrap();
    let mut seen = BTreeSet::new();
    let mut cases = Vec::new();
    for &table in ALL.iter().filter(|table| table.name != ALEMBIC.name) {
        for (column, name) in table.columns.iter().enumerate() {
            let has_column = format!(
                "SELECT count(*) FROM pragma_table_xinfo('{}') WHERE name = '{name}' AND NOT (pk AND type = 'INTEGER')",
                table.name
            );
            let has_column: bool = connection.query_row(&has_column, [], |row| row.get(0)).unwrap();
            let case = |bytes| Case { table, column, bytes };
            if has_column && !case(0).is_asked_for() && seen.insert((table.kind, table.name, name)) {
                cases.extend([case(LONG), case(LONGER)]);
            }
        }
    }
    cases
}

#[test]
fn a_long_text_in_any_column_is_a_blob_or_a_failure_by_name_and_the_rest_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("whole");
    let database = folder.path().join("mlflow.db");
    fs::copy(fixture(), &database).unwrap();
    export(&database, &out);
    let whole = lines(&out);
    let cases = cases();
    assert!(cases.len() > 250, "{} cases", cases.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let threads = cases.chunks(cases.len().div_ceil(threads)).map(|cases| {
            scope.spawn(|| {
                cases
                    .iter()
                    .filter_map(|case| case.fault(&whole))
                    .collect::<Vec<_>>()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
