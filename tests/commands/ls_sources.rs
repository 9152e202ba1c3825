//! `mlark ls` of sources: what an export would take, before it is taken.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOUNS: [&str; 11] = [
    "overview",
    "experiments",
    "runs",
    "models",
    "versions",
    "prompts",
    "logged-models",
    "datasets",
    "traces",
    "evaluation-datasets",
    "scorers",
];

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    path.display().to_string()
}

fn mlark(scratch: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    command.env("TMPDIR", scratch).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Stdout of a command that succeeds.
fn rows(scratch: &Path, arguments: &[&str]) -> String {
    let output = mlark(scratch, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?} {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A source, options to read it with, and where its archive is.
struct Exported {
    source: String,
    options: Vec<String>,
    archive: PathBuf,
    said: String,
}

impl Exported {
    fn of(scratch: &Path, source: &str, options: &[String]) -> Self {
        let archive = scratch.join("archive");
        let mut arguments = vec!["export", source, "-o", archive.to_str().unwrap(), "--force"];
        arguments.extend(options.iter().map(String::as_str));
        let said = rows(scratch, &arguments);
        Exported {
            source: source.to_owned(),
            options: options.to_vec(),
            archive,
            said,
        }
    }

    fn list(&self, scratch: &Path, noun: &str) -> Output {
        let mut arguments = vec!["ls", &self.source, noun];
        arguments.extend(self.options.iter().map(String::as_str));
        mlark(scratch, &arguments)
    }
}

fn sources() -> Vec<(String, Vec<String>)> {
    let served = |name: &str| {
        [
            "--artifacts-destination".to_owned(),
            fixture(&format!("{name}/mlartifacts")),
        ]
    };
    let database = fixture("sql-3.18.0/mlflow.db");
    let with_deleted = [served("sql-3.18.0").as_slice(), &["--include-deleted".to_owned()]].concat();
    vec![
        (database.clone(), served("sql-3.18.0").to_vec()),
        (format!("sqlite:///{database}"), with_deleted),
        (fixture("sql-1.30.1/mlflow.db"), Vec::new()),
        (fixture("filestore-3.18.0/mlruns"), Vec::new()),
        (
            fixture("filestore-1.30.1/mlruns"),
            vec!["--include-deleted".to_owned()],
        ),
        (fixture("exim-3.18.0/bulk-experiments"), Vec::new()),
    ]
}

/// Lines about values of points, which are not read for a list.
fn is_of_points(line: &str) -> bool {
    line.starts_with("limit: ") && line.contains("metrics ")
}

#[test]
fn a_source_is_listed_as_its_archive_would_be_and_leaves_nothing_behind() {
    for (source, options) in sources() {
        let scratch = tempfile::tempdir().unwrap();
        let scratch = scratch.path();
        let exported = Exported::of(scratch, &source, &options);
        let archive = exported.archive.to_str().unwrap();
        for noun in NOUNS {
            let listed = exported.list(scratch, noun);
            assert_eq!(listed.status.code(), Some(0), "{source} {}", text(&listed.stderr));
            assert_eq!(
                text(&listed.stdout),
                rows(scratch, &["ls", archive, noun]),
                "{source} {noun}"
            );
        }
        // All columns but the digest, which takes reading.
        let columns = |rows: String| -> Vec<Vec<String>> {
            let cells = |row: &str| -> Vec<String> { row.split('\t').map(str::to_owned).collect() };
            let mut rows: Vec<_> = rows.lines().map(cells).collect();
            rows.iter_mut().for_each(|row| row[4].clear());
            rows
        };
        assert_eq!(
            columns(text(&exported.list(scratch, "artifacts").stdout)),
            columns(rows(scratch, &["ls", archive, "artifacts"])),
            "{source}"
        );
        let left: Vec<_> = std::fs::read_dir(scratch)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["archive"], "{source}");
    }
}

#[test]
fn a_source_tells_what_an_export_says() {
    for (source, options) in sources() {
        let scratch = tempfile::tempdir().unwrap();
        let exported = Exported::of(scratch.path(), &source, &options);
        let told = text(&exported.list(scratch.path(), "overview").stderr);
        let is_aside = |line: &&str| line.starts_with("note: ") || line.starts_with("warning: ");
        let told: Vec<_> = told.lines().filter(|line| !is_aside(line)).collect();
        let taken = exported.said.lines().next().unwrap();
        let contents = &taken[exported.archive.to_str().unwrap().len()..];
        let mut expected = vec![format!("an export would take{contents}")];
        expected.extend(
            exported
                .said
                .lines()
                .skip(2)
                .filter(|line| !is_of_points(line))
                .map(str::to_owned),
        );
        assert_eq!(told, expected, "{source}");
    }
}

#[test]
fn an_experiment_is_looked_at_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture("filestore-3.18.0/mlruns");
    let chosen = ["--experiment", "main"];
    let output = mlark(
        scratch.path(),
        &[["ls", source.as_str(), "overview"].as_slice(), &chosen].concat(),
    );
    assert_eq!(text(&output.stdout).lines().count(), 1);
    assert!(
        text(&output.stderr).starts_with("an export would take: 1 experiment, 16 runs, "),
        "{}",
        text(&output.stderr)
    );
    let output = mlark(scratch.path(), &["ls", &source, "--experiment", "none"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: nothing matches --experiment `none`\nhint: `mlark ls SOURCE` shows what is there\n"
    );
}

/// Exit code and stderr of a command on a store of the fixtures, exported as `a`.
fn asked(scratch: &Path, arguments: &[&str]) -> (i32, String) {
    let output = mlark(scratch, arguments);
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn a_name_that_nothing_has_is_told_with_the_nearest_by_every_command() {
    let scratch = tempfile::tempdir().unwrap();
    let exported = Exported::of(scratch.path(), &fixture("filestore-3.18.0/mlruns"), &[]);
    let (source, archive) = (exported.source.as_str(), exported.archive.to_str().unwrap());
    let out = scratch.path().join("out");
    let out = out.to_str().unwrap();
    let target = "http://127.0.0.1:1";
    let commands: [&[&str]; 8] = [
        &["export", source, "-o", out],
        &["ls", source, "runs"],
        &["ls", archive, "runs"],
        &["diff", source, archive],
        &["extract", archive, "-o", out],
        &["import", archive, target],
        &["import", archive, target, "--dry-run"],
        &["verify", archive, "--against", target],
    ];
    let cases: [([&str; 2], &str, &str); 3] = [
        (
            ["--experiment", "mian"],
            "nothing matches --experiment `mian`",
            "did you mean `main`?",
        ),
        (
            ["--run", "059d1aec71474f3084774fd42bd22266"],
            "nothing matches --run `059d1aec71474f3084774fd42bd22266`",
            "did you mean `059d1aec71474f3084774fd42bd22265`?",
        ),
        (
            ["-r", "2"],
            "--run `2` is the start of several ids: 2",
            "give more characters of the id",
        ),
    ];
    for command in commands {
        for (options, error, hint) in &cases {
            let (code, said) = asked(scratch.path(), &[command, options].concat());
            let is_told =
                said.starts_with(&format!("error: {error}")) && said.contains(&format!("hint: {hint}"));
            assert!(code == 2 && is_told, "{command:?} {options:?}: {code} {said}");
        }
    }
    for (command, options) in [
        (&["ls", archive, "versions"][..], ["--model", "wien"]),
        (&["export", source, "-o", out], ["--model", "wien"]),
        (&["extract", archive, "-o", out], ["--model", "wien"]),
        (&["import", archive, target], ["--model", "wien"]),
        (&["import", archive, target], ["--only", "model=wien"]),
        (&["import", archive, target], ["--rename-model", "wien=other"]),
        (
            &["import", archive, target],
            ["--rename-experiment", "mian=other"],
        ),
        (&["import", archive, target], ["--only", "experiment=mian"]),
        (&["show", archive], ["wien", "-kregistered-models"]),
        (&["cat", archive], ["059d1aec71474f3084774fd42bd22266", "x"]),
    ] {
        let (code, said) = asked(scratch.path(), &[command, &options].concat());
        assert!(code == 2, "{command:?} {options:?}: {code} {said}");
        let is_cat = command[0] == "cat";
        assert!(
            is_cat || said.contains("hint: did you mean `"),
            "{command:?} {options:?}: {said}"
        );
    }
    assert!(!Path::new(out).exists());
}

#[test]
fn what_matches_nothing_by_a_glob_a_filter_or_a_time_is_told_last_and_no_error() {
    let scratch = tempfile::tempdir().unwrap();
    let exported = Exported::of(scratch.path(), &fixture("filestore-3.18.0/mlruns"), &[]);
    let (source, archive) = (exported.source.as_str(), exported.archive.to_str().unwrap());
    let out = scratch.path().join("out");
    let export = ["export", source, "--force", "-o", out.to_str().unwrap()];
    let no_runs = "note: no runs match all the options\n";
    let cases: [(&[&str], &[&str], &str); 8] = [
        (
            &export,
            &["-e", "zz*"],
            "note: nothing matches --experiment `zz*`\n",
        ),
        (
            &export,
            &["--since", "2100-01-01"],
            "note: none of the chosen objects began between --since and --until\n",
        ),
        (
            &export,
            &["-e", "main", "-r", "2e9c"],
            "note: nothing was taken: no object matches all of --experiment and --run, or it is deleted\n",
        ),
        (
            &["ls", archive, "runs"],
            &["-e", "zz*"],
            "note: nothing matches --experiment `zz*`\n",
        ),
        (
            &["ls", source, "runs"],
            &["-e", "zz*"],
            "note: nothing matches --experiment `zz*`\n",
        ),
        (&["ls", archive, "runs"], &["--status", "lost"], no_runs),
        (&["ls", source, "runs"], &["--status", "lost"], no_runs),
        (&["ls", archive, "runs"], &["-e", "main", "-r", "2e9c"], no_runs),
    ];
    for (command, options, last) in cases {
        let (code, said) = asked(scratch.path(), &[command, options].concat());
        assert!(
            code == 0 && said.ends_with(last),
            "{command:?} {options:?}: {code} {said}"
        );
    }
}

#[test]
fn artifacts_that_were_not_found_are_a_warning_last_and_an_error_where_that_is_asked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let database = scratch.path().join("mlflow.db");
    std::fs::copy(fixture("sql-3.18.0/mlflow.db"), &database).unwrap();
    let out = scratch.path().join("out");
    let export = [
        "export",
        database.to_str().unwrap(),
        "--force",
        "-o",
        out.to_str().unwrap(),
    ];
    let (code, said) = asked(scratch.path(), &export);
    let last = said.lines().last().unwrap();
    assert!(
        code == 0 && last.starts_with("warning: the artifacts of "),
        "{code} {said}"
    );
    let (code, _) = asked(scratch.path(), &[export.as_slice(), &["--strict"]].concat());
    assert_eq!(code, 3);
}

#[test]
fn what_cannot_be_read_ends_a_list_or_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let store = scratch.path().join("mlruns");
    for (path, content) in [
        (
            "1/meta.yaml",
            "artifact_location: /gone/1\nexperiment_id: '1'\nlifecycle_stage: active\nname: e\n",
        ),
        ("1/aaaa/meta.yaml", ": broken"),
    ] {
        let path = store.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let store = store.to_str().unwrap();
    for (options, expected) in [(&[][..], 7), (&["--keep-going"][..], 3)] {
        for noun in ["overview", "runs"] {
            let output = mlark(scratch.path(), &[&["ls", store, noun], options].concat());
            assert_eq!(
                output.status.code(),
                Some(expected),
                "{noun} {}",
                text(&output.stderr)
            );
            assert!(text(&output.stderr).contains("aaaa"), "{}", text(&output.stderr));
        }
    }
}

#[test]
fn options_of_reading_mean_nothing_to_an_archive() {
    let scratch = tempfile::tempdir().unwrap();
    let exported = Exported::of(scratch.path(), &fixture("exim-3.18.0/experiment"), &[]);
    let output = mlark(
        scratch.path(),
        &["ls", exported.archive.to_str().unwrap(), "--include-deleted"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: options for reading a source were given, but this is an archive\n\
         hint: leave these options out\n"
    );
}
