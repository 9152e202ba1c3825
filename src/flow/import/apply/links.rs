//! What a run read and made: datasets and logged models.

use super::fill::Filling;
use super::{Apply, lock, pairs};
use crate::flow::import::Result;
use crate::flow::import::part::PartKind;
use crate::format::{Kind, Reason};
use crate::lang::rest::api::{TargetId, TargetRun};
use crate::lang::rest::limits::exceeds;
use crate::lang::rest::version::Feature;
use crate::model::Dataset;
use serde_json::{Value, json};

const KIND: Kind = Kind::Runs;

impl Apply<'_> {
    pub(super) fn inputs(&self, filling: &Filling) -> Result<()> {
        let run = &filling.run;
        let id = &run.info.run_id;
        let datasets = self.dataset_inputs(filling);
        let models = run.inputs.model_inputs.iter();
        let models: Vec<_> = models
            .filter_map(|input| self.linked_model(id, &input.model_id))
            .collect();
        if datasets.is_empty() && models.is_empty() {
            return Ok(());
        }
        let inputs = run.inputs.dataset_inputs.iter();
        let key =
            |name: &str, digest: &str| (filling.experiment_id.clone(), name.to_owned(), digest.to_owned());
        let new: Vec<_> = inputs.map(|input| key(&input.name, &input.digest)).collect();
        let whole = filling.whole();
        let datasets = datasets.into_iter().map(Input::Dataset);
        let parts: Vec<_> = datasets.chain(models.into_iter().map(Input::Model)).collect();
        let send = |parts: &[Input]| {
            let (mut datasets, mut models) = (Vec::new(), Vec::new());
            for part in parts {
                match part {
                    Input::Dataset(dataset) => datasets.push(dataset.clone()),
                    Input::Model(id) => models.push(id.clone()),
                }
            }
            self.api.log_inputs(&filling.known.id, &datasets, &models)
        };
        // Two runs that bring the same new dataset at the same moment would collide in the server's database.
        let mut brought = lock(&self.seen.datasets);
        if new.iter().all(|key| brought.contains(key)) {
            drop(brought);
            return self.in_parts(whole, &parts, &Input::name, &send);
        }
        self.in_parts(whole, &parts, &Input::name, &send)?;
        brought.extend(new);
        Ok(())
    }

    /// The datasets that a run read, as a call takes them.
    fn dataset_inputs(&self, filling: &Filling) -> Vec<Value> {
        let run = &filling.run;
        let id = &run.info.run_id;
        let mut datasets = Vec::new();
        if !self.target.has(Feature::DatasetInputs) {
            return datasets;
        }
        for input in &run.inputs.dataset_inputs {
            let key = (input.name.clone(), input.digest.clone());
            let Some(body) = filling.bodies.get(&key) else {
                let part = PartKind::Input.of(&format!("{} {}", input.name, input.digest));
                self.left_out(KIND, id, part, Reason::NoDatasetBody);
                continue;
            };
            let limit = self.fitting.limits.input_tag;
            let (tags, changes) = self
                .fitting
                .other(KIND, id, PartKind::InputTag, &input.tags, limit);
            changes.into_iter().for_each(|change| self.limit(change));
            if let Some(dataset) = self.dataset(id, body) {
                datasets.push(json!({"tags": pairs(&tags), "dataset": dataset}));
            }
        }
        datasets
    }

    /// A dataset as a call takes it, where its texts fit.
    fn dataset(&self, run_id: &str, body: &Dataset) -> Option<Value> {
        let mut value = json!({"name": body.name, "digest": body.digest});
        let [_, source_type, source, schema, profile] = self.fitting.limits.dataset;
        let optional = [
            ("source_type", &body.source_type, source_type),
            ("source", &body.source, source),
            ("schema", &body.schema, schema),
            ("profile", &body.profile, profile),
        ];
        for (field, text, limit) in optional {
            match text {
                Some(text) if exceeds(text, limit) => {
                    let part = PartKind::Input.of(&format!("{} {field}", body.name));
                    self.left_out(KIND, run_id, part, Reason::ValueTooLong);
                    if matches!(field, "source" | "source_type") {
                        return None;
                    }
                }
                Some(text) => value[field] = text.as_str().into(),
                None => {}
            }
        }
        Some(value)
    }

    fn linked_model(&self, run_id: &str, model_id: &str) -> Option<TargetId> {
        if !self.target.has(Feature::LoggedModels) {
            return None;
        }
        let found = self.ledger.id(Kind::LoggedModels, model_id);
        if found.is_none() {
            let part = PartKind::Model.of(model_id);
            self.left_out(KIND, run_id, part, Reason::ModelNotInTarget);
        }
        found
    }

    pub(super) fn outputs(&self, filling: &Filling, target: Option<&TargetRun>) -> Result<()> {
        let id = &filling.run.info.run_id;
        let outputs = filling.run.outputs.model_outputs.iter();
        let outputs: Vec<_> = outputs
            .filter_map(|output| Some((self.linked_model(id, &output.model_id)?, output.step)))
            .filter(|(model_id, _)| {
                target.is_none_or(|target| target.model_outputs.iter().all(|(there, _)| there != model_id))
            })
            .collect();
        let name = |(model_id, _): &(TargetId, i64)| format!("output model {model_id}");
        let send = |outputs: &[(TargetId, i64)]| self.api.log_outputs(&filling.known.id, outputs);
        self.in_parts(filling.whole(), &outputs, &name, &send)
    }
}

/// Something that a run read, as a call takes it.
enum Input {
    Dataset(Value),
    Model(TargetId),
}

impl Input {
    fn name(&self) -> String {
        match self {
            Input::Dataset(input) => {
                let text = |field: &str| input["dataset"][field].as_str().unwrap_or_default().to_owned();
                PartKind::Input.of(&format!("{} {}", text("name"), text("digest")))
            }
            Input::Model(id) => PartKind::Input.of(&format!("model {id}")),
        }
    }
}
