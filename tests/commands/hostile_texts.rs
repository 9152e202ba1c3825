//! Texts that steer terminals, in every place an archive, a path, a source or a server has for one: none comes out raw.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, command, loopback, rich};
use bytes::Bytes;
use mlark::archive::ContainerKind;
use mlark::internals::{MANIFEST, Noun, SEAL, canonical, checksum_line};
use rich::Size;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// Sets a title, clears the screen, turns the text around, overwrites the line, begins a false one.
const HOSTILE: &str =
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\r\nFORGED\tline\u{85}\u{7f}\u{200b}";

/// Ends like this in a name of a file, which can hold no NUL and here no slash.
const HOSTILE_NAME: &str = "x\u{1b}[2J\u{9b}31m\u{202e}\r\nFORGED";

fn is_raw(character: char) -> bool {
    let is_bidirectional =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && !matches!(character, '\n' | '\t')) || is_bidirectional
}

/// Runs a command; nothing it prints may be raw, and no line of it is one that a text began.
fn run(directory: &Path, args: &[&str]) -> Output {
    let output = command::mlark(directory, args);
    for stream in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(stream).unwrap();
        assert!(!text.contains(is_raw), "{args:?} printed raw: {text:?}");
        assert!(
            !text.lines().any(|line| line.starts_with("FORGED")),
            "{args:?}: {text}"
        );
        assert!(!text.contains("panicked"), "{args:?}: {text}");
    }
    if args.contains(&"--json") && !output.stdout.is_empty() {
        let values: Vec<_> = serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter::<Value>()
            .collect();
        assert!(
            values.iter().all(Result::is_ok),
            "{args:?} printed no JSON: {values:?}"
        );
    }
    output
}

/// Every command that reads an archive, for people and for programs.
fn run_all(directory: &Path) {
    for json in [None, Some("--json")] {
        let with = |args: &[&str]| run(directory, &[args, json.as_slice()].concat());
        for args in [["info", "a"], ["verify", "a"]] {
            with(&args);
        }
        for noun in Noun::ALL.iter().map(|noun| noun.as_str()) {
            with(&["ls", "a", noun]);
        }
        let ids = std::fs::read_to_string(directory.join("ids")).unwrap();
        for id in ids.lines() {
            with(&["show", "a", id]);
            with(&["lineage", "a", id]);
        }
        with(&["lineage", "a"]);
        with(&["lineage", "a", HOSTILE_NAME]);
        with(&["show", "a", HOSTILE_NAME]);
        with(&["diff", "a", "intact"]);
        with(&["diff", "intact", "a"]);
        with(&["extract", "a", "-o", "files", "--keep-going"]);
        with(&["convert", "a", "-o", "exim", "--to", "exim", "--keep-going"]);
        with(&["convert", "a", "-o", "tables", "--to", "csv", "--wide"]);
        let compared: Vec<_> = ["compare", "a"].into_iter().chain(ids.lines().take(2)).collect();
        with(&compared);
        for made in ["files", "exim", "tables"] {
            let _ = std::fs::remove_dir_all(directory.join(made));
        }
    }
    run(directory, &["lineage", "a", "--format", "openlineage"]);
    run(directory, &["snapshot", "a"]);
    run(directory, &["verify", "a", "--lacks-regex", "[^ ]"]);
    run(directory, &["scan", "a"]);
    run(directory, &["snapshot", "a", "--no-redact"]);
    run(directory, &["transform", "a", "-o", "tagged", "--source-tags"]);
    run(directory, &["transform", "a", "-o", "undone", "--undo"]);
    run(directory, &["import", "a", "http://127.0.0.1:1", "--dry-run"]);
    run(directory, &["map", "a", "http://127.0.0.1:1"]);
    for made in ["tagged", "undone"] {
        let _ = std::fs::remove_dir_all(directory.join(made));
    }
}

/// Changes all texts of a value, and with `keys` the keys of its maps.
fn forge(value: &mut Value, keys: bool) {
    match value {
        Value::String(text) => text.push_str(HOSTILE),
        Value::Array(items) => items.iter_mut().for_each(|item| forge(item, keys)),
        Value::Object(map) => {
            for (key, mut item) in std::mem::take(map) {
                forge(&mut item, keys);
                let key = if keys { key + HOSTILE } else { key };
                map.insert(key, item);
            }
        }
        _ => {}
    }
}

