//! The schemas in `schema/` are those of the types, and every line of an archive is valid by them.
//!
//! `MLARK_UPDATE=1 cargo test --test commands schema::` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{command, rich, scripted};
use mlark::archive::Archive;
use mlark::format::Kind;
use mlark::internals::{LOSSES, MANIFEST, Noun, schema};
use rich::Size;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")
}

#[test]
fn schemas_are_those_of_the_types() {
    let recipe = ("recipe.json".to_owned(), mlark::flow::transform::schema());
    let plan = ("plan.json".to_owned(), mlark::flow::export::plan::schema());
    let all = schema::all().into_iter().chain([recipe, plan]);
    assert_kept(&folder(), all.collect());
    assert_kept(&folder().join("cli"), mlark::cli::json_schemas());
}

/// Asserts that a folder holds these schemas and no other file.
fn assert_kept(folder: &Path, schemas: Vec<(String, Value)>) {
    let update = std::env::var_os("MLARK_UPDATE").is_some();
    let mut names: Vec<String> = Vec::new();
    for (name, schema) in schemas {
        let text = format!("{schema:#}\n");
        let path = folder.join(&name);
        if update {
            fs::create_dir_all(folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{name} has drifted: MLARK_UPDATE=1 cargo test --test commands schema::"
        );
        names.push(name);
    }
    names.sort();
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names);
}

/// What a value breaks of a schema: the few keywords that these schemas use.
fn broken(root: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    let broken_at = |rule: &str| Some(format!("{place}: {rule}: {value:.200}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        if let Some(broken) = broken(root, target, value, place) {
            return Some(broken);
        }
    }
    if let Some(kind) = schema.get("type") {
        let is = |kind: &Value| match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            other => other == "null" && value.is_null(),
        };
        let is_one = kind
            .as_array()
            .map_or_else(|| is(kind), |kinds| kinds.iter().any(is));
        if !is_one {
            return broken_at(&format!("type {kind}"));
        }
    }
    for (name, wanted) in [("anyOf", 1..=9), ("oneOf", 1..=1)] {
        if let Some(choices) = schema[name].as_array() {
            let fitting = choices
                .iter()
                .filter(|choice| broken(root, choice, value, place).is_none());
            if !wanted.contains(&fitting.count()) {
                return broken_at(name);
            }
        }
    }
    if let Some(parts) = schema["allOf"].as_array()
        && let Some(broken) = parts.iter().find_map(|part| broken(root, part, value, place))
    {
        return Some(broken);
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|values| !values.contains(value))
    {
        return broken_at("enum");
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        return broken_at("const");
    }
    if schema
        .get("minimum")
        .and_then(Value::as_i64)
        .is_some_and(|minimum| value.as_i64() < Some(minimum))
    {
        return broken_at("minimum");
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        assert_eq!(pattern, "^[0-9a-f]{64}$");
        if value
            .as_str()
            .is_some_and(|text| text.parse::<mlark::model::Digest>().is_err())
        {
            return broken_at("pattern");
        }
    }
    if let Some(items) = value.as_array().filter(|_| schema.get("items").is_some()) {
        return items
            .iter()
            .find_map(|item| broken(root, &schema["items"], item, place));
    }
    let map = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(missing) = required
        .filter_map(Value::as_str)
        .find(|key| !map.contains_key(*key))
    {
        return broken_at(&format!("required {missing}"));
    }
    map.iter().find_map(|(key, item)| {
        let place = format!("{place}/{key}");
        match schema["properties"].get(key) {
            Some(schema) => broken(root, schema, item, &place),
            None => match &schema["additionalProperties"] {
                Value::Bool(false) => Some(format!("{place}: does not belong there")),
                Value::Object(_) => broken(root, &schema["additionalProperties"], item, &place),
                _ => None,
            },
        }
    })
}

fn check(name: &str, text: &[u8]) {
    let schema: Value =
        serde_json::from_slice(&fs::read(folder().join(format!("{name}.schema.json"))).unwrap()).unwrap();
    let value: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(broken(&schema, &schema, &value, name), None);
}

