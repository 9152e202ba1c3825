//! Objects of each kind: their order, what they refer to, and what must be ordered within them.

use super::artifacts;
use super::check::Check;
use super::metrics::{self, MetricSlices};
use super::parts::PartLines;
use super::place::Place;
use super::references::{Id, Need};
use crate::format::{FindingCode as Code, Kind, Object, SortKey, each_object, order};
use crate::model::metric::MetricSlice;
use crate::model::run::PARENT_TAG;
use crate::model::{
    Dataset, EvaluationDataset, Experiment, LoggedModel, ModelMetricSlice, ModelVersion, RegisteredModel,
    Run, Span, TextMap, Trace,
};

/// Metadata that names the run a trace was made in.
const SOURCE_RUN: &str = "mlflow.sourceRun";

/// Checks the lines of every kind.
pub(super) fn check_all(check: &mut Check<'_>) {
    for &kind in Kind::ALL {
        match kind {
            Kind::Experiments => each(check, experiment),
            Kind::Runs => runs(check),
            // With their runs.
            Kind::Metrics => {}
            Kind::Datasets => each(check, dataset),
            Kind::LoggedModels => each(check, logged_model),
            Kind::ModelMetrics => metrics::check_rest::<ModelMetricSlice>(check),
            Kind::RegisteredModels => each(check, registered_model),
            Kind::ModelVersions => each(check, model_version),
            Kind::Traces => each(check, trace),
            Kind::Spans => spans(check),
            Kind::EvaluationDatasets => each(check, evaluation_dataset),
            Kind::Artifacts => artifacts::check(check),
            _ => plain(check, kind),
        }
    }
}

macro_rules! objects {
    ($($kind:ident $type:ident $(.$inside:ident)? [$($id:tt)*] [$($key:tt)*];)*) => {
        /// Checks the lines of a kind of which nothing else is asked.
        fn plain(check: &mut Check<'_>, kind: Kind) {
            match kind {
                $(Kind::$kind => each(check, |_, _: &crate::model::$type, _| ()),)*
                Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::Artifacts => {}
            }
        }
    };
}

each_object!(objects);

/// Checks the lines of a kind whose order their own keys tell.
fn each<T: Object>(check: &mut Check<'_>, visit: impl Fn(&mut Check<'_>, &T, Place)) {
    each_with(check, |check, object, place| visit(check, object, place));
}

fn each_with<'t, T: Object>(check: &mut Check<'t>, mut visit: impl FnMut(&mut Check<'t>, &T, Place)) {
    let mut lines = PartLines::of_kind(check, T::KIND);
    let mut last: Option<SortKey> = None;
    while let Some(place) = lines.next(check) {
        let Some(object) = check.parse::<T>(lines.line(), place) else {
            continue;
        };
        let key = object.sort_key();
        match &last {
            Some(last) if *last == key => {
                let message = format_args!("{} `{}` appears twice", T::KIND, object.id());
                check.findings.error(Code::Duplicate, place, message);
            }
            Some(last) if *last > key => {
                let message = format_args!("{} `{}` is out of order", T::KIND, object.id());
                check.findings.error(Code::Order, place, message);
            }
            _ => {}
        }
        last = Some(key);
        check.object(&object, place);
        visit(check, &object, place);
    }
}

fn runs(check: &mut Check<'_>) {
    let mut slices = MetricSlices::<MetricSlice>::open(check);
    each_with(check, |check, object: &Run, place| {
        run(check, object, place);
        let latest = slices.of_owner(check, &object.info.run_id);
        metrics::check_latest(check, object, &latest, place);
    });
    slices.finish(check);
}

fn text_of<'m>(map: &'m TextMap, key: &str) -> Option<&'m str> {
    map.get(key).and_then(|text| text.as_str())
}

fn to_run(check: &mut Check<'_>, run_id: Option<&str>, place: Place) {
    if let Some(run_id) = run_id.filter(|id| !id.is_empty()) {
        check.refer(Id::new(Kind::Runs, run_id), Need::Tolerated, place);
    }
}

fn to_model(check: &mut Check<'_>, model_id: Option<&str>, place: Place) {
    if let Some(model_id) = model_id.filter(|id| !id.is_empty()) {
        check.refer(Id::new(Kind::LoggedModels, model_id), Need::Tolerated, place);
    }
}

