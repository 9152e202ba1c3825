//! Exports of real tracking servers, seen through a relay that counts: killed and gone on with, and built on an older
//! archive.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s environments; MLARK_E2E_VERSIONS lists which.

use crate::helpers::{loopback, servers};
use loopback::{Answer, Loopback, Received};
use mlark::archive::Archive;
use mlark::format::Kind;
use serde_json::Value;
use servers::{Server, venvs};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// After so many parts no answer comes, and the test is told.
type Trap = Option<(usize, SyncSender<()>)>;

/// A running server, filled with everything its version can hold, behind a relay.
struct Relayed {
    server: Server,
    relay: Loopback,
    /// What of single objects was asked for and answered.
    fetched: Arc<Mutex<Vec<String>>>,
    hang: Arc<Mutex<Trap>>,
    folder: tempfile::TempDir,
}

/// Sends a request on.
fn pass_on(agent: &ureq::Agent, url: &str, request: &Received) -> Answer {
    let mut onward = ureq::http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{url}{}", request.target));
    for name in ["content-type", "range", "if-range", "x-mlflow-workspace"] {
        if let Some(value) = request.header(name) {
            onward = onward.header(name, value);
        }
    }
    let response = match request.body.is_empty() && request.method == "GET" {
        true => agent.run(onward.body(()).unwrap()),
        false => agent.run(onward.body(&request.body[..]).unwrap()),
    };
    let mut body = Vec::new();
    let read = response.and_then(|mut response| {
        response.body_mut().as_reader().read_to_end(&mut body)?;
        Ok(response)
    });
    // The server closes connections that were idle for a while; the client asks again.
    let Ok(response) = read else {
        return Answer::new(503, "the server closed the connection");
    };
    let mut answer = Answer::new(response.status().as_u16(), body);
    for name in ["content-type", "etag"] {
        if let Some(value) = response.headers().get(name) {
            answer = answer.header(name, value.to_str().unwrap());
        }
    }
    answer
}

/// What a request fetches of single objects; searches fetch none.
fn parts(request: &Received) -> Vec<String> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    if path.ends_with("/get-history-bulk") {
        let metric = query.split('&').find(|pair| pair.starts_with("metric_key"));
        let runs = query.split('&').filter(|pair| pair.starts_with("run_id"));
        return runs.map(|run| format!("{run} {}", metric.unwrap())).collect();
    }
    let kinds = [
        "/get-history",
        "/runs/get",
        "/mlflow-artifacts/",
        "artifact",
        "/get-download-uri",
        "/records",
        "/experiment-ids",
    ];
    match kinds.iter().any(|kind| path.contains(kind)) {
        true => vec![request.target.clone()],
        false => Vec::new(),
    }
}

