//! Placeholders for what differs between two recordings of the same history.

use super::{Redaction, Redactions};
use crate::format::Kind;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// An id shorter than this, such as experiment `1`, is known only in fields made for it.
const LEAST_ID_BYTES: usize = 8;

/// Fields that hold an id, and what it is an id of.
const ID_FIELDS: [(&str, &str); 13] = [
    ("experiment_id", "experiment"),
    ("_experiment_id", "experiment"),
    ("experiment_ids", "experiment"),
    ("run_id", "run"),
    ("source_run_id", "run"),
    ("linked_runs", "run"),
    ("model_id", "model"),
    ("trace_id", "trace"),
    ("span_id", "span"),
    ("parent_span_id", "span"),
    ("dataset_id", "evaluation-dataset"),
    ("dataset_record_id", "record"),
    ("assessment_id", "assessment"),
];
const USER_FIELDS: [&str; 6] = [
    "user_id",
    "created_by",
    "last_updated_by",
    "source_id",
    "mlflow.user",
    "user",
];
const URI_FIELDS: [&str; 9] = [
    "artifact_uri",
    "artifact_location",
    "default_artifact_root",
    "source",
    "storage_location",
    "source_name",
    "run_link",
    "mlflow.source.name",
    "mlflow.artifactLocation",
];

/// What is between a scheme and a host.
const HOST_FOLLOWS: &str = "://";

/// What stands for a value.
pub(super) enum Shown {
    Placeholder(String),
    Value(Value),
}

/// Learns what is to be replaced, then replaces it.
#[derive(Default)]
pub(super) struct Redactor {
    redactions: Redactions,
    /// Placeholder by (sort, text); the sort keeps short ids apart.
    names: HashMap<(&'static str, String), String>,
    /// Placeholder of texts that are replaced wherever they stand.
    words: HashMap<String, String>,
    counts: HashMap<&'static str, u64>,
    times: HashSet<i64>,
}

impl Redactor {
    pub(super) fn new(redactions: Redactions) -> Self {
        Redactor {
            redactions,
            ..Redactor::default()
        }
    }

    /// Numbers the ids, users and URIs of an object, in the order of the text.
    pub(super) fn learn(&mut self, kind: Kind, value: &Value) {
        if self.redactions.any() {
            self.learn_at(kind, &mut Vec::new(), value);
        }
    }

