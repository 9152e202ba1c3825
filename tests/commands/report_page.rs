//! `mlark report`: one page, whole or absent, that holds no text of the archive as markup and says what it leaves out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{command, common, hostile_page};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{History, RUN_A, RUN_B, point};
use hostile_page::{PAYLOADS, files, hostile};
use mlark::archive::Archive;
use mlark::model::{LatestMetric, OwnerKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A page taken apart.
struct Page {
    text: String,
    /// All but the data.
    frame: String,
    /// Rows by class, values by id.
    data: BTreeMap<String, Vec<Value>>,
    ids: BTreeMap<String, Value>,
}

/// Makes the page of the archive `a` and takes it apart.
fn page(directory: &Path, args: &[&str]) -> Page {
    let output = command::mlark(directory, &[&["report", "a", "-o", "page.html"], args].concat());
    assert!(output.status.success(), "{}", command::shown(&output));
    taken_apart(fs::read_to_string(directory.join("page.html")).unwrap())
}

fn taken_apart(text: String) -> Page {
    let (mut frame, mut rest) = (String::new(), text.as_str());
    let (mut data, mut ids): (BTreeMap<String, Vec<Value>>, _) = (BTreeMap::new(), BTreeMap::new());
    while let Some((before, block)) = rest.split_once("<script type=\"application/json\" ") {
        let (name, block) = block.split_once("\">").unwrap();
        let (block, after) = block.split_once("</script>").unwrap();
        assert!(!block.contains('<'), "{name}");
        let value: Value = serde_json::from_str(block).unwrap();
        match name.split_once("=\"").unwrap() {
            ("class", class) => data
                .entry(class.to_owned())
                .or_default()
                .extend(value.as_array().unwrap().iter().cloned()),
            (_, id) => assert!(ids.insert(id.to_owned(), value).is_none(), "{id} is there twice"),
        }
        frame.push_str(before);
        rest = after;
    }
    frame.push_str(rest);
    Page {
        text,
        frame,
        data,
        ids,
    }
}

fn made(history: History) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    history.write(&directory.path().join("a"));
    directory
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn a_page_has_what_the_archive_has() {
    let directory = made(History::new());
    let page = page(directory.path(), &[]);
    let runs: Vec<_> = page.data["runs"].iter().map(|run| &run["i"]).collect();
    assert_eq!(runs, [RUN_A, RUN_B]);
    assert_eq!(page.data["runs"][0]["p"][1], "0.1");
    assert_eq!(
        page.data["runs"][1]["p"].as_array().unwrap()[..2],
        [json!("bytes"), json!({"b": "\u{fffd}\0", "n": 2})]
    );
    let archive = Archive::open(&directory.path().join("a")).unwrap();
    let about = &page.ids["about"]["facts"];
    assert_eq!(about["content_id"], json!(archive.manifest().content_id));
    assert_eq!(about["counts"], json!(archive.manifest().counts));
    for (kind, count) in [
        ("experiments", 2),
        ("models", 2),
        ("logged", 1),
        ("datasets", 1),
        ("traces", 1),
        ("scorers", 1),
    ] {
        assert_eq!(page.data[kind].len(), count, "{kind}");
    }
    // The curve of a metric without a point that can be drawn, and one of twelve points.
    let curves = page.ids["c0"].as_array().unwrap();
    assert_eq!(
        curves[0].as_array().unwrap()[..4],
        [json!("auc"), json!(1), json!(1), json!(0)]
    );
    assert_eq!(curves[1][8].as_array().unwrap().len(), 12);
    // What was measured of a logged model, and what an evaluation dataset holds.
    let measured = page.ids["m0"].as_array().unwrap();
    assert_eq!(measured.len(), 1);
    assert_eq!(measured[0][0], "f1");
    assert_eq!(measured[0][3], 1, "points");
    assert_eq!(
        measured[0][6], measured[0][4],
        "the only point is the latest and the least"
    );
    let records = &page.data["dataset-records"];
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["g"], page.data["evaluation-datasets"][0]["i"]);
    assert!(records[0]["in"].is_string(), "{records:?}");
    assert!(page.ids["s0"][0].as_array().unwrap().len() > 1, "spans");
    assert!(page.ids.contains_key("f-run-0"));
}