fn experiment(check: &mut Check<'_>, object: &Experiment, place: Place) {
    check.define(Id::new(Kind::Experiments, &object.experiment_id), place);
}

fn run(check: &mut Check<'_>, object: &Run, place: Place) {
    let info = &object.info;
    check.define(Id::new(Kind::Runs, &info.run_id), place);
    to_run(check, text_of(&object.tags, PARENT_TAG), place);
    let (inputs, outputs) = (&object.inputs, &object.outputs.model_outputs);
    for input in &inputs.dataset_inputs {
        let id = dataset_id(&info.experiment_id, &input.name, &input.digest);
        let text = format!("{} {}", input.name, input.digest);
        check.refer(
            Id {
                kind: Kind::Datasets,
                key: id,
                text: &text,
            },
            Need::Required,
            place,
        );
    }
    let models = inputs.model_inputs.iter().map(|input| &input.model_id);
    for model_id in models.chain(outputs.iter().map(|output| &output.model_id)) {
        to_model(check, Some(model_id), place);
    }
}

fn dataset_id(experiment_id: &str, name: &str, digest: &str) -> SortKey {
    SortKey::new().text(experiment_id).text(name).text(digest)
}

fn dataset(check: &mut Check<'_>, object: &Dataset, place: Place) {
    let key = dataset_id(&object.experiment_id, &object.name, &object.digest);
    check.define(
        Id {
            kind: Kind::Datasets,
            key,
            text: &object.id(),
        },
        place,
    );
}

fn logged_model(check: &mut Check<'_>, object: &LoggedModel, place: Place) {
    check.define(Id::new(Kind::LoggedModels, &object.model_id), place);
    to_run(check, object.source_run_id.as_deref(), place);
}

fn registered_model(check: &mut Check<'_>, object: &RegisteredModel, place: Place) {
    let key = order::registered_model(object.workspace.as_deref(), &object.name);
    check.define(
        Id {
            kind: Kind::RegisteredModels,
            key,
            text: &object.name,
        },
        place,
    );
    for version in object.aliases.values() {
        let text = format!("{}/{version}", object.name);
        check.refer(Id::new(Kind::ModelVersions, &text), Need::Tolerated, place);
    }
}

fn model_version(check: &mut Check<'_>, object: &ModelVersion, place: Place) {
    check.define(Id::new(Kind::ModelVersions, &object.id()), place);
    to_run(check, object.run_id.as_deref(), place);
    to_model(check, object.model_id.as_deref(), place);
}

fn trace(check: &mut Check<'_>, object: &Trace, place: Place) {
    check.define(Id::new(Kind::Traces, &object.trace_id), place);
    to_run(check, text_of(&object.trace_metadata, SOURCE_RUN), place);
    for run_id in &object.linked_runs {
        to_run(check, Some(run_id), place);
    }
}

/// Spans follow their traces; within one they are ordered by start, then id.
fn spans(check: &mut Check<'_>) {
    let mut lines = PartLines::of_kind(check, Kind::Spans);
    let mut last: Option<(String, SortKey)> = None;
    while let Some(place) = lines.next(check) {
        let Some(span) = check.parse::<Span>(lines.line(), place) else {
            continue;
        };
        let key = order::span(&SortKey::new(), span.start_time_unix_nano, &span.span_id);
        match &last {
            Some((trace_id, last)) if *trace_id == span.trace_id => {
                if *last == key {
                    let message = format_args!("span `{}` appears twice", span.span_id);
                    check.findings.error(Code::Duplicate, place, message);
                } else if *last > key {
                    let message = format_args!("span `{}` is out of order", span.span_id);
                    check.findings.error(Code::Order, place, message);
                }
            }
            _ => check.follow(Id::new(Kind::Traces, &span.trace_id), Kind::Spans, place),
        }
        check.object(&span, place);
        last = Some((span.trace_id, key));
    }
}

fn evaluation_dataset(check: &mut Check<'_>, object: &EvaluationDataset, place: Place) {
    check.define(Id::new(Kind::EvaluationDatasets, &object.dataset_id), place);
    for experiment_id in &object.experiment_ids {
        check.refer(Id::new(Kind::Experiments, experiment_id), Need::Tolerated, place);
    }
}
