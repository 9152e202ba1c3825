//! Archives that are sealed and still not what the format says: each rule has a change that breaks it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, rich};
use bytes::Bytes;
use mlark::archive::ContainerKind;
use mlark::archive::verify::{VerifyOptions, verify};
use mlark::format::{Kind, Manifest};
use mlark::internals::{CHECKSUMS, LOSSES, MANIFEST, SEAL, blob_path, canonical, object_path};
use mlark::model::Digest;
use mlark::monitor::Silent;
use rich::Size;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

static INTACT: LazyLock<[Bytes; 2]> = LazyLock::new(|| {
    [Size::Full, Size::Small].map(|size| {
        let directory = tempfile::tempdir().unwrap();
        rich::build(&directory.path().join("a"), size);
        Bytes::read(&directory.path().join("a"))
    })
});

/// Findings of an archive, with their severities.
fn codes(bytes: &Bytes, kind: ContainerKind) -> String {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a");
    bytes.write(&out, kind);
    let report = verify(&out, &VerifyOptions { threads: 1 }, &Silent).unwrap();
    let codes: BTreeSet<_> = report
        .findings
        .iter()
        .map(|finding| format!("{}:{}", finding.severity, finding.code))
        .collect();
    codes
        .into_iter()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("error:", "")
}

/// Changes a copy, reseals it, and says what is found in a directory, which must be what is found in a zip.
fn sealed(size: Size, change: impl FnOnce(&mut Bytes)) -> String {
    let mut bytes = INTACT[usize::from(size == Size::Small)].clone();
    change(&mut bytes);
    bytes.reseal();
    unsealed(&bytes)
}

fn unsealed(bytes: &Bytes) -> String {
    let found = [ContainerKind::Directory, ContainerKind::Zip].map(|kind| codes(bytes, kind));
    assert_eq!(found[0], found[1]);
    found[0].clone()
}

fn file(kind: Kind) -> String {
    object_path(kind, 0)
}

fn edit_lines(bytes: &mut Bytes, path: &str, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let content = bytes.bytes(path);
    let mut lines: Vec<Vec<u8>> = content
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    edit(&mut lines);
    *content = lines.concat();
}

/// Changes the value of one line, whose text stays canonical.
fn edit_value(bytes: &mut Bytes, path: &str, line: usize, edit: impl FnOnce(&mut Value)) {
    edit_lines(bytes, path, |lines| {
        let mut value = serde_json::from_slice(&lines[line]).unwrap();
        edit(&mut value);
        lines[line] = canonical(&value);
        lines[line].push(b'\n');
    });
}

#[test]
fn lines_out_of_order_there_twice_or_gone_are_found_in_every_kind() {
    let mut table = String::new();
    for &kind in Kind::ALL {
        let swapped = sealed(Size::Full, |bytes| {
            edit_lines(bytes, &file(kind), |lines| lines.swap(0, 1))
        });
        let repeated = sealed(Size::Full, |bytes| {
            edit_lines(bytes, &file(kind), |lines| lines.insert(0, lines[0].clone()));
        });
        let removed = sealed(Size::Full, |bytes| {
            edit_lines(bytes, &file(kind), |lines| {
                lines.remove(0);
            });
        });
        let cut = sealed(Size::Full, |bytes| {
            bytes.bytes(&file(kind)).pop();
        });
        assert!(
            !swapped.is_empty() && !repeated.is_empty() && !cut.is_empty(),
            "{kind}"
        );
        let _ = writeln!(
            table,
            "{kind}\n  swapped   {swapped}\n  repeated  {repeated}\n  removed   {removed}\n  cut       {cut}"
        );
    }
    println!("{table}");
    insta::assert_snapshot!("resealed_lines", table);
}

type Change = fn(&mut Bytes);

