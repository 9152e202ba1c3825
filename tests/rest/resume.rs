//! Exports of a scripted server that are killed, stopped or refused half-way and gone on with, and exports built on an
//! older archive: what was fetched is not asked for again, and the content is that of an undisturbed export.

use crate::helpers::loopback;
use loopback::{Answer, Loopback, Received};
use mlark::archive::Archive;
use mlark::archive::verify::{VerifyOptions, verify};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// Points a page holds.
const POINTS: usize = 25_000;

/// A server whose runs each have two metrics and two files.
#[derive(Clone)]
struct Fake {
    /// Points of each run's metric `loss`; the other one has a point.
    runs: BTreeMap<String, FakeRun>,
    has_bulk: bool,
}

#[derive(Clone)]
struct FakeRun {
    points: usize,
    status: &'static str,
    file: &'static str,
}

impl Fake {
    fn new(points: &[usize]) -> Self {
        let run = |&points: &usize| FakeRun {
            points,
            status: "FINISHED",
            file: "weights",
        };
        let runs = points.iter().map(run).zip(0..);
        Fake {
            runs: runs
                .map(|(run, number)| (format!("{number:032x}"), run))
                .collect(),
            has_bulk: true,
        }
    }

    fn run(&self, run_id: &str) -> Value {
        let FakeRun { points, status, .. } = &self.runs[run_id];
        let last = points - 1;
        json!({
            "info": {"run_id": run_id, "experiment_id": "1", "status": status, "start_time": 5, "end_time": 6,
                     "lifecycle_stage": "active", "artifact_uri": format!("mlflow-artifacts:/1/{run_id}/artifacts")},
            "data": {"metrics": [{"key": "loss", "value": last as f64, "timestamp": last, "step": last},
                                 {"key": "one", "value": 0.0, "timestamp": 0, "step": 0}]},
        })
    }

    fn points(&self, run_id: &str, key: &str) -> usize {
        if key == "one" { 1 } else { self.runs[run_id].points }
    }

    fn answer(&self, request: &Received) -> Answer {
        match request.path() {
            "/version" => Answer::new(200, "3.18.0"),
            "/api/2.0/mlflow/experiments/search" => Answer::json(
                r#"{"experiments": [{"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}]}"#,
            ),
            "/api/2.0/mlflow/runs/search" => {
                let runs: Vec<Value> = self.runs.keys().map(|run_id| self.run(run_id)).collect();
                Answer::json(&json!({ "runs": runs }).to_string())
            }
            "/ajax-api/2.0/mlflow/metrics/get-history-bulk" if self.has_bulk => self.bulk(request),
            "/api/2.0/mlflow/metrics/get-history" => self.history(request),
            "/api/2.0/mlflow-artifacts/artifacts" => Answer::json(
                r#"{"files": [{"path": "big", "file_size": 2000000}, {"path": "w.bin", "file_size": 7}]}"#,
            ),
            path => match path.rsplit_once("/artifacts/") {
                // Larger than what is held in memory.
                Some((_, "big")) => Answer::new(200, vec![7; 2_000_000]),
                Some((owner, "w.bin")) => {
                    let run_id = owner.rsplit('/').next().unwrap();
                    Answer::new(200, self.runs[run_id].file)
                }
                _ => Answer::new(404, "<!doctype html><title>404 Not Found</title>"),
            },
        }
    }

    fn bulk(&self, request: &Received) -> Answer {
        let key = &queries(request, "metric_key")[0];
        let mut points = Vec::new();
        for run_id in queries(request, "run_id") {
            points.extend((0..self.points(&run_id, key)).map(|number| {
                json!({"key": key, "run_id": run_id, "step": number, "timestamp": number, "value": number as f64})
            }));
        }
        points.truncate(POINTS);
        Answer::json(&json!({ "metrics": points }).to_string())
    }

    fn history(&self, request: &Received) -> Answer {
        let key = &queries(request, "metric_key")[0];
        let points = self.points(&queries(request, "run_id")[0], key);
        let token = queries(request, "page_token");
        let begin: usize = token.first().map_or(0, |token| token.parse().unwrap());
        let end = (begin + POINTS).min(points);
        let rows: Vec<Value> = (begin..end)
            .map(|number| json!({"key": key, "value": number as f64, "timestamp": number, "step": number}))
            .collect();
        let mut answer = json!({ "metrics": rows });
        if end < points {
            answer["next_page_token"] = end.to_string().into();
        }
        Answer::json(&answer.to_string())
    }
}

