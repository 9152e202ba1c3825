//! What holds for every command that reads an archive, tried with forged ones whose digests and seals are right.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(unused, reason = "each test file uses its own part")]
use crate::helpers::{bytes, common, scripted};
use bytes::Bytes;
use common::{History, MODEL, RUN_A, TRACE};
use mlark::archive::ContainerKind;
use mlark::flow::transform::{TransformOptions, source_tags};
use mlark::internals::CHECKSUMS;
use scripted::Target;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Commands that read the archive `x/y/a`; `-o` always makes `out`. `TARGET` is a server.
const COMMANDS: &[&str] = &[
    "verify x/y/a",
    "verify x/y/a --lacks-text nowhere",
    "scan x/y/a",
    "info x/y/a",
    "ls x/y/a",
    "ls x/y/a runs",
    "ls x/y/a artifacts",
    "show x/y/a RUN_A",
    "compare x/y/a RUN_A child",
    "lineage x/y/a",
    "lineage x/y/a RUN_A",
    "lineage x/y/a RUN_A --format prov-json",
    "lineage x/y/a --format openlineage",
    "cat x/y/a RUN_A model/data.bin",
    "extract x/y/a -o out",
    "report x/y/a -o out.html",
    "restore x/y/a -o out",
    "snapshot x/y/a",
    "diff x/y/a good",
    "diff good x/y/a",
    "transform x/y/a -o out --source-tags",
    "transform x/y/a -o out --source-tags --copy",
    "transform x/y/a -o out.zip --source-tags",
    "transform x/y/a -o out --undo",
    "convert x/y/a --to exim -o out",
    "convert x/y/a --to csv -o out",
    "import x/y/a TARGET --dry-run",
    "import x/y/a TARGET",
    "export TARGET -o out --base x/y/a",
];

/// A folder with a good archive, a forged one some folders down, and a server to import into.
struct Place {
    root: tempfile::TempDir,
    target: Target,
    good: Bytes,
}