/// Changes texts that may be anything, so that the archive stays one.
fn forge_free(value: &mut Value) {
    const FREE: [&str; 14] = [
        "name",
        "run_name",
        "user_id",
        "description",
        "artifact_uri",
        "artifact_location",
        "source",
        "request_preview",
        "response_preview",
        "rationale",
        "status_message",
        "model_type",
        "schema",
        "profile",
    ];
    match value {
        Value::Array(items) => items.iter_mut().for_each(forge_free),
        Value::Object(map) => {
            for (key, item) in map {
                match key.as_str() {
                    "params" | "tags" => forge(item, true),
                    key if FREE.contains(&key) && item.is_string() => forge(item, false),
                    _ => forge_free(item),
                }
            }
        }
        _ => {}
    }
}

fn edit_lines(bytes: &mut [u8], edit: impl Fn(&mut Value)) -> Vec<u8> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut changed = Vec::new();
    for line in lines {
        let mut value: Value = serde_json::from_slice(line).unwrap();
        edit(&mut value);
        changed.extend(canonical(&value));
        changed.push(b'\n');
    }
    changed
}

/// A folder with an intact archive and, for each forged one, a place beside it.
struct Bench {
    directory: tempfile::TempDir,
    intact: Bytes,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        rich::build(&root.join("intact"), Size::Small);
        let intact = Bytes::read(&root.join("intact"));
        let mut ids = String::new();
        for entry in intact
            .entries
            .iter()
            .filter(|entry| entry.name.starts_with("objects/"))
        {
            let line = entry.bytes.split(|byte| *byte == b'\n').next().unwrap();
            let value: Value = serde_json::from_slice(line).unwrap();
            for place in [
                "/experiment_id",
                "/info/run_id",
                "/model_id",
                "/trace_id",
                "/name",
                "/dataset_id",
            ] {
                let id = value.pointer(place).and_then(Value::as_str);
                ids.extend(id.map(|id| format!("{id}\n")));
            }
        }
        std::fs::write(root.join("ids"), ids).unwrap();
        Bench { directory, intact }
    }

    fn write(&self, forged: &Bytes) {
        let archive = self.directory.path().join("a");
        let _ = std::fs::remove_dir_all(&archive);
        forged.write(&archive, ContainerKind::Directory);
    }
}

#[test]
fn free_texts_of_an_archive_come_out_escaped() {
    let bench = Bench::new();
    let mut forged = bench.intact.clone();
    for entry in &mut forged.entries {
        if entry.name.starts_with("objects/") {
            entry.bytes = edit_lines(&mut entry.bytes, forge_free);
        }
    }
    forged.reseal();
    bench.write(&forged);
    let directory = bench.directory.path();
    run_all(directory);
    for noun in ["experiments", "runs", "models", "datasets"] {
        let listed = run(directory, &["ls", "a", noun]);
        let text = String::from_utf8(listed.stdout).unwrap();
        assert!(text.contains("\\u{1b}]0;title"), "{noun}: {text}");
    }
}

#[test]
fn false_manifests_come_out_escaped() {
    let bench = Bench::new();
    let manifest: Value = serde_json::from_slice(bench.intact.clone().bytes(MANIFEST)).unwrap();
    let directory = bench.directory.path();
    let places: Vec<_> = manifest.as_object().unwrap().keys().cloned().collect();
    for place in places {
        // What a reader refuses hides what it would print: so each place by itself, and its keys apart.
        for keys in [false, true] {
            let mut forged = bench.intact.clone();
            let mut value = manifest.clone();
            forge(&mut value[&place], keys);
            let text = canonical(&value);
            *forged.bytes(SEAL) = checksum_line(&bytes::sha256(&text), MANIFEST).into_bytes();
            *forged.bytes(MANIFEST) = text;
            bench.write(&forged);
            for args in [
                &["info", "a"][..],
                &["info", "a", "--json"],
                &["verify", "a"],
                &["verify", "a", "--json"],
                &["snapshot", "a"],
            ] {
                run(directory, args);
            }
        }
    }
}

