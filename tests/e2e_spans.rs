//! Spans that came to real servers by each way in, as either door tells them.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s environments; MLARK_E2E_VERSIONS lists which; those
//! before 3.4 are passed over.

mod servers;

use mlark::archive::Archive;
use mlark::format::Kind;
use serde_json::Value;
use servers::{Server, mlark, run, script, venv};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn exported(folder: &Path, name: &str, source: &str, options: &[&str]) -> Archive {
    let out = folder.join(name);
    let arguments = ["export", source, "-o", out.to_str().unwrap()];
    mlark(&[&arguments[..], options].concat());
    Archive::open(&out).unwrap()
}

/// Beside spans in the database the client leaves its file as well, where it loses a race: here it always does.
fn leave_files(folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join("mlflow.db")).unwrap();
    let sql = "SELECT a.value FROM trace_tags a JOIN trace_tags s ON s.request_id = a.request_id
        WHERE a.key = 'mlflow.artifactLocation' AND s.key = 'mlflow.trace.spansLocation' AND s.value = 'TRACKING_STORE'";
    let mut statement = connection.prepare(sql).unwrap();
    let locations = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for location in locations.map(Result::unwrap) {
        let below = location.strip_prefix("mlflow-artifacts:/").unwrap();
        let place = folder.join("artifacts").join(below);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("traces.json"), r#"{"spans": []}"#).unwrap();
    }
}

/// Spans by (trace, span).
fn spans(archive: &Archive) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let spans = archive.values(Kind::Spans).map(Result::unwrap);
    spans
        .map(|span| ((text(&span["trace_id"]), text(&span["span_id"])), span))
        .collect()
}

/// Whether a server of this version takes spans by OpenTelemetry, as those from 3.4 on do.
fn takes_spans(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap());
    (numbers.next(), numbers.next()) >= (Some(3), Some(4))
}

#[test]
fn both_doors_tell_the_same_spans_but_for_those_that_no_route_tells() {
    let versions = std::env::var("MLARK_E2E_VERSIONS").unwrap_or_else(|_| "3.18.0".to_owned());
    for version in versions.split_whitespace() {
        if !takes_spans(version) {
            continue;
        }
        let Some(venv) = venv(version) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        let fill = Command::new(venv.join("bin/python"))
            .arg(script("fill_spans.py"))
            .arg(&server.url)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .status();
        assert!(fill.unwrap().success());
        leave_files(folder.path());
        let rest = exported(folder.path(), "rest", &server.url, &[]);
        let artifacts = folder.path().join("artifacts");
        let destination = ["--artifacts-destination", artifacts.to_str().unwrap()];
        let database = folder.path().join("mlflow.db");
        let sql = exported(folder.path(), "sql", database.to_str().unwrap(), &destination);

        let (by_rest, by_sql) = (spans(&rest), spans(&sql));
        assert_eq!(by_sql.len(), 4, "{version}");
        // Servers before 3.6 keep what came by OpenTelemetry in their database, and have no route to it.
        let is_told = !matches!(version, "3.4.0" | "3.5.0" | "3.5.1");
        assert_eq!(by_rest.len(), if is_told { 4 } else { 2 }, "{version}");
        for (id, span) in &by_rest {
            assert_eq!(span, &by_sql[id], "{version}");
        }
        let limits = &rest.manifest().losses.limits;
        let missing = limits.iter().filter(|loss| loss.reason == "missing-file");
        let missing: u64 = missing.map(|loss| loss.count).sum();
        assert_eq!(missing, u64::from(!is_told), "{version}");
        let lists = |archive: &Archive| -> Vec<Value> {
            archive.values(Kind::Artifacts).map(Result::unwrap).collect()
        };
        assert_eq!(lists(&rest), lists(&sql), "{version}");
        assert_eq!(lists(&rest).len(), if is_told { 2 } else { 0 }, "{version}");
        let mut compared = Command::new(env!("CARGO_BIN_EXE_mlark"));
        compared.args(["diff", "--ignore-limits"]);
        run(compared
            .arg(folder.path().join("rest"))
            .arg(folder.path().join("sql")));
    }
}
