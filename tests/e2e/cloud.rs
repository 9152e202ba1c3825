//! Artifacts in cloud storage, written by a real MLflow to servers that speak the storages' own protocols.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s and `scripts/cloud-env`'s environments.
#![cfg(feature = "cloud")]

use crate::helpers::servers;
use mlark::archive::Archive;
use mlark::archive::verify::{VerifyOptions, verify};
use mlark::format::Kind;
use mlark::monitor::Silent;
use serde_json::Value;
use servers::{Server, run, script, venvs};
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long a server may take to answer on a busy machine.
const START_SECONDS: u64 = 300;

/// Artifact URI, path below it, digest.
type Logged = BTreeMap<String, BTreeMap<String, String>>;

pub(super) const SECRET: &str = "a-secret-that-nobody-prints";

/// Who a storage is talked to as.
type Variables = Vec<(&'static str, String)>;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A process that listens on a port.
struct Listener {
    child: Child,
}

impl Listener {
    /// Starts a command and waits until it listens.
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut listener = Listener { child };
        for _ in 0..START_SECONDS * 10 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return listener;
            }
            let ended = listener.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended with {ended:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{command:?} does not listen on {port}");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) struct Cloud {
    folder: tempfile::TempDir,
    pub(super) venvs: PathBuf,
    pub(super) variables: Variables,
    _server: Listener,
}

impl Cloud {
    pub(super) fn s3(venvs: PathBuf) -> Self {
        let port = free_port();
        let server = venvs.join("cloud/bin/moto_server");
        let mut command = Command::new(server);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = Listener::start(&mut command, port);
        let variables = vec![
            ("MLFLOW_S3_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", "someone".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            // Read without a signature as Google's storage, below.
            (
                "MLFLOW_S3_UPLOAD_EXTRA_ARGS",
                r#"{"ACL": "public-read"}"#.to_owned(),
            ),
        ];
        Cloud {
            folder: tempfile::tempdir().unwrap(),
            venvs,
            variables,
            _server: server,
        }
    }

    pub(super) fn azure(venvs: PathBuf) -> Option<Self> {
        let azurite = venvs.join("cloud/azurite/node_modules/.bin/azurite-blob");
        if !azurite.exists() {
            eprintln!("SKIPPED: no azurite, so Azure's protocol is not spoken");
            return None;
        }
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = Command::new(azurite);
        command
            .args([
                "--silent",
                "--skipApiVersionCheck",
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                &port.to_string(),
            ])
            .arg("--location")
            .arg(folder.path());
        let server = Listener::start(&mut command, port);
        // The account and key that every azurite has, by its documentation.
        let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        let text = format!(
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        );
        Some(Cloud {
            folder,
            venvs,
            variables: vec![("AZURE_STORAGE_CONNECTION_STRING", text)],
            _server: server,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let others = [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ENDPOINT_URL",
            "HTTP_PROXY",
            "http_proxy",
        ];
        others.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
            .env("HOME", self.folder.path())
            .envs(self.variables.clone());
        command
    }

    /// Lets MLflow write to a location; what was logged.
    fn fill(&self, version: &str, location: &str) -> (PathBuf, Logged) {
        self.fill_with(version, location, 1_100)
    }

    /// As [`Cloud::fill`], with so many small files in one run.
    fn fill_with(&self, version: &str, location: &str, files: usize) -> (PathBuf, Logged) {
        let database = self.path(&format!("{version}.db"));
        let python = self.venvs.join(format!("mlflow-{version}/bin/python"));
        let packages = self.venvs.join("cloud/lib/python3.11/site-packages");
        let mut command = self.command(&python);
        command
            .arg(script("fill_cloud.py"))
            .arg(&database)
            .arg(location)
            .arg(packages)
            .arg(files.to_string());
        let output = run(&mut command);
        let last = output
            .stdout
            .trim_ascii()
            .rsplit(|&byte| byte == b'\n')
            .next()
            .unwrap();
        (database, serde_json::from_slice(last).unwrap())
    }

    /// A copy of a database in which every URI begins otherwise.
    fn moved(&self, database: &Path, from: &str, to: &str) -> PathBuf {
        let copy = database.with_extension(format!("{}.db", to.replace(|c: char| !c.is_alphanumeric(), "")));
        std::fs::copy(database, &copy).unwrap();
        let connection = rusqlite::Connection::open(&copy).unwrap();
        let columns = [
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("trace_tags", "value"),
            ("logged_models", "artifact_location"),
        ];
        for (table, column) in columns {
            // A table that this version lacks.
            let _ = connection.execute(
                &format!("UPDATE {table} SET {column} = replace({column}, ?, ?)"),
                [from, to],
            );
        }
        copy
    }

    fn export(&self, database: &Path, arguments: &[&str]) -> (Output, PathBuf) {
        let out = database.with_extension("out");
        let mut command = self.command(env!("CARGO_BIN_EXE_mlark").as_ref());
        command
            .arg("export")
            .arg(database)
            .arg("-o")
            .arg(&out)
            .args(["--force"])
            .args(arguments);
        (command.output().unwrap(), out)
    }

    fn exported(&self, database: &Path, arguments: &[&str]) -> Archive {
        let (output, out) = self.export(database, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(!said.contains(SECRET) && !said.contains("AccountKey"));
        let report = verify(&out, &VerifyOptions::default(), &Silent).unwrap();
        assert!(report.is_intact(), "{report:?}");
        let archive = Archive::open(&out).unwrap();
        let limits = &archive.manifest().losses.limits;
        assert!(limits.iter().all(|loss| loss.kind != "artifacts"), "{limits:?}");
        archive
    }
}

impl Cloud {
    /// The export of a server over a database that serves the storage, and the server's log.
    fn through_server(&self, database: &Path, destination: &str, only_signed: &str) -> (Archive, String) {
        // At the end of the path: MLflow's own packages stay what they are.
        let packages = self.venvs.join("cloud/lib/python3.11/site-packages");
        let customize = format!("import site\nsite.addsitedir({:?})\n", packages.display());
        std::fs::write(self.path("sitecustomize.py"), customize).unwrap();
        let mut variables = self.variables.clone();
        variables.extend([
            ("PYTHONPATH", self.folder.path().display().to_string()),
            ("MLFLOW_ARTIFACTS_DESTINATION", destination.to_owned()),
            ("MLFLOW_ARTIFACTS_PRESIGNED_ONLY", only_signed.to_owned()),
        ]);
        let directory = database.with_extension(format!("signed-{only_signed}"));
        std::fs::create_dir(&directory).unwrap();
        let store = format!("sqlite:///{}", database.display());
        let venv = self.venvs.join("mlflow-3.18.0");
        let server = Server::start_over_with(&venv, &directory, &store, &variables);
        let out = directory.join("out");
        // Without the storage's credentials. Servers refuse to send or sign a name with `#`.
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        command
            .args(["export", &server.url, "--keep-going", "-o"])
            .arg(&out);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        let left_out: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("note: left out: "))
            .collect();
        assert!(
            left_out.len() == 2 && left_out.iter().all(|line| line.contains("#1")),
            "{said}"
        );
        let log = std::fs::read_to_string(directory.join("server.log")).unwrap();
        (Archive::open(&out).unwrap(), log)
    }
}

/// What an archive holds, in the words of what was logged; trees without files are left out.
fn held(archive: &Archive) -> Logged {
    let text = |value: &Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut uris = BTreeMap::new();
    for (kind, id, uri) in [
        (Kind::Runs, "/info/run_id", "/info/artifact_uri"),
        (Kind::LoggedModels, "/model_id", "/artifact_uri"),
        (Kind::Traces, "/trace_id", "/tags/mlflow.artifactLocation"),
    ] {
        uris.extend(
            archive
                .values(kind)
                .map(Result::unwrap)
                .map(|value| (text(&value, id), text(&value, uri))),
        );
    }
    let mut held = Logged::new();
    for list in archive.values(Kind::Artifacts).map(Result::unwrap) {
        let files = held.entry(uris[&text(&list, "/owner_id")].clone()).or_default();
        for file in list["files"].as_array().unwrap() {
            files.insert(text(file, "/path"), text(file, "/sha256"));
        }
    }
    held
}

fn spans(archive: &Archive) -> u64 {
    archive.manifest().count(Kind::Spans)
}

#[test]
fn what_mlflow_wrote_to_s3_is_exported_byte_for_byte() {
    let Some(venvs) = venvs("no cloud storage is read") else {
        return;
    };
    let cloud = Cloud::s3(venvs);
    for version in ["2.22.5", "3.18.0"] {
        // No hyphens: for Google they are sent escaped, which moto does not undo in the name of a bucket.
        let location = format!("s3://bucket{}/a b/c", version.replace('.', ""));
        let (database, logged) = cloud.fill(version, &location);
        assert!(logged.len() >= 2 && logged.values().any(|files| files.len() > 1_000));
        let direct = cloud.exported(&database, &[]);
        assert_eq!(held(&direct), logged, "{version}");
        // MLflow 2.22 keeps spans in `traces.json`, beside the artifacts.
        assert!(spans(&direct) > 0, "{version}");

        // The same, where a server serves the storage: URIs are mapped to its destination.
        let served = cloud.moved(&database, &location, "mlflow-artifacts:");
        let served = cloud.exported(&served, &["--artifacts-destination", &location]);
        let renamed = |logged: &Logged| -> Logged {
            let names = logged.iter();
            names
                .map(|(uri, files)| (uri.replace(&location, "mlflow-artifacts:"), files.clone()))
                .collect()
        };
        assert_eq!(held(&served), renamed(&logged), "{version}");

        check_refusals(&cloud, &database, &location);
        check_google(&cloud, &database, &location, &logged);
    }
}

/// A server of MLflow 3.18 with `MLFLOW_ARTIFACTS_PRESIGNED_ONLY` sends no bytes of artifacts, but signs URLs of the bucket.
#[test]
fn urls_that_a_server_signs_lead_to_the_bytes_in_s3() {
    let Some(venvs) = venvs("no server signs URLs") else {
        return;
    };
    let cloud = Cloud::s3(venvs);
    let location = "s3://signed/a b/c";
    let (direct, logged) = cloud.fill_with("3.18.0", location, 20);
    let proxied = cloud.moved(&direct, location, "mlflow-artifacts:");
    let of_run_and_model = ["/artifacts/presigned-download-url", "/artifacts/files"];
    let of_proxy = ["/mlflow-artifacts/presigned/"];
    for (database, root, only_signed, routes) in [
        (&direct, location, "false", &[][..]),
        (&direct, location, "true", &of_run_and_model),
        (&proxied, "mlflow-artifacts:", "true", &of_proxy),
    ] {
        let (archive, log) = cloud.through_server(database, location, only_signed);
        let expected: Logged = logged
            .iter()
            .map(|(uri, files)| (uri.replace(location, root), without_refused(files)))
            .collect();
        assert_eq!(held(&archive), expected, "{root}, only signed: {only_signed}");
        let answered = |route: &str| {
            log.lines()
                .any(|line| line.contains(route) && line.contains(" 200"))
        };
        assert!(routes.iter().all(|route| answered(route)), "{log}");
        assert_eq!(answered("/presigned"), only_signed == "true", "{log}");
    }
}

/// Files by path, as a server with `#` in a name leaves them: listed, without a digest.
fn without_refused(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let files = files.iter();
    files
        .map(|(path, digest)| match path.contains('#') {
            true => (path.clone(), String::new()),
            false => (path.clone(), digest.clone()),
        })
        .collect()
}

/// A bucket that is gone is a failure with its place and a remedy.
fn check_refusals(cloud: &Cloud, database: &Path, location: &str) {
    let gone = cloud.moved(database, location, "s3://gone/x");
    let (output, out) = cloud.export(&gone, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{said}");
    for words in ["s3://gone/x", "AWS_ACCESS_KEY_ID", "--keep-going"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!said.contains(SECRET) && !out.exists());
    let (output, out) = cloud.export(&gone, &["--keep-going"]);
    assert_eq!(output.status.code(), Some(3));
    let archive = Archive::open(&out).unwrap();
    let unlisted = archive
        .manifest()
        .losses
        .failures
        .iter()
        .filter(|loss| loss.reason.as_str() == "unlisted");
    assert!(unlisted.map(|loss| loss.count).sum::<u64>() >= 3);
}

/// Google's storage speaks the same XML; its own service cannot be tried here.
fn check_google(cloud: &Cloud, database: &Path, location: &str, logged: &Logged) {
    let endpoint = &cloud.variables[0].1;
    let account = cloud.path("account.json");
    let text = format!(
        r#"{{"gcs_base_url": "{endpoint}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#
    );
    std::fs::write(&account, text).unwrap();
    let google = location.replace("s3://", "gs://");
    let moved = cloud.moved(database, location, &google);
    let out = moved.with_extension("out");
    let mut command = cloud.command(env!("CARGO_BIN_EXE_mlark").as_ref());
    command
        .env("GOOGLE_SERVICE_ACCOUNT", &account)
        .arg("export")
        .arg(&moved)
        .arg("-o")
        .arg(&out);
    run(&mut command);
    let expected: Logged = logged
        .iter()
        .map(|(uri, files)| (uri.replace(location, &google), files.clone()))
        .collect();
    assert_eq!(held(&Archive::open(&out).unwrap()), expected);
}

#[test]
fn what_mlflow_wrote_to_azure_is_exported_byte_for_byte() {
    let Some(venvs) = venvs("no cloud storage is read") else {
        return;
    };
    let Some(cloud) = Cloud::azure(venvs) else { return };
    let (database, logged) = cloud.fill("3.18.0", "wasbs://box@devstoreaccount1.blob.core.windows.net/a/b");
    assert_eq!(held(&cloud.exported(&database, &[])), logged);
}
