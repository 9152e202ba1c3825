//! Of which object a row is, and of which field: for what is said of it.

use super::outcome::StoreLoss;
use super::rows::{Facts, Target};
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;

impl Target {
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
    pub(super) fn loss(self, row: &[Cell<'_>], column: usize, reason: Reason) -> StoreLoss {
        let (kind, id, field) = self.place(row, column);
        StoreLoss {
            kind,
            id,
            field,
            reason,
        }
    }

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
