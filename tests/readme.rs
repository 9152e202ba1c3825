//! What the README shows is what mlark prints: each `$ mlark …` of a `console` block is run, in order, and the
//! lines below it are compared. `…` in the README stands for any text within a line.

use mlark::format::{FindingCode, Reason};
use std::collections::{BTreeMap, BTreeSet};
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
    assert!(runs_as_shown("README.md") >= 6, "the README shows the main job");
}

#[test]
fn every_page_shows_what_mlark_prints() {
    let shown: BTreeMap<String, usize> = pages().map(|page| (page.clone(), runs_as_shown(&page))).collect();
    // Pages of which the examples are the point.
    for (page, least) in [
        ("edits", 30),
        ("reference/merge", 10),
        ("reference/filter", 7),
        ("howto/test", 3),
        ("howto/backup", 4),
        ("howto/migrate", 3),
        ("howto/share", 5),
    ] {
        assert!(
            shown[&format!("docs/{page}.md")] >= least,
            "{page} has its examples"
        );
    }
}

/// The pages below `docs/`, and of it their paths.
fn pages() -> impl Iterator<Item = String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    walkdir::WalkDir::new(root.join("docs"))
        .sort_by_file_name()
        .into_iter()
        .filter_map(move |entry| {
            let path = entry.unwrap().into_path();
            let page = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            page.ends_with(".md").then_some(page)
        })
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let more = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "fixtures/README.md",
    ];
    let mut dead = Vec::new();
    for page in pages().chain(more.map(str::to_owned)) {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, _) = link.split_once('#').unwrap_or((link, ""));
            let is_local = !path.is_empty() && !path.contains("://");
            if is_local && !root.join(&page).parent().unwrap().join(path).exists() {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The help of each command, as one page.
#[test]
fn the_page_of_commands_is_their_help() {
    let help = |command: &[&str]| {
        let mut mlark = Command::new(env!("CARGO_BIN_EXE_mlark"));
        let output = mlark
            .args(command)
            .arg("--help")
            .env("COLUMNS", "100")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = help(&[]);
    let list = whole
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("Options:")
        .next()
        .unwrap();
    let names = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut page = format!(
        "# Commands and options\n\nWhat `mlark --help` and `mlark COMMAND --help` print.\n\n```text\n{whole}```\n"
    );
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        page += &format!("\n## mlark {name}\n\n```text\n{}```\n", help(&[name]));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/cli.md");
    if std::env::var_os("MLARK_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/reference/cli.md has drifted: MLARK_UPDATE=1 cargo test --test readme"
    );
}

/// Runs each command of a page and compares what it prints; how many there are.
fn runs_as_shown(page: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join(page)).unwrap();
    let commands = shown(&readme);
    let ours: Vec<_> = commands
        .iter()
        .filter(|shown| {
            ["mlark ", "cp ", "printf "]
                .iter()
                .any(|ours| shown.command.starts_with(ours))
        })
        .collect();
    let count = ours.len();
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
            "$ {}\n{text}\n--- {page} shows\n{expected}\n--- stderr\n{errors}",
            shown.command
        );
    }
    count
}

/// Blocks of `sh` need a server, a bucket or a clock. e2e tests run their commands against real ones (`replay`, `restore_servers`,
/// `rest_live`, `databases`, `remote`, `resume`, `tables`); here mlark is asked whether it has their options and values.
#[test]
fn examples_that_are_not_run_are_commands_that_mlark_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut script = String::from(
        "today=a last=b; mlark() { command mlark \"$@\" --help >help 2>error </dev/null || { echo \"$EXAMPLE\"; head -n 1 error; }; } 2>/dev/null\n",
    );
    let mut count = 0;
    for page in pages().chain(["README.md".to_owned()]) {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        let mut is_shell = false;
        for line in text.replace("\\\n", " ").lines() {
            if line.starts_with("```") {
                is_shell = line == "```sh";
            }
            let line = line.trim();
            if is_shell && line.starts_with("mlark ") {
                let example = format!("{page}: {line}").replace('\'', "'\\''");
                script.push_str(&format!("EXAMPLE='{example}'; {line}\n"));
                count += 1;
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_mlark")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("HOME", directory.path())
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let refused: Vec<_> = said.lines().filter(|line| !line.is_empty()).collect();
    assert!(count >= 25, "{count} examples");
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn lines_of_pages_have_at_most_120_characters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in pages().chain(["README.md".to_owned()]) {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        let mut is_code = false;
        for (index, line) in text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            // What a program prints and rows of tables cannot be broken.
            let is_bound = is_code || line.starts_with('|') || line.starts_with("    ");
            assert!(
                is_bound || line.chars().count() <= 120,
                "{page}:{}: a long line",
                index + 1
            );
        }
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

/// The cells of a page's tables below a heading of this name.
fn column<'p>(page: &'p str, heading: &str) -> Vec<&'p str> {
    let mut place = None;
    let mut cells = Vec::new();
    for line in page.lines() {
        let row: Vec<_> = line
            .split(" | ")
            .map(|cell| cell.trim_matches(['|', ' ']))
            .collect();
        place = match line.starts_with('|') {
            true => place.or_else(|| Some(row.iter().position(|cell| *cell == heading))),
            false => None,
        };
        if let Some(Some(place)) = place {
            cells.extend(row.get(place));
        }
    }
    cells
}

fn named_reasons(page: &str, heading: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let cells = column(&text, heading);
    let words = cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words.map(str::to_owned).collect()
}

#[test]
fn the_pages_on_the_format_name_every_code_of_a_finding_and_no_other() {
    let codes: BTreeSet<_> = FindingCode::ALL.iter().map(FindingCode::to_string).collect();
    let mut named = named_reasons("format.md", "code");
    assert!(named.remove("zip-*"), "format.md leads on to zip-profile.md");
    named.extend(named_reasons("reference/zip-profile.md", "code"));
    assert_eq!(named, codes);
}

#[test]
fn the_page_on_losses_names_every_reason_and_no_other() {
    let reasons: BTreeSet<_> = Reason::ALL.iter().map(Reason::to_string).collect();
    assert_eq!(named_reasons("losses.md", "code"), reasons);
    for page in ["reference/limits.md", "replay.md"] {
        let named = named_reasons(page, "reason");
        assert!(named.len() > 20, "{page} names reasons");
        let unknown: Vec<_> = named.difference(&reasons).collect();
        assert!(unknown.is_empty(), "{page} names {unknown:?}");
    }
}