fn check_archive(root: &Path) {
    let archive = Archive::open(root).unwrap();
    check("mlark", &fs::read(root.join(MANIFEST)).unwrap());
    for file in &archive.manifest().files {
        let name = match file.path.as_str() {
            LOSSES => "losses",
            _ => file.path.kind_name().unwrap_or("undo"),
        };
        let mut lines = archive.lines_of(vec![file.clone()]);
        while let Some(line) = lines.next_line().unwrap() {
            check(name, line.bytes);
        }
    }
}

#[test]
fn every_line_of_an_archive_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("rich");
    let manifest = rich::build(&out, Size::Full);
    assert!(Kind::ALL.iter().all(|kind| manifest.count(*kind) > 0));
    check_archive(&out);
}

#[test]
fn every_golden_archive_is_valid() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    for version in fs::read_dir(golden).into_iter().flatten() {
        check_archive(&version.unwrap().path().join("directory"));
    }
}

#[test]
fn the_check_itself_refuses_what_is_wrong() {
    let schema = schema::of_kind(Kind::Runs);
    let line =
        r#"{"info":{"experiment_id":"1","lifecycle_stage":"active","run_id":"a","status":"FINISHED"}}"#;
    let valid: Value = serde_json::from_str(line).unwrap();
    assert_eq!(broken(&schema, &schema, &valid, ""), None);
    for (from, to) in [
        ("\"1\"", "1"),
        (",\"status\":\"FINISHED\"", ""),
        ("\"FINISHED\"", "null"),
    ] {
        let wrong: Value = serde_json::from_str(&line.replace(from, to)).unwrap();
        assert!(broken(&schema, &schema, &wrong, "").is_some(), "{from}");
    }
    let artifacts = schema::of_kind(Kind::Artifacts);
    let wrong = serde_json::json!({"files": [], "owner_id": "r", "owner_kind": "robot"});
    assert!(broken(&artifacts, &artifacts, &wrong, "").is_some());
}

