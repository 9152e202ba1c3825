//! Of which object a row is, and of which field: for what is said of it.

use super::rows::Target;
use crate::format::Kind;
use crate::lang::sql::database::Cell;

/// What columns of a table say of the object.
struct Facts {
    kind: Kind,
    /// Columns whose values make its id.
    id: &'static [usize],
    /// The field whose keys stand in a column, and that column.
    map: Option<(&'static str, usize)>,
    /// Columns of keys, which cannot be cut.
    keys: &'static [usize],
}

const fn facts(
    kind: Kind,
    id: &'static [usize],
    map: Option<(&'static str, usize)>,
    keys: &'static [usize],
) -> Facts {
    Facts { kind, id, map, keys }
}

impl Target {
    fn facts(self) -> Facts {
        use Kind::{
            DatasetRecords, EvaluationDatasets, Experiments, LoggedModels, ModelVersions, RegisteredModels,
            Runs, Traces,
        };
        match self {
            Target::Workspaces => facts(Kind::Workspaces, &[0], None, &[0]),
            Target::Experiments => facts(Experiments, &[0], None, &[0, 1, 2]),
            Target::ExperimentTags => facts(Experiments, &[0], Some(("tags", 1)), &[1]),
            Target::Datasets => facts(Kind::Datasets, &[1, 2, 3], None, &[2, 3]),
            Target::Runs => facts(Runs, &[0], None, &[0]),
            Target::Params => facts(Runs, &[0], Some(("params", 1)), &[0, 1]),
            Target::Tags => facts(Runs, &[0], Some(("tags", 1)), &[0, 1]),
            Target::Metrics => facts(Kind::Metrics, &[0], Some(("", 1)), &[0, 1]),
            Target::LatestMetrics => facts(Runs, &[0], Some(("metrics", 1)), &[0, 1]),
            Target::LoggedModels => facts(LoggedModels, &[0], None, &[0]),
            Target::LoggedModelParams => facts(LoggedModels, &[0], Some(("params", 1)), &[0, 1]),
            Target::LoggedModelTags => facts(LoggedModels, &[0], Some(("tags", 1)), &[0, 1]),
            Target::LoggedModelMetrics => facts(Kind::ModelMetrics, &[0], Some(("", 1)), &[0, 1, 5]),
            Target::Inputs => facts(Runs, &[2], None, &[0, 1, 2, 3, 4]),
            Target::InputTags => facts(Runs, &[0], Some(("inputs", 1)), &[0, 1]),
            Target::RegisteredModels => facts(RegisteredModels, &[1], None, &[0, 1]),
            Target::RegisteredModelTags => facts(RegisteredModels, &[1], Some(("tags", 2)), &[0, 1, 2]),
            Target::ModelVersions => facts(ModelVersions, &[1, 2], None, &[0, 1]),
            Target::ModelVersionTags => facts(ModelVersions, &[1, 2], Some(("tags", 3)), &[0, 1, 3]),
            Target::Aliases => facts(RegisteredModels, &[1], Some(("aliases", 2)), &[0, 1, 2]),
            Target::Traces => facts(Traces, &[0], None, &[0]),
            Target::TraceTags => facts(Traces, &[0], Some(("tags", 1)), &[0, 1]),
            Target::TraceMetadata => facts(Traces, &[0], Some(("trace_metadata", 1)), &[0, 1]),
            Target::Spans => facts(Kind::Spans, &[0, 2], None, &[0, 2]),
            Target::Assessments => facts(Traces, &[0], Some(("assessments", 1)), &[0, 1]),
            Target::Associations => facts(Traces, &[2], None, &[0, 1, 2, 3, 4]),
            Target::EvaluationDatasets => facts(EvaluationDatasets, &[0], None, &[0, 1]),
            Target::EvaluationDatasetTags => facts(EvaluationDatasets, &[0], Some(("tags", 1)), &[0, 1]),
            Target::DatasetRecords => facts(DatasetRecords, &[1, 0], None, &[0, 1]),
            Target::Scorers => facts(Kind::Scorers, &[1, 2], None, &[0, 2]),
            Target::ScorerVersions => facts(Kind::Scorers, &[0, 1], None, &[0]),
        }
    }

    /// Whether a column names an object, or a key of it.
    pub(super) fn is_key(self, column: usize) -> bool {
        self.facts().keys.contains(&column)
    }

    /// Where a name stands that a table holds once, and the columns within which it does.
    pub(super) fn named(self) -> Option<(&'static [usize], usize)> {
        match self {
            Target::Experiments | Target::Scorers => Some((&[1], 2)),
            Target::RegisteredModels => Some((&[0], 1)),
            Target::Datasets => Some((&[1, 3], 2)),
            Target::Assessments => None,
            _ => {
                let (_, name) = self.facts().map?;
                Some((&[0, 1, 2][..name], name))
            }
        }
    }

    /// Whether a row is a part of an object, as a tag is, and not the object.
    pub(super) fn is_part(self) -> bool {
        self.facts().map.is_some()
    }

    /// Kind and id of the object that a row belongs to, and the field that a column of it is.
    pub(super) fn place(self, row: &[Cell<'_>], column: usize) -> (Kind, String, String) {
        let Facts { kind, id, map, .. } = self.facts();
        let text = |at: usize| match row.get(at) {
            Some(Cell::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Cell::Integer(number)) => number.to_string(),
            _ => String::new(),
        };
        let link = |[source, from, to]: [usize; 3]| match text(source).as_str() {
            "DATASET" => Some((Kind::Runs, text(to), "inputs.dataset_inputs".to_owned())),
            "RUN_INPUT" => Some((
                Kind::Runs,
                text(from),
                format!("inputs.model_inputs[{}]", text(to)),
            )),
            "RUN_OUTPUT" => Some((Kind::Runs, text(from), "outputs.model_outputs".to_owned())),
            "evaluation_dataset" => Some((Kind::EvaluationDatasets, text(from), "experiment_ids".to_owned())),
            "trace" if text(to - 1) == "run" => {
                Some((Kind::Traces, text(from), format!("linked_runs[{}]", text(to))))
            }
            "trace" => Some((Kind::Traces, text(from), format!("linked_prompts[{}]", text(to)))),
            _ => None,
        };
        let is_link = matches!(self, Target::Inputs | Target::Associations);
        if let Some(place) = is_link.then(|| link([1, 2, 4])).flatten() {
            return place;
        }
        let id: Vec<String> = id.iter().map(|at| text(*at)).collect();
        let field = match map {
            Some(("assessments", key)) => format!("assessments[{}]", text(key)),
            Some(("", key)) => text(key),
            Some((field, key)) => format!("{field}.{}", text(key)),
            None if self == Target::Runs => match self.columns()[column] {
                "name" => "info.run_name".to_owned(),
                other => format!("info.{other}"),
            },
            None if self == Target::Datasets => {
                self.columns()[column].trim_start_matches("dataset_").to_owned()
            }
            None => self.columns()[column].to_owned(),
        };
        (kind, id.join("/"), field)
    }
}
