//! Which differences an import named beforehand as something that the target cannot hold: each exactly at its place.

use super::Context;
use crate::flow::import::deviations::{self, Deviation, Outcome};
use crate::flow::import::part::PartKind;
use crate::format::Kind;
use crate::lang::rest::limits::{SHOWN_METADATA, SHOWN_TAG};
use crate::report::Difference;

impl Context<'_> {
    /// Whether a difference was announced: the plan, or the import that met it, named it as something that the target cannot hold as it is.
    pub(crate) fn is_accepted(&self, difference: &Difference) -> bool {
        let kind = Kind::from_name(&difference.kind);
        let noted = kind.and_then(|kind| {
            let (kind, id) = deviations::owner(kind, &difference.id);
            self.mapping.noted(kind, id)
        });
        // What the target has instead stays a difference.
        let noted = noted.into_iter().flat_map(|noted| &noted.named);
        let noted = noted.filter(|change| change.outcome != Outcome::Kept);
        let mut named = self.plan.changes.named().iter().chain(noted);
        is_own_tag(difference)
            || is_cut_on_reading(difference)
            || named.any(|change| names(change, difference))
    }
}

/// Whether it is a tag that MLflow or mlark set, and the archive has not.
fn is_own_tag(difference: &Difference) -> bool {
    let is_own = |key: &String| key.starts_with("mlflow_exim.") || key.starts_with("mlflow.");
    difference.before.is_none()
        && matches!(&difference.key[..], [field, key] if field == "tags" && is_own(key))
}

