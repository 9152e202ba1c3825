//! PostgreSQL and MariaDB servers filled by a restore: the law, real MLflow of several versions over the result, and all that can go wrong.
//!
//! Runs where the servers are installed and MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s environments.
#![cfg(all(feature = "postgres", feature = "mysql"))]

use super::restore::{VERSION, copy_tree, differences, fixture, said};
use crate::helpers::law::{Told, assert_law};
use crate::helpers::{rich, servers, whole};
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::model::{Experiment, LatestMetric, Run, RunInfo};
use serde_json::Value;
use servers::{Server, mlark, run, script, venv, venvs};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const DIALECTS: [&str; 2] = ["postgresql", "mysql"];

/// A private PostgreSQL or MariaDB server that all tests share, each with databases of its own names. It ends with this process, whose pipe
/// to it ends then.
struct Database {
    uri: String,
    _holder: Child,
}

impl Database {
    /// The server of a dialect.
    fn of(dialect: &str) -> Option<&'static Self> {
        static SERVERS: [OnceLock<Option<Database>>; 2] = [const { OnceLock::new() }; 2];
        let at = DIALECTS.iter().position(|known| *known == dialect).unwrap();
        SERVERS[at].get_or_init(|| Self::start(dialect)).as_ref()
    }

    fn start(dialect: &str) -> Option<Self> {
        venvs("no database server is filled")?;
        // The one who holds the server removes it.
        let folder = tempfile::tempdir().unwrap().keep();
        // The server runs as somebody else where this is root.
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut holder = Command::new("python3")
            .arg(script("databases.py"))
            .args(["hold", dialect])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            eprintln!("SKIPPED: no {dialect} is filled, since it is not installed");
            holder.wait().unwrap();
            return None;
        };
        Some(Database {
            uri: started["uri"].as_str().unwrap().to_owned(),
            _holder: holder,
        })
    }

    fn query(&self, name: &str, sql: &str) {
        let mut command = Command::new("python3");
        let arguments = ["query", &self.uri, name, sql];
        run(command.arg(script("databases.py")).args(arguments));
    }

    /// Runs a statement in the background.
    fn using(&self, name: &str, sql: &str) -> Child {
        let mut command = Command::new("python3");
        command
            .arg(script("databases.py"))
            .args(["query", &self.uri, name, sql]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Ends what is connected to a database, as soon as somebody is who does something.
    fn end_sessions(&self, name: &str) {
        let sql = match self.uri.starts_with("mysql") {
            true => format!(
                "DELIMITER //\nBEGIN NOT ATOMIC DECLARE found BIGINT DEFAULT NULL; DECLARE tries INT DEFAULT 0; \
                 WHILE found IS NULL AND tries < 500 DO \
                 SELECT MAX(id) INTO found FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID(); \
                 SET tries = tries + 1; DO SLEEP(0.02); END WHILE; \
                 IF found IS NOT NULL THEN KILL found; END IF; END//"
            ),
            false => format!(
                "DO $$ BEGIN FOR i IN 1..500 LOOP PERFORM pg_stat_clear_snapshot(); \
                 IF (SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = '{name}' AND pid <> pg_backend_pid()) ended) > 0 THEN RETURN; END IF; \
                 PERFORM pg_sleep(0.02); END LOOP; END $$"
            ),
        };
        self.query("", &sql);
    }

    fn create(&self, name: &str) -> String {
        self.create_all(&[name.to_owned()]);
        self.uri_of(name)
    }

    fn create_all(&self, names: &[String]) {
        let mut command = Command::new("python3");
        let command = command.arg(script("databases.py")).args(["create", &self.uri]);
        run(command.args(names));
    }

    /// Makes a database with what another one holds.
    fn copy(&self, name: &str, new: &str) -> String {
        let mut command = Command::new("python3");
        let arguments = ["copy", &self.uri, name, new];
        run(command.arg(script("databases.py")).args(arguments));
        self.uri_of(new)
    }

    fn uri_of(&self, name: &str) -> String {
        format!("{}/{name}", self.uri)
    }
}

/// Does something with the server of each dialect, at once.
fn with_each(check: impl Fn(&str, &Database) + Sync) {
    std::thread::scope(|scope| {
        for dialect in DIALECTS {
            let check = &check;
            scope.spawn(move || {
                if let Some(database) = Database::of(dialect) {
                    check(dialect, database);
                }
            });
        }
    });
}

/// Restores an archive into a new database of a server, and checks what comes back of it; where its artifacts are, and the report.
fn check_law(directory: &Path, archive: &Path, uri: &str, name: &str) -> (PathBuf, Value) {
    let path = |part: &str| directory.join(format!("{name}-{part}"));
    let text = |part: &str| path(part).to_str().unwrap().to_owned();
    let (from, artifacts) = (archive.to_str().unwrap(), text("artifacts"));
    let restore = ["restore", from, uri, "--artifacts-destination", &artifacts];
    let restore = [&restore[..], &["--long-values", "truncate"]].concat();
    let planned = mlark(&[&restore[..], &["--dry-run", "--json"]].concat());
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let report = mlark(&[&restore[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    for field in ["lost", "edits", "new_ids", "counts", "files"] {
        assert_eq!(planned[field], report[field], "{name}: {field}");
    }
    // What is there is not written over.
    let second = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(["restore", from, uri, "--artifacts-destination", &text("again")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(8), "{name}: {said}");
    assert!(!path("again").exists());

    let recipe = mlark(&[&restore[..], &["--print-recipe"]].concat());
    fs::write(path("recipe"), recipe.stdout).unwrap();
    mlark(&[
        "transform",
        from,
        "-o",
        &text("edited"),
        "--recipe",
        &text("recipe"),
    ]);
    let options = ["--include-deleted", "--artifacts-destination", &artifacts];
    mlark(&[&["export", uri, "-o", &text("back")], &options[..]].concat());
    let open = |part: &str| Archive::open(&path(part)).unwrap();
    assert_law(&open("edited"), &open("back"), &Told::of(&report), name);
    let options = ["--against", uri, "--artifacts-destination", &artifacts];
    let verified = mlark(&[&["verify", from], &options[..]].concat());
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(said.contains("the target matches the archive"), "{name}: {said}");
    (artifacts.into(), report)
}

/// The law for an archive, and a server of the newest MLflow over what was made.
fn served(
    (directory, name): (&Path, &str),
    archive: &Path,
    database: &Database,
    dialect: &str,
) -> Option<(Server, Value)> {
    let venvs = venvs("no restored store is served")?;
    let label = format!("{name}_{dialect}");
    let uri = database.create(&label);
    let (artifacts, report) = check_law(directory, archive, &uri, &label);
    let folder = directory.join(format!("{label}-served"));
    fs::create_dir_all(&folder).unwrap();
    fs::rename(&artifacts, folder.join("artifacts")).unwrap();
    Some((Server::start_over(&venvs, VERSION, &folder, &uri), report))
}

/// What a server answers otherwise than the source's server does is what the report lists, and no more.
#[test]
fn servers_over_postgresql_and_mariadb_answer_as_the_sources_server_does() {
    let (Some(venv), Some(venvs)) = (venv(VERSION), venvs("no restored store is served")) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let source = path("source");
    copy_tree(&fixture("sql-3.18.0/mlartifacts"), &source.join("artifacts"));
    fs::copy(fixture("sql-3.18.0/mlflow.db"), source.join("mlflow.db")).unwrap();
    mlark(&[
        "export",
        source.join("mlflow.db").to_str().unwrap(),
        "-o",
        path("a").to_str().unwrap(),
        "--include-deleted",
        "--artifacts-destination",
        source.join("artifacts").to_str().unwrap(),
    ]);
    let expected = said(&venv, &Server::start(&venvs, VERSION, &source));
    assert!(expected["runs"].as_object().unwrap().len() > 40);
    with_each(|dialect, database| {
        let restored = served((directory.path(), "store"), &path("a"), database, dialect);
        let (server, report) = restored.unwrap();
        let mut differing = Vec::new();
        differences(&expected, &said(&venv, &server), "", &mut differing);
        let places: BTreeSet<&str> = differing
            .iter()
            .map(|text| text.split(": ").next().unwrap())
            .collect();
        let listed: BTreeSet<String> = report["lost"].as_array().unwrap().iter().map(place_of).collect();
        assert!(!listed.is_empty(), "a NUL that no server holds is in the fixture");
        let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        assert_eq!(places, listed, "{dialect}: {}", differing.join("\n"));
    });
}

/// Where a server says what a report lists.
fn place_of(lost: &Value) -> String {
    let text = |field: &str| lost[field].as_str().unwrap();
    let kind = text("kind").replace('-', "_");
    format!("/{kind}/{}/{}", text("id"), text("field").replace('.', "/"))
}

#[test]
fn a_file_store_with_long_ids_goes_on_in_postgresql_and_mariadb() {
    let Some(venv) = venv(VERSION) else { return };
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("files.zip");
    let source = fixture("filestore-3.18.0/mlruns");
    mlark(&[
        "export",
        source.to_str().unwrap(),
        "-o",
        archive.to_str().unwrap(),
        "--include-deleted",
        "--keep-going",
    ]);
    with_each(|dialect, database| {
        let (server, ..) = served((directory.path(), "files"), &archive, database, dialect).unwrap();
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(script("ask_restored.py")).arg(&server.url);
        run(command.arg("--go-on"));
    });
}

#[test]
fn what_comes_back_of_postgresql_and_mariadb_is_what_the_recipe_makes() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("everything")).unwrap();
    whole::archive_of_everything(&path("everything"));
    rich::build(&path("rich"), rich::Size::Small);
    let mut archives = vec![
        ("whole".to_owned(), path("everything/everything")),
        ("rich".to_owned(), path("rich")),
    ];
    for source in [
        "filestore-0.9.1/mlruns",
        "filestore-1.30.1/mlruns",
        "filestore-2.9.2/mlruns",
        "filestore-2.22.5/mlruns",
        "sql-1.30.1/mlflow.db",
        "sql-2.9.2/mlflow.db",
        "sql-2.22.5/mlflow.db",
        "sql-migrated-3.18.0/mlflow.db",
    ] {
        let name = source.split('/').next().unwrap().replace(['.', '-'], "_");
        let archive = path(&format!("{name}.zip"));
        let from = fixture(source);
        mlark(&[
            "export",
            from.to_str().unwrap(),
            "-o",
            archive.to_str().unwrap(),
            "--include-deleted",
            "--keep-going",
        ]);
        archives.push((name, archive));
    }
    with_each(|dialect, database| {
        let folder = path(dialect);
        fs::create_dir(&folder).unwrap();
        for (name, archive) in &archives {
            check_law(&folder, archive, &database.create(&format!("law_{name}")), name);
        }
    });
}

/// Stores that an older MLflow made are filled, and that MLflow serves them.
#[test]
fn stores_of_older_mlflow_are_filled_and_served_by_it() {
    let Some(venvs) = venvs("no older store is filled") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    for (source, name) in [("sql-3.18.0/mlflow.db", "new"), ("filestore-2.9.2/mlruns", "old")] {
        let source = fixture(source);
        mlark(&[
            "export",
            source.to_str().unwrap(),
            "-o",
            &text(name),
            "--include-deleted",
            "--keep-going",
        ]);
    }
    std::thread::scope(|scope| {
        for (version, dialect) in [("2.9.2", "mysql"), ("2.22.5", "postgresql"), ("3.10.1", "mysql")] {
            let (venvs, directory) = (&venvs, directory.path());
            scope.spawn(move || fill_older(venvs, directory, version, dialect));
        }
    });
}

/// Fills two stores that a version made, and asks that version about them.
fn fill_older(venvs: &Path, directory: &Path, version: &str, dialect: &str) {
    let (Some(venv), Some(database)) = (venv(version), Database::of(dialect)) else {
        return;
    };
    let path = |name: &str| directory.join(name);
    let empty = format!("empty_{}", version.replace('.', "_"));
    // Its migrations take long: they run once, and the second store is a copy.
    let program = "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore; \
        SqlAlchemyStore(sys.argv[1], 'mlflow-artifacts:/')";
    let mut command = Command::new(venv.join("bin/python"));
    command.args(["-c", program, &database.create(&empty)]);
    run(command
        .env("PYTHONPATH", venvs.join("drivers"))
        .env("MLFLOW_DISABLE_TELEMETRY", "true"));
    for name in ["new", "old"] {
        let label = format!("{name}_{}", version.replace('.', "_"));
        let uri = database.copy(&empty, &label);
        let (artifacts, _) = check_law(directory, &path(name), &uri, &label);
        let served = path(&format!("{label}-served"));
        fs::create_dir_all(&served).unwrap();
        fs::rename(&artifacts, served.join("artifacts")).unwrap();
        let server = Server::start_over(venvs, version, &served, &uri);
        let program = "import sys, mlflow; c = mlflow.MlflowClient(sys.argv[1]); \
            e = [e.experiment_id for e in c.search_experiments(view_type=3)]; \
            n = sum(len(c.search_runs([x], run_view_type=3, max_results=1000)) for x in e); \
            m = c.search_registered_models(); c.create_run(c.create_experiment('made later')); print(n, len(m))";
        let mut command = Command::new(venv.join("bin/python"));
        let counted = run(command.args(["-c", program, &server.url])).stdout;
        let runs = Archive::open(&path(name)).unwrap().manifest().counts["runs"];
        let counted = String::from_utf8(counted).unwrap();
        assert!(
            counted.starts_with(&format!("{runs} ")),
            "{label}: {runs} runs, and {counted}"
        );
    }
}

fn archive_with(out: &Path, runs: impl IntoIterator<Item = Run>) {
    let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "913486234567891234".into(),
        name: "e".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    for run in runs {
        writer.write(&run).unwrap();
    }
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
}

fn run_of(number: usize) -> Run {
    Run {
        info: RunInfo {
            run_id: format!("{number:032x}"),
            experiment_id: "913486234567891234".into(),
            status: "FINISHED".into(),
            lifecycle_stage: "active".into(),
            start_time: Some(i64::try_from(number).unwrap()),
            ..RunInfo::default()
        },
        ..Run::default()
    }
}

#[test]
fn names_that_mariadb_takes_for_one_are_told_and_ids_of_experiments_are_answered() {
    let Some(database) = Database::of("mysql") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut run = run_of(1);
    let latest: LatestMetric =
        serde_json::from_value(serde_json::json!({"value": 1.5, "timestamp": 1, "step": 0})).unwrap();
    for name in [
        "loss",
        "Loss",
        "loss ",
        "löss",
        "LÖSS",
        "ſ",
        "s",
        "x\u{1F600}",
        "x\u{1F601}",
        "it's \\",
    ] {
        run.params.insert(name.to_owned(), name.into());
        run.tags.insert(name.to_owned(), name.into());
        run.metrics.insert(name.to_owned(), latest.clone());
    }
    archive_with(&path("a"), [run]);
    let uri = database.create("names");
    check_law(directory.path(), &path("a"), &uri, "names");
    let ids = mlark(&["map", path("a").to_str().unwrap(), &uri]);
    assert_eq!(
        String::from_utf8(ids.stdout).unwrap(),
        "experiments\t913486234567891234\t1\n"
    );
    // In a database that tells them apart, nothing is lost.
    let admin = |sql: &str| database.query("", sql);
    admin("CREATE DATABASE exact CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin");
    let exact = format!("{}/exact", database.uri);
    let (archive, artifacts) = (path("a"), path("exact-files"));
    let [archive, artifacts] = [&archive, &artifacts].map(|path| path.to_str().unwrap());
    let report = mlark(&[
        "restore",
        archive,
        &exact,
        "--artifacts-destination",
        artifacts,
        "--json",
    ]);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["lost"], Value::Array(vec![]), "{report}");
    admin("CREATE DATABASE old CHARACTER SET latin1");
    let old = format!("{}/old", database.uri);
    let refused = attempt(&path("a"), &old, &path("old-files"));
    assert_eq!(refused.status.code(), Some(8), "{refused:?}");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("utf8mb4"),
        "{refused:?}"
    );
}

fn restoring(archive: &Path, uri: &str, artifacts: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    command
        .arg("restore")
        .arg(archive)
        .args([uri, "--artifacts-destination"])
        .arg(artifacts);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn attempt(archive: &Path, uri: &str, artifacts: &Path) -> Output {
    restoring(archive, uri, artifacts).output().unwrap()
}

/// Enough rows that a restore takes a moment.
fn large(out: &Path) {
    let runs = (0..150).map(|number| {
        let mut run = run_of(number);
        for key in 0..40 {
            run.params
                .insert(format!("param {key}"), "value".repeat(10).as_str().into());
        }
        run
    });
    archive_with(out, runs);
}

/// What a database holds after somebody was interrupted: all (true), or nothing, so that it can be filled.
fn is_filled(archive: &Path, uri: &str, artifacts: &Path) -> bool {
    let begun = Instant::now();
    loop {
        let planned = restoring(archive, uri, &artifacts.with_extension("other"))
            .arg("--dry-run")
            .output();
        let planned = planned.unwrap();
        let said = String::from_utf8_lossy(&planned.stderr).into_owned();
        match planned.status.code() {
            Some(0) => return false,
            // A server notices after a while that nobody is there any more.
            _ if said.contains("another restore") || said.contains("lock") => {
                assert!(begun.elapsed() < Duration::from_secs(60), "{said}");
                std::thread::sleep(Duration::from_millis(100));
            }
            Some(8) => {
                let verified = Command::new(env!("CARGO_BIN_EXE_mlark"))
                    .arg("verify")
                    .arg(archive)
                    .args(["--against", uri, "--artifacts-destination"])
                    .arg(artifacts)
                    .output()
                    .unwrap();
                assert!(verified.status.success(), "{said}{verified:?}");
                return true;
            }
            code => panic!("{code:?}: {said}"),
        }
    }
}

/// Kills restores at twenty moments.
fn check_killed(archive: &Path, folder: &Path, target: &dyn Fn(usize) -> String) {
    let artifacts = |number: usize| folder.join(format!("files-{number}"));
    let begun = Instant::now();
    let first = attempt(archive, &target(0), &artifacts(0));
    assert!(first.status.success(), "{first:?}");
    let whole = begun.elapsed();
    let mut filled = 0;
    for number in 1..=20_usize {
        let uri = target(number);
        let mut child = restoring(archive, &uri, &artifacts(number)).spawn().unwrap();
        std::thread::sleep(whole * u32::try_from(number).unwrap() / 20);
        let _ = child.kill();
        let _ = child.wait();
        if is_filled(archive, &uri, &artifacts(number)) {
            filled += 1;
            continue;
        }
        // Artifacts that were there before the rows are taken over.
        if number % 5 == 0 || artifacts(number).exists() {
            let again = attempt(archive, &uri, &artifacts(number));
            assert!(
                again.status.success(),
                "{number}: {}",
                String::from_utf8_lossy(&again.stderr)
            );
            assert!(is_filled(archive, &uri, &artifacts(number)));
        }
    }
    assert!(filled < 20, "none was killed in time");
}

#[test]
fn a_restore_that_is_killed_leaves_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("a");
    large(&archive);
    let sqlite = |number: usize| format!("sqlite:///{}/{number}.db", directory.path().display());
    let folder = |name: &str| {
        let folder = directory.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    std::thread::scope(|scope| {
        scope.spawn(|| check_killed(&archive, &folder("sqlite"), &sqlite));
        with_each(|dialect, database| {
            let name = |number: usize| format!("killed_{number}");
            database.create_all(&(0..=20).map(name).collect::<Vec<_>>());
            check_killed(&archive, &folder(dialect), &|number| {
                database.uri_of(&name(number))
            });
        });
    });
}

/// Killed when the artifacts are there and the rows are not: the next restore of the same archive goes on, and no other one does.
#[test]
fn a_restore_that_was_killed_before_its_rows_were_seen_is_gone_on_with() {
    let Some(database) = Database::of("postgresql") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let source = fixture("filestore-3.18.0/mlruns");
    for (name, more) in [("a", &["--include-deleted"][..]), ("other", &[])] {
        let to = path(name);
        let options = [
            "export",
            source.to_str().unwrap(),
            "-o",
            to.to_str().unwrap(),
            "--keep-going",
        ];
        mlark(&[&options[..], more].concat());
    }
    let uri = database.create("stopped");
    mlark(&[
        "restore",
        path("a").to_str().unwrap(),
        &uri,
        "--artifacts-destination",
        path("first").to_str().unwrap(),
    ]);
    // An empty store again, in which nobody can set the number of the next experiment: the last thing before the end.
    let emptied = "DO $$ BEGIN EXECUTE (SELECT format('TRUNCATE %s CASCADE', string_agg(quote_ident(tablename), ', ')) \
                   FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'workspaces')); END $$";
    database.query("stopped", emptied);
    let hold = "BEGIN; ALTER SEQUENCE experiments_experiment_id_seq CACHE 1; SELECT pg_sleep(30); ROLLBACK";
    let mut holder = database.using("stopped", hold);
    std::thread::sleep(Duration::from_secs(1));
    let mut child = restoring(&path("a"), &uri, &path("files")).spawn().unwrap();
    let begun = Instant::now();
    while !path("files").exists() {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    database.query(
        "",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'stopped'",
    );
    let _ = holder.wait();
    assert!(!is_filled(&path("a"), &uri, &path("files")));

    let refused = attempt(&path("other"), &uri, &path("files"));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("exists"),
        "{said}"
    );
    let again = attempt(&path("a"), &uri, &path("files"));
    assert!(again.status.success(), "{again:?}");
    assert!(is_filled(&path("a"), &uri, &path("files")));
    let names = |name: &str| {
        let entries = fs::read_dir(path(name)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names("files"), names("first"), "no mark is left");
}

#[test]
fn of_two_restores_at_once_one_is_refused_and_a_database_in_use_is_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    large(&path("a"));
    with_each(|dialect, database| {
        let files = |name: &str| path(&format!("{dialect}-{name}"));
        let uri = database.create("once");
        let both = ["one", "two"].map(|name| restoring(&path("a"), &uri, &files(name)).spawn().unwrap());
        let both = both.map(|child| child.wait_with_output().unwrap());
        let mut codes = both.each_ref().map(|output| output.status.code().unwrap());
        codes.sort_unstable();
        assert_eq!(codes, [0, 8], "{both:?}");
        let made = ["one", "two"].map(|name| files(name).exists());
        assert_ne!(made[0], made[1], "{both:?}");

        // A store that MLflow made is filled by a restore of nothing but an experiment, and is then in use.
        let uri = database.create("used");
        archive_with(&path(&format!("{dialect}-empty")), []);
        let sleep = ["SELECT pg_sleep(15)", "SELECT SLEEP(15)"][usize::from(dialect == "mysql")];
        mlark(&[
            "restore",
            path(&format!("{dialect}-empty")).to_str().unwrap(),
            &uri,
            "--artifacts-destination",
            files("e").to_str().unwrap(),
        ]);
        database.query("used", "DELETE FROM experiments");
        let mut user = database.using(
            "used",
            &format!("BEGIN; SELECT COUNT(*) FROM experiments; {sleep}"),
        );
        std::thread::sleep(Duration::from_secs(2));
        let begun = Instant::now();
        let refused = attempt(&path("a"), &uri, &files("used"));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("lock"),
            "{dialect}: {said}"
        );
        assert!(begun.elapsed() < Duration::from_secs(12), "{dialect}");
        assert!(!files("used").exists());
        let _ = user.wait();
        let again = attempt(&path("a"), &uri, &files("used"));
        assert!(again.status.success(), "{dialect}: {again:?}");
    });
}

#[test]
fn a_user_without_rights_and_a_lost_connection_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    large(&path("a"));
    with_each(|dialect, database| {
        let files = |name: &str| path(&format!("{dialect}-{name}"));
        let uri = database.create("weak");
        let (make, remedy) = match dialect {
            "mysql" => (
                "CREATE USER weak@'127.0.0.1'; GRANT SELECT, INSERT ON weak.* TO weak@'127.0.0.1'",
                "GRANT",
            ),
            _ => ("CREATE ROLE weak LOGIN", "permission denied"),
        };
        database.query("weak", make);
        let refused = attempt(&path("a"), &uri.replace("mlflow@", "weak@"), &files("weak"));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains(remedy),
            "{dialect}: {said}"
        );
        assert!(!files("weak").exists());
        assert!(!is_filled(&path("a"), &uri, &files("weak")));

        let uri = database.create("lost");
        let child = restoring(&path("a"), &uri, &files("lost")).spawn().unwrap();
        database.end_sessions("lost");
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            is_filled(&path("a"), &uri, &files("lost")),
            output.status.success(),
            "{dialect}: {said}"
        );
        if !output.status.success() {
            assert!(!files("lost").exists(), "{dialect}: {said}");
            let again = attempt(&path("a"), &uri, &files("lost"));
            assert!(again.status.success(), "{dialect}: {again:?}");
        }
    });
}
