//! The examples of `examples/testing`, as they stand there. The one in Python is run by `scripts/test-wheel`.

use std::path::Path;
use std::process::{Command, Output};

#[path = "../../examples/testing/history_test.rs"]
mod history_test;

/// Runs the example in shell with this mlark on the PATH.
fn shell(learning_rate: &str) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_mlark")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    Command::new("sh")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/examples/testing/test_history.sh"
        ))
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("LEARNING_RATE", learning_rate)
        .output()
        .unwrap()
}

#[test]
fn the_example_in_shell_passes_and_can_fail() {
    let passes = shell("0.1");
    let errors = String::from_utf8_lossy(&passes.stderr).into_owned();
    assert_eq!((passes.status.code(), errors.as_str()), (Some(0), ""));
    let fails = shell("0.3");
    assert_eq!(fails.status.code(), Some(1));
    let text = String::from_utf8(fails.stdout).unwrap();
    for line in [
        "-  params.learning_rate = \"0.1\"",
        "+  params.learning_rate = \"0.3\"",
    ] {
        assert!(text.lines().any(|told| told == line), "{text}");
    }
}

/// The options and functions that the page shows are there.
#[test]
fn the_page_on_testing_shows_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/howto/test.md")).unwrap();
    for name in [
        "history_test.rs",
        "test_history.py",
        "test_history.sh",
        "train.sh",
    ] {
        assert!(root.join("examples/testing").join(name).exists(), "{name}");
        assert!(page.contains(name), "{name}");
    }
}
