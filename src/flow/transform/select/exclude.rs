//! All but what is excluded. What belongs to an excluded object goes with it: an experiment's runs, logged models, traces, datasets and
//! scorers; the logged models that a run made and its traces; a model's versions. What only names it stays, as MLflow lets it: children
//! of a run, versions that a run made.

use super::facts::RunFacts;
use super::taken::{Scan, Taken};
use super::{Exclude, is_chosen_by_line, kept, see_experiments_and_runs};
use crate::archive::walk::text;
use crate::flow::transform::error::Result;
use crate::flow::transform::sought::names;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::select::{AskedNames, Patterns};
use serde_json::Value;
use std::collections::HashSet;

const EDIT: &str = "exclude";
/// What asks for experiments, runs and models.
const OPTIONS: [&str; 3] = ["--exclude experiment", "--exclude run", "--exclude model"];

/// What goes.
struct Excluded {
    experiments: HashSet<String>,
    models: Patterns,
    /// Runs, logged models, traces, and datasets that excluded runs read and no other does.
    taken: Taken,
    silent: Vec<String>,
}

/// Works out what goes.
pub(in super::super) fn exclude(exclude: &Exclude, view: &View<'_>) -> Result<Box<dyn Step>> {
    let patterns_of_experiments = names(EDIT, &exclude.experiments)?;
    let models = names(EDIT, &exclude.models)?;
    let mut asked = AskedNames::by(OPTIONS, &patterns_of_experiments, &exclude.runs, &models);
    let experiments = see_experiments_and_runs(view, &mut asked, &patterns_of_experiments)?;
    for kind in [Kind::RegisteredModels, Kind::ModelVersions] {
        view.for_each_head(kind, |head| {
            asked.models.see(&[text(&head.name)]);
            Ok(())
        })?;
    }
    let matched = asked.finish()?;
    let mut taken = read(view, &experiments, &matched.runs)?.take(false)?;
    taken.leave_datasets_of_others();
    Ok(Box::new(Excluded {
        experiments,
        models,
        taken,
        silent: matched.silent,
    }))
}

/// Reads what belongs to what.
fn read(view: &View<'_>, experiments: &HashSet<String>, named: &[String]) -> Result<Scan> {
    let named: HashSet<&str> = named.iter().map(String::as_str).collect();
    let mut scan = Scan::new(view.archive(), false);
    view.for_each_placed_text(Kind::Runs, |place, line| {
        let run: RunFacts = view.read(Kind::Runs, serde_json::from_slice(line))?;
        let node = scan.run(&run, place)?;
        if named.contains(run.info.run_id.as_str()) || experiments.contains(&run.info.experiment_id) {
            scan.choose(node);
        }
        Ok(())
    })?;
    let is_in = |id: &str| experiments.contains(id);
    scan.others(
        view,
        |model| is_in(&model.experiment_id),
        |trace| is_in(&trace.experiment_id),
    )?;
    Ok(scan)
}

impl Excluded {
    /// Whether an evaluation dataset is linked to nothing but excluded experiments.
    fn has_evaluation_dataset(&self, line: &EditedLine) -> bool {
        let ids = line.value()["experiment_ids"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let is_excluded = |id: &Value| id.as_str().is_some_and(|id| self.experiments.contains(id));
        !ids.is_empty() && ids.iter().all(is_excluded)
    }
}

impl Step for Excluded {
    fn looks_at(&self, kind: Kind) -> bool {
        is_chosen_by_line(kind)
    }

    fn chooses(&self) -> bool {
        true
    }

    fn judges(&self, kind: Kind, place: u64) -> Option<Fate> {
        kind.has_ids_of_its_own()
            .then(|| kept(!self.taken.has(kind, place)))
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let is_excluded = match line.kind() {
            Kind::Experiments | Kind::Scorers => self.experiments.contains(line.text("experiment_id")),
            Kind::Datasets => {
                let is_of_experiment = self.experiments.contains(line.text("experiment_id"));
                is_of_experiment || self.taken.has(Kind::Datasets, line.place())
            }
            Kind::RegisteredModels | Kind::ModelVersions => self.models.matches(line.text("name")),
            Kind::EvaluationDatasets => self.has_evaluation_dataset(line),
            kind => kind.has_ids_of_its_own() && self.taken.has(kind, line.place()),
        };
        Ok(kept(!is_excluded))
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.silent.clone())
    }
}
