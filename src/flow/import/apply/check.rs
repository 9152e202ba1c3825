//! After the runs are filled: does the target hold what it was sent? A server may answer 200 and store less.

use super::fill::END;
use super::{Apply, lock};
use crate::flow::import::deviations::NotedDeviations;
use crate::flow::import::id_map::Parts;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::Action;
use crate::flow::import::plan::limits::{FittedRun, USER_TAG};
use crate::flow::import::run_chunks::short_digest;
use crate::flow::import::{ImportError, Result};
use crate::format::Kind;
use crate::lang::rest::api::{TargetId, TargetRun};
use crate::lang::rest::limits::Limits;
use crate::lang::rest::mark;
use crate::model::{Double, Run};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

const KIND: Kind = Kind::Runs;

/// What a search says of a run, as far as it was sent.
#[derive(Debug, Default, PartialEq)]
struct Visible {
    status: String,
    end_time: i64,
    start_time: i64,
    params: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    metrics: BTreeMap<String, (String, i64, i64)>,
}

impl Visible {
    fn digest(&self) -> u64 {
        short_digest(Sha256::new_with_prefix(format!("{self:?}")))
    }

    fn of_target(run: &TargetRun) -> Self {
        Visible {
            status: run.status.clone(),
            start_time: run.start_time.unwrap_or(0),
            end_time: run.end_time.unwrap_or(0),
            params: run.params.clone(),
            tags: run.tags.clone(),
            metrics: run
                .metrics
                .iter()
                .map(|(key, &(value, timestamp, step))| (key.clone(), (stored(value), timestamp, step)))
                .collect(),
        }
    }

    fn of_archive(run: &Run, fitted: &FittedRun, limits: &Limits) -> Self {
        let metrics = run.metrics.iter();
        let metrics = metrics
            .filter(|(key, metric)| limits.key_fault(key).is_none() && metric.timestamp >= 0)
            .map(|(key, metric)| (key.clone(), (stored(metric.value), metric.timestamp, metric.step)));
        let mut tags: BTreeMap<_, _> = fitted.tags.iter().cloned().collect();
        if let Some(name) = &fitted.run_name {
            tags.insert("mlflow.runName".to_owned(), name.clone());
        }
        Visible {
            status: run.info.status.clone(),
            start_time: run.info.start_time.unwrap_or(0),
            end_time: run.info.end_time.unwrap_or(0),
            params: fitted.params.iter().cloned().collect(),
            tags,
            metrics: metrics.collect(),
        }
    }

    /// Fields in which two differ, those that only the target has left out.
    fn differences(&self, target: &Visible) -> Vec<String> {
        let mut fields = Vec::new();
        let texts = |kind: PartKind, mine: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>| {
            let differ = mine.iter().filter(|(key, value)| theirs.get(*key) != Some(value));
            differ.map(|(key, _)| kind.of(key)).collect::<Vec<_>>()
        };
        fields.extend(texts(PartKind::Param, &self.params, &target.params));
        fields.extend(texts(PartKind::Tag, &self.tags, &target.tags));
        let metrics = self.metrics.iter();
        let metrics = metrics.filter(|(key, point)| target.metrics.get(*key) != Some(point));
        fields.extend(metrics.map(|(key, _)| PartKind::Metric.of(key)));
        let infos = [
            ("status", self.status != target.status),
            ("start_time", self.start_time != target.start_time),
            ("end_time", self.end_time != target.end_time),
        ];
        let infos = infos.into_iter().filter(|(_, differs)| *differs);
        fields.extend(infos.map(|(field, _)| field.to_owned()));
        fields
    }
}

/// The text of a value as SQL stores keep it.
fn stored(value: Double) -> String {
    format!("{:?}", value.as_stored().0)
}

/// The digest of what a search should say of a run that this process filled.
pub(super) fn expected(run: &Run, fitted: &FittedRun, limits: &Limits) -> u64 {
    Visible::of_archive(run, fitted, limits).digest()
}

