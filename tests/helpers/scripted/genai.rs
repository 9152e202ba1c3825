//! Logged models, traces, evaluation datasets and scorers of the scripted server, and tags that are set later.

use super::{Answer, Received, State, is_marked, not_found, reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the server has been told beside experiments, runs and the registry.
#[derive(Default)]
pub(crate) struct Genai {
    pub(crate) models: BTreeMap<String, Value>,
    pub(crate) traces: BTreeMap<String, Value>,
    pub(crate) datasets: Vec<Value>,
    pub(crate) scorers: Vec<Value>,
}

impl State {
    /// The answer to a request that is about none of the common things.
    pub(super) fn answer_more(
        &mut self,
        request: &Received,
        body: &Value,
        query: &dyn Fn(&str) -> String,
    ) -> Answer {
        let path = request
            .path()
            .trim_start_matches("/api/2.0/mlflow/")
            .trim_start_matches("/api/3.0/mlflow/")
            .to_owned();
        let parts: Vec<_> = path.split('/').collect();
        match parts[..] {
            ["logged-models", ..] => self.genai.logged_models(&parts[1..], request, body),
            ["traces"] => self.genai.trace(body),
            ["traces", "link-to-run" | "link-prompts"] => reply(json!({})),
            ["traces", id] => {
                let found = self.genai.traces.get(id);
                found.map_or_else(not_found, |info| reply(json!({"trace": {"trace_info": info}})))
            }
            ["traces", id, "assessments"] => {
                push(self.genai.traces.get_mut(id), "assessments", &body["assessment"])
            }
            ["datasets", ..] => self.genai.datasets(&parts[1..], body),
            ["scorers", "register"] => {
                self.genai.scorers.push(body.clone());
                reply(json!({}))
            }
            ["scorers", "versions"] => {
                let name = query("name");
                let own = self
                    .genai
                    .scorers
                    .iter()
                    .filter(|scorer| scorer["name"] == name.as_str());
                let own = own.enumerate().map(|(at, scorer)| {
                    json!({"scorer_version": at + 1, "serialized_scorer": scorer["serialized_scorer"]})
                });
                reply(json!({"scorers": own.collect::<Vec<_>>()}))
            }
            ["experiments", "set-experiment-tag"] => tag(&mut self.experiments, &["experiment_id"], body),
            ["registered-models", "set-tag"] => tag(&mut self.registry.models, &["name"], body),
            ["model-versions", "set-tag"] => tag(&mut self.registry.versions, &["name", "version"], body),
            ["registered-models", "update"] => set(
                &mut self.registry.models,
                &["name"],
                body,
                "description",
                &body["description"],
            ),
            ["model-versions", "update"] => set(
                &mut self.registry.versions,
                &["name", "version"],
                body,
                "description",
                &body["description"],
            ),
            ["model-versions", "transition-stage"] => set(
                &mut self.registry.versions,
                &["name", "version"],
                body,
                "current_stage",
                &body["stage"],
            ),
            ["runs", "log-inputs" | "outputs"] => reply(json!({})),
            _ if request.path() == "/v1/traces" => reply(json!({})),
            _ => not_found(),
        }
    }
}

impl Genai {
    fn logged_models(&mut self, parts: &[&str], request: &Received, body: &Value) -> Answer {
        match (parts, request.method.as_str()) {
            ([], _) => {
                let id = format!("m-{:032x}", self.models.len() + 1);
                let info = json!({
                    "model_id": id, "name": body["name"], "tags": body["tags"], "status": "LOGGED_MODEL_PENDING",
                    "source_run_id": body["source_run_id"], "artifact_uri": format!("mlflow-artifacts:/1/models/{id}/artifacts"),
                });
                let model = json!({"info": info, "data": {"params": body["params"]}});
                self.models.insert(id, model.clone());
                reply(json!({"model": model}))
            }
            (["search"], _) => {
                let found = self.models.values();
                let found = found.filter(|model| is_marked(&model["info"]["tags"], &body["filter"]));
                reply(json!({"models": found.collect::<Vec<_>>()}))
            }
            ([id], method) => {
                let Some(model) = self.models.get_mut(*id) else {
                    return not_found();
                };
                if method == "PATCH" {
                    model["info"]["status"] = body["status"].clone();
                }
                reply(json!({"model": model}))
            }
            ([id, list], _) => {
                let Some(model) = self.models.get_mut(*id) else {
                    return not_found();
                };
                let part = if *list == "tags" { "info" } else { "data" };
                let new = body[*list].as_array().unwrap().clone();
                model[part][*list].as_array_mut().unwrap().extend(new);
                reply(json!({}))
            }
            _ => not_found(),
        }
    }

    /// Makes a trace; once more merges.
    fn trace(&mut self, body: &Value) -> Answer {
        let info = &body["trace"]["trace_info"];
        let id = info["trace_id"].as_str().unwrap();
        let trace = self.traces.entry(id.to_owned()).or_insert_with(|| {
            json!({"tags": {"mlflow.artifactLocation": format!("mlflow-artifacts:/1/traces/{id}/artifacts")}})
        });
        for (field, value) in info.as_object().unwrap() {
            match value.as_object() {
                Some(texts) => {
                    for (key, text) in texts {
                        trace[field][key] = text.clone();
                    }
                }
                None => trace[field] = value.clone(),
            }
        }
        reply(json!({"trace": {"trace_info": trace}}))
    }

    fn datasets(&mut self, parts: &[&str], body: &Value) -> Answer {
        match parts {
            ["create"] => {
                let id = format!("d-{:032x}", self.datasets.len() + 1);
                let mut dataset = body.clone();
                dataset["dataset_id"] = id.into();
                self.datasets.push(dataset.clone());
                reply(json!({"dataset": dataset}))
            }
            ["search"] => reply(json!({"datasets": self.datasets})),
            [id, "tags"] => {
                let texts = |value: &Value| -> serde_json::Map<String, Value> {
                    serde_json::from_str(value.as_str().unwrap()).unwrap()
                };
                let mut datasets = self.datasets.iter_mut();
                let found = datasets.find(|dataset| dataset["dataset_id"] == *id).unwrap();
                let mut tags = texts(&found["tags"]);
                tags.extend(texts(&body["tags"]));
                found["tags"] = Value::from(Value::Object(tags).to_string());
                reply(json!({}))
            }
            _ => reply(json!({})),
        }
    }
}

fn push(into: Option<&mut Value>, list: &str, item: &Value) -> Answer {
    let Some(into) = into else { return not_found() };
    match into[list].as_array_mut() {
        Some(items) => items.push(item.clone()),
        None => into[list] = json!([item]),
    }
    reply(json!({}))
}

/// Sets a field of the object that agrees with a call in some fields.
fn set(objects: &mut [Value], fields: &[&str], body: &Value, field: &str, value: &Value) -> Answer {
    let mut objects = objects.iter_mut();
    let found = objects.find(|object| fields.iter().all(|field| object[*field] == body[*field]));
    found.map_or_else(not_found, |object| {
        object[field] = value.clone();
        reply(json!({}))
    })
}

/// Sets a tag of the object that agrees with a call in some fields.
fn tag(objects: &mut [Value], fields: &[&str], body: &Value) -> Answer {
    let mut objects = objects.iter_mut();
    let found = objects.find(|object| fields.iter().all(|field| object[*field] == body[*field]));
    push(
        found,
        "tags",
        &json!({"key": body["key"], "value": body["value"]}),
    )
}
