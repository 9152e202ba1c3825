//! What an object must be beyond being of its type: the one check that stands between every source and the writer, and that
//! `verify` makes of every line. No IO.
//!
//! A type takes fields that it does not name along ([`Extra`]). One that has the name of a field that the type does name
//! would be read back as that field, and as one of the wrong type.

use super::{FindingCode, Kind, SortKey, order};
use crate::model::field::FieldTable;
use crate::model::run::{RunInfo, RunInputs};
use crate::model::trace::{SpanEvent, SpanLink};
use crate::model::{
    Assessment, Dataset, DatasetRecord, EvaluationDataset, Experiment, Extra, LoggedModel, ModelVersion,
    RegisteredModel, Run, Scorer, Span, Trace, Workspace,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is wrong with an object that is of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What `verify` calls it.
    pub code: FindingCode,
    /// The field, as `info.run_id`.
    pub field: &'static str,
    /// What is wrong, after the field's name.
    pub reason: &'static str,
}

/// An object that must be there for another one: its kind, its place among those, its id for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Its kind.
    pub kind: Kind,
    /// What distinguishes it among its kind.
    pub key: SortKey,
    /// For people.
    pub id: String,
}

impl Needed {
    fn new(kind: Kind, id: &str) -> Option<Self> {
        Some(Needed {
            kind,
            key: SortKey::new().text(id),
            id: id.to_owned(),
        })
    }
}

/// What is known of every object, and of the objects within one.
pub trait Typed: Serialize + DeserializeOwned + Clone {
    /// Whether an unnamed field has the name of one that the type names.
    fn has_misplaced(&self) -> bool;

    /// Takes such fields out, with their values and the path of each; `place` is the path of this object, with its dot.
    fn take_misplaced(&mut self, place: &str, taken: &mut Vec<(String, Value)>);

    /// The first fault of its ids, names and lists.
    fn fault(&self) -> Option<Fault> {
        None
    }

    /// What it is by itself, for those that others need.
    fn defined(&self) -> Option<Needed> {
        None
    }

    /// What must be in the archive for it.
    fn needed(&self) -> Option<Needed> {
        None
    }

    /// The datasets that must be in the archive for it.
    fn needed_datasets(&self) -> Vec<Needed> {
        Vec::new()
    }
}

fn is_misplaced(extra: &Extra, names: &[&str]) -> bool {
    // Nearly always there is none.
    extra.keys().any(|key| names.contains(&key.as_str()))
}

fn take(extra: &mut Extra, names: &[&str], place: &str, taken: &mut Vec<(String, Value)>) {
    let misplaced: Vec<_> = extra
        .keys()
        .filter(|key| names.contains(&key.as_str()))
        .cloned()
        .collect();
    for name in misplaced {
        if let Some(value) = extra.remove(&name) {
            taken.push((format!("{place}{name}"), value));
        }
    }
}

macro_rules! typed {
    ($type:ty { $(one $one:ident;)* $(many $many:ident;)* } $($rest:item)*) => {
        impl Typed for $type {
            fn has_misplaced(&self) -> bool {
                is_misplaced(&self.extra, Self::NAMES)
                    $(|| self.$one.has_misplaced())*
                    $(|| self.$many.iter().any(Typed::has_misplaced))*
            }

            fn take_misplaced(&mut self, place: &str, taken: &mut Vec<(String, Value)>) {
                take(&mut self.extra, Self::NAMES, place, taken);
                $(self.$one.take_misplaced(&format!("{place}{}.", stringify!($one)), taken);)*
                $(for (at, item) in self.$many.iter_mut().enumerate() {
                    item.take_misplaced(&format!("{place}{}[{at}].", stringify!($many)), taken);
                })*
            }

            $($rest)*
        }
    };
}

typed! { RunInfo {} }
typed! { Assessment {} }
typed! { SpanEvent {} }
typed! { SpanLink {} }

typed! { Workspace {}
    fn fault(&self) -> Option<Fault> {
        filled([("name", &self.name)])
    }
}

typed! { Experiment {}
    fn fault(&self) -> Option<Fault> {
        filled([("experiment_id", &self.experiment_id), ("name", &self.name)])
    }

    fn defined(&self) -> Option<Needed> {
        Needed::new(Kind::Experiments, &self.experiment_id)
    }
}

typed! { Run { one info; }
    fn fault(&self) -> Option<Fault> {
        let (info, inputs) = (&self.info, &self.inputs);
        filled([("info.run_id", &info.run_id), ("info.experiment_id", &info.experiment_id)])
            .or_else(|| inputs_out_of_order(inputs))
            .or_else(|| {
                let outputs = self.outputs.model_outputs.iter();
                let keys = outputs.map(|output| (&output.model_id, output.step));
                ordered("outputs", "model outputs are out of order", keys)
            })
    }

    fn needed(&self) -> Option<Needed> {
        Needed::new(Kind::Experiments, &self.info.experiment_id)
    }

    fn needed_datasets(&self) -> Vec<Needed> {
        let inputs = self.inputs.dataset_inputs.iter();
        let needed = inputs.map(|input| dataset(&self.info.experiment_id, &input.name, &input.digest));
        needed.collect()
    }
}

