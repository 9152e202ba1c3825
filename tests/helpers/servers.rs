//! What tests against real servers share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of virtualenvs, or nothing and a word on stderr.
pub(crate) fn venvs(what: &str) -> Option<PathBuf> {
    let venvs = std::env::var_os("MLARK_E2E_VENVS").map(PathBuf::from);
    if venvs.is_none() {
        eprintln!("SKIPPED: MLARK_E2E_VENVS is not set, so {what}");
    }
    venvs
}

/// A script of `fixtures/make`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/make")
        .join(name)
}

/// A virtualenv of that name, or nothing and a word on stderr.
pub(crate) fn venv(name: &str) -> Option<PathBuf> {
    let found = venvs(&format!("{name} is not tried"))?.join(format!("mlflow-{name}"));
    let is_there = found.join(".complete").exists();
    if !is_there {
        eprintln!("SKIPPED: MLARK_E2E_VENVS has no {name}");
    }
    is_there.then_some(found)
}

/// Lays a store of the fixtures down in a folder, with the empty directories that git does not keep.
pub(crate) fn lay_fixture(name: &str, store: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    run(Command::new("cp").arg("-r").arg(&fixture).arg(store));
    let empty = std::fs::read_to_string(fixture.join("empty-directories.txt")).unwrap();
    for line in empty.lines() {
        std::fs::create_dir_all(store.join(line)).unwrap();
    }
}

/// Runs mlark, which must succeed.
pub(crate) fn mlark(arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_mlark")).args(arguments))
}

/// Runs a script of mlflow-export-import, or of its fork; its exit code and all it printed.
pub(crate) fn tool(
    venv: &Path,
    script: &str,
    server: &Server,
    work: &Path,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let mut command = Command::new(venv.join("bin").join(script));
    command.current_dir(work).args(arguments);
    command
        .env("MLFLOW_TRACKING_URI", &server.url)
        .env("LOGNAME", "importer");
    command.env("HOME", work).env("MLFLOW_DISABLE_TELEMETRY", "true");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// The output of a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The command that starts a server of a virtualenv in a directory.
fn starting(venv: &Path, directory: &Path) -> Command {
    let mut command = Command::new(venv.join("bin/python"));
    command
        .arg(script("server.py"))
        .arg("start")
        .arg(venv)
        .arg(directory);
    command
}

/// What the script says of the server that it started.
fn address_and_pid(command: &mut Command) -> (String, String) {
    let started: serde_json::Value = serde_json::from_slice(&run(command).stdout).unwrap();
    let url = started["url"].as_str().unwrap().to_owned();
    (url, started["pid"].to_string())
}

/// A tracking server of its own with the database and artifacts in one directory, ended with the test.
pub(crate) struct Server {
    pub(crate) url: String,
    pid: String,
}

impl Server {
    /// Starts a server of one of the virtualenvs.
    pub(crate) fn start(venvs: &Path, version: &str, directory: &Path) -> Self {
        Self::start_with(venvs, version, directory, &[])
    }

    /// As [`Server::start`], with variables in its environment.
    pub(crate) fn start_with(
        venvs: &Path,
        version: &str,
        directory: &Path,
        variables: &[(&str, &str)],
    ) -> Self {
        let venv = venvs.join(format!("mlflow-{version}"));
        let mut command = starting(&venv, directory);
        Self::started(command.envs(variables.iter().copied()))
    }

    /// Starts a server whose clients read and write artifacts in its directory themselves.
    pub(crate) fn start_with_local_artifacts(venv: &Path, directory: &Path) -> Self {
        Self::started(starting(venv, directory).args(["0", "--local-artifacts"]))
    }

    /// Starts a server of a virtualenv.
    pub(crate) fn start_of(venv: &Path, directory: &Path) -> Self {
        Self::started(&mut starting(venv, directory))
    }

    fn started(command: &mut Command) -> Self {
        let (url, pid) = address_and_pid(command);
        Server { url, pid }
    }

    /// Starts a server over a database, with the drivers that lie beside the virtualenvs.
    pub(crate) fn start_over(venvs: &Path, version: &str, directory: &Path, store: &str) -> Self {
        let mut command = starting(&venvs.join(format!("mlflow-{version}")), directory);
        command
            .args(["0", store])
            .env("PYTHONPATH", venvs.join("drivers"));
        Self::started(&mut command)
    }

    /// Starts a server over a database, with these variables in its environment.
    pub(crate) fn start_over_with(
        venv: &Path,
        directory: &Path,
        store: &str,
        variables: &[(&str, String)],
    ) -> Self {
        let mut command = starting(venv, directory);
        command
            .args(["0", store])
            .envs(variables.iter().map(|(name, value)| (name, value)));
        Self::started(&mut command)
    }

    /// Fills it with everything that the version of its virtualenv can hold.
    pub(crate) fn fill(&self, venv: &Path, options: &[&str]) {
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(script("fill_server.py")).arg(&self.url);
        run(command.args(options));
    }

    /// Kills the server and its workers; the last thing they did may be half done.
    pub(crate) fn kill(&self) {
        let group = format!("-{}", self.pid);
        run(Command::new("kill").args(["-KILL", "--", &group]));
    }

    /// Starts it again, with what it had, at the same address.
    pub(crate) fn restart(&mut self, venvs: &Path, version: &str, directory: &Path) {
        let venv = venvs.join(format!("mlflow-{version}"));
        let port = self.url.rsplit(':').next().unwrap();
        (_, self.pid) = address_and_pid(starting(&venv, directory).arg(port));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = Command::new("python3");
        command.arg(script("server.py")).arg("stop").arg(&self.pid);
        let _ = command.status();
    }
}
