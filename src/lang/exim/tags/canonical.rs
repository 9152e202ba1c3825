//! The dicts that the newest mlflow-export-import with MLflow 3.18 would have exported, made from an archive's lines.
//!
//! They hold every key of such an export: null where MLflow's client has nothing, an empty string where a server's
//! answer reads as one. An object that came from another export keeps that export's dict in its `exim` field,
//! and the rules read that instead ([`experiment_source`], [`run_source`], [`version_source`]).

use super::rules::{
    Overlay, experiment_line_overlay, experiment_overlay, run_line_overlay, run_overlay, version_overlay,
};
use crate::lang::exim::dict::Dict;
use crate::model::DEFAULT_WORKSPACE;
use crate::model::pyjson::{PyJson, PyJsonError};
use crate::model::{Experiment, ModelVersion, Run, TextMap};

/// What the export of a model version says of other objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionContext {
    /// The version's aliases, sorted.
    pub aliases: Vec<String>,
    /// `artifact_uri` of the version's run, where the archive has the run.
    pub run_artifact_uri: Option<String>,
    /// Name of that run's experiment, where the archive has it.
    pub experiment_name: Option<String>,
}

/// The source tags of an experiment's line.
///
/// # Errors
/// The line's `exim` text is not JSON.
pub fn experiment_source(experiment: &Experiment) -> Result<Overlay, PyJsonError> {
    match &experiment.exim {
        Some(text) => Ok(experiment_overlay(&PyJson::parse(text.as_bytes())?)),
        None => Ok(experiment_line_overlay(
            &experiment_dict(experiment),
            &experiment.tags,
        )),
    }
}

/// The source tags of a run's line; its `exim` is `{"info": …}`, with `"tags"` where their order matters.
///
/// # Errors
/// The line's `exim` text is not JSON.
pub fn run_source(run: &Run) -> Result<Overlay, PyJsonError> {
    let Some(text) = &run.exim else {
        return Ok(run_line_overlay(&run_info_dict(run), &run.tags));
    };
    let exported = PyJson::parse(text.as_bytes())?;
    let info = exported.get("info").unwrap_or(&PyJson::Null);
    Ok(match exported.get("tags") {
        Some(tags) => run_overlay(info, tags),
        None => run_line_overlay(info, &run.tags),
    })
}

/// The source tags of a model version's line.
///
/// # Errors
/// The line's `exim` text is not JSON.
pub fn version_source(version: &ModelVersion, context: &VersionContext) -> Result<Overlay, PyJsonError> {
    match &version.exim {
        Some(text) => Ok(version_overlay(&PyJson::parse(text.as_bytes())?)),
        None => Ok(version_overlay(&version_dict(version, context))),
    }
}

/// The exported dict of an experiment.
pub fn experiment_dict(experiment: &Experiment) -> PyJson {
    let created = nonzero(experiment.creation_time);
    let updated = nonzero(experiment.last_update_time);
    let mut dict = Dict::default();
    dict.put("experiment_id", experiment.experiment_id.as_str());
    dict.put("name", experiment.name.as_str());
    dict.put(
        "artifact_location",
        or_empty(experiment.artifact_location.as_deref()),
    );
    dict.put("lifecycle_stage", experiment.lifecycle_stage.as_str());
    dict.put("tags", tags_dict(&experiment.tags));
    dict.put("creation_time", created);
    dict.put("last_update_time", updated);
    dict.put("workspace", workspace(experiment.workspace.as_deref()));
    dict.put("trace_location", PyJson::Null);
    dict.put("effective_trace_archival_retention", PyJson::Null);
    dict.put_time("_creation_time", created);
    dict.put_time("_last_update_time", updated);
    dict.finish()
}

/// The name that MLflow 3.18 shows of a run: stores of MLflow 1.x have it in a tag alone.
pub fn shown_run_name(run: &Run) -> Option<&str> {
    let stored = run.info.run_name.as_deref();
    let of_tag = || {
        run.tags
            .get("mlflow.runName")?
            .as_str()
            .filter(|name| !name.is_empty())
    };
    stored.filter(|name| !name.is_empty()).or_else(of_tag).or(stored)
}

/// The exported `info` dict of a run.
pub fn run_info_dict(run: &Run) -> PyJson {
    let info = &run.info;
    let start = info.start_time.unwrap_or(0);
    let end = nonzero(info.end_time);
    let mut dict = Dict::default();
    dict.put("run_id", info.run_id.as_str());
    dict.put("experiment_id", info.experiment_id.as_str());
    dict.put("user_id", or_empty(info.user_id.as_deref()));
    dict.put("status", info.status.as_str());
    dict.put("start_time", start);
    dict.put("end_time", end);
    dict.put("lifecycle_stage", info.lifecycle_stage.as_str());
    dict.put("artifact_uri", or_empty(info.artifact_uri.as_deref()));
    dict.put("run_name", shown_run_name(run).map_or(PyJson::Null, PyJson::from));
    dict.put_time("_end_time", end);
    dict.put_time("_start_time", Some(start));
    dict.finish()
}