#[test]
fn false_lines_come_out_escaped() {
    let bench = Bench::new();
    let files = bench.intact.entries.iter().map(|entry| entry.name.clone());
    for file in files.filter(|name| name.ends_with(".jsonl")) {
        for keys in [false, true] {
            let mut forged = bench.intact.clone();
            let bytes = forged.bytes(&file);
            *bytes = edit_lines(bytes, |value| forge(value, keys));
            forged.reseal();
            bench.write(&forged);
            for args in [
                &["verify", "a"][..],
                &["verify", "a", "--json"],
                &["diff", "a", "intact"],
            ] {
                run(bench.directory.path(), args);
            }
        }
    }
}

#[test]
fn paths_and_arguments_come_out_escaped() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = root.join("mlruns").join(HOSTILE_NAME);
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(store.join("meta.yaml"), HOSTILE).unwrap();
    std::fs::create_dir_all(root.join("mlruns/0")).unwrap();
    let meta = "experiment_id: '0'\nname: Default\nlifecycle_stage: active\nartifact_location: /a\n";
    std::fs::write(root.join("mlruns/0/meta.yaml"), meta).unwrap();
    std::fs::write(root.join(HOSTILE_NAME), "nothing").unwrap();
    for args in [
        &["export", "mlruns", "-o", "out"][..],
        &["export", "mlruns", "-o", HOSTILE_NAME, "--keep-going"],
        &["export", "mlruns", "-o", "out.zip", "--keep-going"],
        &["ls", "mlruns", "--keep-going"],
        &["ls", "mlruns", "experiments", "--keep-going", "--json"],
        &["ls", HOSTILE_NAME],
        &["ls", "out.zip", HOSTILE_NAME],
        &["info", HOSTILE_NAME],
        &["info", HOSTILE_NAME, "--json"],
        &["info", "out.zip", HOSTILE_NAME],
        &["verify", HOSTILE_NAME, "--json"],
        &["show", "out.zip", HOSTILE_NAME],
        &["cat", "out.zip", HOSTILE_NAME, HOSTILE_NAME],
        &["diff", HOSTILE_NAME, "out.zip"],
        &["snapshot", HOSTILE_NAME],
        &["scan", HOSTILE_NAME],
        &["verify", "out.zip", "--lacks-list", HOSTILE_NAME],
        &["transform", "out.zip", "-o", HOSTILE_NAME, "--source-tags"],
        &["extract", "out.zip", "-o", HOSTILE_NAME],
        &["convert", "out.zip", "-o", HOSTILE_NAME, "--to", HOSTILE_NAME],
        &["import", "out.zip", HOSTILE_NAME],
        &["import", HOSTILE_NAME, "http://127.0.0.1:1"],
        &["map", "out.zip", HOSTILE_NAME],
        &["export", "mlruns", "-o", "other", "--since", HOSTILE_NAME],
        &[HOSTILE_NAME],
    ] {
        run(root, args);
    }
}

#[test]
fn answers_of_a_server_come_out_escaped() {
    let body = serde_json::json!({ "error_code": HOSTILE, "message": HOSTILE }).to_string();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    rich::build(&root.join("a"), Size::Small);
    for (status, body) in [
        (400, body),
        (403, HOSTILE.to_owned()),
        (200, format!("<title>{HOSTILE}</title>")),
        (200, format!("{{\"experiments\": {HOSTILE}")),
    ] {
        let server = loopback::Loopback::start(move |_| loopback::Answer::new(status, body.clone()));
        let url = server.url();
        for args in [
            &["ls", &url][..],
            &["ls", &url, "runs", "--json", "--keep-going"],
            &["export", &url, "-o", "out", "--keep-going"],
            &["import", "a", &url],
            &["import", "a", &url, "--dry-run", "--json"],
            &["verify", "a", "--against", &url],
        ] {
            run(root, args);
        }
    }
}

#[test]
fn nobody_to_tell_is_no_panic() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(["info", "nosuch"])
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(6));
}
