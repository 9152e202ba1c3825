//! What a line tells of its object's lineage. Texts are values here, since a long one is a reference to its blob.

use super::Relation;
use crate::archive::walk::{Cursor, each_line, text};
use crate::archive::{Archive, ArchiveError, Result};
use crate::format::Kind;
use crate::model::TextMap;
use crate::model::mask;
use crate::model::registry::is_prompt;
use crate::model::run::PARENT_TAG;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Kinds of object that a chain is made of.
pub(super) const KINDS: [Kind; 8] = [
    Kind::Experiments,
    Kind::Runs,
    Kind::Datasets,
    Kind::LoggedModels,
    Kind::RegisteredModels,
    Kind::ModelVersions,
    Kind::Traces,
    Kind::EvaluationDatasets,
];

/// Longer names and facts are cut: they are shown, and nothing is found by them.
const FACT_CHARACTERS: usize = 1000;

/// Tags of runs that say what code made them, and under which names they are told.
const CODE_TAGS: [(&str, &str); 5] = [
    ("mlflow.source.name", "source_name"),
    ("mlflow.source.type", "source_type"),
    ("mlflow.source.git.commit", "git_commit"),
    ("mlflow.source.git.branch", "git_branch"),
    ("mlflow.source.git.repoURL", "git_repository"),
];

/// Another object that an object came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) relation: Relation,
    pub(super) kind: Kind,
    pub(super) id: String,
    /// The other one came from this one.
    pub(super) is_reversed: bool,
}