    fn learn_at(&mut self, kind: Kind, key: &mut Vec<String>, value: &Value) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    key.push(name.clone());
                    self.learn_at(kind, key, value);
                    key.pop();
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_at(kind, key, item)),
            Value::String(text) => {
                if let Some(sort) = self.sort_of(kind, key, text) {
                    self.name(sort, text);
                }
            }
            Value::Number(number) if is_time(key) => self.times.extend(number.as_i64()),
            _ => {}
        }
    }

    /// What sort of thing the text at a key names, where such things are replaced.
    fn sort_of(&self, kind: Kind, key: &[String], text: &str) -> Option<&'static str> {
        let sort = sort_of(kind, key, text)?;
        let redaction = match sort {
            "user" => Redaction::Users,
            "uri" => Redaction::Hosts,
            _ => Redaction::Ids,
        };
        self.has(redaction).then_some(sort)
    }

    fn has(&self, redaction: Redaction) -> bool {
        self.redactions.has(redaction)
    }

    fn name(&mut self, sort: &'static str, text: &str) -> String {
        if text.is_empty() {
            return "\"\"".to_owned();
        }
        if let Some(name) = self.names.get(&(sort, text.to_owned())) {
            return name.clone();
        }
        let count = self.counts.entry(sort).or_insert(0);
        *count += 1;
        let name = format!("{sort}-{count}");
        self.names.insert((sort, text.to_owned()), name.clone());
        if text.len() >= LEAST_ID_BYTES && sort != "user" {
            self.words.entry(text.to_owned()).or_insert_with(|| name.clone());
        }
        name
    }

    /// What stands for a value at a key.
    pub(super) fn value(&mut self, kind: Kind, key: &[String], value: &Value) -> Shown {
        if !self.redactions.any() {
            return Shown::Value(value.clone());
        }
        let is_duration = || key.last().is_some_and(|name| name == "execution_duration");
        match value {
            Value::Number(_) if self.has(Redaction::Times) && is_time(key) => {
                Shown::Placeholder("[time]".to_owned())
            }
            Value::Number(_) if self.has(Redaction::Times) && is_duration() => {
                Shown::Placeholder("[duration]".to_owned())
            }
            // The exported dict repeats the object's own values in another shape.
            Value::String(_) if key.len() == 1 && key[0] == "exim" => Shown::Placeholder("[exim]".to_owned()),
            Value::String(text) => match self.sort_of(kind, key, text) {
                Some(sort) => Shown::Placeholder(self.name(sort, text)),
                None => self.free_text(text),
            },
            other => Shown::Value(other.clone()),
        }
    }

    fn free_text(&mut self, text: &str) -> Shown {
        if let Some(name) = self.words.get(text) {
            return Shown::Placeholder(name.clone());
        }
        match self.text(text) {
            Cow::Borrowed(text) => Shown::Value(Value::from(text)),
            Cow::Owned(text) if text == "[time]" => Shown::Placeholder(text),
            Cow::Owned(text) => Shown::Value(Value::from(text)),
        }
    }

    /// A text in which ids, times and hosts are replaced.
    pub(super) fn text<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let mut replaced = String::new();
        let mut rest = text;
        let mut is_changed = false;
        while let Some(start) = rest.find(is_word) {
            replaced.push_str(&rest[..start]);
            rest = &rest[start..];
            let (length, placeholder) = self.first_word(rest);
            is_changed |= placeholder.is_some();
            replaced.push_str(placeholder.as_deref().unwrap_or(&rest[..length]));
            rest = &rest[length..];
            if let Some(host) = host(rest).filter(|_| self.has(Redaction::Hosts)) {
                replaced.push_str(HOST_FOLLOWS);
                replaced.push_str(&self.name("host", host));
                is_changed = true;
                rest = &rest[HOST_FOLLOWS.len() + host.len()..];
            }
        }
        if !is_changed {
            return Cow::Borrowed(text);
        }
        replaced.push_str(rest);
        Cow::Owned(replaced)
    }

    /// The length of the word or time that a text begins with, and what stands for it.
    fn first_word(&mut self, text: &str) -> (usize, Option<String>) {
        if let Some(length) = time_length(text).filter(|_| self.has(Redaction::Times)) {
            return (length, Some("[time]".to_owned()));
        }
        let length = text.find(|character| !is_word(character)).unwrap_or(text.len());
        (length, self.word(&text[..length]))
    }

    fn word(&mut self, word: &str) -> Option<String> {
        if let Some(name) = self.words.get(word) {
            return Some(name.clone());
        }
        let is_time = |word: &str| word.parse().is_ok_and(|time| self.times.contains(&time));
        if self.has(Redaction::Times) && word.len() == 13 && is_time(word) {
            return Some("[time]".to_owned());
        }
        // Ids that nothing in the archive has, commits, UUIDs.
        let digits = word.rsplit_once('-').map_or(word, |(_, digits)| digits);
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_id = matches!(digits.len(), 32 | 40) && is_hex(digits);
        let is_uuid = word.len() == 36
            && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
            && word.split('-').all(is_hex);
        (self.has(Redaction::Ids) && (is_id || is_uuid)).then(|| self.name("id", word))
    }

    /// The name of an object's paragraph.
    pub(super) fn heading(&mut self, kind: Kind, line: &Value, id: &str) -> String {
        if !self.has(Redaction::Ids) {
            return id.to_owned();
        }
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        match kind {
            Kind::Experiments => self.name("experiment", id),
            Kind::Runs => self.name("run", id),
            Kind::LoggedModels => self.name("model", id),
            Kind::Traces => self.name("trace", id),
            Kind::EvaluationDatasets => self.name("evaluation-dataset", id),
            Kind::Spans => {
                let trace = self.name("trace", &text("trace_id"));
                format!("{trace}/{}", self.name("span", &text("span_id")))
            }
            Kind::DatasetRecords => {
                let dataset = self.name("evaluation-dataset", &text("dataset_id"));
                format!("{dataset}/{}", self.name("record", &text("dataset_record_id")))
            }
            Kind::Datasets | Kind::Scorers => {
                let experiment = self.name("experiment", &text("experiment_id"));
                let rest = id.strip_prefix(line["experiment_id"].as_str().unwrap_or_default());
                format!("{experiment}{}", rest.unwrap_or_default())
            }
            _ => id.to_owned(),
        }
    }
}

