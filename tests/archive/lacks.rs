//! `mlark verify --lacks-…`: a text in any form at any place of an archive is found, and what is not there is proven not to be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, common, rich};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use common::History;
use mlark::archive::ContainerKind;
use mlark::archive::verify::{LacksReport, SoughtTexts, VerifyOptions, lacks, verify};
use mlark::internals::{LOSSES, MANIFEST};
use mlark::model::{Absent, OwnerKind, Text};
use mlark::monitor::Silent;
use rich::Size;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What must not be in an archive.
const TEXT: &str = "Zoë \"Quark\" Müller/42";

fn searched(path: &Path, texts: &[&str]) -> LacksReport {
    let mut sought = SoughtTexts::default();
    for text in texts {
        sought.text(format!("`{text}`"), text).unwrap();
    }
    lacks(path, &sought, &VerifyOptions::default(), &Silent).unwrap()
}

/// The forms of a text, by name.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let json = Value::from(TEXT).to_string();
    let python: String = TEXT
        .chars()
        .map(|character| match character {
            '"' => "\\\"".to_owned(),
            character if character.is_ascii() => character.to_string(),
            character => format!("\\u{:04x}", character as u32),
        })
        .collect();
    let percent: String = TEXT.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let base64 = |text: &str| STANDARD.encode(text);
    let utf16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lines = base64(&"long before ".repeat(9).replace("before ", TEXT));
    let lines: Vec<_> = lines
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line))
        .collect();
    let text = |text: String| text.into_bytes();
    vec![
        ("as it is", text(TEXT.to_owned())),
        ("JSON", text(json.clone())),
        ("JSON of Python", text(python)),
        (
            "JSON in JSON",
            text(Value::from(format!("{{\"a\": {json}}}")).to_string()),
        ),
        ("percent", text(percent)),
        (
            "percent of reserved",
            text("Zo%C3%AB+%22Quark%22+M%c3%bcller%2F42".to_owned()),
        ),
        ("base64", text(base64(TEXT))),
        ("base64, second place", text(base64(&format!("a{TEXT}b")))),
        ("base64, third place", text(base64(&format!("ab{TEXT}c")))),
        ("base64 of URLs", text(URL_SAFE_NO_PAD.encode(format!("x{TEXT}")))),
        ("base64 in lines", text(lines.join("\n"))),
        ("base64 of JSON", text(base64(&json!({"name": TEXT}).to_string()))),
        ("UTF-16", utf16.clone()),
        ("base64 of UTF-16", text(STANDARD.encode(utf16))),
    ]
}

/// Changes the files of an archive.
type Change<'c> = &'c dyn Fn(&mut Bytes);

