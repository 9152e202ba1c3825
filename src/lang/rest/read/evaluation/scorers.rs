//! Scorers of experiments.

use super::super::exporter::Exporter;
use super::super::fields::Fields;
use super::super::server::{Server, told};
use crate::archive::parallel::map_ordered;
use crate::client::{ClientError, Page};
use crate::format::{Kind, Reason};
use crate::lang::rest::routes::{self, Call, Route};
use crate::lang::session::ExportError;
use crate::model::Scorer;
use crate::model::lifecycle;
use crate::select::Verdict;
use serde_json::{Value, json};

impl Exporter<'_, '_> {
    /// Writes scorers, every version.
    pub(in super::super) fn scorers(&mut self) -> Result<(), ExportError> {
        let (ids, mut deleted) = self.scorer_experiments();
        let (server, pool) = (self.server.clone(), self.pool.clone());
        let work = move |id: String| {
            let found = find_scorers(&server, &id);
            let was_deleted =
                matches!(&found, Err(error) if error.status() == Some(400)) && is_deleted(&server, &id);
            (id, found, was_deleted)
        };
        map_ordered(
            &pool,
            pool.threads() * 2,
            ids,
            work,
            |(id, found, was_deleted)| match found {
                Ok(scorers) => {
                    let without_id = scorers.iter().filter(|scorer| scorer.scorer_id.is_none());
                    self.limit(
                        Kind::Scorers,
                        "scorer_id",
                        Reason::NotShown,
                        without_id.count() as u64,
                    );
                    scorers.iter().try_for_each(|scorer| self.export.write(scorer))
                }
                // Since it was listed.
                Err(_) if was_deleted => {
                    deleted += 1;
                    Ok(())
                }
                Err(error) if !fits_the_answer(&id) && error.status() == Some(500) => {
                    self.limit(Kind::Scorers, "*", Reason::ExperimentIdTooLarge, 1);
                    Ok(())
                }
                Err(error) => self.fail(Kind::Scorers, &id, Reason::Unreadable, &told(&error)),
            },
        )?;
        if !self.server.lacks(routes::SCORERS) {
            self.limit(Kind::Scorers, "*", Reason::DeletedExperiment, deleted);
        }
        Ok(())
    }
    /// Ids of the experiments that are asked for scorers, and how many deleted ones cannot be.
    fn scorer_experiments(&self) -> (Vec<String>, u64) {
        let (mut ids, mut deleted) = (Vec::new(), 0);
        // Another shard's, by which it is seen whether the server has scorers at all.
        let mut other = None;
        for (id, experiment) in &self.experiments {
            if self.closure.borrow().is_led_elsewhere(id) {
                let is_active = !experiment.is_deleted();
                other = other.or_else(|| is_active.then(|| id.clone()));
                continue;
            }
            if self.closure.borrow().of_experiment(id) != Verdict::Kept {
                continue;
            }
            // Servers answer for active experiments only.
            if experiment.is_deleted() {
                deleted += 1;
            } else {
                ids.push(id.clone());
            }
        }
        if let Some(other) = other.filter(|_| ids.is_empty() && deleted > 0) {
            // What fails here fails in the other shard.
            let _ = find_scorers(&self.server, &other);
        }
        (ids, deleted)
    }
}

/// Whether an experiment is deleted by now.
fn is_deleted(server: &Server, experiment_id: &str) -> bool {
    let request =
        Call::from(routes::EXPERIMENT).with(&server.client, &json!({"experiment_id": experiment_id}));
    let answer = request.parse::<Value>();
    answer.is_ok_and(|answer| answer["experiment"]["lifecycle_stage"] == lifecycle::DELETED)
}

/// Whether an experiment's id fits the 32 bits that answers about scorers have for it.
fn fits_the_answer(experiment_id: &str) -> bool {
    experiment_id.parse::<i32>().is_ok()
}

fn find_scorers(server: &Server, experiment_id: &str) -> Result<Vec<Scorer>, ClientError> {
    let ask = |route: Route, name: Option<&str>| {
        let found = server.optional(route, |client| {
            let asked = json!({"experiment_id": experiment_id, "name": name});
            let answer = Call::from(route).with(client, &asked).attempts(2).parse()?;
            Ok(Page::of(answer, "scorers")?.rows)
        });
        Ok(found?.unwrap_or_default())
    };
    let mut scorers = Vec::new();
    for latest in ask(routes::SCORERS, None)? {
        let name = Fields::of(latest).named("scorer_name")?;
        let versions = ask(routes::SCORER_VERSIONS, Some(&name))?;
        scorers.extend(versions.into_iter().map(|value| scorer(value, experiment_id)));
    }
    Ok(scorers)
}

fn scorer(value: Value, experiment_id: &str) -> Scorer {
    let mut fields = Fields::of(value);
    fields.ignore(&["experiment_id"]);
    let version = fields.unsigned("scorer_version");
    Scorer {
        experiment_id: experiment_id.to_owned(),
        name: fields.text("scorer_name").unwrap_or_default(),
        version: version.unwrap_or(0),
        scorer_id: fields.text("scorer_id"),
        serialized_scorer: fields.text("serialized_scorer"),
        creation_time: fields.int("creation_time"),
        extra: fields.finish(),
    }
}
