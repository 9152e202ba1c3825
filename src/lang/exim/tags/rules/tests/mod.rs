//! One test per quirk of the contract, `docs/reference/source-tags.md`.

mod golden;

use super::*;

/// The tags of an object as the original sends them: its own, and the source tags laid over them.
struct Laid {
    tags: Vec<(String, String)>,
    /// The tags that the object did not have.
    added: Vec<(String, String)>,
    /// Key, value before, value after.
    overwritten: Vec<[String; 3]>,
    /// Where the original would have failed, and what was done instead.
    notices: Vec<String>,
}

impl Overlay {
    fn onto(&self, own: Vec<(String, String)>) -> Laid {
        let own: TagDict<String> = own.into_iter().collect();
        let laid = self.tags().iter();
        let laid = laid.map(|(key, value)| (key.clone(), value.to_display().into_owned()));
        let all: TagDict<String> = own.entries().iter().cloned().chain(laid).collect();
        let mut made = Laid {
            tags: all.entries().to_vec(),
            added: Vec::new(),
            overwritten: Vec::new(),
            notices: self.notices().iter().map(Notice::to_string).collect(),
        };
        for (key, new) in all.entries() {
            match own.get(key) {
                None => made.added.push((key.clone(), new.clone())),
                Some(old) if old != new => made.overwritten.push([key.clone(), old.clone(), new.clone()]),
                Some(_) => {}
            }
        }
        made
    }

    /// Over the own tags of an export, of which is said what is wrong with them.
    fn onto_exported(&self, tags: Option<&PyJson>) -> Laid {
        let entries = tag_entries(tags);
        let own = entries.iter().filter(|(_, value)| !value.is_null());
        let own = own.map(|(key, value)| ((*key).to_owned(), value.py_str()));
        let mut made = self.onto(own.collect());
        let found = tags.map_or("missing", PyJson::type_name);
        if !matches!(tags, Some(PyJson::Dict(_))) {
            made.notices
                .insert(0, format!("the tags are {found}, not an object"));
        }
        let others = entries.iter().filter(|(_, value)| value.as_str().is_none());
        made.notices
            .extend(others.map(|(key, _)| format!("`{key}` is not a string")));
        made
    }
}

fn json(text: &str) -> PyJson {
    PyJson::parse(text.as_bytes()).expect("the text parses")
}

fn of_experiment(experiment: &PyJson) -> Laid {
    experiment_overlay(experiment).onto_exported(experiment.get(TAGS))
}

fn of_run(info: &PyJson, tags: &PyJson) -> Laid {
    run_overlay(info, tags).onto_exported(Some(tags))
}

fn of_version(version: &PyJson) -> Laid {
    version_overlay(version).onto_exported(version.get(TAGS))
}

fn experiment(text: &str) -> Laid {
    of_experiment(&json(text))
}

fn run(info: &str, tags: &str) -> Laid {
    of_run(&json(info), &json(tags))
}

fn version(text: &str) -> Laid {
    of_version(&json(text))
}

fn system_tags(tags: &str) -> Vec<(String, String)> {
    run("{}", tags).added
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
}

fn value<'a>(made: &'a Laid, key: &str) -> Option<&'a str> {
    made.tags
        .iter()
        .find_map(|(name, value)| (name == key).then_some(value.as_str()))
}

fn field(text: &str) -> String {
    let made = experiment(&format!(r#"{{"x": {text}, "tags": {{}}}}"#));
    value(&made, "mlflow_exim.field.x")
        .expect("the field has a tag")
        .to_owned()
}

fn no_time(field: &str, fault: TimeFault) -> String {
    format!("no time tags for `{field}`: {fault}")
}

#[test]
fn experiment_has_own_then_mlflow_tags_then_fields_then_times() {
    let made = experiment(
        r#"{"name": "n", "creation_time": 1670474737597, "last_update_time": 1670474737597,
            "tags": {"a": "1", "mlflow.experiment.sourceName": "s"}}"#,
    );
    let expected = pairs([
        ("a", "1"),
        ("mlflow.experiment.sourceName", "s"),
        ("mlflow_exim.mlflow_tag.experiment.sourceName", "s"),
        ("mlflow_exim.field.name", "n"),
        ("mlflow_exim.field.creation_time", "1670474737597"),
        ("mlflow_exim.field.last_update_time", "1670474737597"),
        ("mlflow_exim.field._creation_time", "2022-12-08 04:45:38"),
        ("mlflow_exim.field._last_update_time", "2022-12-08 04:45:38"),
    ]);
    assert_eq!(made.tags, expected);
    assert_eq!(made.added, expected[2..]);
    assert!(made.overwritten.is_empty() && made.notices.is_empty());
}

#[test]
fn run_has_own_then_mlflow_tags_then_info() {
    let made = run(
        r#"{"run_id": "r", "end_time": null, "_start_time": "2022-12-08 04:45:38"}"#,
        r#"{"mlflow.user": "andre@company.com", "z": ""}"#,
    );
    let expected = pairs([
        ("mlflow.user", "andre@company.com"),
        ("z", ""),
        ("mlflow_exim.mlflow_tag.user", "andre@company.com"),
        ("mlflow_exim.run_info.run_id", "r"),
        ("mlflow_exim.run_info.end_time", "None"),
        ("mlflow_exim.run_info._start_time", "2022-12-08 04:45:38"),
    ]);
    assert_eq!(made.tags, expected);
}

#[test]
fn version_has_own_then_fields_then_times_and_no_mlflow_tags() {
    let made = version(
        r#"{"version": "1", "tags": {"mlflow.domain": "d"}, "creation_timestamp": 1500,
            "last_updated_timestamp": 2500, "aliases": ["also-champion", "champion"]}"#,
    );
    let expected = pairs([
        ("mlflow.domain", "d"),
        ("mlflow_exim.field.version", "1"),
        ("mlflow_exim.field.creation_timestamp", "1500"),
        ("mlflow_exim.field.last_updated_timestamp", "2500"),
        ("mlflow_exim.field.aliases", "['also-champion', 'champion']"),
        ("mlflow_exim.field._creation_timestamp", "1970-01-01 00:00:02"),
        ("mlflow_exim.field._last_updated_timestamp", "1970-01-01 00:00:02"),
    ]);
    assert_eq!(made.tags, expected);
}