/// Puts bytes at a place of a history; the place as a finding names it.
type Put = fn(&mut History, &[u8]);

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Places that hold bytes, or a text of them.
const PLACES: &[(&str, Put)] = &[
    ("experiments 1: tags.x", |history, bytes| {
        history.experiments[0]
            .tags
            .insert("x".into(), Text::from_bytes(bytes.to_vec()));
    }),
    ("experiments 1: exim", |history, bytes| {
        history.experiments[0].exim = Some(json!({"tags": {"x": string(bytes)}}).to_string());
    }),
    (
        "runs aaaa1111bbbb2222cccc3333dddd4444: params.x",
        |history, bytes| {
            history.runs[0]
                .params
                .insert("x".into(), Text::from_bytes(bytes.to_vec()));
        },
    ),
    (
        "runs aaaa1111bbbb2222cccc3333dddd4444: info.user_id",
        |history, bytes| {
            history.runs[0].info.user_id = Some(string(bytes));
        },
    ),
    ("datasets 1/train/9d1f: source", |history, bytes| {
        history.datasets[0].source = Some(json!({"uri": string(bytes)}).to_string());
    }),
    ("registered-models churn: description", |history, bytes| {
        history.registered_models[0].description = Some(string(bytes));
    }),
    ("model-versions churn/1: tags.x", |history, bytes| {
        history.model_versions[0]
            .tags
            .insert("x".into(), Text::from_bytes(bytes.to_vec()));
    }),
    (
        "traces tr-00112233445566778899aabbccddeeff: assessments[0].rationale",
        |history, bytes| {
            history.traces[0].assessments[0].rationale = Some(string(bytes));
        },
    ),
    (
        "traces tr-00112233445566778899aabbccddeeff: trace_metadata.x",
        |history, bytes| {
            history.traces[0]
                .trace_metadata
                .insert("x".into(), Text::from_bytes(bytes.to_vec()));
        },
    ),
    (
        "spans tr-00112233445566778899aabbccddeeff/1000000000000001: attributes.x.y[0]",
        |history, bytes| {
            history.spans[0]
                .attributes
                .insert("x".into(), json!({"y": [string(bytes)]}));
        },
    ),
    (
        "dataset-records d-00000000000000000000000000000001/dr-00000000000000000000000000000001: inputs.q",
        |history, bytes| {
            history.records[0].inputs = Some(json!({"q": string(bytes)}));
        },
    ),
    ("scorers 1/polite/1: serialized_scorer", |history, bytes| {
        history.scorers[0].serialized_scorer = Some(string(bytes));
    }),
    (
        "runs aaaa1111bbbb2222cccc3333dddd4444: tags.long",
        |history, bytes| {
            let text = "long ".repeat(300_000) + &string(bytes) + " text";
            history.runs[0].tags.insert("long".into(), text.as_str().into());
        },
    ),
    (
        "runs aaaa1111bbbb2222cccc3333dddd4444: params.long",
        |history, bytes| {
            let bytes = [&[0xfe; 1 << 20], bytes, b" "].concat();
            history.runs[0]
                .params
                .insert("long".into(), Text::from_bytes(bytes));
        },
    ),
    (
        "runs aaaa1111bbbb2222cccc3333dddd4444: artifact a/b.bin",
        |history, bytes| {
            let bytes = [&b"\0\x01 "[..], bytes, b" "].concat();
            history.artifacts.insert(
                0,
                (OwnerKind::Run, common::RUN_A.into(), "a/b.bin".into(), Ok(bytes)),
            );
        },
    ),
    // A long artifact, over the border of what is read at once.
    (
        "traces tr-00112233445566778899aabbccddeeff: artifact z.bin",
        |history, bytes| {
            let bytes = [&vec![b' '; (64 << 10) - 9], bytes, &[b' '; 9]].concat();
            history
                .artifacts
                .push((OwnerKind::Trace, common::TRACE.into(), "z.bin".into(), Ok(bytes)));
        },
    ),
];

