//! `mlark serve` with an `mlflow` of the test's own: this binary again, which answers as a server does.

use crate::helpers::rich::{self, Size};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What the script hands over: the arguments of `mlflow server`.
const ARGUMENTS: &str = "FAKE_MLFLOW_ARGUMENTS";
/// What the script runs: this binary.
const BINARY: &str = "FAKE_MLFLOW_BINARY";

/// Begins as `mlflow server` does where the script runs it, and is no test anywhere else.
#[test]
#[ignore = "run by the script of the other tests"]
fn fake_server() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| *argument == name).unwrap();
        arguments[at + 1]
    };
    assert_eq!(option("--host"), "127.0.0.1");
    assert!(std::env::vars().all(|(name, _)| name != "MLFLOW_TRACKING_URI"));
    let database = option("--backend-store-uri").strip_prefix("sqlite:///").unwrap();
    let connection = rusqlite::Connection::open(database).unwrap();
    let change = connection.execute("UPDATE experiments SET name = name || '!'", []);
    assert!(change.unwrap() > 0, "the copy may be changed");
    assert!(Path::new(option("--artifacts-destination")).is_dir());
    let listener = TcpListener::bind(("127.0.0.1", option("--port").parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut head = [0; 1024];
        let read = stream.read(&mut head).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .unwrap();
        if head[..read].starts_with(b"GET /die") {
            println!("the fake server was told to die");
            std::process::exit(3);
        }
    }
}

/// A folder with an archive, a folder for the cache, and an `mlflow` of a version.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new(version: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        rich::build(&directory.path().join("rich"), Size::Small);
        let desk = Desk { directory };
        fs::create_dir(desk.path("bin")).unwrap();
        let script = format!(
            "#!/bin/sh\n\
             case \"$1\" in\n\
             --version) echo 'mlflow, version {version}' ;;\n\
             db) echo \"$*\" >> '{log}' ;;\n\
             server) {ARGUMENTS}=\"$*\" exec \"${BINARY}\" serve::fake_server --exact --ignored --nocapture ;;\n\
             esac\n",
            log = desk.path("upgrades").display()
        );
        let program = desk.path("bin/mlflow");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("MLFLOW_TRACKING_URI", "http://elsewhere.invalid")
            .env(BINARY, std::env::current_exe().unwrap())
            .args(["serve", "rich"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The one entry of the cache.
    fn entry(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.path("cache/mlark/serve")).unwrap();
        entries.next().unwrap().unwrap().path()
    }

    /// What is in the entry of the cache beside the store.
    fn sessions(&self) -> usize {
        fs::read_dir(self.entry()).unwrap().count() - 1
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is sealed is opened first.
        let _ = Command::new("chmod")
            .arg("-R")
            .arg("u+rwX")
            .arg(self.directory.path())
            .status();
    }
}

/// A session under way, and its address.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let mut child = desk.command(arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Some(address) = line.trim().strip_prefix("http://") else {
            let output = child.wait_with_output().unwrap();
            panic!("{line}{}", String::from_utf8_lossy(&output.stderr))
        };
        Serving {
            address: address.to_owned(),
            child,
        }
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        // In one piece: the server ends the connection after what it reads first, and the rest would reset it.
        stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.take(15).read_to_string(&mut text)?;
        Ok(text)
    }

    fn end(self, signal: &str) -> Output {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait_with_output().unwrap()
    }
}

/// Whether nobody listens any more.
fn is_free(address: &str) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        if TcpStream::connect(address).is_err() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn an_archive_is_served_from_a_cache_until_a_signal() {
    let desk = Desk::new("3.18.0");
    let mut made = None;
    for signal in ["-INT", "-TERM"] {
        let serving = Serving::start(&desk, &[]);
        assert!(serving.address.starts_with("127.0.0.1:"), "{}", serving.address);
        assert_eq!(serving.get("/").unwrap(), "HTTP/1.1 200 OK");
        assert_eq!(desk.sessions(), 1);
        let address = serving.address.clone();
        let output = serving.end(signal);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(is_free(&address), "the server is ended with it");
        assert_eq!(desk.sessions(), 0, "nothing of the session is left");
        let store = fs::metadata(desk.entry().join("store/mlflow.db")).unwrap();
        assert_eq!(store.mode() & 0o777, 0o400);
        let made = made.get_or_insert(store.ino());
        assert_eq!(
            *made,
            store.ino(),
            "the second session uses the store of the first"
        );
    }
    let database = rusqlite::Connection::open_with_flags(
        desk.entry().join("store/mlflow.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    let changed = "SELECT count(*) FROM experiments WHERE name LIKE '%!'";
    let changed: i64 = database.query_row(changed, [], |row| row.get(0)).unwrap();
    assert_eq!(changed, 0, "what a session changes is in its copy");
    let mode = fs::metadata(desk.entry()).unwrap().mode();
    assert_eq!(mode & 0o077, 0, "the cache is the user's own");
}

#[test]
fn a_server_that_ends_by_itself_ends_the_session_and_is_quoted() {
    let desk = Desk::new("3.18.0");
    let serving = Serving::start(&desk, &["--fresh"]);
    serving.get("/die").unwrap();
    let output = serving.child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("the fake server was told to die"), "{said}");
    assert_eq!(desk.sessions(), 0);
}

#[test]
fn a_newer_mlflow_upgrades_the_copy_first() {
    let desk = Desk::new("3.19.1");
    let serving = Serving::start(&desk, &[]);
    let upgrades = fs::read_to_string(desk.path("upgrades")).unwrap();
    assert!(upgrades.starts_with("db upgrade sqlite:////"), "{upgrades}");
    assert!(!upgrades.contains("/store/"), "{upgrades}");
    assert_eq!(serving.end("-INT").status.code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_said_with_what_helps() {
    let old = Desk::new("2.22.5");
    let none = Desk::new("3.18.0");
    fs::remove_file(none.path("bin/mlflow")).unwrap();
    let taken = Desk::new("3.18.0");
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (desk, arguments, told) in [
        (&old, vec![], "is MLflow 2.22"),
        (&none, vec![], "pip install 'mlflow>=3.18'"),
        (&taken, vec!["--port", &port], "is not free"),
    ] {
        let output = desk.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(told), "{said}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn an_archive_that_claims_the_id_of_another_is_not_served() {
    let desk = Desk::new("3.18.0");
    let blobs = walkdir::WalkDir::new(desk.path("rich/blobs"))
        .into_iter()
        .map(Result::unwrap);
    let mut blobs = blobs.filter(|entry| entry.file_type().is_file());
    let blob = blobs.next().unwrap().into_path();
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "other bytes").unwrap();
    let output = desk.run(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(!desk.entry().join("store").exists());
}