fn queries(request: &Received, name: &str) -> Vec<String> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.replace("%2F", "/"))
        .collect()
}

/// What a request fetches of single objects; listings of objects fetch none.
fn fetched(request: &Received) -> Vec<String> {
    let path = request.path();
    let metric = || queries(request, "metric_key").concat();
    if path.ends_with("/get-history-bulk") {
        let runs = queries(request, "run_id");
        return runs
            .iter()
            .map(|run_id| format!("{run_id} {}", metric()))
            .collect();
    }
    if path.ends_with("/get-history") {
        let run_id = queries(request, "run_id").concat();
        return vec![format!(
            "{run_id} {} from {:?}",
            metric(),
            queries(request, "page_token")
        )];
    }
    match path.contains("/mlflow-artifacts/") {
        true => vec![request.target.clone()],
        false => Vec::new(),
    }
}

/// What to do once so many parts were fetched.
type Limit = Arc<Mutex<Option<(usize, Trap)>>>;

#[derive(Clone)]
enum Trap {
    /// Answers no more; tells the test.
    Hang(SyncSender<()>),
    /// Answers with errors.
    Die,
}

/// A server, the parts it was asked for and answered with, and a trap.
struct Scripted {
    loopback: Loopback,
    fake: Arc<Mutex<Fake>>,
    answered: Arc<Mutex<Vec<String>>>,
    limit: Limit,
    folder: tempfile::TempDir,
}