#[test]
fn a_text_in_any_form_at_any_place_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let clean = directory.path().join("clean.zip");
    History::new().write(&clean);
    let report = searched(&clean, &[TEXT]);
    assert!(report.is_proven(), "{report:?}");
    assert!(
        report.searched.files > 10 && report.searched.blobs == 3,
        "{report:?}"
    );
    for (number, (place, put)) in PLACES.iter().enumerate() {
        for (form, bytes) in forms() {
            // Free text has no bytes that are no text.
            let is_text = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
            if !is_text && !place.contains("tags.x") && !place.contains(".bin") && !place.contains("params") {
                continue;
            }
            let mut history = History::new();
            put(&mut history, &bytes);
            let path = directory.path().join(if number % 2 == 0 { "a" } else { "a.zip" });
            history.write(&path);
            let report = searched(&path, &[TEXT, "nowhere at all"]);
            let said: Vec<_> = report.found.iter().map(|found| found.place.to_string()).collect();
            assert_eq!(report.found.len(), 1, "{form} at {place}: {said:?}");
            assert!(said[0].starts_with(place), "{form} at {place}: {said:?}");
            assert!(report.found[0].sought.contains("Quark"), "{said:?}");
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

#[test]
fn keys_names_and_paths_are_searched_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.runs[0].tags.insert(TEXT.into(), "1".into());
    history.artifacts[1].2 = format!("model/{TEXT}.bin");
    history.registered_models[1].name = format!("of {TEXT}");
    history.model_versions[2].name = format!("of {TEXT}");
    let path = directory.path().join("a");
    history.write(&path);
    let report = searched(&path, &[TEXT]);
    let found: Vec<_> = report.found.iter().map(|found| found.place.to_string()).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    for field in ["files[1].path", ": name", &format!("tags.{TEXT}")] {
        assert!(
            found.iter().any(|place| place.contains(field)),
            "{field}: {found:?}"
        );
    }
}

#[test]
fn undo_losses_manifest_and_seal_are_searched_too() {
    let directory = tempfile::tempdir().unwrap();
    let built = directory.path().join("built");
    rich::build(&built, Size::Small);
    let clean = Bytes::read(&built);
    let places: [(&str, Change<'_>); 5] = [
        ("undo/1-00000.jsonl line 1", &|bytes| {
            let line = json!({"kind": "runs", "id": "r1", "replaced": {"x": TEXT}});
            *bytes.bytes("undo/1-00000.jsonl") = format!("{line}\n").into_bytes();
        }),
        ("losses.jsonl line 1", &|bytes| {
            let text = string(bytes.bytes(LOSSES)).replacen(
                "it vanished",
                "Zo\\u00eb \\\"Quark\\\" M\\u00fcller\\/42",
                1,
            );
            *bytes.bytes(LOSSES) = text.into_bytes();
        }),
        ("mlark.json", &|bytes| {
            bytes.edit_manifest(|manifest| manifest["origin"] = TEXT.into())
        }),
        ("mlark.json.sha256", &|bytes| {
            bytes.bytes("mlark.json.sha256").extend(TEXT.bytes());
        }),
        ("SHA256SUMS", &|bytes| {
            bytes.bytes("SHA256SUMS").extend(TEXT.bytes());
        }),
    ];
    for (place, put) in places {
        let mut changed = clean.clone();
        put(&mut changed);
        for kind in [ContainerKind::Directory, ContainerKind::Zip] {
            let path = directory
                .path()
                .join(format!("{}-{kind:?}", place.replace([' ', '/'], "-")));
            changed.write(&path, kind);
            let report = searched(&path, &[TEXT]);
            let said: Vec<_> = report.found.iter().map(|found| found.place.to_string()).collect();
            assert_eq!(said.len(), 1, "{place}: {said:?}");
            assert!(said[0].contains(place), "{place}: {said:?}");
        }
    }
    let clean = searched(&built, &[TEXT]);
    assert!(clean.is_proven());
}

fn mlark(directory: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = string(&output.stdout) + &string(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn texts_of_lists_and_files_are_never_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut history = History::new();
    let secret = "hush-4711-secret";
    history.runs[0]
        .tags
        .insert(format!("key of {secret}"), secret.into());
    history.artifacts[1].2 = format!("model/{}.bin", STANDARD.encode(secret));
    history.registered_models[1].name = secret.into();
    history.model_versions[2].name = secret.into();
    history.write(&root.join("a"));
    fs::write(root.join("names.txt"), format!("nobody at all\r\n\n{secret}\r\n")).unwrap();
    fs::write(root.join("one.txt"), secret).unwrap();
    for args in [
        &["verify", "a", "--lacks-list", "names.txt"][..],
        &["verify", "a", "--lacks-file", "one.txt"],
        &["verify", "a", "--lacks-file", "one.txt", "--json"],
        &[
            "verify",
            "a",
            "--lacks-list",
            "names.txt",
            "--lacks-file",
            "one.txt",
            "--json",
            "-q",
        ],
    ] {
        let (code, said) = mlark(root, args);
        assert_eq!(code, Some(1), "{args:?}: {said}");
        assert!(said.contains("***"), "{said}");
        for hidden in [
            secret.to_owned(),
            STANDARD.encode(secret),
            "nobody at all".to_owned(),
        ] {
            assert!(!said.contains(&hidden), "{args:?}: {said}");
        }
    }
    let (_, said) = mlark(root, &["verify", "a", "--lacks-list", "names.txt"]);
    assert!(
        said.contains("names.txt line 3") && !said.contains("names.txt line 1"),
        "{said}"
    );
}

#[test]
fn the_proof_says_what_was_searched_and_fails_where_something_could_not_be() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    rich::build(&root.join("a"), Size::Small);
    let (code, said) = mlark(
        root,
        &["verify", "a", "--lacks-text", TEXT, "--lacks-regex", "Qu[a-z]rk"],
    );
    insta::with_settings!({filters => [(r"[\d.]+ kB", "[size]")]}, {
        insta::assert_snapshot!("lacks_proven", said);
    });
    assert_eq!(code, Some(0));
    let (code, said) = mlark(
        root,
        &[
            "verify",
            "a",
            "--lacks-regex",
            "run r[0-9]",
            "--lacks-text",
            "it vanished",
        ],
    );
    insta::with_settings!({filters => [(r"[\d.]+ kB", "[size]")]}, {
        insta::assert_snapshot!("lacks_found", said);
    });
    assert_eq!(code, Some(1));

    // What is damaged may have held it.
    let mut bytes = Bytes::read(&root.join("a"));
    bytes.bytes("objects/runs-00000.jsonl").clear();
    bytes.write(&root.join("b"), ContainerKind::Directory);
    let (code, said) = mlark(root, &["verify", "b", "--lacks-text", TEXT]);
    assert_eq!(code, Some(1));
    assert!(said.contains("NOT PROVEN") && !said.contains(": lacks"), "{said}");
    fs::write(root.join("c.zip"), b"PK\x03\x04 and no more").unwrap();
    let (code, said) = mlark(root, &["verify", "c.zip", "--lacks-text", TEXT]);
    assert!(code == Some(1) && said.contains("NOT PROVEN"), "{said}");
}

#[test]
fn a_zip_whose_entry_breaks_off_is_not_proven_to_lack_anything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zip");
    let mut history = History::new();
    let bytes = "abc def ".repeat(100_000).into_bytes();
    history.artifacts.insert(
        0,
        (OwnerKind::Run, common::RUN_A.into(), "a.txt".into(), Ok(bytes)),
    );
    history.write(&path);
    let mut zip = fs::read(&path).unwrap();
    // The first entry is the blob; its stream is damaged in its middle.
    for byte in &mut zip[200..260] {
        *byte ^= 0x55;
    }
    fs::write(&path, zip).unwrap();
    let report = searched(&path, &[TEXT]);
    assert!(!report.is_proven() && report.places == 0, "{report:?}");
    assert!(!report.unread.is_empty());
    assert!(
        !verify(&path, &VerifyOptions::default(), &Silent)
            .unwrap()
            .is_intact()
    );
}

#[test]
fn what_cannot_be_searched_for_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    rich::build(&root.join("a"), Size::Small);
    fs::write(root.join("empty"), "").unwrap();
    for (args, words) in [
        (&["--lacks-text", ""][..], "text 1 is empty"),
        (&["--lacks-regex", "a*"], "it matches the empty text"),
        (&["--lacks-regex", "("], "regex 1 cannot be searched for"),
        (&["--lacks-regex", "(a{1000}){1000}"], "it takes more than"),
        (&["--lacks-list", "empty"], "empty is empty"),
        (&["--lacks-file", "empty"], "empty is empty"),
        (&["--lacks-list", "gone"], "read gone"),
        (
            &["--lacks-text", "a", "--against", "http://127.0.0.1:1"],
            "cannot be used with",
        ),
    ] {
        let (code, said) = mlark(root, &[&["verify", "a"][..], args].concat());
        assert!(
            code == Some(2) && said.contains(words),
            "{args:?}: {code:?} {said}"
        );
    }
}