impl Apply<'_> {
    /// Compares the runs that this process filled, or an earlier one that did not come so far, with what the target now says, and
    /// looks for doubles.
    pub(super) fn check_runs(&self) -> Result<()> {
        if lock(&self.seen.expected).is_empty() {
            return Ok(());
        }
        self.monitor
            .begin("check", Some(lock(&self.seen.expected).len() as u64));
        let mut doubtful = HashSet::new();
        for planned in &self.plan.experiments {
            let Some(id) = self.ledger.id(Kind::Experiments, &planned.id) else {
                continue;
            };
            let is_ours = planned.action == Action::Create || self.target.marked.contains_key(&planned.id);
            let filters = if is_ours {
                vec![String::new()]
            } else {
                let prefixes = self.plan.origins.prefixes(KIND);
                prefixes
                    .map(|prefix| format!("tags.`{}` LIKE '{prefix}%'", mark::KEY))
                    .collect()
            };
            for filter in filters {
                self.check_experiment(&id, &filter, &mut doubtful)?;
            }
        }
        self.name_differences(&doubtful)?;
        if !self.seen.has_unchecked.load(Ordering::Relaxed) {
            self.ledger.checked(KIND)?;
        }
        Ok(())
    }

    fn check_experiment(&self, id: &TargetId, filter: &str, doubtful: &mut HashSet<TargetId>) -> Result<()> {
        let mut doubles: Vec<(String, TargetId, bool)> = Vec::new();
        let origins = &self.plan.origins;
        self.api.each_run(id, filter, |run| {
            let expected = lock(&self.seen.expected).remove(&run.id);
            if expected.is_some_and(|expected| expected != Visible::of_target(&run).digest()) {
                doubtful.insert(run.id.clone());
            }
            if expected.is_some() {
                self.monitor.advance(1);
            }
            let mark = run.tags.get(mark::KEY);
            let of = mark.and_then(|mark| origins.id_of(mark, KIND));
            if let Some(of) = of
                && self.ledger.id(KIND, &of).is_some_and(|ours| ours != run.id)
            {
                let is_empty = run.params.is_empty() && run.metrics.is_empty() && run.end_time.is_none();
                doubles.push((of, run.id, is_empty));
            }
        })?;
        for (id, other, is_empty) in doubles {
            // A request that was under way when a process died, or a connection broke, did its work late.
            if is_empty && lock(&self.seen.suspects).contains(&id) {
                self.attempt(KIND, &id, || self.remove_double(&other));
                continue;
            }
            let detail = format!("another import also made it, as `{other}`");
            lock(&self.report).fail(KIND, &id, &ImportError::choice(detail));
        }
        Ok(())
    }

    /// Takes the mark off an empty run that was made twice, and deletes it.
    fn remove_double(&self, run_id: &TargetId) -> Result<()> {
        self.api.delete_run_tag(run_id, mark::KEY)?;
        Ok(self.api.delete_run(run_id)?)
    }

    /// Runs that the search did not give, or gave otherwise, are compared field by field.
    fn name_differences(&self, doubtful: &HashSet<TargetId>) -> Result<()> {
        let missing = std::mem::take(&mut *lock(&self.seen.expected));
        if doubtful.is_empty() && missing.is_empty() {
            return Ok(());
        }
        for run in self.archive.objects::<Run>() {
            let run: Run = run?;
            let Some(known) = self.ledger.get(KIND, &run.info.run_id) else {
                continue;
            };
            if doubtful.contains(&known.id) || missing.contains_key(&known.id) {
                let compared = self.attempt(KIND, &run.info.run_id, || self.compare(&run, &known.id));
                self.seen
                    .has_unchecked
                    .fetch_or(compared.is_none(), Ordering::Relaxed);
            }
            if self.is_stopped() {
                break;
            }
        }
        self.end_of_phase()
    }

    fn compare(&self, run: &Run, new_id: &TargetId) -> Result<()> {
        let id = &run.info.run_id;
        let Some(target) = self.api.run(new_id)? else {
            return Err(ImportError::gone(KIND, id, new_id));
        };
        let fitted = self.fitted(run)?;
        let mine = Visible::of_archive(run, &fitted, &self.fitting.limits);
        let theirs = Visible::of_target(&target);
        let is_named = |field: &String| {
            let named = lock(&self.report)
                .changes
                .named()
                .iter()
                .any(|change| change.id == *id && change.field == *field);
            let is_refused = |part: &str| self.is_refused(KIND, id, part);
            let is_end = matches!(field.as_str(), "status" | "end_time") && is_refused(END);
            named
                || is_refused(field)
                || is_end
                || (*field == PartKind::Tag.of(USER_TAG) && self.target.is_databricks)
        };
        let mut differences = mine.differences(&theirs);
        differences.retain(|field| !is_named(field));
        if !differences.is_empty() {
            // The next import looks at it again, and names what it finds there.
            self.ledger
                .done(KIND, id, 0, &NotedDeviations::default(), &Parts::default())?;
        }
        for field in differences {
            let detail = format!("the target stored a different value of {field} than the one it was sent");
            lock(&self.report).fail(KIND, id, &ImportError::choice(detail));
        }
        Ok(())
    }
}
