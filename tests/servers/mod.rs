//! What tests against real servers share.
#![allow(dead_code, reason = "each test uses a part of it")]

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
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(script("server.py")).arg("start").arg(&venv);
        command.arg(directory).envs(variables.iter().copied());
        let started: serde_json::Value = serde_json::from_slice(&run(&mut command).stdout).unwrap();
        Server {
            url: started["url"].as_str().unwrap().to_owned(),
            pid: started["pid"].to_string(),
        }
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
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(script("server.py")).arg("start").arg(&venv);
        command.arg(directory).arg(port);
        let started: serde_json::Value = serde_json::from_slice(&run(&mut command).stdout).unwrap();
        self.pid = started["pid"].to_string();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = Command::new("python3");
        command.arg(script("server.py")).arg("stop").arg(&self.pid);
        let _ = command.status();
    }
}