#[test]
fn a_list_of_many_texts_is_searched_in_passes_and_packed_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut history = History::new();
    let gzip = b"\x1f\x8b\x08 and so on".to_vec();
    history
        .artifacts
        .insert(0, (OwnerKind::Run, common::RUN_A.into(), "a.gz".into(), Ok(gzip)));
    history.artifacts.push((
        OwnerKind::Trace,
        common::TRACE.into(),
        "gone".into(),
        Err(Absent::Failed),
    ));
    history.write(&root.join("a"));
    let list: String = (0..30_000)
        .map(|number| format!("person number {number} of many\n"))
        .collect();
    fs::write(root.join("list"), list + "two\nlast: embed\n" + "embed\n").unwrap();
    let mut sought = SoughtTexts::default();
    sought.list("list", &root.join("list")).unwrap();
    let report = lacks(&root.join("a"), &sought, &VerifyOptions::default(), &Silent).unwrap();
    let found: Vec<_> = report
        .found
        .iter()
        .map(|found| (&*found.sought, found.place.id.as_deref()))
        .collect();
    assert!(
        found.contains(&(
            "list line 30003",
            Some("tr-00112233445566778899aabbccddeeff/1000000000000003")
        )),
        "{found:?}"
    );
    assert_eq!(report.packed.get("gzip"), Some(&1));
    assert_eq!(report.sought, 30_003);
    let (_, said) = mlark(root, &["verify", "a", "--lacks-text", TEXT]);
    assert!(said.contains("1 gzip"), "{said}");
    assert!(fs::read_to_string(root.join("a").join(MANIFEST)).is_ok());
}