impl Scripted {
    fn start(fake: Fake) -> Self {
        let (fake, limit) = (Arc::new(Mutex::new(fake)), Limit::default());
        let answered = Arc::new(Mutex::new(Vec::new()));
        let (of_script, log, trap) = (fake.clone(), answered.clone(), limit.clone());
        let loopback = Loopback::start(move |request| {
            let parts = fetched(request);
            if !parts.is_empty() {
                let mut log: std::sync::MutexGuard<'_, Vec<String>> = log.lock().unwrap();
                let trap = trap.lock().unwrap().clone();
                match trap {
                    Some((limit, Trap::Hang(told))) if log.len() >= limit => {
                        drop(log);
                        let _ = told.try_send(());
                        loop {
                            std::thread::park();
                        }
                    }
                    Some((limit, Trap::Die)) if log.len() >= limit => return Answer::new(503, "gone"),
                    _ => {}
                }
                let answer = of_script.lock().unwrap().answer(request);
                if answer.status == 200 {
                    log.extend(parts);
                }
                return answer;
            }
            of_script.lock().unwrap().answer(request)
        });
        Scripted {
            loopback,
            fake,
            answered,
            limit,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn hang_after(&self, parts: usize) -> Receiver<()> {
        let (told, reached) = sync_channel(1);
        *self.limit.lock().unwrap() = Some((parts, Trap::Hang(told)));
        reached
    }

    fn die_after(&self, parts: usize) {
        *self.limit.lock().unwrap() = Some((parts, Trap::Die));
    }

    fn rest_well(&self) {
        *self.limit.lock().unwrap() = None;
    }

    /// Takes the parts that were answered so far.
    fn take_answered(&self) -> Vec<String> {
        std::mem::take(&mut *self.answered.lock().unwrap())
    }

    fn command(&self, out: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        command
            .args(["export", &self.loopback.url(), "-o"])
            .arg(self.path(out))
            // One after the other, so that all that was answered was also taken.
            .args(["--connections", "1", "--threads", "1", "--no-sync"])
            .args(options)
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            .env("HOME", self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start_export(&self, out: &str, options: &[&str]) -> Child {
        self.command(out, options).spawn().unwrap()
    }

    fn export(&self, out: &str, options: &[&str]) -> Output {
        self.command(out, options).output().unwrap()
    }

    fn whole(&self, out: &str, options: &[&str]) -> String {
        let output = self.export(out, options);
        assert!(output.status.success(), "{}", stderr(&output));
        content_id(&self.path(out))
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The content id of an archive that is intact.
fn content_id(path: &Path) -> String {
    let report = verify(path, &VerifyOptions::default(), &mlark::monitor::Silent).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    Archive::open(path).unwrap().manifest().content_id.to_string()
}

fn twice(first: &[String], second: &[String]) -> Vec<String> {
    let first: BTreeSet<_> = first.iter().collect();
    second
        .iter()
        .filter(|part| first.contains(part))
        .cloned()
        .collect()
}

/// Kills an export after each of so many parts; then goes on.
fn kill_everywhere(fake: Fake, out: &str, steps: impl Fn(usize) -> Vec<usize>) {
    let server = Scripted::start(fake);
    let undisturbed = server.whole(&format!("undisturbed-{out}"), &[]);
    let total = server.take_answered().len();
    for parts in steps(total) {
        let out = format!("{parts}-{out}");
        let reached = server.hang_after(parts);
        let mut child = server.start_export(&out, &[]);
        reached.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!server.path(&out).exists());
        let first = server.take_answered();
        server.rest_well();
        assert_eq!(
            server.whole(&out, &["--resume"]),
            undisturbed,
            "killed after {parts}"
        );
        let second = server.take_answered();
        assert_eq!(
            twice(&first, &second),
            Vec::<String>::new(),
            "killed after {parts}"
        );
        assert_eq!(first.len() + second.len(), total);
        assert!(!server.path(&format!("{out}.mlark-resume")).exists());
    }
}

#[test]
fn an_export_that_was_killed_goes_on_without_asking_twice() {
    kill_everywhere(Fake::new(&[5, 7, 1, 3]), "directory", |total| {
        (1..total).step_by(3).collect()
    });
}

#[test]
fn so_does_one_to_a_zip_and_one_of_long_histories_without_a_bulk_route() {
    let mut fake = Fake::new(&[60_000, 2, 30_000]);
    fake.has_bulk = false;
    kill_everywhere(fake, "archive.zip", |total| (2..total).step_by(4).collect());
}

#[test]
fn an_export_is_killed_again_and_again_and_ends_all_the_same() {
    let server = Scripted::start(Fake::new(&[4, 4, 4, 4, 4]));
    let undisturbed = server.whole("undisturbed", &[]);
    let total = server.take_answered().len();
    let mut all = Vec::new();
    while all.len() + 4 < total {
        let reached = server.hang_after(4);
        let mut child = server.start_export("out", &["--resume"]);
        reached.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        all.extend(server.take_answered());
    }
    server.rest_well();
    assert_eq!(server.whole("out", &["--resume"]), undisturbed);
    all.extend(server.take_answered());
    assert_eq!(all.len(), total);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), total);
}

#[test]
fn what_changed_meanwhile_or_was_damaged_is_fetched_again() {
    let server = Scripted::start(Fake::new(&[5, 7]));
    let total = {
        server.whole("undisturbed", &[]);
        server.take_answered().len()
    };
    let reached = server.hang_after(total - 1);
    let mut child = server.start_export("out", &[]);
    reached.recv().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    server.take_answered();
    server.rest_well();
    // One run went on; another's file was damaged where it was kept.
    let changed = format!("{:032x}", 0);
    server.fake.lock().unwrap().runs.get_mut(&changed).unwrap().points = 9;
    let blobs = server.path("out.mlark-resume/blobs");
    let mut damaged = 0;
    for blob in walkdir::WalkDir::new(&blobs).into_iter().map(Result::unwrap) {
        if blob.file_type().is_file() && blob.metadata().unwrap().len() == 7 {
            std::fs::remove_file(blob.path()).unwrap();
            std::fs::write(blob.path(), "changed").unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let resumed = server.whole("out", &["--resume"]);
    let again = server.take_answered();
    assert_eq!(resumed, server.whole("anew", &[]));
    let of_changed: Vec<_> = again.iter().filter(|part| part.contains(&changed)).collect();
    assert_eq!(
        of_changed.len(),
        5,
        "both metrics, the listing and both files: {again:?}"
    );
    let other: Vec<_> = again.iter().filter(|part| !part.contains(&changed)).collect();
    assert!(other.iter().all(|part| part.ends_with("w.bin")), "{other:?}");
}

#[test]
fn a_signal_ends_the_export_with_the_way_on() {
    let server = Scripted::start(Fake::new(&[5, 7]));
    let reached = server.hang_after(3);
    let child = server.start_export("out", &[]);
    reached.recv().unwrap();
    let signal = |name: &str, pid: u32| {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("TERM", child.id());
    // The request under way is waited for; a second signal does not.
    let mut stopping = [0; 8];
    let mut child = child;
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut stopping).unwrap();
    assert_eq!(&stopping, b"stopping");
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(!server.path("out").exists());
    server.rest_well();
    server.whole("out", &["--resume"]);
}

#[test]
fn a_server_that_dies_half_way_is_one_sentence_and_the_way_on() {
    let server = Scripted::start(Fake::new(&[5, 7]));
    server.die_after(4);
    let output = server.export("out", &[]);
    assert_eq!(output.status.code(), Some(7));
    let text = stderr(&output);
    let folder = server.path("out.mlark-resume").display().to_string();
    assert!(
        text.contains("503") && text.contains("--resume") && text.contains(&folder),
        "{text}"
    );
    assert!(!server.path("out").exists());
    server.rest_well();
    let first = server.take_answered();
    server.whole("out", &["--resume"]);
    assert_eq!(twice(&first, &server.take_answered()), Vec::<String>::new());
}

#[test]
fn without_the_option_nothing_old_is_used_and_two_exports_do_not_share_a_folder() {
    let server = Scripted::start(Fake::new(&[5, 7]));
    let reached = server.hang_after(3);
    let mut child = server.start_export("out", &[]);
    reached.recv().unwrap();
    let second = server.export("out", &["--resume"]);
    assert_eq!(second.status.code(), Some(2), "{}", stderr(&second));
    assert!(stderr(&second).contains("another export to the same output"));
    child.kill().unwrap();
    child.wait().unwrap();
    server.rest_well();
    server.take_answered();
    let output = server.export("out", &[]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("--resume would have continued"));
    assert_eq!(server.take_answered().len(), 10);
    // What another server left is not gone on with.
    std::fs::create_dir_all(server.path("other.mlark-resume")).unwrap();
    std::fs::write(
        server.path("other.mlark-resume/head.json"),
        json!({"layout": 1, "tool": env!("CARGO_PKG_VERSION"), "source": "http://elsewhere"}).to_string(),
    )
    .unwrap();
    let output = server.export("other", &["--resume"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("http://elsewhere"));
}

#[test]
fn an_older_archive_saves_what_did_not_change() {
    for base in ["base", "base.zip"] {
        let mut fake = Fake::new(&[5, 7, 30_000, 4]);
        let ids: Vec<String> = fake.runs.keys().cloned().collect();
        fake.runs.get_mut(&ids[3]).unwrap().status = "RUNNING";
        let server = Scripted::start(fake);
        server.whole(base, &[]);
        server.take_answered();
        {
            let mut fake = server.fake.lock().unwrap();
            let changed = fake.runs.get_mut(&ids[1]).unwrap();
            (changed.points, changed.file) = (8, "weightz");
            // The same size: only a run that may have changed is looked at again.
            fake.runs.get_mut(&ids[3]).unwrap().file = "running";
        }
        let full = server.whole("full", &[]);
        let asked_in_full = server.take_answered();
        let path = server.path(base).display().to_string();
        for out in ["next", "next.zip"] {
            assert_eq!(server.whole(out, &["--base", &path]), full);
            let asked = server.take_answered();
            let unchanged = |part: &&String| part.contains(&ids[0]) || part.contains(&ids[2]);
            let of_unchanged: Vec<_> = asked.iter().filter(unchanged).collect();
            assert_eq!(of_unchanged.len(), 2, "their listings only: {of_unchanged:?}");
            let others = |parts: &[String]| -> BTreeSet<String> {
                parts.iter().filter(|part| !unchanged(part)).cloned().collect()
            };
            assert_eq!(others(&asked), others(&asked_in_full));
        }
        // The base stays whole.
        content_id(&server.path(base));
    }
}

#[test]
fn both_options_are_for_servers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("mlruns/0")).unwrap();
    std::fs::write(
        folder.path().join("mlruns/0/meta.yaml"),
        "experiment_id: '0'\nname: Default\n",
    )
    .unwrap();
    for option in [&["--resume"][..], &["--base", "old"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .args(["export", "mlruns", "-o", "out"])
            .args(option)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("works only with tracking servers"));
    }
}
