//! What an export must hold, or tell, of a source in which one value is another than MLflow writes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::any_types::errors_of;
use mlark::flow::export::ExportReport;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What no source holds.
pub(crate) const ODD: &str = "ODD-VALUE";

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// How many of each kind.
    pub(crate) counts: BTreeMap<String, u64>,
    /// How many names stand in their lines.
    names: usize,
    limits: u64,
    /// Whether [`ODD`] is among them.
    has_odd: bool,
}

impl Held {
    pub(crate) fn of(out: &Path, report: &ExportReport) -> Self {
        fn names(value: &Value) -> usize {
            match value {
                Value::Array(items) => items.iter().map(names).sum(),
                Value::Object(map) => map.len() + map.values().map(names).sum::<usize>(),
                _ => 0,
            }
        }
        let files = walkdir::WalkDir::new(out).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.path().extension().is_some_and(|end| end == "jsonl"));
        let texts: Vec<_> = files
            .map(|entry| std::fs::read_to_string(entry.path()).unwrap())
            .collect();
        let lines = texts.iter().flat_map(|text| text.lines());
        Held {
            counts: report.manifest.counts.clone(),
            names: lines
                .map(|line| names(&serde_json::from_str(line).unwrap()))
                .sum(),
            limits: report
                .manifest
                .losses
                .limits
                .iter()
                .map(|limit| limit.count)
                .sum(),
            has_odd: texts.iter().any(|text| text.contains(ODD)),
        }
    }
}

/// How an export is judged where that of the sound source holds something else.
#[derive(Clone, Copy)]
pub(crate) struct Judge {
    /// No name stood within what was replaced, so that none may be missing.
    pub(crate) is_leaf: bool,
    /// [`ODD`] is there, so that the archive must hold it.
    pub(crate) is_said: bool,
}

/// Why an export is not right, if it is not, where that of the sound source holds `sound`.
pub(crate) fn fault(report: &ExportReport, out: &Path, sound: &Held, judge: Judge) -> Option<String> {
    let errors = errors_of(out);
    if !errors.is_empty() {
        return Some(format!("{errors:?}"));
    }
    let now = Held::of(out, report);
    if report.failures > 0 || now.limits > sound.limits {
        return None;
    }
    let fewer = sound
        .counts
        .iter()
        .find(|(kind, count)| now.counts.get(*kind) < Some(count));
    if let Some((kind, _)) = fewer {
        return Some(format!("there are fewer {kind}"));
    }
    if judge.is_leaf && now.names < sound.names {
        return Some("names are missing in lines".to_owned());
    }
    (judge.is_said && !now.has_odd).then(|| "it is gone".to_owned())
}

/// Where each value within one is, itself the first, as JSON pointers.
pub(crate) fn pointers(value: &Value) -> Vec<String> {
    fn walk(value: &Value, pointer: String, found: &mut Vec<String>) {
        found.push(pointer.clone());
        match value {
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(at, item)| walk(item, format!("{pointer}/{at}"), found));
            }
            Value::Object(map) => map.iter().for_each(|(name, item)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(item, format!("{pointer}/{name}"), found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, String::new(), &mut found);
    found
}

/// The names on the way to a value.
pub(crate) fn names(pointer: &str) -> String {
    let steps = pointer
        .split('/')
        .skip(1)
        .filter(|step| step.parse::<usize>().is_err());
    steps.map(|step| format!("{step}.")).collect()
}

/// Puts a value in the place of one within another; what stood there.
pub(crate) fn replace(value: &mut Value, pointer: &str, with: &Value) -> Value {
    std::mem::replace(value.pointer_mut(pointer).unwrap(), with.clone())
}

/// Puts one more field into an object within a value; false where there is no object.
pub(crate) fn add_field(value: &mut Value, pointer: &str) -> bool {
    let object = value.pointer_mut(pointer).unwrap().as_object_mut();
    object.is_some_and(|fields| fields.insert("odd_field".to_owned(), ODD.into()).is_none())
}

pub(crate) fn is_leaf(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

pub(crate) fn is_of_type_of(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// Looks for faults with two threads; `fault` is told which one it is.
pub(crate) fn assert_no_fault<T: Sync>(changes: &[T], fault: impl Fn(&T, usize) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let work = |thread| {
        let changes = std::iter::from_fn(|| changes.get(next.fetch_add(1, Ordering::Relaxed)));
        changes
            .filter_map(|change| fault(change, thread))
            .collect::<Vec<_>>()
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let others = [0, 1].map(|thread| scope.spawn(move || work(thread)));
        others
            .into_iter()
            .flat_map(|other| other.join().unwrap())
            .collect()
    });
    assert!(
        !changes.is_empty() && faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        changes.len(),
        faults.join("\n")
    );
}
