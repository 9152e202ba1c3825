//! Source tags of kinds that mlflow-export-import gives none: after its pattern, `mlflow_exim.field.*` from the fields that say what an
//! object is, and `mlflow_exim.mlflow_tag.*` from its system tags.

use super::lay;
use crate::archive::Archive;
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::lang::exim::tags::rules::{PREFIX_FIELD, PREFIX_MLFLOW_TAG};
use crate::model::Text;
use crate::model::named::named;
use crate::model::registry::PROMPT_TAG;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

named! {
    serialized
    /// Kinds of object that get source tags where they are asked for.
    pub enum Beyond {
        /// Registered models.
        RegisteredModels = "registered-models",
        /// Logged models.
        LoggedModels = "logged-models",
        /// Traces.
        Traces = "traces",
        /// Prompts and their versions.
        Prompts = "prompts",
        /// Evaluation datasets.
        EvaluationDatasets = "evaluation-datasets",
    }
}

/// The text of a prompt is what it says, not where it came from.
const PROMPT_TEXT: &str = "mlflow.prompt.text";
const SYSTEM_PREFIX: &str = "mlflow.";

impl Beyond {
    /// What a line is, where mlflow-export-import gives it no tags.
    fn of(kind: Kind, line: &Value) -> Option<Self> {
        let is_prompt = || {
            line["tags"][PROMPT_TAG]
                .as_str()
                .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        };
        match kind {
            Kind::RegisteredModels if is_prompt() => Some(Beyond::Prompts),
            Kind::RegisteredModels => Some(Beyond::RegisteredModels),
            Kind::ModelVersions => is_prompt().then_some(Beyond::Prompts),
            Kind::LoggedModels => Some(Beyond::LoggedModels),
            Kind::Traces => Some(Beyond::Traces),
            Kind::EvaluationDatasets => Some(Beyond::EvaluationDatasets),
            _ => None,
        }
    }

    /// Kinds of line that it is about.
    fn kinds(self) -> &'static [Kind] {
        match self {
            Beyond::RegisteredModels => &[Kind::RegisteredModels],
            Beyond::LoggedModels => &[Kind::LoggedModels],
            Beyond::Traces => &[Kind::Traces],
            Beyond::Prompts => &[Kind::RegisteredModels, Kind::ModelVersions],
            Beyond::EvaluationDatasets => &[Kind::EvaluationDatasets],
        }
    }
}

/// Fields that tell where an object came from.
fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::RegisteredModels => &[
            "name",
            "creation_timestamp",
            "last_updated_timestamp",
            "description",
            "workspace",
        ],
        Kind::ModelVersions => &[
            "name",
            "version",
            "creation_timestamp",
            "last_updated_timestamp",
            "description",
            "user_id",
            "workspace",
        ],
        Kind::LoggedModels => &[
            "model_id",
            "experiment_id",
            "name",
            "artifact_uri",
            "creation_timestamp_ms",
            "last_updated_timestamp_ms",
            "status",
            "status_message",
            "lifecycle_stage",
            "model_type",
            "source_run_id",
        ],
        Kind::Traces => &[
            "trace_id",
            "experiment_id",
            "client_request_id",
            "request_time",
            "execution_duration",
            "state",
        ],
        Kind::EvaluationDatasets => &[
            "dataset_id",
            "name",
            "digest",
            "created_time",
            "last_update_time",
            "created_by",
            "last_updated_by",
            "workspace",
        ],
        _ => &[],
    }
}

/// Source tags of kinds that mlflow-export-import leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceTagsBeyond {
    /// Which kinds.
    pub kinds: Vec<Beyond>,
}

impl SourceTagsBeyond {
    /// Reads names of kinds, with commas between them, or `all`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            let kinds = Beyond::ALL.to_vec();
            return Some(SourceTagsBeyond { kinds });
        }
        let named = |name: &str| Beyond::deserialize(Value::from(name)).ok();
        let kinds = text.split(',').map(named).collect::<Option<Vec<_>>>()?;
        Some(SourceTagsBeyond { kinds })
    }

    pub(in super::super) fn plan(&self, view: &View<'_>) -> Box<dyn Step> {
        let mut kinds: Vec<Kind> = self.kinds.iter().flat_map(|kind| kind.kinds()).copied().collect();
        kinds.sort();
        kinds.dedup();
        Box::new(BeyondStep {
            archive: view.archive().clone(),
            wanted: self.kinds.clone(),
            kinds,
        })
    }
}

struct BeyondStep {
    archive: Archive,
    wanted: Vec<Beyond>,
    kinds: Vec<Kind>,
}

impl Step for BeyondStep {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let kind = line.kind();
        if Beyond::of(kind, line.value()).is_some_and(|found| self.wanted.contains(&found)) {
            let tags = tags(kind, line.value());
            lay(&self.archive, line, &tags)?;
        }
        Ok(Fate::Kept)
    }
}

/// The source tags of a line. A text that stands as a blob is the same blob in its tag.
fn tags(kind: Kind, line: &Value) -> Vec<(String, Text)> {
    let field = |name: &&str| {
        let value = match &line[*name] {
            Value::Number(number) => number.to_string().into(),
            value => Text::deserialize(value).ok()?,
        };
        Some((format!("{PREFIX_FIELD}{name}"), value))
    };
    let system = line["tags"].as_object().into_iter().flatten();
    let system = system.filter(|(key, _)| key.starts_with(SYSTEM_PREFIX) && *key != PROMPT_TEXT);
    let system = system.filter_map(|(key, value)| {
        let value = Text::deserialize(value).ok()?;
        Some((
            format!("{PREFIX_MLFLOW_TAG}{}", key.replace(SYSTEM_PREFIX, "")),
            value,
        ))
    });
    system.chain(fields(kind).iter().filter_map(field)).collect()
}