/// Schemas say what is there and leave room for what later versions add; here nothing may be there that they do not say.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(map) => {
            map.values_mut().for_each(|item| *item = closed(item.take()));
            if map.get("properties").is_some_and(Value::is_object)
                && map.get("title").is_none_or(Value::is_string)
            {
                map.entry("additionalProperties").or_insert(false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    schema
}

fn cli_schema(name: &str) -> Value {
    let text = fs::read(folder().join(format!("cli/{name}.schema.json"))).unwrap();
    closed(serde_json::from_slice(&text).unwrap())
}

/// What a command prints with `--json` is what the schema of that name says, one document or one a line.
fn assert_described(directory: &Path, schema: &str, args: &[&str], exit: i32) -> Vec<Value> {
    let output = command::mlark(directory, &[args, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(exit), "{}", command::shown(&output));
    let printed = if schema == "error" {
        output.stderr
    } else {
        output.stdout
    };
    let documents: Vec<Value> = serde_json::Deserializer::from_slice(&printed)
        .into_iter()
        .map(|document| document.unwrap())
        .collect();
    assert!(!documents.is_empty(), "{args:?}");
    let schema = cli_schema(schema);
    for document in &documents {
        assert_eq!(broken(&schema, &schema, document, &args.join(" ")), None);
    }
    documents
}

#[test]
fn commands_print_what_their_schemas_say() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    rich::build(&directory.join("rich"), Size::Full);
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filestore-3.18.0/mlruns");
    let store = store.to_str().unwrap();
    let described = |schema: &str, args: &[&str], exit: i32| assert_described(directory, schema, args, exit);

    described(
        "export",
        &[
            "export",
            store,
            "-o",
            "store",
            "--include-deleted",
            "--keep-going",
        ],
        0,
    );
    described(
        "transform",
        &["transform", "store", "-o", "tagged", "--source-tags"],
        0,
    );
    described(
        "transform",
        &["transform", "store", "--dry-run", "--drop-tag", "*"],
        0,
    );
    described(
        "convert",
        &["convert", "store", "-o", "exim", "--to", "exim", "--keep-going"],
        0,
    );
    described(
        "convert-tables",
        &["convert", "rich", "-o", "tables", "--to", "csv", "--wide"],
        0,
    );
    described("extract", &["extract", "store", "-o", "files", "--keep-going"], 0);
    described("restore", &["restore", "store", "-o", "restored", "--dry-run"], 0);
    described("restore", &["restore", "store", "-o", "restored"], 0);
    described("migrate", &["migrate", store, "moved", "--dry-run"], 0);
    described("migrate", &["migrate", store, "moved"], 0);
    described("compare", &["compare", "rich", "r1", "r3", "r0"], 0);
    described("info", &["info", "tagged"], 0);
    described("verify", &["verify", "tagged"], 0);
    described("verify", &["verify", "tagged", "--lacks-text", "mlflow"], 1);
    described("scan", &["scan", "store"], 0);
    described("snapshot", &["snapshot", "store"], 0);
    described("lineage", &["lineage", "store", "tagged"], 0);
    assert!(described("diff", &["diff", "store", "tagged"], 1).len() > 1);
    described("error", &["info", "nosuch"], 6);
    described("error", &["export", "nosuch", "-o", "x"], 7);
    for noun in Noun::ALL {
        // The store holds no scorers, the rich archive no prompts and no places.
        let is_of_store = matches!(noun, Noun::Prompts | Noun::Locations);
        let archive = if is_of_store { "store" } else { "rich" };
        described("ls", &["ls", archive, noun.as_str()], 0);
    }
    let artifacts = described("ls", &["ls", "store", "artifacts"], 0);
    let text = |key: &str| artifacts[0][key].as_str().unwrap();
    described("cat", &["cat", "store", text("owner_id"), text("path")], 0);
    described("lineage", &["lineage", "tagged", text("owner_id")], 0);
    let bytes = format!("sha256:{}", text("sha256"));
    described("lineage", &["lineage", "store", "tagged", &bytes], 0);
}

#[test]
fn show_prints_lines_of_the_archive() {
    let temporary = tempfile::tempdir().unwrap();
    rich::build(&temporary.path().join("rich"), Size::Full);
    let archive = Archive::open(&temporary.path().join("rich")).unwrap();
    let runs: Vec<_> = archive.values(Kind::Runs).map(|line| line.unwrap()).collect();
    let id = runs[0]["info"]["run_id"].as_str().unwrap();
    let args = ["show", "rich", id, "--kind", "runs", "--json"];
    let output = command::mlark(temporary.path(), &args);
    let schema = schema::of_kind(Kind::Runs);
    let shown = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(broken(&schema, &schema, &shown, "show"), None);
}

#[test]
fn imports_print_what_their_schemas_say() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let archive = scripted::archive(directory, "a");
    drop(archive);
    let target = scripted::Target::start(|_| None);
    let url = target.server.url();
    let described = |schema: &str, args: &[&str], exit: i32| assert_described(directory, schema, args, exit);
    described("plan", &["import", "a", &url, "--dry-run", "--objects"], 0);
    described("import", &["import", "a", &url], 0);
    described("map", &["map", "a", &url], 0);
}

#[test]
fn quiet_leaves_results_and_errors() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filestore-3.18.0/mlruns");
    let store = store.to_str().unwrap();
    let shown = |args: &[&str]| command::shown(&command::mlark(directory, &[args, &["-q"]].concat()));
    assert_eq!(shown(&["export", store, "-o", "a"]), "exit 0");
    assert_eq!(shown(&["transform", "a", "-o", "b", "--source-tags"]), "exit 0");
    assert_eq!(shown(&["verify", "b"]), "exit 0");
    assert!(shown(&["ls", "a", "runs"]).lines().count() > 1);
    assert!(shown(&["export", store, "-o", "a"]).starts_with("error: "));
    let version = shown(&["--version"]);
    assert!(
        version.contains(env!("CARGO_PKG_VERSION")) && version.contains("features"),
        "{version}"
    );
}
