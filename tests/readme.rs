//! What the README shows is what mlark prints: each `$ mlark …` of a `console` block is run, in order, and the
//! lines below it are compared. `…` in the README stands for any text within a line.

use std::path::Path;
use std::process::Command;

/// A command of the README and the lines that follow it.
struct Shown {
    command: String,
    output: Vec<String>,
}

fn shown(readme: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match (line, inside) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, false) => {}
            (line, true) => match line.strip_prefix("$ ") {
                Some(command) => commands.push(Shown {
                    command: command.to_owned(),
                    output: Vec::new(),
                }),
                None => {
                    let shown = commands.last_mut().expect("a block begins with a command");
                    shown.output.push(line.to_owned());
                }
            },
        }
    }
    commands
}

/// Whether a line fits a pattern in which `…` stands for any text.
fn fits(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<_> = pieces.collect();
    for (index, piece) in pieces.iter().enumerate() {
        let found = if index + 1 == pieces.len() {
            rest.rfind(piece)
        } else {
            rest.find(piece)
        };
        let Some(start) = found else { return false };
        rest = &rest[start + piece.len()..];
    }
    rest.is_empty() || pattern.ends_with('…')
}

#[test]
fn the_readme_shows_what_mlark_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let commands = shown(&readme);
    let ours: Vec<_> = commands
        .iter()
        .filter(|shown| shown.command.starts_with("mlark "))
        .collect();
    assert!(ours.len() >= 6, "the README shows the main job");
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root.join("fixtures"), directory.path().join("fixtures")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_mlark"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::split_paths(&path).collect::<Vec<_>>();
    let with_mlark = std::iter::once(program.parent().unwrap().to_owned()).chain(paths);
    for shown in ours {
        let output = Command::new("sh")
            .args(["-c", &shown.command])
            .env("PATH", std::env::join_paths(with_mlark.clone()).unwrap())
            .env_remove("MLFLOW_TRACKING_URI")
            .current_dir(directory.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        let same = lines.len() == shown.output.len()
            && shown
                .output
                .iter()
                .zip(&lines)
                .all(|(pattern, line)| fits(pattern, line));
        let expected = shown.output.join("\n");
        assert!(
            same,
            "$ {}\n{text}\n--- the README shows\n{expected}\n--- stderr\n{errors}",
            shown.command
        );
    }
}

#[test]
fn dots_stand_for_any_text() {
    assert!(fits("a…c", "abbc") && fits("a…", "ab") && fits("…: 3", "x: y: 3"));
    assert!(!fits("a…c", "abd") && !fits("ab", "abc"));
}

#[test]
fn the_tests_that_the_page_on_security_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut named = 0;
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.rsplit_once(" | "));
    for cell in rows.map(|(_, cell)| cell.trim_end_matches(" |")) {
        let mut words = cell.split('`').skip(1).step_by(2);
        let Some(file) = words.next().filter(|word| !word.ends_with(".rs")) else {
            continue;
        };
        let [one, many] =
            [format!("tests/{file}.rs"), format!("tests/{file}/main.rs")].map(|path| root.join(path));
        let text = std::fs::read_to_string(one).or_else(|_| std::fs::read_to_string(many));
        let text = text.unwrap_or_else(|_| panic!("no test file `{file}`"));
        let tests = words.filter(|word| word.contains('_'));
        for test in tests.map(|test| test.trim_end_matches('…')) {
            assert!(
                text.contains(&format!("fn {test}")),
                "no test `{test}` in `{file}`"
            );
            named += 1;
        }
    }
    assert!(named > 10, "the page names tests");
}

/// Words with hyphens of sources and sinks that are no codes of reasons: kinds, routes, options, names of formats.
const NO_REASONS: [&str; 34] = [
    "artifact-exclude",
    "artifact-include",
    "artifacts-destination",
    "artifacts-under",
    "base-parts",
    "case-probe",
    "databricks-uc",
    "dummy-source",
    "evaluation-dataset",
    "experiment-ids",
    "export-import",
    "file-store",
    "get-artifact",
    "get-download-uri",
    "get-history-bulk",
    "get-trace-artifact",
    "include-deleted",
    "kebab-case",
    "logged-model",
    "mlark-import",
    "mlflow-export-import",
    "no-artifacts",
    "no-spans",
    "prefixed-proxy",
    "prompt-template",
    "read-only",
    "read-write",
    "server-info",
    "source-tags",
    "ssl-mode",
    "upload-artifact",
    "verify-ca",
    "verify-full",
    "x-mlflow-experiment-id",
];

/// Words of lower-case letters with hyphens between them that stand in a text as a whole literal.
fn hyphened(text: &str) -> impl Iterator<Item = &str> {
    let literals = text.split('"').skip(1).step_by(2);
    literals.filter(|word| {
        let mut parts = word.split('-');
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        word.contains('-') && parts.all(is_part)
    })
}

fn rust_files(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            files.push(path);
        }
    }
}

#[test]
fn every_code_of_a_reason_stands_in_the_table_of_losses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let losses = std::fs::read_to_string(root.join("docs/losses.md")).unwrap();
    let rows = losses.lines().filter_map(|line| line.strip_prefix("| `"));
    let codes: Vec<&str> = rows
        .filter_map(|row| row.split_once(" |"))
        .flat_map(|(codes, _)| codes.split("`, `"))
        .map(|code| code.trim_matches('`'))
        .collect();
    let is_known = |word: &str| {
        codes.contains(&word)
            || NO_REASONS.contains(&word)
            || mlark::format::Kind::ALL.iter().any(|kind| kind.name() == word)
    };
    let mut files = Vec::new();
    for folder in ["src/lang", "src/flow"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "the program is elsewhere");
    let mut unknown = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in program
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let words = hyphened(line).filter(|word| !is_known(word));
            unknown.extend(words.map(|word| format!("`{word}` in {}", path.display())));
        }
    }
    assert!(
        unknown.is_empty(),
        "codes of reasons without a row in docs/losses.md (where one is no such code, it belongs into NO_REASONS of this test):\n{}",
        unknown.join("\n")
    );
}