#[test]
fn no_text_of_an_archive_is_markup() {
    let directory = made(hostile());
    let page = page(directory.path(), &[]);
    for payload in PAYLOADS {
        assert!(!page.frame.contains(payload), "{payload}");
        let escaped = serde_json::to_string(payload).unwrap().replace('<', "\\u003c");
        assert!(page.text.contains(escaped.trim_matches('"')), "{payload}");
    }
    // Of files, pixels alone are more than text, and only where their bytes say so.
    let mut previews = page.ids.iter().filter(|(id, _)| id.starts_with("b-"));
    let images: Vec<_> = previews
        .clone()
        .filter(|(_, preview)| preview.get("y").is_some())
        .collect();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].1["y"], "image/png");
    let svg = String::from_utf8(files()[0].1.clone()).unwrap();
    assert!(previews.any(|(_, preview)| preview["t"] == json!(svg)));
    assert!(
        page.ids
            .keys()
            .all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
    );
}

#[test]
fn the_policy_allows_the_pages_own_script_and_style_and_nothing_else() {
    let directory = made(hostile());
    let page = page(directory.path(), &[]);
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = between(
        &page.text,
        "http-equiv=\"Content-Security-Policy\" content=\"",
        "\"",
    );
    let script = between(&page.frame, "<script>", "</script>");
    let style = between(&page.frame, "<style>", "</style>");
    assert!(policy.starts_with("default-src 'none'; "));
    assert!(
        policy.contains(&format!("script-src {}; ", hash(script))),
        "{policy}"
    );
    assert!(
        policy.contains(&format!("style-src {}; ", hash(style))),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'));
    assert_eq!(page.frame.matches("<script").count(), 1);
    for attribute in [" src=", " href=\"http", "url("] {
        assert!(
            !between(&page.frame, "<head>", "<style>").contains(attribute),
            "{attribute}"
        );
        assert!(!style.contains(attribute), "{attribute}");
    }
    // The policy stands before anything that it is to hold for.
    assert!(page.text.find("Content-Security-Policy") < page.text.find("<style>"));
}

#[test]
fn the_same_archive_gives_the_same_page_wherever_it_lies() {
    let directory = made(hostile());
    let first = page(directory.path(), &[]).text;
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("other name.zip");
    hostile().write(&path);
    let args = ["report", "other name.zip", "-o", "page.html"];
    assert!(command::mlark(other.path(), &args).status.success());
    let second = fs::read_to_string(other.path().join("page.html")).unwrap();
    let same = |text: &str| {
        let created = between(text, "\"created\":\"", "\"").to_owned();
        text.replace(&created, "now")
    };
    assert_eq!(same(&first), same(&second));
}

/// Many runs, each with a long curve.
fn many(runs: usize) -> History {
    let mut history = History::new();
    let template = history.runs[0].clone();
    history.metrics.clear();
    history.artifacts.clear();
    history.runs.truncate(1);
    for number in 0..runs {
        let mut run = template.clone();
        run.info.run_id = format!("{number:032x}");
        run.info.start_time = template.info.start_time.map(|start| start + 1000 + number as i64);
        let points: Vec<_> = (0..2000)
            .map(|step| point(step, step, (step as f64 / 50.0).sin() + number as f64))
            .collect();
        let last = points.last().unwrap();
        let latest = LatestMetric {
            timestamp: last.timestamp,
            step: last.step,
            value: last.value,
        };
        run.metrics.insert("loss".to_owned(), latest);
        history
            .metrics
            .push((run.info.run_id.clone(), "loss".to_owned(), points));
        history.runs.push(run);
    }
    history
}

#[test]
fn a_page_is_no_larger_than_was_asked_and_says_what_it_leaves_out() {
    let directory = made(many(300));
    let shares = |page: &Page| -> BTreeMap<String, (u64, u64)> {
        let shares = page.ids["about"]["shares"].as_array().unwrap().iter();
        let number = |value: &Value| value.as_u64().unwrap();
        shares
            .map(|share| {
                (
                    share[0].as_str().unwrap().to_owned(),
                    (number(&share[1]), number(&share[2])),
                )
            })
            .collect()
    };
    let whole = page(directory.path(), &[]);
    assert_eq!(shares(&whole)["runs"], (301, 301));
    assert_eq!(shares(&whole)["curves of runs"], (300, 300));
    assert_eq!(shares(&whole)["points of curves"], (300 * 500, 300 * 2000));
    fs::remove_file(directory.path().join("page.html")).unwrap();
    for (size, bytes) in [("1MB", 1_000_000), ("300kB", 300_000)] {
        let small = page(directory.path(), &["--max-size", size]);
        assert!(small.text.len() <= bytes, "{size}: {} bytes", small.text.len());
        let (shown, of) = shares(&small)["points of curves"];
        // Of runs that are left out no curve is counted.
        assert!(shown < of && (of == 300 * 2000 || bytes == 300_000));
        let (shown, of) = shares(&small)["runs"];
        assert_eq!(small.data["runs"].len() as u64, shown);
        assert_eq!((shown < of, of), (bytes == 300_000, 301));
        // What is newest stays, in the archive's order.
        assert_eq!(small.data["runs"].last().unwrap()["i"], format!("{:032x}", 299));
        fs::remove_file(directory.path().join("page.html")).unwrap();
    }
    let output = command::mlark(
        directory.path(),
        &["report", "a", "-o", "page.html", "--max-size", "100kB"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        command::shown(&output).contains("a page of this archive needs at least"),
        "{}",
        command::shown(&output)
    );
    assert!(!directory.path().join("page.html").exists());
}

#[test]
fn what_is_chosen_comes_with_what_it_needs_and_nothing_else() {
    let directory = made(History::new());
    let by_filter = page(
        directory.path(),
        &["--filter", "attributes.status = 'RUNNING'", "--json"],
    );
    let ids = |page: &Page, kind: &str| -> Vec<String> {
        let rows = page.data.get(kind).into_iter().flatten();
        rows.map(|row| row["i"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    // The run that meets it, and its parent.
    assert_eq!(ids(&by_filter, "runs"), [RUN_A, RUN_B]);
    fs::remove_file(directory.path().join("page.html")).unwrap();
    let by_run = page(directory.path(), &["--run", &RUN_A[..6]]);
    assert_eq!(ids(&by_run, "runs"), [RUN_A]);
    assert_eq!(ids(&by_run, "experiments"), ["1"]);
    assert_eq!(by_run.ids["about"]["chosen"]["run"], json!([&RUN_A[..6]]));
    fs::remove_file(directory.path().join("page.html")).unwrap();
    let by_experiment = page(directory.path(), &["--experiment", "Default"]);
    assert_eq!(ids(&by_experiment, "runs"), [""; 0]);
    assert!(by_experiment.ids.keys().all(|id| id == "about"));
    let output = command::mlark(
        directory.path(),
        &["report", "a", "-o", "other.html", "--experiment", "defualt"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(!directory.path().join("other.html").exists());
}

#[test]
fn of_a_damaged_archive_there_is_no_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    History::new().write(&path);
    let mut tried = 0;
    for entry in walkdir::WalkDir::new(&path) {
        let entry = entry.unwrap();
        let name = entry
            .path()
            .strip_prefix(&path)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        // Files that are not part of the page are read by `verify`.
        let is_read = name.starts_with("objects/")
            && !name.contains("dataset-records")
            && !name.contains("model-metrics");
        if !entry.file_type().is_file() || !is_read && !name.starts_with("mlark.json") {
            continue;
        }
        tried += 1;
        let whole = fs::read(entry.path()).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(entry.path(), &damaged).unwrap();
        let output = command::mlark(directory.path(), &["report", "a", "-o", "page.html"]);
        assert_eq!(
            output.status.code(),
            Some(4),
            "{name}: {}",
            command::shown(&output)
        );
        let left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a"], "{name}");
        fs::write(entry.path(), whole).unwrap();
    }
    assert!(tried > 10);
}

#[test]
fn a_preview_whose_bytes_are_others_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let text = "a line of text\n".repeat(3000);
    history.artifacts = vec![(
        OwnerKind::Run,
        RUN_A.to_owned(),
        "log.txt".to_owned(),
        Ok(text.clone().into_bytes()),
    )];
    history.write(&directory.path().join("a"));
    let digest = mlark::model::Digest(Sha256::digest(&text).into()).to_string();
    let blob = directory
        .path()
        .join(format!("a/blobs/sha256/{}/{digest}", &digest[..2]));
    // Behind what is shown of it.
    let mut bytes = text.into_bytes();
    let last = bytes.len() - 2;
    bytes[last] = b'X';
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, bytes).unwrap();
    let output = command::mlark(directory.path(), &["report", "a", "-o", "page.html"]);
    assert_eq!(output.status.code(), Some(4), "{}", command::shown(&output));
    assert!(!directory.path().join("page.html").exists());
}

#[test]
fn only_a_page_is_replaced_and_only_when_asked() {
    let directory = made(History::new());
    let run = |args: &[&str]| command::mlark(directory.path(), &[&["report", "a"], args].concat());
    assert!(run(&["-o", "page.html"]).status.success());
    let first = fs::read(directory.path().join("page.html")).unwrap();
    let again = run(&["-o", "page.html"]);
    assert_eq!(again.status.code(), Some(2), "{}", command::shown(&again));
    assert!(run(&["-o", "page.html", "--force"]).status.success());
    assert_eq!(fs::read(directory.path().join("page.html")).unwrap(), first);
    fs::write(
        directory.path().join("thesis.html"),
        "<!doctype html>years of work",
    )
    .unwrap();
    fs::create_dir(directory.path().join("folder")).unwrap();
    for other in ["thesis.html", "folder", "a"] {
        let output = run(&["-o", other, "--force"]);
        assert_eq!(output.status.code(), Some(2), "{}", command::shown(&output));
    }
    assert_eq!(
        fs::read(directory.path().join("thesis.html")).unwrap(),
        b"<!doctype html>years of work"
    );
    assert!(directory.path().join("a/mlark.json").exists());
}

#[test]
fn what_differs_is_a_page_that_says_all_that_diff_says() {
    let directory = made(History::new());
    let mut changed = hostile();
    changed.runs[0].info.status = "FAILED".to_owned();
    changed.datasets.clear();
    changed.runs[0].inputs.dataset_inputs.clear();
    changed.write(&directory.path().join("b"));
    let run = |args: &[&str]| command::mlark(directory.path(), args);
    let output = run(&["diff", "a", "b", "--html", "changes.html"]);
    assert_eq!(output.status.code(), Some(1), "{}", command::shown(&output));
    let page = taken_apart(fs::read_to_string(directory.path().join("changes.html")).unwrap());
    let lines = run(&["diff", "a", "b", "--json"]).stdout;
    let lines: Vec<Value> = serde_json::Deserializer::from_slice(&lines)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let words = ["added", "removed", "changed"];
    assert_eq!(page.data["changes"].len(), lines.len());
    for (row, line) in page.data["changes"].iter().zip(&lines) {
        assert_eq!(
            words[usize::try_from(row[0].as_u64().unwrap()).unwrap()],
            line["change"]
        );
        assert_eq!((&row[1], &row[2]), (&line["kind"], &line["id"]));
        let is_text = |side: &Value, text: &Value| side["s"] == *text || side["s"]["t"].is_string();
        assert!(
            !line["after"].is_string() || is_text(&row[5], &line["after"]),
            "{row}"
        );
    }
    assert_eq!(page.ids["about"]["total"], json!(lines.len()));
    for payload in PAYLOADS {
        assert!(!page.frame.contains(payload), "{payload}");
    }
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("changes.html: {} differences\n", lines.len()));
    // A page is not replaced unless asked, and never by one of a damaged archive.
    assert_eq!(
        run(&["diff", "a", "b", "--html", "changes.html"]).status.code(),
        Some(2)
    );
    let equal = run(&["diff", "a", "a", "--html", "changes.html", "--force"]);
    assert_eq!(equal.status.code(), Some(0), "{}", command::shown(&equal));
    let runs = directory.path().join("b/objects/runs-00000.jsonl");
    let text = fs::read_to_string(&runs).unwrap();
    fs::write(&runs, text.replacen("FAILED", "KILLED", 1)).unwrap();
    assert_eq!(
        run(&["diff", "a", "b", "--html", "other.html"]).status.code(),
        Some(4)
    );
    assert!(!directory.path().join("other.html").exists());
}