/// What sort of thing the text at a key names, where it is to be replaced.
fn sort_of(kind: Kind, key: &[String], text: &str) -> Option<&'static str> {
    let name = key.iter().rev().find(|part| !part.starts_with('['))?.as_str();
    let is_dataset_link = kind == Kind::Runs && key.first().is_some_and(|part| part == "inputs");
    // Source tags hold copies of fields under the fields' names.
    let name = match name.strip_prefix("mlflow_exim.") {
        Some(rest) => rest.rsplit('.').next().unwrap_or(rest),
        None => name,
    };
    let id = ID_FIELDS.iter().find(|(field, _)| *field == name);
    if let Some((_, sort)) = id.filter(|_| !is_dataset_link || name == "model_id") {
        return Some(sort);
    }
    if USER_FIELDS.contains(&name) {
        return Some("user");
    }
    // `models:/m-…` and `runs:/…` name objects, and say more with those replaced.
    let names_objects = text.starts_with("models:/") || text.starts_with("runs:/");
    (URI_FIELDS.contains(&name) && !names_objects).then_some("uri")
}

fn is_time(key: &[String]) -> bool {
    let Some(name) = key.last() else { return false };
    ["time", "timestamp", "timestamp_ms", "time_unix_nano"]
        .iter()
        .any(|end| {
            name.strip_suffix(end)
                .is_some_and(|start| start.is_empty() || start.ends_with('_'))
        })
        && key
            .first()
            .is_none_or(|first| first != "tags" && first != "params")
}

/// The host, with port and user, of a URI, in a text that begins after its scheme.
fn host(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(HOST_FOLLOWS)?;
    let ends = |character: char| !is_word(character) && !".:@_~%[]".contains(character);
    let host = &rest[..rest.find(ends).unwrap_or(rest.len())];
    // A full stop or colon at the end belongs to the sentence.
    let host = host.trim_end_matches(['.', ':', ']']);
    (!host.is_empty()).then_some(host)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

/// Length of a date and time such as `2024-01-31 12:00:00.5` at the start of a text.
fn time_length(text: &str) -> Option<usize> {
    const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let fits = |(found, wanted): (&u8, &u8)| match wanted {
        b'0' => found.is_ascii_digit(),
        b'T' => matches!(found, b'T' | b' '),
        other => found == other,
    };
    if bytes.len() < SHAPE.len() || !bytes.iter().zip(SHAPE).all(fits) {
        return None;
    }
    let rest = &text[SHAPE.len()..];
    let fraction = rest.strip_prefix('.').map_or(0, |digits| {
        1 + digits.bytes().take_while(u8::is_ascii_digit).count()
    });
    let zone = &rest[fraction..];
    let zone = if zone.starts_with('Z') {
        1
    } else if zone.starts_with("+00:00") {
        6
    } else {
        0
    };
    Some(SHAPE.len() + fraction + zone)
}