#[test]
fn each_rule_of_the_text_has_a_finding() {
    let cases: &[(&str, &str, Change)] = &[
        ("a space", "canonical", |bytes| {
            replace(bytes, Kind::Runs, "\":", "\": ")
        }),
        ("another escape", "canonical", |bytes| {
            replace(bytes, Kind::Experiments, "é", "\\u00e9")
        }),
        ("another text of a float", "canonical", |bytes| {
            replace(bytes, Kind::Runs, "1e+300", "1e300")
        }),
        ("keys in another order", "canonical", |bytes| {
            replace(
                bytes,
                Kind::Workspaces,
                "{\"name\":\"blue\"}",
                "{\"name\":\"blue\",\"a\":1}",
            );
        }),
        ("a key twice", "json", |bytes| {
            replace(
                bytes,
                Kind::Workspaces,
                "\"name\":\"blue\"",
                "\"name\":\"blue\",\"name\":\"blue\"",
            );
        }),
        ("two values", "json", |bytes| {
            replace(bytes, Kind::Workspaces, "}\n", "}{}\n")
        }),
        ("deep nesting", "json", |bytes| {
            let deep = format!(
                "{{\"deep\":{}{},\"name\":\"blue\"",
                "[".repeat(101),
                "]".repeat(101)
            );
            replace(bytes, Kind::Workspaces, "{\"name\":\"blue\"", &deep);
        }),
        ("null for nothing", "canonical", |bytes| {
            edit_value(bytes, &file(Kind::Runs), 0, |run| {
                run["info"]["user_id"] = Value::Null
            });
        }),
        ("a default left out", "canonical", |bytes| {
            edit_value(bytes, &file(Kind::Scorers), 0, |_| ());
            replace(bytes, Kind::Experiments, ",\"tags\":{\"line\":\"a\\r\\nb\"}", "");
        }),
        ("a field where none can be", "canonical", |bytes| {
            edit_value(bytes, &file(Kind::Metrics), 0, |slice| slice["unit"] = json!("m"));
        }),
        ("an integer for a float", "type", |bytes| {
            edit_value(bytes, &file(Kind::Metrics), 0, |slice| {
                slice["values"][0] = json!(1)
            });
        }),
        ("a missing field", "type", |bytes| {
            edit_value(bytes, &file(Kind::Runs), 1, |run| {
                run["info"].as_object_mut().unwrap().remove("status");
            });
        }),
        ("an empty line", "json", |bytes| {
            edit_lines(bytes, &file(Kind::Scorers), |lines| lines.push(b"\n".to_vec()))
        }),
        ("a long text in its place", "orphan-blob string", |bytes| {
            edit_value(bytes, &file(Kind::Runs), 1, |run| {
                run["tags"]["long"] = json!("x".repeat(1 << 21))
            });
        }),
        (
            "a blob of another size, and more than a text has",
            "blob-size string",
            |bytes| {
                edit_value(bytes, &file(Kind::Runs), 1, |run| {
                    run["tags"]["long"]["$blob"]["size_bytes"] = json!(1 << 30)
                });
            },
        ),
        ("a blob that is not there", "missing-blob orphan-blob", |bytes| {
            let digest = Digest([1; 32]);
            edit_value(bytes, &file(Kind::Runs), 1, |run| {
                run["tags"]["long"]["$blob"]["sha256"] = json!(digest)
            });
        }),
        ("a text that is not UTF-8", "orphan-blob string", |bytes| {
            let noise = bytes
                .entries
                .iter()
                .find(|entry| entry.bytes.len() == 1_300_000)
                .unwrap();
            let blob = json!({"$blob": {"sha256": bytes::sha256(&noise.bytes), "size_bytes": 1_300_000}});
            edit_value(bytes, &file(Kind::Runs), 1, |run| run["tags"]["long"] = blob);
        }),
        ("a short text as a blob", "string", |bytes| {
            let small = bytes.entries.iter().find(|entry| entry.bytes.len() == 7).unwrap();
            let blob = json!({"$blob": {"sha256": bytes::sha256(&small.bytes), "size_bytes": 7}});
            edit_value(bytes, &file(Kind::Runs), 1, |run| run["tags"]["short"] = blob);
        }),
        ("a marker that the format does not have", "marker", |bytes| {
            edit_value(bytes, &file(Kind::DatasetRecords), 0, |record| {
                record["inputs"] = json!({"when": {"$date": "2026-01-02"}})
            });
        }),
        ("a marker that is not what its name says", "marker", |bytes| {
            edit_value(bytes, &file(Kind::Traces), 0, |trace| {
                trace["assessments"][0]["feedback"]["value"]["big"]["$int"] = json!("12")
            });
        }),
        ("a marker with a key beside it", "marker", |bytes| {
            edit_value(bytes, &file(Kind::DatasetRecords), 0, |record| {
                record["inputs"] = json!({"$float": "NaN", "x": 1})
            });
        }),
        ("a half reference to a blob", "marker", |bytes| {
            edit_value(bytes, &file(Kind::DatasetRecords), 0, |record| {
                record["inputs"] = json!({"$blob": {"sha256": Digest([1; 32])}})
            });
        }),
        ("an integer's marker where a text must be", "marker", |bytes| {
            edit_value(bytes, &file(Kind::Experiments), 0, |experiment| {
                experiment["tags"]["n"] = json!({"$int": "99999999999999999999"})
            });
        }),
        ("a string in base64", "marker", |bytes| {
            edit_value(bytes, &file(Kind::Experiments), 0, |experiment| {
                experiment["tags"]["n"] = json!({"$bytes": "YQ=="})
            });
        }),
        ("an attribute with one `$`", "marker", |bytes| {
            edit_value(bytes, &file(Kind::Spans), 0, |span| {
                span["attributes"]["$x"] = json!(1)
            });
        }),
        ("an undo record with a marker that is none", "marker", |bytes| {
            edit_value(bytes, "undo/1-00000.jsonl", 0, |undo| {
                undo["replaced"]["a"] = json!({"$x": 1})
            });
        }),
    ];
    for (name, expected, change) in cases {
        assert_eq!(sealed(Size::Full, change), *expected, "{name}");
    }
}