/// A part of the key of a difference.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part<'a> {
    Is(&'a str),
    /// An element of a list, by what tells it apart.
    Element(&'a str),
    Any,
}

/// Whether a difference lies at the place that a change names, or within it.
fn names(change: &Deviation, difference: &Difference) -> bool {
    if change.field == "*" && change.id == difference.id {
        return change.kind.name() == difference.kind;
    }
    let (kind, place) = place(change);
    let is_part = |(wanted, found): (&Part<'_>, &String)| match wanted {
        Part::Any => true,
        Part::Is(text) => text == found,
        Part::Element(text) => {
            found.strip_prefix('[').and_then(|found| found.strip_suffix(']')) == Some(text)
        }
    };
    let is_owner = match kind {
        // What a trace's spans share is named once, for the trace.
        Kind::Spans => difference.id.split_once('/').map(|(trace, _)| trace) == Some(&change.id),
        _ => false,
    };
    kind.name() == difference.kind
        && (change.id == difference.id || is_owner)
        && place.len() <= difference.key.len()
        && place.iter().zip(&difference.key).all(is_part)
}

/// Where the field of a change stands: kind and key of the differences that it makes.
fn place(change: &Deviation) -> (Kind, Vec<Part<'_>>) {
    use Part::{Any, Element, Is};
    let (kind, field) = (change.kind, change.field.as_str());
    // Files are named by their paths, which may have spaces.
    if kind == Kind::Artifacts {
        return (kind, vec![Is(field)]);
    }
    let place = match PartKind::parse(field) {
        Some((PartKind::Artifact, path)) => return (Kind::Artifacts, vec![Is(path)]),
        Some((PartKind::Metric, key)) => vec![Is(key)],
        Some((PartKind::Param, key)) => vec![Is("params"), Is(key)],
        Some((PartKind::Tag, key)) => vec![Is("tags"), Is(key)],
        Some((PartKind::Metadata, key)) => vec![Is("trace_metadata"), Is(key)],
        Some((PartKind::Alias, name)) => vec![Is("aliases"), Is(name)],
        Some((PartKind::Assessment, id)) => vec![Is("assessments"), Element(id)],
        Some((PartKind::LinkedRun, id)) => vec![Is("linked_runs"), Element(id)],
        Some((PartKind::LinkedPrompt, id)) => vec![Is("linked_prompts"), Element(id)],
        Some((PartKind::Model, id)) => vec![Any, Any, Element(id)],
        Some((PartKind::InputTag, key)) => {
            vec![Is("inputs"), Is("dataset_inputs"), Any, Is("tags"), Is(key)]
        }
        Some((PartKind::Input, _)) => vec![Is("inputs"), Is("dataset_inputs")],
        Some((kind @ (PartKind::Source | PartKind::SourceRun), _)) => vec![Is(kind.as_str())],
        Some((PartKind::Span, _)) => vec![Is(field)],
        None => match field {
            "*" => Vec::new(),
            "run_name" | "user_id" | "lifecycle_stage" if kind == Kind::Runs => vec![Is("info"), Is(field)],
            _ => vec![Is(field)],
        },
    };
    (kind, place)
}

/// Whether a server gave only the first characters of a trace's text, which it holds whole.
fn is_cut_on_reading(difference: &Difference) -> bool {
    let text = |value: &Option<serde_json::Value>| {
        value.as_ref().and_then(|value| value.as_str().map(str::to_owned))
    };
    let cut = match difference.key.first().map(String::as_str) {
        Some("trace_metadata") => SHOWN_METADATA,
        Some("tags") => SHOWN_TAG,
        _ => return false,
    };
    let cuts = [cut, SHOWN_METADATA];
    let (Some(whole), Some(part)) = (text(&difference.before), text(&difference.after)) else {
        return false;
    };
    difference.kind == Kind::Traces.name() && whole.starts_with(&part) && cuts.contains(&part.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Reason;
    use crate::report::diff;

    fn change(kind: Kind, id: &str, field: &str) -> Deviation {
        Deviation {
            kind,
            id: id.to_owned(),
            field: field.to_owned(),
            reason: Reason::KeyRefused.into(),
            outcome: Outcome::LeftOut,
        }
    }

    fn difference(kind: Kind, id: &str, key: &[&str]) -> Difference {
        Difference {
            change: diff::Change::Removed,
            kind: kind.name().to_owned(),
            id: id.to_owned(),
            owner_kind: None,
            key: key.iter().map(|part| (*part).to_owned()).collect(),
            before: None,
            after: None,
            points: None,
        }
    }

    #[test]
    fn a_limit_accepts_a_difference_at_its_own_place_and_nowhere_else() {
        use Kind::{Artifacts, LoggedModels, RegisteredModels, Runs, Spans, Traces};
        /// The kind and field of a limit; the kind and key of a difference that it accepts; keys that it does not.
        type Row = (
            Kind,
            &'static str,
            Kind,
            &'static [&'static str],
            &'static [&'static [&'static str]],
        );
        let table: [Row; 12] = [
            (
                Runs,
                "param lr",
                Runs,
                &["params", "lr"],
                &[&["params", "xlr"], &["params", "lr.x"], &["tags", "lr"], &[]],
            ),
            (
                Runs,
                "tag a b",
                Runs,
                &["tags", "a b"],
                &[&["tags", "b"], &["tags", "a"], &["params", "a b"]],
            ),
            (
                Runs,
                "run_name",
                Runs,
                &["info", "run_name"],
                &[&["params", "run_name"], &["run_name"]],
            ),
            (
                Runs,
                "input tag k",
                Runs,
                &["inputs", "dataset_inputs", "[d/1]", "tags", "k"],
                &[&["inputs", "dataset_inputs", "[d/1]", "tags", "xk"]],
            ),
            (Runs, "artifact a b", Artifacts, &["a b"], &[&["b"], &["x/a b"]]),
            (
                Runs,
                "model m-1",
                Runs,
                &["outputs", "model_outputs", "[m-1]"],
                &[&["outputs", "model_outputs", "[m-11]"]],
            ),
            (
                Artifacts,
                "dir/a b?",
                Artifacts,
                &["dir/a b?"],
                &[&["b?"], &["dir/a b"]],
            ),
            (
                LoggedModels,
                "source_run_id r",
                LoggedModels,
                &["source_run_id"],
                &[&["tags", "source_run_id"]],
            ),
            (
                RegisteredModels,
                "alias x",
                RegisteredModels,
                &["aliases", "x"],
                &[&["aliases", "xx"]],
            ),
            (
                RegisteredModels,
                "description",
                RegisteredModels,
                &["description"],
                &[&["tags", "description"]],
            ),
            (
                Traces,
                "metadata k",
                Traces,
                &["trace_metadata", "k"],
                &[&["tags", "k"], &["trace_metadata", "k2"]],
            ),
            (
                Traces,
                "linked run r",
                Traces,
                &["linked_runs", "[r]"],
                &[&["linked_runs", "[r2]"]],
            ),
        ];
        for (kind, field, other, at, elsewhere) in table {
            let change = change(kind, "o", field);
            assert!(names(&change, &difference(other, "o", at)), "{field} {at:?}");
            assert!(
                !names(&change, &difference(other, "p", at)),
                "{field} of another object"
            );
            for key in elsewhere {
                assert!(!names(&change, &difference(other, "o", key)), "{field} {key:?}");
            }
        }
        let whole = change(Spans, "tr-1", "*");
        assert!(
            names(&whole, &difference(Spans, "tr-1/ab", &[]))
                && !names(&whole, &difference(Spans, "tr-12/ab", &[]))
        );
        assert!(!names(&change(Runs, "o", "*"), &difference(Traces, "o", &[])));
    }
}
