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
