//! Exports of PostgreSQL and MariaDB servers that real MLflow servers have filled, compared with exports through those MLflow servers.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s and `scripts/database-env`'s environments and the database
//! servers are installed; MLARK_E2E_DATABASE_VERSIONS lists the versions of MLflow.
#![cfg(all(feature = "postgres", feature = "mysql"))]

use crate::helpers::{measured, servers};
use mlark::archive::{Archive, ArchiveError};
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::export;
use mlark::flow::export::{ExportError, ExportOptions};
use mlark::format::Kind;
use mlark::monitor::Silent;
use mlark::report::{DiffOptions, diff};
use serde_json::Value;
use servers::{Server, run, script, venvs};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const PYTHON: &str = "python3";

fn databases() -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(script("databases.py"));
    command
}

/// A database server of this test's own.
struct Database {
    uri: String,
    pid: u64,
    folder: tempfile::TempDir,
}

impl Database {
    /// Starts one; nothing, and a word on stderr, where it is not installed.
    fn start(dialect: &str) -> Option<Self> {
        Self::start_with(dialect, &[])
    }

    /// Starts one with a certificate and its key.
    fn start_with(dialect: &str, tls: &[PathBuf]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // The server runs as somebody else where this is root.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = databases()
            .args(["start", dialect])
            .arg(folder.path().join("server"))
            .args(tls)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(3) {
            eprintln!("SKIPPED: {}", said.trim());
            return None;
        }
        assert!(output.status.success(), "{said}");
        let server: Value = serde_json::from_slice(&output.stdout).unwrap();
        Some(Database {
            uri: server["uri"].as_str().unwrap().to_owned(),
            pid: server["pid"].as_u64().unwrap(),
            folder,
        })
    }

    fn create(&self, name: &str) -> String {
        run(databases().args(["create", &self.uri, name]));
        format!("{}/{name}", self.uri)
    }

    fn query(&self, name: &str, sql: &str) {
        run(databases().args(["query", &self.uri, name, sql]));
    }