/// What a line tells.
#[derive(Debug, Clone, Default)]
pub(super) struct LineFacts {
    pub(super) id: String,
    pub(super) workspace: Option<String>,
    pub(super) experiment_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) status: Option<String>,
    pub(super) start_time: Option<i64>,
    pub(super) end_time: Option<i64>,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) tags: TextMap,
    pub(super) links: Vec<Link>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawInfo {
    experiment_id: Value,
    run_name: Value,
    user_id: Value,
    status: Value,
    start_time: Value,
    end_time: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawInputs {
    dataset_inputs: Vec<RawDataset>,
    model_inputs: Vec<RawModel>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawOutputs {
    model_outputs: Vec<RawModel>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawDataset {
    name: Value,
    digest: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawModel {
    model_id: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawLine {
    info: RawInfo,
    inputs: RawInputs,
    outputs: RawOutputs,
    tags: TextMap,
    trace_metadata: TextMap,
    linked_runs: Vec<String>,
    linked_prompts: Vec<String>,
    aliases: BTreeMap<String, u64>,
    experiment_id: Value,
    name: Value,
    user_id: Value,
    created_by: Value,
    status: Value,
    state: Value,
    current_stage: Value,
    description: Value,
    source: Value,
    source_type: Value,
    source_run_id: Value,
    run_id: Value,
    model_id: Value,
    model_type: Value,
    digest: Value,
    creation_time: Value,
    creation_timestamp: Value,
    creation_timestamp_ms: Value,
    created_time: Value,
    request_time: Value,
    execution_duration: Value,
}

/// Hands what each line of a kind tells to `sink`.
pub(super) fn for_each(archive: &Archive, kind: Kind, mut sink: impl FnMut(LineFacts)) -> Result<()> {
    try_for_each(archive, kind, &mut |facts| {
        sink(facts);
        Ok(())
    })
}

/// As [`for_each`], and ends with the first error of `sink`.
pub(super) fn try_for_each<E: From<ArchiveError>>(
    archive: &Archive,
    kind: Kind,
    sink: &mut dyn FnMut(LineFacts) -> Result<(), E>,
) -> Result<(), E> {
    each_line(archive, kind, |cursor| sink(read(cursor, kind)?))
}

/// What the line at a cursor tells.
pub(super) fn read(cursor: &Cursor<'_>, kind: Kind) -> Result<LineFacts> {
    let (head, line): (_, RawLine) = (cursor.head(kind)?, cursor.parse()?);
    let mut facts = LineFacts {
        id: head.id(kind),
        workspace: shown(&head.workspace),
        name: shown(&line.name),
        status: shown(&line.status),
        ..LineFacts::default()
    };
    if kind != Kind::Experiments {
        facts.experiment_id = some(&line.experiment_id);
    }
    match kind {
        Kind::Runs => run(&line, &mut facts),
        Kind::LoggedModels => {
            facts.start_time = line.creation_timestamp_ms.as_i64();
            facts.link(Relation::MadeBy, Kind::Runs, text(&line.source_run_id));
            facts.fact("model_type", &line.model_type);
        }
        Kind::ModelVersions => version(&line, &mut facts),
        Kind::RegisteredModels => {
            facts.start_time = line.creation_timestamp.as_i64();
            let aliases = line
                .aliases
                .iter()
                .map(|(alias, version)| format!("{alias}={version}"));
            facts.insert("aliases", &aliases.collect::<Vec<_>>().join(" "));
        }
        Kind::Traces => trace(&line, &mut facts),
        Kind::Datasets => {
            facts.fact("digest", &line.digest);
            facts.fact("source_type", &line.source_type);
            facts.fact("source", &line.source);
        }
        Kind::Experiments => facts.start_time = line.creation_time.as_i64(),
        _ => {
            facts.start_time = line.created_time.as_i64();
            facts.user = shown(&line.created_by);
        }
    }
    if is_prompt(&line.tags) {
        facts.insert("type", "prompt");
    }
    facts.tags = line.tags;
    Ok(facts)
}

fn run(line: &RawLine, facts: &mut LineFacts) {
    let info = &line.info;
    facts.experiment_id = some(&info.experiment_id);
    let named = || line.tags.get("mlflow.runName")?.as_str().map(cut);
    facts.name = shown(&info.run_name).or_else(named);
    let tagged = || line.tags.get("mlflow.user")?.as_str().map(cut);
    facts.user = shown(&info.user_id).or_else(tagged);
    facts.status = shown(&info.status);
    (facts.start_time, facts.end_time) = (info.start_time.as_i64(), info.end_time.as_i64());
    if let Some(parent) = line.tags.get(PARENT_TAG).and_then(|text| text.as_str()) {
        facts.link(Relation::ChildOf, Kind::Runs, parent);
    }
    for dataset in &line.inputs.dataset_inputs {
        let [name, digest] = [&dataset.name, &dataset.digest].map(text);
        let id = format!("{}/{name}/{digest}", text(&info.experiment_id));
        facts.link(Relation::Read, Kind::Datasets, &id);
    }
    for model in &line.inputs.model_inputs {
        facts.link(Relation::Read, Kind::LoggedModels, text(&model.model_id));
    }
    for model in &line.outputs.model_outputs {
        facts.add_link(Relation::MadeBy, Kind::LoggedModels, text(&model.model_id), true);
    }
    for (key, name) in CODE_TAGS {
        if let Some(value) = line.tags.get(key).and_then(|text| text.as_str()) {
            facts.insert(name, &mask::redact(value));
        }
    }
}

fn version(line: &RawLine, facts: &mut LineFacts) {
    facts.name = None;
    facts.user = shown(&line.user_id);
    facts.start_time = line.creation_timestamp.as_i64();
    facts.link(Relation::VersionOf, Kind::RegisteredModels, text(&line.name));
    facts.link(Relation::MadeBy, Kind::Runs, text(&line.run_id));
    let source = text(&line.source);
    let of_source = source.strip_prefix("models:/").unwrap_or_default();
    let is_copy = of_source
        .rsplit_once('/')
        .is_some_and(|(_, version)| version.parse::<u64>().is_ok());
    if is_copy {
        facts.link(Relation::CopiedFrom, Kind::ModelVersions, of_source);
    }
    let by_source = Some(of_source).filter(|id| !is_copy && id.starts_with("m-"));
    let model_id = some(&line.model_id);
    facts.link(
        Relation::MadeOf,
        Kind::LoggedModels,
        model_id.as_deref().or(by_source).unwrap_or_default(),
    );
    if text(&line.current_stage) != "None" {
        facts.fact("stage", &line.current_stage);
    }
    facts.insert("source", &mask::redact(source));
}

fn trace(line: &RawLine, facts: &mut LineFacts) {
    facts.status = shown(&line.state);
    facts.start_time = line.request_time.as_i64();
    let duration = line.execution_duration.as_i64();
    facts.end_time = facts
        .start_time
        .zip(duration)
        .and_then(|(start, duration)| start.checked_add(duration));
    let metadata = |key: &str| line.trace_metadata.get(key).and_then(|text| text.as_str());
    let made_by = metadata("mlflow.sourceRun");
    facts.link(Relation::MadeBy, Kind::Runs, made_by.unwrap_or_default());
    for run_id in line.linked_runs.iter().filter(|&id| Some(id.as_str()) != made_by) {
        facts.link(Relation::LinkedTo, Kind::Runs, run_id);
    }
    let model_id = metadata("mlflow.modelId").unwrap_or_default();
    facts.link(Relation::MadeBy, Kind::LoggedModels, model_id);
    for prompt in &line.linked_prompts {
        facts.link(Relation::Read, Kind::ModelVersions, prompt);
    }
}

impl LineFacts {
    fn link(&mut self, relation: Relation, kind: Kind, id: &str) {
        self.add_link(relation, kind, id, false);
    }

    fn add_link(&mut self, relation: Relation, kind: Kind, id: &str, is_reversed: bool) {
        if !id.is_empty() {
            self.links.push(Link {
                relation,
                kind,
                id: id.to_owned(),
                is_reversed,
            });
        }
    }

    fn fact(&mut self, name: &str, value: &Value) {
        self.insert(name, text(value));
    }

    fn insert(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.facts.insert(name.to_owned(), cut(value));
        }
    }
}

fn some(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn shown(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(cut)
}

fn cut(text: &str) -> String {
    crate::report::text::shortened(text, FACT_CHARACTERS).into_owned()
}