fn replace(bytes: &mut Bytes, kind: Kind, from: &str, to: &str) {
    let content = bytes.bytes(&file(kind));
    let text = String::from_utf8(std::mem::take(content)).unwrap();
    assert!(text.contains(from), "{from}");
    *content = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn each_rule_of_metrics_and_artifacts_has_a_finding() {
    let metrics = |line, edit: fn(&mut Value)| {
        sealed(Size::Full, |bytes| {
            edit_value(bytes, &file(Kind::Metrics), line, edit)
        })
    };
    // Line 3 is the first of three slices of 12,000 points.
    assert_eq!(
        metrics(3, |slice| drop(slice["steps"].as_array_mut().unwrap().pop())),
        "slice total"
    );
    assert_eq!(
        metrics(3, |slice| slice["timestamps"].as_array_mut().unwrap().swap(0, 9)),
        "order"
    );
    assert_eq!(
        metrics(0, |slice| slice["dataset_names"] = json!([null, null])),
        "slice"
    );
    let shorter = |slice: &mut Value| {
        for (_, column) in slice.as_object_mut().unwrap().iter_mut() {
            column.as_array_mut().map(Vec::pop);
        }
    };
    assert_eq!(metrics(3, shorter), "slice total");
    assert_eq!(metrics(5, shorter), "total warning:latest-metric");
    assert_eq!(metrics(0, |slice| slice["run_id"] = json!("r9")), "reference");

    let lists = |line, edit: fn(&mut Value)| {
        sealed(Size::Full, |bytes| {
            edit_value(bytes, &file(Kind::Artifacts), line, edit)
        })
    };
    assert_eq!(
        lists(0, |list| list["files"][0]["path"] = json!("../x")),
        "artifact-path"
    );
    assert_eq!(
        lists(0, |list| list["files"][0]["path"] = json!("")),
        "artifact-path"
    );
    assert_eq!(
        lists(0, |list| list["files"].as_array_mut().unwrap().swap(0, 1)),
        "order"
    );
    assert_eq!(
        lists(0, |list| list["files"][0]["absent"] = json!("failed")),
        "artifact total"
    );
    assert_eq!(
        lists(0, |list| list["files"][0]["size_bytes"] = json!(1)),
        "blob-size total"
    );
    assert_eq!(
        lists(0, |list| list["files"][0]["sha256"] = json!(Digest([1; 32]))),
        "missing-blob"
    );
    assert_eq!(lists(0, |list| list["owner_id"] = json!("r9")), "reference");
    assert_eq!(
        lists(0, |list| list["owner_kind"] = json!("trace")),
        "order reference"
    );
    let last = |list: &mut Value| drop(list["files"].as_array_mut().unwrap().pop());
    assert_eq!(lists(1, last), "artifact-list total");
}

#[test]
fn references_that_mlflow_lets_go_are_warnings_and_others_are_errors() {
    let edit = |kind, line, edit: fn(&mut Value)| {
        sealed(Size::Small, |bytes| edit_value(bytes, &file(kind), line, edit))
    };
    let warning = "warning:reference";
    assert_eq!(
        edit(Kind::ModelVersions, 0, |version| version["run_id"] =
            json!("gone")),
        warning
    );
    assert_eq!(
        edit(Kind::ModelVersions, 0, |version| version["model_id"] =
            json!("gone")),
        warning
    );
    assert_eq!(
        edit(Kind::Runs, 0, |run| run["tags"]["mlflow.parentRunId"] =
            json!("gone")),
        warning
    );
    assert_eq!(
        edit(Kind::Traces, 0, |trace| trace["linked_runs"] = json!(["gone"])),
        warning
    );
    assert_eq!(
        edit(Kind::RegisteredModels, 0, |model| model["aliases"]["champion"] =
            json!(7)),
        warning
    );
    assert_eq!(
        edit(Kind::Spans, 0, |span| span["trace_id"] = json!("gone")),
        "reference"
    );
    assert_eq!(
        edit(Kind::Scorers, 0, |scorer| scorer["experiment_id"] = json!("00")),
        "order reference"
    );
    assert_eq!(
        edit(
            Kind::Runs,
            1,
            |run| run["inputs"]["dataset_inputs"][0]["digest"] = json!("d0")
        ),
        "reference"
    );
    assert_eq!(
        edit(Kind::Runs, 1, |run| run["info"]["run_id"] = json!("r1")),
        "duplicate reference"
    );

    // What the manifest counts as lost may be missed.
    let lost = sealed(Size::Small, |bytes| {
        edit_lines(bytes, &file(Kind::Experiments), |lines| drop(lines.remove(0)));
        let mut manifest: Manifest = serde_json::from_slice(bytes.bytes(MANIFEST)).unwrap();
        let loss = json!({"kind": "experiments", "field": "*", "reason": "not-in-export", "count": 1});
        manifest.losses.limits.push(serde_json::from_value(loss).unwrap());
        bytes.reseal_manifest(&manifest);
    });
    assert_eq!(lost, warning);
}

#[test]
fn each_rule_of_the_manifest_and_the_files_has_a_finding() {
    let manifest = |change: fn(&mut Manifest)| {
        let mut bytes = INTACT[1].clone();
        let mut manifest: Manifest = serde_json::from_slice(bytes.bytes(MANIFEST)).unwrap();
        change(&mut manifest);
        bytes.reseal_manifest(&manifest);
        unsealed(&bytes)
    };
    assert_eq!(manifest(|_| ()), "");
    assert_eq!(manifest(|manifest| manifest.totals.blob_bytes += 1), "total");
    assert_eq!(
        manifest(|manifest| *manifest.counts.get_mut("runs").unwrap() += 1),
        "count"
    );
    assert_eq!(manifest(|manifest| manifest.files.swap(0, 1)), "order");
    assert_eq!(manifest(|manifest| manifest.files[0].count += 1), "count");
    assert_eq!(manifest(|manifest| manifest.files[0].size_bytes += 1), "size");
    assert_eq!(
        manifest(|manifest| manifest.files[0].media_type.clear()),
        "media-type"
    );
    let hostile = |path: &str| {
        let mut bytes = INTACT[1].clone();
        bytes.edit_manifest(|manifest| manifest["files"][0]["path"] = json!(path));
        unsealed(&bytes)
    };
    for path in ["../x", "objects/widgets-00000.jsonl", "mlark.json"] {
        assert!(
            hostile(path).contains("unknown-file"),
            "{path}: {}",
            hostile(path)
        );
    }
    assert_eq!(
        manifest(|manifest| manifest.content_id = Digest([0; 32])),
        "content-id"
    );
    assert_eq!(manifest(|manifest| manifest.history.clear()), "undo");
    assert_eq!(
        manifest(|manifest| manifest.losses.failures[0].count += 1),
        "count"
    );
    let changes: [fn(&mut Manifest); 8] = [
        |manifest| drop(manifest.extra.insert("b".into(), json!(1))),
        |manifest| manifest.created = "yesterday".into(),
        |manifest| manifest.created = "2026-02-30T00:00:00Z".into(),
        |manifest| manifest.created = "2026-02-03T00:00:00+01:00".into(),
        |manifest| manifest.history[0].time.clear(),
        |manifest| manifest.source.uri = "https://ana:secret@host/mlflow".into(),
        |manifest| manifest.source.uri = "https://token@host".into(),
        |manifest| manifest.source.uri = "postgresql://host/db?password=x".into(),
    ];
    for change in changes {
        assert_eq!(manifest(change), "manifest");
    }
    assert_eq!(
        manifest(|manifest| manifest.source.uri = "/data/a@b?c".into()),
        ""
    );

    let mut bytes = INTACT[1].clone();
    let text = String::from_utf8(bytes.bytes(MANIFEST).clone())
        .unwrap()
        .replace("  ", " ");
    *bytes.bytes(SEAL) = format!("{}  {MANIFEST}\n", bytes::sha256(text.as_bytes())).into_bytes();
    *bytes.bytes(MANIFEST) = text.into_bytes();
    assert_eq!(unsealed(&bytes), "canonical");

    let sums = sealed(Size::Small, |_| ());
    assert_eq!(sums, "");
    let mut bytes = INTACT[1].clone();
    edit_lines(&mut bytes, CHECKSUMS, |lines| lines.swap(0, 1));
    assert_eq!(unsealed(&bytes), "content-id order");

    let orphan = sealed(Size::Small, |bytes| {
        bytes.add(&blob_path(&bytes::sha256(b"new")), b"new".to_vec())
    });
    assert_eq!(orphan, "orphan-blob total");
    let loss = sealed(Size::Small, |bytes| {
        edit_value(bytes, LOSSES, 0, |loss| loss["class"] = json!("limit"))
    });
    assert_eq!(loss, "loss");
    let part = |number| {
        sealed(Size::Small, |bytes| {
            let position = bytes.position(&file(Kind::Spans));
            bytes.entries[position].name = object_path(Kind::Spans, number);
            let text = String::from_utf8(bytes.bytes(MANIFEST).clone()).unwrap();
            let text = text.replace(&file(Kind::Spans), &object_path(Kind::Spans, number));
            *bytes.bytes(MANIFEST) = text.into_bytes();
        })
    };
    assert_eq!(part(1), "part");
}

#[test]
fn a_zip_has_its_entries_in_one_order() {
    let mut bytes = INTACT[1].clone();
    let last_blob = bytes.position(&file(Kind::Artifacts)) - 1;
    bytes.entries.swap(last_blob, last_blob + 1);
    assert_eq!(codes(&bytes, ContainerKind::Zip), "zip-order");
    let mut bytes = INTACT[1].clone();
    let sums = bytes.position(CHECKSUMS);
    bytes.entries.swap(sums, sums + 1);
    assert_eq!(codes(&bytes, ContainerKind::Zip), "entry-order");
    assert_eq!(codes(&bytes, ContainerKind::Directory), "");
}
