//! The binary, run in a directory, and what a reader sees of it.

use std::path::Path;
use std::process::{Command, Output};

pub fn mlark(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    command
        .current_dir(directory)
        .args(args)
        .env_clear()
        .output()
        .unwrap()
}

/// Stdout, stderr and exit code.
pub fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "{}{}exit {}",
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap()
    )
}

/// What a command with these arguments printed, which ended well.
pub fn done(arguments: &[&str], output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command with these arguments said, which ended with this code.
pub fn refused(code: i32, arguments: &[&str], output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

/// The names of what lies in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