impl Place {
    /// The archive was transformed once, so that it has an undo record.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let work = root.path().join("home/work");
        fs::create_dir_all(work.join("x/y")).unwrap();
        let before = History::new().write(&root.path().join("before"));
        source_tags::inject(&before, &work.join("good"), &TransformOptions::default()).unwrap();
        fs::remove_dir_all(root.path().join("before")).unwrap();
        let good = Bytes::read(&work.join("good"));
        let target = Target::start(|_| None);
        Place { root, target, good }
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("home/work")
    }

    /// Lays out what is tried.
    fn lay(&self, forged: &Bytes) {
        let path = self.work().join("x/y/a");
        let _ = fs::remove_dir_all(&path);
        forged.write(&path, ContainerKind::Directory);
    }

    fn run(&self, command: &str) -> Output {
        let args = command.split(' ').map(|word| match word {
            "RUN_A" => RUN_A.to_owned(),
            "TARGET" => self.target.server.url(),
            word => word.to_owned(),
        });
        let mut process = Command::new(env!("CARGO_BIN_EXE_mlark"));
        process
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.root.path().join("home"));
        process.args(args).output().unwrap()
    }

    /// Everything below the root but what the command was asked to make.
    fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let work = self.work();
        let walk = walkdir::WalkDir::new(self.root.path()).into_iter();
        let kept =
            walk.filter_entry(|entry| entry.path().parent() != Some(&work) || !is_output(entry.path()));
        kept.map(Result::unwrap)
            .map(|entry| {
                (
                    entry.path().to_owned(),
                    fs::read(entry.path()).unwrap_or_default(),
                )
            })
            .collect()
    }

    fn remove_output(&self) {
        for entry in fs::read_dir(self.work()).unwrap() {
            let path = entry.unwrap().path();
            if is_output(&path) {
                let _ = fs::remove_file(&path);
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

fn is_output(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with("out")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file outside of the archive, which no command may read or write.
const OUTSIDE: &str =
    "{\"experiment_id\":\"9\",\"lifecycle_stage\":\"active\",\"name\":\"SECRET\",\"tags\":{}}\n";

/// Makes the archive list a file that a hostile name leads to; the file is there, and its digest is right.
fn list_outside(place: &Place, name: &str) -> Bytes {
    let mut forged = place.good.clone();
    forged.edit_manifest(|manifest| {
        let file = json!({
            "path": name, "media_type": "application/jsonl", "count": 1, "size_bytes": OUTSIDE.len(),
            "sha256": bytes::sha256(OUTSIDE.as_bytes()).to_string(),
        });
        let files = manifest["files"].as_array_mut().unwrap();
        files.push(file);
        files.sort_by_key(|file| file["path"].as_str().unwrap().to_owned());
    });
    forged
}

#[test]
fn no_command_believes_a_name_that_is_not_the_path_of_a_file_of_lines() {
    let place = Place::new();
    let outside = place.root.path().join("home/.bashrc");
    let absolute = outside.to_str().unwrap();
    for name in [
        "objects/../../../../.bashrc",
        "objects/experiments-00001.jsonl/../../../../../.bashrc",
        "objects/../../../../x-00000.jsonl",
        "undo/../../../../x-00000.jsonl",
        "undo/2-00000.jsonl/../x",
        absolute,
        "../../b",
        "..",
        "objects/a/b-00000.jsonl",
        "objects\\runs-00001.jsonl",
        "objects/widgets-00000.jsonl",
        "objects/runs-00001.jsonl\u{0}",
        "SHA256SUMS",
        "mlark.json",
        "blobs/sha256/ab/x",
        "losses.jsonl/x",
        "",
    ] {
        let forged = list_outside(&place, name);
        place.lay(&forged);
        for kept in [
            "../../.bashrc",
            "../../x-00000.jsonl",
            "b",
            "objects/widgets-00000.jsonl",
        ] {
            let path = if kept.starts_with("objects") {
                place.work().join("x/y/a").join(kept)
            } else {
                place.work().join(kept)
            };
            fs::write(path, OUTSIDE).unwrap();
        }
        let before = place.everything();
        for command in COMMANDS {
            let output = place.run(command);
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            let said = format!("{name:?}: mlark {command}\n{stdout}{stderr}");
            if command.starts_with("verify") {
                assert_eq!(output.status.code(), Some(1), "{said}");
                assert!(stdout.contains("unknown-file"), "{said}");
            } else {
                assert_eq!(output.status.code(), Some(4), "{said}");
                assert!(stderr.contains("is damaged: mlark.json: "), "{said}");
                assert!(
                    !place.work().join("out").exists() && !place.work().join("out.zip").exists(),
                    "{said}"
                );
            }
            assert!(!said.contains("SECRET"), "{said}");
            assert_eq!(place.everything(), before, "{said}");
            place.remove_output();
        }
    }
    assert_eq!(place.target.created(), (0, 0));
}

#[test]
fn no_command_writes_outside_of_its_output_whatever_an_archive_says() {
    let place = Place::new();
    let evil = "../../../../evil";
    // Names within lines: ids, names and paths that become names of files and folders.
    for (what, from) in [
        ("run", RUN_A),
        ("model", MODEL),
        ("trace", TRACE),
        ("name", "churn"),
        ("path", "model/data.bin"),
    ] {
        for to in [evil, "/evil", "a/../../../evil", "..", "."] {
            let mut forged = place.good.clone();
            for entry in &mut forged.entries {
                if entry.name.starts_with("objects/") || entry.name.starts_with("undo/") {
                    let changed = text(&entry.bytes).replace(&format!("\"{from}\""), &format!("\"{to}\""));
                    entry.bytes = changed
                        .replace(&format!("\"{from}/"), &format!("\"{to}/"))
                        .into_bytes();
                }
            }
            forged.reseal();
            place.lay(&forged);
            check_that_nothing_is_outside(&place, &format!("{what} {to}"));
        }
    }
    // Lines of checksums.
    for to in [
        "objects/../../../../evil",
        "blobs/sha256/../../../../evil",
        "/evil",
        "../evil",
    ] {
        let mut forged = place.good.clone();
        let sums = text(forged.bytes(CHECKSUMS));
        let line = sums
            .lines()
            .next()
            .unwrap()
            .split_once("  ")
            .unwrap()
            .1
            .to_owned();
        *forged.bytes(CHECKSUMS) = sums.replacen(&line, to, 1).into_bytes();
        let content_id = bytes::sha256(forged.bytes(CHECKSUMS)).to_string();
        forged.edit_manifest(|manifest| manifest["content_id"] = json!(content_id));
        place.lay(&forged);
        check_that_nothing_is_outside(&place, to);
        let transformed = place.run("transform x/y/a -o out --source-tags");
        assert_eq!(
            transformed.status.code(),
            Some(4),
            "{to}: {}",
            text(&transformed.stderr)
        );
    }
}

fn check_that_nothing_is_outside(place: &Place, what: &str) {
    let before = place.everything();
    for command in COMMANDS.iter().filter(|command| !command.contains("TARGET")) {
        let output = place.run(command);
        assert_ne!(output.status.code(), Some(101), "{what}: {command}");
        let after = place.everything();
        let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert!(after == before, "{what}: mlark {command} made or changed {new:?}");
        place.remove_output();
    }
}

/// Puts a field before and after each field of an object, as a newer version might.
fn with_newer_fields(object: &serde_json::Map<String, Value>) -> Value {
    let mut newer = object.clone();
    newer.insert("!newer".to_owned(), json!({"a": [1]}));
    for key in object.keys() {
        newer.insert(format!("{key}_newer"), json!("new"));
    }
    Value::Object(newer)
}

/// An archive of format 1.1: newer fields everywhere, and a kind that nobody knows.
fn newer_archive(place: &Place) -> Bytes {
    let mut forged = place.good.clone();
    for entry in forged
        .entries
        .iter_mut()
        .filter(|entry| entry.name.starts_with("objects/"))
    {
        let mut lines = Vec::new();
        for line in entry
            .bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let line: Value = serde_json::from_slice(line).unwrap();
            let mut line = with_newer_fields(line.as_object().unwrap());
            for nested in ["/info", "/metrics/loss", "/files/0"] {
                if let Some(value) = line.pointer_mut(nested) {
                    *value = with_newer_fields(value.as_object().unwrap());
                }
            }
            lines.extend(serde_json::to_vec(&line).unwrap());
            lines.push(b'\n');
        }
        entry.bytes = lines;
    }
    forged.add("objects/widgets-00000.jsonl", b"{\"widget\":1}\n".to_vec());
    forged.edit_manifest(|manifest| {
        manifest["format"]["minor"] = json!(mlark::format::manifest::FORMAT_MINOR + 1);
        let file = json!({"path": "objects/widgets-00000.jsonl", "media_type": "application/jsonl", "count": 1,
            "size_bytes": 0, "sha256": "0".repeat(64)});
        let files = manifest["files"].as_array_mut().unwrap();
        files.push(file);
        files.sort_by_key(|file| file["path"].as_str().unwrap().to_owned());
    });
    forged.reseal();
    forged
}

/// How often each file of objects says `newer`.
fn newer_words(archive: &Bytes) -> BTreeMap<String, usize> {
    let objects = archive
        .entries
        .iter()
        .filter(|entry| entry.name.starts_with("objects/"));
    objects
        .map(|entry| (entry.name.clone(), text(&entry.bytes).matches("newer").count()))
        .collect()
}

#[test]
fn a_newer_minor_version_loses_nothing_without_a_word_in_any_command() {
    let place = Place::new();
    let forged = newer_archive(&place);
    place.lay(&forged);
    let told = |command: &str, code: i32| {
        let output = place.run(command);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "mlark {command}\n{said}");
        said
    };
    for command in [
        "verify x/y/a",
        "info x/y/a",
        "ls x/y/a",
        "ls x/y/a runs",
        "ls x/y/a artifacts",
    ] {
        told(command, 0);
    }
    assert!(told("show x/y/a RUN_A", 0).contains("user_id_newer"));
    assert_eq!(told("cat x/y/a RUN_A model/data.bin", 0), "12345");
    told("extract x/y/a -o out", 0);
    assert_eq!(
        fs::read(place.work().join("out").join(RUN_A).join("model/data.bin")).unwrap(),
        b"12345"
    );
    place.remove_output();
    let snapshot = told("snapshot x/y/a", 0);
    for word in [
        "user_id_newer",
        "artifacts owner_kind_newer: ",
        "artifacts files.!newer: ",
        "metrics values_newer: ",
        "widgets: 1",
    ] {
        assert!(snapshot.contains(word), "{word}: {snapshot}");
    }
    for command in ["diff good x/y/a", "diff x/y/a good"] {
        let diff = told(command, 1);
        for word in [
            "user_id_newer",
            "owner_kind_newer",
            "files.!newer",
            "values_newer",
            "widgets",
        ] {
            assert!(diff.contains(word), "{word}: {diff}");
        }
    }
    told("transform x/y/a -o out --source-tags", 0);
    let made = Bytes::read(&place.work().join("out"));
    assert_eq!(newer_words(&made), newer_words(&forged));
    place.remove_output();
    let converted = told("convert x/y/a --to exim -o out --json", 0);
    let report: Value = serde_json::from_str(
        converted
            .lines()
            .filter(|line| !line.starts_with("note"))
            .collect::<String>()
            .as_str(),
    )
    .unwrap_or_default();
    assert_eq!(report["counts"]["artifacts"], 6, "{converted}");
    let manifest = fs::read_to_string(place.work().join("out/manifest.json")).unwrap();
    for word in [
        "owner_kind_newer",
        "files.!newer",
        "values_newer",
        "metrics.timestamp_newer",
        "widgets",
        "newer-version",
    ] {
        assert!(
            converted.contains(word) || manifest.contains(word),
            "{word}: {converted}"
        );
    }
    place.remove_output();
    let tables = told("convert x/y/a --to csv -o out", 0);
    for word in [
        "limit: 5 artifacts owner_kind_newer: newer-version",
        "artifacts files.!newer: newer-version",
        "metrics values_newer: newer-version",
        "limit: 1 widgets: newer-version",
    ] {
        assert!(tables.contains(word), "{word}: {tables}");
    }
    let runs = fs::read_to_string(place.work().join("out/runs.csv")).unwrap();
    assert!(runs.contains("user_id_newer"), "{runs}");
    place.remove_output();
    for command in [
        "import x/y/a TARGET --on-conflict merge --dry-run --json",
        "import x/y/a TARGET --on-conflict merge --dry-run",
        "import x/y/a TARGET --on-conflict merge --json",
        "import x/y/a TARGET --on-conflict merge",
    ] {
        // A second import has nothing to do, and says the same.
        let said = told(command, 0);
        let is_json = command.ends_with("--json");
        for word in [
            "owner_kind_newer",
            "files.!newer",
            "values_newer",
            "info.user_id_newer",
        ] {
            assert!(said.contains(word) || !is_json, "{word}: {said}");
        }
        let limit = match is_json {
            true => "\"kind\":\"widgets\"",
            false => "limit: 1 widgets: newer-version (left out)",
        };
        let found = said.replace("\": \"", "\":\"");
        assert!(found.contains(limit) && found.contains("newer-version"), "{said}");
    }
    told("import x/y/a TARGET --on-conflict merge --strict", 3);
}

#[test]
fn what_lies_in_a_blobs_place_and_is_no_plain_file_of_its_size_is_taken_by_no_command() {
    let place = Place::new();
    place.lay(&place.good);
    let arc = place.work().join("x/y/a");
    let digest = bytes::sha256(b"12345").to_string();
    let blob = arc.join(format!("blobs/sha256/{}/{digest}", &digest[..2]));
    let elsewhere = place.root.path().join("elsewhere");
    fs::write(&elsewhere, "12345").unwrap();
    let taking = [
        "transform x/y/a -o out --source-tags",
        "transform x/y/a -o out --source-tags --copy",
        "transform x/y/a -o out.zip --source-tags",
        "extract x/y/a -o out",
        "convert x/y/a --to exim -o out",
        "cat x/y/a RUN_A model/data.bin",
    ];
    let tricks: [(&str, &dyn Fn()); 5] = [
        ("a link", &|| {
            std::os::unix::fs::symlink(&elsewhere, &blob).unwrap()
        }),
        ("a pipe", &|| {
            assert!(Command::new("mkfifo").arg(&blob).status().unwrap().success())
        }),
        ("a folder", &|| fs::create_dir(&blob).unwrap()),
        // As good as without an end: a sparse file that would fill any disk.
        ("a huge file", &|| {
            fs::File::create(&blob).unwrap().set_len(1 << 42).unwrap()
        }),
        ("a short file", &|| fs::write(&blob, "1").unwrap()),
    ];
    for (what, make) in tricks {
        let _ = fs::remove_dir(&blob);
        let _ = fs::remove_file(&blob);
        make();
        for command in taking {
            let output = place.run(command);
            let said = format!("{what}: mlark {command}\n{}", text(&output.stderr));
            assert_eq!(output.status.code(), Some(4), "{said}");
            assert!(
                !place.work().join("out").exists() && !place.work().join("out.zip").exists(),
                "{said}"
            );
            place.remove_output();
        }
    }
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "12345").unwrap();
    for folder in [
        "objects",
        "blobs",
        "blobs/sha256",
        &format!("blobs/sha256/{}", &digest[..2]),
    ] {
        let (folder, moved) = (arc.join(folder), place.root.path().join("moved"));
        fs::rename(&folder, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &folder).unwrap();
        for command in taking {
            let output = place.run(command);
            let said = format!("{}: mlark {command}\n{}", folder.display(), text(&output.stderr));
            assert_eq!(output.status.code(), Some(4), "{said}");
            assert!(said.contains("it is a symbolic link"), "{said}");
        }
        fs::remove_file(&folder).unwrap();
        fs::rename(&moved, &folder).unwrap();
    }
    assert_eq!(place.run(taking[0]).status.code(), Some(0));
}