impl Relayed {
    fn start(venv: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(venv, folder.path());
        server.fill(venv, &[]);
        let fetched = Arc::new(Mutex::new(Vec::new()));
        let hang = Arc::new(Mutex::new(Trap::None));
        // Servers close idle connections at moments of their own.
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(0);
        let config = config.build();
        let agent = ureq::Agent::new_with_config(config);
        let (log, trap, to) = (fetched.clone(), hang.clone(), server.url.clone());
        let relay = Loopback::start(move |request| {
            let parts = parts(request);
            if !parts.is_empty() {
                let told = trap.lock().unwrap().clone();
                if let Some((limit, told)) = told
                    && log.lock().unwrap().len() >= limit
                {
                    let _ = told.try_send(());
                    loop {
                        std::thread::park();
                    }
                }
            }
            let answer = pass_on(&agent, &to, request);
            if answer.status == 200 {
                let mut log: std::sync::MutexGuard<'_, Vec<String>> = log.lock().unwrap();
                log.extend(parts);
            }
            answer
        });
        Relayed {
            server,
            relay,
            fetched,
            hang,
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn take_fetched(&self) -> Vec<String> {
        std::mem::take(&mut *self.fetched.lock().unwrap())
    }

    fn command(&self, out: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        command
            .args(["export", &self.relay.url(), "--include-deleted", "-o"])
            .arg(self.path(out))
            // One after the other, so that all that was answered was also taken, but for the last answer.
            .args(["--connections", "1", "--threads", "1", "--no-sync"])
            .args(options)
            .env("HOME", self.folder.path())
            .stdout(Stdio::null());
        command
    }

    fn export(&self, out: &str, options: &[&str]) -> String {
        let output = self.command(out, options).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let archive = Archive::open(&self.path(out)).unwrap();
        archive.manifest().content_id.to_string()
    }

    /// Kills an export once so many parts were fetched.
    fn kill_after(&self, parts: usize, out: &str, options: &[&str]) {
        let (told, reached) = sync_channel(1);
        *self.hang.lock().unwrap() = Some((parts, told));
        let mut child = self.command(out, options).stderr(Stdio::null()).spawn().unwrap();
        reached.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        *self.hang.lock().unwrap() = None;
        assert!(!self.path(out).exists());
    }

    fn post(&self, route: &str, body: &Value) -> Value {
        let text = body.to_string();
        let answer = ureq::post(format!("{}/api/2.0/mlflow/{route}", self.server.url))
            .header("content-type", "application/json")
            .send(&text);
        serde_json::from_slice(&answer.unwrap().body_mut().read_to_vec().unwrap()).unwrap()
    }
}

/// Kills exports at several points; each goes on to the same content, and fetches nothing twice but what was being
/// answered when it was killed.
fn check_resume(server: &Relayed, version: &str) {
    let undisturbed = server.export("undisturbed", &[]);
    let total = server.take_fetched().len();
    assert!(total > 30, "{version}: {total}");
    for (number, out) in ["killed-early", "killed.zip", "killed-late"].iter().enumerate() {
        server.kill_after(total * (2 * number + 1) / 6, out, &[]);
        let first: BTreeSet<String> = server.take_fetched().into_iter().collect();
        assert_eq!(server.export(out, &["--resume"]), undisturbed, "{version}");
        let second = server.take_fetched();
        // A run that was not done is looked at once more at the end of each export: was it written to meanwhile?
        let is_part = |part: &&String| !part.contains("/runs/get?");
        let again = second.iter().filter(|part| first.contains(*part));
        let twice: Vec<_> = again.filter(is_part).collect();
        assert!(
            twice.len() <= 1,
            "{version}, after {} parts: {twice:?}",
            first.len()
        );
        println!(
            "{version}: killed after {} of {total} parts, {} fetched afterwards",
            first.len(),
            second.len()
        );
    }
}

/// Some runs change; an export built on the older archive is the full one, and asks less.
fn check_base(server: &Relayed, version: &str) {
    server.export("base", &[]);
    let runs = Archive::open(&server.path("base")).unwrap();
    let runs: Vec<mlark::model::Run> = runs.objects().map(Result::unwrap).collect();
    let active = runs.iter().find(|run| {
        run.info.status == "FINISHED" && run.info.lifecycle_stage == "active" && !run.metrics.is_empty()
    });
    let run = &active.unwrap().info;
    server.post(
        "runs/log-metric",
        &serde_json::json!({"run_id": run.run_id, "key": "later", "value": 2.5, "timestamp": 9_000_000_000_000_i64, "step": 77}),
    );
    server.post(
        "runs/create",
        &serde_json::json!({"experiment_id": run.experiment_id, "start_time": 1_800_000_000_000_i64}),
    );
    server.take_fetched();
    let full = server.export("full", &[]);
    let asked_in_full = server.take_fetched().len();
    let base = server.path("base").display().to_string();
    assert_eq!(server.export("next", &["--base", &base]), full, "{version}");
    let asked = server.take_fetched();
    let histories = |archive: &Archive| archive.manifest().count(Kind::Metrics);
    assert!(histories(&Archive::open(&server.path("next")).unwrap()) > 1);
    let of_history: Vec<_> = asked.iter().filter(|part| part.contains("metric_key")).collect();
    let may_have_changed = |id: &str| {
        let is_final =
            |run: &&mlark::model::Run| matches!(run.info.status.as_str(), "FINISHED" | "FAILED" | "KILLED");
        id == run.run_id || runs.iter().filter(is_final).all(|run| run.info.run_id != id)
    };
    let needless: Vec<_> = of_history
        .iter()
        .filter(|part| {
            runs.iter()
                .any(|run| part.contains(&run.info.run_id) && !may_have_changed(&run.info.run_id))
        })
        .collect();
    assert!(needless.is_empty(), "{version}: {needless:?}");
    println!(
        "{version}: {asked_in_full} parts in full, {} on the base",
        asked.len()
    );
    assert!(asked.len() < asked_in_full);
}

#[test]
fn killed_exports_go_on_and_older_archives_are_built_on() {
    let Some(venvs) = venvs("no real server is exported") else {
        return;
    };
    let versions = std::env::var("MLARK_E2E_VERSIONS").unwrap_or_else(|_| "3.18.0".to_owned());
    for version in versions.split_whitespace() {
        let server = Relayed::start(&venvs.join(format!("mlflow-{version}")));
        check_resume(&server, version);
        check_base(&server, version);
    }
}