#[test]
fn later_tags_win_and_keep_the_first_place() {
    let made = run(
        r#"{"run_id": "r"}"#,
        r#"{"mlflow_exim.run_info.run_id": "older", "a": "1"}"#,
    );
    assert_eq!(
        made.tags,
        pairs([("mlflow_exim.run_info.run_id", "r"), ("a", "1")])
    );
    let replaced = ["mlflow_exim.run_info.run_id", "older", "r"].map(str::to_owned);
    assert_eq!((made.added, made.overwritten), (vec![], vec![replaced]));
}

#[test]
fn a_second_injection_nests_nothing_and_changes_nothing() {
    let dict =
        json(r#"{"x": 1, "creation_time": 1500, "last_update_time": 1500, "tags": {"mlflow.a": "1"}}"#);
    let first = of_experiment(&dict);
    let second = experiment_overlay(&dict).onto(first.tags.clone());
    assert_eq!(second.tags, first.tags);
    assert!(second.added.is_empty() && second.overwritten.is_empty());
}

#[test]
fn every_occurrence_of_the_prefix_is_dropped_from_a_key() {
    let cases = [
        ("mlflow.databricks.mlflow.x", "databricks.x"),
        ("mlflow.mlflow.mlflow.deep", "deep"),
        ("mlflow.amlflow.b", "ab"),
        ("mlflow.mlflow", "mlflow"),
        ("mlflow.", ""),
    ];
    for (key, rest) in cases {
        let made = system_tags(&format!(r#"{{"{key}": "v"}}"#));
        assert_eq!(made, [(format!("mlflow_exim.mlflow_tag.{rest}"), "v".to_owned())]);
    }
}

#[test]
fn of_colliding_keys_the_later_wins_at_the_place_of_the_first() {
    assert_eq!(
        system_tags(r#"{"mlflow.a.b": "1", "mlflow.c": "c", "mlflow.a.mlflow.b": "2"}"#),
        pairs([
            ("mlflow_exim.mlflow_tag.a.b", "2"),
            ("mlflow_exim.mlflow_tag.c", "c")
        ])
    );
    assert_eq!(
        system_tags(r#"{"mlflow.a.mlflow.b": "2", "mlflow.a.b": "1"}"#),
        pairs([("mlflow_exim.mlflow_tag.a.b", "1")])
    );
}

#[test]
fn keys_that_only_contain_the_prefix_get_no_source_tag() {
    let tags =
        r#"{"xmlflow.y": "1", "mlflowX": "2", "mlflow": "3", "mlflow_exim.field.a": "4", "MLflow.a": "5"}"#;
    assert_eq!(system_tags(tags), []);
}

#[test]
fn scalars_are_printed_as_python_prints_them() {
    let cases = [
        ("null", "None"),
        ("\"None\"", "None"),
        ("true", "True"),
        ("false", "False"),
        ("7", "7"),
        ("1e16", "1e+16"),
        ("1e-7", "1e-07"),
        ("0.1", "0.1"),
        ("-0.0", "-0.0"),
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("[]", "[]"),
        ("{}", "{}"),
        (r#"{"a": null}"#, "{'a': None}"),
        (r#"["x'y"]"#, "[\"x'y\"]"),
        (r#"["é", "\n\t\u007f\u200b"]"#, r"['é', '\n\t\x7f\u200b']"),
        (r#""x'y\n""#, "x'y\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(field(text), expected, "of {text}");
    }
}

#[test]
fn every_key_but_tags_becomes_a_field() {
    let made = version(r#"{"_download_uri": "u", "status_message": null, "tags": {"a": "1"}, "x.y": 1}"#);
    assert_eq!(
        made.added,
        pairs([
            ("mlflow_exim.field._download_uri", "u"),
            ("mlflow_exim.field.status_message", "None"),
            ("mlflow_exim.field.x.y", "1"),
        ])
    );
}

#[test]
fn a_key_tags_in_a_run_info_is_copied() {
    let made = run(r#"{"tags": []}"#, "{}");
    assert_eq!(made.added, pairs([("mlflow_exim.run_info.tags", "[]")]));
}

#[test]
fn the_exported_copy_of_a_time_is_overwritten_in_its_place() {
    let made = experiment(
        r#"{"_creation_time": "local", "creation_time": 3500, "last_update_time": -1500, "tags": {}}"#,
    );
    assert_eq!(
        made.added,
        pairs([
            ("mlflow_exim.field._creation_time", "1970-01-01 00:00:04"),
            ("mlflow_exim.field.creation_time", "3500"),
            ("mlflow_exim.field.last_update_time", "-1500"),
            ("mlflow_exim.field._last_update_time", "1969-12-31 23:59:58"),
        ])
    );
}

#[test]
fn run_times_are_copied_as_they_are() {
    let made = run(r#"{"start_time": 1500, "_start_time": "whatever"}"#, "{}");
    assert_eq!(value(&made, "mlflow_exim.run_info._start_time"), Some("whatever"));
    assert_eq!(value(&made, "mlflow_exim.run_info._end_time"), None);
    assert!(made.notices.is_empty());
}

#[test]
fn a_missing_time_has_no_time_tags_and_is_reported() {
    let made = experiment(r#"{"name": "n", "tags": {}}"#);
    assert_eq!(made.added, pairs([("mlflow_exim.field.name", "n")]));
    assert_eq!(
        made.notices,
        [
            no_time("creation_time", TimeFault::Missing),
            no_time("last_update_time", TimeFault::Missing)
        ]
    );
}

#[test]
fn a_time_that_would_be_sent_as_no_value_is_only_copied_and_reported() {
    let made = version(
        r#"{"creation_timestamp": 0, "_creation_timestamp": null, "last_updated_timestamp": 500, "tags": {}}"#,
    );
    assert_eq!(
        made.added,
        pairs([
            ("mlflow_exim.field.creation_timestamp", "0"),
            ("mlflow_exim.field._creation_timestamp", "None"),
            ("mlflow_exim.field.last_updated_timestamp", "500"),
        ])
    );
    assert_eq!(
        made.notices,
        [
            no_time("creation_timestamp", TimeFault::Zero),
            no_time("last_updated_timestamp", TimeFault::UnderHalfASecond)
        ]
    );
}

#[test]
fn a_time_that_is_no_number_is_only_copied_and_reported() {
    let made = experiment(r#"{"creation_time": "1500", "last_update_time": null, "tags": {}}"#);
    assert_eq!(value(&made, "mlflow_exim.field.creation_time"), Some("1500"));
    assert_eq!(value(&made, "mlflow_exim.field._creation_time"), None);
    assert_eq!(
        made.notices,
        [
            no_time("creation_time", TimeFault::NotANumber),
            no_time("last_update_time", TimeFault::Null)
        ]
    );
    assert_eq!(
        made.notices[0],
        "no time tags for `creation_time`: it is not a number"
    );
}

#[test]
fn tags_as_a_list_are_read_and_reported() {
    let made = run(
        "{}",
        r#"[{"key": "mlflow.a", "value": "1"}, {"key": "b", "value": "2"}]"#,
    );
    assert_eq!(
        made.tags,
        pairs([("mlflow.a", "1"), ("b", "2"), ("mlflow_exim.mlflow_tag.a", "1")])
    );
    assert_eq!(made.notices, ["the tags are a list, not an object"]);
}

#[test]
fn missing_tags_are_no_tags_and_are_reported() {
    let made = version(r#"{"creation_timestamp": 1500, "last_updated_timestamp": 1500}"#);
    assert_eq!(made.tags.len(), 4);
    assert_eq!(made.notices, ["the tags are missing, not an object"]);
}

#[test]
fn a_tag_that_is_no_string_is_printed_and_reported() {
    let made = run("{}", r#"{"mlflow.a": 1.0, "mlflow.b": null}"#);
    assert_eq!(
        made.tags,
        pairs([
            ("mlflow.a", "1.0"),
            ("mlflow_exim.mlflow_tag.a", "1.0"),
            ("mlflow_exim.mlflow_tag.b", "None"),
        ])
    );
    assert_eq!(made.notices.len(), 2);
}

#[test]
fn no_mlflow_user_is_added() {
    let made = run(r#"{"user_id": "unknown"}"#, "{}");
    assert_eq!(made.tags, pairs([("mlflow_exim.run_info.user_id", "unknown")]));
}
