//! The rules against what mlflow-export-import's own functions made of the same dicts (`fixtures/source-tags`).

use super::{Laid, of_experiment, of_run, of_version};
use crate::model::pyjson::{PyJson, PyJsonErrorKind};
use std::fs;
use std::path::Path;

/// What the original makes of a dict: its tags, or the exception it ends with.
struct Golden {
    name: String,
    kind: String,
    input: Result<PyJson, PyJsonErrorKind>,
    expected: Option<Vec<(String, PyJson)>>,
}

fn goldens() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/source-tags");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = without_lone_surrogates(&fs::read_to_string(&path).unwrap());
            let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            assert!(!cases.is_empty(), "{}", path.display());
            found.extend(cases.iter().map(golden));
        }
    }
    found
}

/// The expected values of cases with lone surrogates hold them too, and no JSON parser but Python's reads that.
fn without_lone_surrogates(text: &str) -> String {
    let hide = |text: String, code: &str| {
        let (in_input, in_expected) = (format!("\\\\u{code}"), format!("\\u{code}"));
        let hidden = text.replace(&in_input, "@@").replace(&in_expected, "\\ufffd");
        hidden.replace("@@", &in_input)
    };
    ["d800", "dc00"].into_iter().fold(text.to_owned(), hide)
}

fn golden(case: &serde_json::Value) -> Golden {
    let text = |key: &str| case[key].as_str().unwrap().to_owned();
    let expected = case["expected"].as_array().map(|pairs| {
        let pair = |pair: &serde_json::Value| {
            let value = PyJson::parse(pair[1].to_string().as_bytes()).unwrap();
            (pair[0].as_str().unwrap().to_owned(), value)
        };
        pairs.iter().map(pair).collect()
    });
    Golden {
        name: text("name"),
        kind: text("kind"),
        input: PyJson::parse(text("input_text").as_bytes()).map_err(|error| error.kind),
        expected,
    }
}

fn made(golden: &Golden, input: &PyJson) -> Laid {
    let part = |key: &str| input.get(key).cloned().unwrap_or(PyJson::Null);
    match golden.kind.as_str() {
        "experiment" => of_experiment(input),
        "run" => of_run(&part("info"), &part("tags")),
        "model_version" => of_version(input),
        other => panic!("kind {other}"),
    }
}

#[test]
fn every_golden_case_gives_the_tags_of_the_original() {
    let goldens = goldens();
    assert!(goldens.len() > 400, "{}", goldens.len());
    for golden in &goldens {
        let (Ok(input), Some(expected)) = (&golden.input, &golden.expected) else {
            continue;
        };
        let made = made(golden, input);
        // Where the original sends no value, mlark has no tag of its own; what the JSON has there is only copied.
        let is_sent = |key: &str| {
            expected
                .iter()
                .any(|(name, value)| name == key && !value.is_null())
        };
        let sent: Vec<_> = made
            .tags
            .iter()
            .filter(|(key, _)| is_sent(key))
            .cloned()
            .collect();
        let of_original: Vec<_> = expected
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), value.py_str()))
            .collect();
        assert_eq!(sent, of_original, "{}", golden.name);
        let others = made.tags.iter().filter(|(key, _)| !is_sent(key));
        let unsent: Vec<_> = expected
            .iter()
            .filter(|(_, value)| value.is_null())
            .map(|(key, _)| key)
            .collect();
        assert!(
            others.clone().all(|(key, _)| unsent.contains(&key)),
            "{}",
            golden.name
        );
        assert_eq!(
            made.notices.is_empty(),
            all_strings(expected),
            "{}: {:?}",
            golden.name,
            made.notices
        );
    }
}

fn all_strings(expected: &[(String, PyJson)]) -> bool {
    expected.iter().all(|(_, value)| value.as_str().is_some())
}

#[test]
fn where_the_original_ends_with_an_exception_there_is_a_notice() {
    for golden in goldens().iter().filter(|golden| golden.expected.is_none()) {
        let input = golden.input.as_ref().unwrap();
        // A run without an info at all is refused by the reader of exports.
        if golden.name != "run without info" {
            assert!(!made(golden, input).notices.is_empty(), "{}", golden.name);
        }
    }
}

#[test]
fn only_lone_surrogates_are_refused() {
    let goldens = goldens();
    let refused = goldens.iter().filter_map(|golden| golden.input.as_ref().err());
    let kinds: Vec<_> = refused.collect();
    assert_eq!(kinds, vec![&PyJsonErrorKind::LoneSurrogate; 6]);
}