/// The exported dict of a model version.
pub fn version_dict(version: &ModelVersion, context: &VersionContext) -> PyJson {
    let created = version.creation_timestamp.unwrap_or(0);
    let updated = version.last_updated_timestamp.unwrap_or(0);
    let aliases = context.aliases.iter().map(|alias| alias.as_str().into());
    let status_message = version.status_message.as_deref().filter(|text| !text.is_empty());
    let mut dict = Dict::default();
    dict.put("name", version.name.as_str());
    dict.put("version", version.version.to_string());
    dict.put("creation_timestamp", created);
    dict.put("last_updated_timestamp", updated);
    dict.put("description", version.description.as_deref());
    dict.put("user_id", or_empty(version.user_id.as_deref()));
    dict.put("current_stage", or_empty(version.current_stage.as_deref()));
    dict.put("source", or_empty(version.source.as_deref()));
    dict.put("run_id", version.run_id.as_deref());
    dict.put("run_link", or_empty(version.run_link.as_deref()));
    dict.put("status", version.status.as_deref().unwrap_or("READY"));
    dict.put("status_message", status_message);
    dict.put("tags", tags_dict(&version.tags));
    dict.put("aliases", PyJson::List(aliases.collect()));
    // The client does not read these three from a server, even where MLflow knows a model id.
    dict.put("model_id", PyJson::Null);
    dict.put("params", PyJson::Null);
    dict.put("metrics", PyJson::Null);
    dict.put("deployment_job_state", "None");
    dict.put("workspace", workspace(version.workspace.as_deref()));
    dict.put_some("_run_artifact_uri", context.run_artifact_uri.as_deref());
    dict.put_some("_experiment_name", context.experiment_name.as_deref());
    dict.put_time("_last_updated_timestamp", Some(updated));
    dict.put_time("_creation_timestamp", Some(created));
    dict.finish()
}

/// Tags as the exporter writes them: sorted by key; bytes that are not UTF-8 become replacement characters.
pub fn tags_dict(tags: &TextMap) -> PyJson {
    let entries = tags.iter().map(|(key, value)| {
        let value = PyJson::from(value.to_display().into_owned());
        (key.clone(), value)
    });
    PyJson::Dict(entries.collect())
}

fn nonzero(time: Option<i64>) -> Option<i64> {
    time.filter(|&millis| millis != 0)
}

fn or_empty(text: Option<&str>) -> &str {
    text.unwrap_or_default()
}

fn workspace(name: Option<&str>) -> &str {
    name.unwrap_or(DEFAULT_WORKSPACE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunInfo;

    fn value<'a>(overlay: &'a Overlay, key: &str) -> Option<&'a str> {
        let found = overlay.tags().iter().find(|(name, _)| name == key);
        found.and_then(|(_, value)| value.as_str())
    }

    fn run() -> Run {
        let mut run = Run {
            info: RunInfo {
                run_id: "r".to_owned(),
                status: "RUNNING".to_owned(),
                start_time: Some(1_670_836_055_960),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        run.tags.insert("mlflow.a.mlflow.b".to_owned(), "greater".into());
        run.tags.insert("mlflow.a.b".to_owned(), "lesser".into());
        run
    }

    #[test]
    fn a_run_without_an_end_has_none_as_text() {
        let overlay = run_source(&run()).expect("there is no exim text");
        assert_eq!(value(&overlay, "mlflow_exim.run_info.end_time"), Some("None"));
        assert_eq!(value(&overlay, "mlflow_exim.run_info._end_time"), Some("None"));
        assert_eq!(
            value(&overlay, "mlflow_exim.run_info._start_time"),
            Some("2022-12-12 09:07:36")
        );
    }

    #[test]
    fn of_colliding_keys_the_greater_wins_unless_exim_holds_the_order() {
        let mut run = run();
        let key = "mlflow_exim.mlflow_tag.a.b";
        let overlay = run_source(&run).expect("there is no exim text");
        assert_eq!(value(&overlay, key), Some("greater"));

        let text = r#"{"info":{},"tags":{"mlflow.a.mlflow.b":"greater","mlflow.a.b":"lesser"}}"#;
        run.exim = Some(text.to_owned());
        let overlay = run_source(&run).expect("the exim text parses");
        assert_eq!(value(&overlay, key), Some("lesser"));
        assert_eq!(value(&overlay, "mlflow_exim.run_info.run_id"), None);
    }

    #[test]
    fn a_version_has_the_keys_of_an_export_of_mlflow_3_18() {
        let version = ModelVersion {
            version: 3,
            ..ModelVersion::default()
        };
        let context = VersionContext {
            run_artifact_uri: Some("s3://b/r/artifacts".to_owned()),
            ..VersionContext::default()
        };
        let overlay = version_source(&version, &context).expect("there is no exim text");
        let printed = |key: &str| value(&overlay, &format!("mlflow_exim.field.{key}"));
        assert_eq!(printed("version"), Some("3"));
        assert_eq!(printed("model_id"), Some("None"));
        assert_eq!(printed("aliases"), Some("[]"));
        assert_eq!(printed("deployment_job_state"), Some("None"));
        assert_eq!(printed("_run_artifact_uri"), Some("s3://b/r/artifacts"));
        assert_eq!(printed("_experiment_name"), None);
        assert_eq!(overlay.notices().len(), 2);
    }

    #[test]
    fn an_experiment_from_exim_has_no_more_keys_than_its_export() {
        let mut experiment = Experiment {
            name: "now".to_owned(),
            ..Experiment::default()
        };
        experiment.exim = Some(r#"{"name":"then","creation_time":1500,"tags":{}}"#.to_owned());
        let overlay = experiment_source(&experiment).expect("the exim text parses");
        let keys: Vec<_> = overlay.tags().iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "mlflow_exim.field.name",
                "mlflow_exim.field.creation_time",
                "mlflow_exim.field._creation_time"
            ]
        );
        assert_eq!(value(&overlay, "mlflow_exim.field.name"), Some("then"));
    }
}