    /// The URI of a database for another user.
    fn uri_as(&self, user: &str, name: &str) -> String {
        format!("{}/{name}", self.uri.replace("mlflow@", &format!("{user}@")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn export_database(&self, uri: &str, folder: &str) -> Result<Archive, ExportError> {
        let out = self.path(&format!("{folder}-sql"));
        let options = ExportOptions {
            artifacts_destination: Some(self.path(folder).join("artifacts")),
            ..everything()
        };
        export(SourceKind::Sql, uri, &out, options, &Silent)?;
        Ok(Archive::open(&out).unwrap())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = databases().args(["stop", &self.pid.to_string()]).status();
    }
}

fn everything() -> ExportOptions {
    ExportOptions {
        include_deleted: true,
        ..ExportOptions::default()
    }
}

/// What neither archive's limits account for.
fn unexplained(rest: &Archive, sql: &Archive) -> Vec<String> {
    let mut found = Vec::new();
    let options = DiffOptions { ignore_limits: true };
    let shown: Vec<String> = rest
        .values(Kind::LoggedModels)
        .map(|model| text(&model.unwrap(), "model_id"))
        .collect();
    diff(rest, sql, options, &Silent, &mut |difference| {
        // Files of deleted logged models, which REST does not show.
        let is_hidden = difference.owner_kind == Some(mlark::model::OwnerKind::LoggedModel)
            && !shown.contains(&difference.id);
        if !is_hidden {
            found.push(format!(
                "{} {} {} {} {:?} {:?}",
                difference.change.as_str(),
                difference.kind,
                difference.id,
                difference.key_text(),
                difference.before,
                difference.after
            ));
        }
        Ok::<_, ArchiveError>(())
    })
    .unwrap();
    found
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn check(dialect: &str) {
    let Some(venvs) = venvs("no database server is exported") else {
        return;
    };
    let Some(database) = Database::start(dialect) else {
        return;
    };
    let versions = std::env::var("MLARK_E2E_DATABASE_VERSIONS").unwrap_or_else(|_| "2.9.2 3.18.0".to_owned());
    for version in versions.split_whitespace() {
        let name = format!("mlflow_{}", version.replace('.', "_"));
        let uri = database.create(&name);
        let folder = database.path(&name);
        let server = Server::start_over(&venvs, version, &folder, &uri);
        let without_nul: &[&str] = match dialect {
            "postgresql" => &["--without-nul"],
            _ => &[],
        };
        server.fill(&venvs.join(format!("mlflow-{version}")), without_nul);
        let out = database.path(&format!("{name}-rest"));
        export(SourceKind::Rest, &server.url, &out, everything(), &Silent).unwrap();
        let rest = Archive::open(&out).unwrap();
        assert!(
            rest.manifest().losses.failures.is_empty(),
            "{version}: {:?}",
            rest.manifest().losses
        );
        let sql = database.export_database(&uri, &name).unwrap();
        assert!(sql.manifest().count(Kind::Runs) > 50);
        assert_eq!(sql.manifest().source.details["dialect"], dialect);
        let unexplained = unexplained(&rest, &sql);
        assert!(
            unexplained.is_empty(),
            "{dialect} {version}:\n{}",
            unexplained.join("\n")
        );
        check_refusals(&database, &name);
    }
}

/// A user without the right to read, a wrong password, a database that is not there: said with what would help, never with the password.
fn check_refusals(database: &Database, name: &str) {
    let is_postgres = database.uri.starts_with("postgresql");
    let blind = format!("blind_{name}");
    let statements = match is_postgres {
        true => vec![format!("CREATE ROLE {blind} LOGIN")],
        false => vec![
            format!("CREATE USER {blind}@'127.0.0.1' IDENTIFIED BY 'right'"),
            // Without any right to a database its very name is hidden.
            format!("GRANT SELECT ON {name}.alembic_version TO {blind}@'127.0.0.1'"),
        ],
    };
    statements.iter().for_each(|sql| database.query(name, sql));
    let refusal = |uri: &str| {
        let error = database
            .export_database(uri, &format!("{name}-refused"))
            .err()
            .unwrap();
        assert_eq!(error.kind(), mlark::archive::ErrorKind::Source);
        error.to_string()
    };
    let user = if is_postgres {
        blind
    } else {
        format!("{blind}:right")
    };
    let said = refusal(&database.uri_as(&user, name));
    assert!(said.contains("GRANT SELECT"), "{said}");
    if !is_postgres {
        let said = refusal(&database.uri_as(&user.replace("right", "wrong-secret"), name));
        assert!(
            said.contains("password") && !said.contains("wrong-secret"),
            "{said}"
        );
    }
    let said = refusal(&database.uri_as("mlflow", "not_there"));
    assert!(said.contains("not_there"), "{said}");
}

#[test]
fn postgresql_gives_what_the_server_over_it_gives() {
    check("postgresql");
}

#[test]
fn mariadb_gives_what_the_server_over_it_gives() {
    check("mysql");
}

/// A database with a text of 200 MiB, one of 2 MiB beside a key that is a number, and one that no archive holds.
fn check_long_texts(dialect: &str) {
    if venvs("no database server holds long texts").is_none() {
        return;
    }
    let Some(database) = Database::start(dialect) else {
        return;
    };
    let uri = database.create("long_texts");
    let (key, text, begin) = match dialect {
        "mysql" => ("`key`", "LONGTEXT", "SET NAMES utf8mb4;"),
        _ => ("key", "TEXT", ""),
    };
    let query = |sql: &str| database.query("long_texts", &format!("{begin}{sql}"));
    query(&format!(
        "CREATE TABLE experiments (experiment_id INT PRIMARY KEY, name VARCHAR(256), lifecycle_stage VARCHAR(32));
         CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, experiment_id INT, lifecycle_stage VARCHAR(32), name {text}, source_name JSON);
         CREATE TABLE metrics (run_uuid VARCHAR(32), {key} VARCHAR(250), value DOUBLE PRECISION, timestamp BIGINT, step BIGINT);
         CREATE TABLE params ({key} VARCHAR(250), value {text}, run_uuid VARCHAR(32), PRIMARY KEY ({key}, run_uuid));
         CREATE TABLE tags ({key} VARCHAR(250), value {text}, run_uuid VARCHAR(32), PRIMARY KEY ({key}, run_uuid));
         CREATE TABLE experiment_tags ({key} VARCHAR(250), value {text}, experiment_id INT, PRIMARY KEY ({key}, experiment_id));
         INSERT INTO experiments VALUES (7, 'e', 'active');
         INSERT INTO runs VALUES ('r', 7, 'active', 'short', '\"short\"');
         INSERT INTO tags VALUES ('short', 's', 'r');"
    ));
    let export = |name: &str, options: &[&str]| measured::export(&uri, &database.path(name), options);
    let (code, plain) = export("plain", &[]);
    assert_eq!(code, 0);
    if dialect == "mysql" {
        query("SET GLOBAL max_allowed_packet = 1073741824");
    }
    query("INSERT INTO tags VALUES ('an \"é', REPEAT('é', 104857600), 'r')");
    query("INSERT INTO experiment_tags VALUES ('long', REPEAT('x', 2097152), 7)");
    // A field that holds texts only, and JSON.
    let json = if dialect == "mysql" { "" } else { "::json" };
    query(&format!(
        "UPDATE runs SET name = REPEAT('é', 1048577), source_name = CONCAT('\"', REPEAT('y', 3145728), '\"'){json}"
    ));
    if dialect == "mysql" {
        // Less than the text has, as it is of old.
        query("SET GLOBAL max_allowed_packet = 4194304");
    }
    let (code, peak) = export("out", &[]);
    assert_eq!(code, 0);
    assert!(
        peak < plain + 64 * measured::MIB,
        "{peak} bytes, without the texts {plain}"
    );
    eprintln!("{dialect}: {peak} bytes, without long texts {plain}");
    let mib = measured::MIB;
    let sizes = [2 * mib, 2 * mib + 2, 3 * mib + 2, 200 * mib];
    assert_eq!(measured::large_blobs(&database.path("out")), sizes);
    let archive = Archive::open(&database.path("out")).unwrap();
    let run = archive.values(Kind::Runs).next().unwrap().unwrap();
    assert!(run["tags"]["an \"é"] == "é".repeat(100 << 20));
    assert_eq!(run["tags"]["short"], "s");
    assert!(run["info"]["run_name"] == "é".repeat((1 << 20) + 1));
    assert!(run["info"]["source_name"] == format!("\"{}\"", "y".repeat(3 << 20)));

    if dialect == "mysql" {
        query("SET GLOBAL max_allowed_packet = 1073741824");
    }
    query("DELETE FROM tags");
    query("UPDATE runs SET name = REPEAT('x', 300000000)");
    query("INSERT INTO tags VALUES ('longer', REPEAT('x', 300000000), 'r')");
    let (code, peak) = export("refused", &["--keep-going"]);
    assert_eq!(code, 3);
    assert!(
        peak < plain + 64 * measured::MIB,
        "{peak} bytes, without the texts {plain}"
    );
    let losses = std::fs::read_to_string(database.path("refused").join("losses.jsonl")).unwrap();
    assert_eq!(losses.matches("\"unwritable\"").count(), 2, "{losses}");
    assert!(
        losses.contains("table `tags`") && losses.contains("`name` of row"),
        "{losses}"
    );
}

#[test]
fn long_texts_of_postgresql_are_streamed_into_blobs() {
    check_long_texts("postgresql");
}

#[test]
fn long_texts_of_mariadb_are_streamed_into_blobs() {
    check_long_texts("mysql");
}

/// What an export of an empty database says, with options of its URI.
fn said(uri: &str, options: &str) -> String {
    let out = tempfile::tempdir().unwrap();
    let uri = format!("{uri}?{options}");
    let made = export(
        SourceKind::Sql,
        &uri,
        &out.path().join("a"),
        ExportOptions::default(),
        &Silent,
    );
    made.unwrap_err().to_string()
}

fn check_tls(dialect: &str, [any, signer, whole, stranger]: [&str; 4]) {
    if venvs("no database server is asked for TLS").is_none() {
        return;
    }
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/09-self-signed-certificate");
    let file = |name: &str| folder.join(name);
    let Some(secure) = Database::start_with(dialect, &[file("server.pem"), file("server.key")]) else {
        return;
    };
    let with = |options: &str, trusted: &str| format!("{options}{}", file(trusted).display());
    let is_connected = |said: &str| said.contains("no tables `experiments`");
    let uri = secure.create("empty");
    for options in [any.to_owned(), with(signer, "own.pem"), with(whole, "own.pem")] {
        assert!(
            is_connected(&said(&uri, &options)),
            "{options}: {}",
            said(&uri, &options)
        );
    }
    for options in [with(signer, "other.pem"), with(whole, "other.pem")] {
        assert!(
            said(&uri, &options).contains("certificate"),
            "{options}: {}",
            said(&uri, &options)
        );
    }
    assert!(
        said(&uri, stranger).contains("nosuch"),
        "{}",
        said(&uri, stranger)
    );
    let Some(plain) = Database::start(dialect) else {
        return;
    };
    let uri = plain.create("empty");
    assert!(is_connected(&said(&uri, "")), "{}", said(&uri, ""));
    for options in [any.to_owned(), with(whole, "own.pem")] {
        assert!(!is_connected(&said(&uri, &options)), "{options} without TLS");
    }
}

#[test]
fn postgresql_is_encrypted_and_checked_as_its_uri_asks() {
    let options = [
        "sslmode=require",
        "sslmode=verify-ca&sslrootcert=",
        "sslmode=verify-full&sslrootcert=",
        "nosuch=1",
    ];
    check_tls("postgresql", options);
}

#[test]
fn mariadb_is_encrypted_and_checked_as_its_uri_asks() {
    let options = [
        "ssl_mode=REQUIRED",
        "ssl_mode=VERIFY_CA&ssl_ca=",
        "ssl_ca=",
        "nosuch=1",
    ];
    check_tls("mysql", options);
}

/// Makes a client's certificate and key, signed by the fixtures' own: with extensions, or of version 1 as guides have it.
fn client_certificate(folder: &std::path::Path, has_extensions: bool) -> [String; 2] {
    let signer = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/cases/09-self-signed-certificate/own");
    let [key, request, certificate] =
        ["client.key", "client.csr", "client.pem"].map(|name| folder.join(name));
    let openssl = |args: &[&str], files: &[(&str, PathBuf)]| {
        let mut command = Command::new("openssl");
        command.args(args);
        files
            .iter()
            .for_each(|(option, file)| _ = command.arg(option).arg(file));
        run(&mut command);
    };
    let kind = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=mlflow",
    ];
    openssl(&kind, &[("-keyout", key.clone()), ("-out", request.clone())]);
    let files = [
        ("-in", request),
        ("-CA", signer.with_extension("pem")),
        ("-CAkey", signer.with_extension("key")),
        ("-out", certificate.clone()),
    ];
    let extensions = folder.join("extensions");
    std::fs::write(&extensions, "keyUsage=digitalSignature\n").unwrap();
    let extensions = has_extensions.then_some(("-extfile", extensions));
    let files: Vec<_> = files.into_iter().chain(extensions).collect();
    openssl(&["x509", "-req", "-days", "30", "-set_serial", "7"], &files);
    [certificate, key].map(|path| path.display().to_string())
}

/// A server that lets nobody in without a certificate.
fn check_client_certificate(dialect: &str, [certificate, key, trusted]: [&str; 3]) {
    if venvs("no database server asks for certificates").is_none() {
        return;
    }
    let fixtures =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/09-self-signed-certificate");
    let tls = ["server.pem", "server.key", "own.pem"].map(|name| fixtures.join(name));
    let Some(database) = Database::start_with(dialect, &tls) else {
        return;
    };
    let create = || {
        let mut command = databases();
        command.args(["create", &database.uri, "empty"]);
        run(command.env("SOCKET", database.path("server")));
    };
    create();
    let uri = match dialect {
        "mysql" => {
            database.query(
                "empty",
                "CREATE USER x509@'127.0.0.1' REQUIRE X509; GRANT ALL ON empty.* TO x509@'127.0.0.1'",
            );
            database.uri_as("x509", "empty")
        }
        _ => format!("{}/empty", database.uri),
    };
    let is_connected = |options: &str| {
        let said = said(&uri, options);
        (said.contains("no tables `experiments`"), said)
    };
    let encrypted = format!("{trusted}{}", tls[2].display());
    let with_own = |has_extensions| {
        let [own, own_key] = client_certificate(database.folder.path(), has_extensions);
        is_connected(&format!("{encrypted}&{certificate}={own}&{key}={own_key}"))
    };
    let (is_in, said) = with_own(true);
    assert!(is_in, "{said}");
    let (is_in, said) = with_own(false);
    assert!(
        is_in || (dialect == "mysql" && said.contains("-extfile")),
        "{said}"
    );
    // None, and one that signed itself.
    let stranger = fixtures.join("other.pem").display().to_string();
    for options in [
        encrypted.clone(),
        format!(
            "{encrypted}&{certificate}={stranger}&{key}={}",
            stranger.replace(".pem", ".key")
        ),
    ] {
        let (is_in, said) = is_connected(&options);
        assert!(!is_in, "{options}: {said}");
    }
}

#[test]
fn postgresql_takes_the_certificate_of_a_client() {
    check_client_certificate(
        "postgresql",
        ["sslcert", "sslkey", "sslmode=verify-full&sslrootcert="],
    );
}

#[test]
fn mariadb_takes_the_certificate_of_a_client() {
    check_client_certificate("mysql", ["ssl_cert", "ssl_key", "ssl_ca="]);
}

/// Names and the origin of an archive's experiments that are not the default one.
fn experiments(archive: &Archive) -> (Vec<String>, String) {
    let names = archive
        .values(Kind::Experiments)
        .map(|experiment| text(&experiment.unwrap(), "name"));
    let names = names.filter(|name| name != "Default").collect();
    (names, archive.manifest().origin.clone())
}

#[test]
fn schemas_of_one_database_are_named_chosen_and_sources_of_their_own() {
    let Some(venvs) = venvs("no schemas are chosen") else {
        return;
    };
    let Some(database) = Database::start("postgresql") else {
        return;
    };
    let uri = database.create("teams");
    let target = Server::start(&venvs, "3.18.0", &database.path("target"));
    let mut origins = Vec::new();
    for team in ["team_a", "team_b"] {
        database.query("teams", &format!("CREATE SCHEMA {team}"));
        let store = format!("{uri}?options=-csearch_path%3D{team}");
        let server = Server::start_over(&venvs, "3.18.0", &database.path(team), &store);
        let made = format!(
            "import sys, mlflow; client = mlflow.MlflowClient(sys.argv[1]); \
             client.create_run(client.create_experiment('project of {team}'))"
        );
        let mut python = Command::new(venvs.join("mlflow-3.18.0/bin/python"));
        run(python
            .args(["-c", &made, &server.url])
            .env("MLFLOW_DISABLE_TELEMETRY", "true"));
        let (names, origin) = experiments(&database.export_database(&store, team).unwrap());
        assert_eq!(names, [format!("project of {team}")]);
        origins.push(origin);
        let archive = database.path(&format!("{team}-sql"));
        servers::mlark(&["import", archive.to_str().unwrap(), &target.url, "--verify"]);
    }
    assert_ne!(origins[0], origins[1]);
    let said = said(&uri, "");
    for expected in ["`team_a`, `team_b`", "options=-csearch_path%3DNAME"] {
        assert!(said.contains(expected), "{said}");
    }
    let out = database.path("both");
    export(SourceKind::Rest, &target.url, &out, everything(), &Silent).unwrap();
    let (mut names, _) = experiments(&Archive::open(&out).unwrap());
    names.sort();
    assert_eq!(names, ["project of team_a", "project of team_b"]);
}
