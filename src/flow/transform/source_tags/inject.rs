//! Source tags as a step: what each experiment, run and model version gets.

use super::lay;
use crate::archive::{Archive, blob_reference};
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::typed::{typed, typed_run};
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::lang::exim::tags::canonical::{VersionContext, experiment_source, run_source, version_source};
use crate::lang::exim::tags::rules::Overlay;
use crate::lang::exim::tags::version_facts::VersionContexts;
use crate::model::pyjson::PyJsonError;
use crate::model::registry::is_prompt;
use crate::model::{Experiment, ModelVersion, RunInfo};
use serde_json::Value;

/// Kinds of object that get source tags.
const KINDS: [Kind; 3] = [Kind::Experiments, Kind::Runs, Kind::ModelVersions];

/// Lays source tags over objects.
pub(super) struct SourceTagsStep {
    archive: Archive,
    contexts: VersionContexts,
}

impl SourceTagsStep {
    pub(super) fn plan(view: &View<'_>) -> Result<Self> {
        let archive = view.archive().clone();
        let read = [
            Kind::Experiments,
            Kind::Runs,
            Kind::RegisteredModels,
            Kind::ModelVersions,
        ];
        let contexts = if read.iter().any(|&kind| view.is_edited(kind)) {
            contexts_of(view)?
        } else {
            VersionContexts::collect(&archive)?
        };
        Ok(SourceTagsStep { archive, contexts })
    }

    fn overlay(&self, line: &mut EditedLine) -> Result<Overlay> {
        let (archive, kind) = (&self.archive, line.kind());
        let overlay = match kind {
            Kind::Experiments => experiment_source(&typed::<Experiment>(archive, line.value())?),
            Kind::Runs => run_source(&typed_run(archive, line.borrow_mut())?),
            _ => {
                let version: ModelVersion = typed(archive, line.value())?;
                let context: VersionContext = self.contexts.of(&version);
                match is_prompt(&version.tags) {
                    true => Ok(Overlay::default()),
                    false => version_source(&version, &context),
                }
            }
        };
        overlay.map_err(exim_error(kind, line.id()))
    }
}

/// What versions need of other objects, as earlier edits leave these.
fn contexts_of(view: &View<'_>) -> Result<VersionContexts> {
    let archive = view.archive();
    let mut contexts = VersionContexts::default();
    view.for_each_placed(Kind::ModelVersions, |_, line| {
        contexts.want(typed(archive, &line)?);
        Ok(())
    })?;
    view.for_each_placed(Kind::RegisteredModels, |_, line| {
        contexts.add_model(typed(archive, &line)?);
        Ok(())
    })?;
    view.for_each_placed(Kind::Runs, |_, line| {
        let info: RunInfo = typed(archive, &line["info"])?;
        contexts.add_run(&info);
        Ok(())
    })?;
    view.for_each_placed(Kind::Experiments, |_, line| {
        contexts.add_experiment(typed(archive, &line)?);
        Ok(())
    })?;
    Ok(contexts)
}

impl Step for SourceTagsStep {
    fn looks_at(&self, kind: Kind) -> bool {
        KINDS.contains(&kind)
    }

    fn reads_text(&self, kind: Kind, path: &[&str], text: &Value) -> bool {
        KINDS.contains(&kind) && !is_left(path, text)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let overlay = self.overlay(line)?;
        let kind = line.kind();
        lay(&self.archive, line, overlay.tags())?;
        for notice in overlay.notices() {
            line.notice(format!("{kind}: {notice}"));
        }
        Ok(Fate::Kept)
    }
}

/// Texts that the rules do not read: what their blobs hold stays there.
fn is_left(path: &[&str], text: &Value) -> bool {
    match path {
        ["params", _] => true,
        // The name of a run, where its info has none.
        ["tags", "mlflow.runName"] => false,
        // Rules copy the tags of MLflow: a reference as it is, bytes that are not UTF-8 as what people are shown.
        ["tags", key] => !key.starts_with("mlflow.") || blob_reference(text).is_some(),
        _ => false,
    }
}

fn exim_error(kind: Kind, id: String) -> impl FnOnce(PyJsonError) -> TransformError {
    move |source| TransformError::Exim {
        kind: kind.name(),
        id,
        source,
    }
}
