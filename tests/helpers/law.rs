//! The law of a restore: what comes back of a store is what the recipe makes, but for what the report lists.

use mlark::archive::{Archive, ArchiveError};
use mlark::monitor::Silent;
use mlark::report::Difference;
use mlark::{DiffOptions, diff};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a report of `mlark restore --json` lists as lost, by the ids of the target.
pub(crate) struct Told {
    lost: BTreeSet<Place>,
}

impl Told {
    pub(crate) fn of(report: &Value) -> Self {
        let list = |name: &str| report[name].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let new_ids: BTreeMap<String, String> = list("new_ids")
            .iter()
            .map(|new| (text(&new["experiment_id"]), new["target_id"].to_string()))
            .collect();
        // What is in an experiment is named by it, and by its new id in the target.
        let id_in_target = |kind: &str, id: String| {
            let (experiment, rest) = id.split_once('/').unwrap_or((&id, ""));
            match new_ids.get(experiment) {
                Some(new) if ["experiments", "datasets", "scorers"].contains(&kind) => {
                    format!("{new}{}{rest}", if rest.is_empty() { "" } else { "/" })
                }
                _ => id,
            }
        };
        let lost = list("lost").into_iter().map(|loss| {
            let kind = text(&loss["kind"]);
            let id = id_in_target(&kind, text(&loss["id"]));
            (kind, id, text(&loss["field"]))
        });
        Told { lost: lost.collect() }
    }
}

pub(crate) fn differences(a: &Archive, b: &Archive) -> Vec<Difference> {
    let mut found = Vec::new();
    diff(a, b, DiffOptions::default(), &Silent, &mut |difference| {
        found.push(difference.clone());
        Ok::<_, ArchiveError>(())
    })
    .unwrap();
    found
}

/// A value that may differ, by kind, id and field; of metrics the field is the name.
type Place = (String, String, String);

fn place_of(difference: &Difference) -> Place {
    let field = match difference.kind.as_str() {
        "metrics" | "model-metrics" => difference.key[0].clone(),
        _ => difference.key_text(),
    };
    (difference.kind.clone(), difference.id.clone(), field)
}

/// Whether a loss and a difference are of one field, or one of them of something within the other.
fn are_one(loss: &Place, difference: &Place) -> bool {
    let is_within = |inner: &str, outer: &str| {
        inner == outer
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let fields = (loss.2.as_str(), difference.2.as_str());
    // Of a list all elements of which are lost, the list.
    (&loss.0, &loss.1) == (&difference.0, &difference.1)
        && (is_within(fields.1, fields.0) || is_within(fields.0, fields.1) || fields.0 == "*")
}

/// Checks that what came back differs from what the recipe makes in the losses of the report, and in nothing else.
pub(crate) fn assert_law(edited: &Archive, after: &Archive, told: &Told, name: &str) {
    let lost = &told.lost;
    let found = differences(edited, after);
    let places: BTreeSet<Place> = found.iter().map(place_of).collect();
    let untold: Vec<_> = found
        .iter()
        .filter(|difference| !lost.iter().any(|loss| are_one(loss, &place_of(difference))))
        .map(|difference| {
            format!(
                "{:?} {:?} -> {:?}",
                place_of(difference),
                difference.before,
                difference.after
            )
        })
        .collect();
    assert!(untold.is_empty(), "{name}: not told:\n{}", untold.join("\n"));
    let is_false = |loss: &&Place| !places.iter().any(|place| are_one(loss, place));
    let false_losses: Vec<_> = lost.iter().filter(is_false).collect();
    assert!(
        false_losses.is_empty(),
        "{name}: told, and not so: {false_losses:#?}"
    );
    let [expected, found] = [edited, after].map(|archive| archive.manifest().content_id);
    assert_eq!(
        expected == found,
        lost.is_empty(),
        "{name}: the law of content ids"
    );
}