typed! { Dataset {}
    fn fault(&self) -> Option<Fault> {
        filled([("experiment_id", &self.experiment_id)])
    }

    fn defined(&self) -> Option<Needed> {
        Some(dataset(&self.experiment_id, &self.name, &self.digest))
    }

    fn needed(&self) -> Option<Needed> {
        Needed::new(Kind::Experiments, &self.experiment_id)
    }
}

typed! { LoggedModel {}
    fn fault(&self) -> Option<Fault> {
        filled([("model_id", &self.model_id), ("experiment_id", &self.experiment_id)])
    }

    fn needed(&self) -> Option<Needed> {
        Needed::new(Kind::Experiments, &self.experiment_id)
    }
}

typed! { RegisteredModel {}
    fn fault(&self) -> Option<Fault> {
        filled([("name", &self.name)])
    }

    fn defined(&self) -> Option<Needed> {
        registered_model(self.workspace.as_deref(), &self.name)
    }
}

typed! { ModelVersion {}
    fn fault(&self) -> Option<Fault> {
        filled([("name", &self.name)]).or_else(|| numbered(self.version))
    }

    fn needed(&self) -> Option<Needed> {
        registered_model(self.workspace.as_deref(), &self.name)
    }
}

typed! { Trace { many assessments; }
    fn fault(&self) -> Option<Fault> {
        filled([("trace_id", &self.trace_id), ("experiment_id", &self.experiment_id)])
            .or_else(|| {
                let assessments = self.assessments.iter();
                let keys = assessments.map(|one| (one.create_time, &one.assessment_id));
                ordered("assessments", "assessments are out of order", keys)
            })
            .or_else(|| ordered("linked_runs", "linked runs are out of order", self.linked_runs.iter()))
            .or_else(|| {
                ordered("linked_prompts", "linked prompts are out of order", self.linked_prompts.iter())
            })
    }

    fn needed(&self) -> Option<Needed> {
        Needed::new(Kind::Experiments, &self.experiment_id)
    }
}

typed! { Span { many events; many links; }
    fn fault(&self) -> Option<Fault> {
        filled([("trace_id", &self.trace_id), ("span_id", &self.span_id)])
    }
}

typed! { EvaluationDataset {}
    fn fault(&self) -> Option<Fault> {
        filled([("dataset_id", &self.dataset_id)]).or_else(|| {
            let keys = self.experiment_ids.iter().map(|id| order::experiment(id));
            ordered("experiment_ids", "experiment ids are out of order", keys)
        })
    }

    fn defined(&self) -> Option<Needed> {
        Needed::new(Kind::EvaluationDatasets, &self.dataset_id)
    }
}

typed! { DatasetRecord {}
    fn fault(&self) -> Option<Fault> {
        filled([("dataset_id", &self.dataset_id), ("dataset_record_id", &self.dataset_record_id)])
    }

    fn needed(&self) -> Option<Needed> {
        Needed::new(Kind::EvaluationDatasets, &self.dataset_id)
    }
}

typed! { Scorer {}
    fn fault(&self) -> Option<Fault> {
        filled([("experiment_id", &self.experiment_id), ("name", &self.name)]).or_else(|| numbered(self.version))
    }

    fn needed(&self) -> Option<Needed> {
        Needed::new(Kind::Experiments, &self.experiment_id)
    }
}

fn dataset(experiment_id: &str, name: &str, digest: &str) -> Needed {
    Needed {
        kind: Kind::Datasets,
        key: SortKey::new().text(experiment_id).text(name).text(digest),
        id: format!("{experiment_id}/{name}/{digest}"),
    }
}

fn registered_model(workspace: Option<&str>, name: &str) -> Option<Needed> {
    Some(Needed {
        kind: Kind::RegisteredModels,
        key: order::registered_model(workspace, name),
        id: name.to_owned(),
    })
}

/// The grammar of ids and names: they say something. What else a file system or a server refuses is theirs to say.
fn filled<const N: usize>(texts: [(&'static str, &String); N]) -> Option<Fault> {
    let empty = texts.into_iter().find(|(_, text)| text.is_empty());
    empty.map(|(field, _)| Fault {
        code: FindingCode::Id,
        field,
        reason: "is empty",
    })
}

/// The grammar of versions: they count from 1.
fn numbered(version: u64) -> Option<Fault> {
    (version == 0).then_some(Fault {
        code: FindingCode::Id,
        field: "version",
        reason: "is 0, and versions count from 1",
    })
}

fn inputs_out_of_order(inputs: &RunInputs) -> Option<Fault> {
    let names = inputs
        .dataset_inputs
        .iter()
        .map(|input| (&input.name, &input.digest));
    let ids = inputs.model_inputs.iter().map(|input| &input.model_id);
    ordered("inputs", "dataset inputs are out of order", names)
        .or_else(|| ordered("inputs", "model inputs are out of order", ids))
}

fn ordered<T: PartialOrd>(
    field: &'static str,
    reason: &'static str,
    items: impl Iterator<Item = T>,
) -> Option<Fault> {
    let code = FindingCode::Order;
    (!items.is_sorted()).then_some(Fault { code, field, reason })
}

/// A path of an artifact: joined with `/`, it stays below its root whatever it is joined to.
pub(crate) fn is_artifact_path(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests;
